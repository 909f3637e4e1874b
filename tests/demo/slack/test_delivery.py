"""How payloads get to the app: Socket Mode and signed HTTP, their limits, retries and hiccups."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bot.demo.slack.delivery import Parcel
from bot.demo.slack.driver import Driver
from bot.demo.slack.errors import SetupError
from bot.demo.slack.server import RunningSlack

from .conftest import World, manifest, populate
from .echo import Echo, serving
from .robot import Robot, signed_http, socket_mode


@contextmanager
def open_socket(world: World) -> Iterator[ClientConnection]:
    """A Socket Mode connection that acknowledges nothing by itself, past its hello."""
    url = world.client.apps_connections_open(app_token=world.running.app.app_token)["url"]
    with connect(url, open_timeout=5) as socket:
        hello = json.loads(socket.recv(5))
        assert hello["type"] == "hello"
        yield socket


def read(socket: ClientConnection, timeout: float = 5) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout))
    return message


def acknowledge(socket: ClientConnection, envelope: dict[str, Any], **payload: Any) -> None:
    socket.send(json.dumps({"envelope_id": envelope["envelope_id"], **({"payload": payload} if payload else {})}))


def advance(world: World, seconds: float) -> None:
    world.running.call(lambda: world.running.slack.clock.advance(seconds))


def attempts(world: World, name: str) -> list[Any]:
    return [exchange.answer for exchange in world.running.slack.traffic.named(name)]


# Socket Mode


def test_an_envelope_goes_to_one_connection_in_turn(world: World) -> None:
    with open_socket(world) as first, open_socket(world) as second:
        driver = Driver(world.running)
        alice = driver.member("alice")
        alice.types("one", in_="#general")
        alice.types("two", in_="#general")
        texts = set()
        for socket in (first, second):
            envelope = read(socket)
            assert (envelope["type"], envelope["accepts_response_payload"]) == ("events_api", False)
            assert envelope["retry_attempt"] == 0
            acknowledge(socket, envelope)
            texts.add(envelope["payload"]["event"]["text"])
            with pytest.raises(TimeoutError):
                socket.recv(0.05)
        assert texts == {"one", "two"}


def test_an_unacknowledged_event_comes_again_three_times(world: World) -> None:
    with open_socket(world) as socket:
        alice = Driver(world.running).member("alice")
        alice.types("hello", in_="#general")
        first = read(socket)
        seen: list[tuple[int, str]] = []
        for wait in (0, 60, 300):
            advance(world, 3.1)
            alice.until(lambda: True if attempts(world, "message")[len(seen) :] else None, "the missing answer")
            advance(world, wait)
            again = read(socket)
            assert again["payload"]["event_id"] == first["payload"]["event_id"]
            assert again["envelope_id"] != first["envelope_id"]
            seen.append((again["retry_attempt"], again["retry_reason"]))
        assert seen == [(1, "timeout"), (2, "timeout"), (3, "timeout")]
        advance(world, 3.1)
        alice.until(lambda: True if len(attempts(world, "message")) == 4 else None, "the last missing answer")
        advance(world, 1_000)
        with pytest.raises(TimeoutError):
            socket.recv(0.1)


def test_interactions_are_never_sent_again(world: World) -> None:
    with open_socket(world) as socket:
        alice = Driver(world.running).member("alice")
        alice.types("/robot hello", in_="#general")
        envelope = read(socket)
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
        advance(world, 3.1)
        alice.sees("did not respond", in_="#general")
        acknowledge(socket, envelope, text="too late")
        advance(world, 1_000)
        with pytest.raises(TimeoutError):
            socket.recv(0.1)
        alice.does_not_see("too late", in_="#general")


def test_what_slack_cannot_read_is_dropped(world: World) -> None:
    with open_socket(world) as socket:
        alice = Driver(world.running).member("alice")
        alice.types("/robot hello", in_="#general")
        envelope = read(socket)
        for nonsense in ("{not json", "[]", '"word"', '{"envelope_id": "unknown"}', '{"envelope_id": 7}'):
            socket.send(nonsense)
        acknowledge(socket, envelope, text="still here")
        alice.sees("still here", in_="#general")


def test_a_ticket_is_good_once_and_for_half_a_minute(world: World) -> None:
    url = world.client.apps_connections_open(app_token=world.running.app.app_token)["url"]
    with connect(url):
        pass
    late = world.client.apps_connections_open(app_token=world.running.app.app_token)["url"]
    advance(world, 31)
    for unusable in (url, late, url.replace("ticket=", "ticket=x")):
        with pytest.raises(InvalidStatus), connect(unusable):
            pass


def test_the_eleventh_connection_is_turned_away(world: World) -> None:
    with ExitStack() as ten:
        for _ in range(10):
            ten.enter_context(open_socket(world))
        url = world.client.apps_connections_open(app_token=world.running.app.app_token)["url"]
        with connect(url) as eleventh:
            assert read(eleventh)["reason"] == "too_many_websockets"
            with pytest.raises(ConnectionClosed):
                eleventh.recv(5)


def test_a_refresh_asks_first_and_cuts_off_later(world: World) -> None:
    with open_socket(world) as old:
        world.running.start(world.running.slack.sockets.refresh("warning"))
        goodbye = read(old)
        assert (goodbye["type"], goodbye["reason"]) == ("disconnect", "warning")
        with open_socket(world) as new:
            alice = Driver(world.running).member("alice")
            alice.types("/robot hello", in_="#general")
            acknowledge(new, read(new), text="from the new one")
            alice.sees("from the new one", in_="#general")
            advance(world, 10.1)
            with pytest.raises(ConnectionClosed):
                old.recv(5)


def test_a_bolt_app_survives_refresh_and_dropped_sockets(world: World) -> None:
    robot = Robot()
    with socket_mode(world.running, robot):
        alice = Driver(world.running, patience=20).member("alice")
        sockets = world.running.slack.sockets
        for number, interrupt in enumerate((sockets.refresh, sockets.drop), start=2):
            world.running.start(interrupt())
            alice.until(lambda n=number: True if sockets.served == n else None, "a new connection")  # type: ignore[misc]
            # The SDK takes up to three seconds to read from its new connection; events come again meanwhile.
            alice.types(f"message {number}", in_="#general")
            alice.until(lambda n=number: True if len(robot.heard) >= n - 1 else None, "the message")  # type: ignore[misc]
            alice.types(f"/robot try {number}", in_="#general")
            alice.sees(f"you said try {number}", in_="#general")


def test_without_a_connection_the_person_is_told(world: World) -> None:
    alice = Driver(world.running).member("alice")
    alice.types("/robot anybody?", in_="#general")
    alice.sees("/robot failed because the app did not respond", in_="#general")


# Signed HTTP


@pytest.fixture
def behind_http() -> Iterator[tuple[World, Echo]]:
    """An app that records every request and answers as it is told."""
    with RunningSlack(manifest(socket_mode=False)) as running, serving() as echo:
        running.wait_for(running.slack.http.verify(echo.url))
        yield populate(running), echo


def test_requests_are_signed_and_of_the_published_form(behind_http: tuple[World, Echo]) -> None:
    world, echo = behind_http
    alice = Driver(world.running).member("alice")
    alice.types("/robot hello there", in_="#general")
    alice.sees("ok", in_="#general")
    alice.runs("Start")
    alice.types("a message", in_="#general")
    challenge, command, shortcut, event = echo.wait_for(4)
    verifier = SignatureVerifier(world.running.app.signing_secret)
    for request in (challenge, command, shortcut, event):
        assert verifier.is_valid(
            request.text, request.headers["x-slack-request-timestamp"], request.headers["x-slack-signature"]
        )
        assert "x-slack-retry-num" not in request.headers
    assert not SignatureVerifier("another secret").is_valid(
        command.text, command.headers["x-slack-request-timestamp"], command.headers["x-slack-signature"]
    )
    assert json.loads(challenge.text)["type"] == "url_verification"
    assert (command.form["command"], command.form["text"]) == ("/robot", "hello there")
    assert json.loads(shortcut.form["payload"])["type"] == "shortcut"
    assert json.loads(event.text)["event"]["text"] == "a message"


def test_events_are_retried_with_their_headers(behind_http: tuple[World, Echo]) -> None:
    world, echo = behind_http
    echo.statuses = [500, 500, 500, 500]
    alice = Driver(world.running).member("alice")
    alice.types("a message", in_="#general")
    for number, wait in ((1, 0), (2, 60), (3, 300)):
        alice.until(lambda n=number: True if len(attempts(world, "message")) >= n else None, "an answer")  # type: ignore[misc]
        advance(world, wait)
        request = echo.wait_for(number + 2)[-1]
        assert (request.headers["x-slack-retry-num"], request.headers["x-slack-retry-reason"]) == (
            str(number),
            "http_error",
        )
    alice.until(lambda: True if len(attempts(world, "message")) == 4 else None, "the last answer")
    advance(world, 1_000)
    assert attempts(world, "message")[3] == {"not_acknowledged": "http_error", "retry": 3, "retry_reason": "http_error"}
    assert len(echo.wait_for(5)) == 5


def test_an_app_can_ask_for_no_retries(behind_http: tuple[World, Echo]) -> None:
    world, echo = behind_http
    echo.statuses, echo.headers = [500], {"X-Slack-No-Retry": "1"}
    alice = Driver(world.running).member("alice")
    alice.types("a message", in_="#general")
    alice.until(lambda: True if attempts(world, "message") else None, "the answer")
    advance(world, 1_000)
    alice.types("another", in_="#general")
    requests_seen = echo.wait_for(3)
    assert [json.loads(r.text)["event"]["text"] for r in requests_seen[1:]] == ["a message", "another"]


def test_a_bolt_app_sees_the_retry(world: World) -> None:
    del world
    robot = Robot()
    with RunningSlack(manifest(socket_mode=False)) as running, signed_http(running, robot):
        alice = Driver(populate(running).running).member("alice")
        robot.refuse_events = 1
        alice.types("a message", in_="#general")
        alice.until(lambda: True if robot.retries else None, "the retry")
        assert robot.retries == [("1", "http_error")]


def test_a_request_url_must_echo_the_challenge(world: World) -> None:
    http = world.running.slack.http
    with serving() as echo:
        echo.echoes = False
        with pytest.raises(SetupError, match="did not echo the challenge"):
            world.running.wait_for(http.verify(echo.url))
    with pytest.raises(SetupError, match="connection_failed"):
        world.running.wait_for(http.verify("http://127.0.0.1:9/slack/events"))
    assert http.request_url is None


def test_a_failing_request_url_is_named_beside_the_message(behind_http: tuple[World, Echo]) -> None:
    world, echo = behind_http
    button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go"}
    world.client.chat_postMessage(channel=world.general, text="x", blocks=[{"type": "actions", "elements": [button]}])
    echo.wait_for(2)
    echo.statuses = [404]
    card = Driver(world.running).member("alice").sees("Go", in_="#general")
    card.press("Go")
    assert card.warns() == "The app answered with status 404."


# Faults of delivery


def test_deliveries_can_come_twice_and_in_the_wrong_order(world: World) -> None:
    with open_socket(world) as socket:
        slack = world.running.slack

        def tell(*texts: str) -> None:
            for text in texts:
                slack.delivery.tell(Parcel("events_api", "message", {"event": {"text": text}}))

        def receive(count: int) -> list[str]:
            texts = []
            for _ in range(count):
                envelope = read(socket)
                acknowledge(socket, envelope)
                texts.append(envelope["payload"]["event"]["text"])
            return texts

        slack.faults.duplicates = 1
        world.running.call(lambda: tell("a"))
        assert receive(2) == ["a", "a"]
        slack.faults.reordered = 3
        world.running.call(lambda: tell("one", "two", "three"))
        assert receive(3) == ["three", "two", "one"]
        world.running.call(lambda: tell("after"))
        assert receive(1) == ["after"]


def test_the_inspector_never_shows_a_token(world: World) -> None:
    with open_socket(world) as socket:
        Driver(world.running).member("alice").types("/robot hello", in_="#general")
        acknowledge(socket, read(socket), text="hi")
        world.client.auth_test()
        requests.post(f"{world.running.api_url}auth.test", data={"token": world.running.app.bot_token}, timeout=5)
        with pytest.raises(SlackApiError):
            WebClient("xoxb-some-other", base_url=world.running.api_url).auth_test()
    shown = str([(e.sent, e.answer) for e in world.running.slack.traffic.exchanges])
    assert "xoxb-" not in shown.replace("xoxb-…", "")
    assert "xapp-" not in shown.replace("xapp-…", "")
    assert world.running.app.signing_secret not in shown
