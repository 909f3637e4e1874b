"""One polite HTTP session with one vendor; the only place (with the wire beneath it) that imports requests.

Reads are tried again, writes never. A link a server hands us is followed only to the origin we began with, judged
before any header is sent; a redirect is followed nowhere. Every error says whether the request may have arrived, and
none of them holds a header, a body or an address beyond the host.

The environment's own ideas are not taken over: REQUESTS_CA_BUNDLE would replace the authority a connection was given,
HTTPS_PROXY would put another party between us and the vendor, and .netrc would add a sign-in of its own.
"""

import json
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from pydantic import SecretStr
from requests.structures import CaseInsensitiveDict

from bot import http_wire
from bot.errors import BadInput, NoAnswer, OutsideError, Refused, Throttled, Unreachable
from bot.http_wire import Origin

LONGEST_WAIT = 3600.0
"""Seconds; whoever asks for more is asked again then all the same."""
SEND_WITHIN = 15.0
"""Seconds from being asked to write until the request leaves, at most: the caller made sure that it may be written just
before. Shorter than what is left of a lease then."""

_TRIED_AGAIN = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 65536
_FIRST_PAUSE = 0.25

Headers = Mapping[str, str | SecretStr]
"""Header lines; those that hold a secret as `SecretStr`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, whatever its status. Its body may hold secrets and is never shown."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By name, in any case."""
    body: bytes = field(repr=False)
    host: str = ""
    written: bool = False
    """It answers a write: what cannot be read leaves open whether it was done."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", CaseInsensitiveDict(self.headers))

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. `Unreachable` (to a write: `NoAnswer`) when it is none: then somebody else answered."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind: type[OutsideError] = NoAnswer if self.written else Unreachable
            raise kind(
                f"{self.host or 'The server'} answered something that is not JSON (status {self.status}).",
                cause="not-json",
                mend="See whether a proxy, a firewall or a maintenance page answers in its place.",
            ) from None

    def retry_after(self) -> float | None:
        """How many seconds it asks to be left alone, up to `LONGEST_WAIT`; None when it does not say.

        RFC 9110 10.2.3: a number of seconds, or a date, which is held against the server's own clock where it shows it.
        """
        asked = self.headers.get("Retry-After", "").strip()
        if not asked:
            return None
        try:
            seconds = float(asked) if asked.replace(".", "", 1).isdigit() else self._until(asked)
        except (ValueError, TypeError):
            return None
        return min(max(seconds, 0.0), LONGEST_WAIT)

    def _until(self, date: str) -> float:
        now = self.headers.get("Date")
        begins = _moment(now) if now else datetime.now(UTC)
        return (_moment(date) - begins).total_seconds()


class HttpSession:
    """Kept connections to one vendor. Safe to use from several threads; a context manager that hangs up.

    `base_url` is https (http only on this machine's own loopback). `verify` is what to trust: True what this machine
    trusts, PEM text, a file of it, or a whole context. `longest` bounds one call, its tries and pauses together, in
    seconds; a body that grows beyond `largest_body` bytes is not read to its end. `wait` is what pauses.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Headers | None = None,
        verify: bool | str | Path | ssl.SSLContext = True,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        longest: float = 35,
        largest_body: int = 32 * 2**20,
        tries: int = 3,
        connections: int = 32,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        origin = Origin.of(base_url)
        if origin is None or not origin.safe or "?" in base_url or "#" in base_url:
            raise BadInput("The address of an outside system is https://host, perhaps with a port and a path.")
        self._base = base_url.rstrip("/")
        self._origin = origin
        self.host = origin.name
        """Who is at the other end, as people know it."""
        self._headers: Headers = {"User-Agent": "Rekey", **(headers or {})}
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._longest = longest
        self._largest_body = largest_body
        self._tries = tries
        self._wait = wait
        self._session = http_wire.new_session(http_wire.trust(verify), connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; used again, it connects again."""
        self._session.close()

    def get(
        self, path_or_link: str, params: Mapping[str, str | int] | None = None, headers: Headers | None = None
    ) -> Reply:
        """Read. Tried again, with growing pauses or as long as the server asks for, within `longest` seconds.

        Every status that is left after that is the caller's to judge, but 429, and 503 with Retry-After, which raise
        `Throttled`. Raises `Refused` for a link to somewhere else, a redirect or a body that is too large,
        `CertificateRefused`, and `Unreachable` when no answer came: reading changes nothing.
        """
        gives_up = time.monotonic() + self._longest
        tried = 0
        while True:
            tried += 1
            pause = _FIRST_PAUSE * 2**tried * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing
            try:
                reply = self._once("GET", path_or_link, params, headers, gives_up=gives_up)
            except Unreachable:
                if tried == self._tries or time.monotonic() + pause > gives_up:
                    raise
            else:
                if reply.status not in _TRIED_AGAIN:
                    return reply
                asked = reply.retry_after()
                pause = pause if asked is None else asked
                if tried == self._tries or time.monotonic() + pause > gives_up:
                    if reply.status == 429 or (reply.status == 503 and asked is not None):
                        raise self._throttled(pause)
                    return reply
            self._wait(pause)

    def send(
        self,
        method: str,
        path: str,
        json: Any = None,
        headers: Headers | None = None,
        *,
        form: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Write, once: a body of JSON, of form fields, or none. It leaves within `SEND_WITHIN` seconds or not at all.

        Every status is the caller's to judge but 429, which raises `Throttled`. `Unreachable`, `CertificateRefused`
        and `Refused` (a redirect, a path to somewhere else) mean that nothing was changed; `NoAnswer` that the request
        went out and it is not known what became of it.
        """
        reply = self._once(method, path, None, headers, body=json, form=form, writes=True)
        if reply.status == 429:
            asked = reply.retry_after()
            raise self._throttled(5.0 if asked is None else asked)
        return reply

    def _throttled(self, seconds: float) -> Throttled:
        return Throttled(
            f"{self.host} asks to be left alone for {seconds:.0f} seconds. Nothing was changed.",
            retry_after=seconds,
            cause="throttled",
        )

    def _once(
        self,
        method: str,
        path_or_link: str,
        params: Mapping[str, str | int] | None,
        headers: Headers | None,
        *,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        writes: bool = False,
        gives_up: float = float("inf"),
    ) -> Reply:
        prepared = self._prepare(method, path_or_link, params, headers, body, form)
        now = time.monotonic()
        patience = max(min(self._read_timeout, gives_up - now), 0.1)
        connect = min(self._connect_timeout, patience)
        try:
            with (
                http_wire.leaving_by(now + SEND_WITHIN if writes else float("inf")),
                self._session.send(
                    prepared, stream=True, allow_redirects=False, timeout=(connect, patience)
                ) as response,
            ):
                content = self._read(response, writes=writes)
        except http_wire.TooLate:
            raise Unreachable(
                f"Connecting to {self.host} took so long that another worker may have taken over. Nothing was sent.",
                cause="too-late",
            ) from None
        except http_wire.BROKEN as error:
            # Without its cause: what requests raises holds on to the request, and that to its headers and body.
            raise http_wire.failure(error, self._origin, writes=writes, timeout=self._connect_timeout) from None
        if response.status_code in _REDIRECTS:
            raise Refused(
                f"{self.host} sends us elsewhere (status {response.status_code}), and redirects are not followed. "
                "Nothing was changed.",
                cause="redirect",
                mend="Check the address in the connection's settings.",
            )
        return Reply(response.status_code, response.headers, content, self.host, writes)

    def _prepare(
        self,
        method: str,
        path_or_link: str,
        params: Mapping[str, str | int] | None,
        headers: Headers | None,
        body: Any,
        form: Mapping[str, Any] | None,
    ) -> requests.PreparedRequest:
        absolute = path_or_link.lower().startswith(("https://", "http://"))
        url = path_or_link if absolute else f"{self._base}/{path_or_link.lstrip('/')}"
        self._expect_own(url)
        lines = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in {**self._headers, **(headers or {})}.items()
        }
        try:
            request = requests.Request(method, url, params=params, headers=lines, json=body, data=form)
            prepared = self._session.prepare_request(request)
            for line in prepared.headers.values():
                str(line).encode("latin-1")
        except (requests.exceptions.InvalidHeader, UnicodeError):
            raise Refused(
                f"A header for {self.host} holds characters that no header may hold. Nothing was sent.",
                cause="bad-header",
                mend="Give the connection its credential again: something else was pasted with it.",
            ) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise self._elsewhere() from None
        self._expect_own(prepared.url or "")  # once more, as it will be sent
        return prepared

    def _expect_own(self, url: str) -> None:
        if Origin.of(url) != self._origin:
            raise self._elsewhere()

    def _elsewhere(self) -> Refused:
        return Refused(
            f"A link that leads away from {self.host} is not followed. Nothing was sent.",
            cause="other-origin",
            mend="Nothing a vendor sends should lead elsewhere: check the address in the connection's settings.",
        )

    def _read(self, response: requests.Response, *, writes: bool) -> bytes:
        """The body, decoded, as long as it is neither too large nor too slow."""
        gives_up = time.monotonic() + self._read_timeout
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > self._largest_body:
                kind: type[OutsideError] = NoAnswer if writes else Refused
                raise kind(
                    f"{self.host} answered with more than {self._largest_body // 2**20} MiB, which was not read.",
                    cause="too-large",
                )
            if time.monotonic() > gives_up:
                raise TimeoutError
        return b"".join(parts)


def _moment(date: str) -> datetime:
    moment = parsedate_to_datetime(date)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
