"""What can go wrong between Rekey and IT Glue, on demand, and what was asked for; never a key or a password."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """Answer this instead; nothing is done."""

    status: int = 503
    body: str = "<html><body>upstream connect error</body></html>"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class LostRequest:
    """Hang up without doing anything."""


@dataclass(frozen=True, slots=True)
class LostReply:
    """Do it, then hang up without an answer."""


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Do it, and before the answer goes out have somebody do this."""

    act: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Slow:
    """Do it, and answer only after so many seconds."""

    seconds: float


Fault = Answers | LostRequest | LostReply | Meanwhile | Slow


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in: its query in the order given."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    status: int

    def says(self, name: str) -> str | None:
        """A parameter of the query."""
        return dict(self.query).get(name)


class Faults:
    """Faults waiting to happen, and the log of requests. Safe to reach into from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, str, deque[Fault]]] = []
        self.away = False
        """Nothing answers: every connection is closed."""
        self.requests: list[Asked] = []

    def on(self, fault: Fault, method: str = "*", path: str = "", times: int = 1) -> None:
        """The next `times` requests of this method (`*`: any) whose path has this in it meet the fault."""
        with self._lock:
            self._waiting.append((method, path, deque([fault] * times)))

    def clear(self) -> None:
        """Nothing goes wrong any more, and nothing was asked yet."""
        with self._lock:
            self._waiting.clear()
            self.requests.clear()
            self.away = False

    def next_for(self, method: str, path: str) -> Fault | None:
        """The fault this request meets, used up."""
        with self._lock:
            for wanted, part, faults in self._waiting:
                if faults and wanted in ("*", method) and part in path:
                    return faults.popleft()
        return None
