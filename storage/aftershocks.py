"""Aftershocks: what directories showed of accounts in the hour after their rotation, and the tasks that look."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import (
    Account,
    Aftershock,
    Connection,
    Record,
    RequestRotation,
    Rotation,
    RotationState,
    Task,
    TaskKind,
    TaskState,
)
from storage.portions import portions
from storage.tasks import add_tasks


@dataclass(frozen=True, slots=True)
class Shock:
    """An aftershock with the account and the record it is about."""

    aftershock: Aftershock
    account: Account
    record: Record


def begin_watch(session: Session, connection_ids: Collection[int], due_at: datetime) -> None:
    """Have these directories looked at then for signs of trouble; those that are watched already go on being so."""
    watched = select(Task.connection_id).where(
        Task.kind == TaskKind.AFTERSHOCK, col(Task.ended_at).is_(None), col(Task.connection_id).in_(connection_ids)
    )
    new = select(Connection).where(col(Connection.id).in_(connection_ids), col(Connection.id).not_in(watched))
    add_tasks(
        session,
        [
            {
                "organization_id": each.organization_id,
                "connection_id": each.id,
                "kind": TaskKind.AFTERSHOCK,
                "due_at": due_at,
            }
            for each in session.exec(new)
        ],
    )


def rotated_since(session: Session, connection_id: int, since: datetime) -> list[tuple[Account, Rotation]]:
    """The accounts of this directory whose rotation succeeded since then, each with the latest of them."""
    rows = session.exec(
        select(Account, Rotation)
        .join(Task, col(Task.account_id) == col(Account.id))
        .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
        .where(
            Task.connection_id == connection_id,
            col(Task.ended_at) > since,
            Task.kind == TaskKind.ROTATE,
            Task.state == TaskState.CONFIRMED,
            Rotation.state == RotationState.SUCCESSFUL,
        )
        .order_by(col(Rotation.id))
    )
    return list({account.id: (account, rotation) for account, rotation in rows}.values())


def shocks_of_rotations(session: Session, rotation_ids: Sequence[int]) -> dict[tuple[int, int], Aftershock]:
    """What is known of these rotations, by rotation and account."""
    return {
        (each.rotation_id, each.account_id): each
        for portion in portions(rotation_ids)
        for each in session.exec(select(Aftershock).where(col(Aftershock.rotation_id).in_(portion)))
    }


def shocks_of_request(session: Session, request_id: int, limit: int) -> list[Shock]:
    """What followed the rotations of this request: locked accounts first."""
    asked = select(RequestRotation.rotation_id).where(RequestRotation.request_id == request_id)
    return _shocks(session, col(Aftershock.rotation_id).in_(asked), limit)


def shocks_since(session: Session, organization_ids: Collection[int], since: datetime) -> list[Shock]:
    """What was seen in these organizations since then: locked accounts first."""
    return _shocks(
        session, col(Aftershock.organization_id).in_(organization_ids) & (col(Aftershock.seen_at) > since), None
    )


def requests_of(session: Session, rotation_ids: Collection[int]) -> list[int]:
    """The requests that asked for one of these rotations."""
    wanted = select(RequestRotation.request_id).distinct()
    return [
        each
        for portion in portions(list(rotation_ids))
        for each in session.exec(wanted.where(col(RequestRotation.rotation_id).in_(portion)))
    ]


def get_shock(session: Session, shock_id: int) -> Shock:
    """This one."""
    found = _shocks(session, col(Aftershock.id) == shock_id, 1)
    if not found:
        raise RowNotFound("This is about something that is not there (any more).")
    return found[0]


def latest_shock(session: Session, account_id: int) -> Aftershock | None:
    """The latest that is known of this account."""
    return session.exec(
        select(Aftershock).where(Aftershock.account_id == account_id).order_by(col(Aftershock.id).desc()).limit(1)
    ).first()


def open_unlock(session: Session, account_id: int) -> Task | None:
    """The unlocking of this account that was asked for and is not over yet."""
    return session.exec(
        select(Task).where(Task.account_id == account_id, Task.kind == TaskKind.UNLOCK, col(Task.ended_at).is_(None))
    ).first()


def _shocks(session: Session, which: object, limit: int | None) -> list[Shock]:
    statement = (
        select(Aftershock, Account, Record)
        .join(Account, col(Account.id) == col(Aftershock.account_id))
        .join(Rotation, col(Rotation.id) == col(Aftershock.rotation_id))
        .join(Record, col(Record.id) == col(Rotation.record_id))
        .where(which)  # type: ignore[arg-type]
        .order_by(col(Aftershock.locked_at).is_(None), col(Aftershock.bad).desc(), col(Aftershock.id))
        .limit(limit)
    )
    return [Shock(*row) for row in session.exec(statement)]
