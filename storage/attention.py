"""What needs somebody: records whose latest rotation failed, by cause, and those that are stuck and untaken."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from storage.models import Match, MatchState, Record, Rotation, RotationState, Status
from storage.requests import FAILED


@dataclass(frozen=True, slots=True)
class Trouble:
    """Records of one organization whose latest rotation failed for one cause."""

    organization_id: int
    cause: str
    status: Status
    stuck: bool
    many: int
    since: datetime | None
    """When the latest of them failed."""
    example: Rotation


@dataclass(frozen=True, slots=True)
class Stuck:
    """A rotation that ended stuck, and is still the record's latest."""

    rotation: Rotation
    record: Record


def troubles(session: Session, organization_ids: Collection[int]) -> list[Trouble]:
    """What failed and was not mended since, of matched records, by organization and cause. Two statements."""
    latest = (
        select(func.max(Rotation.id))
        .where(
            col(Rotation.organization_id).in_(organization_ids),
            Rotation.state != RotationState.CANCELLED,
            col(Rotation.record_id).in_(select(Match.record_id).where(Match.state == MatchState.APPROVED)),
        )
        .group_by(col(Rotation.record_id))
    )
    stuck = col(Rotation.state) == RotationState.STUCK
    rows = session.execute(
        select(  # type: ignore[call-overload]
            Rotation.organization_id,
            Rotation.cause,
            Rotation.status,
            stuck,
            func.count(),
            func.max(Rotation.ended_at),
            func.max(Rotation.id),
        )
        .where(col(Rotation.id).in_(latest), col(Rotation.state).in_(FAILED))
        .group_by(col(Rotation.organization_id), col(Rotation.cause), col(Rotation.status), stuck)
        .order_by(func.count().desc(), func.max(Rotation.id))
    ).all()
    found = session.exec(select(Rotation).where(col(Rotation.id).in_([row[6] for row in rows])))
    examples = {each.id: each for each in found}
    return [
        Trouble(where, cause, Status(status), bool(is_stuck), many, since, examples[example])
        for where, cause, status, is_stuck, many, since, example in rows
    ]


def stuck_rotations(session: Session, organization_id: int | None = None) -> list[Stuck]:
    """Rotations that ended stuck and were followed by no other of their record, the oldest first."""
    later = Rotation.__table__.alias("later")  # type: ignore[attr-defined]
    followed = (
        select(later.c.id)
        .where(
            later.c.record_id == col(Rotation.record_id),
            later.c.id > col(Rotation.id),
            later.c.state != RotationState.CANCELLED,
        )
        .exists()
    )
    statement = (
        select(Rotation, Record)
        .join(Record, col(Record.id) == col(Rotation.record_id))
        .where(Rotation.state == RotationState.STUCK, ~followed)
        .order_by(col(Rotation.id))
    )
    if organization_id is not None:
        statement = statement.where(Rotation.organization_id == organization_id)
    return [Stuck(rotation, record) for rotation, record in session.exec(statement)]


def rotated_between(session: Session, organization_ids: Collection[int], since: datetime, until: datetime) -> int:
    """How many rotations succeeded in these organizations in that time."""
    return session.exec(
        select(func.count())
        .select_from(Rotation)
        .where(
            col(Rotation.organization_id).in_(organization_ids),
            Rotation.state == RotationState.SUCCESSFUL,
            col(Rotation.ended_at) > since,
            col(Rotation.ended_at) <= until,
        )
    ).one()
