"""What can go wrong between an app and Slack, on demand."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .clock import Clock
from .errors import SlackError

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class RateLimited:
    """Answer 429 with Retry-After; nothing is done."""

    retry_after: int = 1


@dataclass(frozen=True)
class ServerError:
    """Answer a 5xx that is not JSON; nothing is done."""

    status: int = 503


@dataclass(frozen=True)
class Refused:
    """Answer `ok: false` with this error name; nothing is done."""

    error: str


@dataclass(frozen=True)
class LostReply:
    """Do it, then close the connection without an answer."""


@dataclass(frozen=True)
class LostRequest:
    """Close the connection without doing anything or answering."""


@dataclass(frozen=True)
class LateReply:
    """Do it, and answer only after so many seconds."""

    seconds: float


Fault = RateLimited | ServerError | Refused | LostReply | LostRequest | LateReply


class ConnectionDropped(Exception):
    """The caller is to see its connection closed without an answer."""


class Faults:
    """Faults waiting to happen. Each `on` counts down; modes stay until switched off."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, deque[Fault]] = {}
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self.published_limits = False
        """Enforce the published tier of every method, and one message a second and channel."""
        self.away = False
        """The workspace cannot be reached: every connection is closed without an answer."""
        self.duplicates = 0
        """How many of the next event deliveries arrive twice."""
        self.reordered = 0
        """How many of the next event deliveries are held back and then delivered last first."""

    def on(self, method: str, fault: Fault, times: int = 1) -> None:
        """The next `times` calls of this method (`*` for any) meet this fault."""
        self._waiting.setdefault(method, deque()).extend([fault] * times)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()
        self._calls.clear()
        self.published_limits = self.away = False
        self.duplicates = self.reordered = 0

    def count(self, method: str, per_minute: int, channel: object) -> None:
        """Count a call against its tier; SlackError `ratelimited` when it is over.

        chat.postMessage is one a second and channel; all other tiers are calls a minute and method.
        """
        posting = method == "chat.postMessage"
        most, window = (1, 1.0) if posting else (per_minute, float(WINDOW_SECONDS))
        recent = self._calls.setdefault((method, str(channel) if posting else ""), deque())
        now = self._clock.now()
        while recent and recent[0] <= now - window:
            recent.popleft()
        if len(recent) >= most:
            raise SlackError("ratelimited", retry_after=max(1, ceil(recent[0] + window - now)))
        recent.append(now)

    async def around(self, request: Request, answer: Callable[[], Awaitable[Response]]) -> Response:
        """Answer a Web API request, through whichever fault is waiting for it; ConnectionDropped to hang up."""
        if self.away:
            raise ConnectionDropped
        match self._next(str(request.path_params["method"])):
            case RateLimited(retry_after):
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(retry_after)})
            case ServerError(status):
                return Response("<html>upstream connect error</html>", status, media_type="text/html")
            case Refused(error):
                return JSONResponse({"ok": False, "error": error})
            case LostRequest():
                raise ConnectionDropped
            case LostReply():
                await answer()
                raise ConnectionDropped
            case LateReply(seconds):
                response, _ = await asyncio.gather(answer(), self._clock.sleep(seconds))
                return response
            case None:
                return await answer()

    def _next(self, method: str) -> Fault | None:
        for name in (method, "*"):
            waiting = self._waiting.get(name)
            if waiting:
                return waiting.popleft()
        return None
