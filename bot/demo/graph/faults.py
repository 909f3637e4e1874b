"""The ways a call to Microsoft can go wrong, on demand, and what is true after each.

Faults are planned for a route by its name (`PATCH /users/{id}`, `POST /{tenant}/oauth2/v2.0/token`, or `any`), if need
be for one user only:

    graph.fails("PATCH /users/{id}", LostReply(), user=alice)      # done, and the connection is cut
    graph.fails("any", Unavailable(retry_after=1), times=None)     # every call, until `heals`
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from bot.demo.graph.answers import Answer
from bot.demo.graph.errors import GraphError, HungUp
from bot.demo.graph.people import User


@dataclass(frozen=True)
class Throttled:
    """429, with Retry-After unless it is None; nothing is done."""

    retry_after: int | None = 1


@dataclass(frozen=True)
class Unavailable:
    """503 or 504, if need be with Retry-After; nothing is done."""

    status: int = 503
    retry_after: int | None = None


@dataclass(frozen=True)
class NotJson:
    """A page of HTML with this status, from something in between; nothing is done."""

    status: int = 502


@dataclass(frozen=True)
class Denied:
    """A refusal in Graph's own words; nothing is done."""

    status: int
    code: str
    message: str = "Refused on demand."


@dataclass(frozen=True)
class LostReply:
    """It is done, and the connection is cut without an answer."""


@dataclass(frozen=True)
class LostRequest:
    """The connection is cut, and nothing was done."""


@dataclass(frozen=True)
class Slow:
    """It is done, and the answer takes so long."""

    takes: timedelta


@dataclass(frozen=True)
class ForeignLink:
    """The answer's next link names another origin."""

    origin: str


@dataclass(frozen=True)
class Hold:
    """The call stops before anything is done, says so, and goes on once it is let go: for races without sleeping, and
    for killing whoever asked. Unless it is `taken`, the connection is cut then, and nothing was done.
    """

    taken: bool = True
    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


Fault = Throttled | Unavailable | NotJson | Denied | LostReply | LostRequest | Slow | ForeignLink | Hold


@dataclass
class _Planned:
    route: str
    fault: Fault
    left: int | None
    user: User | None
    tenant: str | None


class Faults:
    """What is to go wrong. What was said first comes first."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self.latency = timedelta()
        """How long every request takes at least; a batch is one."""
        self.away = False
        """Nothing answers: every connection is cut."""

    def plan(
        self, route: str, fault: Fault, *, times: int | None = 1, user: User | None = None, tenant: str | None = None
    ) -> None:
        """Let the next calls of this route go wrong: so many times, or for None until `heal`."""
        self._planned.append(_Planned(route, fault, times, user, tenant))

    def heal(self) -> None:
        """Forget every fault that has not happened yet."""
        self._planned.clear()
        self.away = False

    def next(self, route: str, tenant: str | None, path: str = "") -> Fault | None:
        """What goes wrong with this call of a route."""
        for planned in self._planned:
            whose = planned.user is None or any(
                word in path.casefold() for word in (planned.user.id, planned.user.name.casefold())
            )
            if planned.route in (route, "any") and planned.tenant in (None, tenant) and whose:
                if planned.left is not None:
                    planned.left -= 1
                    if planned.left == 0:
                        self._planned.remove(planned)
                return planned.fault
        return None


async def through(fault: Fault | None, act: Callable[[], Awaitable[Answer]]) -> Answer:
    """Do something through whatever goes wrong: GraphError for a refusal, HungUp when no answer is to be seen."""
    match fault:
        case Throttled(retry_after):
            headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
            raise GraphError(429, "TooManyRequests", "Too many requests. Please try again later.", headers)
        case Unavailable(status, retry_after):
            headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
            code = "UnknownError" if status == 504 else "Request_ThrottledTemporarily"
            raise GraphError(status, code, "The service is temporarily unavailable.", headers)
        case Denied(status, code, message):
            raise GraphError(status, code, message)
        case NotJson(status):
            return Answer(status, "<html><body>upstream connect error or disconnect</body></html>")
        case LostRequest():
            raise HungUp
        case Slow(takes):
            await asyncio.sleep(takes.total_seconds())
        case Hold():
            fault.reached.set()
            await asyncio.to_thread(fault.let_go.wait)
            if not fault.taken:
                raise HungUp
    answer = await act()
    if isinstance(fault, LostReply):
        raise HungUp
    if isinstance(fault, ForeignLink):
        return _with_foreign_link(answer, fault.origin)
    return answer


def _with_foreign_link(answer: Answer, origin: str) -> Answer:
    """The same page, whose links lead elsewhere."""
    links = {
        name: origin + "/" + str(link).split("/", 3)[3]
        for name, link in answer.body.items()
        if name in ("@odata.nextLink", "@odata.deltaLink")
    }
    return Answer(answer.status, answer.body | links, answer.headers)
