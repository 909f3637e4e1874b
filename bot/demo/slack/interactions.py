"""What people do, as Slack's client and servers turn it into payloads, and what they see when the app fails them.

Every method takes the id of the person who acts. `Impossible` is raised when they could not have done it (they
cannot see the message, there is no such button); nothing has been sent then.
"""

from collections.abc import Mapping
from typing import Any

from .delivery import Answer, Parcel
from .errors import SlackError
from .inputs import SLOTS, TEXT_INPUTS, Element, Entered, interactive, refusal, state_values
from .manifest import Shortcut
from .payloads import Payloads
from .pretend import PretendSlack
from .replies import Replies
from .spoken import command_text, spoken
from .validation.objects import option_group, select_option
from .validation.shapes import array, exactly_one, record
from .views import View
from .wire import message_json
from .workspace import Channel, Message, Person

OPTIONS_MOST = 100

_suggestions = record(
    {},
    {
        "options": array(select_option, most=OPTIONS_MOST),
        "option_groups": array(option_group, most=OPTIONS_MOST),
    },
    [exactly_one("options", "option_groups")],
)


class Impossible(Exception):
    """The person could not have done this; the message says why. Nothing happened."""


class Interactions:
    """Everything a person can do in the client."""

    def __init__(self, slack: PretendSlack) -> None:
        self._slack = slack
        self._payloads = Payloads(slack)
        self._replies = Replies(slack)
        self._entered: dict[tuple[str, str], Entered] = {}  # (person, message ts) → what they chose in it
        self.warnings: dict[tuple[str, str], str] = {}
        """(person, message ts) → the warning Slack shows beside a message whose app did not answer."""

    # Talking

    async def types(self, user_id: str, channel_id: str, text: str, thread_ts: str | None = None) -> None:
        """Type into the composer: a message, or a slash command if it starts with a slash."""
        person, channel = self._person(user_id), self._channel(user_id, channel_id)
        self._slack.looking_at[user_id] = channel.id
        if channel.archived:
            raise Impossible(f"#{channel.name} is archived; nobody can write there.")
        if self._slack.app.bot_user_id in channel.members and channel.kind == "im" and not self._slack.app.messages_tab:
            raise Impossible("The app's manifest has no Messages tab, so nobody can write to it.")
        if text.startswith("/"):
            if thread_ts is not None:
                raise Impossible("Slack does not run slash commands of apps inside a thread.")
            await self._command(person, channel, text)
            return
        if user_id not in channel.members:
            raise Impossible(f"{person.real_name} is not in #{channel.name}, so there is no composer.")
        message = Message(
            self._slack.workspace.new_ts(),
            channel.id,
            user_id,
            spoken(text, self._slack.workspace),
            thread_ts=thread_ts,
            client_msg_id=self._slack.workspace.new_id("M").lower(),
        )
        self._slack.workspace.post(message)
        self._slack.events.message(channel, message)

    async def _command(self, person: Person, channel: Channel, text: str) -> None:
        name, _, rest = text.partition(" ")
        if name not in self._slack.app.commands:
            self._replies.tell_only(
                person.id, channel, f"`{name}` is not a valid command. In Slack, all commands start with /"
            )
            return
        should_escape = self._slack.app.commands[name].should_escape
        said = command_text(rest.strip(), self._slack.workspace, should_escape=should_escape)
        payload = self._payloads.command(person, channel, name, said)
        answer = await self._slack.delivery.ask(Parcel("slash_commands", name, payload))
        if not answer.acknowledged:
            self._replies.tell_only(person.id, channel, _command_failure(name, answer))
        elif answer.payload:
            reply = answer.payload if isinstance(answer.payload, dict) else {"text": answer.payload}
            try:
                self._replies.respond(person.id, channel, reply)
            except SlackError as error:
                self._replies.tell_only(person.id, channel, f"`{name}` failed with the error “{error.name}”")

    # Messages and their elements

    def entered_in(self, user_id: str, message: Message) -> Entered:
        """What this person has chosen in a message so far."""
        return self._entered.setdefault((user_id, message.ts), {})

    def message(self, user_id: str, channel_id: str, ts: str) -> Message:
        """A message this person sees; Impossible for anybody else's ephemeral."""
        channel = self._channel(user_id, channel_id)
        message = channel.messages.get(ts) or channel.ephemerals.get(ts)
        if message is None or message.only_for not in (None, user_id):
            raise Impossible("That message is not there (any more) for this person.")
        return message

    async def act_in_message(
        self,
        user_id: str,
        channel_id: str,
        ts: str,
        block_id: str,
        action_id: str,
        value: Any = None,
        *,
        typing: bool = False,
    ) -> None:
        """Press a button or choose something in a message; sends block_actions unless it is a silent input.

        `typing` marks a text input's value in the middle of being typed, not yet confirmed with Enter.
        """
        person, message = self._person(user_id), self.message(user_id, channel_id, ts)
        blocks = [*message.blocks, *(block for one in message.attachments for block in one["blocks"])]
        block, element = _find(blocks, block_id, action_id)
        entered = self.entered_in(user_id, message)
        if element["type"] in SLOTS:
            entered[block_id, action_id] = value
        if not _dispatches(block, element, typing):
            return
        self.warnings.pop((user_id, ts), None)
        channel = self._slack.workspace.channels[channel_id]
        payload = {
            **self._payloads.common("block_actions", person),
            "container": {
                "type": "message",
                "message_ts": ts,
                "channel_id": channel_id,
                "is_ephemeral": message.only_for is not None,
                **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
            },
            "channel": {"id": channel_id, "name": channel.name or "directmessage"},
            "state": {"values": state_values(blocks, entered, channel_id)},
            "response_url": self._payloads.response_url(user_id, channel_id, ts, message.thread_ts),
            "actions": [self._payloads.action(block, element, value)],
        }
        if message.only_for is None:  # of an ephemeral the app is told no more than where it stood
            payload["message"] = message_json(message, self._slack.workspace, self._slack.app)
        answer = await self._interact("block_actions", payload)
        if not answer.acknowledged:
            self.warnings[user_id, ts] = _interaction_failure(answer)
            self._slack.workspace.changed("messages", channel=channel_id, person=user_id)

    # Views

    def view(self, user_id: str, view_id: str) -> View:
        """The modal in front of this person, or their Home; Impossible for any other view."""
        top, home = self._slack.views.top(user_id), self._slack.views.home(user_id)
        for view in (top, home):
            if view is not None and view.id == view_id:
                return view
        raise Impossible("That view is not in front of this person (any more).")

    async def act_in_view(
        self, user_id: str, view_id: str, block_id: str, action_id: str, value: Any = None, *, typing: bool = False
    ) -> None:
        """Press, choose or type something in a modal or on the Home tab; `typing` as in `act_in_message`."""
        person, view = self._person(user_id), self.view(user_id, view_id)
        block, element = _find(view.blocks, block_id, action_id)
        if element["type"] in SLOTS:
            view.entered[block_id, action_id] = value
            if view.errors.pop(block_id, None) is not None:
                self._slack.views.touch(view)
        if not _dispatches(block, element, typing):
            return
        payload = {
            **self._payloads.common("block_actions", person, view),
            "container": {"type": "view", "view_id": view.id},
            "view": self._slack.views.as_json(view),
            "state": {"values": view.values()},
            "actions": [self._payloads.action(block, element, value)],
        }
        answer = await self._interact("block_actions", payload)
        if not answer.acknowledged:
            self._slack.views.trouble(view)

    async def submit(self, user_id: str, view_id: str) -> None:
        """Press a modal's submit button: checked in the client first, then sent, then whatever the app answers."""
        person, view = self._person(user_id), self.view(user_id, view_id)
        if "submit" not in view.body:
            raise Impossible("This modal has no submit button.")
        if view.waiting:
            raise Impossible("This modal has been submitted and waits for the answer.")
        view.errors = self._refusals(view)
        view.trouble = None
        if view.errors:
            self._slack.views.touch(view)
            return
        view.waiting = True
        self._slack.views.touch(view)
        payload = {
            **self._payloads.common("view_submission", person, view),
            "view": self._slack.views.as_json(view),
            "response_urls": self._payloads.response_urls_of(view),
        }
        answer = await self._interact("view_submission", payload)
        view.waiting = False
        if not answer.acknowledged:
            self._slack.views.trouble(view)
            return
        try:
            self._replies.obey(view, answer.payload)
        except SlackError:
            self._slack.views.trouble(view)

    async def close(self, user_id: str, view_id: str, *, everything: bool = False) -> None:
        """Press a modal's close button or Escape (`everything`: the × that closes the whole stack)."""
        person, view = self._person(user_id), self.view(user_id, view_id)
        cleared = everything or bool(view.body.get("clear_on_close"))
        closing = list(reversed(self._slack.views.stack(user_id))) if cleared else [view]
        told = [
            {
                **self._payloads.common("view_closed", person, trigger=False),
                "view": self._slack.views.as_json(one),
                "is_cleared": cleared,
            }
            for one in closing
            if one.body.get("notify_on_close")
        ]
        if cleared:
            self._slack.views.clear(user_id)
        else:
            self._slack.views.pop(view)
        for payload in told:
            await self._interact("view_closed", payload)

    async def open_home(self, user_id: str, tab: str = "home") -> None:
        """Look at the app's Home (or Messages) tab."""
        self._person(user_id)
        if tab == "home" and not self._slack.app.home_tab:
            raise Impossible("The app's manifest has no Home tab.")
        self._slack.looking_at[user_id] = self._slack.workspace.direct(user_id, self._slack.app.bot_user_id).id
        self._slack.events.home_opened(user_id, tab)

    # Menus that ask the app, and shortcuts

    async def suggest(
        self,
        user_id: str,
        block_id: str,
        action_id: str,
        query: str,
        *,
        view_id: str = "",
        message: Message | None = None,
    ) -> list[dict[str, Any]]:
        """Type into an external_select; the option groups the app offers (one nameless group for plain options).

        SlackError, with what is wrong, when it answers late or with options Slack would not show.
        """
        person = self._person(user_id)
        view = self.view(user_id, view_id) if view_id else None
        _, element = _find(view.blocks if view else message.blocks if message else [], block_id, action_id)
        if len(query) < element.get("min_query_length", 3):
            return []
        where: dict[str, Any]
        if view is not None:
            where = {"container": {"type": "view", "view_id": view.id}, "view": self._slack.views.as_json(view)}
        elif message is not None:
            where = {
                "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
                "channel": {"id": message.channel},
                "message": message_json(message, self._slack.workspace, self._slack.app),
            }
        payload = {
            **self._payloads.common("block_suggestion", person, trigger=False),
            **where,
            "block_id": block_id,
            "action_id": action_id,
            "value": query,
        }
        answer = await self._interact("block_suggestion", payload)
        if not answer.acknowledged:
            raise SlackError(answer.reason)
        offences = list(_suggestions(answer.payload, ""))
        if offences:
            raise SlackError.refusing("invalid_options", offences)
        groups: list[dict[str, Any]] = answer.payload.get("option_groups", [])
        return groups or [{"label": None, "options": answer.payload.get("options", [])}]

    async def shortcut(self, user_id: str, callback_id: str, message: Message | None = None) -> None:
        """Run a shortcut from the lightning menu, or, with a message, from that message's menu."""
        person = self._person(user_id)
        kind = "global" if message is None else "message"
        if not any(one.callback_id == callback_id and one.kind == kind for one in self._slack.app.shortcuts):
            raise Impossible(f"The app's manifest has no {kind} shortcut {callback_id!r}.")
        payload: dict[str, Any] = {
            **self._payloads.common("shortcut" if message is None else "message_action", person),
            "callback_id": callback_id,
            "action_ts": self._slack.workspace.new_ts(),
        }
        if message is not None:
            channel = self._slack.workspace.channels[message.channel]
            payload |= {
                "message_ts": message.ts,
                "message": message_json(message, self._slack.workspace, self._slack.app),
                "channel": {"id": channel.id, "name": channel.name or "directmessage"},
                "response_url": self._payloads.response_url(user_id, channel.id, message.ts, message.thread_ts),
            }
        answer = await self._interact(payload["type"], payload)
        if not answer.acknowledged:
            channel_id = self._slack.looking_at.get(user_id)
            if channel_id:
                words = f"This shortcut did not work: {_interaction_failure(answer)}"
                self._replies.tell_only(user_id, self._slack.workspace.channels[channel_id], words)

    def shortcuts(self, kind: str) -> list[Shortcut]:
        """The app's shortcuts of one kind."""
        return [one for one in self._slack.app.shortcuts if one.kind == kind]

    # Inside

    async def _interact(self, name: str, payload: dict[str, Any]) -> Answer:
        if not self._slack.app.interactivity:
            return Answer(False, reason="not_configured")
        return await self._slack.delivery.ask(Parcel("interactive", name, payload))

    def _person(self, user_id: str) -> Person:
        person = self._slack.workspace.people.get(user_id)
        if person is None or person.is_bot:
            raise Impossible(f"There is nobody with the id {user_id!r} who could act.")
        if person.deleted:
            raise Impossible(f"{person.real_name} is deactivated and cannot sign in.")
        return person

    def _channel(self, user_id: str, channel_id: str) -> Channel:
        try:
            return self._slack.workspace.channel_for(channel_id, user_id)
        except SlackError:
            raise Impossible(f"This person does not see the conversation {channel_id!r}.") from None

    def _refusals(self, view: View) -> dict[str, str]:
        values = view.values()
        found: dict[str, str] = {}
        for block, element in interactive(view.blocks):
            if block["type"] == "input":
                state = values[block["block_id"]][element["action_id"]]
                words = refusal(block, element, state[SLOTS[element["type"]][0]])
                if words is not None:
                    found[block["block_id"]] = words
        return found


def _find(blocks: list[dict[str, Any]], block_id: str, action_id: str) -> tuple[dict[str, Any], Element]:
    for block, element in interactive(blocks):
        if block["block_id"] == block_id and element["action_id"] == action_id:
            return block, element
    raise Impossible(f"There is no element {action_id!r} in a block {block_id!r} (any more).")


def _dispatches(block: Mapping[str, Any], element: Element, typing: bool) -> bool:
    """Inputs speak up only if asked to, text inputs at the moments they were asked for; all else always does."""
    if block["type"] == "input" and not block.get("dispatch_action"):
        return False
    if element["type"] not in TEXT_INPUTS:
        return True
    moments = element.get("dispatch_action_config", {}).get("trigger_actions_on", ["on_enter_pressed"])
    return ("on_character_entered" if typing else "on_enter_pressed") in moments


def _command_failure(name: str, answer: Answer) -> str:
    if answer.reason in ("http_timeout", "connection_failed"):
        return f"`{name}` failed because the app did not respond."
    return f"`{name}` failed with the error “dispatch_failed”"


def _interaction_failure(answer: Answer) -> str:
    if answer.reason == "not_configured":
        return "This app is not configured to handle interactive responses."
    if answer.reason == "http_error":
        return f"The app answered with status {answer.payload['status']}."
    return "The app did not respond in time."
