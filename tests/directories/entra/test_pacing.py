"""The pace of writes, on a clock of its own."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.directories.entra.pacing import Pace
from bot.errors import Throttled

LIMIT, WINDOW = 300, 15.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def a_pace() -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(LIMIT, WINDOW, clock.time, clock.sleep), clock


def take(pace: Pace, clock: Clock, many: int) -> None:
    """As the engine does: told to come back later, it comes back then."""
    try:
        pace.take(many)
    except Throttled as error:
        clock.sleep(error.retry_after)
        pace.take(many)


def test_a_fifth_goes_at_once() -> None:
    pace, clock = a_pace()
    for _ in range(3):
        pace.take(20)
    assert clock.now == 1_000.0


def test_of_what_is_allowed_nearly_all_is_used_after_the_first_window() -> None:
    pace, clock = a_pace()
    written = []
    while clock.now < 1_000 + 6 * WINDOW:
        clock.sleep(0.1)  # a batch takes that long
        take(pace, clock, 20)
        written.append(clock.now)
    later = [at for at in written if at > 1_000 + WINDOW]
    rate = 20 * len(later) / (clock.now - 1_000 - WINDOW)
    assert rate >= 0.95 * LIMIT / WINDOW


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 4)), min_size=50, max_size=150))
def test_no_window_ever_sees_more_than_the_limit(work: list[tuple[int, float]]) -> None:
    pace, clock = a_pace()
    seen: deque[tuple[float, int]] = deque()
    for many, pause in work:
        clock.sleep(pause * 0.1)
        take(pace, clock, many)
        seen.append((clock.now, many))
        assert sum(count for at, count in seen if at > clock.now - WINDOW) <= LIMIT


def test_nobody_is_made_to_wait_for_long() -> None:
    pace, clock = a_pace()
    pace.hold(5)
    before = clock.now
    pace.take(1)
    assert clock.now == before + 5
    pace.hold(60)
    with pytest.raises(Throttled) as caught:
        pace.take(1)
    assert caught.value.retry_after == pytest.approx(60)
    assert clock.now == before + 5


def test_where_others_use_the_tenant_too_we_step_back_and_come_again() -> None:
    pace, clock = a_pace()
    for _ in range(4):
        pace.take(20)

    def pause() -> float:
        before = clock.now
        take(pace, clock, 20)
        return clock.now - before

    pause()
    own = pause()
    pace.heard(1.4)
    pause()
    assert pause() == pytest.approx(2 * own, rel=0.01)
    pace.heard(0.5)
    pause()
    assert pause() == pytest.approx(own, rel=0.01)
