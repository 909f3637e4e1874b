"""The short-lived things an interaction hands the app: trigger ids and response urls."""

import itertools
import secrets
from dataclasses import dataclass

from .clock import Clock
from .errors import SlackError

TRIGGER_SECONDS = 3
RESPONSE_URL_SECONDS = 30 * 60
RESPONSE_URL_USES = 5


@dataclass
class Trigger:
    """Permission to open one view for one person; `view_id` is the modal it was clicked in, if any."""

    id: str
    person: str
    issued_at: float
    view_id: str | None
    exchanged: bool = False


class Triggers:
    """Every trigger issued, so that a late or second use is refused by its proper name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[str, Trigger] = {}
        self._count = itertools.count(1)

    def issue(self, person: str, view_id: str | None = None) -> str:
        """A trigger id, of the form 123.456.abc, good for three seconds and one use."""
        trigger = Trigger(f"{next(self._count)}.{10**9}.{secrets.token_hex(16)}", person, self._clock.now(), view_id)
        self._issued[trigger.id] = trigger
        return trigger.id

    def exchange(self, trigger_id: str) -> Trigger:
        """Use a trigger up; SlackError `invalid_trigger_id`, `exchanged_trigger_id` or `expired_trigger_id`."""
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.exchanged:
            raise SlackError("exchanged_trigger_id")
        if self._clock.now() - trigger.issued_at > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        trigger.exchanged = True
        return trigger


@dataclass
class ResponseUrl:
    """Permission to answer one interaction: in which channel, to whom, and about which message."""

    token: str
    person: str
    channel: str
    issued_at: float
    message_ts: str | None = None
    thread_ts: str | None = None
    used: int = 0


class ResponseUrls:
    """Every response url issued; each is good five times within thirty minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[str, ResponseUrl] = {}

    def issue(self, person: str, channel: str, message_ts: str | None = None, thread_ts: str | None = None) -> str:
        """The secret last part of a new response url."""
        token = secrets.token_hex(12)
        self._issued[token] = ResponseUrl(token, person, channel, self._clock.now(), message_ts, thread_ts)
        return token

    def use(self, token: str) -> ResponseUrl:
        """Count one use; SlackError `invalid_token`, `expired_url` or `used_url`."""
        url = self._issued.get(token)
        if url is None:
            raise SlackError("invalid_token")
        if self._clock.now() - url.issued_at > RESPONSE_URL_SECONDS:
            raise SlackError("expired_url")
        if url.used >= RESPONSE_URL_USES:
            raise SlackError("used_url")
        url.used += 1
        return url
