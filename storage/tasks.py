"""Tasks: what is due in a lane, what a step needs to be done, and whether it may still write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, update
from sqlmodel import Session, col, select

from storage.lanes import BEGINNING, LOOKING, Waiting, is_attended
from storage.models import (
    Account,
    Connection,
    Lane,
    Match,
    MatchState,
    Organization,
    ProofTry,
    Record,
    Revision,
    Rotation,
    Task,
    TaskKind,
    TaskState,
    now,
)
from storage.recordings import HELD_BACK


@dataclass(frozen=True, slots=True)
class Step:
    """A rotation's step with every row it touches, loaded together."""

    task: Task
    rotation: Rotation
    account: Account
    record: Record
    organization: Organization
    match: Match | None
    revision: Revision | None
    """The revision being written, once staged."""

    @property
    def consented(self) -> bool:
        """The account's match with this very record is approved at this moment."""
        match = self.match
        return match is not None and match.state == MatchState.APPROVED and match.record_id == self.rotation.record_id


def add_tasks(session: Session, tasks: Sequence[Mapping[str, object]]) -> None:
    """Store new tasks, each given by the fields that differ from a task's defaults. In bulk."""
    blank = Task(organization_id=0, connection_id=0, kind="").model_dump(exclude={"id"}, exclude_none=True)
    if tasks:
        session.execute(insert(Task), [{**blank, **each} for each in tasks])


def due_tasks(
    session: Session, connection_id: int, kind: TaskKind, states: Sequence[TaskState], limit: int
) -> list[Task]:
    """Open tasks of a lane of this kind in one of these states that are due, in the order they were asked for.

    Those that may not begin because of their vault are left out, and so is a step whose window closed before it was
    begun: the clock gives it another one.
    """
    statement = (
        select(Task)
        .where(
            Task.connection_id == connection_id,
            col(Task.ended_at).is_(None),
            Task.kind == kind,
            col(Task.state).in_(states),
            col(Task.due_at) <= now(),
            or_(col(Task.kind) != TaskKind.ROTATE, col(Task.state).not_in(BEGINNING), ~HELD_BACK),
            or_(col(Task.until_at).is_(None), col(Task.until_at) > now()),
        )
        .order_by(col(Task.id))
        .limit(limit)
    )
    return list(session.exec(statement))


def steps_of(session: Session, task_ids: Iterable[int]) -> list[Step]:
    """These tasks, each with its rows, in the order given; one query however many."""
    wanted = list(task_ids)
    rows = session.exec(
        select(Task, Rotation, Account, Record, Organization, Match, Revision)  # type: ignore[call-overload]
        .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
        .join(Account, col(Account.id) == col(Task.account_id))
        .join(Record, col(Record.id) == col(Rotation.record_id))
        .join(Organization, col(Organization.id) == col(Task.organization_id))
        .outerjoin(Match, col(Match.account_id) == col(Account.id))
        .outerjoin(Revision, col(Revision.id) == col(Rotation.revision_id))
        .where(col(Task.id).in_(wanted))
    ).all()
    by_id = {row[0].id: Step(*row) for row in rows}
    return [by_id[task_id] for task_id in wanted if task_id in by_id]


def steps_of_rotations(session: Session, rotation_ids: Iterable[int]) -> dict[int, list[Task]]:
    """What these rotations do in directories (the step towards a vault is not of them), each list in position order."""
    found: dict[int, list[Task]] = {rotation_id: [] for rotation_id in rotation_ids}
    statement = (
        select(Task)
        .where(col(Task.rotation_id).in_(list(found)), Task.kind != TaskKind.RECORD)
        .order_by(col(Task.position), col(Task.id))
    )
    for task in session.exec(statement):
        found[task.rotation_id or 0].append(task)
    return found


def hindrance(session: Session, task_id: int, token: int) -> str | None:
    """Read right before an outside write: None when it may go ahead, else what stands against it.

    `lease`: another worker owns the lane; `frozen`: the organization was stopped; `vault`: the vault outside does not
    answer, so nothing new begins; `changed`: the step, its rotation or the consent is not what it was a moment ago.
    """
    row = session.execute(_BEFORE_A_WRITE, {"task": task_id}).one_or_none()
    if row is None:
        return "changed"
    lane_token, state, frozen_at, ended_at, match_state, match_record, record, waits_for_vault = row
    if lane_token != token:
        return "lease"
    if frozen_at is not None:
        return "frozen"
    if ended_at is not None or state not in (TaskState.APPLYING, TaskState.PUTTING_BACK):
        return "changed"
    if state == TaskState.APPLYING and (match_state != MatchState.APPROVED or match_record != record):
        return "changed"
    if state == TaskState.APPLYING and waits_for_vault:
        return "vault"
    return None


# Made once: it is asked before every single write, while the directory waits for us.
_BEFORE_A_WRITE = (
    select(  # type: ignore[call-overload]
        Lane.token,
        Task.state,
        Organization.frozen_at,
        Rotation.ended_at,
        Match.state,
        Match.record_id,
        Rotation.record_id,
        HELD_BACK,
    )
    .select_from(Task)
    .join(Lane, col(Lane.connection_id) == col(Task.connection_id))
    .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
    .join(Organization, col(Organization.id) == col(Task.organization_id))
    .outerjoin(Match, col(Match.account_id) == col(Task.account_id))
    .where(Task.id == bindparam("task"))
)


def hindrance_to_signing_out(session: Session, task_id: int, token: int) -> str | None:
    """The same right before an account's sessions are ended; that it has the new password was proved before."""
    row = session.execute(_BEFORE_A_WRITE, {"task": task_id}).one_or_none()
    if row is None or row[1] != TaskState.READY:
        return "changed"
    if row[0] != token:
        return "lease"
    return "frozen" if row[2] is not None else None


def unproven_tries(session: Session, account_ids: Iterable[int], window: timedelta) -> dict[int, int]:
    """How many of our sign-in attempts per account, within the window, are not known to have succeeded."""
    rows = session.execute(
        select(ProofTry.account_id, func.count().label("tries"))
        .where(
            col(ProofTry.account_id).in_(list(account_ids)),
            col(ProofTry.proved).is_(False),
            col(ProofTry.tried_at) > now() - window,
        )
        .group_by(col(ProofTry.account_id))
    )
    return {row.account_id: row.tries for row in rows}


def settle_tries(session: Session, proved: Iterable[int], forgotten: Iterable[int]) -> None:
    """Of these tasks' attempts: those proved stop counting, those that tell nothing are forgotten."""
    proved, forgotten = list(proved), list(forgotten)
    if proved:
        session.execute(update(ProofTry).where(col(ProofTry.task_id).in_(proved)).values(proved=True))
    if forgotten:
        session.execute(delete(ProofTry).where(col(ProofTry.task_id).in_(forgotten), col(ProofTry.proved).is_(False)))


def untouched_of_lane(session: Session, connection_id: int, limit: int) -> list[Task]:
    """Open steps of this lane by which nothing was written yet."""
    statement = (
        select(Task)
        .where(
            Task.connection_id == connection_id,
            col(Task.ended_at).is_(None),
            Task.kind == TaskKind.ROTATE,
            col(Task.state).in_((TaskState.WAITING, TaskState.CHECKED, TaskState.READY)),
            col(Task.taken_at).is_(None),
        )
        .order_by(col(Task.id))
        .limit(limit)
    )
    return list(session.exec(statement))


def under_way(session: Session, connection_id: int) -> int:
    """How many steps of this lane may have written something that nobody has looked at yet."""
    return session.exec(
        select(func.count())
        .select_from(Task)
        .where(Task.connection_id == connection_id, col(Task.ended_at).is_(None), col(Task.state).in_(LOOKING))
    ).one()


def supersede_watches(session: Session, rotation_id: int, account_ids: Iterable[int]) -> None:
    """These accounts are to take over this rotation's password now: nobody looks out for an earlier one any more."""
    session.execute(
        update(Task)
        .where(
            col(Task.kind) == TaskKind.WATCH,
            col(Task.account_id).in_(list(account_ids)),
            col(Task.rotation_id) != rotation_id,
            col(Task.state) == TaskState.READY,
            col(Task.ended_at).is_(None),
        )
        .values(
            state=TaskState.CANCELLED,
            ended_at=now(),
            reason="Before the cloud was seen to follow, a later password took its place.",
        )
    )


def watches_not_begun(session: Session, before: datetime) -> list[Task]:
    """Watches that were asked for by then and still wait for a first look."""
    return _watches(session, Task.state == TaskState.WAITING, col(Task.created_at) <= before)


def watches_that_hold_back(session: Session, before: datetime) -> list[Task]:
    """Watches under way since then whose rotation is still open."""
    still_open = select(Rotation.id).where(Rotation.id == Task.rotation_id, col(Rotation.ended_at).is_(None)).exists()
    return _watches(session, Task.state == TaskState.READY, col(Task.taken_at) <= before, still_open)


def watches_since(session: Session, before: datetime) -> list[Task]:
    """Watches under way since then."""
    return _watches(session, Task.state == TaskState.READY, col(Task.taken_at) <= before)


def _watches(session: Session, *conditions: Any) -> list[Task]:
    wanted = select(Task).where(Task.kind == TaskKind.WATCH, col(Task.ended_at).is_(None), *conditions)
    return list(session.exec(wanted.order_by(col(Task.id)).limit(_AT_ONCE)))


_AT_ONCE = 500


def request_sync(session: Session, connection: Connection) -> Task:
    """A sync of this connection in its lane: the one already waiting, or a new one."""
    return _request(session, connection, TaskKind.SYNC)


def request_create(session: Session, connection: Connection) -> Task:
    """Have the records made that this vault does not have yet: the task already waiting, or a new one."""
    return _request(session, connection, TaskKind.CREATE)


def _request(session: Session, connection: Connection, kind: TaskKind) -> Task:
    waiting = session.exec(
        select(Task).where(Task.connection_id == connection.id, Task.kind == kind, col(Task.ended_at).is_(None))
    ).first()
    if waiting is not None:
        return waiting
    task = Task(organization_id=connection.organization_id, connection_id=connection.id, kind=kind)
    session.add(task)
    session.flush()
    return task


def last_syncs(session: Session, organization_id: int) -> dict[int, Task]:
    """Connection id → the latest sync asked for there, of an organization's directories."""
    newest = select(func.max(Task.id)).where(Task.organization_id == organization_id, Task.kind == TaskKind.SYNC)
    latest = select(Task).where(col(Task.id).in_(newest.group_by(col(Task.connection_id))))
    return {task.connection_id: task for task in session.exec(latest)}


def waiting_syncs(session: Session, task_ids: Sequence[int], patience: int, is_dead: Callable[[str], bool]) -> Waiting:
    """Count syncs still open, and those whose directory has been away for `patience` failures, or is stopped."""
    rows = session.exec(
        select(Lane, Connection.name)
        .join(Task, col(Task.connection_id) == col(Lane.connection_id))
        .join(Connection, col(Connection.id) == col(Lane.connection_id))
        .where(col(Task.id).in_(task_ids), col(Task.ended_at).is_(None))
    ).all()
    reasons = [
        f"{name} is {'stopped' if lane.stopped_at or lane.frozen_reason else 'away'}: "
        f"{lane.frozen_reason or lane.failure_reason}"
        for lane, name in rows
        if not is_attended(lane, is_dead)
        and (lane.stopped_at or lane.frozen_reason or (lane.backoff_until is not None and lane.failures >= patience))
    ]
    return Waiting(len(rows), len(reasons), tuple(dict.fromkeys(reasons)))
