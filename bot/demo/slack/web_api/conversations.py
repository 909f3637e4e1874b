"""conversations.* and users.conversations."""

from typing import Any

from ..errors import SlackError
from ..wire import channel_json, message_json
from ..workspace import Channel, Kind, Message
from .call import Call, cursor, read_cursor

_SCOPE_NAMES: dict[Kind, str] = {"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}
_TYPE_NAMES: dict[str, Kind] = {
    "public_channel": "public",
    "private_channel": "private",
    "im": "im",
    "mpim": "mpim",
}
PEOPLE_IN_GROUP_DM_MOST = 8


def list_all(call: Call) -> dict[str, Any]:
    """conversations.list: every public channel, and the private ones and DMs the bot is in."""
    kinds = _kinds(call)
    found = [
        channel
        for channel in call.workspace.channels.values()
        if channel.kind in kinds and (channel.kind == "public" or call.me in channel.members)
    ]
    return _channel_page(call, found, call.me)


def of_user(call: Call) -> dict[str, Any]:
    """users.conversations: those a person is in, as far as the bot may know them."""
    kinds = _kinds(call)
    user = call.optional("user") or call.me
    call.workspace.person(user)
    found = [
        channel
        for channel in call.workspace.channels.values()
        if channel.kind in kinds
        and user in channel.members
        and (channel.kind == "public" or call.me in channel.members)
    ]
    return _channel_page(call, found, user)


def info(call: Call) -> dict[str, Any]:
    """conversations.info."""
    channel = call.channel()
    call.need(f"{_SCOPE_NAMES[channel.kind]}:read")
    return {"channel": channel_json(channel, call.workspace, call.me)}


def members(call: Call) -> dict[str, Any]:
    """conversations.members, paged."""
    channel = call.channel()
    call.need(f"{_SCOPE_NAMES[channel.kind]}:read")
    page, metadata = call.page(channel.members)
    return {"members": page, "response_metadata": metadata}


def open_direct(call: Call) -> dict[str, Any]:
    """conversations.open: the DM with one person, or the group DM with several."""
    if call.optional("channel"):
        channel = call.channel()
        if channel.kind not in ("im", "mpim"):
            raise SlackError("method_not_supported_for_channel_type")
    else:
        people = call.words("users")
        if not people:
            raise SlackError("users_list_not_supplied")
        if len(people) > PEOPLE_IN_GROUP_DM_MOST:
            raise SlackError("too_many_users")
        call.need("im:write" if len(people) == 1 else "mpim:write")
        if any(call.workspace.person(user).deleted for user in people):
            raise SlackError("user_disabled")
        channel = call.workspace.direct(call.me, *people)
    if call.flag("return_im"):
        return {"channel": channel_json(channel, call.workspace, call.me)}
    return {"channel": {"id": channel.id}}


def history(call: Call) -> dict[str, Any]:
    """conversations.history: newest first; replies are left out unless broadcast."""
    channel = _readable(call)
    shown = [m for m in channel.messages.values() if not m.is_reply or m.broadcast]
    page, metadata = _message_page(call, list(reversed(_within(call, shown))))
    return {
        "messages": _as_json(call, page),
        "has_more": bool(metadata["next_cursor"]),
        "pin_count": 0,
        "response_metadata": metadata,
    }


def replies(call: Call) -> dict[str, Any]:
    """conversations.replies: the root, then its replies, oldest first."""
    channel = _readable(call)
    root = channel.messages.get(call.text("ts"))
    if root is None:
        raise SlackError("thread_not_found")
    if root.is_reply:
        root = channel.messages[root.thread_ts or root.ts]
    page, metadata = _message_page(call, _within(call, [root, *call.workspace.replies(channel, root.ts)]))
    return {
        "messages": _as_json(call, page),
        "has_more": bool(metadata["next_cursor"]),
        "response_metadata": metadata,
    }


def join(call: Call) -> dict[str, Any]:
    """conversations.join: public channels only."""
    channel = call.channel()
    if channel.kind != "public":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    answer: dict[str, Any] = {}
    if call.me in channel.members:
        answer = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    else:
        call.slack.join(channel, call.me)
    return {"channel": channel_json(channel, call.workspace, call.me), **answer}


def invite(call: Call) -> dict[str, Any]:
    """conversations.invite: by a member, of people who are not in it yet."""
    channel = _own_channel(call, "channels:write.invites", "channels:manage", "groups:write.invites", "groups:write")
    people = call.words("users")
    if not people:
        raise SlackError("no_user")
    for user in people:
        person = call.workspace.person(user)
        if user == call.me:
            raise SlackError("cant_invite_self")
        if person.deleted:
            raise SlackError("cant_invite")
        if user in channel.members:
            raise SlackError("already_in_channel")
    for user in people:
        call.slack.join(channel, user, inviter=call.me)
    return {"channel": channel_json(channel, call.workspace, call.me)}


def create(call: Call) -> dict[str, Any]:
    """conversations.create."""
    private = call.flag("is_private")
    call.need("groups:write" if private else "channels:manage")
    channel = call.workspace.create_channel(call.optional("name") or "", call.me, "private" if private else "public")
    call.slack.emit("channel_created", channel={"id": channel.id, "name": channel.name, "creator": call.me})
    return {"channel": channel_json(channel, call.workspace, call.me)}


def archive(call: Call) -> dict[str, Any]:
    """conversations.archive."""
    channel = call.channel()
    if channel.archived:
        raise SlackError("already_archived")
    if channel.name == "general":
        raise SlackError("cant_archive_general")
    channel = _own_channel(call, "channels:manage", "groups:write")
    call.slack.archive(channel, call.me)
    return {}


def rename(call: Call) -> dict[str, Any]:
    """conversations.rename."""
    channel = _own_channel(call, "channels:manage", "groups:write")
    call.slack.rename(channel, call.optional("name") or "")
    return {"channel": channel_json(channel, call.workspace, call.me)}


def _own_channel(call: Call, *scopes: str) -> Channel:
    channel = call.channel()
    if channel.kind not in ("public", "private"):
        raise SlackError("method_not_supported_for_channel_type")
    prefix = "groups" if channel.kind == "private" else "channels"
    call.need(*(scope for scope in scopes if scope.startswith(prefix)))
    if channel.archived:
        raise SlackError("is_archived")
    if call.me not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def _readable(call: Call) -> Channel:
    channel = call.channel()
    call.need(f"{_SCOPE_NAMES[channel.kind]}:history")
    if call.me not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def _kinds(call: Call) -> set[Kind]:
    kinds: set[Kind] = set()
    for name in call.words("types") or ["public_channel"]:
        if name not in _TYPE_NAMES:
            raise SlackError("invalid_types")
        kinds.add(_TYPE_NAMES[name])
    for kind in kinds:
        call.need(f"{_SCOPE_NAMES[kind]}:read")
    return kinds


def _channel_page(call: Call, channels: list[Channel], user: str) -> dict[str, Any]:
    if call.flag("exclude_archived"):
        channels = [channel for channel in channels if not channel.archived]
    page, metadata = call.page(channels)
    return {
        "channels": [channel_json(channel, call.workspace, user) for channel in page],
        "response_metadata": metadata,
    }


def _within(call: Call, messages: list[Message]) -> list[Message]:
    oldest, latest = _ts(call, "oldest"), _ts(call, "latest")
    inclusive = call.flag("inclusive")

    def inside(ts: str) -> bool:
        if inclusive and ts in (oldest, latest):
            return True
        return (not oldest or ts > oldest) and (not latest or ts < latest)

    return [message for message in messages if inside(message.ts)]


def _ts(call: Call, name: str) -> str:
    value = call.optional(name)
    if value in (None, "", "0"):
        return ""
    whole, _, fraction = str(value).partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        raise SlackError(f"invalid_ts_{name}")
    return f"{whole}.{fraction:0<6}"


def _message_page(call: Call, messages: list[Message]) -> tuple[list[Message], dict[str, str]]:
    # A cursor names the last message seen, so that a page stays right while new messages arrive.
    after = read_cursor(call.optional("cursor"), "ts")
    limit = call.limit(100)
    start = 0
    if after:
        known = [index for index, message in enumerate(messages) if int(message.ts.replace(".", "")) == after]
        if not known:
            raise SlackError("invalid_cursor")
        start = known[0] + 1
    page = messages[start : start + limit]
    more = start + limit < len(messages)
    return page, {"next_cursor": cursor("ts", page[-1].ts.replace(".", "")) if more else ""}


def _as_json(call: Call, messages: list[Message]) -> list[dict[str, Any]]:
    with_metadata = call.flag("include_all_metadata")
    return [message_json(message, call.workspace, call.app, with_metadata) for message in messages]
