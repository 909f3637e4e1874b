"""The one door every error leaves through, towards the person who is waiting for an answer.

A `RekeyError` is its own sentence, told where the person is: under the field it is about, in the modal, beside the
card. Anything else is our mistake: the person gets a reference, the log the rest. A form that could not be taken stays
open, with everything that was typed into it.
"""

import secrets
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

import structlog
from slack_bolt import Ack, App, BoltResponse
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from blocks import parts
from blocks.home import nobody
from bot.errors import BadInput, NotPermitted, OutsideError, Refused, RekeyError, RightMissing, SignInRefused
from bot.permissions import Operator
from bot.services import Services
from bot.slack import explained
from handlers.context import Asked, TakenUp, say
from handlers.payloads import Body, channel_of, user_of, view_of, what_of, where_of
from storage.models import Organization

_TROUBLE = "trouble"
_EXPIRED = frozenset({"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "trigger_exchanged"})

_log = structlog.get_logger(__name__)


class WrongFields(BadInput):
    """What was entered does not fit: a sentence for each field, by the id of its input block."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        super().__init__(" ".join(sentences.values()))
        self.sentences = dict(sentences)


def register(app: App, services: Services) -> None:
    """Put the door in."""

    @app.error
    def leave(
        error: Exception, body: dict[str, Any], client: WebClient, ack: Ack, context: dict[str, Any]
    ) -> BoltResponse:
        if isinstance(error, TakenUp):
            return BoltResponse(status=200)
        sentence = _sentence(error, body)
        if isinstance(error, NotPermitted) and "event" not in body:  # looking at Home is no try at anything
            _put_on_record(services, body, context.get("asked"), sentence)
        return _tell(error, sentence, body, client, unanswered=ack.response is None)


def _sentence(error: Exception, body: Body) -> str:
    if isinstance(error, RekeyError):
        mend = f" {error.mend}" if isinstance(error, OutsideError) and error.mend else ""
        return f"{error}{mend}"
    if isinstance(error, OSError | HTTPException | SlackClientError):
        away = explained(error)
        if away.cause in _EXPIRED:
            return "That took longer than Slack waits. Nothing was changed; press it again."
        if not isinstance(away, Refused) or isinstance(away, SignInRefused | RightMissing):
            _log.warning("slack.away", what=what_of(body), reason=str(away))
            return f"{away} Look with `/rotate` how things stand, then try again."
    reference = secrets.token_hex(4)
    _log.error("listener.broken", reference=reference, what=what_of(body), exc_info=error)
    return (
        f"Rekey itself failed here (reference {reference}). What was not confirmed to you was not done. Try again; "
        "if it stays, give this reference to whoever runs Rekey: the log says more."
    )


def _put_on_record(services: Services, body: Body, asked: Asked | None, reason: str) -> None:
    """One line of the audit trail: who tried what, from where, and why not."""
    operator = asked.operator if asked else Operator(user_of(body) or "unknown", f"Slack {where_of(body)}", {})
    organization: Organization | None = asked.organization if asked else None
    details = {"reason": reason, "channel": channel_of(body)}
    with services.database.writing() as session:
        services.trail.append(
            session,
            event="slack.refused",
            operator=operator.key,
            source=operator.source,
            organization=organization,
            subject=what_of(body),
            result="refused",
            details=details,
        )


def _tell(error: Exception, sentence: str, body: Body, client: WebClient, *, unanswered: bool) -> BoltResponse:
    kind = body.get("type")
    done = BoltResponse(status=200)
    if kind == "block_suggestion":
        return BoltResponse(status=200, body={"options": []})
    if kind == "view_submission" and unanswered:
        if isinstance(error, WrongFields):
            return BoltResponse(status=200, body={"response_action": "errors", "errors": error.sentences})
        return BoltResponse(
            status=200, body={"response_action": "update", "view": _with_trouble(view_of(body), sentence)}
        )
    try:
        _show(error, sentence, body, client)
    except (OSError, HTTPException, SlackClientError) as lost:  # the trigger is too old, the view is closed
        _log.info("answer.elsewhere", what=what_of(body), reason=str(lost))
        _write_to(body, sentence, client)
    return done


def _show(error: Exception, sentence: str, body: Body, client: WebClient) -> None:
    view, shown = view_of(body), parts.section(parts.sentence(sentence))
    if body.get("response_url"):
        say(body, parts.sentence(sentence))
    elif view.get("type") == "modal" and body.get("type") in ("block_actions", "view_submission"):
        client.views_update(view_id=view["id"], view=_with_trouble(view, sentence))
    elif view.get("type") == "home":
        client.views_open(trigger_id=body["trigger_id"], view=parts.modal("Not done", [shown]))
    elif "event" not in body:
        _write_to(body, sentence, client)
    elif isinstance(error, NotPermitted) and user_of(body):
        client.views_publish(user_id=str(user_of(body)), view=nobody(sentence))


def _write_to(body: Body, sentence: str, client: WebClient) -> None:
    """By direct message, when there is no other way left."""
    user = user_of(body)
    if user is None:
        return
    try:
        client.chat_postMessage(channel=user, text=parts.sentence(sentence))
    except (OSError, HTTPException, SlackClientError) as lost:
        _log.warning("answer.lost", what=what_of(body), reason=str(lost))


def _with_trouble(view: Mapping[str, Any], sentence: str) -> dict[str, Any]:
    """The same modal with the sentence on top; what was entered stays, since the blocks keep their ids."""
    alert = {**parts.section(f":warning: {parts.sentence(sentence)}"), "block_id": _TROUBLE}
    kept = [block for block in view["blocks"] if block.get("block_id") != _TROUBLE]
    names = ("type", "title", "submit", "close", "callback_id", "private_metadata", "clear_on_close", "notify_on_close")
    same = {name: view[name] for name in names if view.get(name)}
    return {**same, "blocks": [alert, *kept][: parts.VIEW_BLOCKS_MOST]}
