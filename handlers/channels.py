"""What Slack says about channels: archived, renamed, shared with another company, and Rekey taken out of one or let in.

Nobody asked for anything here, so nobody is answered: administrators are told where an organization's channel is
concerned, and what waited for it goes out once it is well again.
"""

from collections.abc import Mapping
from typing import Any

from slack_bolt import App
from sqlmodel import Session

from blocks.channels import channel_notice
from blocks.drawn import Drawn
from bot import channels
from bot.notices import Draw
from bot.services import Services
from storage.models import Notice
from storage.organizations import organization_of

Event = Mapping[str, Any]

_TROUBLE = {
    "channel_archive": "is_archived",
    "group_archive": "is_archived",
    "channel_shared": channels.SHARED_OUTSIDE,
    "channel_rename": channels.RENAMED,
    "group_rename": channels.RENAMED,
}
_MENDED = ("channel_unarchive", "group_unarchive", "channel_unshared")


def register(app: App, services: Services) -> None:
    """Listen to what happens to channels."""

    def trouble(channel: str, cause: str) -> None:
        with services.database.writing() as session:
            organization = organization_of(session, channel)
            if organization is not None:
                channels.tell(session, organization, cause, services.settings.administrators)

    def mended(channel: str) -> None:
        with services.database.writing() as session:
            channels.mended(session, channel)

    def happened(event: Event) -> None:
        trouble(_channel(event), _TROUBLE[event["type"]])

    def is_over(event: Event) -> None:
        if not event.get("is_ext_shared"):  # one company fewer, but not the last
            mended(_channel(event))

    def left(event: Event, context: Mapping[str, Any]) -> None:
        if event.get("user") == context["bot_user_id"]:
            trouble(_channel(event), "not_in_channel")

    def joined(event: Event, context: Mapping[str, Any]) -> None:
        if event.get("user") == context["bot_user_id"]:
            mended(_channel(event))

    for name in _TROUBLE:
        app.event(name)(happened)
    for name in _MENDED:
        app.event(name)(is_over)
    app.event("member_left_channel")(left)
    app.event("member_joined_channel")(joined)


def _draw(session: Session, notice: Notice) -> Drawn:
    return channel_notice(channels.standing(session, notice))


DRAWS: Mapping[str, Draw] = {channels.KIND: _draw, channels.NAME_KIND: _draw}


def _channel(event: Event) -> str:
    channel = event["channel"]
    return str(channel["id"] if isinstance(channel, dict) else channel)
