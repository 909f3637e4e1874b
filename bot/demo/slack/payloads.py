"""What Slack sends an app about an interaction, part by part (docs.slack.dev/reference/interaction-payloads)."""

from collections.abc import Mapping
from typing import Any

from .inputs import SLOTS, Element, interactive, slot
from .pretend import PretendSlack
from .views import View
from .workspace import Channel, Person

# What `channel_name` says where a conversation has no name an app may read.
_CHANNEL_NAMES = {"im": "directmessage", "private": "privategroup", "mpim": "mpdm"}


class Payloads:
    """Builds the parts; every trigger and response url in them is a fresh one."""

    def __init__(self, slack: PretendSlack) -> None:
        self._slack = slack

    def command(self, person: Person, channel: Channel, name: str, text: str) -> dict[str, Any]:
        """A slash command, as the form it is posted as."""
        return {
            "token": self._slack.app.verification_token,
            "team_id": self._slack.workspace.team_id,
            "team_domain": self._slack.workspace.domain,
            "channel_id": channel.id,
            "channel_name": _CHANNEL_NAMES.get(channel.kind, channel.name),
            "user_id": person.id,
            "user_name": person.name,
            "command": name,
            "text": text,
            "api_app_id": self._slack.app.id,
            "is_enterprise_install": "false",
            "response_url": self.response_url(person.id, channel.id),
            "trigger_id": self._slack.triggers.issue(person.id),
        }

    def common(self, kind: str, person: Person, view: View | None = None, *, trigger: bool = True) -> dict[str, Any]:
        """What every interaction starts with; a trigger from inside a modal may push another on top of it."""
        workspace, app = self._slack.workspace, self._slack.app
        common = {
            "type": kind,
            "team": {"id": workspace.team_id, "domain": workspace.domain},
            "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": person.team_id},
            "api_app_id": app.id,
            "token": app.verification_token,
            "enterprise": None,
            "is_enterprise_install": False,
        }
        if trigger:
            in_modal = view is not None and view.body["type"] == "modal"
            common["trigger_id"] = self._slack.triggers.issue(person.id, view.id if view and in_modal else None)
        return common

    def action(self, block: Mapping[str, Any], element: Element, value: Any) -> dict[str, Any]:
        """One entry of `actions`: which element, and what was chosen with it."""
        action = {
            "type": element["type"],
            "block_id": block["block_id"],
            "action_id": element["action_id"],
            "action_ts": self._slack.workspace.new_ts(),
        }
        if element["type"] in SLOTS:
            return {**action, **slot(element, value)}
        if element["type"] == "overflow":
            return {**action, "selected_option": value}
        if element["type"] == "feedback_buttons":
            return {**action, "value": value, "text": element["positive_button"]["text"]}
        return {**action, **{name: element[name] for name in ("text", "value", "style") if name in element}}

    def response_url(
        self, user_id: str, channel_id: str, message_ts: str | None = None, thread_ts: str | None = None
    ) -> str:
        """A fresh response url."""
        token = self._slack.response_urls.issue(user_id, channel_id, message_ts, thread_ts)
        return f"{self._slack.base_url}/response/{self._slack.app.id}/{token}"

    def response_urls_of(self, view: View) -> list[dict[str, str]]:
        """The `response_urls` of a submission: one per menu that asked for it and has a conversation chosen."""
        urls = []
        for block, element in interactive(view.blocks):
            if element.get("response_url_enabled"):
                (chosen,) = (
                    value
                    for name, value in view.values()[block["block_id"]][element["action_id"]].items()
                    if name.startswith("selected_")
                )
                if chosen:
                    urls.append(
                        {
                            "block_id": block["block_id"],
                            "action_id": element["action_id"],
                            "channel_id": chosen,
                            "response_url": self.response_url(view.person, chosen),
                        }
                    )
        return urls
