"""Customers, who may do what there, their connections, and the rules that hold for them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.models.words import new_uid, now


class Organization(SQLModel, table=True):
    """A customer: owns one Slack channel, a time zone, its connections."""

    __tablename__ = "organizations"

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    name: str
    name_key: str = Field(unique=True)
    channel: str | None = Field(default=None, unique=True)
    timezone: str = "UTC"
    bulk: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    marks: dict[str, list[str]] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    frozen_at: datetime | None = None
    frozen_by: str | None = None
    created_at: datetime = Field(default_factory=now)


class Grant(SQLModel, table=True):
    """One role of one operator, everywhere (`organization_id` None) or in one organization."""

    __tablename__ = "grants"
    __table_args__ = (Index("ix_grants_operator", "operator"),)

    id: int = Field(default=None, primary_key=True)  # None until flushed
    operator: str
    role: str
    organization_id: int | None = Field(default=None, foreign_key="organizations.id")
    created_at: datetime = Field(default_factory=now)


class Connection(SQLModel, table=True):
    """An organization's stored way into one outside system, or its embedded vault."""

    __tablename__ = "connections"
    __table_args__ = (UniqueConstraint("organization_id", "name_key"), UniqueConstraint("organization_id", "id"))

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int = Field(foreign_key="organizations.id")
    name: str
    name_key: str
    side: str
    """`directory` or `vault`."""
    kind: str
    settings: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """What the kind needs to find and trust the system; never a secret."""
    credential: str | None = None
    """The connector credential, sealed with what identifies the system as associated data."""
    credential_reference: str | None = None
    """Where the credential was last taken from (`env:…`, `file:…`): never the credential."""
    credential_rotated_at: datetime | None = None
    credential_ends_at: datetime | None = None
    """When the connector credential stops being taken, as far as that is known."""
    credential_looked_at: datetime | None = None
    """When the outside system was last asked about that."""
    credential_told: int | None = None
    """How many days ahead of that end administrators were told last; None: not yet."""
    off_at: datetime | None = None
    """Since when its switch is off: nothing is rotated there."""
    off_by: str | None = None
    own_record_id: int | None = None
    """The record of the account Rekey itself signs in with here: only through it is that account's password changed."""
    domain_names: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Qualifiers this directory's usernames may carry: NetBIOS name, DNS name, UPN suffixes; lower case."""
    cursor: str | None = None
    """Where the last incremental read ended; opaque, the directory's own."""
    synced_at: datetime | None = None
    created_at: datetime = Field(default_factory=now)


class Tenant(SQLModel, table=True):
    """A customer's tenant, as the partner's own tenant lists it: connected, skipped, or still to be looked at."""

    __tablename__ = "tenants"
    __table_args__ = (UniqueConstraint("connection_id", "tenant_id"),)

    id: int = Field(default=None, primary_key=True)  # None until flushed
    connection_id: int = Field(foreign_key="connections.id")
    """The partner's own tenant, which listed it."""
    tenant_id: str
    name: str
    name_key: str
    domain: str | None = None
    skipped_at: datetime | None = None
    skipped_by: str | None = None
    seen_at: datetime = Field(default_factory=now)
    """When it was last listed."""


class Rule(SQLModel, table=True):
    """Password policy: one row for everybody, at most one per organization, which overrides it."""

    __tablename__ = "rules"

    id: int = Field(default=None, primary_key=True)  # None until flushed
    scope: str = Field(unique=True)
    """`global`, or the organization's uid."""
    organization_id: int | None = Field(default=None, foreign_key="organizations.id")
    length: int = 20
    uppercase: bool = True
    lowercase: bool = True
    number: bool = True
    symbol: bool = True
    unambiguous: bool = True
    words: int | None = None
    """Passphrase style with so many words; None for random characters."""
    sign_out: bool = False
    """Whether whoever has the account is signed out everywhere after a rotation, where a directory can do that."""
    version: int = 1
