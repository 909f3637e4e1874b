"""The audit trail, and single facts about this database."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class AuditEvent(SQLModel, table=True):
    """One line of the trail; `mac` covers this row and the one before."""

    __tablename__ = "audit_events"

    id: int = Field(primary_key=True)
    """Its place in the chain, from 1 without gaps."""
    at: datetime
    operator: str
    source: str
    event: str
    result: str
    organization: str | None = None
    """The organization's uid, so that the line reads the same after a restore."""
    subject: str = ""
    details: str = "{}"
    """Canonical JSON, no secret in it."""
    key_id: str
    mac: str


class Fact(SQLModel, table=True):
    """A single value about this database: key fingerprints, the schema's birth."""

    __tablename__ = "facts"

    name: str = Field(primary_key=True)
    value: str
