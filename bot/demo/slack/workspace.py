"""The workspace: people, conversations and messages, and who can see which of them.

This is the only state of the pretend Slack that outlives an interaction. It knows nothing of HTTP, tokens or apps
beyond the bot user; every change is told to `watchers`, which is how the page and the driver stay live.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .clock import Clock
from .errors import SetupError, SlackError

Kind = Literal["public", "private", "im", "mpim"]
Block = dict[str, Any]

NAME_MOST = 80


@dataclass
class Person:
    """A member of the workspace, human or bot. `email` and `tz` are what users.info answers."""

    id: str
    name: str
    real_name: str
    email: str = ""
    tz: str = "Etc/UTC"
    is_bot: bool = False
    is_admin: bool = False
    is_guest: bool = False
    deleted: bool = False
    team_id: str = ""
    updated: int = 0


@dataclass
class Message:
    """A message. `version` grows with every change; `only_for` holds the one person who sees an ephemeral."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    attachments: list[Block] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    bot_id: str | None = None
    subtype: str | None = None
    edited: dict[str, str] | None = None
    metadata: dict[str, Any] | None = None
    client_msg_id: str | None = None
    unfurl: dict[str, bool] = field(default_factory=dict)
    only_for: str | None = None
    version: int = 1

    @property
    def is_reply(self) -> bool:
        """True for a message that lives in a thread and not in the channel itself."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class Channel:
    """A conversation of any kind. Messages are kept in the order of their timestamps."""

    id: str
    name: str
    kind: Kind
    members: list[str]
    creator: str
    created: int
    archived: bool = False
    shared_outside: bool = False
    topic: str = ""
    purpose: str = ""
    previous_names: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    ephemerals: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)  # root ts → the ts of its replies
    last_read: dict[str, str] = field(default_factory=dict)

    @property
    def is_private(self) -> bool:
        """True when only members may know it exists."""
        return self.kind != "public"


@dataclass(frozen=True)
class Change:
    """Something a screen may have to redraw: `what` is messages, channels, people, views, home, notices, traffic."""

    what: str
    channel: str | None = None
    person: str | None = None


class Workspace:
    """One team with its people and conversations."""

    def __init__(self, clock: Clock, name: str = "Pretend") -> None:
        self.clock = clock
        self.team_id = "T0PRETEND"
        self.name = name
        self.domain = "pretend"
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.usergroups: dict[str, list[str]] = {}
        self.watchers: list[Callable[[Change], None]] = []
        self._numbers = itertools.count(1)
        self._last_ts = 0

    def changed(self, what: str, *, channel: str | None = None, person: str | None = None) -> None:
        """Tell everybody who watches that something looks different now."""
        change = Change(what, channel, person)
        for watcher in list(self.watchers):
            watcher(change)

    def new_id(self, prefix: str) -> str:
        """A fresh id of Slack's form: a letter for the kind, then capitals and digits."""
        return f"{prefix}0P{next(self._numbers):07X}"

    def new_ts(self) -> str:
        """A fresh message timestamp, unique and later than all before."""
        self._last_ts = max(self._last_ts + 1, int(self.clock.now() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # People

    def add_person(self, name: str, real_name: str = "", **details: Any) -> Person:
        """Add a member; `details` are fields of `Person`. SetupError when the id, name or email is taken."""
        person = Person(
            id=details.pop("id", None) or self.new_id("U"),
            name=name,
            real_name=real_name or name.capitalize(),
            team_id=details.pop("team_id", self.team_id),
            updated=int(self.clock.now()),
            **details,
        )
        if person.id in self.people:
            raise SetupError(f"Two people have the id {person.id!r}; give one of them another id, or none.")
        for other in self.people.values():
            if other.name == person.name or (person.email and other.email.lower() == person.email.lower()):
                raise SetupError(f"{person.name!r} has the name or email of {other.name!r}; each must be unique.")
        self.people[person.id] = person
        self.changed("people")
        return person

    def person(self, user_id: str) -> Person:
        """The member with this id; SlackError `user_not_found` otherwise."""
        try:
            return self.people[user_id]
        except KeyError:
            raise SlackError("user_not_found") from None

    # Conversations

    def add_channel(self, name: str, members: Iterable[str], **details: Any) -> Channel:
        """Add a channel; `details` are fields of `Channel` (kind, id, topic …). SetupError when id or name is taken."""
        channel = Channel(
            id=details.pop("id", None) or self.new_id("C"),
            name=name,
            kind=details.pop("kind", "public"),
            members=list(members),
            creator=details.pop("creator", ""),
            created=int(self.clock.now()),
            **details,
        )
        if channel.id in self.channels:
            raise SetupError(f"Two channels have the id {channel.id!r}; give one of them another id, or none.")
        if self.channel_named(name) is not None:
            raise SetupError(f"Two channels are called #{name}; names must be unique.")
        for user_id in channel.members:
            if user_id not in self.people:
                raise SetupError(f"#{name} lists the member {user_id!r}, whom nobody has added.")
        self.channels[channel.id] = channel
        self.changed("channels")
        return channel

    def create_channel(self, name: str, creator: str, kind: Kind) -> Channel:
        """Create a channel by Slack's rules for names; SlackError `invalid_name_…` or `name_taken`."""
        self.check_name(name)
        channel = Channel(self.new_id("C"), name, kind, [creator], creator, int(self.clock.now()))
        self.channels[channel.id] = channel
        self.changed("channels")
        return channel

    def check_name(self, name: str) -> None:
        """SlackError unless a channel may be given this name."""
        if not name:
            raise SlackError("invalid_name_required")
        if len(name) > NAME_MOST:
            raise SlackError("invalid_name_maxlength")
        if re.fullmatch(r"[-_]+", name):
            raise SlackError("invalid_name_punctuation")
        if not re.fullmatch(r"[-_\w]+", name) or name != name.lower():
            raise SlackError("invalid_name_specials")
        if self.channel_named(name) is not None:
            raise SlackError("name_taken")

    def channel_named(self, name: str) -> Channel | None:
        """The public or private channel of this name, or None."""
        wanted = name.removeprefix("#")
        for channel in self.channels.values():
            if channel.kind in ("public", "private") and channel.name == wanted:
                return channel
        return None

    def direct(self, *user_ids: str) -> Channel:
        """The DM (two people) or group DM between these people, opened if need be."""
        wanted = sorted(set(user_ids))
        kind: Kind = "im" if len(wanted) <= 2 else "mpim"
        for channel in self.channels.values():
            if channel.kind == kind and sorted(channel.members) == wanted:
                return channel
        name = "" if kind == "im" else f"mpdm-{'--'.join(self.person(one).name for one in wanted)}-1"
        prefix = "D" if kind == "im" else "G"
        channel = Channel(self.new_id(prefix), name, kind, list(wanted), wanted[0], int(self.clock.now()))
        self.channels[channel.id] = channel
        self.changed("channels")
        return channel

    def channel_for(self, channel_id: str, user_id: str) -> Channel:
        """A conversation this person may know of; `channel_not_found` for one that is hidden from them."""
        channel = self.channels.get(channel_id)
        if channel is None or not self.may_see(channel, user_id):
            raise SlackError("channel_not_found")
        return channel

    def may_see(self, channel: Channel, user_id: str) -> bool:
        """Members see everything; other full members see that public channels exist; guests do not."""
        if user_id in channel.members:
            return True
        person = self.people.get(user_id)
        return channel.kind == "public" and person is not None and not person.is_guest

    # Messages

    def post(self, message: Message) -> Message:
        """Put a message where it belongs: into the channel, or, ephemeral, in front of one person only."""
        channel = self.channels[message.channel]
        if message.only_for is None:
            channel.messages[message.ts] = message
            channel.last_read[message.user] = message.ts
            if message.is_reply:
                channel.threads.setdefault(message.thread_ts or "", []).append(message.ts)
                self._touch_root(channel, message)
        else:
            channel.ephemerals[message.ts] = message
        self.changed("messages", channel=channel.id, person=message.only_for)
        return message

    def touch(self, message: Message) -> None:
        """Say that a message looks different now."""
        message.version += 1
        self.changed("messages", channel=message.channel, person=message.only_for)

    def remove(self, message: Message) -> None:
        """Take a message away for everybody who saw it."""
        channel = self.channels[message.channel]
        channel.messages.pop(message.ts, None)
        channel.ephemerals.pop(message.ts, None)
        siblings = channel.threads.get(message.thread_ts or "", [])
        if message.ts in siblings:
            siblings.remove(message.ts)
            self._touch_root(channel, message)
        self.changed("messages", channel=channel.id, person=message.only_for)

    def _touch_root(self, channel: Channel, reply: Message) -> None:
        root = channel.messages.get(reply.thread_ts or "")
        if root is not None:
            root.version += 1

    def visible(self, channel: Channel, user_id: str) -> Iterator[Message]:
        """What this person sees in a conversation, oldest first, their own ephemerals among the rest."""
        mine = [message for message in channel.ephemerals.values() if message.only_for == user_id]
        if not mine:
            yield from channel.messages.values()
            return
        yield from sorted([*channel.messages.values(), *mine], key=lambda message: message.ts)

    def replies(self, channel: Channel, thread_ts: str) -> list[Message]:
        """The replies below a root message, oldest first, without the root."""
        return [channel.messages[ts] for ts in channel.threads.get(thread_ts, [])]

    def unread(self, channel: Channel, user_id: str) -> int:
        """How many messages in the channel itself came after this person last looked."""
        seen = channel.last_read.get(user_id, "")
        count = 0
        for message in reversed(channel.messages.values()):
            if message.ts <= seen:
                break
            count += message.user != user_id and (not message.is_reply or message.broadcast)
        return count

    def mark_read(self, channel: Channel, user_id: str) -> None:
        """This person has looked at everything in the channel."""
        latest = next(reversed(channel.messages), "")
        if channel.last_read.get(user_id, "") < latest:
            channel.last_read[user_id] = latest
            self.changed("channels", person=user_id)
