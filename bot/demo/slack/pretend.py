"""The pretend Slack itself: one workspace, one installed app, and everything between them.

`web_api` is what the app calls, `interactions` what people do, `delivery` how the app hears of it; this is what they
share. All of it lives on one event loop and is not thread-safe; `server` and `driver` cross over from other threads.
"""

from typing import Any

from .clock import Clock
from .content import Content
from .delivery import Delivery
from .delivery.signed_http import SignedHttp
from .delivery.sockets import Sockets
from .events import Events
from .faults import Faults
from .manifest import App
from .passes import ResponseUrls, Triggers
from .traffic import Traffic
from .views import Views
from .workspace import Channel, Message, Person, Workspace


class PretendSlack:
    """One workspace with one app in it. `base_url` and the sockets' address are set once the server listens."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.clock = Clock()
        self.workspace = Workspace(self.clock)
        self.faults = Faults(self.clock)
        self.triggers = Triggers(self.clock)
        self.response_urls = ResponseUrls(self.clock)
        self.views = Views(self.workspace, app)
        self.traffic = Traffic(self.clock.now, lambda: self.workspace.changed("traffic"))
        self.sockets = Sockets(app, self.clock, self.faults)
        self.http = SignedHttp(app, self.clock)
        self.delivery = Delivery(
            lambda: self.sockets if app.socket_mode else self.http, self.clock, self.faults, self.traffic
        )
        self.events = Events(self.workspace, app, self.views, self.delivery)
        self.base_url = ""
        self.looking_at: dict[str, str] = {}
        """Which conversation each person has in front of them."""
        self.workspace.add_person(app.bot_name.lower(), app.bot_name, id=app.bot_user_id, is_bot=True)

    # What the app does

    def post_as_bot(
        self,
        channel: Channel,
        content: Content,
        *,
        thread_ts: str | None = None,
        broadcast: bool = False,
        only_for: str | None = None,
        client_msg_id: str | None = None,
        unfurl: dict[str, bool] | None = None,
    ) -> Message:
        """Post as the app's bot; `only_for` makes it an ephemeral, which nobody else is told of."""
        message = self.workspace.post(
            Message(
                ts=self.workspace.new_ts(),
                channel=channel.id,
                user=self.app.bot_user_id,
                text=content.text,
                blocks=content.blocks,
                attachments=content.attachments,
                metadata=content.metadata,
                bot_id=self.app.bot_id,
                thread_ts=thread_ts,
                broadcast=broadcast,
                only_for=only_for,
                client_msg_id=client_msg_id,
                unfurl=unfurl or {},
            )
        )
        if only_for is None:
            self.events.message(channel, message)
        return message

    def edit(self, message: Message, content: Content) -> None:
        """Replace what a message shows; text alone removes its blocks, as chat.update does."""
        message.text, message.blocks = content.text, content.blocks
        message.attachments = content.attachments
        if content.metadata is not None:
            message.metadata = content.metadata
        message.edited = {"user": message.user, "ts": self.workspace.new_ts()}
        self.workspace.touch(message)
        if message.only_for is None:
            self.events.message_changed(self.workspace.channels[message.channel], message)

    def delete(self, message: Message) -> None:
        """Take a message away."""
        self.workspace.remove(message)
        if message.only_for is None:
            self.events.message_deleted(self.workspace.channels[message.channel], message)

    # What happens to conversations and people

    def join(self, channel: Channel, user_id: str, inviter: str | None = None) -> None:
        """Somebody becomes a member; the app hears of it if it is in the channel."""
        if user_id in channel.members:
            return
        channel.members.append(user_id)
        self._system(channel, user_id, "channel_join", f"<@{user_id}> has joined the channel")
        self.events.membership("member_joined_channel", channel, user_id, inviter)
        self.workspace.changed("channels")

    def leave(self, channel: Channel, user_id: str) -> None:
        """Somebody stops being a member; the app hears of it if it was in the channel, also of its own removal."""
        if user_id not in channel.members:
            return
        self.events.membership("member_left_channel", channel, user_id, None)
        channel.members.remove(user_id)
        self._system(channel, user_id, "channel_leave", f"<@{user_id}> has left the channel")
        self.workspace.changed("channels")

    def archive(self, channel: Channel, user_id: str) -> None:
        """Nobody can write here any more."""
        channel.archived = True
        self.events.about_channel("channel_archive", channel, channel=channel.id, user=user_id)
        self.workspace.changed("channels")

    def unarchive(self, channel: Channel, user_id: str) -> None:
        """And now they can again."""
        channel.archived = False
        self.events.about_channel("channel_unarchive", channel, channel=channel.id, user=user_id)
        self.workspace.changed("channels")

    def rename(self, channel: Channel, name: str) -> None:
        """Give a channel another name; SlackError if it may not have it."""
        self.workspace.check_name(name)
        channel.previous_names.append(channel.name)
        channel.name = name
        details = {"id": channel.id, "name": name, "created": channel.created}
        self.events.about_channel("channel_rename", channel, channel=details)
        self.workspace.changed("channels")

    def share_outside(self, channel: Channel) -> None:
        """Connect a channel to another company's workspace."""
        channel.shared_outside = True
        self.emit("channel_shared", channel=channel.id, connected_team_id="T0STRANGER")
        self.workspace.changed("channels")

    def deactivate(self, person: Person) -> None:
        """The person leaves the company: their account stays, and can do nothing."""
        person.deleted = True
        self.change_person(person)

    def change_person(self, person: Person) -> None:
        """Tell the app that something about a person is different."""
        person.updated = int(self.clock.now())
        self.events.person("user_change", person)
        self.workspace.changed("people")

    def uninstall(self) -> None:
        """Somebody removes the app: it hears so once, its tokens stop working, its views go."""
        self.emit("tokens_revoked", tokens={"oauth": [], "bot": [self.app.bot_user_id]})
        self.emit("app_uninstalled")
        self.app.revoked = True
        self.views.forget()

    async def go_away(self) -> None:
        """Slack has an outage: sockets drop, and nothing that belongs to it answers until `come_back`."""
        self.faults.away = True
        await self.sockets.drop()

    def come_back(self) -> None:
        """The outage is over; the app has to find its way back by itself."""
        self.faults.away = False

    def emit(self, event_type: str, /, **fields: Any) -> bool:
        """Send the app any event; False if its manifest does not subscribe to it."""
        return self.events.send(event_type, fields)

    def _system(self, channel: Channel, user_id: str, subtype: str, text: str) -> None:
        message = Message(self.workspace.new_ts(), channel.id, user_id, text, subtype=subtype)
        self.workspace.post(message)
        self.events.message(channel, message)
