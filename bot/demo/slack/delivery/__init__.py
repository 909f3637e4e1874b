"""Getting payloads to the app: which way, how long to wait for the acknowledgement, and when to try again."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..clock import Clock
from ..faults import Faults
from ..traffic import Traffic

Kind = Literal["events_api", "slash_commands", "interactive"]

ACK_SECONDS = 3
RETRY_AFTER_SECONDS = (0, 60, 300)  # at once, after a minute, after five more


@dataclass(frozen=True)
class Parcel:
    """One payload for the app. `name` says what it is, in the inspector and in tests."""

    kind: Kind
    name: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came back. Unless `acknowledged`, `reason` is Slack's word for why not (`http_timeout`, `http_error` …)."""

    acknowledged: bool
    payload: Any = None
    reason: str = ""
    no_retry: bool = False


class Carrier(Protocol):
    """A way to the app: Socket Mode or signed HTTP."""

    async def carry(self, parcel: Parcel, attempt: int, reason: str) -> Answer:
        """Bring one parcel, once, and wait at most three seconds; `attempt` is 0 for the first time."""


class Delivery:
    """Hands parcels to the carrier, retries events, and lets the faults of delivery happen."""

    def __init__(self, carrier: Callable[[], Carrier], clock: Clock, faults: Faults, traffic: Traffic) -> None:
        self._carrier = carrier
        self._clock = clock
        self._faults = faults
        self._traffic = traffic
        self._held: list[Parcel] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, parcel: Parcel) -> Answer:
        """Deliver an interaction or command: once, never retried."""
        return await self._attempt(parcel, 0, "")

    def tell(self, parcel: Parcel) -> None:
        """Deliver an event in the background, again up to three times if it is not acknowledged."""
        if self._faults.reordered:
            self._faults.reordered -= 1
            self._held.append(parcel)
            if self._faults.reordered:
                return
            parcels, self._held = list(reversed(self._held)), []
        else:
            parcels = [parcel]
        if self._faults.duplicates:
            self._faults.duplicates -= 1
            parcels = [one for one in parcels for _ in range(2)]
        task = asyncio.get_running_loop().create_task(self._tell_in_turn(parcels))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Give up on everything that is still to be retried."""
        for task in self._tasks:
            task.cancel()

    async def _tell_in_turn(self, parcels: list[Parcel]) -> None:
        for parcel in parcels:
            first = await self._attempt(parcel, 0, "")
            if not first.acknowledged:
                task = asyncio.get_running_loop().create_task(self._retry(parcel, first))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _retry(self, parcel: Parcel, answer: Answer) -> None:
        for attempt, delay in enumerate(RETRY_AFTER_SECONDS, start=1):
            if answer.no_retry:
                return
            await self._clock.sleep(delay)
            answer = await self._attempt(parcel, attempt, answer.reason)
            if answer.acknowledged:
                return

    async def _attempt(self, parcel: Parcel, attempt: int, reason: str) -> Answer:
        started = time.perf_counter()
        away = Answer(False, reason="connection_failed")
        answer = away if self._faults.away else await self._carrier().carry(parcel, attempt, reason)
        told = {"payload": answer.payload} if answer.acknowledged else {"not_acknowledged": answer.reason}
        if attempt:
            told |= {"retry": attempt, "retry_reason": reason}
        self._traffic.record("delivery", parcel.name, parcel.payload, told, time.perf_counter() - started)
        return answer
