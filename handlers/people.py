"""Whom Slack says somebody is: of this team, a full member, still here, a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Lock
from time import monotonic
from typing import Any

import structlog
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.errors import NotPermitted
from bot.slack import explained
from handlers.payloads import Body, teams_of

_KNOWN_SECONDS = 60.0
_NOT_OFFERED = frozenset({"unknown_method", "missing_scope", "not_implemented"})

_log = structlog.get_logger(__name__)


class Refusal(NotPermitted):
    """What somebody may not do, or not from there. They are told why, and the audit trail says that they tried."""


@dataclass
class People:
    """Asks Slack who somebody is, and remembers it for a minute. Safe to share between threads."""

    client: WebClient
    team_id: str
    app_id: str | None
    """None where the server does not say: then it is not compared."""
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def refuse_others(self, body: Body) -> None:
        """`Refusal` unless this was sent to this app, in this team, by one of the team."""
        if teams_of(body) - {self.team_id}:
            raise Refusal("Rekey answers only to members of its own workspace. Nothing was done.")
        if self.app_id is not None and body.get("api_app_id") not in (None, self.app_id):
            raise Refusal("This was meant for another app. Nothing was done.")

    def refuse_outsiders(self, user: str) -> None:
        """`Refusal` for guests, people of other teams, people who are deactivated, and bots."""
        with self._lock:
            asked_at, reason = self._known.get(user, (float("-inf"), ""))
        if monotonic() - asked_at > _KNOWN_SECONDS:
            reason = self._ask(user)
            with self._lock:
                self._known[user] = (monotonic(), reason)
        if reason:
            raise Refusal(reason)

    def forget(self, user: str) -> None:
        """Something about them changed: ask anew the next time."""
        with self._lock:
            self._known.pop(user, None)

    def _ask(self, user: str) -> str:
        try:
            found: Mapping[str, Any] = self.client.users_info(user=user)["user"]
        except (OSError, HTTPException, SlackClientError) as error:
            problem = explained(error)
            if problem.cause in _NOT_OFFERED:  # a lesser server: what came with the payload has to do
                _log.warning("people.unasked", reason=str(problem))
                return ""
            raise Refusal("Slack does not say who you are right now. Nothing was done; try again.") from error
        if found.get("deleted"):
            return "Your account in this workspace is deactivated. Nothing was done."
        if found.get("is_bot"):
            return "Bots cannot use Rekey. Nothing was done."
        if found.get("is_restricted") or found.get("is_ultra_restricted"):
            return "Guests of this workspace cannot use Rekey. Nothing was done."
        if found.get("is_stranger") or found.get("team_id") not in (None, self.team_id):
            return "Rekey answers only to members of its own workspace. Nothing was done."
        return ""


def register(app: App, people: People) -> None:
    """Listen to people changing: somebody who becomes a guest or is deactivated is refused at once."""

    @app.event("user_change")
    def changed(event: dict[str, Any]) -> None:
        people.forget(event["user"]["id"])
