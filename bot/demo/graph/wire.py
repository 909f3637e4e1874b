"""The ASGI application: what comes over the socket becomes a request to the token endpoint or to Graph."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.demo.graph import discovery, dispatch, login
from bot.demo.graph.answers import Answer
from bot.demo.graph.errors import GraphError, HungUp
from bot.demo.graph.faults import through
from bot.demo.graph.recording import Recorded, shape

if TYPE_CHECKING:
    from bot.demo.graph.world import World

TOKEN = "POST /{tenant}/oauth2/v2.0/token"  # noqa: S105 - the name of a route
DISCOVERY = "GET /{tenant}/v2.0/.well-known/openid-configuration"
INSTANCE = "GET /common/discovery/instance"


def build(world: "World") -> ASGIApp:
    """Everything one server serves: the token endpoint's paths, and all others as Graph's."""

    async def instance(request: Request) -> Response:
        query = dict(request.query_params)
        return await _log_in(world, request, INSTANCE, lambda: discovery.discover_instance(world, query))

    async def configuration(request: Request) -> Response:
        name = request.path_params["tenant"]
        return await _log_in(world, request, DISCOVERY, lambda: discovery.discover(world, name))

    async def token(request: Request) -> Response:
        name = request.path_params["tenant"]
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        return await _log_in(world, request, TOKEN, lambda: login.token(world, name, form), form)

    async def graph(request: Request) -> Response:
        target = request.scope["raw_path"].decode() + _question(request)
        headers = dict(request.headers)
        asked = dispatch.Request(world, request.method, target, headers, await request.body())
        return await _respond(world, asked.answer)

    every_method = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    return _Reachable(
        Starlette(
            routes=[
                Route("/common/discovery/instance", instance),
                Route("/{tenant}/v2.0/.well-known/openid-configuration", configuration),
                Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
                Route("/{path:path}", graph, methods=every_method),
            ]
        )
    )


async def _log_in(
    world: "World", request: Request, name: str, act: Callable[[], Answer], form: Mapping[str, str] | None = None
) -> Response:
    async def answer() -> Answer:
        tenant = world.find_tenant(request.path_params.get("tenant", ""))
        with world.lock:
            fault = world.faults.next(name, tenant.id if tenant else None)

        async def locked() -> Answer:
            with world.lock:
                return act()

        try:
            given = await through(fault, locked)
        except GraphError as error:  # planned for a route that answers in other words
            body = {"error": "temporarily_unavailable", "error_description": error.message, "error_codes": [90033]}
            given = Answer(error.status, body, error.headers)
        query, headers = dict(request.query_params), frozenset(request.headers.keys())
        world.requests.append(
            Recorded(
                request.method, request.url.path, query, headers, form and shape(dict(form)), given.status,
                tenant.id if tenant else None,
            )
        )  # fmt: skip
        return given

    return await _respond(world, answer)


async def _respond(world: "World", act: Callable[[], Awaitable[Answer]]) -> Response:
    try:
        if world.faults.away:
            raise HungUp
        await asyncio.sleep(world.faults.latency.total_seconds())
        answer = await act()
    except HungUp:
        return _HangUp()
    headers = {"Date": format_datetime(world.clock.now(), usegmt=True), **answer.headers}
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, headers, "text/html")
    kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    return Response(json.dumps(answer.body).encode(), answer.status, headers, kind)


def _question(request: Request) -> str:
    query: bytes = request.scope["query_string"]
    return f"?{query.decode()}" if query else ""


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
