"""The pages and what they post: each one call into `bot`."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import urlsplit

import segno
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bot import credentials, reveal, step_up
from bot.credentials import Described
from bot.errors import NotPermitted, RekeyError, StorageError
from bot.links import Refusal
from bot.metrics import exposition
from bot.services import Services
from bot.settings import is_loopback
from bot.web.forms import Form, Guesses
from bot.web.guard import wrong

Answer = Callable[[Request], Awaitable[Response]]

_log = structlog.get_logger(__name__)


class Pages:
    """The pages and what they post, each one call into `bot`, made in a thread: they write rows and may ask outside."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guesses = Guesses()

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

    def _reveal(self, form: Form) -> Mapping[str, Any] | Refusal:
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

    def _credential_about(self, form: Form) -> Mapping[str, Any] | Refusal:
        ready = self._services
        found = credentials.describe(ready.database, ready.trail, ready.settings, form.secret("token"))
        return found if isinstance(found, Refusal) else _about(found)

    def _credential(self, form: Form) -> Mapping[str, Any] | Refusal:
        ready = self._services
        tried = credentials.enter(
            ready.database,
            ready.safe,
            ready.trail,
            ready.settings,
            ready.extra_kinds,
            form.secret("token"),
            form.text("code"),
            form.others("token", "code"),
        )
        if isinstance(tried, Refusal):
            return tried
        return {
            "saved": tried.saved,
            "directory": tried.connection.name,
            "organization": tried.organization.name,
            "findings": [
                {"level": each.level, "what": each.what, "mend": each.mend, "link": each.link, "paste": each.paste}
                for each in tried.findings
            ],
        }

    def _enrol(self, form: Form) -> Mapping[str, Any]:
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

    def _enrol_finish(self, form: Form) -> Mapping[str, Any]:
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

    async def _answer(self, request: Request, verb: Callable[[Form], Mapping[str, Any] | Refusal]) -> Response:
        who = request.client.host if request.client else ""
        if self._guesses.too_many(who):
            return wrong("Too many links and codes that do not hold came from here. Wait a minute.", 429)
        try:
            form = Form.read(await request.body())
            answer = await run_in_threadpool(verb, form)
        except RekeyError as error:
            self._guesses.count(who)
            status = 403 if isinstance(error, NotPermitted) else 503 if isinstance(error, StorageError) else 422
            return wrong(str(error), status, again=status == 422)
        except Exception as error:
            reference = secrets.token_hex(4)
            _log.error("page.broken", page=request.url.path, reference=reference, exc_info=error)
            return wrong(f"Rekey itself failed (reference {reference}). Nothing was shown. Try again.", 500)
        if isinstance(answer, Refusal):
            if not answer.again:
                self._guesses.count(who)
            return wrong(answer.reason, 403, again=answer.again)
        return JSONResponse(dict(answer))


def _about(found: Described) -> Mapping[str, Any]:
    return {
        "organization": found.organization,
        "directory": found.directory,
        "facts": found.facts,
        "fields": [asdict(each) for each in found.fields],
    }
