"""What connectors asked, as far as it is no secret: methods, paths, the names of headers, the shapes of bodies."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KEPT = 10_000


@dataclass(frozen=True)
class Recorded:
    """One request. `body` shows keys, and for each value only its JSON type; None when there was no body."""

    method: str
    path: str
    """Without host and query, with `/v1.0` where it is Graph's."""
    query: Mapping[str, str]
    headers: frozenset[str]
    """Their names, in lower case."""
    body: Any
    status: int
    tenant: str | None
    batched: bool = False
    """Whether it came as an item of a `$batch`."""


class Requests:
    """The last ten thousand, newest last; can be looked at while more are coming."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._kept: deque[Recorded] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Recorded]:
        with self._lock:
            return iter([*self._kept])

    def __len__(self) -> int:
        return len(self._kept)

    def append(self, request: Recorded) -> None:
        """Keep one more."""
        with self._lock:
            self._kept.append(request)

    def clear(self) -> None:
        """Forget all until now."""
        with self._lock:
            self._kept.clear()


def shape(value: Any) -> Any:
    """A body without its values."""
    match value:
        case dict():
            return {key: shape(item) for key, item in value.items()}
        case list():
            return [shape(item) for item in value]
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
    return None
