"""Record steps: a rotation's task towards the vault outside, and what its directories wait for because of it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from storage.connections import EMBEDDED
from storage.models import (
    Account,
    Connection,
    Lane,
    Organization,
    Record,
    Revision,
    Rotation,
    Task,
    TaskKind,
    TaskState,
)
from storage.portions import portions


@dataclass(frozen=True, slots=True)
class RecordStep:
    """A rotation's step towards its vault, with every row it touches, loaded together."""

    task: Task
    rotation: Rotation
    record: Record
    organization: Organization
    vault: Connection
    revision: Revision | None
    """The revision to be written, once staged."""


def outside_vaults(session: Session, connection_ids: Collection[int]) -> set[int]:
    """Those of these vault connections that are outside systems."""
    return {
        connection_id
        for portion in portions(list(set(connection_ids)))
        for connection_id in session.exec(
            select(Connection.id).where(col(Connection.id).in_(portion), Connection.kind != EMBEDDED)
        )
    }


def record_steps(session: Session, task_ids: Iterable[int]) -> list[RecordStep]:
    """These tasks, each with its rows, in the order given."""
    wanted = list(task_ids)
    rows = session.exec(
        select(Task, Rotation, Record, Organization, Connection, Revision)  # type: ignore[call-overload]
        .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
        .join(Record, col(Record.id) == col(Rotation.record_id))
        .join(Organization, col(Organization.id) == col(Task.organization_id))
        .join(Connection, col(Connection.id) == col(Task.connection_id))
        .outerjoin(Revision, col(Revision.id) == col(Rotation.revision_id))
        .where(col(Task.id).in_(wanted), Task.kind == TaskKind.RECORD)
    ).all()
    by_id = {row[0].id: RecordStep(*row) for row in rows}
    return [by_id[task_id] for task_id in wanted if task_id in by_id]


def record_tasks_of(session: Session, rotation_ids: Collection[int]) -> dict[int, Task]:
    """Rotation id → its task towards the vault outside; rotations whose vault is embedded are left out."""
    return {
        task.rotation_id or 0: task
        for portion in portions(list(rotation_ids))
        for task in session.exec(select(Task).where(col(Task.rotation_id).in_(portion), Task.kind == TaskKind.RECORD))
    }


def accounts_reset_since(session: Session, rotation_id: int) -> list[Account]:
    """Accounts of this rotation whose directory showed, at its last reading, a later password than the one proved."""
    return list(
        session.exec(
            select(Account)
            .join(Task, col(Task.account_id) == col(Account.id))
            .where(Task.rotation_id == rotation_id, col(Account.password_set_at) > col(Account.proved_set_at))
        )
    )


def unbegun_record_tasks(session: Session, connection_id: int, limit: int) -> list[Task]:
    """Open record steps of this vault's lane whose rotation has written nothing anywhere yet."""
    sibling = aliased(Task)
    begun = exists().where(
        col(sibling.rotation_id) == col(Task.rotation_id),
        col(sibling.kind) == TaskKind.ROTATE,
        or_(
            col(sibling.state).not_in((TaskState.WAITING, TaskState.CHECKED, TaskState.READY, TaskState.REFUSED)),
            col(sibling.taken_at).is_not(None),
        ),
    )
    statement = (
        select(Task)
        .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
        .where(
            Task.connection_id == connection_id,
            Task.kind == TaskKind.RECORD,
            col(Task.ended_at).is_(None),
            or_(
                col(Task.state).in_((TaskState.WAITING, TaskState.CHECKED)),
                and_(col(Task.state) == TaskState.READY, col(Rotation.vault_only)),
            ),
            ~begun.correlate(Task),
        )
        .order_by(col(Task.id))
        .limit(limit)
    )
    return list(session.exec(statement))


def record_hindrance(session: Session, task_id: int, token: int) -> str | None:
    """Read right before an outside write: None when it may go ahead, else `lease`, `frozen` or `changed`."""
    row = session.exec(
        select(Lane.token, Organization.frozen_at, Task.state, Rotation.ended_at)
        .select_from(Task)
        .join(Lane, col(Lane.connection_id) == col(Task.connection_id))
        .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
        .join(Organization, col(Organization.id) == col(Task.organization_id))
        .where(Task.id == task_id)
    ).one_or_none()
    if row is None:
        return "changed"
    lane_token, frozen_at, state, ended_at = row
    if lane_token != token:
        return "lease"
    if frozen_at is not None:
        return "frozen"
    return None if state == TaskState.RECORDING and ended_at is None else "changed"


def _held_back() -> Any:
    """The condition that a step towards a directory (`Task`) waits: its vault outside must be looked at, or answer.

    Nothing is begun before the vault said that it will take the new password and what it holds was kept; and while a
    vault is away nothing more is begun, so that no more passwords wait for it than those that do already. What a
    directory has taken a part of goes on.
    """
    vault, taken, lane = aliased(Task), aliased(Task), aliased(Lane)
    in_trouble = exists().where(
        col(lane.connection_id) == col(vault.connection_id),
        or_(col(lane.failures) > 0, col(lane.stopped_at).is_not(None), col(lane.frozen_reason).is_not(None)),
    )
    begun = exists().where(col(taken.rotation_id) == col(Task.rotation_id), col(taken.taken_at).is_not(None))
    return (
        exists()
        .where(
            col(vault.rotation_id) == col(Task.rotation_id),
            col(vault.kind) == TaskKind.RECORD,
            col(vault.ended_at).is_(None),
            or_(
                col(vault.state) == TaskState.WAITING,
                and_(in_trouble.correlate(vault), ~begun.correlate(Task)),
            ),
        )
        .correlate(Task)
    )


HELD_BACK = _held_back()
"""Made once: it is part of what every look at a lane asks."""
