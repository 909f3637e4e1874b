"""Serving the site: on loopback, in a thread of its own."""

import asyncio
import threading
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from bot.errors import BadInput

HOST = "127.0.0.1"
_START_SECONDS = 10


class Web:
    """Serves the site on loopback while it is open; a context manager. `port` 0 takes any that is free."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=HOST,
                port=port,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=True,
                forwarded_allow_ips=HOST,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        until = monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and monotonic() < until:
            self._thread.join(0.01)
        if not self._server.started:
            raise BadInput(
                f"Rekey's pages cannot be served on {HOST}:{self._server.config.port}: something else listens there, "
                "or it may not. Set REKEY_HTTP_PORT to a free port."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        with suppress(SystemExit):  # uvicorn's way of saying that it could not bind; __enter__ says it in words
            asyncio.run(self._server.serve())
