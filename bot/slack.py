"""The Web API as the outbox needs it: few calls, none repeated blindly, every answer one of Rekey's errors.

What Slack may answer: docs.slack.dev/reference/methods (each method's error list) and docs.slack.dev/apis/web-api
/rate-limits. `fatal_error` and `internal_error` say by their own description that part of it may have been done.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.errors import NoAnswer, OutsideError, Refused, RightMissing, SignInRefused, Throttled, Unreachable

EVENT_TYPE = "rekey_notice"
"""The metadata type by which our messages are found again (docs.slack.dev/messaging/message-metadata)."""

_PAGES_MOST = 10
_PAGE = 200
_DEFAULT_RETRY_AFTER = 30.0

_OUR_SIGN_IN = {
    "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "org_login_required",
    "ekm_access_denied", "access_denied", "accesslimited", "team_access_not_granted", "not_allowed_token_type",
    "enterprise_is_restricted", "two_factor_setup_required",
}  # fmt: skip
_PERHAPS_DONE = {"fatal_error", "internal_error", "service_unavailable", "request_timeout"}


class Slack:
    """One workspace, by the client of its app's bot, which must not repeat anything by itself and gives up in time:
    long before the outbox's lease is over. Safe to share between threads.

    Every method raises `Refused` (its `cause` is Slack's own word), `SignInRefused`, `RightMissing`, `Throttled`,
    `Unreachable` (nothing was done) or `NoAnswer` (it is unknown whether it was done).
    """

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def myself(self) -> tuple[str, str | None]:
        """The ids of the team and of the app whose token this is; the app's is None where the server does not say."""
        me = self._ask(self._client.auth_test)
        try:
            bot = self._ask(self._client.bots_info, bot=me.get("bot_id"))["bot"]
        except Refused:
            return str(me["team_id"]), None
        return str(me["team_id"]), bot.get("app_id")

    def post(self, channel: str, text: str, blocks: Sequence[dict[str, Any]], uid: str) -> str:
        """Post a message that carries `uid`; its ts."""
        answer = self._ask(
            self._client.chat_postMessage,
            channel=channel,
            text=text,
            blocks=blocks,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"uid": uid}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(answer["ts"])

    def edit(self, channel: str, ts: str, text: str, blocks: Sequence[dict[str, Any]]) -> None:
        """Replace what a message shows."""
        self._ask(self._client.chat_update, channel=channel, ts=ts, text=text, blocks=blocks)

    def delete(self, channel: str, ts: str) -> None:
        """Take a message away."""
        self._ask(self._client.chat_delete, channel=channel, ts=ts)

    def find(self, channel: str, uid: str, oldest: float, latest: float) -> str | None:
        """The ts of our message that carries `uid`, if it was posted between these times (seconds since 1970)."""
        cursor = ""
        for _ in range(_PAGES_MOST):
            answer = self._ask(
                self._client.conversations_history,
                channel=channel,
                oldest=f"{oldest:.6f}",
                latest=f"{latest:.6f}",
                limit=_PAGE,
                include_all_metadata=True,
                cursor=cursor or None,
            )
            for message in answer["messages"]:
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == EVENT_TYPE and metadata["event_payload"].get("uid") == uid:
                    return str(message["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return None

    def open_direct(self, person: str) -> str:
        """The channel of the direct messages with this person."""
        return str(self._ask(self._client.conversations_open, users=[person])["channel"]["id"])

    def shared_outside(self, channel: str) -> bool:
        """Whether people of other companies read this channel, or are invited to."""
        about = self._ask(self._client.conversations_info, channel=channel)["channel"]
        return bool(about.get("is_ext_shared") or about.get("is_pending_ext_shared"))

    def email_of(self, person: str) -> str | None:
        """Where e-mail reaches this person; None when Slack shows no address, or they are deactivated."""
        try:
            about = self._ask(self._client.users_info, user=person)["user"]
        except Refused as error:
            if error.cause in ("user_not_found", "user_not_visible"):
                return None
            raise
        address = (about.get("profile") or {}).get("email")
        return str(address) if address and not about.get("deleted") else None

    def _ask(self, method: Callable[..., SlackResponse], **arguments: Any) -> SlackResponse:
        try:
            return method(**arguments)
        except (OSError, HTTPException, SlackClientError) as error:
            raise explained(error) from None


def explained(error: Exception) -> OutsideError:
    """What went wrong in a call of slack_sdk's client, as one of Rekey's errors."""
    if isinstance(error, SlackApiError):
        return _refusal(error.response)
    reason = error.reason if isinstance(error, URLError) else None
    if isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
        return Unreachable(f"Slack could not be reached: {reason}. Nothing was sent.", cause="unreachable")
    return _no_answer(error)


def _no_answer(error: Exception) -> NoAnswer:
    return NoAnswer(f"Slack did not answer ({type(error).__name__}). Whether it did what was asked is looked up.")


def _refusal(response: SlackResponse | Any) -> OutsideError:
    status = getattr(response, "status_code", 200)
    name = str(response.get("error") or "") if isinstance(getattr(response, "data", None), dict) else ""
    if status == 429 or name in ("ratelimited", "rate_limited"):
        return Throttled("Slack asks us to slow down.", retry_after=_retry_after(response), cause="ratelimited")
    if status >= 500 or not name.replace("_", "").isalnum() or name in _PERHAPS_DONE:  # a page instead of an answer
        return NoAnswer(f"Slack itself failed ({status}). Whether it did what was asked is looked up.", cause="failed")
    if name in _OUR_SIGN_IN:
        return SignInRefused(
            f"Slack refuses Rekey's bot token ({name}). Install the app again and set its SLACK_BOT_TOKEN.",
            cause=name,
        )
    if name == "missing_scope":
        return RightMissing(
            f"Rekey's app lacks the scope {response.get('needed')}. Install it again with its present manifest.",
            cause=name,
        )
    details = "; ".join((response.get("response_metadata") or {}).get("messages") or [])
    return Refused(f"Slack refused: {name}{f' ({details})' if details else ''}.", cause=name)


def _retry_after(response: SlackResponse | Any) -> float:
    headers = {name.lower(): value for name, value in dict(response.headers).items()}
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, TypeError, ValueError):
        return _DEFAULT_RETRY_AFTER
