"""The notice before: what a schedule will rotate is told to the channel, with a way to skip it or put it off.

One notice for everything that begins on one local day in one organization. That it was told is a row with a unique key,
so it is told once, by any number of processes; it is drawn from the schedule as it is then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.approvals import other_administrators
from bot.audit import Trail
from bot.permissions import Operator
from bot.rotation.timetable import Upcoming, forecast, put_off
from bot.rules import EARLIEST_NOTICE, rule_for
from bot.settings import Settings
from storage.announcements import announced, begun, get_announcement
from storage.database import Database
from storage.models import Announcement, Organization, Record, Timetable, now
from storage.notices import finish, post, touch
from storage.records import get_records
from storage.schedules import running_soon

KIND = "schedule_notice"
_A_DAY = timedelta(days=1)
_LOOK_AGAIN = timedelta(minutes=15)
SHOWN_NAMES = 12


@dataclass(frozen=True, slots=True)
class Run:
    """Everything of one organization that begins on one local day."""

    organization: Organization
    day: str
    begins_at: datetime
    until: datetime
    """When the first window closes."""
    due_day: str
    """The latest due day among them."""
    record_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An announcement as it is to be shown."""

    announcement: Announcement
    organization: Organization
    run: Run | None
    """None: nothing rotates on that day any more."""
    records: tuple[Record, ...] = ()
    """The first few, by name."""


class Announcer:
    """Tells beforehand; one per process. It remembers only when it is worth looking again."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._looked: dict[int, tuple[object, datetime]] = {}

    def __call__(self, at: datetime) -> None:
        """One tick. Reads, and writes only what is new."""
        with self._database.reading() as session:
            over = bool(begun(session, at))
            soon = [
                (organization, timetable, lead)
                for organization, timetable in running_soon(session, at + timedelta(hours=EARLIEST_NOTICE))
                if organization.frozen_at is None
                and (lead := timedelta(hours=rule_for(session, organization).notice_hours))
                and timetable.next_run_at is not None
                and timetable.next_run_at - lead <= at
                and self._is_worth_a_look(organization.id, timetable, at)
            ]
        if over:
            with self._database.writing() as session:
                for each in begun(session, at):
                    _end(session, each)
        for organization, timetable, lead in soon:
            self._look(organization.id, lead, at)
            self._looked[organization.id] = (_key(timetable), at)

    def _is_worth_a_look(self, organization_id: int, timetable: Timetable, at: datetime) -> bool:
        key, looked_at = self._looked.get(organization_id, (None, at))
        return key != _key(timetable) or looked_at + _LOOK_AGAIN <= at

    def _look(self, organization_id: int, lead: timedelta, at: datetime) -> None:
        with self._database.reading() as session:
            organization = session.get_one(Organization, organization_id)
            coming = [each for each in runs(session, organization, at, lead) if each.begins_at > at]
        with self._database.writing() as session:
            known = announced(session, organization_id)
            touch(session, KIND, *(each.id for each in known.values() if each.ended_at is None))
            for each in coming:
                if each.day not in known:
                    self._announce(session, each)

    def _announce(self, session: Session, run: Run) -> None:
        announcement = Announcement(
            organization_id=run.organization.id, day=run.day, due_day=run.due_day, begins_at=run.begins_at
        )
        session.add(announcement)
        session.flush()
        channel = run.organization.channel
        everybody = other_administrators(session, self._settings, run.organization.id, "")
        for address in [channel] if channel else everybody:
            post(
                session,
                kind=KIND,
                subject=announcement.id,
                address=address,
                organization_id=run.organization.id,
            )


def runs(session: Session, organization: Organization, at: datetime, ahead: timedelta) -> list[Run]:
    """What begins in this organization from now on until then, day by day, as far as can be told."""
    zone = ZoneInfo(organization.timezone)
    days: dict[str, list[Upcoming]] = {}
    for each in forecast(session, organization, at, days=-(-ahead // _A_DAY) + 1):
        if each.opening.begin <= at + ahead:
            begins_at = max(each.opening.begin, at)
            days.setdefault(begins_at.astimezone(zone).date().isoformat(), []).append(each)
    return [_run(organization, day, found) for day, found in days.items()]


def as_it_is(session: Session, announcement: Announcement) -> Told:
    """What will rotate on that day, as things stand."""
    organization = session.get_one(Organization, announcement.organization_id)
    at = now()
    ahead = max(announcement.begins_at - at, timedelta()) + _A_DAY
    found = [each for each in runs(session, organization, at, ahead) if each.day == announcement.day]
    run = found[0] if found else None
    records = get_records(session, run.record_ids[:SHOWN_NAMES]) if run is not None else {}
    return Told(announcement, organization, run, tuple(records.values()))


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a click."""

    announcement: Announcement
    first: str | None = None
    """Nothing was done, because this operator was quicker."""


def skip(session: Session, trail: Trail, operator: Operator, announcement_id: int, version: int) -> Decided:
    """Leave out this time what was announced; the next time counts as ever. `NotPermitted` as `put_off` says it."""
    return _decide(session, trail, operator, announcement_id, version, lambda _: None)


def in_a_day(session: Session, trail: Trail, operator: Operator, announcement_id: int, version: int) -> Decided:
    """Begin it a day later, in the first window from then on. The same notice tells of it."""
    return _decide(session, trail, operator, announcement_id, version, lambda each: each.begins_at + _A_DAY)


def _decide(
    session: Session,
    trail: Trail,
    operator: Operator,
    announcement_id: int,
    version: int,
    until: Callable[[Announcement], datetime | None],
) -> Decided:
    announcement = get_announcement(session, announcement_id)
    if announcement.version != version or announcement.ended_at is not None:
        return Decided(announcement, announcement.decided_by or "schedule")
    organization = session.get_one(Organization, announcement.organization_id)
    told = as_it_is(session, announcement)
    day = datetime.fromisoformat(told.run.due_day if told.run is not None else announcement.due_day).date()
    later = until(announcement)
    put_off(session, trail, operator, organization, day, later)
    announcement.decided_by, announcement.decided_at = operator.key, now()
    announcement.version += 1
    if later is None:
        announcement.skipped = True
        _end(session, announcement)
    else:
        _move(session, organization, announcement, later)
    session.add(announcement)
    touch(session, KIND, announcement.id)
    return Decided(announcement)


def _move(session: Session, organization: Organization, announcement: Announcement, later: datetime) -> None:
    """It begins later: the same notice goes on, unless another one tells of that day already."""
    coming = [
        each for each in runs(session, organization, now(), later - now() + 2 * _A_DAY) if each.begins_at >= later
    ]
    run = min(coming, key=lambda each: each.begins_at, default=None)
    begins_at = run.begins_at if run is not None else later
    day = begins_at.astimezone(ZoneInfo(organization.timezone)).date().isoformat()
    announcement.begins_at = begins_at
    if day != announcement.day and day in announced(session, organization.id):
        _end(session, announcement)
    else:
        announcement.day = day


def _end(session: Session, announcement: Announcement) -> None:
    announcement.ended_at = now()
    session.add(announcement)
    session.flush()
    finish(session, KIND, announcement.id)


def _run(organization: Organization, day: str, found: Sequence[Upcoming]) -> Run:
    first = min(found, key=lambda each: each.opening.begin)
    return Run(
        organization,
        day,
        first.opening.begin,
        first.opening.end,
        max(each.due.day for each in found).isoformat(),
        tuple(dict.fromkeys(record_id for each in found for record_id in each.record_ids)),
    )


def _key(timetable: Timetable) -> object:
    return timetable.next_run_at, timetable.look_at
