"""What went over the wire, for the inspector and for tests; the app's secrets are masked before anything is kept."""

import itertools
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["call", "delivery", "response_url"]

KEPT = 1_000
_TOKEN = re.compile(r"\b(xox[a-z]|xapp)-[\w-]+")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer: a Web API call, a delivery to the app, or the use of a response url."""

    number: int
    at: float
    direction: Direction
    name: str
    sent: Any
    answer: Any
    seconds: float


class Traffic:
    """The last thousand exchanges, newest last."""

    def __init__(self, now: Callable[[], float], changed: Callable[[], None]) -> None:
        self._now = now
        self._changed = changed
        self._numbers = itertools.count(1)
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT)

    def record(self, direction: Direction, name: str, sent: Any, answer: Any, seconds: float) -> None:
        """Keep one exchange, without its tokens."""
        exchange = Exchange(next(self._numbers), self._now(), direction, name, masked(sent), masked(answer), seconds)
        self.exchanges.append(exchange)
        self._changed()

    def named(self, name: str) -> list[Exchange]:
        """All kept exchanges of one method or delivery, oldest first."""
        return [exchange for exchange in self.exchanges if exchange.name == name]


def masked(value: Any) -> Any:
    """A copy of a payload in which no token can be read."""
    if isinstance(value, dict):
        return {key: "…" if key == "token" else masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return _TOKEN.sub(r"\1-…", value) if isinstance(value, str) else value
