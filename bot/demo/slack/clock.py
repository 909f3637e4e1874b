"""The pretend Slack's time, which a test may push forward instead of waiting."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


class Clock:
    """Wall-clock seconds since 1970, plus whatever `advance` has added.

    Everything with a deadline (triggers, acknowledgements, response urls, retries) reads this clock, so advancing it
    by three seconds makes a slow listener late at once. Not thread-safe: to be used on the server's event loop.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass now; whoever slept until then wakes."""
        self._ahead += seconds
        self._wake()

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self.now() + seconds, next(self._count), woken))
        timer = loop.call_later(seconds, self._wake)
        try:
            await woken
        finally:
            timer.cancel()
            woken.cancel()

    async def within(self, seconds: float, work: Awaitable[Result]) -> Result:
        """The result of `work`; TimeoutError, and the work cancelled, if it takes longer than `seconds`."""
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise TimeoutError(f"not done within {seconds} s")
            return task.result()
        finally:
            task.cancel()
            timer.cancel()

    def _wake(self) -> None:
        # A timer may fire a moment early by this clock's reckoning; a millisecond of grace avoids a lost wake-up.
        while self._sleepers and self._sleepers[0][0] <= self.now() + 0.001:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
