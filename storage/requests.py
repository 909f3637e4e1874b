"""Requests: what people asked for in Slack, and how the rotations of each stand.

A record may have been rotated again within a request (its failures retried): the latest rotation of each counts.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert
from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import (
    Approval,
    Record,
    Request,
    RequestRotation,
    RequestState,
    Rotation,
    RotationState,
    Status,
    Task,
    TaskKind,
)
from storage.portions import portions

OPEN = (RequestState.AWAITING_APPROVAL, RequestState.UNDER_WAY)
"""Confirmed, and not over yet."""
FAILED = (RotationState.REFUSED, RotationState.PUT_BACK, RotationState.STUCK)


class Tally(NamedTuple):
    """How many records of a request stand like this."""

    state: RotationState
    begun: bool
    """A password was staged for it."""
    many: int


class Failure(NamedTuple):
    """Records of a request that failed for one cause."""

    cause: str
    status: Status
    stuck: bool
    many: int
    example: Rotation
    """The latest of them: its reason and what mends it."""


def get_request(session: Session, request_id: int) -> Request:
    """This request."""
    request = session.get(Request, request_id)
    if request is None:
        raise RowNotFound(f"There is no request {request_id}.")
    return request


def forget_previews(session: Session, operator: str, before: datetime) -> None:
    """Delete this operator's previews that were made before then and never confirmed."""
    session.execute(
        delete(Request).where(
            col(Request.requested_by) == operator,
            col(Request.state) == RequestState.PREVIEW,
            col(Request.created_at) < before,
            col(Request.id).not_in(select(Approval.request_id).where(col(Approval.request_id).is_not(None))),
        )
    )


def confirmed_since(session: Session, operator: str, since: datetime) -> int:
    """How many requests of this operator were started since then."""
    return session.exec(
        select(func.count())
        .select_from(Request)
        .where(Request.requested_by == operator, col(Request.confirmed_at) >= since)
    ).one()


def open_requests(session: Session, organization_ids: Collection[int]) -> list[Request]:
    """What was confirmed in these organizations and is not over yet, the newest first."""
    return list(
        session.exec(
            select(Request)
            .where(col(Request.organization_id).in_(organization_ids), col(Request.state).in_(OPEN))
            .order_by(col(Request.id).desc())
        )
    )


def recent_requests(session: Session, organization_ids: Collection[int], limit: int) -> list[Request]:
    """The latest of these organizations that are over and came to something, the newest first."""
    return list(
        session.exec(
            select(Request)
            .where(col(Request.organization_id).in_(organization_ids), Request.state == RequestState.ENDED)
            .order_by(col(Request.ended_at).desc())
            .limit(limit)
        )
    )


class Link(NamedTuple):
    """A rotation a request asked for, and the accounts a second administrator agreed to have written by it."""

    rotation_id: int
    agreed: Sequence[int] = ()


def link_rotations(session: Session, request_id: int, links: Sequence[Link], approval_id: int | None = None) -> None:
    """Say which rotations a request asked for, and what was agreed for each. One it has already is left as it is."""
    known = {
        rotation_id
        for portion in portions([link.rotation_id for link in links])
        for rotation_id in session.exec(
            select(RequestRotation.rotation_id).where(
                RequestRotation.request_id == request_id, col(RequestRotation.rotation_id).in_(portion)
            )
        )
    }
    new = [
        {
            "request_id": request_id,
            "rotation_id": link.rotation_id,
            "approval_id": approval_id,
            "agreed": list(link.agreed),
        }
        for link in links
        if link.rotation_id not in known
    ]
    if new:
        session.execute(insert(RequestRotation), new)


def tally(session: Session, request_id: int) -> list[Tally]:
    """How many of the request's records stand how."""
    begun = col(Rotation.revision_id).is_not(None)
    rows = session.execute(
        select(Rotation.state, begun, func.count())
        .where(col(Rotation.id).in_(latest_of(request_id)))
        .group_by(col(Rotation.state), begun)
    )
    return [Tally(RotationState(state), bool(is_begun), count) for state, is_begun, count in rows]


def failures(session: Session, request_id: int) -> list[Failure]:
    """What failed, by cause, the most frequent first."""
    stuck = col(Rotation.state) == RotationState.STUCK
    rows = session.execute(
        select(Rotation.cause, Rotation.status, stuck, func.count().label("count"), func.max(Rotation.id))  # type: ignore[call-overload]
        .where(col(Rotation.id).in_(latest_of(request_id)), col(Rotation.state).in_(FAILED))
        .group_by(col(Rotation.cause), col(Rotation.status), stuck)
        .order_by(func.count().desc(), func.max(Rotation.id))
    ).all()
    examples = {
        rotation.id: rotation
        for rotation in session.exec(select(Rotation).where(col(Rotation.id).in_([row[4] for row in rows])))
    }
    return [
        Failure(cause, Status(status), bool(is_stuck), count, examples[latest])
        for cause, status, is_stuck, count, latest in rows
    ]


def failed_records(session: Session, request_id: int, like: Rotation | None, limit: int | None = None) -> list[Record]:
    """The records that failed as this rotation did, by name; for None all but the stuck ones, which are looked at one
    by one."""
    statement = (
        select(Record)
        .join(Rotation, col(Rotation.record_id) == col(Record.id))
        .where(col(Rotation.id).in_(latest_of(request_id)), col(Rotation.state).in_(FAILED))
    )
    if like is None:
        statement = statement.where(Rotation.state != RotationState.STUCK)
    else:
        stuck = like.state == RotationState.STUCK
        statement = statement.where(
            Rotation.cause == like.cause,
            Rotation.status == like.status,
            (Rotation.state == RotationState.STUCK) if stuck else (Rotation.state != RotationState.STUCK),
        )
    return list(session.exec(statement.order_by(col(Record.name_key), col(Record.id)).limit(limit)))


def left_records(session: Session, request_id: int, limit: int) -> list[tuple[Record, bool]]:
    """Records that are not done yet, those begun first, each with whether it was begun."""
    begun = col(Rotation.revision_id).is_not(None)
    statement = (
        select(Record, begun)
        .join(Rotation, col(Rotation.record_id) == col(Record.id))
        .where(col(Rotation.id).in_(latest_of(request_id)), col(Rotation.ended_at).is_(None))
        .order_by(begun.desc(), col(Rotation.id))
        .limit(limit)
    )
    return [(record, bool(is_begun)) for record, is_begun in session.exec(statement)]


def rotation_ids(session: Session, request_id: int) -> list[int]:
    """The latest rotation of each of the request's records."""
    return list(session.exec(select(Rotation.id).where(col(Rotation.id).in_(latest_of(request_id)))))


def successful_records(session: Session, request_id: int, limit: int) -> list[Record]:
    """Records of this request that hold a new password now, by name."""
    return list(
        session.exec(
            select(Record)
            .join(Rotation, col(Rotation.record_id) == col(Record.id))
            .where(col(Rotation.id).in_(latest_of(request_id)), Rotation.state == RotationState.SUCCESSFUL)
            .order_by(col(Record.name_key), col(Record.id))
            .limit(limit)
        )
    )


def not_begun(session: Session, request_id: int) -> list[int]:
    """Records by whose rotation nothing was begun yet, and that nobody else asked for too."""
    others = (
        select(RequestRotation.rotation_id)
        .join(Request, col(Request.id) == col(RequestRotation.request_id))
        .where(RequestRotation.request_id != request_id, col(Request.state).in_(OPEN))
    )
    return list(
        session.exec(
            select(Rotation.record_id).where(
                col(Rotation.id).in_(latest_of(request_id)),
                col(Rotation.ended_at).is_(None),
                Rotation.state == RotationState.PLANNED,
                col(Rotation.revision_id).is_(None),
                col(Rotation.id).not_in(others),
                ~col(Rotation.requested_by).startswith("cli:"),
            )
        )
    )


def all_ended(session: Session, of_rotations: Sequence[int]) -> list[Request]:
    """Requests under way that asked for one of these rotations and have no open one left."""
    found: dict[int, Request] = {}
    still_open = (
        select(RequestRotation.request_id)
        .join(Rotation, col(Rotation.id) == col(RequestRotation.rotation_id))
        .where(RequestRotation.request_id == Request.id, col(Rotation.ended_at).is_(None))
        .exists()
    )
    for portion in portions(of_rotations):
        concerned = select(RequestRotation.request_id).where(col(RequestRotation.rotation_id).in_(portion))
        for request in session.exec(
            select(Request).where(col(Request.id).in_(concerned), Request.state == RequestState.UNDER_WAY, ~still_open)
        ):
            found[request.id] = request
    return list(found.values())


def lanes_of(session: Session, request_id: int) -> list[int]:
    """The connections in which open steps of this request wait."""
    return list(
        session.exec(
            select(Task.connection_id)
            .distinct()
            .where(col(Task.rotation_id).in_(latest_of(request_id)), col(Task.ended_at).is_(None))
        )
    )


def directories_of(session: Session, request_id: int) -> set[int]:
    """The directories this request's passwords go to."""
    wanted = select(Task.connection_id).distinct()
    return set(
        session.exec(wanted.where(col(Task.rotation_id).in_(latest_of(request_id)), Task.kind == TaskKind.ROTATE))
    )


def latest_of(request_id: int) -> Any:
    """The newest rotation of each record of a request, to select by."""
    return (
        select(func.max(RequestRotation.rotation_id))
        .join(Rotation, col(Rotation.id) == col(RequestRotation.rotation_id))
        .where(RequestRotation.request_id == request_id)
        .group_by(col(Rotation.record_id))
    )
