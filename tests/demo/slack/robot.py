"""A small Bolt app that uses everything an app can use, in Socket Mode or behind signed HTTP."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from slack_bolt import Ack, App, BoltRequest, Respond, Say
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.starlette import SlackRequestHandler
from slack_bolt.response import BoltResponse
from slack_sdk import WebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.demo.slack.server import RunningSlack

from . import gallery
from .gallery import CONFIRM, mrkdwn, option, plain

FRUIT = ["Apple", "Apricot", "Banana", "Cherry"]
SILENT = logging.getLogger("robot")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False
SILENT.setLevel(logging.CRITICAL)


closing: list[threading.Thread] = []


class Robot:
    """The app's memory: what reached it, and gates that hold a listener back until a test opens them."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.retries: list[tuple[str, str]] = []
        self.submitted: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self.acted: list[dict[str, Any]] = []
        self.commands: list[dict[str, Any]] = []
        self.count = 0
        self.may_go_on = threading.Event()
        self.refuse_events = 0


def card() -> list[dict[str, Any]]:
    """A card with a button, a confirmed button, a menu in the card and an overflow."""
    return [
        {"type": "section", "text": mrkdwn("*Pick* something")},
        {
            "type": "actions",
            "block_id": "row",
            "elements": [
                {"type": "button", "text": plain("Approve"), "action_id": "approve", "value": "7", "style": "primary"},
                {"type": "button", "text": plain("Remove"), "action_id": "remove", "confirm": CONFIRM},
                {"type": "button", "text": plain("Open form"), "action_id": "form"},
                {"type": "button", "text": plain("Hang"), "action_id": "hang"},
                {"type": "button", "text": plain("Unheard"), "action_id": "unheard"},
                {"type": "overflow", "action_id": "more", "options": [option("Copy"), option("Move")]},
            ],
        },
        {
            "type": "input",
            "block_id": "words",
            "optional": True,
            "label": plain("Words"),
            "element": {"type": "plain_text_input", "action_id": "typed"},
        },
        {
            "type": "section",
            "block_id": "colors",
            "text": mrkdwn("Color"),
            "accessory": {**gallery.PICKS["static_select"], "action_id": "color"},
        },
    ]


def form(title: str = "Form", **more: Any) -> dict[str, Any]:
    """A modal with a checked number, a searched fruit and a button that pushes another modal."""
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain(title),
        "submit": plain("Save"),
        "close": plain("Cancel"),
        "notify_on_close": True,
        "blocks": [
            {
                "type": "input",
                "block_id": "length",
                "label": plain("Length"),
                "element": {**gallery.MODAL_INPUTS["number_input"], "action_id": "value"},
            },
            {
                "type": "input",
                "block_id": "fruit",
                "label": plain("Fruit"),
                "optional": True,
                "element": {"type": "external_select", "action_id": "fruit", "min_query_length": 2},
            },
            {
                "type": "input",
                "block_id": "where",
                "label": plain("Where"),
                "optional": True,
                "element": {
                    "type": "conversations_select",
                    "action_id": "channel",
                    "default_to_current_conversation": True,
                    "response_url_enabled": True,
                },
            },
            {
                "type": "input",
                "block_id": "live",
                "label": plain("Live"),
                "optional": True,
                "dispatch_action": True,
                "element": {"type": "plain_text_input", "action_id": "live"},
            },
            {
                "type": "actions",
                "block_id": "buttons",
                "elements": [{"type": "button", "text": plain("Deeper"), "action_id": "deeper"}],
            },
        ],
        **more,
    }


def build(running: RunningSlack, robot: Robot) -> App:
    """The Bolt app with all its listeners."""
    client = WebClient(running.app.bot_token, base_url=running.api_url)
    app = App(
        client=client, signing_secret=running.app.signing_secret, logger=SILENT, raise_error_for_unhandled_request=False
    )

    @app.command("/robot")
    def on_command(ack: Ack, command: dict[str, Any], respond: Respond, say: Say) -> None:
        robot.commands.append(command)
        match command["text"]:
            case "card":
                ack()
                say(text="Pick something", blocks=card())
            case "aloud":
                ack(text="said aloud", response_type="in_channel")
            case "later":
                ack()
                respond("said later")
            case "form":
                ack()
                client.views_open(trigger_id=command["trigger_id"], view=form())
            case "bad":
                ack(blocks=[{"type": "nonsense"}])
            case text:
                ack(f"you said *{text}*")

    @app.command("/slow")
    def on_slow(ack: Ack) -> None:
        robot.may_go_on.wait(30)
        ack("too late")

    @app.command("/broken")
    def on_broken() -> None:
        raise RuntimeError("broken on purpose")

    @app.action("approve")
    def on_approve(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        robot.acted.append(body)
        client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="Approved :tada:")

    @app.action("remove")
    def on_remove(ack: Ack, body: dict[str, Any], respond: Respond) -> None:
        ack()
        robot.acted.append(body)
        respond(delete_original=True)

    @app.action("form")
    def on_form(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=form())

    @app.action("hang")
    def on_hang(ack: Ack) -> None:
        robot.may_go_on.wait(30)
        ack()

    @app.action("deeper")
    def on_deeper(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        robot.acted.append(body)
        client.views_push(trigger_id=body["trigger_id"], view=form(f"Form {len(robot.acted) + 1}"))

    @app.action("count")
    def on_count(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        robot.count += 1
        view = gallery.home()
        view["blocks"][0]["text"] = plain(f"Pressed {robot.count} times")
        client.views_publish(user_id=body["user"]["id"], view=view, hash=body["view"]["hash"])

    @app.action(re.compile(".*"))
    def on_any_action(ack: Ack, body: dict[str, Any]) -> None:
        if body["actions"][0]["action_id"] == "unheard":
            return  # never acknowledged
        ack()
        robot.acted.append(body)

    @app.options("fruit")
    def on_fruit(ack: Ack, payload: dict[str, Any]) -> None:
        query = payload["value"].lower()
        found = [option(name) for name in FRUIT if name.lower().startswith(query)]
        ack(options=[{"text": plain("No value")}] if query == "wrong" else found)

    @app.view("form")
    def on_submit(ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        robot.submitted.append(body)
        length = view["state"]["values"]["length"]["value"]["value"]
        match length:
            case "13":
                ack(response_action="errors", errors={"length": "Thirteen brings bad luck."})
            case "14":
                ack(response_action="update", view={**form("Updated"), "notify_on_close": False})
            case "15":
                ack(response_action="push", view=form("Pushed"))
            case "16":
                ack(response_action="clear")
            case "17":
                raise RuntimeError("broken on purpose")
            case "18":
                robot.may_go_on.wait(30)
                ack()
            case "19":
                ack(response_action="errors", errors={"nowhere": "There is no such block."})
            case _:
                ack()
                client.chat_postMessage(channel=body["user"]["id"], text=f"Saved {length}")

    @app.view_closed("form")
    def on_closed(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        robot.closed.append(body)

    @app.shortcut("start")
    def on_start(ack: Ack, shortcut: dict[str, Any]) -> None:
        ack()
        client.views_open(trigger_id=shortcut["trigger_id"], view=form("Started"))

    @app.shortcut("about")
    def on_about(ack: Ack, shortcut: dict[str, Any], respond: Respond) -> None:
        ack()
        respond(f"That was: {shortcut['message']['text']}")

    @app.event("app_home_opened")
    def on_home(event: dict[str, Any]) -> None:
        robot.heard.append(event)
        if event["tab"] == "home" and "view" not in event:
            client.views_publish(user_id=event["user"], view=gallery.home())

    @app.event("app_mention")
    def on_mention(event: dict[str, Any], say: Say) -> None:
        robot.heard.append(event)
        say(f"You called, <@{event['user']}>?")

    @app.middleware
    def refuse(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:
        if robot.refuse_events and body.get("type") == "event_callback":
            robot.refuse_events -= 1
            return BoltResponse(status=500, body="not now")
        next()
        return None

    @app.event({"type": "message"})
    def on_message(event: dict[str, Any], request: BoltRequest) -> None:
        robot.heard.append(event)
        number = request.headers.get("x-slack-retry-num")
        if number:
            robot.retries.append((number[0], request.headers["x-slack-retry-reason"][0]))

    for event_type in (
        "app_uninstalled",
        "channel_archive",
        "channel_rename",
        "channel_shared",
        "member_joined_channel",
        "member_left_channel",
        "tokens_revoked",
        "user_change",
    ):
        app.event(event_type)(lambda event: robot.heard.append(event))

    return app


@contextmanager
def socket_mode(running: RunningSlack, robot: Robot) -> Iterator[SocketModeHandler]:
    """The app, connected by Socket Mode."""
    app = build(running, robot)
    handler = SocketModeHandler(
        app,
        running.app.app_token,
        logger=SILENT,
        web_client=WebClient(base_url=running.api_url),
        ping_interval=1,
    )
    handler.connect()  # type: ignore[no-untyped-call]
    try:
        yield handler
    finally:
        robot.may_go_on.set()
        # The SDK's threads take three seconds to notice; `closing` is awaited once, at the end of the session.
        thread = threading.Thread(target=handler.close, daemon=True)
        thread.start()
        closing.append(thread)


@contextmanager
def signed_http(running: RunningSlack, robot: Robot) -> Iterator[str]:
    """The app, behind a request url that Slack has verified."""
    handler = SlackRequestHandler(build(running, robot))

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    starlette = Starlette(routes=[Route("/slack/events", endpoint, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(starlette, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/slack/events"
    try:
        running.wait_for(running.slack.http.verify(url))
        yield url
    finally:
        robot.may_go_on.set()
        server.should_exit = True
        thread.join(10)
