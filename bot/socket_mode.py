"""Socket Mode: Rekey calls Slack, so that Slack needs no way in. One line per process, opened once Slack is there.

slack_sdk keeps an open line open. What it leaves to others is the first connection: while Slack is away it is tried
again, and meanwhile the lanes run.
"""

from collections.abc import Callable
from http.client import HTTPException
from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.errors import NoAnswer, OutsideError, SignInRefused, Throttled, Unreachable
from bot.settings import Settings
from bot.slack import explained

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0

_log = structlog.get_logger(__name__)


class SocketMode:
    """The line to Slack, while it is open; a context manager.

    Entering raises `SignInRefused` when Slack refuses a token, and returns at once when Slack is away.
    """

    def __init__(self, settings: Settings, make: Callable[[], App]) -> None:
        self._settings = settings
        self._make = make
        self._stopping = Event()
        self._thread: Thread | None = None
        self._handler: SocketModeHandler | None = None

    def __enter__(self) -> Self:
        try:
            self._connect()
        except (NoAnswer, Unreachable, Throttled) as error:
            _log.warning("slack.away", reason=str(error))
            self._thread = Thread(target=self._keep_trying, name="slack-line", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._handler is not None:
            self._close(self._handler)

    def _keep_trying(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.wait(pause):
            try:
                self._connect()
                return
            except OutsideError as error:
                _log.warning("slack.away", reason=str(error))
            pause = min(_LONGEST_PAUSE, 2 * pause)

    def _connect(self) -> None:
        app, token = self._make(), self._settings.slack_app_token
        handler = SocketModeHandler(
            app,
            token.get_secret_value() if token else None,
            web_client=WebClient(base_url=self._settings.slack_api_url, retry_handlers=[]),
        )
        try:
            handler.connect()  # type: ignore[no-untyped-call]
        except (OSError, HTTPException, SlackClientError) as error:
            self._close(handler)
            refusal = explained(error)
            if isinstance(refusal, SignInRefused):
                raise SignInRefused(
                    f"Slack refuses the app-level token ({refusal.cause}). Make one with the scope connections:write "
                    "and set SLACK_APP_TOKEN.",
                    cause=refusal.cause,
                ) from None
            raise refusal from None
        self._handler = handler
        _log.info("slack.connected")

    def _close(self, handler: SocketModeHandler) -> None:
        handler.close()  # type: ignore[no-untyped-call]
        handler.app.listener_runner.listener_executor.shutdown(wait=True)
