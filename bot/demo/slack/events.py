"""The Events API: which events the app is told of, and what they look like (docs.slack.dev/reference/events)."""

import itertools
from collections.abc import Mapping
from typing import Any

from .delivery import Delivery, Parcel
from .manifest import App
from .views import Views
from .wire import message_json, person_json
from .workspace import Channel, Kind, Message, Person, Workspace

# kind of conversation → (subscription that covers its messages, its name in `channel_type`)
_MESSAGES: dict[Kind, tuple[str, str]] = {
    "public": ("message.channels", "channel"),
    "private": ("message.groups", "group"),
    "im": ("message.im", "im"),
    "mpim": ("message.mpim", "mpim"),
}


class Events:
    """Builds event payloads and hands those the app subscribes to, and may see, to delivery."""

    def __init__(self, workspace: Workspace, app: App, views: Views, delivery: Delivery) -> None:
        self._workspace = workspace
        self._app = app
        self._views = views
        self._delivery = delivery
        self._count = itertools.count(1)

    def send(self, event_type: str, fields: Mapping[str, Any], subscription: str | None = None) -> bool:
        """Deliver an event if the manifest subscribes to it (by `subscription` where that differs from the type)."""
        if (subscription or event_type) not in self._app.events or self._app.revoked:
            return False
        event = {**fields, "type": event_type, "event_ts": self._workspace.new_ts()}
        team = self._workspace.team_id
        payload = {
            "token": self._app.verification_token,
            "team_id": team,
            "context_team_id": team,
            "context_enterprise_id": None,
            "api_app_id": self._app.id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0P{next(self._count):07X}",
            "event_time": int(self._workspace.clock.now()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": team,
                    "user_id": self._app.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        self._delivery.tell(Parcel("events_api", event_type, payload))
        return True

    def message(self, channel: Channel, message: Message) -> None:
        """A message was posted where the bot can read it; a mention of the bot is an event of its own."""
        if self._app.bot_user_id not in channel.members:
            return
        fields = message_json(message, self._workspace, self._app)
        self._message(channel, fields)
        if f"<@{self._app.bot_user_id}>" in message.text and message.subtype is None and channel.kind != "im":
            self.send("app_mention", {**fields, "channel": channel.id})

    def message_changed(self, channel: Channel, message: Message) -> None:
        """A message shows something else now."""
        if self._app.bot_user_id in channel.members:
            fields = message_json(message, self._workspace, self._app)
            self._message(channel, {"subtype": "message_changed", "message": fields, "ts": self._workspace.new_ts()})

    def message_deleted(self, channel: Channel, message: Message) -> None:
        """A message is gone."""
        if self._app.bot_user_id in channel.members:
            fields = {"subtype": "message_deleted", "deleted_ts": message.ts, "ts": self._workspace.new_ts()}
            self._message(channel, fields)

    def membership(self, event_type: str, channel: Channel, user_id: str, inviter: str | None) -> None:
        """Somebody joined or left a channel the bot is in."""
        if self._app.bot_user_id in channel.members:
            fields = {"user": user_id, "channel": channel.id, "channel_type": channel.id[0]}
            self.send(event_type, {**fields, "team": self._workspace.team_id, "inviter": inviter})

    def about_channel(self, event_type: str, about: Channel, /, **fields: Any) -> None:
        """Something happened to a channel; private ones are `group_…`, and only told to members."""
        if about.kind == "private":
            if self._app.bot_user_id not in about.members:
                return
            event_type = event_type.replace("channel_", "group_", 1)
        self.send(event_type, fields)

    def person(self, event_type: str, person: Person) -> None:
        """Something about a person is different (user_change, team_join)."""
        described = person_json(person, self._app, self._workspace, with_email="users:read.email" in self._app.scopes)
        self.send(event_type, {"user": described, "cache_ts": person.updated})

    def home_opened(self, person: str, tab: str) -> None:
        """Somebody looks at the app's Home or Messages tab."""
        view = self._views.home(person) if tab == "home" else None
        fields = {"user": person, "channel": self._workspace.direct(person, self._app.bot_user_id).id, "tab": tab}
        self.send("app_home_opened", {**fields, **({"view": self._views.as_json(view)} if view else {})})

    def _message(self, channel: Channel, fields: dict[str, Any]) -> None:
        subscription, channel_type = _MESSAGES[channel.kind]
        self.send("message", {**fields, "channel": channel.id, "channel_type": channel_type}, subscription)
