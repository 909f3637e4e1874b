"""The states rows can be in, the tiers and roles, and what every table needs: a clock, ids, one organization."""

import uuid
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import ForeignKeyConstraint


def now() -> datetime:
    """The present, aware UTC: our own clock, never to be compared with a directory's."""
    return datetime.now(UTC)


def new_uid() -> str:
    """An id that stays with a row across databases: `recover` and `restore` find rows again by it."""
    return uuid.uuid4().hex


SCHEDULE = "schedule"
"""Who asks for the rotations that nobody asked for: the schedule of a rule."""


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
    """Where a rotation is; the diagram is in `bot.rotation`. The first four are open."""

    PLANNED = "planned"
    ROTATING = "rotating"
    PUTTING_BACK = "putting_back"
    RECORDING = "recording"
    """Every directory holds it; its vault outside does not yet."""
    SUCCESSFUL = "successful"
    REFUSED = "refused"
    PUT_BACK = "put_back"
    STUCK = "stuck"
    CANCELLED = "cancelled"


class Tell(StrEnum):
    """Which results somebody wants to hear of."""

    ALL = "all"
    FAILURES = "failures"


class Way(StrEnum):
    """How somebody wants to hear of them."""

    MESSAGE = "message"
    """By direct message in Slack."""
    EMAIL = "email"
    BOTH = "both"
    NONE = "none"


class RequestState(StrEnum):
    """Where a request is. The first three are open."""

    PREVIEW = "preview"
    AWAITING_APPROVAL = "awaiting_approval"
    UNDER_WAY = "under_way"
    ENDED = "ended"
    CANCELLED = "cancelled"


class ApprovalState(StrEnum):
    """Whether a second administrator has agreed."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    VOID = "void"
    """What they were asked about has changed since, or was taken back."""


class TaskKind(StrEnum):
    """What a task does towards its connection."""

    ROTATE = "rotate"
    SYNC = "sync"
    WATCH = "watch"
    """See a cloud account take over the password its Active Directory was given. Never writes."""
    SIGN_OUT = "sign_out"
    """End the sessions of an account that has its new password."""
    CREATE = "create"
    """Make the records that are still to be made in its vault outside."""
    RECORD = "record"
    """Write a rotation's password to its vault outside."""
    AFTERSHOCK = "aftershock"
    """Look for signs that something still uses the passwords before: all accounts of the last hour at once."""
    UNLOCK = "unlock"


class TaskState(StrEnum):
    """Where a task is. An -ing state means: look before acting. The diagram is in `bot.rotation`."""

    WAITING = "waiting"
    CHECKED = "checked"
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    CONFIRMED = "confirmed"
    RECORDING = "recording"
    REFUSED = "refused"
    PUT_BACK_READY = "put_back_ready"
    PUTTING_BACK = "putting_back"
    PUT_BACK = "put_back"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    DONE = "done"


def same_organization(table: str, column: str) -> ForeignKeyConstraint:
    """A composite foreign key: the row pointed at belongs to the same organization, or the row cannot be stored."""
    return ForeignKeyConstraint(["organization_id", column], [f"{table}.organization_id", f"{table}.id"])
