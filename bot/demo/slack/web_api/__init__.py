"""The Web API: which methods there are, who may call them, and how a request becomes a call."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import SlackError
from ..reading_json import read_json
from . import chat, conversations, people, views
from .call import Call

if TYPE_CHECKING:
    from ..pretend import PretendSlack

Token = Literal["bot", "app", "none"]


@dataclass(frozen=True)
class Method:
    """A Web API method: what it does, the scope it needs, whose token, and its published rate tier (per minute)."""

    run: Callable[[Call], dict[str, Any]]
    tier: int
    scope: str | None = None
    token: Token = "bot"  # noqa: S105 - a kind of token


TIER_1, TIER_2, TIER_3, TIER_4 = 1, 20, 50, 100
POSTING = 60  # one a second and channel, counted per channel

METHODS: dict[str, Method] = {
    "apps.connections.open": Method(views.connections_open, TIER_1, "connections:write", "app"),
    "auth.test": Method(people.auth_test, TIER_4),
    "blocks.validate": Method(views.blocks_validate, TIER_4, token="none"),  # noqa: S106
    "bots.info": Method(people.bot_info, TIER_3, "users:read"),
    "chat.delete": Method(chat.delete, TIER_3, "chat:write"),
    "chat.getPermalink": Method(chat.get_permalink, TIER_4),
    "chat.postEphemeral": Method(chat.post_ephemeral, TIER_4, "chat:write"),
    "chat.postMessage": Method(chat.post_message, POSTING, "chat:write"),
    "chat.update": Method(chat.update, TIER_3, "chat:write"),
    "conversations.archive": Method(conversations.archive, TIER_2),
    "conversations.create": Method(conversations.create, TIER_2),
    "conversations.history": Method(conversations.history, TIER_3),
    "conversations.info": Method(conversations.info, TIER_3),
    "conversations.invite": Method(conversations.invite, TIER_3),
    "conversations.join": Method(conversations.join, TIER_3, "channels:join"),
    "conversations.list": Method(conversations.list_all, TIER_2),
    "conversations.members": Method(conversations.members, TIER_4),
    "conversations.open": Method(conversations.open_direct, TIER_3),
    "conversations.rename": Method(conversations.rename, TIER_2),
    "conversations.replies": Method(conversations.replies, TIER_3),
    "team.info": Method(people.team_info, TIER_3, "team:read"),
    "usergroups.users.list": Method(people.usergroup_users, TIER_2, "usergroups:read"),
    "users.conversations": Method(conversations.of_user, TIER_3),
    "users.info": Method(people.info, TIER_4, "users:read"),
    "users.list": Method(people.list_all, TIER_2, "users:read"),
    "users.lookupByEmail": Method(people.lookup_by_email, TIER_3, "users:read.email"),
    "views.open": Method(views.open_modal, TIER_4),
    "views.publish": Method(views.publish, TIER_4),
    "views.push": Method(views.push, TIER_4),
    "views.update": Method(views.update, TIER_4),
}


async def answer(slack: "PretendSlack", request: Request) -> Response:
    """Answer `POST /api/<method>`: always JSON, `ok` true or the error Slack would name."""
    name = request.path_params["method"]
    started = time.perf_counter()
    arguments: Mapping[str, Any] = {}
    status, headers = 200, {}
    try:
        arguments, from_form = await read_arguments(request)
        body = {"ok": True, **_run(slack, name, request, arguments, from_form)}
    except SlackError as error:
        body = {"ok": False, "error": error.name, **error.extra}
        if error.name == "ratelimited":
            status, headers = 429, {"Retry-After": str(body.pop("retry_after"))}
    slack.traffic.record("call", name, dict(arguments), body, time.perf_counter() - started)
    return JSONResponse(body, status, headers)


def _run(
    slack: "PretendSlack", name: str, request: Request, arguments: Mapping[str, Any], from_form: bool
) -> dict[str, Any]:
    method = METHODS.get(name)
    if method is None:
        raise SlackError("unknown_method", req_method=name)
    _authenticate(slack, method, _token(request, arguments))
    if slack.faults.published_limits:
        slack.faults.count(name, method.tier, arguments.get("channel"))
    call = Call(slack, arguments, from_form)
    if method.scope is not None and method.token == "bot":  # noqa: S105
        call.need(method.scope)
    return method.run(call)


def _token(request: Request, arguments: Mapping[str, Any]) -> str:
    header = request.headers.get("authorization", "")
    if header:
        kind, _, token = header.partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""
    return str(arguments.get("token") or "")


def _authenticate(slack: "PretendSlack", method: Method, token: str) -> None:
    if method.token == "none":  # noqa: S105
        return
    if not token:
        raise SlackError("not_authed")
    if token not in (slack.app.bot_token, slack.app.app_token):
        raise SlackError("invalid_auth")
    if slack.app.revoked:
        raise SlackError("token_revoked" if token == slack.app.bot_token else "account_inactive")
    if (token == slack.app.app_token) != (method.token == "app"):  # noqa: S105
        raise SlackError("not_allowed_token_type")
    if method.token == "app" and method.scope not in slack.app.app_token_scopes:  # noqa: S105
        raise SlackError("missing_scope", needed=method.scope, provided=",".join(slack.app.app_token_scopes))


async def read_arguments(request: Request) -> tuple[dict[str, Any], bool]:
    """The arguments of a request and whether they came as a form.

    SlackError `invalid_json`, `json_not_object`, `invalid_form_data`, `missing_post_type` or `invalid_post_type`.
    """
    query = dict(parse_qsl(request.url.query))
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "GET" or not body:
        return query, True
    if not kind:
        raise SlackError("missing_post_type")
    if kind == "application/json":
        try:
            given = read_json(body)
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(given, dict):
            raise SlackError("json_not_object")
        return {**query, **given}, False
    if kind == "application/x-www-form-urlencoded":
        try:
            return {**query, **dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))}, True
        except ValueError:
            raise SlackError("invalid_form_data") from None
    raise SlackError("invalid_post_type")
