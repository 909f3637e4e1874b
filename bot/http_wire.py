"""The wire beneath an HTTP session: what it trusts, how far a request came, and what it means when it breaks.

requests and urllib3 tell a connection that never came about from one that broke only by the way, and call a greeting of
TLS that hangs a lost reply. So a connection of ours notes the moment at which a request goes out on it: nothing that
breaks before that has changed anything.
"""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import parse_url

from bot import certificates
from bot.errors import BadInput, CertificateRefused, NoAnswer, OutsideError, Unreachable

BROKEN = (requests.RequestException, HTTPError, OSError)
"""What a request that breaks raises."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: whom a header is for."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self | None:
        """Whom this address leads to, read as requests reads it; None when it names nobody, or a sign-in too."""
        try:
            parsed = parse_url(url)
        except LocationParseError:
            return None
        scheme, host = (parsed.scheme or "").lower(), (parsed.host or "").strip("[]").lower()
        readable = url.isascii() and url.isprintable() and "\\" not in url
        if not (scheme and host and readable) or parsed.auth is not None:
            return None
        return cls(scheme, host, parsed.port or (443 if scheme == "https" else 80))

    @property
    def name(self) -> str:
        """As people know it."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"

    @property
    def safe(self) -> bool:
        """Nobody can listen: encrypted, or not leaving this machine."""
        return self.scheme == "https" or (self.scheme == "http" and self.host in _LOOPBACK)


def trust(verify: bool | str | Path | ssl.SSLContext) -> ssl.SSLContext:
    """What to believe of a server: see `HttpSession`. Not looking at all is `BadInput`."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is False:
        raise BadInput("A server's certificate is always looked at. Name the authority to trust instead.")
    if verify is True:
        return certificates.trust(None)
    return certificates.trust(str(verify) if "-----BEGIN" in str(verify) else Path(verify).read_text(encoding="ascii"))


def new_session(context: ssl.SSLContext, connections: int) -> requests.Session:
    """Kept connections that trust this context alone, keep no cookies, and take nothing from the environment."""
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(context, connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class TooLate(Exception):
    """The connection came about only after the time by which the request had to leave; it did not."""


@contextmanager
def leaving_by(moment: float) -> Iterator[None]:
    """Within, this thread's request leaves by this time of the monotonic clock, or raises `TooLate`."""
    _progress.left, _progress.leave_by = False, moment
    yield


def failure(error: Exception, origin: Origin, *, writes: bool, timeout: float) -> OutsideError:
    """What it means that this thread's latest request broke, by how far it had come."""
    reasons = list(_reasons(error))
    unconnected = _first(reasons, NewConnectionError) or _first(reasons, ConnectTimeoutError)
    if _progress.left and unconnected is None:
        if writes:
            return NoAnswer(
                f"{origin.name} was sent the change and did not answer: it is not known whether it was made.",
                cause="lost-reply",
            )
        return Unreachable(f"{origin.name} stopped answering. Nothing was changed.", cause="no-answer")
    tls = _first(reasons, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        problem = certificates.explain(tls, origin.host, origin.port, origin.host, timeout)
        return CertificateRefused(
            f"{problem.what} Nothing was sent to it.",
            cause=problem.cause,
            mend="Nothing but the vendor's own certificate is to be expected there: see whether a firewall opens "
            f"encrypted traffic to {origin.name}, and exempt it; and whether this machine's clock is right.",
        )
    if tls is not None or unconnected is None:
        return Unreachable(
            f"{origin.name} takes connections, but no encrypted one came about. Nothing was sent.",
            cause="tls-handshake",
            mend="Check the address and port, and whether a firewall stands between.",
        )
    if _first(reasons, NameResolutionError):
        return Unreachable(
            f"The name {origin.host} has no address here. Nothing was sent.",
            cause="unknown-host",
            mend="Check the name and this machine's DNS.",
        )
    if _first(reasons, ConnectionRefusedError):
        return Unreachable(
            f"Nothing listens at {origin.name}. Nothing was sent.",
            cause="closed-port",
            mend="Check the address, and the firewall between this machine and it.",
        )
    return Unreachable(
        f"{origin.name} cannot be reached. Nothing was sent.",
        cause="no-route",
        mend=f"Check the network, and that the firewall lets this machine out to {origin.name}.",
    )


class _Progress(threading.local):
    """How far this thread's request has come."""

    left = False
    """The connection stands, the server has proved who it is, and the request is going out."""
    leave_by = float("inf")


_progress = _Progress()


class _Watched:
    def request(self, *args: Any, **kwargs: Any) -> None:
        if time.monotonic() > _progress.leave_by:
            raise TooLate
        _progress.left = True
        super().request(*args, **kwargs)  # type: ignore[misc]


class _WatchedHttp(_Watched, HTTPConnection):
    pass


class _WatchedHttps(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHttps


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        pass  # the context decides; requests would add a bundle of authorities of its own


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests names it
        return None  # preparing to follow one would already read its whole body


def _reasons(error: BaseException | None) -> Iterator[BaseException]:
    """The error and everything it was raised for, outermost first."""
    seen: set[int] = set()
    left: list[object] = [error]
    while left:
        each = left.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            left += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _first(reasons: list[BaseException], kind: type[BaseException]) -> BaseException | None:
    return next((each for each in reasons if isinstance(each, kind)), None)
