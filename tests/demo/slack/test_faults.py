"""What can go wrong between an app and Slack can be made to go wrong."""

import time
from http.client import RemoteDisconnected

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.demo.slack.driver import Driver
from bot.demo.slack.faults import LateReply, LostReply, LostRequest, RateLimited, Refused, ServerError

from .conftest import World
from .robot import Robot, socket_mode


def patient(world: World) -> WebClient:
    """A client that does not repeat a call by itself when the connection breaks."""
    return WebClient(world.running.app.bot_token, base_url=world.running.api_url, retry_handlers=[], timeout=10)


def texts(world: World) -> list[str]:
    return [m["text"] for m in world.client.conversations_history(channel=world.general)["messages"]]


def test_a_rate_limit_says_when_to_come_back_and_does_nothing(world: World) -> None:
    world.running.slack.faults.on("chat.postMessage", RateLimited(retry_after=7))
    with pytest.raises(SlackApiError) as caught:
        world.client.chat_postMessage(channel=world.general, text="first")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    assert caught.value.response["error"] == "ratelimited"
    assert texts(world) == []
    world.client.chat_postMessage(channel=world.general, text="second")
    assert texts(world) == ["second"]


def test_the_sdks_retry_handler_gets_through_a_rate_limit(world: World) -> None:
    world.running.slack.faults.on("chat.postMessage", RateLimited(retry_after=0), times=2)
    client = WebClient(
        world.running.app.bot_token,
        base_url=world.running.api_url,
        retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=3)],
    )
    client.chat_postMessage(channel=world.general, text="through")
    assert texts(world) == ["through"]


def test_a_server_error_is_not_json_and_does_nothing(world: World) -> None:
    world.running.slack.faults.on("*", ServerError(503))
    answer = requests.post(f"{world.running.api_url}auth.test", timeout=5)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    world.running.slack.faults.on("chat.postMessage", ServerError(500))
    with pytest.raises(SlackApiError, match="non-JSON"):
        world.client.chat_postMessage(channel=world.general, text="lost")
    world.running.slack.faults.on("chat.postMessage", Refused("fatal_error"))
    with pytest.raises(SlackApiError, match="fatal_error"):
        world.client.chat_postMessage(channel=world.general, text="lost")
    assert texts(world) == []


def test_a_lost_reply_has_happened_and_a_lost_request_has_not(world: World) -> None:
    faults = world.running.slack.faults
    faults.on("chat.postMessage", LostReply())
    with pytest.raises(RemoteDisconnected):
        patient(world).chat_postMessage(channel=world.general, text="happened")
    faults.on("chat.postMessage", LostRequest())
    with pytest.raises(RemoteDisconnected):
        patient(world).chat_postMessage(channel=world.general, text="never")
    assert texts(world) == ["happened"]


def test_a_late_reply_comes_when_its_time_has_passed(world: World) -> None:
    world.running.slack.faults.on("auth.test", LateReply(0.2))
    started = time.monotonic()
    assert patient(world).auth_test()["ok"]
    assert time.monotonic() - started >= 0.19


def test_a_workspace_that_is_away_answers_nothing_until_it_is_back(world: World) -> None:
    slack, robot = world.running.slack, Robot()
    with socket_mode(world.running, robot):
        alice = Driver(world.running, patience=20).member("alice")
        alice.types("/robot before", in_="#general")
        alice.sees("you said before", in_="#general")
        world.running.wait_for(slack.go_away())
        with pytest.raises(RemoteDisconnected):
            patient(world).auth_test()
        with pytest.raises(requests.ConnectionError):
            requests.post(robot.commands[0]["response_url"], json={"text": "lost"}, timeout=5)
        alice.types("/robot meanwhile", in_="#general")
        alice.sees("/robot failed because the app did not respond", in_="#general")
        assert slack.sockets.connected == 0
        world.running.call(slack.come_back)
        alice.until(lambda: True if slack.sockets.connected else None, "the app to come back")
        alice.types("/robot after", in_="#general")
        alice.sees("you said after", in_="#general")


def test_the_published_limits_can_be_enforced(world: World) -> None:
    slack, client = world.running.slack, world.client
    client.conversations_join(channel=world.random)
    slack.faults.published_limits = True
    client.chat_postMessage(channel=world.general, text="one")
    client.chat_postMessage(channel=world.random, text="another channel")
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel=world.general, text="too soon")
    assert caught.value.response.headers["Retry-After"] == "1"
    world.running.call(lambda: slack.clock.advance(1))
    client.chat_postMessage(channel=world.general, text="two")
    for _ in range(20):  # tier 2
        client.users_list()
    with pytest.raises(SlackApiError) as caught:
        client.users_list()
    assert 50 < int(caught.value.response.headers["Retry-After"]) <= 60
    world.running.call(lambda: slack.clock.advance(60))
    client.users_list()
    slack.faults.clear()
    for _ in range(21):
        client.users_list()
