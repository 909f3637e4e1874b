"""What an app says in return for an interaction, and what becomes of it on screen."""

from collections.abc import Mapping
from typing import Any

from .content import read_content
from .errors import SlackError
from .pretend import PretendSlack
from .validation import Offence
from .views import View
from .workspace import Channel, Message

SLACKBOT = "USLACKBOT"


class Replies:
    """Carries out acknowledgements with content, uses of response urls, and the answers to submissions."""

    def __init__(self, slack: PretendSlack) -> None:
        self._slack = slack

    def respond(
        self,
        user_id: str,
        channel: Channel,
        said: Mapping[str, Any],
        *,
        about: Message | None = None,
        thread_ts: str | None = None,
    ) -> None:
        """An acknowledgement's text, or a use of a response url: ephemeral unless `response_type` says otherwise."""
        if said.get("delete_original"):
            if about is None:
                raise SlackError("message_not_found")
            self._slack.delete(about)
            return
        content = read_content(
            text=said.get("text"),
            blocks=said.get("blocks"),
            attachments=said.get("attachments"),
            metadata=said.get("metadata"),
        )
        if said.get("replace_original") and about is not None:
            self._slack.edit(about, content)
            return
        if said.get("response_type", "ephemeral") not in ("ephemeral", "in_channel"):
            raise SlackError("invalid_response_type")
        in_channel = said.get("response_type") == "in_channel"
        self._slack.post_as_bot(
            channel,
            content,
            thread_ts=said.get("thread_ts", thread_ts),
            only_for=None if in_channel else user_id,
        )

    def use_response_url(self, token: str, said: object) -> None:
        """A POST to a response url; SlackError for a used up, expired or unknown one, or a message Slack refuses."""
        if not isinstance(said, dict):
            raise SlackError("invalid_payload")
        url = self._slack.response_urls.use(token)
        channel = self._slack.workspace.channels[url.channel]
        about = None
        if url.message_ts is not None:
            about = channel.messages.get(url.message_ts) or channel.ephemerals.get(url.message_ts)
        self.respond(url.person, channel, said, about=about, thread_ts=url.thread_ts)

    def obey(self, view: View, said: Any) -> None:
        """Do what a submission's answer says: close, clear, update, push, or errors; SlackError if it cannot be."""
        if said in (None, "", {}):
            self._slack.views.pop(view)
            return
        action = said.get("response_action") if isinstance(said, dict) else None
        if action == "clear":
            self._slack.views.clear(view.person)
        elif action == "update":
            self._slack.views.update(view, said.get("view"), None)
        elif action == "push":
            self._slack.views.push(view.person, said.get("view"))
        elif action == "errors":
            known = {block["block_id"] for block in view.blocks if block["type"] == "input"}
            errors = said.get("errors")
            if not isinstance(errors, dict) or not errors or not known.issuperset(errors):
                wrong = Offence("/errors", "failed_constraint", "must name input blocks of the view")
                raise SlackError.refusing("invalid_errors", [wrong])
            view.errors = {block_id: str(words) for block_id, words in errors.items()}
            self._slack.views.touch(view)
        else:
            raise SlackError("invalid_response_action")

    def tell_only(self, user_id: str, channel: Channel, text: str) -> None:
        """Slackbot says something to one person."""
        workspace = self._slack.workspace
        workspace.post(Message(workspace.new_ts(), channel.id, SLACKBOT, text, only_for=user_id))
