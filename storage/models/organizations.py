"""Customers, who may do what there, their connections, and the rules that hold for them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.models.words import Tier, new_uid, now


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
    """Password policy and schedule: one row for everybody, at most one per organization, which overrides it whole."""

    __tablename__ = "rules"

    id: int = Field(default=None, primary_key=True)  # None until flushed
    scope: str = Field(unique=True)
    """`global`, or the organization's uid."""
    organization_id: int | None = Field(default=None, foreign_key="organizations.id")
    enabled: bool = True
    """The main switch. Off: nothing is rotated under this rule, by whomever it is asked."""
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
    symbols: str | None = None
    """The symbols passwords may have; None for all that Rekey uses."""
    tiers: list[str] = Field(default_factory=lambda: [Tier.SHARED.value], sa_column=Column(JSON, nullable=False))
    """The tiers schedules may include."""
    scheduled: bool = False
    """Rotate by the schedule below."""
    every_days: int | None = None
    """So many days after the last rotation; or else on days of the week, or on a day of the month."""
    weekdays: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """`mon` to `sun`."""
    month_day: int | None = None
    """In a shorter month its last day."""
    at: str = "02:00"
    """The local time of the organization at which records fall due."""
    windows: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """When scheduled rotations may begin, as `bot.schedule` reads them; none: at any time from `at` on."""
    blackouts: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Local days on which none begins."""
    spread: bool = True
    """Over the window, instead of all at its beginning."""
    manual_restarts: bool = True
    """Whether a rotation somebody asked for restarts the period."""
    notice_hours: int = 24
    """So many hours before, the channel is told what will rotate; 0: it is not."""
    changed_by: str | None = None
    changed_at: datetime | None = None
    version: int = 1
