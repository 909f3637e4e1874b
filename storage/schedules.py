"""What schedules go by and remember: records with their past, due times taken up, what was put off or left out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, case, delete, func, insert, or_, update
from sqlmodel import Session, SQLModel, col, select

from storage.models import (
    SCHEDULE,
    Account,
    DueTime,
    Exclusion,
    Match,
    MatchState,
    Organization,
    Postponement,
    Record,
    Rotation,
    RotationState,
    Task,
    TaskState,
    Timetable,
    now,
)
from storage.portions import portions

_PAGE = 2000


class Known(NamedTuple):
    """A record a schedule may rotate, and what of its past counts."""

    record_id: int
    approved_at: datetime | None
    rotated_at: datetime | None
    """The last rotation somebody asked for."""
    taken_at: datetime | None
    taken_day: str | None
    excluded: bool


@dataclass(frozen=True, slots=True)
class Late:
    """A rotation that was to begin in a window which has closed."""

    rotation_id: int
    record_uid: str
    organization_id: int
    until_at: datetime


# ---- records ---------------------------------------------------------------------------------------------------------


def known_records(
    session: Session, organization_id: int, tiers: Collection[str], record_ids: Sequence[int] | None = None
) -> Iterator[Known]:
    """The organization's records all of whose approved accounts are of these tiers and none Rekey's own, with their
    past; of these ids where given. A few statements, however many records; one after the other.
    """
    unfit = case((col(Account.tier).in_(list(tiers)) & col(Account.is_connector).is_(False), 0), else_=1)
    fitting = (
        select(Match.record_id, func.min(Match.decided_at))
        .join(Account, col(Account.id) == col(Match.account_id))
        .where(Match.organization_id == organization_id, Match.state == MatchState.APPROVED)
        .group_by(col(Match.record_id))
        .having(func.sum(unfit) == 0)
    )
    taken = (
        select(DueTime.record_id, func.max(DueTime.taken_at), func.max(DueTime.day))
        .where(DueTime.organization_id == organization_id)
        .group_by(col(DueTime.record_id))
    )
    rotated = (
        select(Rotation.record_id, func.max(Rotation.ended_at))
        .where(
            Rotation.organization_id == organization_id,
            Rotation.state == RotationState.SUCCESSFUL,
            Rotation.requested_by != SCHEDULE,
        )
        .group_by(col(Rotation.record_id))
    )
    excluded = select(Exclusion.record_id).where(Exclusion.organization_id == organization_id)
    if record_ids is not None:
        fitting = fitting.where(col(Match.record_id).in_(record_ids))
        taken = taken.where(col(DueTime.record_id).in_(record_ids))
        rotated = rotated.where(col(Rotation.record_id).in_(record_ids))
    takings = {record_id: (at, day) for record_id, at, day in session.connection().execute(taken)}
    rotations = {record_id: at for record_id, at in session.connection().execute(rotated)}  # noqa: C416 - rows are no pairs to mypy
    out = set(session.exec(excluded))
    nothing = (None, None)
    for record_id, at in session.connection().execute(fitting, execution_options={"yield_per": _PAGE}):
        if record_id is not None:
            taken_at, taken_day = takings.get(record_id, nothing)
            yield Known(record_id, at, rotations.get(record_id), taken_at, taken_day, record_id in out)


def scheduled_record_count(session: Session, organization_id: int) -> int:
    """How many of the organization's records have an approved match, and so are under its rule."""
    statement = select(func.count(func.distinct(Match.record_id))).where(
        Match.organization_id == organization_id, Match.state == MatchState.APPROVED
    )
    return session.exec(statement).one()


def exclude(session: Session, record: Record, by: str) -> bool:
    """Leave this record out of schedules; whether it was in."""
    if session.exec(select(Exclusion).where(Exclusion.record_id == record.id)).first() is not None:
        return False
    session.add(Exclusion(organization_id=record.organization_id, record_id=record.id, created_by=by))
    session.flush()
    look_again(session, record.organization_id)
    return True


def include(session: Session, record: Record) -> bool:
    """Have schedules take this record again; whether it was out."""
    gone = session.execute(delete(Exclusion).where(col(Exclusion.record_id) == record.id))
    look_again(session, record.organization_id)
    return bool(gone.rowcount)  # type: ignore[attr-defined]


def excluded_records(session: Session, organization_id: int) -> list[Record]:
    """The records schedules leave out, by name."""
    statement = (
        select(Record)
        .join(Exclusion, col(Exclusion.record_id) == col(Record.id))
        .where(Record.organization_id == organization_id)
        .order_by(col(Record.name_key), col(Record.id))
    )
    return list(session.exec(statement))


# ---- due times -------------------------------------------------------------------------------------------------------


def postponements(session: Session, organization_id: int) -> list[Postponement]:
    """Everything that was skipped or put off in this organization."""
    return list(session.exec(select(Postponement).where(Postponement.organization_id == organization_id)))


def postpone(session: Session, postponement: Postponement) -> None:
    """Keep it, and have the schedule look again."""
    session.add(postponement)
    session.flush()
    look_again(session, postponement.organization_id)


def take_up(session: Session, due_times: Sequence[Mapping[str, object]]) -> None:
    """These due times are taken up. The database itself refuses to have one taken up twice."""
    if due_times:
        session.execute(insert(DueTime), [dict(each) for each in due_times])


def due_times_of(session: Session, record_id: int) -> list[DueTime]:
    """Every due time of this record that was taken up, the latest first."""
    return list(session.exec(select(DueTime).where(DueTime.record_id == record_id).order_by(col(DueTime.day).desc())))


# ---- timetables ------------------------------------------------------------------------------------------------------


def look_again(session: Session, organization_id: int | None) -> None:
    """Something its due times go by has changed: have the clock look at this organization, or at all, at once."""
    at = now()
    everybody = select(Organization.id)
    concerned = update(Timetable).values(look_at=at)
    if organization_id is not None:
        everybody = everybody.where(Organization.id == organization_id)
        concerned = concerned.where(col(Timetable.organization_id) == organization_id)
    session.execute(concerned)
    missing = everybody.where(col(Organization.id).not_in(select(Timetable.organization_id)))
    session.add_all([Timetable(organization_id=each, look_at=at) for each in session.exec(missing).all()])
    session.flush()


def organizations_to_look_at(session: Session, at: datetime) -> list[int]:
    """Organizations where something may be due now, that were never looked at, or that moved to another time zone.
    Stopped ones wait until somebody starts them.
    """
    statement = (
        select(Organization.id)
        .outerjoin(Timetable, col(Timetable.organization_id) == col(Organization.id))
        .where(
            col(Organization.frozen_at).is_(None),
            or_(
                col(Timetable.look_at).is_(None),
                col(Timetable.look_at) <= at,
                col(Timetable.timezone) != col(Organization.timezone),
            ),
        )
        .order_by(col(Organization.id))
    )
    return list(session.exec(statement))


def find_timetable(session: Session, organization_id: int) -> Timetable | None:
    """What the clock keeps about this organization; None until it first looked."""
    return session.get(Timetable, organization_id)


def running_soon(session: Session, until: datetime) -> list[tuple[Organization, Timetable]]:
    """Organizations in which something rotates by the schedule before then, the soonest first."""
    statement = (
        select(Organization, Timetable)
        .join(Timetable, col(Timetable.organization_id) == col(Organization.id))
        .where(col(Timetable.next_run_at) <= until)
        .order_by(col(Timetable.next_run_at), col(Organization.id))
    )
    return [(organization, timetable) for organization, timetable in session.exec(statement)]


# ---- the steps of a run ----------------------------------------------------------------------------------------------

_NOT_BEGUN = (
    col(Task.until_at).is_not(None),
    col(Task.ended_at).is_(None),
    col(Task.state).in_((TaskState.WAITING, TaskState.CHECKED, TaskState.READY)),
)


class Turn(NamedTuple):
    """When the steps of a rotation may begin."""

    rotation_id: int
    begin: datetime
    until: datetime
    """Not from then on."""
    why: str = ""
    """What it waits for, where that is not simply its turn: a sentence for people."""


def place(session: Session, turns: Sequence[Turn]) -> None:
    """These rotations begin when it is their turn."""
    if turns:
        tasks = SQLModel.metadata.tables["tasks"]
        statement = (
            update(tasks)
            .where(tasks.c.rotation_id == bindparam("rotation"), tasks.c.ended_at.is_(None))
            .values(due_at=bindparam("begin"), until_at=bindparam("until"), reason=bindparam("why"))
        )
        rows = [
            {"rotation": each.rotation_id, "begin": each.begin, "until": each.until, "why": each.why} for each in turns
        ]
        session.connection().execute(statement, rows)
        session.expire_all()


def take_over(session: Session, rotation_ids: Sequence[int], operator: str, *, by_name: bool) -> None:
    """A person wants now what the schedule had waiting for its turn, or for a window: it is theirs from here."""
    for portion in portions(rotation_ids):
        waiting = select(Task.rotation_id).where(col(Task.rotation_id).in_(portion), *_NOT_BEGUN)
        session.execute(
            update(Rotation)
            .where(
                col(Rotation.id).in_(waiting),
                col(Rotation.revision_id).is_(None),
                col(Rotation.requested_by) == SCHEDULE,
            )
            .values(requested_by=operator, by_name=by_name)
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(Task)
            .where(col(Task.rotation_id).in_(portion), *_NOT_BEGUN)
            .values(due_at=now(), until_at=None, reason="")
            .execution_options(synchronize_session=False)
        )


def has_begun(session: Session, rotation_ids: Collection[int]) -> None:
    """These go on to their end from here, windows or not."""
    if rotation_ids:
        session.execute(update(Task).where(col(Task.rotation_id).in_(rotation_ids)).values(until_at=None))


def late_rotations(session: Session, at: datetime, limit: int = 1000) -> list[Late]:
    """Rotations whose window has closed before they were begun."""
    late = session.execute(
        select(Task.rotation_id, func.min(Task.until_at))
        .where(*_NOT_BEGUN, col(Task.until_at) <= at)
        .group_by(col(Task.rotation_id))
        .order_by(col(Task.rotation_id))
        .limit(limit)
    )
    until = {row[0]: row[1] for row in late}
    if not until:
        return []
    statement = (
        select(Rotation.id, Record.uid, Rotation.organization_id)
        .join(Record, col(Record.id) == col(Rotation.record_id))
        .where(col(Rotation.id).in_(until), col(Rotation.revision_id).is_(None))
        .order_by(col(Rotation.id))
    )
    return [Late(rotation_id, uid, home, until[rotation_id]) for rotation_id, uid, home in session.execute(statement)]


def waiting_records(session: Session, organization_id: int) -> list[int]:
    """The records of the organization's scheduled rotations that have not begun, and that no person asked for since."""
    statement = (
        select(Rotation.record_id)
        .distinct()
        .join(Task, col(Task.rotation_id) == col(Rotation.id))
        .where(
            Rotation.organization_id == organization_id,
            Rotation.requested_by == SCHEDULE,
            Rotation.state == RotationState.PLANNED,
            col(Rotation.revision_id).is_(None),
            *_NOT_BEGUN,
        )
    )
    return list(session.exec(statement))
