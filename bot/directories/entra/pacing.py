"""How fast one app may write in one tenant: as fast as Microsoft allows, and never told to stop.

Microsoft's limit is 3,000 writes in any 150 seconds (throttling-limits, "Identity and access"). A fifth of it may go at
once; after that writes leave evenly, so that the limit is reached and never passed, and nobody waits for most of a
window once it is used up.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from bot.errors import Throttled

WRITES, WINDOW = 3_000, 150.0

_PATIENCE = 8.0
"""Seconds a writer is made to wait; whoever would wait longer is told for how long instead."""
_AT_ONCE = 5
"""So great a part of the limit may go at once, that is a fifth."""
_MARGIN = 0.3
"""Seconds by which requests may overtake each other on their way: the window is longer by so much."""
_NOT_OURS = 0.2
"""By so much the tenant may be busier than our own writes explain before we step back."""


class Pace:
    """What was written when, and when the next write may go. For several threads at once."""

    def __init__(
        self,
        writes: int = WRITES,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._limit = writes
        self._window = window + _MARGIN
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._written: deque[tuple[float, int]] = deque()
        self._used = 0
        self._next = 0.0
        """Not before then: the even pace, and what the server asked for."""
        self._slower = 1.0

    def take(self, many: int) -> None:
        """Wait until so many may be written, and count them. `Throttled` when that would take long: none is counted."""
        with self._lock:
            now = self._clock()
            at = self._free_at(now, many)
            if at - now > _PATIENCE:
                raise Throttled(
                    "Microsoft's limit on changes in this tenant is used up. Nothing was changed.",
                    retry_after=at - now,
                    cause="own-pace",
                )
            self._written.append((at, many))
            self._used += many
            if self._used > self._limit // _AT_ONCE:
                self._next = at + many * self._window / self._limit * self._slower
        if at > now:
            self._wait(at - now)

    def hold(self, seconds: float) -> None:
        """The server asked to be left alone for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)

    def heard(self, share: float) -> None:
        """The server said how much of the limit is used. Where others use it too, writes leave at half the pace."""
        with self._lock:
            self._forget(self._clock())
            self._slower = 2.0 if share - self._used / self._limit > _NOT_OURS else 1.0

    def _free_at(self, now: float, many: int) -> float:
        self._forget(now)
        at = max(now, self._next)
        over = self._used + many - self._limit
        for written, count in self._written:
            if over <= 0:
                break
            over -= count
            at = max(at, written + self._window)
        return at

    def _forget(self, now: float) -> None:
        while self._written and self._written[0][0] <= now - self._window:
            self._used -= self._written.popleft()[1]
