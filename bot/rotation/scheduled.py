"""The rule clock: what falls due by a schedule becomes one request per organization and window, once.

It may tick anywhere, any number of times, late or never: what was taken up is a row with a unique key, and what is due
is worked out from the rows (`bot.rotation.timetable`). To look is to read; only what is due is written, in short
transactions that ask again.

A rule that is edited while its run is under way: what has begun goes on; what has not keeps its turn and gets a
password by the new rule; what the new rule does not rotate by itself any more (switched off, another tier, left out) is
cancelled. Days and windows count from the next due time on. What its window closed upon waits for the next one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from sqlmodel import Session

from bot.audit import Trail
from bot.errors import StorageError
from bot.permissions import Operator, operator_named
from bot.rotation.planning import Intent, preview, request
from bot.rotation.timetable import Calendar, Planned, calendar, plan
from bot.rules import scheduled_tiers
from bot.schedule import Opening, moment_in, opening
from storage.database import Database
from storage.models import SCHEDULE, Organization, Record, Request, RequestState, Timetable
from storage.notices import ROTATION, post
from storage.records import get_records
from storage.requests import Link, get_request, link_rotations
from storage.results import note_moved
from storage.rotations import cancel_planned, open_rotations, records_of_rotations
from storage.schedules import (
    Late,
    Turn,
    find_timetable,
    known_records,
    late_rotations,
    organizations_to_look_at,
    place,
    take_up,
    waiting_records,
)

_AT_ONCE = 500
"""Records taken up in one transaction."""
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Until the rule is changed, or the time zone."""
_NO_LONGER = "The rule does not rotate this record by itself any more, and nothing had begun: nothing was changed."

_log = structlog.get_logger(__name__)


def keep_time(database: Database, trail: Trail, at: datetime) -> None:
    """One tick: take up everything that is due at this moment, and give what missed its window another one.

    One organization that cannot be worked out is logged and looked at again; it does not hold up the others. Raises
    `StorageError` when the database is away.
    """
    with database.reading() as session:
        concerned = organizations_to_look_at(session, at)
        late = late_rotations(session, at)
    for organization_id in concerned:
        try:
            look(database, trail, organization_id, at)
        except StorageError:
            raise
        except Exception:  # a defect there, or what was left of a row
            _log.exception("schedule.failed", organization=organization_id)
    if late:
        with database.writing() as session:
            _into_the_next_window(session, late_rotations(session, at), at)


def look(database: Database, trail: Trail, organization_id: int, at: datetime) -> int:
    """Take up what is due in this organization; returns how many records that were."""
    with database.reading() as session:
        organization = session.get_one(Organization, organization_id)
        timetable = find_timetable(session, organization_id)
        looked_for = timetable.look_at if timetable is not None else None
        found = calendar(session, organization, at)
        planned = plan(session, found, at) if found is not None else []
        waiting = waiting_records(session, organization_id)
    if waiting:
        with database.writing() as session:
            _cancel_what_is_out(session, organization_id, at)
    due = [each.record_id for each in planned if each.opening.begin <= at]
    run_id, taken = None, 0
    for first in range(0, len(due), _AT_ONCE):
        with database.writing() as session:
            run_id, many = _take_up(session, trail, organization_id, due[first : first + _AT_ONCE], at, run_id)
        taken += many
    if taken and found is not None:
        with database.reading() as session:
            planned = plan(session, found, at)
    with database.writing() as session:
        _note_look(session, organization_id, looked_for, planned, at)
    return taken


def _take_up(
    session: Session, trail: Trail, organization_id: int, record_ids: Sequence[int], at: datetime, run_id: int | None
) -> tuple[int | None, int]:
    """What of these is due as things stand in this very transaction becomes part of the run; its id, and how many."""
    organization = session.get_one(Organization, organization_id)
    found = calendar(session, organization, at)
    if found is None or organization.frozen_at is not None:
        return run_id, 0
    due = {each.record_id: each for each in plan(session, found, at, record_ids) if each.opening.begin <= at}
    records = get_records(session, list(due))
    operator = operator_named(session, SCHEDULE, "schedule")
    previews = [
        each
        for each in preview(session, operator, [(organization, records[each]) for each in due], by_name=False)
        if each.intent is not Intent.LEAVE_OUT
    ]
    if not previews:
        return run_id, 0
    run = _run(session, trail, operator, organization, run_id, at)
    rotations = request(session, trail, operator, previews, by_name=False)
    of = records_of_rotations(session, rotations)
    new = {each.record.id for each in previews if each.intent is Intent.ROTATE}
    turns = [_turn(found, each, records[of[each]], due[of[each]], at) for each in rotations if of[each] in new]
    place(session, turns)
    link_rotations(session, run.id, [Link(rotation_id) for rotation_id in rotations])
    run.record_ids = [*run.record_ids, *(each.record.id for each in previews)]
    take_up(
        session,
        [
            {
                "organization_id": organization_id,
                "record_id": each.record.id,
                "day": due[each.record.id].due.day.isoformat(),
                "due_at": due[each.record.id].due.at,
                "taken_at": at,
                "request_id": run.id,
            }
            for each in previews
        ],
    )
    note_moved(session, rotations)
    return run.id, len(previews)


def _run(
    session: Session, trail: Trail, operator: Operator, organization: Organization, run_id: int | None, at: datetime
) -> Request:
    """The one request of this run, with its card in the organization's channel where it has one."""
    run = get_request(session, run_id) if run_id is not None else None
    if run is not None and run.state == RequestState.UNDER_WAY:
        return run
    run = Request(
        organization_id=organization.id,
        requested_by=SCHEDULE,
        by_name=False,
        plan="",
        state=RequestState.UNDER_WAY,
        created_at=at,
        confirmed_at=at,
    )
    session.add(run)
    session.flush()
    if organization.channel:
        post(session, kind=ROTATION, subject=run.id, address=organization.channel, organization_id=organization.id)
    trail.append(
        session,
        event="request.started",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"request {run.id}",
        details={"second_administrator": "not asked: by the schedule"},
    )
    return run


def _turn(found: Calendar, rotation_id: int, record: Record, planned: Planned, at: datetime) -> Turn:
    """When its turn comes: spread over what is left of the window."""
    left = Opening(max(planned.opening.begin, at), planned.opening.end)
    return Turn(rotation_id, moment_in(found.schedule, left, record.uid, planned.due.day), left.end)


def _note_look(
    session: Session, organization_id: int, looked_for: datetime | None, planned: Sequence[Planned], at: datetime
) -> None:
    """Remember when to look next. Not when something changed meanwhile, or another process was quicker: what is there
    by now is as good or newer.
    """
    timetable = find_timetable(session, organization_id)
    if (timetable.look_at if timetable is not None else None) != looked_for:
        return
    organization = session.get_one(Organization, organization_id)
    found = calendar(session, organization, at)
    timetable = timetable or Timetable(organization_id=organization_id)
    timetable.timezone = organization.timezone
    if found is None:
        timetable.cadence, timetable.since, timetable.next_run_at = "", None, None
        timetable.look_at = _NEVER
    else:
        timetable.cadence, timetable.since = found.schedule.cadence, found.since
        timetable.look_at = found.next_look(planned, at)
        timetable.next_run_at = min((max(each.opening.begin, at) for each in planned), default=None)
    session.add(timetable)


def _cancel_what_is_out(session: Session, organization_id: int, at: datetime) -> None:
    """What waits for its turn, and is not for this schedule to rotate any more, is not rotated."""
    organization = session.get_one(Organization, organization_id)
    waiting = waiting_records(session, organization_id)
    found = calendar(session, organization, at)
    tiers = scheduled_tiers(found.rule, organization) if found is not None else ()
    inside = {each.record_id for each in known_records(session, organization_id, tiers, waiting) if not each.excluded}
    out = [record_id for record_id in waiting if record_id not in inside]
    rotations = [each.id for each in open_rotations(session, out).values()]
    if cancel_planned(session, out, _NO_LONGER):
        note_moved(session, rotations)


def _into_the_next_window(session: Session, late: Sequence[Late], at: datetime) -> None:
    """Nothing of these was begun before their window closed: each gets its turn in the next one."""
    calendars: dict[int, Calendar | None] = {}
    turns = []
    for each in late:
        if each.organization_id not in calendars:
            organization = session.get_one(Organization, each.organization_id)
            calendars[each.organization_id] = calendar(session, organization, at)
        found = calendars[each.organization_id]
        opens = opening(found.schedule, found.zone, each.until_at, at) if found is not None else None
        if found is None or opens is None:
            continue  # the next look cancels it
        left = Opening(max(opens.begin, at), opens.end)
        begin = moment_in(found.schedule, left, each.record_uid, each.until_at.astimezone(found.zone).date())
        why = f"Its window closed before its turn came; it goes on in the next one, from {begin:%Y-%m-%d %H:%M} UTC."
        turns.append(Turn(each.rotation_id, begin, left.end, why))
    place(session, turns)
    note_moved(session, [turn.rotation_id for turn in turns])
