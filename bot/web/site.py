"""Everything under one roof: which path is answered by what."""

from collections.abc import Mapping
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bot.services import Services
from bot.web.guard import Guard
from bot.web.pages import Answer, Pages

_ASSETS = {"pages.css": "text/css", "page.js": "text/javascript", "aloud.js": "text/javascript"} | {
    f"{name}.js": "text/javascript" for name in ("reveal", "credential", "enrol")
}
_PAGES = {"/reveal": "reveal.html", "/credential": "credential.html", "/enrol": "enrol.html"}


def site(services: Services, mounted: Mapping[str, Answer] | None = None) -> ASGIApp:
    """Everything under one roof. `mounted` are POSTs that somebody else answers and guards, by path: Slack's."""
    others = dict(mounted or {})
    pages = Pages(services)
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
    return Guard(Starlette(routes=routes), services.settings.pages_url, others)


def _asset(name: str, kind: str) -> Answer:
    text = files("bot").joinpath("pages", name).read_text("utf-8")

    async def show(_request: Request) -> Response:
        return Response(text, media_type=kind)

    return show
