"""chat.*: posting, changing and removing messages (docs.slack.dev/reference/methods)."""

from typing import Any

from ..content import Content, read_content
from ..errors import SlackError
from ..wire import message_json
from ..workspace import Channel, Message
from .call import Call


def post_message(call: Call) -> dict[str, Any]:
    """chat.postMessage: into a channel the bot is in, a DM, or (by user id) a DM opened on the way."""
    channel = _where_to_post(call)
    content = _content(call)
    thread_ts = _thread(call, channel)
    message = call.slack.post_as_bot(
        channel,
        content,
        thread_ts=thread_ts,
        broadcast=thread_ts is not None and call.flag("reply_broadcast"),
        client_msg_id=call.optional("client_msg_id"),
        unfurl={name: call.flag(name) for name in ("unfurl_links", "unfurl_media") if name in call.arguments},
    )
    return {
        "channel": channel.id,
        "ts": message.ts,
        "message": message_json(message, call.workspace, call.app),
    }


def post_ephemeral(call: Call) -> dict[str, Any]:
    """chat.postEphemeral: shown to one member of the channel, kept nowhere."""
    channel = _where_to_post(call)
    user = call.text("user")
    content = _content(call)
    if user not in channel.members or call.workspace.person(user).deleted:
        raise SlackError("user_not_in_channel")
    message = call.slack.post_as_bot(channel, content, thread_ts=_thread(call, channel), only_for=user)
    return {"message_ts": message.ts}


def update(call: Call) -> dict[str, Any]:
    """chat.update: the bot's own messages only, never an ephemeral, and nothing in an archived channel."""
    channel = call.channel()
    if channel.archived:
        raise SlackError("is_inactive")
    message = _own_message(call, channel, "cant_update_message")
    content = _content(call)
    call.slack.edit(message, content)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": message_json(message, call.workspace, call.app),
    }


def delete(call: Call) -> dict[str, Any]:
    """chat.delete: the bot's own messages only."""
    channel = call.channel()
    message = _own_message(call, channel, "cant_delete_message")
    call.slack.delete(message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> dict[str, Any]:
    """chat.getPermalink: where a message can be linked to, if the bot can see it."""
    channel = call.channel()
    message = channel.messages.get(call.text("message_ts"))
    if message is None:
        raise SlackError("message_not_found")
    link = f"{call.slack.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def _content(call: Call) -> Content:
    return read_content(
        text=call.optional("text"),
        blocks=call.structure("blocks", "invalid_blocks_format"),
        attachments=call.structure("attachments", "invalid_attachments"),
        metadata=call.structure("metadata", "invalid_metadata_format"),
    )


def _where_to_post(call: Call) -> Channel:
    wanted = call.text("channel")
    if wanted in call.workspace.people:
        person = call.workspace.person(wanted)
        if person.deleted or not call.app.messages_tab:
            raise SlackError("messages_tab_disabled" if not call.app.messages_tab else "channel_not_found")
        return call.workspace.direct(call.me, wanted)
    channel = call.workspace.channel_named(wanted) or call.workspace.channels.get(wanted)
    if channel is None or not call.workspace.may_see(channel, call.me):
        raise SlackError("channel_not_found")
    if channel.archived:
        raise SlackError("is_archived")
    if call.me not in channel.members and not (channel.kind == "public" and call.may("chat:write.public")):
        raise SlackError("not_in_channel")
    return channel


def _thread(call: Call, channel: Channel) -> str | None:
    thread_ts = call.optional("thread_ts")
    if thread_ts is None:
        return None
    root = channel.messages.get(thread_ts)
    if root is None or root.is_reply:
        raise SlackError("cannot_reply_to_message")
    return thread_ts


def _own_message(call: Call, channel: Channel, when_not_own: str) -> Message:
    message = channel.messages.get(call.text("ts"))
    if message is None:
        raise SlackError("message_not_found")
    if message.user != call.me:
        raise SlackError(when_not_own)
    return message
