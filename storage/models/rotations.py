"""Rotations, the tasks they are made of, the lanes those are worked in, and the sign-in attempts that prove them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.models.words import RotationState, Status, TaskState, new_uid, now, same_organization


class Rotation(SQLModel, table=True):
    """Giving one record, and every account matched to it, one new password, once."""

    __tablename__ = "rotations"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        same_organization("records", "record_id"),
        Index(
            "one_open_rotation",
            "record_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_rotations_record", "record_id", "id"),
        Index(
            "ix_rotations_stuck",
            "organization_id",
            sqlite_where=text("state = 'stuck'"),
            postgresql_where=text("state = 'stuck'"),
        ),
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
    sign_out: bool = False
    """Whether its accounts are signed out everywhere once they have the new password, where a directory can do that."""
    restores: int | None = None
    """The earlier revision whose password it brings back, instead of a new one."""
    vault_only: bool = False
    """Only the vault gets that earlier password; no directory is touched."""
    requested_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None
    taken_by: str | None = None
    """Who said that they look after it, when it ended stuck."""
    taken_at: datetime | None = None


class Task(SQLModel, table=True):
    """One durable, safe-to-repeat piece of work towards one connection; a rotation's tasks are its steps."""

    __tablename__ = "tasks"
    __table_args__ = (
        same_organization("connections", "connection_id"),
        same_organization("rotations", "rotation_id"),
        same_organization("accounts", "account_id"),
        Index("ix_tasks_due", "connection_id", "ended_at", "due_at"),
        Index("ix_tasks_rotation", "rotation_id"),
        Index(
            "ix_tasks_until",
            "until_at",
            sqlite_where=text("ended_at IS NULL AND until_at IS NOT NULL"),
            postgresql_where=text("ended_at IS NULL AND until_at IS NOT NULL"),
        ),
        Index(
            "one_open_step",
            "account_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL AND account_id IS NOT NULL AND kind = 'rotate'"),
            postgresql_where=text("ended_at IS NULL AND account_id IS NOT NULL AND kind = 'rotate'"),
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
    until_at: datetime | None = None
    """Not to be begun from then on: its rotation window is over. Without meaning once its rotation has begun."""
    tries: int = 0
    set_at_before: datetime | None = None
    """The directory's set-time read right before the first write of this step."""
    times_set_before: int | None = None
    """How often the password had ever been written then, where the directory counts: tells our write from two."""
    server: str | None = None
    """Which server took the write: looked at first when asking what became of it."""
    taken_at: datetime | None = None
    """When this directory was first known to have taken a password of this rotation; None while it never did. Of a
    watch: when all the directories were proved to have it that are written."""
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
    failure_mend: str = ""
    failure_status: str = ""
    """The word people see for what a stopped lane leaves untouched; empty is `API Error`."""
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
