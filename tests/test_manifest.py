"""The manifest asks Slack for what the code needs, and for nothing else."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import handlers
from blocks import ids
from bot.demo.slack.manifest import App
from bot.demo.slack.web_api import METHODS

ROOT = Path(__file__).parents[1]
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "app_manifest.yaml").read_text("utf-8"))
SCOPES = set(MANIFEST["oauth_config"]["scopes"]["bot"])
EVENTS = set(MANIFEST["settings"]["event_subscriptions"]["bot_events"])

# Scopes that depend on the kind of conversation: docs.slack.dev/reference/methods, /reference/events. Rekey works in
# public channels, private channels and direct messages, not in group messages.
_BY_CONVERSATION = {
    "conversations.history": {"channels:history", "groups:history", "im:history"},
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.open": {"im:write"},
    "users.info": {"users:read", "users:read.email"},  # e-mail goes to the address it shows with the second
}
_BY_EVENT = {
    "app_home_opened": set[str](),
    "channel_archive": {"channels:read"},
    "channel_rename": {"channels:read"},
    "channel_shared": {"channels:read", "groups:read"},
    "channel_unarchive": {"channels:read"},
    "channel_unshared": {"channels:read", "groups:read"},
    "group_archive": {"groups:read"},
    "group_rename": {"groups:read"},
    "group_unarchive": {"groups:read"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "member_left_channel": {"channels:read", "groups:read"},
    "user_change": {"users:read"},
}


class Listening:
    """Stands in for the Bolt app while everything registers, and notes what is listened to."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Any]] = defaultdict(list)

    def __getattr__(self, kind: str) -> Callable[..., Callable[[Any], Any]]:
        def listen(constraint: Any = None, *_: Any, **__: Any) -> Callable[[Any], Any]:
            self.heard[kind].append(constraint)
            return lambda listener: listener

        return listen


@pytest.fixture(scope="module")
def heard() -> dict[str, list[Any]]:
    """What the handlers listen to, by kind."""
    listening = Listening()
    handlers.register(listening, None, None)  # type: ignore[arg-type]
    return listening.heard


def _methods() -> set[str]:
    """Every Web API method that Rekey's own code calls, by Slack's name for it."""
    names = {name.replace(".", "_"): name for name in METHODS}  # `chat_postMessage`, as slack_sdk writes it
    called: set[str] = set()
    for folder in ("bot", "handlers"):
        for file in (ROOT / folder).rglob("*.py"):
            if (ROOT / "bot" / "demo") not in file.parents:
                called |= names.keys() & set(re.findall(r"\b[A-Za-z_]+\b", file.read_text("utf-8")))
    return {names[each] for each in called}


def test_every_command_and_event_is_both_asked_for_and_listened_to(heard: dict[str, list[Any]]) -> None:
    assert {entry["command"] for entry in MANIFEST["features"]["slash_commands"]} == set(heard["command"])
    assert {event if isinstance(event, str) else event["type"] for event in heard["event"]} == EVENTS
    assert ids.COMMAND in heard["command"]


def test_interactivity_is_on_because_there_are_buttons_forms_and_menus(heard: dict[str, list[Any]]) -> None:
    assert heard["action"]
    assert heard["options"]
    assert MANIFEST["settings"]["interactivity"]["is_enabled"]
    assert not heard["shortcut"]
    assert "shortcuts" not in MANIFEST["features"]


def test_every_scope_is_needed_and_every_needed_scope_is_there() -> None:
    needed = {"commands"}
    for method in _methods():
        scope = METHODS[method].scope
        if METHODS[method].token == "bot":
            needed |= _BY_CONVERSATION.get(method, {scope} if scope else set())
    for event in EVENTS:
        needed |= _BY_EVENT[event]
    assert needed == SCOPES


def test_every_scope_and_event_says_what_it_is_for() -> None:
    lines = (ROOT / "app_manifest.yaml").read_text("utf-8").splitlines()
    said = {found[1] for line in lines if (found := re.fullmatch(r" +- ([a-z_:.]+) # \S.*", line))}
    assert said == SCOPES | EVENTS


def test_the_manifest_is_of_the_published_form() -> None:
    app = App.from_manifest(MANIFEST)
    assert app.home_tab
    assert app.messages_tab
    assert app.socket_mode
    about = MANIFEST["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert len(EVENTS) == len(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    assert not MANIFEST["settings"]["org_deploy_enabled"]
