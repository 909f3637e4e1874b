"""What schedules remember: which due times were taken up, what was put off or left out, and when to look next."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.models.words import now, same_organization


class DueTime(SQLModel, table=True):
    """A due time of a record that was taken up. It is known by its local day, so that it is never taken up again:
    not by another process, not after a restart, not in another time zone.
    """

    __tablename__ = "due_times"
    __table_args__ = (
        UniqueConstraint("record_id", "day"),
        same_organization("records", "record_id"),
        Index("ix_due_times_request", "request_id"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    record_id: int
    day: str
    """The local day it fell due, `2026-11-22`."""
    due_at: datetime
    taken_at: datetime = Field(default_factory=now)
    request_id: int | None = Field(default=None, foreign_key="requests.id")
    """The run it became part of."""


class Postponement(SQLModel, table=True):
    """Somebody said "skip this time" or "later", of one record or of a whole organization."""

    __tablename__ = "postponements"
    __table_args__ = (
        same_organization("records", "record_id"),
        Index("ix_postponements_organization", "organization_id", "day"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int = Field(foreign_key="organizations.id")
    record_id: int | None = None
    """None: all of the organization's."""
    day: str
    """It is about what falls due up to and including this local day, `2026-11-22`."""
    until: datetime | None = None
    """Not before then; None: not at all this time."""
    created_by: str
    created_at: datetime = Field(default_factory=now)


class Exclusion(SQLModel, table=True):
    """A record that schedules leave out. Rotating it by name goes on."""

    __tablename__ = "exclusions"
    __table_args__ = (UniqueConstraint("record_id"), same_organization("records", "record_id"))

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    record_id: int
    created_by: str
    created_at: datetime = Field(default_factory=now)


class Timetable(SQLModel, table=True):
    """When an organization's schedule is to be looked at next: a memory aid, worked out anew where it may be wrong."""

    __tablename__ = "timetables"
    __table_args__ = (Index("ix_timetables_look", "look_at"),)

    organization_id: int = Field(primary_key=True, foreign_key="organizations.id")
    look_at: datetime = Field(default_factory=now)
    """Nothing falls due and no window opens for anything before then."""
    next_run_at: datetime | None = None
    """When something rotates next, as far as is known; None: nothing does."""
    cadence: str = ""
    """Which days the rule named when `since` was set; empty: none."""
    since: datetime | None = None
    """Since when it has been these days: those before do not count as missed."""
    timezone: str = ""
    """The zone `look_at` was worked out in."""


class DirectoryPolicies(SQLModel, table=True):
    """The password policies a directory showed when it was last read, so that rules can be held against them."""

    __tablename__ = "directory_policies"

    connection_id: int = Field(primary_key=True, foreign_key="connections.id")
    policies: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """As `PasswordPolicy.to_json` writes them."""
    trouble: str = ""
    """What could not be read, and why: a sentence for people."""
    read_at: datetime = Field(default_factory=now)
