"""What the page asks the server: everything as one person sees it, what they do, and when to look again.

Whoever reaches this can act as anybody, so it answers only to loopback names and to pages of its own origin.
"""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

import emoji
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from .errors import SlackError
from .inputs import state_values
from .interactions import Impossible, Interactions
from .pretend import PretendSlack
from .reading_json import read_json
from .replies import SLACKBOT
from .views import View
from .wire import message_json
from .workspace import Change, Channel, Message

PAGE = files(__package__) / "page"
MESSAGES_AT_ONCE = 50
GATHER_SECONDS = 0.03  # changes within this time are told together

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' https: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


@cache
def emoji_names() -> dict[str, str]:
    """Every `:name:` and its character, as Slack and most chats call them."""
    names: dict[str, str] = {}
    for character, entry in emoji.EMOJI_DATA.items():
        for name in [entry["en"], *entry.get("alias", [])]:
            if "skin_tone" not in name:
                names.setdefault(name.strip(":").lower(), character)
    return names


class PageApi:
    """The page's own endpoints, below `/client`, and its files."""

    def __init__(self, slack: PretendSlack, interactions: Interactions) -> None:
        self._slack = slack
        self._interactions = interactions

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/", self._index),
            Route("/archives/{path:path}", self._index),
            Mount("/page", _Files(directory=str(PAGE))),
            Route("/client/emoji", self._emoji),
            Route("/client/boot", self._boot),
            Route("/client/channel/{channel}", self._channel),
            Route("/client/thread/{channel}/{ts}", self._thread),
            Route("/client/views", self._views),
            Route("/client/traffic", self._traffic),
            Route("/client/act", self._act, methods=["POST"]),
            WebSocketRoute("/client/live", self._live),
        ]

    async def _index(self, _: Request) -> Response:
        return FileResponse(str(PAGE / "index.html"), headers=_HEADERS)

    async def _emoji(self, _: Request) -> Response:
        return JSONResponse(emoji_names(), headers={"Cache-Control": "max-age=3600"})

    async def _boot(self, request: Request) -> Response:
        if not _is_ours(request):
            return _refused()
        slack, workspace = self._slack, self._slack.workspace
        people = [
            {**asdict(person), "is_app": person.id == slack.app.bot_user_id} for person in workspace.people.values()
        ]
        me = request.query_params.get("as") or ""
        if me not in workspace.people:
            me = next((person["id"] for person in people if not person["is_bot"] and not person["deleted"]), "")
        seen = [channel for channel in workspace.channels.values() if workspace.may_see(channel, me)]
        return JSONResponse(
            {
                "me": me,
                "team": {"id": workspace.team_id, "name": workspace.name},
                "slackbot": SLACKBOT,
                "people": people,
                "channels": [self._channel_line(channel, me) for channel in seen],
                "app": {
                    "name": slack.app.name,
                    "user": slack.app.bot_user_id,
                    "home": slack.app.home_tab,
                    "commands": [asdict(command) for command in slack.app.commands.values()],
                    "shortcuts": [asdict(shortcut) for shortcut in slack.app.shortcuts],
                    "revoked": slack.app.revoked,
                },
            }
        )

    async def _channel(self, request: Request) -> Response:
        if not _is_ours(request):
            return _refused()
        me, channel, failure = self._asked_for(request)
        if channel is None:
            return failure
        before = request.query_params.get("before", "~")
        shown: list[Message] = []
        more = False
        for message in reversed(list(self._slack.workspace.visible(channel, me))):
            if message.ts >= before or (message.is_reply and not message.broadcast):
                continue
            if len(shown) == MESSAGES_AT_ONCE:
                more = True
                break
            shown.append(message)
        line = self._channel_line(channel, me)
        return JSONResponse({"channel": line, "more": more, "messages": self._messages(reversed(shown), me)})

    async def _thread(self, request: Request) -> Response:
        if not _is_ours(request):
            return _refused()
        me, channel, failure = self._asked_for(request)
        if channel is None:
            return failure
        ts = request.path_params["ts"]
        seen = self._slack.workspace.visible(channel, me)
        return JSONResponse({"messages": self._messages((m for m in seen if ts in (m.ts, m.thread_ts)), me)})

    async def _views(self, request: Request) -> Response:
        if not _is_ours(request):
            return _refused()
        me, views = request.query_params["as"], self._slack.views
        top, home = views.top(me), views.home(me)
        return JSONResponse(
            {
                "modal": self._view(top) if top else None,
                "depth": len(views.stack(me)),
                "home": self._view(home) if home else None,
            }
        )

    async def _traffic(self, request: Request) -> Response:
        if not _is_ours(request):
            return _refused()
        after = int(request.query_params.get("after", "0"))
        exchanges = self._slack.traffic.exchanges
        return JSONResponse({"exchanges": [asdict(one) for one in exchanges if one.number > after]})

    async def _act(self, request: Request) -> Response:
        if not _is_ours(request) or request.headers.get("content-type") != "application/json":
            return _refused()
        try:
            asked = read_json(await request.body())
            return JSONResponse({"ok": True, "answer": await self._do(asked)})
        except Impossible as error:
            return JSONResponse({"ok": False, "error": str(error)})
        except SlackError as error:
            return JSONResponse({"ok": False, "error": error.name})
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"ok": False, "error": f"The page asked for something odd: {error!r}"}, 400)

    async def _do(self, asked: dict[str, Any]) -> Any:
        hands, me = self._interactions, asked["as"]
        where: list[Any] = [asked.get(name) for name in ("block", "action", "value")]
        match asked["do"]:
            case "type":
                await hands.types(me, asked["channel"], asked["text"], asked.get("thread"))
            case "act" if asked.get("view"):
                await hands.act_in_view(me, asked["view"], *where, typing=asked.get("typing", False))
            case "act":
                await hands.act_in_message(me, asked["channel"], asked["ts"], *where, typing=asked.get("typing", False))
            case "suggest":
                message = None if asked.get("view") else hands.message(me, asked["channel"], asked["ts"])
                view = asked.get("view") or ""
                return await hands.suggest(
                    me, asked["block"], asked["action"], asked["query"], view_id=view, message=message
                )
            case "submit":
                await hands.submit(me, asked["view"])
            case "close":
                await hands.close(me, asked["view"], everything=asked.get("everything", False))
            case "home":
                await hands.open_home(me, asked["tab"])
            case "shortcut":
                message = hands.message(me, asked["channel"], asked["ts"]) if asked.get("ts") else None
                await hands.shortcut(me, asked["callback_id"], message)
            case "look":
                channel = self._slack.workspace.channel_for(asked["channel"], me)
                self._slack.looking_at[me] = channel.id
                self._slack.workspace.mark_read(channel, me)
            case "direct":
                return self._slack.workspace.direct(me, asked["person"]).id
            case "join":
                self._slack.join(self._slack.workspace.channel_for(asked["channel"], me), me)
            case other:
                raise ValueError(f"unknown act {other!r}")
        return None

    async def _live(self, socket: WebSocket) -> None:
        if not _is_ours(socket):
            await socket.close(1008)
            return
        await socket.accept()
        me = socket.query_params.get("as", "")
        waiting: set[Change] = set()
        something = asyncio.Event()

        def notice(change: Change) -> None:
            if change.person in (None, me):
                waiting.add(change)
                something.set()

        self._slack.workspace.watchers.append(notice)
        gone = asyncio.ensure_future(_until_gone(socket))
        try:
            while not gone.done():
                waking = asyncio.ensure_future(something.wait())
                await asyncio.wait({waking, gone}, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                await asyncio.sleep(GATHER_SECONDS)
                something.clear()
                changes, waiting = [{"what": one.what, "channel": one.channel} for one in waiting], set()
                if changes and not gone.done():
                    await socket.send_json(changes)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page was closed while we were telling it something
        finally:
            gone.cancel()
            self._slack.workspace.watchers.remove(notice)

    def _asked_for(self, request: Request) -> tuple[str, Channel | None, Response]:
        me = request.query_params.get("as", "")
        try:
            return me, self._slack.workspace.channel_for(request.path_params["channel"], me), Response()
        except SlackError as error:
            return me, None, JSONResponse({"error": error.name}, 404)

    def _channel_line(self, channel: Channel, me: str) -> dict[str, Any]:
        return {
            "id": channel.id,
            "name": channel.name,
            "kind": channel.kind,
            "members": channel.members,
            "archived": channel.archived,
            "shared_outside": channel.shared_outside,
            "topic": channel.topic,
            "mine": me in channel.members,
            "unread": self._slack.workspace.unread(channel, me) if me in channel.members else 0,
        }

    def _messages(self, messages: Any, me: str) -> list[dict[str, Any]]:
        shown = []
        for message in messages:
            blocks = [*message.blocks, *(block for one in message.attachments for block in one["blocks"])]
            shown.append(
                {
                    **message_json(message, self._slack.workspace, self._slack.app),
                    "version": message.version,
                    "ephemeral": message.only_for is not None,
                    "warning": self._interactions.warnings.get((me, message.ts)),
                    "state": state_values(blocks, self._interactions.entered_in(me, message), message.channel)
                    if blocks
                    else {},
                }
            )
        return shown

    def _view(self, view: View) -> dict[str, Any]:
        return {
            **self._slack.views.as_json(view),
            "version": view.version,
            "errors": view.errors,
            "trouble": view.trouble,
            "waiting": view.waiting,
        }


class _Files(StaticFiles):
    """The page's scripts and styles, revalidated on every load."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


def _is_ours(connection: HTTPConnection) -> bool:
    """Loopback by name, and from our own page or no page at all: another site in the same browser is neither."""
    host = connection.headers.get("host", "")
    origin = connection.headers.get("origin")
    named = host.rpartition(":")[0] in ("127.0.0.1", "localhost")
    return named and origin in (None, f"http://{host}")


def _refused() -> Response:
    return JSONResponse({"ok": False, "error": "This is only for the page itself."}, 403)


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
