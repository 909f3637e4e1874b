"""The app under test, as its manifest describes it (docs.slack.dev/reference/app-manifest)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import SetupError

# Without one of these scopes Slack never sends the event (docs.slack.dev/reference/events).
SCOPES_OF_EVENTS: Mapping[str, frozenset[str]] = {
    "app_mention": frozenset({"app_mentions:read"}),
    "channel_archive": frozenset({"channels:read"}),
    "channel_created": frozenset({"channels:read"}),
    "channel_deleted": frozenset({"channels:read"}),
    "channel_rename": frozenset({"channels:read"}),
    "channel_shared": frozenset({"channels:read", "groups:read"}),
    "channel_unarchive": frozenset({"channels:read"}),
    "group_archive": frozenset({"groups:read"}),
    "group_rename": frozenset({"groups:read"}),
    "group_unarchive": frozenset({"groups:read"}),
    "member_joined_channel": frozenset({"channels:read", "groups:read"}),
    "member_left_channel": frozenset({"channels:read", "groups:read"}),
    "message.channels": frozenset({"channels:history"}),
    "message.groups": frozenset({"groups:history"}),
    "message.im": frozenset({"im:history"}),
    "message.mpim": frozenset({"mpim:history"}),
    "team_join": frozenset({"users:read"}),
    "user_change": frozenset({"users:read"}),
}


@dataclass(frozen=True)
class Command:
    """A slash command of the app: `/rotate`, with what the composer shows about it."""

    name: str
    description: str
    usage_hint: str
    should_escape: bool = False


@dataclass(frozen=True)
class Shortcut:
    """A global (`global`) or message (`message`) shortcut of the app."""

    name: str
    callback_id: str
    kind: str
    description: str


@dataclass
class App:
    """An installed app: what it may do, what it wants to hear, and the secrets that prove it is itself."""

    name: str
    bot_name: str
    scopes: frozenset[str]
    commands: dict[str, Command]
    shortcuts: list[Shortcut]
    events: frozenset[str]
    home_tab: bool
    messages_tab: bool
    interactivity: bool
    socket_mode: bool
    id: str = "A0PRETEND1"
    bot_id: str = "B0PRETEND1"
    bot_user_id: str = "U0PRETENDB"
    bot_token: str = "xoxb-0000000000-pretend"  # noqa: S105 - opens nothing but this stand-in
    app_token: str = "xapp-1-A0PRETEND1-0000000000-pretend"  # noqa: S105
    signing_secret: str = "pretend-signing-secret"  # noqa: S105
    verification_token: str = "pretend-verification"  # noqa: S105
    app_token_scopes: frozenset[str] = field(default_factory=lambda: frozenset({"connections:write"}))
    revoked: bool = False

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> "App":
        """Read an app manifest (the dict its YAML or JSON holds); SetupError if it contradicts itself."""
        try:
            return cls._read(manifest)
        except (KeyError, TypeError, AttributeError) as error:
            raise SetupError(f"The app manifest is not of the published form: {error!r}. See app-manifest.") from error

    @classmethod
    def _read(cls, manifest: Mapping[str, Any]) -> "App":
        features = manifest.get("features", {})
        settings = manifest.get("settings", {})
        home = features.get("app_home", {})
        commands = [
            Command(
                entry["command"],
                entry.get("description", ""),
                entry.get("usage_hint", ""),
                bool(entry.get("should_escape", False)),
            )
            for entry in features.get("slash_commands", [])
        ]
        shortcuts = [
            Shortcut(entry["name"], entry["callback_id"], entry["type"], entry.get("description", ""))
            for entry in features.get("shortcuts", [])
        ]
        _refuse_duplicates("slash command", (command.name for command in commands))
        _refuse_duplicates("shortcut callback_id", (shortcut.callback_id for shortcut in shortcuts))
        for command in commands:
            if not command.name.startswith("/"):
                raise SetupError(f"The slash command {command.name!r} in the manifest must start with a slash.")
        scopes = frozenset(manifest.get("oauth_config", {}).get("scopes", {}).get("bot", []))
        events = frozenset(settings.get("event_subscriptions", {}).get("bot_events", []))
        if (commands or shortcuts) and "commands" not in scopes:
            raise SetupError("The manifest has slash commands or shortcuts, which need the scope commands.")
        for event in sorted(events):
            needed = SCOPES_OF_EVENTS.get(event, frozenset())
            if needed and not needed & scopes:
                raise SetupError(
                    f"The manifest subscribes to {event}, which needs the scope {' or '.join(sorted(needed))}."
                )
        return cls(
            name=manifest["display_information"]["name"],
            bot_name=features.get("bot_user", {}).get("display_name", manifest["display_information"]["name"]),
            scopes=scopes,
            commands={command.name: command for command in commands},
            shortcuts=shortcuts,
            events=events,
            home_tab=bool(home.get("home_tab_enabled", False)),
            messages_tab=bool(home.get("messages_tab_enabled", True)),
            interactivity=bool(settings.get("interactivity", {}).get("is_enabled", False)),
            socket_mode=bool(settings.get("socket_mode_enabled", False)),
        )


def _refuse_duplicates(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise SetupError(f"The manifest names the {what} {value!r} twice; keep one of them.")
        seen.add(value)
