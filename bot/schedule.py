"""When a record falls due, and when it may be rotated then: days, windows and blackout dates in an organization's time.

Pure: no clock, no database; the same values give the same answer on every machine.

*Due* is a local day: so many days after the last rotation, or a day of the week or month, at a local time. A day is
taken up once, whatever becomes of the clock or the time zone. What falls due begins in the first window that is open
then or opens after it. A time the clocks skip in spring is as much later as they are moved; of one they repeat in
autumn the first counts; a month's 31st is its last day where it is shorter.
"""

import hashlib
import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.errors import BadInput

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ROOM = timedelta(minutes=5)
"""A window that is open for less than this once something is due is left to the next one."""
SHORTEST_WINDOW = 15
"""Minutes."""

_DAY = timedelta(days=1)
_MINUTES = 24 * 60
_ALWAYS_OPEN_SPREAD = timedelta(hours=1)
_LAST_TENTH = 0.9
"""Nothing is planned for the last tenth of a window: what takes a while should be done before it closes."""
_FARTHEST = 750
"""Days ahead in which a window is looked for: rules that leave longer gaps are refused."""
_YEAR = 366
_LEAP_YEAR = 2024


@dataclass(frozen=True, slots=True)
class Window:
    """Opens on these days of the week (Monday is 0); in minutes after their midnight, the end perhaps a day later."""

    days: frozenset[int]
    start: int
    end: int

    def __str__(self) -> str:
        """As `parse_window` reads it: `mon-fri 22:00-04:00`."""
        return f"{_days_text(self.days)}{clock_text(self.start)}-{clock_text(self.end % _MINUTES or _MINUTES)}"


@dataclass(frozen=True, slots=True)
class Blackout:
    """Local days on which nothing begins, both ends included: once (`2026-12-24`) or every year (`12-24`)."""

    first: str
    last: str

    @property
    def yearly(self) -> bool:
        """Whether it comes back every year."""
        return len(self.first) == len("12-24")

    def covers(self, day: date) -> bool:
        """Whether nothing begins on this day."""
        text = day.isoformat()[5:] if self.yearly else day.isoformat()
        if self.first <= self.last:
            return self.first <= text <= self.last
        return text >= self.first or text <= self.last  # over New Year

    def __str__(self) -> str:
        """As `parse_blackout` reads it."""
        return self.first if self.first == self.last else f"{self.first}..{self.last}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When records fall due (one of the first three says so), and when they may be rotated then."""

    every_days: int | None = None
    weekdays: frozenset[int] = frozenset()
    month_day: int | None = None
    at: int = 120
    """Minutes after local midnight."""
    windows: tuple[Window, ...] = ()
    """None: from `at` on, all day."""
    blackouts: tuple[Blackout, ...] = ()
    spread: bool = True

    @property
    def cadence(self) -> str:
        """The days it names, as a word: another one means that days before count for nothing."""
        if self.every_days is not None:
            return f"every {self.every_days}"
        if self.month_day is not None:
            return f"monthly {self.month_day} {self.at}"
        return f"weekly {_days_text(self.weekdays)}{self.at}"

    def names(self, day: date) -> bool:
        """Whether this day of the week or month is one of its own."""
        if self.month_day is not None:
            return day.day == min(self.month_day, monthrange(day.year, day.month)[1])
        return day.weekday() in self.weekdays


@dataclass(frozen=True, slots=True)
class Past:
    """What of a record's past its due times go by."""

    known_at: datetime
    """When a person agreed to its being rotated at all: the period starts there, until it is rotated."""
    rotated_at: datetime | None = None
    """Its last rotation that counts."""
    taken_at: datetime | None = None
    """When the schedule last took it up, whatever came of it."""
    taken_day: date | None = None
    """The due day it was taken up for."""


@dataclass(frozen=True, slots=True)
class Due:
    """A due time: the local day, which it is known by, and the moment."""

    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """What of a window is there for something that is due: from `begin` on, before `end`."""

    begin: datetime
    end: datetime


# ---- due -------------------------------------------------------------------------------------------------------------


def next_due(
    schedule: Schedule, zone: ZoneInfo, past: Past, since: datetime | None = None, after: date | None = None
) -> Due:
    """When this record falls, or has fallen, due. It lies in the past where that was missed: then it is due now.

    `since` is when the schedule came to name these days of the week or month: those before were not missed. Due days up
    to `after` are skipped.
    """
    last = past.taken_at or past.rotated_at or past.known_at
    if past.rotated_at is not None and past.rotated_at > last:
        last = past.rotated_at
    if schedule.every_days is not None:
        day = _days_after(schedule, zone, last, past.taken_day)
        while after is not None and day <= after:
            day += timedelta(days=schedule.every_days)
    else:
        last = max(last, since) if since is not None else last
        gone = max((each for each in (past.taken_day, after) if each is not None), default=date.min)
        day = _named_day(schedule, zone, last, gone)
    return _due(zone, day, schedule.at)


@lru_cache(maxsize=4096)
def _due(zone: ZoneInfo, day: date, minutes: int) -> Due:
    return Due(day, instant(zone, day, minutes))


def _days_after(schedule: Schedule, zone: ZoneInfo, last: datetime, taken: date | None) -> date:
    """The last `at` that is no more than so many days after it, by the clock on the wall."""
    local = last.astimezone(zone)
    earlier = 1 if local.hour * 60 + local.minute < schedule.at else 0
    day = local.date() + timedelta(days=(schedule.every_days or 1) - earlier)
    if taken is not None and day <= taken:
        day = taken + _DAY
    return day if instant(zone, day, schedule.at) > last else day + _DAY


def _named_day(schedule: Schedule, zone: ZoneInfo, last: datetime, gone: date) -> date:
    day = max(last.astimezone(zone).date(), gone + _DAY) if gone is not date.min else last.astimezone(zone).date()
    while not schedule.names(day) or instant(zone, day, schedule.at) <= last:
        day += _DAY
    return day


# ---- windows ---------------------------------------------------------------------------------------------------------


def opening(schedule: Schedule, zone: ZoneInfo, due_at: datetime, at: datetime) -> Opening | None:
    """The first window for what fell due then, of those that are not over at `at`: it may begin once `begin` is
    reached. None when there is none in the next two years.
    """
    day = max(due_at, at).astimezone(zone).date() - 2 * _DAY
    for _ in range(_FARTHEST):
        for start, end in _spans(schedule, zone, day):
            begin = max(start, due_at)
            if end > at and end - begin >= ROOM:
                return Opening(begin, end)
        day += _DAY
    return None


def moment_in(schedule: Schedule, opening: Opening, record_uid: str, day: date) -> datetime:
    """When in this window this record's turn comes: spread evenly by a stable hash, or all at its beginning."""
    if not schedule.spread:
        return opening.begin
    length = opening.end - opening.begin if schedule.windows else min(opening.end - opening.begin, _ALWAYS_OPEN_SPREAD)
    digest = hashlib.sha256(f"{record_uid} {day}".encode()).digest()
    return opening.begin + length * _LAST_TENTH * (int.from_bytes(digest[:8]) / 2**64)


@lru_cache(maxsize=4096)
def _spans(schedule: Schedule, zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """When it is open in windows that open on this day, in order."""
    if not schedule.windows:
        start, end = instant(zone, day, schedule.at), instant(zone, day + _DAY, schedule.at)
        return tuple(_without_blackouts(schedule, zone, day, start, end))[:1] if not _black(schedule, day) else ()
    found = [
        span
        for window in schedule.windows
        if day.weekday() in window.days
        for span in _without_blackouts(
            schedule, zone, day, instant(zone, day, window.start), instant(zone, day, window.end)
        )
    ]
    return tuple(sorted(found))


def _without_blackouts(
    schedule: Schedule, zone: ZoneInfo, day: date, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """What is left of it, in order. A window touches two days at most."""
    midnight = instant(zone, day + _DAY, 0)
    first, second = not _black(schedule, day), not _black(schedule, day + _DAY)
    if first and second:
        pieces = [(start, end)]
    else:
        pieces = [(start, min(end, midnight))] * first + [(max(start, midnight), end)] * second
    return ((begin, over) for begin, over in pieces if begin < over)


def _black(schedule: Schedule, day: date) -> bool:
    return any(blackout.covers(day) for blackout in schedule.blackouts)


@lru_cache(maxsize=4096)
def instant(zone: ZoneInfo, day: date, minutes: int) -> datetime:
    """So many minutes after this day's midnight by the clock on the wall, as a moment (UTC)."""
    later, rest = divmod(minutes, _MINUTES)
    return datetime.combine(day + later * _DAY, time(*divmod(rest, 60)), tzinfo=zone).astimezone(UTC)


def why_never(schedule: Schedule, today: date) -> str | None:
    """Why nothing would ever rotate by this schedule, or not for more than a year, in a sentence; None: it would."""
    zone = ZoneInfo("UTC")
    dated = [date.fromisoformat(each.last) for each in schedule.blackouts if not each.yearly]
    for day in (today, max([today, *dated]) + _DAY):
        found = opening(schedule, zone, instant(zone, day, 0), instant(zone, day, 0))
        if found is None or found.begin > instant(zone, day + _YEAR * _DAY, 0):
            return (
                f"its blackout dates leave no window open for more than a year after {day.isoformat()}, so nothing "
                "would be rotated. Shorten them, or open a window on other days"
            )
    return None


# ---- as people write it ----------------------------------------------------------------------------------------------


def parse_clock(text: str) -> int:
    """`22:30` → minutes after midnight, up to `24:00`; `BadInput` for anything else."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text.strip())
    if match is None or int(match[2]) > 59 or (minutes := int(match[1]) * 60 + int(match[2])) > _MINUTES:
        raise BadInput(f"“{text}” is no time of day: write it as 22:30")
    return minutes


def clock_text(minutes: int) -> str:
    """Minutes after midnight → `22:30`."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_weekdays(text: str) -> frozenset[int]:
    """`mon-fri`, `sat,sun` or `fri-mon` → days of the week; `BadInput` for anything else."""
    days: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first[:3] not in WEEKDAYS or (dash and last[:3] not in WEEKDAYS):
            raise BadInput(f"“{text}” names no days of the week: write them as mon-fri, or sat,sun")
        start = WEEKDAYS.index(first[:3])
        end = WEEKDAYS.index(last[:3]) if dash else start
        days |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return frozenset(days)


def parse_window(text: str) -> Window:
    """`mon-fri 22:00-04:00`, or `22:00-04:00` for every day; `BadInput` for anything else."""
    match = re.fullmatch(r"\s*(?:([A-Za-z][A-Za-z, -]*?)\s+)?(\d{1,2}:\d{2})\s*(?:-|–)\s*(\d{1,2}:\d{2})\s*", text)
    if match is None:
        raise BadInput(f"“{text}” is no window: write it as mon-fri 22:00-04:00, or 22:00-04:00 for every day")
    days = parse_weekdays(match[1]) if match[1] else frozenset(range(7))
    start, end = parse_clock(match[2]) % _MINUTES, parse_clock(match[3])
    end = end if end > start else end + _MINUTES
    if end - start < SHORTEST_WINDOW:
        raise BadInput(f"“{text}” is shorter than {SHORTEST_WINDOW} minutes: nothing would be done in time")
    return Window(days, start, end)


def parse_blackout(text: str) -> Blackout:
    """`2026-12-24`, `2026-12-24..2027-01-02`, or every year `12-24..01-02`; `BadInput` for anything else."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    last = last if dots else first
    try:
        if len(first) != len(last):
            raise ValueError
        for day in (first, last):
            if not re.fullmatch(r"(\d{4}-)?\d{2}-\d{2}", day):
                raise ValueError
            date.fromisoformat(day if len(day) > 5 else f"{_LEAP_YEAR}-{day}")
    except ValueError:
        raise BadInput(
            f"“{text}” is no blackout: write 2026-12-24, 2026-12-24..2027-01-02, or 12-24..01-02 for every year"
        ) from None
    if len(first) > 5 and last < first:
        raise BadInput(f"“{text}” ends before it begins")
    return Blackout(first, last)


def _days_text(days: frozenset[int]) -> str:
    if len(days) == 7:
        return ""
    ordered = sorted(days)
    runs: list[list[int]] = []
    for day in ordered:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = [WEEKDAYS[run[0]] if len(run) == 1 else f"{WEEKDAYS[run[0]]}-{WEEKDAYS[run[-1]]}" for run in runs]
    return f"{','.join(parts)} "
