"""The ASGI application: who may call what, how often, and what goes wrong on the way."""

import asyncio
import json
import re
from collections.abc import Callable
from math import ceil
from time import monotonic

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import passwords
from .account import Account, Key
from .asking import UnknownFilter, filtered, ordered, page
from .documents import (
    MEDIA_TYPE,
    Document,
    forbidden,
    found,
    no_such_page,
    not_found,
    organization,
    too_many,
    unauthorized,
    unprocessable,
)
from .faults import Answers, Asked, Fault, Faults, LostReply, LostRequest, Meanwhile, Slow
from .page import page as web_page

_ONE = re.compile(r"/(?:organizations/(?P<home>\d+)/relationships/)?passwords(?:/(?P<id>\d+))?")
_ORGANIZATIONS = re.compile(r"/organizations(?:/(?P<id>\d+))?")
_WRITING = ("POST", "PATCH", "DELETE")


def build(account: Account, faults: Faults) -> ASGIApp:
    """Everything one server serves."""
    gate = _Gate(account)

    async def api(request: Request) -> Response:
        body = await request.body()
        fault = LostRequest() if faults.away else faults.next_for(request.method, request.url.path)
        response = await _through(fault, lambda: gate.answer(request, body))
        faults.requests.append(
            Asked(
                request.method,
                request.url.path,
                tuple(request.query_params.multi_items()),
                0 if isinstance(response, _HangUp) else response.status_code,
            )
        )
        return response

    async def record_page(request: Request) -> Response:
        with account.lock:
            return web_page(account, account.passwords.get(request.path_params["password"]))

    everything = ["GET", "POST", "PATCH", "DELETE", "PUT"]
    return _Reachable(
        Starlette(
            routes=[
                Route("/{organization:int}/passwords/{password:int}", record_page),
                Route("/{path:path}", api, methods=everything),
            ]
        )
    )


async def _through(fault: Fault | None, answer: Callable[[], Response]) -> Response:
    match fault:
        case Answers(status, body, retry_after):
            headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
            return Response(body, status, headers, media_type="text/html")
        case LostRequest():
            return _HangUp()
        case LostReply():
            answer()
            return _HangUp()
        case Meanwhile(act):
            response = answer()
            act()
            return response
        case Slow(seconds):
            response = answer()
            await asyncio.sleep(seconds)
            return response
    return answer()


class _Gate:
    """Who may pass, how often, and to which call."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def answer(self, request: Request, body: bytes) -> Response:
        account, at = self._account, monotonic()
        with account.lock:
            if account.addresses is not None and (
                request.client is None or request.client.host not in account.addresses
            ):
                return forbidden()
            key = account.keys.get(request.headers.get("x-api-key", ""))
            if key is None or key.paused:
                return unauthorized()
            window = account.window.total_seconds()
            asked_at = account.asked_at
            while asked_at and asked_at[0] <= at - window:
                asked_at.popleft()
            if len(asked_at) >= account.limit:
                seconds = ceil(asked_at[0] + window - at) if asked_at else ceil(window)
                return too_many(seconds if account.says_retry_after else None)
            asked_at.append(at)
            return self._route(key, request.method, request.url.path, request.query_params, request, body)

    def _route(self, key: Key, method: str, path: str, query: QueryParams, request: Request, body: bytes) -> Response:
        document: Document = {}
        if method in _WRITING:
            if "//" in path or path.endswith("/"):
                return RedirectResponse(str(request.url), 302)  # to itself, for ever
            if method != "DELETE":
                if request.headers.get("content-type", "").partition(";")[0].strip() != MEDIA_TYPE:
                    return Response("", 415)
                try:
                    document = json.loads(body)
                except ValueError:
                    return Response("", 400)
        if (match := _ONE.fullmatch(path)) is not None:
            return self._passwords(key, method, match["home"], match["id"], query, document)
        if (match := _ORGANIZATIONS.fullmatch(path)) is not None and method == "GET":
            return self._organizations(match["id"], query)
        return no_such_page()

    def _passwords(
        self, key: Key, method: str, home: str | None, one: str | None, query: QueryParams, document: Document
    ) -> Response:
        account = self._account
        organization_id = int(home) if home is not None else None
        if organization_id is not None and organization_id not in account.organizations:
            return not_found()
        row = account.passwords.get(int(one)) if one is not None else None
        if row is not None and organization_id not in (None, row.organization_id):
            row = None
        match method, one is not None:
            case "GET", False:
                return passwords.listed(account, organization_id, query)
            case "GET", True:
                return passwords.shown(account, key, row, query)
            case "POST", False:
                return passwords.made(account, key, organization_id, document, query)
            case "PATCH", True:
                return passwords.changed(account, key, row, document, query)
            case "PATCH", False:
                return passwords.changed_in_bulk(account, key, document)
            case "DELETE", True:
                return passwords.deleted(account, row)
        return no_such_page()

    def _organizations(self, one: str | None, query: QueryParams) -> Response:
        account = self._account
        if one is not None:
            row = account.organizations.get(int(one))
            return not_found() if row is None else found(organization(row))
        fields = {"id": lambda row: row.id, "name": lambda row: row.name}
        try:
            rows = ordered(filtered(list(account.organizations.values()), query, fields), query, fields)
        except UnknownFilter as error:
            return unprocessable("Invalid parameter", f"/{error}")
        here, meta = page(rows, query)
        return found([organization(row) for row in here], meta=meta, links={})


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
