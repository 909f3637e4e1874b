"""The small HTTP side: the pages one-time links lead to, enrolment, health, metrics, and Slack where it calls us.

It listens on loopback; where people reach it from elsewhere, a proxy that speaks https stands before it. A GET of a
page shows the same to everybody and knows nothing: tokens stand in the fragment of a URL, which browsers keep to
themselves, so whoever previews or logs a link learns nothing and uses nothing up. Everything else is a POST of JSON
from the page itself.

Every answer forbids being cached, framed, or leaving traces in a Referer. The pages load nothing from anywhere else and
write what comes from outside as text only.
"""

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from importlib.resources import files
from string import Template
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import segno
import structlog
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import credentials, reveal, step_up
from bot.credentials import Described
from bot.errors import BadInput, NotPermitted, RekeyError, StorageError
from bot.links import Refusal
from bot.metrics import exposition
from bot.services import Services
from bot.settings import is_loopback

Answer = Callable[[Request], Awaitable[Response]]

HOST = "127.0.0.1"
_START_SECONDS = 10
_LARGEST = 16_000
_ASSETS = {"pages.css": "text/css", "page.js": "text/javascript", "aloud.js": "text/javascript"} | {
    f"{name}.js": "text/javascript" for name in ("reveal", "credential", "enrol")
}
_PAGES = {"/reveal": "reveal.html", "/credential": "credential.html", "/enrol": "enrol.html"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "clipboard-write=(self), camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

_log = structlog.get_logger(__name__)


def site(services: Services, mounted: Mapping[str, Answer] | None = None) -> ASGIApp:
    """Everything under one roof. `mounted` are POSTs that somebody else answers and guards, by path: Slack's."""
    others = dict(mounted or {})
    pages = _Pages(services)
    routes = [Route(path, pages.shows(name)) for path, name in _PAGES.items()]
    routes += [Route(f"/pages/{name}", _asset(name, kind)) for name, kind in _ASSETS.items()]
    routes += [
        Route("/reveal", pages.reveal, methods=["POST"]),
        Route("/credential", pages.credential, methods=["POST"]),
        Route("/credential/about", pages.credential_about, methods=["POST"]),
        Route("/enrol", pages.enrol, methods=["POST"]),
        Route("/enrol/finish", pages.enrol_finish, methods=["POST"]),
        Route("/health", pages.health),
        Route("/metrics", pages.metrics),
    ]
    routes += [Route(path, answer, methods=["POST"]) for path, answer in others.items()]
    return _Guard(Starlette(routes=routes), services.settings.pages_url, others)


class Web:
    """Serves the site on loopback while it is open; a context manager. `port` 0 takes any that is free."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=HOST,
                port=port,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=True,
                forwarded_allow_ips=HOST,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        until = monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and monotonic() < until:
            self._thread.join(0.01)
        if not self._server.started:
            raise BadInput(
                f"Rekey's pages cannot be served on {HOST}:{self._server.config.port}: something else listens there, "
                "or it may not. Set REKEY_HTTP_PORT to a free port."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        with suppress(SystemExit):  # uvicorn's way of saying that it could not bind; __enter__ says it in words
            asyncio.run(self._server.serve())


class _Pages:
    """The pages and what they post, each one call into `bot`, made in a thread: they write rows and may ask outside."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guesses = _Guesses()

    def shows(self, name: str) -> Answer:
        """One page, the same for everybody."""
        template = Template(files("bot").joinpath("pages", name).read_text("utf-8"))
        text = template.substitute(step_up="on" if self._services.settings.step_up else "off")

        async def show(_request: Request) -> Response:
            return Response(text, media_type="text/html")

        return show

    async def reveal(self, request: Request) -> Response:
        """A link's token and the step-up's code → the password, once."""
        return await self._answer(request, self._reveal)

    async def credential_about(self, request: Request) -> Response:
        """A link's token → what it asks a credential for."""
        return await self._answer(request, self._credential_about)

    async def credential(self, request: Request) -> Response:
        """A link's token, the step-up's code and a connector credential → what the directory thinks of it."""
        return await self._answer(request, self._credential)

    async def enrol(self, request: Request) -> Response:
        """An enrolment code → a secret for the authenticator app."""
        return await self._answer(request, self._enrol)

    async def enrol_finish(self, request: Request) -> Response:
        """The app's first code → the secret is kept."""
        return await self._answer(request, self._enrol_finish)

    async def health(self, _request: Request) -> Response:
        """Whether this process and its database answer."""
        try:
            await run_in_threadpool(self._services.database.schema_revision)
        except StorageError:
            return JSONResponse({"status": "the database does not answer"}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Counts for Prometheus, for this machine only: asked through the proxy, there is no such page."""
        if not is_loopback(urlsplit(f"//{request.headers.get('host', '')}").hostname or ""):
            return PlainTextResponse("Not found", 404)
        text, kind = await run_in_threadpool(exposition, self._services.database)
        return Response(text, media_type=kind)

    # ---- one call each -----------------------------------------------------------------------------------------------

    def _reveal(self, form: "_Form") -> Mapping[str, Any] | Refusal:
        ready = self._services
        found = reveal.open_link(
            ready.database, ready.safe, ready.trail, ready.settings, form.secret("token"), form.text("code")
        )
        if isinstance(found, Refusal):
            return found
        return {
            "record": found.record.name,
            "username": found.record.username,
            "organization": found.organization.name,
            "password": found.password.get_secret_value() if found.password else None,
            "alternatives": [each.get_secret_value() for each in found.alternatives],
        }

    def _credential_about(self, form: "_Form") -> Mapping[str, Any] | Refusal:
        ready = self._services
        found = credentials.describe(
            ready.database, ready.trail, ready.settings, ready.extra_kinds, form.secret("token")
        )
        return found if isinstance(found, Refusal) else _about(found)

    def _credential(self, form: "_Form") -> Mapping[str, Any] | Refusal:
        ready = self._services
        tried = credentials.enter(
            ready.database,
            ready.safe,
            ready.trail,
            ready.settings,
            ready.extra_kinds,
            form.secret("token"),
            form.text("code"),
            form.secret("credential"),
        )
        if isinstance(tried, Refusal):
            return tried
        return {
            "saved": tried.saved,
            "directory": tried.connection.name,
            "organization": tried.organization.name,
            "findings": [{"level": each.level, "what": each.what, "mend": each.mend} for each in tried.findings],
        }

    def _enrol(self, form: "_Form") -> Mapping[str, Any]:
        ready = self._services
        with ready.database.reading() as session:
            begun = step_up.begin(session, ready.safe.keys, form.secret("enrolment"))
        address = begun.address.get_secret_value()
        return {
            "operator": begun.operator,
            "secret": begun.secret.get_secret_value(),
            "address": address,
            "picture": segno.make(address, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff"),
            "ticket": begun.ticket.get_secret_value(),
        }

    def _enrol_finish(self, form: "_Form") -> Mapping[str, Any]:
        ready = self._services
        with ready.database.writing() as session:
            operator = step_up.finish(
                session,
                ready.trail,
                ready.safe.keys,
                form.secret("enrolment"),
                form.secret("ticket"),
                form.text("code"),
                "enrolment page",
            )
        return {"operator": operator}

    # ---- the way in and out ------------------------------------------------------------------------------------------

    async def _answer(self, request: Request, verb: Callable[["_Form"], Mapping[str, Any] | Refusal]) -> Response:
        who = request.client.host if request.client else ""
        if self._guesses.too_many(who):
            return _wrong("Too many links and codes that do not hold came from here. Wait a minute.", 429)
        try:
            form = _Form.read(await request.body())
            answer = await run_in_threadpool(verb, form)
        except RekeyError as error:
            self._guesses.count(who)
            status = 403 if isinstance(error, NotPermitted) else 503 if isinstance(error, StorageError) else 422
            return _wrong(str(error), status, again=status == 422)
        except Exception as error:
            reference = secrets.token_hex(4)
            _log.error("page.broken", page=request.url.path, reference=reference, exc_info=error)
            return _wrong(f"Rekey itself failed (reference {reference}). Nothing was shown. Try again.", 500)
        if isinstance(answer, Refusal):
            if not answer.again:
                self._guesses.count(who)
            return _wrong(answer.reason, 403, again=answer.again)
        return JSONResponse(dict(answer))


class _Form:
    """What a page posted: texts by name. Its repr says nothing."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    @classmethod
    def read(cls, body: bytes) -> Self:
        """`BadInput` for anything but a JSON object of texts."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
            raise BadInput("This page sent something Rekey cannot read. Nothing was done. Open the link again.")
        return cls(fields)

    def text(self, name: str) -> str:
        """What was typed there; empty when nothing was."""
        return self._fields.get(name, "")

    def secret(self, name: str) -> SecretStr:
        """The same, kept out of every repr."""
        return SecretStr(self._fields.get(name, ""))


class _Guesses:
    """How often what does not hold was tried lately, by address: a flood fills neither the trail nor the disk."""

    _MOST = 30
    _SECONDS = 60.0
    _ADDRESSES = 10_000

    def __init__(self) -> None:
        self._tried: dict[str, deque[float]] = {}

    def count(self, who: str) -> None:
        """One more."""
        if len(self._tried) >= self._ADDRESSES and who not in self._tried:
            self._tried.pop(next(iter(self._tried)))
        self._tried.setdefault(who, deque(maxlen=self._MOST)).append(monotonic())

    def too_many(self, who: str) -> bool:
        """Whether this address has to wait."""
        tried = self._tried.get(who)
        return tried is not None and len(tried) == self._MOST and tried[0] > monotonic() - self._SECONDS


class _Guard:
    """What holds for every request and answer: the right host, https, our own pages' posts only, small, our headers."""

    def __init__(self, app: ASGIApp, base_url: str, mounted: Collection[str]) -> None:
        self._app = app
        self._mounted = mounted
        base = urlsplit(base_url)
        self._https = base.scheme == "https"
        self._origin = base_url
        self._hosts = {base.netloc}
        self._headers = dict(_HEADERS)
        if self._https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        if scope["path"] in self._mounted:
            await self._app(scope, receive, with_headers)
            return
        body = await _whole_body(receive, _LARGEST)
        if body is None:
            await _wrong("That is more than any page of Rekey's sends. Nothing was done.", 413)(
                scope, receive, with_headers
            )
            return

        async def once_read() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, once_read, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        path, headers = scope["path"], Headers(scope=scope)
        host = headers.get("host", "")
        if path in ("/health", "/metrics"):
            return None
        if host not in self._hosts:
            return _wrong(f"Rekey's pages are at {self._origin} and nowhere else.", 421)
        if self._https and scope["scheme"] != "https":
            return _wrong(
                "Rekey's pages are for https only. If the proxy before Rekey speaks https, have it pass "
                "X-Forwarded-Proto on.",
                403,
            )
        if scope["method"] != "POST" or path in self._mounted:
            return None
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _wrong("Rekey's pages send JSON.", 415)
        if headers.get("origin", self._origin) != self._origin or headers.get("sec-fetch-site") not in (
            None,
            "same-origin",
        ):
            return _wrong("This did not come from Rekey's own page. Nothing was done.", 403)
        return None


async def _whole_body(receive: Receive, limit: int) -> bytes | None:
    """The request's body; None when it is longer than `limit`."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _asset(name: str, kind: str) -> Answer:
    text = files("bot").joinpath("pages", name).read_text("utf-8")

    async def show(_request: Request) -> Response:
        return Response(text, media_type=kind)

    return show


def _about(found: Described) -> Mapping[str, Any]:
    return {
        "organization": found.organization,
        "directory": found.directory,
        "servers": list(found.servers),
        "signs_in_as": found.signs_in_as,
        "needs_credential": found.needs_credential,
    }


def _wrong(reason: str, status: int, *, again: bool = False) -> JSONResponse:
    return JSONResponse({"reason": reason, "again": again}, status)
