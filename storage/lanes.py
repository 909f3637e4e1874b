"""Lanes: who drains which connection's work, until when, and why one waits.

Ownership is a lease with a fencing token, so that two processes on one database never work one lane at once, and an
owner that froze finds a higher token when it wakes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, update
from sqlmodel import Session, col, select

from bot.errors import LeaseLost, RowNotFound
from storage.models import Connection, Lane, Organization, Task, TaskKind, TaskState, now
from storage.recordings import HELD_BACK

LOOKING = (TaskState.APPLYING, TaskState.APPLIED, TaskState.PUTTING_BACK, TaskState.RECORDING)
"""Something may have been written: find out before anything else. Also allowed while an organization is frozen."""
STARTING = (TaskState.WAITING, TaskState.READY, TaskState.PUT_BACK_READY)
"""Nothing of this step is under way; it may begin when it is due."""
BEGINNING = (TaskState.WAITING, TaskState.READY)
"""Nothing of it was sent yet: may be held back."""
DUE_STATES = LOOKING + STARTING


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of some work is still open, and how much of that waits for something outside this program."""

    open: int
    waiting: int
    reasons: tuple[str, ...]


def is_attended(lane: Lane, is_dead: Callable[[str], bool]) -> bool:
    """Whether a worker has this lane's lease at this moment, and is not known to have ended."""
    held = lane.owner is not None and lane.lease_until is not None and lane.lease_until > now()
    return held and not is_dead(str(lane.owner))


def get_lane(session: Session, connection_id: int) -> Lane:
    """The lane of this connection."""
    lane = session.get(Lane, connection_id)
    if lane is None:
        raise RowNotFound(f"There is no lane for connection {connection_id}.")
    return lane


def wake(session: Session, connection_id: int) -> None:
    """Mark the lane wanted. Being called twice or late does no harm; during a drain it makes the drainer look again."""
    session.execute(update(Lane).where(col(Lane.connection_id) == connection_id).values(wanted=True))


def retry_now(session: Session, connection_ids: Sequence[int]) -> None:
    """A person asks: forget back-off and stop, and look again now."""
    session.execute(
        update(Lane)
        .where(col(Lane.connection_id).in_(connection_ids))
        .values(
            wanted=True,
            stopped_at=None,
            backoff_until=None,
            failures=0,
            failure_cause="",
            failure_reason="",
            failure_mend="",
            failure_status="",
        )
    )


def acquire(
    session: Session, connection_id: int, owner: str, lease: timedelta, is_dead: Callable[[str], bool]
) -> int | None:
    """Take the lane's lease: the new fencing token, or None while another living owner holds it.

    `is_dead` says of an owner's name whether that process is known to have ended; it is taken over at once then.
    """
    lane = get_lane(session, connection_id)
    if is_attended(lane, is_dead):
        return None
    lane.owner, lane.token, lane.lease_until, lane.wanted = owner, lane.token + 1, now() + lease, False
    session.add(lane)
    session.flush()
    return lane.token


def renew(session: Session, connection_id: int, token: int, lease: timedelta) -> None:
    """Hold the lease for longer; `LeaseLost` when another owner took it meanwhile."""
    hold(session, connection_id, token).lease_until = now() + lease


def hold(session: Session, connection_id: int, token: int) -> Lane:
    """The lane, still ours by this token; `LeaseLost` otherwise. Every write a lane's worker makes starts here."""
    lane = get_lane(session, connection_id)
    if lane.token != token:
        raise LeaseLost(f"Another worker took over connection {connection_id}; this one writes nothing more.")
    return lane


def release(session: Session, connection_id: int, token: int) -> bool:
    """Let go of the lane; False (and still ours) when it was woken meanwhile: look again first."""
    lane = get_lane(session, connection_id)
    if lane.token != token:
        return True
    if lane.wanted:
        lane.wanted = False
        session.add(lane)
        return False
    lane.owner = lane.lease_until = None
    session.add(lane)
    return True


def give_up(session: Session, connection_id: int, token: int, *, wanted: bool) -> None:
    """Let go of the lane whatever happened, leaving it wanted or not."""
    session.execute(
        update(Lane)
        .where(col(Lane.connection_id) == connection_id, col(Lane.token) == token)
        .values(owner=None, lease_until=None, wanted=wanted)
    )


_READING = (TaskKind.SYNC, TaskKind.WATCH, TaskKind.AFTERSHOCK)
"""What is done in a stopped organization too: nothing is written for it."""


def due_lanes(session: Session, at: datetime) -> list[int]:
    """Connections whose lane has something to do now, whether or not somebody is at it already."""
    task_due = exists().where(
        col(Task.connection_id) == col(Lane.connection_id),
        col(Task.ended_at).is_(None),
        col(Task.due_at) <= at,
        or_(
            col(Task.state).in_(LOOKING),
            and_(
                col(Task.state).in_(STARTING),
                or_(col(Task.until_at).is_(None), col(Task.until_at) > at),
                or_(col(Organization.frozen_at).is_(None), col(Task.kind).in_(_READING)),
                or_(col(Task.kind) != TaskKind.ROTATE, col(Task.state).not_in(BEGINNING), ~HELD_BACK),
            ),
        ),
    )
    return list(
        session.exec(
            select(Lane.connection_id)
            .join(Connection, col(Connection.id) == col(Lane.connection_id))
            .join(Organization, col(Organization.id) == col(Connection.organization_id))
            .where(
                col(Lane.stopped_at).is_(None),
                col(Lane.frozen_reason).is_(None),
                or_(col(Lane.backoff_until).is_(None), col(Lane.backoff_until) <= at),
                or_(col(Lane.wanted).is_(True), task_due),
            )
            .order_by(col(Lane.connection_id))
        )
    )


def note_failure(session: Session, lane: Lane, cause: str, reason: str, *, identical: bool = True) -> int:
    """Count a failure. Identical ones add up and another cause starts anew; unless `identical`, any add up.

    Returns the count.
    """
    lane.failures = lane.failures + 1 if lane.failure_cause == cause or not identical else 1
    lane.failure_cause, lane.failure_reason = cause, reason
    session.add(lane)
    return lane.failures


def note_success(session: Session, lane: Lane) -> None:
    """The system answers as it should: forget earlier failures."""
    if lane.failures or lane.backoff_until or lane.stopped_at:
        lane.failures, lane.failure_cause, lane.failure_reason = 0, "", ""
        lane.failure_mend = lane.failure_status = ""
        lane.backoff_until = lane.stopped_at = None
        session.add(lane)
