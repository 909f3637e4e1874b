"""Signed requests to the app's own address (docs.slack.dev/authentication/verifying-requests-from-slack)."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from ..clock import Clock
from ..errors import SetupError
from ..manifest import App
from . import ACK_SECONDS, Answer, Parcel

_BODY_MOST = 1_000_000


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class SignedHttp:
    """Posts to one request url, as an app without Socket Mode has it in its manifest."""

    def __init__(self, app: App, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
        self.request_url: str | None = None

    async def verify(self, request_url: str) -> None:
        """Adopt a request url once it echoes our challenge; SetupError if it does not."""
        challenge = {"type": "url_verification", "token": self._app.verification_token, "challenge": "3eZbrw1aBm2r"}
        answer = await self._post(request_url, json.dumps(challenge), "application/json", {})
        echoed = answer.payload.get("challenge") if isinstance(answer.payload, dict) else answer.payload
        if not answer.acknowledged or echoed != challenge["challenge"]:
            raise SetupError(
                f"{request_url} did not echo the challenge ({answer.reason or answer.payload!r}), so Slack would not "
                "save it as a request url. Start the app first, and check its signing secret."
            )
        self.request_url = request_url

    async def carry(self, parcel: Parcel, attempt: int, reason: str) -> Answer:
        """Post one parcel in the form its kind has."""
        if self.request_url is None:
            return Answer(False, reason="connection_failed")
        retry = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        if parcel.kind == "events_api":
            return await self._post(self.request_url, json.dumps(parcel.payload), "application/json", retry)
        form = parcel.payload if parcel.kind == "slash_commands" else {"payload": json.dumps(parcel.payload)}
        return await self._post(self.request_url, urlencode(form), "application/x-www-form-urlencoded", retry)

    async def _post(self, url: str, body: str, content_type: str, extra: dict[str, str]) -> Answer:
        timestamp = str(int(self._clock.now()))
        verifier = SignatureVerifier(self._app.signing_secret)
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": verifier.generate_signature(timestamp=timestamp, body=body) or "",
            **extra,
        }
        request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310 - the address a test gave
        try:
            return await self._clock.within(ACK_SECONDS, asyncio.to_thread(self._exchange, request))
        except TimeoutError:
            return Answer(False, reason="http_timeout")

    def _exchange(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=4 * ACK_SECONDS) as response:
                return Answer(True, _read(response.headers.get_content_type(), response.read(_BODY_MOST)))
        except urllib.error.HTTPError as error:
            with error:
                no_retry = error.headers.get("X-Slack-No-Retry") == "1"
                return Answer(False, {"status": error.code}, "http_error", no_retry)
        except OSError:
            return Answer(False, reason="connection_failed")


def _read(content_type: str, body: bytes) -> Any:
    text = body.decode(errors="replace")
    if content_type == "application/json":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text or None
