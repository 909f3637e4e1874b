"""Promises of `bot.schedule`: when a record falls due and which window it gets, in any zone, on any day of any year."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from bot.errors import BadInput
from bot.schedule import (
    ROOM,
    Blackout,
    Due,
    Opening,
    Past,
    Schedule,
    Window,
    instant,
    moment_in,
    next_due,
    opening,
    parse_blackout,
    parse_clock,
    parse_weekdays,
    parse_window,
    why_never,
)

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu",
        "Pacific/Auckland", "Pacific/Kiritimati", "Africa/Casablanca", "America/Los_Angeles",
    )
]  # fmt: skip
YEARS = 5
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)

starts = some.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001
quarters = some.integers(0, 95).map(lambda each: each * 15)
windows = some.builds(
    lambda days, start, length: Window(days, start, start + length),
    some.frozensets(some.integers(0, 6), min_size=1),
    quarters,
    some.integers(1, 96).map(lambda each: each * 15),
)
blackouts = some.one_of(
    some.builds(
        lambda first, length: Blackout(first.isoformat(), (first + timedelta(days=length)).isoformat()),
        some.dates(date(2026, 1, 1), date(2031, 12, 1)),
        some.integers(0, 40),
    ),
    some.sampled_from([Blackout("12-20", "01-05"), Blackout("02-29", "02-29"), Blackout("07-04", "07-04")]),
)
cadences = some.one_of(
    some.builds(lambda days: {"every_days": days}, some.integers(1, 365)),
    some.builds(lambda days: {"weekdays": days}, some.frozensets(some.integers(0, 6), min_size=1)),
    some.builds(lambda day: {"month_day": day}, some.integers(1, 31)),
)
schedules = some.builds(
    lambda cadence, at, opens, shut: Schedule(**cadence, at=at, windows=tuple(opens), blackouts=tuple(shut)),
    cadences,
    quarters,
    some.lists(windows, max_size=2),
    some.lists(blackouts, max_size=2),
).filter(lambda schedule: why_never(schedule, date(2026, 1, 1)) is None)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def life(
    schedule: Schedule, zones: list[ZoneInfo], start: datetime, hands: frozenset[int], downtime: dict[int, int]
) -> Iterator[tuple[Due, Opening, datetime, datetime]]:
    """A record's five years: (due, window, taken up at, what the period started from). After the numbered rotations a
    person rotates it too, the clock stood still for some days, or the organization moved to the next zone.
    """
    past, at = Past(known_at=start), start
    for number in range(YEARS * 400):
        zone = zones[(number // 40) % len(zones)]
        due = next_due(schedule, zone, past, since=start)
        opens = opening(schedule, zone, due.at, at)
        assert opens is not None
        taken = max(opens.begin, at)
        if number in downtime:
            at = taken + timedelta(days=downtime[number])
            late = opening(schedule, zone, due.at, at)
            assert late is not None
            opens, taken = late, max(late.begin, at)
        if taken > start + YEARS * 366 * DAY:
            return
        yield due, opens, taken, max(each for each in (past.known_at, past.rotated_at, past.taken_at) if each)
        rotated = taken + timedelta(hours=30) if number in hands else past.rotated_at
        past, at = Past(start, rotated, taken, due.day), taken


def permitted(schedule: Schedule, zone: ZoneInfo, moment: datetime) -> bool:
    """By the clock on the wall: what a person with a calendar would say."""
    local = moment.astimezone(zone)
    minutes, day = local.hour * 60 + local.minute, local.date()
    for blackout in schedule.blackouts:
        text = day.isoformat()[-len(blackout.first) :]
        inside = blackout.first <= text <= blackout.last
        if inside or (blackout.first > blackout.last and (text >= blackout.first or text <= blackout.last)):
            return False
    yesterday = (day.weekday() - 1) % 7
    return any(
        (day.weekday() in window.days and window.start <= minutes < window.end)
        or (yesterday in window.days and window.start <= minutes + 1440 < window.end)
        for window in schedule.windows
    )


def clocks_change(zone: ZoneInfo, first: datetime, last: datetime) -> bool:
    moment, offset = first - 2 * DAY, (first - 2 * DAY).astimezone(zone).utcoffset()
    while moment < last + 2 * DAY:
        moment += timedelta(hours=6)
        if moment.astimezone(zone).utcoffset() != offset:
            return True
    return False


# ---- the promise -----------------------------------------------------------------------------------------------------


@given(schedules, some.sampled_from(ZONES), starts)
@settings(max_examples=60, deadline=None)
def test_in_five_years_every_due_time_gets_the_first_permitted_window_and_only_once(
    schedule: Schedule, zone: ZoneInfo, start: datetime
) -> None:
    seen: date = date.min
    for number, (due, opens, taken, _) in enumerate(life(schedule, [zone], start, frozenset(), {})):
        assert due.day > seen, "a due day came back"
        seen = due.day
        assert due.at <= opens.begin == taken < opens.end
        assert opens.end - taken >= ROOM
        if schedule.windows and number % 7 == 0 and not clocks_change(zone, due.at, taken):
            moment = due.at
            while not permitted(schedule, zone, moment):
                moment += QUARTER
            assert taken == moment, "an earlier window was open"


@given(
    schedules,
    some.permutations(ZONES),
    starts,
    some.frozensets(some.integers(0, 60)),
    some.dictionaries(some.integers(0, 60), some.integers(0, 90), max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_neither_moving_nor_downtime_nor_people_make_a_due_time_count_twice(
    schedule: Schedule, zones: list[ZoneInfo], start: datetime, hands: frozenset[int], downtime: dict[int, int]
) -> None:
    lived = list(life(schedule, zones, start, hands, downtime))
    days = [due.day for due, *_ in lived]
    assert days == sorted(set(days))
    assert all(due.at <= taken and opens.begin <= taken < opens.end for due, opens, taken, _ in lived)
    assert all(earlier[2] < later[2] for earlier, later in pairwise(lived))


@given(
    some.integers(1, 365),
    quarters,
    some.sampled_from(ZONES),
    starts,
)
@settings(max_examples=60, deadline=None)
def test_a_period_is_never_longer_than_it_says_by_the_clock_on_the_wall(
    days: int, at: int, zone: ZoneInfo, start: datetime
) -> None:
    for due, _, _, last in life(Schedule(every_days=days, at=at), [zone], start, frozenset({3, 9}), {}):
        wall = due.at.astimezone(zone).replace(tzinfo=None) - last.astimezone(zone).replace(tzinfo=None)
        assert timedelta(days=days - 1) - 2 * timedelta(hours=1) < wall <= timedelta(days=days) + timedelta(hours=1)
        assert due.at > last


@given(cadences.filter(lambda each: "every_days" not in each), some.sampled_from(ZONES), quarters)
@settings(max_examples=40, deadline=None)
def test_no_named_day_is_left_out(cadence: dict[str, int], zone: ZoneInfo, at: int) -> None:
    schedule = Schedule(**cadence, at=at)  # type: ignore[arg-type]
    start = utc("2026-01-01T00:00")
    found = [due.day for due, *_ in life(schedule, [zone], start, frozenset(), {})]
    day, expected = found[0], []
    while day <= found[-1]:
        if schedule.names(day):
            expected.append(day)
        day += DAY
    assert found == expected


# ---- days by name ----------------------------------------------------------------------------------------------------


def due_days(schedule: Schedule, zone: ZoneInfo, start: str, many: int) -> list[str]:
    lived = life(schedule, [zone], utc(start), frozenset(), {})
    return [next(lived)[0].day.isoformat() for _ in range(many)]


def test_the_31st_is_the_last_day_of_a_shorter_month() -> None:
    found = due_days(Schedule(month_day=31), BERLIN, "2027-12-31T12:00", 5)
    assert found == ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]


def test_february_29_comes_in_leap_years_and_is_the_28th_in_others() -> None:
    found = [day for day in due_days(Schedule(month_day=29), BERLIN, "2026-01-30T12:00", 30) if "-02-" in day]
    assert found == ["2026-02-28", "2027-02-28", "2028-02-29"]
    assert next_due(Schedule(every_days=365), BERLIN, Past(utc("2028-02-29T12:00"))).day == date(2029, 2, 28)


def test_a_daily_schedule_fires_once_on_each_day_the_clocks_change() -> None:
    half_past_two = Schedule(every_days=1, at=150)
    for start in ("2026-03-27T12:00", "2026-10-23T12:00"):
        lived = life(half_past_two, [BERLIN], utc(start), frozenset(), {})
        taken = [next(lived)[2] for _ in range(4)]
        assert (
            [each.astimezone(BERLIN).day for each in taken] == [28, 29, 30, 31] if "03" in start else [24, 25, 26, 27]
        )
    spring = next_due(half_past_two, BERLIN, Past(utc("2026-03-28T12:00")))
    autumn = next_due(half_past_two, BERLIN, Past(utc("2026-10-24T12:00")))
    assert spring.at == utc("2026-03-29T01:30"), "02:30 does not exist: 03:30 it is"
    assert autumn.at == utc("2026-10-25T00:30"), "of two 02:30s the first"
    again = next_due(half_past_two, BERLIN, Past(utc("2026-01-01"), None, utc("2026-10-25T01:10"), date(2026, 10, 25)))
    assert again.day == date(2026, 10, 26), "taken up between the two 02:30s: not again at the second"
    by_hand = next_due(half_past_two, BERLIN, Past(utc("2026-01-01T00:00"), rotated_at=utc("2026-10-25T01:10")))
    assert by_hand.day == date(2026, 10, 26), "nor at the first, which is over"


def test_what_fell_due_several_times_while_everything_was_down_is_done_once() -> None:
    daily = Schedule(weekdays=frozenset(range(7)), windows=(parse_window("22:00-04:00"),))
    past = Past(utc("2026-06-01"), None, utc("2026-06-01T20:00"), date(2026, 6, 1))
    back = utc("2026-06-09T09:00")
    due = next_due(daily, BERLIN, past)
    opens = opening(daily, BERLIN, due.at, back)
    assert due.day == date(2026, 6, 2)
    assert opens == Opening(utc("2026-06-09T20:00"), utc("2026-06-10T02:00"))
    after = next_due(daily, BERLIN, Past(past.known_at, None, opens.begin, due.day))
    assert after.day == date(2026, 6, 10)


def test_the_same_monday_does_not_come_twice_to_an_organization_that_moves_west() -> None:
    mondays = Schedule(weekdays=frozenset({0}))
    past = Past(utc("2026-01-01"), None, utc("2026-11-23T01:00"), date(2026, 11, 23))  # 02:00 in Berlin
    assert next_due(mondays, NEW_YORK, past).day == date(2026, 11, 30)


def test_days_before_the_schedule_named_them_were_not_missed() -> None:
    mondays, record = Schedule(weekdays=frozenset({0})), Past(utc("2026-01-01"))
    assert next_due(mondays, BERLIN, record, since=utc("2026-11-25T12:00")).day == date(2026, 11, 30)


def test_a_skipped_day_counts_as_done_and_the_next_one_is_due() -> None:
    record = Past(utc("2026-11-01T12:00"))
    assert next_due(Schedule(every_days=10), BERLIN, record).day == date(2026, 11, 11)
    assert next_due(Schedule(every_days=10), BERLIN, record, after=date(2026, 11, 11)).day == date(2026, 11, 21)
    sundays = Schedule(weekdays=frozenset({6}))
    assert next_due(sundays, BERLIN, record, after=date(2026, 11, 8)).day == date(2026, 11, 15)


# ---- windows ---------------------------------------------------------------------------------------------------------


def opens(schedule: Schedule, due: str, zone: ZoneInfo = BERLIN, at: str | None = None) -> tuple[str, str]:
    found = opening(schedule, zone, utc(due), utc(at or due))
    assert found is not None
    return tuple(each.astimezone(zone).strftime("%d %H:%M") for each in (found.begin, found.end))  # type: ignore[return-value]


def test_a_window_over_midnight_belongs_to_the_day_it_opens_on() -> None:
    fridays = Schedule(every_days=1, windows=(parse_window("fri 22:00-04:00"),))
    assert opens(fridays, "2026-11-25T12:00") == ("27 22:00", "28 04:00")
    assert opens(fridays, "2026-11-28T00:30") == ("28 01:30", "28 04:00"), "it is open already"
    assert opens(fridays, "2026-11-28T02:56") == ("04 22:00", "05 04:00"), "too little is left of it"


def test_blackout_dates_close_what_lies_on_them_and_leave_the_rest() -> None:
    shut = Schedule(
        every_days=1, windows=(parse_window("22:00-04:00"),), blackouts=(parse_blackout("2026-12-24..2026-12-26"),)
    )
    assert opens(shut, "2026-12-23T12:00") == ("23 22:00", "24 00:00")
    assert opens(shut, "2026-12-24T12:00") == ("27 00:00", "27 04:00")
    always = Schedule(every_days=1, at=120, blackouts=(parse_blackout("12-24..01-01"),))
    assert opens(always, "2026-12-24T01:00") == ("02 02:00", "03 02:00"), "at its own time of day, not at midnight"
    assert opens(always, "2027-12-24T01:00") == ("02 02:00", "03 02:00"), "every year"


def test_windows_on_days_the_clocks_change_are_as_long_as_the_wall_says() -> None:
    night = Schedule(every_days=1, windows=(parse_window("01:00-04:00"),))
    assert opening(night, BERLIN, utc("2026-03-28T20:00"), utc("2026-03-28T20:00")) == Opening(
        utc("2026-03-29T00:00"), utc("2026-03-29T02:00")
    )
    assert opening(night, BERLIN, utc("2026-10-24T20:00"), utc("2026-10-24T20:00")) == Opening(
        utc("2026-10-24T23:00"), utc("2026-10-25T03:00")
    )
    inside_the_gap = Schedule(every_days=1, windows=(parse_window("02:15-02:45"),))
    assert opens(inside_the_gap, "2026-03-28T20:00") == ("29 03:15", "29 03:45"), "moved, not lost"
    across_its_end = Schedule(every_days=1, windows=(parse_window("02:30-03:00"),))
    assert opens(across_its_end, "2026-03-28T20:00") == ("30 02:30", "30 03:00"), "the next one that exists"


def test_spreading_is_the_same_everywhere_and_leaves_the_last_tenth_free() -> None:
    schedule = Schedule(every_days=1, windows=(parse_window("20:00-04:00"),))
    found = Opening(utc("2026-11-25T20:00"), utc("2026-11-26T04:00"))
    moments = [moment_in(schedule, found, f"record-{number}", date(2026, 11, 25)) for number in range(1000)]
    assert moments == [moment_in(schedule, found, f"record-{number}", date(2026, 11, 25)) for number in range(1000)]
    assert found.begin <= min(moments)
    assert max(moments) < found.begin + timedelta(hours=7.2)
    an_hour = [sum(1 for each in moments if each.hour == hour) for hour in (20, 21, 22, 23, 0, 1, 2)]
    assert min(an_hour) > 90, "evenly"
    together = Schedule(every_days=1, windows=schedule.windows, spread=False)
    assert moment_in(together, found, "record-1", date(2026, 11, 25)) == found.begin
    always = Schedule(every_days=1)
    day = Opening(utc("2026-11-25T20:00"), utc("2026-11-26T20:00"))
    assert moment_in(always, day, "record-1", date(2026, 11, 25)) < day.begin + timedelta(hours=1)


# ---- what cannot be --------------------------------------------------------------------------------------------------


def test_a_rule_by_which_nothing_would_ever_rotate_is_named_as_one() -> None:
    today = date(2026, 11, 22)
    closed = Schedule(every_days=30, blackouts=(parse_blackout("01-01..12-31"),))
    assert "more than a year" in str(why_never(closed, today))
    sunday_only = Schedule(
        every_days=30, windows=(parse_window("sun 02:00-04:00"),), blackouts=(parse_blackout("01-02..12-31"),)
    )
    assert why_never(sunday_only, today) is not None
    long = Schedule(every_days=30, blackouts=(parse_blackout("2026-11-01..2028-06-30"),))
    assert why_never(long, today) is not None
    assert why_never(Schedule(every_days=30, blackouts=(parse_blackout("12-01..11-30"),)), today) is not None
    assert why_never(Schedule(every_days=30, blackouts=(parse_blackout("12-02..11-30"),)), today) is None


@given(some.lists(windows, min_size=1), some.lists(blackouts, min_size=1))
def test_what_is_written_reads_back_the_same(opens: list[Window], shut: list[Blackout]) -> None:
    assert [parse_window(str(each)) for each in opens] == opens
    assert [parse_blackout(str(each)) for each in shut] == shut


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("mon-fri 22:00-04:00", Window(frozenset(range(5)), 1320, 1680)),
        ("22:00-04:00", Window(frozenset(range(7)), 1320, 1680)),
        ("Sat, Sun 00:00-24:00", Window(frozenset({5, 6}), 0, 1440)),
        ("fri-mon 9:00 – 9:30", Window(frozenset({4, 5, 6, 0}), 540, 570)),
    ],
)
def test_windows_are_read_as_people_write_them(text: str, means: Window) -> None:
    assert parse_window(text) == means


@pytest.mark.parametrize(
    "text", ["", "mon", "mon 22:00", "22-04", "mon 25:00-26:00", "maybe 22:00-23:00", "22:00-22:10", "mon 22:60-23:00"]
)
def test_a_window_that_is_none_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(BadInput):
        parse_window(text)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-02-30", "2026-12-24..12-26", "2026-12-26..2026-12-24", "13-01", "2026-12-24.."]
)
def test_a_blackout_that_is_none_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(BadInput, match=r"blackout|ends before"):
        parse_blackout(text)


def test_times_of_day_and_days_of_the_week_are_read() -> None:
    assert (parse_clock("7:05"), parse_clock("24:00")) == (425, 1440)
    assert parse_weekdays("Monday, thu-sat") == frozenset({0, 3, 4, 5})
    with pytest.raises(BadInput):
        parse_clock("24:01")
    assert instant(BERLIN, date(2026, 11, 22), 1500) == utc("2026-11-23T00:00")
