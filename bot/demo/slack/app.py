"""The ASGI application: Slack's Web API, Socket Mode, response urls, and the page that shows it all."""

import json
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import SlackError
from .faults import ConnectionDropped
from .interactions import Interactions
from .pretend import PretendSlack
from .web_api import answer


def build(slack: PretendSlack, interactions: Interactions) -> ASGIApp:
    """Everything one server serves."""

    async def web_api(request: Request) -> Response:
        async def answer_it() -> Response:
            return await answer(slack, request)

        return await slack.faults.around(request, answer_it)

    async def response_url(request: Request) -> Response:
        try:
            said = json.loads(await request.body())
        except ValueError:
            said = None
        try:
            interactions.use_response_url(request.path_params["token"], said)
        except SlackError as error:
            body = {"ok": False, "error": error.name, **error.extra}
            slack.traffic.record("response_url", "response_url", said, body, 0)
            gone = error.name in ("invalid_token", "used_url", "expired_url")
            return JSONResponse(body, 404 if gone else 400)
        slack.traffic.record("response_url", "response_url", said, "ok", 0)
        return PlainTextResponse("ok")

    application = Starlette(
        routes=[
            Route("/api/{method:path}", web_api, methods=["GET", "POST"]),
            Route("/response/{app_id}/{token}", response_url, methods=["POST"]),
            WebSocketRoute("/link/", slack.sockets.serve),
        ]
    )
    return _HangUp(application)


class _HangUp:
    """Turns ConnectionDropped into what it says: the connection closes and no byte of an answer is sent."""

    def __init__(self, application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._application(scope, receive, send)
        except ConnectionDropped:
            # ASGI has no word for this. uvicorn's `send` is bound to the cycle that owns the transport.
            send.__self__.transport.abort()  # type: ignore[attr-defined]
