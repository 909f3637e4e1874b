"""Graph as one tenant's app speaks to it: with a token that holds, page by page, in batches, at a pace that is allowed.

A batch carries up to twenty calls and is one request; each of its calls meets limits and rights alone and has an answer
of its own, in any order (Microsoft's json-batching page). Links are followed to Graph's own origin only.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.directories.entra import diagnostics
from bot.directories.entra.clock import GraphClock
from bot.directories.entra.pacing import Pace
from bot.directories.entra.settings import EntraCredential, EntraSettings
from bot.directories.entra.tokens import Keep, Token, Tokens
from bot.errors import (
    AdminNotPermitted,
    NoAnswer,
    OutsideError,
    Refused,
    TenantNotPermitted,
    Throttled,
    Unreachable,
)
from bot.http_session import SEND_WITHIN, HttpSession, Reply

BATCH = 20
"""So many calls one request may carry."""

_VERSION = "/v1.0"
_TRIES = 3
_PATIENCE = 10.0
"""Seconds a read waits at most before its throttled part is asked again."""
_AGAIN = frozenset({429, 500, 502, 503, 504})
_NEW_TOKEN = 30.0
"""Seconds for which a token knows of everything that was given to us."""

Answer = TypeVar("Answer")
_SHARE = "x-ms-throttle-limit-percentage"


@dataclass(frozen=True, slots=True)
class Write:
    """One call that changes something."""

    method: str
    path: str
    body: Any = field(default=None, repr=False)


class Graph:
    """One tenant's Graph. Connects when first used. `write` is for one thread at a time."""

    def __init__(
        self,
        settings: EntraSettings,
        credential: EntraCredential,
        tokens: Tokens,
        pace: Pace,
        clock: GraphClock,
        keep: Keep | None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.settings = settings
        self._credential = credential
        self._tokens = tokens
        self._pace = pace
        self._clock = clock
        self._keep = keep
        self._wait = wait
        place = settings.place
        self._session = HttpSession(f"{place.graph}{_VERSION}", verify=place.ca or True, wait=wait)
        self.host = self._session.host

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def token(self) -> Token:
        """What we ask with; `OutsideError` when we are not let in."""
        return self._tokens.get(self._credential, self._keep)

    def new_token(self) -> Token:
        """One that knows of consents and roles given a moment ago."""
        self._tokens.forget(self.token())
        return self.token()

    def time(self) -> datetime | None:
        """What time it is at Graph; None before its first reply."""
        return self._clock.now()

    def by_present_rights(self, call: Callable[[], Answer], lacking: Callable[[Answer], bool] | None = None) -> Answer:
        """The call's answer; by a new token where a right is missing that may have been given since the old one.

        A missing right is raised, or is in an answer that is `lacking`.
        """
        token = self.token()
        try:
            answer = call()
        except (TenantNotPermitted, AdminNotPermitted):
            if not self._tokens.forget_older(token, _NEW_TOKEN):
                raise
            return call()
        again = lacking is not None and lacking(answer) and self._tokens.forget_older(token, _NEW_TOKEN)
        return call() if again else answer

    # ---- reading -------------------------------------------------------------------------------------------------

    def get(self, path_or_link: str) -> Reply:
        """One read, whatever it answers."""
        return self._let_in(lambda headers: self._session.get(path_or_link, headers=headers))

    def get_all(self, paths: Sequence[str]) -> list[Reply]:
        """Many reads, in as few requests as it takes: a reply for each, in order, whatever it answers.

        What was throttled or failed by the way is asked again a few times.
        """
        found: dict[int, Reply] = {}
        for first in range(0, len(paths), BATCH):
            found |= self._get_batch({first + at: path for at, path in enumerate(paths[first : first + BATCH])})
        return [found[at] for at in range(len(paths))]

    def expect(self, reply: Reply, permission: str, what_for: str) -> dict[str, Any]:
        """What a read answered; the error that it means when that is no object."""
        if reply.status != 200:
            raise diagnostics.read_failed(self.settings, reply, permission, what_for)
        body = reply.json()
        if not isinstance(body, dict):
            raise Unreachable(f"{self.host} answered something else than it should.", cause="not-graph")
        return body

    def listed(self, first: Reply, permission: str, what_for: str) -> Iterator[dict[str, Any]]:
        """Everything a listing holds, from its first page on; an expired link raises `Refused` like any other."""
        for page in self.pages(first, permission, what_for):
            yield from page.get("value", ())

    def pages(self, first: Reply, permission: str, what_for: str) -> Iterator[dict[str, Any]]:
        """The pages of a listing: an empty one is not the last."""
        page = self.expect(first, permission, what_for)
        while True:
            yield page
            link = page.get("@odata.nextLink")
            if link is None:
                return
            page = self.expect(self.get(str(link)), permission, what_for)

    def relative(self, link: str) -> str:
        """A link of Graph's as a batch and a row may hold it. `Refused` when it leads elsewhere."""
        parts = urlsplit(link)
        if f"{parts.scheme}://{parts.netloc}".lower() != self.settings.place.graph or not parts.path.startswith(
            f"{_VERSION}/"
        ):
            raise Refused(
                f"A link that leads away from {self.host} is not kept. Nothing was changed.", cause="other-origin"
            )
        return f"{parts.path.removeprefix(_VERSION)}?{parts.query}"

    def _get_batch(self, left: dict[int, str]) -> dict[int, Reply]:
        found: dict[int, Reply] = {}
        for tried in range(1, _TRIES + 1):
            pause = 0.5 * tried
            try:
                found |= self._asked(left)
            except (Unreachable, Throttled) as error:
                pause = max(pause, error.retry_after) if isinstance(error, Throttled) else pause
                if tried == _TRIES or pause > _PATIENCE:
                    raise
            left = {at: path for at, path in left.items() if at not in found or found[at].status in _AGAIN}
            pause = max([pause, *(found[at].retry_after() or 0.0 for at in left if at in found)])
            if not left or tried == _TRIES or pause > _PATIENCE:
                break
            self._wait(pause)
        return found

    def _asked(self, paths: dict[int, str]) -> dict[int, Reply]:
        requests = [{"id": str(at), "method": "GET", "url": path} for at, path in paths.items()]
        try:
            whole = self._let_in(lambda headers: self._session.send("POST", "$batch", {"requests": requests}, headers))
            if whole.status >= 500:
                raise Unreachable(f"{self.host} is out of order at the moment ({whole.status}).", cause="graph-away")
            answers = self._answers(whole)
        except NoAnswer as error:
            raise Unreachable(f"{self.host} stopped answering. Nothing was changed.", cause=error.cause) from None
        if not paths.keys() <= {int(name) for name in answers if name.isdigit()}:
            raise Unreachable(f"{self.host} left some of our questions unanswered.", cause="not-graph")
        return {at: answers[str(at)] for at in paths}

    # ---- writing -------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> list[Reply | OutsideError]:
        """Make these changes, each once: what was answered to each, or why none was sent, or that none is known.

        They leave within `SEND_WITHIN` seconds or not at all. Raises what stopped all of them before anything was sent.
        """
        began = time.monotonic()
        self._pace.take(len(writes))
        self.token()
        if time.monotonic() - began > SEND_WITHIN:
            raise Unreachable(
                f"Signing in to {self.host} took so long that another worker may have taken over. Nothing was sent.",
                cause="too-late",
            )
        try:
            replies = self._together(writes) if len(writes) > 1 else [self._alone(each) for each in writes]
        except Throttled as error:
            self._pace.hold(error.retry_after)
            raise
        for reply in replies:
            if isinstance(reply, Reply):
                self._listen(reply)
        return replies

    def _alone(self, write: Write) -> Reply | OutsideError:
        return self._let_in(lambda headers: self._session.send(write.method, write.path, write.body, headers))

    def _together(self, writes: Sequence[Write]) -> list[Reply | OutsideError]:
        requests = [
            {"id": str(at), "method": write.method, "url": write.path}
            | ({} if write.body is None else {"headers": {"Content-Type": "application/json"}, "body": write.body})
            for at, write in enumerate(writes)
        ]
        whole = self._let_in(lambda headers: self._session.send("POST", "$batch", {"requests": requests}, headers))
        self._listen(whole)
        if whole.status != 200:
            # Not taken apart: but for a failure on their side, none of it was done.
            return [whole] * len(writes)
        answers = self._answers(whole)
        unknown = NoAnswer(
            f"{self.host} answered the request, but not this part of it: it is not known whether it was done.",
            cause="lost-reply",
        )
        return [answers.get(str(at), unknown) for at in range(len(writes))]

    def _listen(self, reply: Reply) -> None:
        """Go by what it says of its limits."""
        asked = reply.retry_after()
        if asked is not None and reply.status in (429, 503):
            self._pace.hold(asked)
        try:
            self._pace.heard(float(reply.headers[_SHARE]))
        except (KeyError, ValueError):
            return

    # ---- both ----------------------------------------------------------------------------------------------------

    def _let_in(self, call: Callable[[dict[str, str | SecretStr]], Reply]) -> Reply:
        """The call's reply; with a new token where the first is not taken, which means that nothing was done."""
        token = self.token()
        reply = self._heard(call(_bearer(token)))
        unknown = reply.status == 403 and diagnostics.code_of(reply) == diagnostics.NOT_PROPAGATED
        if reply.status != 401 and not unknown:
            return reply
        self._tokens.forget(token)
        return self._heard(call(_bearer(self.token())))

    def _heard(self, reply: Reply) -> Reply:
        self._clock.hear(reply)
        return reply

    def _answers(self, whole: Reply) -> dict[str, Reply]:
        """The replies of a batch, by the ids of their calls."""
        if whole.status != 200:
            raise diagnostics.read_failed(self.settings, whole, diagnostics.READ_USERS, "read users")
        body = whole.json()
        responses = body.get("responses") if isinstance(body, dict) else None
        found = {}
        for each in responses if isinstance(responses, list) else ():
            if isinstance(each, dict) and isinstance(each.get("status"), int):
                headers = {str(name): str(value) for name, value in (each.get("headers") or {}).items()}
                content = json.dumps(each.get("body")).encode()
                found[str(each.get("id"))] = Reply(each["status"], headers, content, self.host, whole.written)
        return found


def _bearer(token: Token) -> dict[str, str | SecretStr]:
    return {
        "Authorization": SecretStr(f"Bearer {token.value.get_secret_value()}"),
        "x-ms-throttle-priority": "normal",
    }
