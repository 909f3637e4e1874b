"""What rotates by the schedule, and when: worked out from the rows for one organization; and putting it off.

The rows are a record's past and what people decided; nothing here is remembered, so two processes that look at the same
rows say the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, NotPermitted
from bot.permissions import Operator, may_administer, may_stop
from bot.rules import rule_for, schedule_of, scheduled_tiers
from bot.schedule import Due, Opening, Past, Schedule, instant, next_due, opening
from storage.models import Organization, Postponement, Record, Rule, Timetable, now
from storage.schedules import (
    Known,
    exclude,
    find_timetable,
    include,
    known_records,
    postpone,
    postponements,
)

_A_DAY = timedelta(days=1)
_MOST_RUNS = 400
"""Of one record in a forecast; more than one a day for a year."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One record's next rotation by the schedule."""

    record_id: int
    due: Due
    opening: Opening
    """The window it begins in."""


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What rotates together: everything of one organization that begins in one window for one due day."""

    organization: Organization
    due: Due
    opening: Opening
    record_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """An organization's schedule with what people decided about it, ready to be asked about any of its records."""

    organization: Organization
    rule: Rule
    schedule: Schedule
    zone: ZoneInfo
    since: datetime
    put_off: tuple[Postponement, ...]
    """Of the whole organization."""
    put_off_records: dict[int, tuple[Postponement, ...]]
    _openings: dict[tuple[datetime, datetime], Opening | None] = field(default_factory=dict)
    """Found already: many records fall due at the same moment."""

    def planned(self, known: Known, at: datetime) -> Planned | None:
        """When this record's turn comes, from `at` on; None where no window ever opens for it."""
        return self.after(known.record_id, self._past(known), at)

    def after(self, record_id: int, past: Past, at: datetime) -> Planned | None:
        """The same, for a record with this past."""
        due = next_due(self.schedule, self.zone, past, self.since)
        begin = due.at
        if self.put_off or record_id in self.put_off_records:
            due, begin = self._as_decided(record_id, past, due)
        key = begin, at
        if key not in self._openings:
            self._openings[key] = opening(self.schedule, self.zone, begin, at)
        found = self._openings[key]
        return Planned(record_id, due, found) if found is not None else None

    def _as_decided(self, record_id: int, past: Past, due: Due) -> tuple[Due, datetime]:
        """What people made of this due time: which one it is now, and from when on it may begin."""
        decided = [*self.put_off, *self.put_off_records.get(record_id, ())]
        skipped = max((date.fromisoformat(each.day) for each in decided if each.until is None), default=None)
        if skipped is not None and due.day <= skipped:
            due = next_due(self.schedule, self.zone, past, self.since, after=skipped)
        later = [each.until for each in decided if each.until and each.day >= due.day.isoformat()]
        return due, max([due.at, *later])

    def next_look(self, planned: Sequence[Planned], at: datetime) -> datetime:
        """Nothing begins before then: not of these, nor of records that come in meanwhile, which fall due at the rule's
        time of day at the earliest.
        """
        today = at.astimezone(self.zone).date()
        daily = next(
            moment for day in (0, 1, 2) if (moment := instant(self.zone, today + day * _A_DAY, self.schedule.at)) > at
        )
        return min([daily, *(each.opening.begin for each in planned if each.opening.begin > at)])

    def _past(self, known: Known) -> Past:
        return Past(
            known_at=known.approved_at or self.organization.created_at,
            rotated_at=known.rotated_at if self.rule.manual_restarts else None,
            taken_at=known.taken_at,
            taken_day=date.fromisoformat(known.taken_day) if known.taken_day else None,
        )


def calendar(session: Session, organization: Organization, at: datetime) -> Calendar | None:
    """The organization's schedule as things stand at this moment; None where nothing rotates by itself."""
    rule = rule_for(session, organization)
    schedule = schedule_of(rule)
    if schedule is None:
        return None
    decided = postponements(session, organization.id)
    of_records: dict[int, tuple[Postponement, ...]] = {}
    for each in decided:
        if each.record_id is not None:
            of_records[each.record_id] = (*of_records.get(each.record_id, ()), each)
    return Calendar(
        organization,
        rule,
        schedule,
        ZoneInfo(organization.timezone),
        _since(schedule, find_timetable(session, organization.id), at),
        tuple(each for each in decided if each.record_id is None),
        of_records,
    )


def _since(schedule: Schedule, timetable: Timetable | None, at: datetime) -> datetime:
    """Since when it names these days: since the rule was changed, which had the clock look at once; or from now on."""
    if timetable is None:
        return at
    known = timetable.since if timetable.cadence == schedule.cadence else timetable.look_at
    return known or at


def plan(session: Session, found: Calendar, at: datetime, record_ids: Sequence[int] | None = None) -> list[Planned]:
    """The next rotation of each record the schedule includes; of these ids where given. Changes nothing."""
    known = known_records(session, found.organization.id, scheduled_tiers(found.rule, found.organization), record_ids)
    planned = (found.planned(each, at) for each in known if not each.excluded)
    return [each for each in planned if each is not None]


def forecast(session: Session, organization: Organization, at: datetime, days: int = 30) -> list[Upcoming]:
    """What rotates by the schedule in the next days, as far as can be told now, in the order of time."""
    found = calendar(session, organization, at)
    if found is None:
        return []
    until = at + timedelta(days=days)
    runs: dict[tuple[datetime, date], tuple[Due, Opening, list[int]]] = {}
    for known in known_records(session, organization.id, scheduled_tiers(found.rule, organization)):
        if not known.excluded:
            for each in _runs(found, known, at, until):
                key = each.opening.begin, each.due.day
                runs.setdefault(key, (each.due, each.opening, []))[2].append(each.record_id)
    return [
        Upcoming(organization, due, opens, tuple(record_ids)) for _, (due, opens, record_ids) in sorted(runs.items())
    ]


def _runs(found: Calendar, known: Known, at: datetime, until: datetime) -> Iterator[Planned]:
    each = found.planned(known, at)
    for _ in range(_MOST_RUNS):
        if each is None or each.opening.begin >= until:
            return
        yield each
        begin = max(each.opening.begin, at)
        past = Past(known_at=begin, taken_at=begin, taken_day=each.due.day)
        each = found.after(each.record_id, past, begin)


# ---- what people decide ----------------------------------------------------------------------------------------------


def put_off(
    session: Session,
    trail: Trail,
    operator: Operator,
    organization: Organization,
    day: date,
    until: datetime | None,
    record: Record | None = None,
) -> None:
    """Skip what falls due up to this local day (`until` None), or do it in the first window after `until`: of one
    record, or of the whole organization. What began already goes on. Whoever may stop everything there may.
    """
    decision = may_stop(operator, organization.id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    if until is not None and until <= now():
        raise BadInput("That moment is over already. Nothing was changed.")
    postpone(
        session,
        Postponement(
            organization_id=organization.id,
            record_id=record.id if record else None,
            day=day.isoformat(),
            until=until,
            created_by=operator.key,
        ),
    )
    trail.append(
        session,
        event="schedule.skipped" if until is None else "schedule.postponed",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"record {record.id}" if record else "everything that falls due",
        details={"day": day.isoformat(), "until": until.isoformat() if until else None},
    )


def leave_out(session: Session, trail: Trail, operator: Operator, record: Record, *, out: bool) -> bool:
    """Have schedules leave this record out, or take it again; whether that changed anything. Administrators only."""
    organization = session.get_one(Organization, record.organization_id)
    decision = may_administer(operator, organization.id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    changed = exclude(session, record, operator.key) if out else include(session, record)
    if changed:
        trail.append(
            session,
            event="schedule.excluded" if out else "schedule.included",
            operator=operator.key,
            source=operator.source,
            organization=organization,
            subject=f"record {record.id}",
            details={},
        )
    return changed
