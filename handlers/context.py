"""Who did what, where: what is made sure of before a listener hears of a command, a click or a form.

The middleware refuses people of other teams, guests, people who are deactivated, bots, and whoever holds no role; it
refuses clicks on cards that Rekey does not keep. What is left reaches the listener as one value, `asked`:

    @app.action(ids.MATCH_APPROVE)
    def approve(ack: Ack, asked: Asked) -> None:
        ack()
        match_id, version = asked.row()
        with asked.writing() as session:  # at most once, whatever is delivered twice
            ...
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog
from slack_bolt import BoltContext, BoltResponse
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient
from sqlmodel import Session

from blocks import ids, parts
from blocks.parts import Block
from bot.errors import BadInput, RowNotFound
from bot.permissions import Decision, Operator, may_see, operator_named
from bot.services import Services
from handlers.payloads import Body, channel_of, user_of, view_of, what_of, where_of
from handlers.people import People, Refusal
from storage.interactions import take_up
from storage.models import Notice, Organization
from storage.notices import find_notice
from storage.organizations import get_organization, organization_of, organizations

_ANSWER_SECONDS = 10
_OPTIONS_MOST = 100
"""As many as Slack takes (docs.slack.dev/reference/block-kit/block-elements)."""

_log = structlog.get_logger(__name__)


class TakenUp(Exception):
    """This very delivery was taken up before: there is nothing left to do."""


@dataclass(frozen=True)
class Asked:
    """What one person did in Slack. They may be here; what they may do, the listener asks `bot.permissions`."""

    services: Services
    client: WebClient
    body: Body
    operator: Operator
    organization: Organization | None
    """Whose channel, card or modal it came from; None from Home, a DM or any other channel."""
    notice: Notice | None
    """The card that was clicked, as it is stored."""
    what: str
    """The command, action id or callback id, for the audit trail."""
    memo: Mapping[str, Any] = field(default_factory=dict)
    """What the modal it came from remembers."""

    @property
    def trigger_id(self) -> str:
        """Opens one modal, within three seconds."""
        return str(self.body.get("trigger_id", ""))

    @property
    def channel(self) -> str | None:
        """The conversation it happened in."""
        return channel_of(self.body)

    @property
    def action(self) -> Mapping[str, Any]:
        """The button or menu that was used."""
        actions: Sequence[Mapping[str, Any]] = self.body.get("actions") or [{}]
        return actions[0]

    @property
    def view(self) -> Mapping[str, Any]:
        """The modal or Home it happened in; empty for a message."""
        return view_of(self.body)

    @property
    def where(self) -> str:
        """`command`, `card`, `modal` or `home`: how it was asked."""
        return where_of(self.body)

    @cached_property
    def delivery(self) -> str:
        """The same for the same delivery, whenever and however often it comes."""
        return str(self.body.get("trigger_id") or self.body.get("event_id") or json.dumps(self.body, sort_keys=True))

    def row(self) -> tuple[int, int]:
        """The row id and version that the button, or the chosen option, carries. `Refusal` for anything else."""
        return self.read(self.chosen())

    def read(self, value: str | None) -> tuple[int, int]:
        """The row id and version in one of Rekey's values. `Refusal` for anything else."""
        try:
            return ids.read_value(value)
        except BadInput as error:
            raise Refusal(str(error)) from None

    def chosen(self) -> str | None:
        """The value of the button that was pressed, or of the option that was chosen."""
        option = self.action.get("selected_option") or {}
        value = self.action.get("value") or option.get("value")
        return str(value) if value is not None else None

    def here(self, organization_id: int) -> None:
        """`Refusal` unless a row of this organization may be spoken of here: in an organization's channel, card or
        modal everything is about that organization.
        """
        if self.organization is not None and self.organization.id != organization_id:
            raise Refusal("This button speaks of another organization than the place it was pressed in.")

    def allow(self, decision: Decision) -> None:
        """`Refusal`, with its reason, unless the decision is a yes."""
        if not decision.allowed:
            raise Refusal(decision.reason)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """The writing transaction that does what was asked: at most once for one delivery. `TakenUp` at the second."""
        with self.services.database.writing() as session:
            if not take_up(session, self.delivery):
                raise TakenUp(self.delivery)
            yield session

    def mine(self, session: Session) -> list[Organization]:
        """The organizations this person may see, by name."""
        return [each for each in organizations(session) if may_see(self.operator, each.id).allowed]

    def organization_options(self, typed: str) -> list[parts.Element]:
        """Those whose names hold what was typed, as the options of a menu."""
        with self.services.database.reading() as session:
            found = [each for each in self.mine(session) if typed.casefold() in each.name.casefold()]
        return [parts.option(each.name, ids.value(each.id)) for each in found[:_OPTIONS_MOST]]

    # ---- answers only this person sees -------------------------------------------------------------------------------

    def answer(self, text: str, blocks: Sequence[Block] | None = None, *, title: str = "Rekey") -> None:
        """Say something to this person alone, where they are: in the channel, or in a modal above the one they look at.

        Buttons in it count only if they open something (`ids.OPENING`): nobody keeps what is said here.
        """
        shown = list(blocks) if blocks else [parts.section(text)]
        if self.where == "card" and not self.body.get("response_url"):
            self.client.chat_postMessage(channel=self.operator.key, text=text, blocks=shown)
        elif self.where in ("command", "card"):
            say(self.body, text, shown)
        elif self.body.get("type") == "view_submission":  # a submitted modal is gone, and has no trigger for another
            self.client.chat_postMessage(channel=self.operator.key, text=text, blocks=shown)
        else:
            self.opens(parts.modal(title, shown, memo=parts.memo_for(self.operator.key, self._organization_id)))

    def opens(self, view: Mapping[str, Any]) -> Mapping[str, Any]:
        """Open a modal (on top of the one this came from); returns it as Slack has it, with its `id` and `hash`."""
        above = self.where == "modal"
        method = self.client.views_push if above else self.client.views_open
        opened: Mapping[str, Any] = method(trigger_id=self.trigger_id, view=dict(view))["view"]
        return opened

    @property
    def _organization_id(self) -> int | None:
        return self.organization.id if self.organization else None


def say(body: Body, text: str, blocks: Sequence[Block] | None = None) -> None:
    """Answer through the response url that came with a command or a click: only whoever did it sees the answer."""
    answer = WebhookClient(str(body["response_url"]), timeout=_ANSWER_SECONDS).send(
        text=text, blocks=list(blocks) if blocks else None, response_type="ephemeral", replace_original=False
    )
    if answer.status_code != 200:
        _log.warning("answer.lost", status=answer.status_code, reason=answer.body)


class Doorkeeper:
    """The middleware: lets in whoever may be here and hands the listener `asked`. `Refusal` for everybody else."""

    def __init__(self, services: Services, people: People) -> None:
        self._services = services
        self._people = people

    def __call__(
        self, body: dict[str, Any], context: BoltContext, client: WebClient, next: Callable[[], BoltResponse]
    ) -> BoltResponse:
        """Bolt's shape of a middleware."""
        user, what = user_of(body), what_of(body)
        self._people.refuse_others(body)
        if user is None:  # an event about a channel, not about what a person did
            return next()
        context["asked"] = self._let_in(body, client, user, what)
        return next()

    def _let_in(self, body: Body, client: WebClient, user: str, what: str) -> Asked:
        services, view = self._services, view_of(body)
        memo = _memo(view, user)
        with services.database.reading() as session:
            operator = operator_named(session, user, f"Slack {where_of(body)}", services.settings.administrators)
            if not operator.roles:
                raise Refusal("You have no role in Rekey. Ask one of its administrators for one.")
            self._people.refuse_outsiders(user)
            notice = _card(session, body, user, what)
            organization = _place(session, body, notice, memo)
        if organization is not None and not may_see(operator, organization.id).allowed:
            raise Refusal(may_see(operator, organization.id).reason)
        return Asked(services, client, body, operator, organization, notice, what, memo)


def _memo(view: Mapping[str, Any], user: str) -> dict[str, Any]:
    """What the modal remembers; it counts only for whom it was opened."""
    if view.get("type") != "modal":
        return {}
    try:
        memo = parts.memo_of(view)
    except BadInput as error:
        raise Refusal(str(error)) from None
    if memo.get("for") != user:
        raise Refusal("This view was not opened for you. Open your own.")
    return memo


def _card(session: Session, body: Body, user: str, what: str) -> Notice | None:
    """The kept card that was clicked. `Refusal` for any other message, unless the click only opens something."""
    container = body.get("container") or {}
    if container.get("type") != "message":
        return None
    notice = find_notice(session, str(channel_of(body)), str(container.get("message_ts")))
    only_theirs = container.get("is_ephemeral") or (body.get("message") or {}).get("is_ephemeral")
    if notice is None and not (only_theirs and ids.is_opening(what)):
        raise Refusal("This is not a card that Rekey keeps, so its buttons do nothing. Use the latest one, or /rotate.")
    if notice is not None and notice.address[:1] in "UW" and notice.address != user:
        raise Refusal("This card was made for somebody else.")
    return notice


def _place(session: Session, body: Body, notice: Notice | None, memo: Mapping[str, Any]) -> Organization | None:
    organization_id = notice.organization_id if notice is not None else memo.get("organization")
    if organization_id is not None:
        try:
            return get_organization(session, int(organization_id))
        except (RowNotFound, ValueError):
            raise Refusal("This speaks of an organization that is not there (any more).") from None
    channel = channel_of(body)
    return organization_of(session, channel) if channel else None
