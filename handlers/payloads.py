"""What Slack sends when somebody does something, read (docs.slack.dev/reference/interaction-payloads)."""

from collections.abc import Mapping
from typing import Any

from blocks import parts

Body = Mapping[str, Any]


def user_of(body: Body) -> str | None:
    """Who did it; None for an event nobody asked Rekey for. Of events, only opening Home is a person's doing."""
    event = body.get("event")
    if event is not None:
        return event.get("user") if event.get("type") == "app_home_opened" else None
    user = body.get("user")
    return body.get("user_id") or (user.get("id") if isinstance(user, dict) else None) or ""


def teams_of(body: Body) -> set[str]:
    """Every team this names: the one it was sent to, and the one of whoever did it."""
    user, team = body.get("user"), body.get("team")
    named = {body.get("team_id")}
    named |= {each.get(key) for each, key in ((team, "id"), (user, "team_id")) if isinstance(each, dict)}
    return {each for each in named if each}


def what_of(body: Body) -> str:
    """The command with its words, the action id, the callback id or the event: what was asked, for people."""
    if "event" in body:
        return str(body["event"].get("type"))
    if "command" in body:
        return f"{body['command']} {parts.clean(str(body.get('text') or 'overview'), 60)}"
    if body.get("actions"):
        return str(body["actions"][0].get("action_id"))
    return str(body.get("action_id") or view_of(body).get("callback_id") or body.get("type"))


def where_of(body: Body) -> str:
    """`command`, `card`, `modal` or `home`: how it was asked."""
    if "command" in body:
        return "command"
    if "event" in body:
        return "home"
    return str(view_of(body).get("type") or "card")


def view_of(body: Body) -> Body:
    """The modal or Home it happened in; empty for a message."""
    return body.get("view") or {}


def channel_of(body: Body) -> str | None:
    """The conversation it happened in."""
    channel = body.get("channel_id") or body.get("channel") or (body.get("container") or {}).get("channel_id")
    return str(channel["id"] if isinstance(channel, dict) else channel) if channel else None
