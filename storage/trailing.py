"""What trails behind rotations: the cloud that is to follow, and the people who are to be signed out."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sql
from sqlalchemy import func
from sqlmodel import Session, col, select

from storage.models import Connection, Rotation, RotationState, Task, TaskKind, TaskState
from storage.requests import latest_of


class Trailing(NamedTuple):
    """Tasks of a request's rotations that stand alike."""

    kind: str
    state: str
    connection: str
    many: int
    reason: str
    """What one of them says."""


def trailing(session: Session, request_id: int) -> list[Trailing]:
    """Watches and sign-outs of a request's successful rotations, by directory and how they stand."""
    counted = (
        sql.select(col(Task.kind), col(Task.state), col(Connection.name), func.count(), func.max(Task.reason))
        .join(Connection, col(Connection.id) == col(Task.connection_id))
        .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
        .where(
            col(Task.rotation_id).in_(latest_of(request_id)),
            col(Task.kind).in_((TaskKind.WATCH, TaskKind.SIGN_OUT)),
            col(Task.state).in_((TaskState.READY, TaskState.REFUSED)),
            col(Rotation.state) == RotationState.SUCCESSFUL,
        )
        .group_by(col(Task.kind), col(Task.state), col(Connection.name))
        .order_by(col(Task.kind), col(Connection.name), col(Task.state))
    )
    return [Trailing(*row) for row in session.execute(counted)]


def ended_watches(session: Session, connection_id: int, cause: str, since: datetime) -> list[int]:
    """The accounts whose watch in this directory ended for this cause since then."""
    found = select(Task.account_id).where(
        Task.connection_id == connection_id,
        Task.kind == TaskKind.WATCH,
        Task.cause == cause,
        col(Task.ended_at) >= since,
    )
    return sorted({account_id for account_id in session.exec(found) if account_id is not None})
