"""A pretend Slack per test, with three people, two channels and an app that may do everything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.demo.slack.server import RunningSlack

from . import robot

SCOPES = [
    "app_mentions:read",
    "channels:history",
    "channels:join",
    "channels:manage",
    "channels:read",
    "chat:write",
    "commands",
    "groups:history",
    "groups:read",
    "groups:write",
    "im:history",
    "im:read",
    "im:write",
    "mpim:read",
    "mpim:write",
    "team:read",
    "usergroups:read",
    "users:read",
    "users:read.email",
]
EVENTS = [
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_archive",
    "channel_rename",
    "channel_shared",
    "member_joined_channel",
    "member_left_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "tokens_revoked",
    "user_change",
]


def manifest(*, socket_mode: bool = True) -> dict[str, Any]:
    """An app manifest of the published form."""
    return {
        "display_information": {"name": "Robot"},
        "features": {
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
            "bot_user": {"display_name": "robot"},
            "slash_commands": [
                {"command": "/robot", "description": "Do something", "usage_hint": "[what]"},
                {"command": "/slow", "description": "Takes too long"},
                {"command": "/broken", "description": "Raises"},
            ],
            "shortcuts": [
                {"name": "Start", "type": "global", "callback_id": "start", "description": "Start something"},
                {"name": "About this", "type": "message", "callback_id": "about", "description": "Say more"},
            ],
        },
        "oauth_config": {"scopes": {"bot": SCOPES}},
        "settings": {
            "event_subscriptions": {"bot_events": EVENTS},
            "interactivity": {"is_enabled": True},
            "socket_mode_enabled": socket_mode,
        },
    }


def small_manifest(*scopes: str) -> dict[str, Any]:
    """The manifest of an app that has these scopes and nothing else."""
    return {
        "display_information": {"name": "Robot"},
        "features": {"bot_user": {"display_name": "robot"}},
        "oauth_config": {"scopes": {"bot": list(scopes)}},
        "settings": {"socket_mode_enabled": True},
    }


@dataclass
class World:
    """A running pretend Slack and what the tests need to know of it."""

    running: RunningSlack
    client: WebClient
    alice: str
    bob: str
    gone: str
    general: str  # public, the bot is in it
    random: str  # public, the bot is not
    secret: str  # private, the bot is not


def populate(running: RunningSlack) -> World:
    """Give a fresh workspace its people and channels."""
    workspace = running.slack.workspace

    def fill() -> tuple[str, ...]:
        alice = workspace.add_person("alice", "Alice Adams", email="alice@example.test", is_admin=True)
        bob = workspace.add_person("bob", "Bob Brown", email="bob@example.test", tz="Europe/Berlin")
        gone = workspace.add_person("gone", "Gina Gone", email="gina@example.test", deleted=True)
        everybody = [alice.id, bob.id]
        general = workspace.add_channel("general", [*everybody, running.app.bot_user_id])
        random = workspace.add_channel("random", everybody)
        secret = workspace.add_channel("secret", [alice.id], kind="private")
        return alice.id, bob.id, gone.id, general.id, random.id, secret.id

    ids = running.call(fill)
    return World(running, WebClient(running.app.bot_token, base_url=running.api_url), *ids)


@pytest.fixture(scope="session", autouse=True)
def robots_have_left() -> Iterator[None]:
    """Wait, once, for every Socket Mode client to have closed."""
    yield
    for thread in robot.closing:
        thread.join(10)


@pytest.fixture
def world() -> Iterator[World]:
    """A pretend Slack in Socket Mode with nobody connected yet."""
    with RunningSlack(manifest()) as running:
        yield populate(running)


Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(world: World) -> Refused:
    """Call a Web API method that must be refused, and return the whole answer."""

    def call(method: str, expected: str, **arguments: Any) -> dict[str, Any]:
        with pytest.raises(SlackApiError) as caught:
            world.client.api_call(method, json=arguments)
        data = caught.value.response.data
        assert isinstance(data, dict)
        assert data["error"] == expected, data
        return data

    return call
