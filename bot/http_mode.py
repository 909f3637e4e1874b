"""HTTP mode: Slack calls Rekey, at one path. Bolt checks the signature, and refuses what is too old.

A listener runs in a thread, so that a slow one keeps nobody else waiting.
"""

from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Self

import structlog
from slack_bolt import App
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.errors import NoAnswer, OutsideError, Throttled, Unreachable

SLACK_PATH = "/slack/events"
"""What stands behind Rekey's address in the app's settings: for commands, interactivity and events alike."""

_BODY_MOST = 1_000_000

_log = structlog.get_logger(__name__)


class HttpMode:
    """What Slack's requests go to, while it is open; a context manager. As long as Rekey cannot reach Slack they are
    answered with 503: Slack sends events again.
    """

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._lock = Lock()
        self._app: App | None = None

    def __enter__(self) -> Self:
        """Make the app now, so that a token Slack refuses stops the start (`SignInRefused`)."""
        try:
            self._ready()
        except (NoAnswer, Unreachable, Throttled) as error:
            _log.warning("slack.away", reason=str(error))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._app is not None:
            self._app.listener_runner.listener_executor.shutdown(wait=True)

    async def endpoint(self, request: Request) -> Response:
        """Answer one request of Slack's; a Starlette endpoint."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _BODY_MOST:
                return PlainTextResponse("Too much", status_code=413)
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            return PlainTextResponse("Not UTF-8", status_code=400)
        return await run_in_threadpool(self._answer, request, bytes(body))

    def _answer(self, request: Request, body: bytes) -> Response:
        try:
            app = self._ready()
        except OutsideError as error:
            _log.warning("slack.away", reason=str(error))
            return PlainTextResponse("Rekey cannot reach Slack", status_code=503)
        return to_starlette_response(app.dispatch(to_bolt_request(request, body)))

    def _ready(self) -> App:
        with self._lock:
            if self._app is None:
                self._app = self._make()
            return self._app
