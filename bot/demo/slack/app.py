"""The ASGI application: Slack's Web API, Socket Mode, response urls, and the page that shows it all."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import SlackError
from .faults import ConnectionDropped
from .interactions import Interactions
from .page_api import PageApi
from .pretend import PretendSlack
from .reading_json import read_json
from .replies import Replies
from .web_api import answer


def build(slack: PretendSlack, interactions: Interactions) -> ASGIApp:
    """Everything one server serves."""
    replies = Replies(slack)

    async def web_api(request: Request) -> Response:
        async def answer_it() -> Response:
            return await answer(slack, request)

        try:
            return await slack.faults.around(request, answer_it)
        except ConnectionDropped:
            return _HangUp()

    async def response_url(request: Request) -> Response:
        if slack.faults.away:
            return _HangUp()
        try:
            said = read_json(await request.body())
        except ValueError:
            said = None
        try:
            replies.use_response_url(request.path_params["token"], said)
        except SlackError as error:
            body = {"ok": False, "error": error.name, **error.extra}
            slack.traffic.record("response_url", "response_url", said, body, 0)
            gone = error.name in ("invalid_token", "used_url", "expired_url")
            return JSONResponse(body, 404 if gone else 400)
        slack.traffic.record("response_url", "response_url", said, "ok", 0)
        return PlainTextResponse("ok")

    return _Reachable(
        Starlette(
            routes=[
                Route("/api/{method:path}", web_api, methods=["GET", "POST"]),
                Route("/response/{app_id}/{token}", response_url, methods=["POST"]),
                WebSocketRoute("/link/", slack.sockets.serve),
                *PageApi(slack, interactions).routes(),
            ]
        )
    )


class _Reachable:
    """Puts the transport of a request into its scope, for `_HangUp`: uvicorn's `send` is bound to its owner."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner = getattr(send, "__self__", None)
        await self._application({**scope, "transport": getattr(owner, "transport", None)}, receive, send)


class _HangUp(Response):
    """No answer at all: the connection closes before a byte of one. ASGI itself has no word for this."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        scope["transport"].abort()
