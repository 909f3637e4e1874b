"""The tables, and the states their rows can be in.

One class per table, grouped as people meet them: organizations and their connections; accounts, records, revisions and
matches; rules; rotations, their tasks and lanes; the audit trail. A row of one organization can only point at rows of
the same organization: the foreign keys are composite, so a cross-organization match cannot be stored at all.

Rows are built by Rekey alone (SQLModel does not validate table classes); what comes from outside is parsed into
pydantic models or dataclasses first. Times are aware UTC.
"""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def now() -> datetime:
    """The present, aware UTC: our own clock, never to be compared with a directory's."""
    return datetime.now(UTC)


def new_uid() -> str:
    """An id that stays with a row across databases: `recover` and `restore` find rows again by it."""
    return uuid.uuid4().hex


class Tier(StrEnum):
    """What kind of account; `shared`, `service` and `break-glass` may be marked in the world file."""

    PERSON = "person"
    SHARED = "shared"
    SERVICE = "service"
    PRIVILEGED = "privileged"
    BREAK_GLASS = "break-glass"


class Role(StrEnum):
    """What an operator may be, everywhere or in one organization."""

    ADMINISTRATOR = "administrator"
    TECHNICIAN = "technician"
    VIEWER = "viewer"


class MatchState(StrEnum):
    """Where an account stands with the vault; `approved` is also the consent to rotate."""

    SUGGESTED = "suggested"
    SEVERAL = "several"
    NONE = "none"
    APPROVED = "approved"
    IGNORED = "ignored"


class RevisionState(StrEnum):
    """Which version of a record's password this is; none is ever deleted."""

    PENDING = "pending"
    CURRENT = "current"
    PREVIOUS = "previous"
    OLD = "old"
    DISCARDED = "discarded"


class Status(StrEnum):
    """The seven words people see."""

    IN_PROGRESS = "In progress"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    API_ERROR = "API Error"
    ADMIN_NOT_PERMITTED = "Admin Not Permitted"
    MULTI_TENANT_NOT_PERMITTED = "Multi Tenant Not Permitted"
    NOT_PERMITTED = "Not Permitted"


class RotationState(StrEnum):
    """Where a rotation is; the diagram is in `bot.rotation`. The first three are open."""

    PLANNED = "planned"
    ROTATING = "rotating"
    PUTTING_BACK = "putting_back"
    SUCCESSFUL = "successful"
    REFUSED = "refused"
    PUT_BACK = "put_back"
    STUCK = "stuck"
    CANCELLED = "cancelled"


class TaskKind(StrEnum):
    """What a task does towards its connection."""

    ROTATE = "rotate"
    SYNC = "sync"


class TaskState(StrEnum):
    """Where a task is. An -ing state means: look before acting. The diagram is in `bot.rotation`."""

    WAITING = "waiting"
    CHECKED = "checked"
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    PUT_BACK_READY = "put_back_ready"
    PUTTING_BACK = "putting_back"
    PUT_BACK = "put_back"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    DONE = "done"


def _same_organization(table: str, column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["organization_id", column], [f"{table}.organization_id", f"{table}.id"])


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
    domain_names: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Qualifiers this directory's usernames may carry: NetBIOS name, DNS name, UPN suffixes; lower case."""
    cursor: str | None = None
    """Where the last incremental read ended; opaque, the directory's own."""
    synced_at: datetime | None = None
    created_at: datetime = Field(default_factory=now)


class Account(SQLModel, table=True):
    """A sign-in in a directory, by its immutable id."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("connection_id", "object_id"),
        UniqueConstraint("organization_id", "id"),
        _same_organization("connections", "connection_id"),
        Index("ix_accounts_username", "organization_id", "username_key"),
        Index("ix_accounts_upn", "organization_id", "upn_key"),
        Index("ix_accounts_mail", "organization_id", "mail_key"),
        Index(
            "ix_accounts_present",
            "connection_id",
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    connection_id: int
    object_id: str
    username: str
    username_key: str
    domain: str = ""
    """The NetBIOS or tenant name people know the directory by; shown before the username."""
    upn: str | None = None
    upn_key: str | None = None
    mail: str | None = None
    mail_key: str | None = None
    """Like the other keys, the whole of it as `storage.usernames.fold` compares it: what a record's username may be."""
    display_name: str | None = None
    ou: str | None = None
    enabled: bool = True
    locked: bool = False
    password_set_at: datetime | None = None
    directory_tier: str = Tier.PERSON
    """What the directory itself says: privileged, service or person."""
    tier: str = Tier.PERSON
    """What holds: the directory's word and the organization's marks together."""
    guard: str | None = None
    """Why this account is never rotated, in a sentence; None when it may be."""
    is_connector: bool = False
    """Rekey itself signs in with it."""
    removed_at: datetime | None = None
    proved_revision_id: int | None = None
    """The revision this directory was last proved to take for this account."""
    proved_set_at: datetime | None = None
    """The directory's own set-time at that proof."""
    first_seen_at: datetime = Field(default_factory=now)


class Record(SQLModel, table=True):
    """One entry of a vault: everything but its password, which lives in revisions."""

    __tablename__ = "records"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        _same_organization("connections", "connection_id"),
        Index("ix_records_username", "organization_id", "username_key"),
        Index("ix_records_name", "organization_id", "name_key"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int
    connection_id: int
    name: str
    name_key: str
    username: str = ""
    username_key: str = ""
    """The bare username, lower case, without its qualifier: what matching looks up."""
    url: str | None = None
    notes: str | None = None
    category: str | None = None
    archived_at: datetime | None = None
    created_at: datetime = Field(default_factory=now)


class Revision(SQLModel, table=True):
    """One version of a record's password, sealed."""

    __tablename__ = "revisions"
    __table_args__ = (
        _same_organization("records", "record_id"),
        Index("ix_revisions_record", "record_id", "state"),
        Index(
            "one_current_revision",
            "record_id",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
        Index(
            "one_pending_revision",
            "record_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int
    record_id: int
    state: str
    sealed: str
    origin: str
    """`imported`, `generated`, `recovered` …: where the password came from."""
    rotation_id: int | None = None
    created_at: datetime = Field(default_factory=now)
    created_by: str = ""
    proved_at: datetime | None = None


class Match(SQLModel, table=True):
    """Account ↔ record, one row per account."""

    __tablename__ = "matches"
    __table_args__ = (
        _same_organization("accounts", "account_id"),
        _same_organization("records", "record_id"),
        Index("ix_matches_record", "record_id"),
        Index("ix_matches_state", "organization_id", "state"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    account_id: int = Field(unique=True)
    record_id: int | None = None
    state: str
    decided_by: str | None = None
    decided_at: datetime | None = None
    version: int = 1


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
    version: int = 1


class Rotation(SQLModel, table=True):
    """Giving one record, and every account matched to it, one new password, once."""

    __tablename__ = "rotations"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        _same_organization("records", "record_id"),
        Index(
            "one_open_rotation",
            "record_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_rotations_record", "record_id", "id"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int
    record_id: int
    state: str = RotationState.PLANNED
    status: str = Status.IN_PROGRESS
    reason: str = ""
    """What happened, what is true now, what to do: sentences for people."""
    cause: str = ""
    mend: str = ""
    requested_by: str
    by_name: bool = True
    """Asked for this very record, not swept up by "all"."""
    revision_id: int | None = None
    """The revision being written; pending until the rotation finishes."""
    attempts: int = 0
    """How many passwords were generated so far, 3 at most."""
    requested_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None


class Task(SQLModel, table=True):
    """One durable, safe-to-repeat piece of work towards one connection; a rotation's tasks are its steps."""

    __tablename__ = "tasks"
    __table_args__ = (
        _same_organization("connections", "connection_id"),
        _same_organization("rotations", "rotation_id"),
        _same_organization("accounts", "account_id"),
        Index("ix_tasks_due", "connection_id", "ended_at", "due_at"),
        Index("ix_tasks_rotation", "rotation_id"),
        Index(
            "one_open_step",
            "account_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL AND account_id IS NOT NULL"),
            postgresql_where=text("ended_at IS NULL AND account_id IS NOT NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    connection_id: int
    """The lane it belongs to."""
    kind: str
    state: str = TaskState.READY
    rotation_id: int | None = None
    account_id: int | None = None
    position: int = 0
    """Among a rotation's steps: lower ones first, the likeliest to refuse before the rest."""
    due_at: datetime = Field(default_factory=now)
    tries: int = 0
    set_at_before: datetime | None = None
    """The directory's set-time read right before the first write of this step."""
    times_set_before: int | None = None
    """How often the password had ever been written then, where the directory counts: tells our write from two."""
    server: str | None = None
    """Which server took the write: looked at first when asking what became of it."""
    taken_at: datetime | None = None
    """When this directory was first known to have taken a password of this rotation; None while it never did."""
    status: str | None = None
    """The word people see for this account when it was refused."""
    previous_proved: bool | None = None
    """Whether the current revision was proved to work there before the first write; None when never asked."""
    policy: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """The directory's password policy for this account, as read by the check."""
    reason: str = ""
    cause: str = ""
    mend: str = ""
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """Counts of a finished sync; never a secret."""
    created_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None


class Lane(SQLModel, table=True):
    """All work towards one connection: wanted or not, whose lease it is, and why it waits."""

    __tablename__ = "lanes"

    connection_id: int = Field(primary_key=True, foreign_key="connections.id")
    wanted: bool = False
    owner: str | None = None
    """`host pid start-time` of the process that drains it."""
    token: int = 0
    """Grows with every new owner: a frozen owner that wakes finds another number here and writes nothing."""
    lease_until: datetime | None = None
    backoff_until: datetime | None = None
    failures: int = 0
    failure_cause: str = ""
    failure_reason: str = ""
    stopped_at: datetime | None = None
    """After identical failures; the next request by a person clears it."""
    frozen_reason: str | None = None
    """After a restore: nothing runs until `doctor` has compared the directory with our revisions."""


class ProofTry(SQLModel, table=True):
    """One sign-in attempt made to prove a password; those not known to have succeeded may feed a lockout."""

    __tablename__ = "proof_tries"
    __table_args__ = (Index("ix_proof_tries", "account_id", "tried_at"),)

    id: int = Field(default=None, primary_key=True)  # None until flushed
    account_id: int = Field(foreign_key="accounts.id")
    task_id: int | None = None
    tried_at: datetime = Field(default_factory=now)
    proved: bool = False


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
