"""The workspace's things as Slack's JSON (docs.slack.dev/reference/objects)."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from .manifest import App
from .workspace import Channel, Message, Person, Workspace


def person_json(person: Person, app: App, workspace: Workspace, *, with_email: bool) -> dict[str, Any]:
    """A user object; the email is only there for tokens with `users:read.email`."""
    profile = {
        "real_name": person.real_name,
        "display_name": person.name,
        "real_name_normalized": person.real_name,
        "display_name_normalized": person.name,
        "team": person.team_id,
    }
    if with_email and person.email:
        profile["email"] = person.email
    if person.is_bot and person.id == app.bot_user_id:
        profile |= {"api_app_id": app.id, "bot_id": app.bot_id}
    now = datetime.now(ZoneInfo(person.tz))
    offset = now.utcoffset()
    return {
        "id": person.id,
        "team_id": person.team_id,
        "name": person.name,
        "deleted": person.deleted,
        "real_name": person.real_name,
        "tz": person.tz,
        "tz_label": now.tzname(),
        "tz_offset": int(offset.total_seconds()) if offset else 0,
        "profile": profile,
        "is_admin": person.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": person.is_guest,
        "is_ultra_restricted": False,
        "is_bot": person.is_bot,
        "is_stranger": person.team_id != workspace.team_id,
        "is_app_user": False,
        "updated": person.updated,
    }


def channel_json(channel: Channel, workspace: Workspace, user_id: str) -> dict[str, Any]:
    """A conversation object as this member sees it."""
    common: dict[str, Any] = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.archived,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.is_private,
        "is_org_shared": False,
        "context_team_id": workspace.team_id,
    }
    if channel.kind == "im":
        others = [member for member in channel.members if member != user_id]
        return {**common, "user": others[0] if others else user_id, "is_open": True, "priority": 0}
    return {
        **common,
        "name": channel.name,
        "name_normalized": channel.name,
        "creator": channel.creator,
        "is_general": channel.name == "general",
        "is_shared": channel.shared_outside,
        "is_ext_shared": channel.shared_outside,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "is_member": user_id in channel.members,
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": channel.purpose, "creator": "", "last_set": 0},
        "previous_names": channel.previous_names,
        "num_members": len(channel.members),
    }


def message_json(message: Message, workspace: Workspace, app: App, with_metadata: bool = True) -> dict[str, Any]:
    """A message object, with its thread's counts when it is the root of one."""
    answer: dict[str, Any] = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": workspace.team_id,
    }
    if message.subtype is not None:
        answer["subtype"] = message.subtype
    if message.bot_id is not None:
        answer |= {
            "bot_id": message.bot_id,
            "app_id": app.id,
            "bot_profile": {"id": app.bot_id, "app_id": app.id, "name": app.bot_name, "team_id": workspace.team_id},
        }
    if message.client_msg_id is not None:
        answer["client_msg_id"] = message.client_msg_id
    if message.blocks:
        answer["blocks"] = message.blocks
    if message.attachments:
        answer["attachments"] = message.attachments
    if message.edited is not None:
        answer["edited"] = message.edited
    if message.metadata is not None and with_metadata:
        answer["metadata"] = message.metadata
    if message.only_for is not None:
        answer["is_ephemeral"] = True
    if message.thread_ts is not None:
        answer["thread_ts"] = message.thread_ts
    replies = workspace.replies(workspace.channels[message.channel], message.ts)
    if replies:
        answer |= {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users": list(dict.fromkeys(reply.user for reply in replies)),
            "latest_reply": replies[-1].ts,
        }
    elif message.is_reply:
        root = workspace.channels[message.channel].messages.get(message.thread_ts or "")
        answer["parent_user_id"] = root.user if root else None
    return answer
