"""The pretend Microsoft on a socket: both its hosts behind one TLS port of loopback, in a thread of its own.

with GraphStandIn() as graph:
    northwind = graph.tenant("northwind.example")
    app = graph.application(northwind)
    northwind.connects(app)
    alice = northwind.user("alice")
    ...  # sign in at graph.login with app.client_id and app.secret(), call graph.graph, trusting graph.ca_file
    assert northwind.signs_in(alice, "…")
"""

import asyncio
import tempfile
import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from bot.demo.graph.certificates import make_certificates
from bot.demo.graph.throttling import Limits
from bot.demo.graph.wire import build
from bot.demo.graph.world import World

HOST = "127.0.0.1"
START_SECONDS = 30

_NO_SKEW = timedelta()


class GraphStandIn(World):
    """A pretend Microsoft that listens while it is open; a context manager. `port` 0 takes any free port."""

    def __init__(self, *, limits: Limits | None = None, skew: timedelta = _NO_SKEW, port: int = 0) -> None:
        super().__init__(limits=limits, skew=skew)
        self._port = port
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with self._opened as opened:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="rekey-graph-"))
            ca_file, server_file = make_certificates(Path(folder))
            self.ca_file = str(ca_file)
            """The authority to trust, a PEM file."""
            self._listening = threading.Event()
            self._failure: BaseException | None = None
            self._loop, self._closing = asyncio.new_event_loop(), asyncio.Event()
            self._server = self._make_server(server_file)
            thread = threading.Thread(target=self._run, name="pretend-graph", daemon=True)
            thread.start()
            if not self._listening.wait(START_SECONDS) or self._failure is not None:
                raise RuntimeError(
                    f"The pretend Graph could not start: {self._failure or 'it did not come up in time'}"
                )
            opened.callback(thread.join, START_SECONDS)
            opened.callback(self._loop.call_soon_threadsafe, self._closing.set)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def _make_server(self, server_file: Path) -> uvicorn.Server:
        return uvicorn.Server(
            uvicorn.Config(
                build(self),
                host=HOST,
                port=self._port,
                ssl_certfile=server_file,
                http="h11",
                ws="none",
                log_level="critical",
                date_header=False,  # it shows its own clock
                lifespan="off",
                timeout_keep_alive=60,
            )
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # told to whoever is waiting in __enter__
            self._failure = error
        finally:
            self._listening.set()
            self._loop.run_until_complete(self._finish())
            self._loop.close()

    async def _serve(self) -> None:
        """What uvicorn does itself, but for its loop: that looks only ten times a second whether it is to end, and
        many tests begin and end a server.
        """
        server = self._server
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup()
        await server.on_tick(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        self.login = self.graph = f"https://localhost:{port}"
        self._listening.set()
        await self._closing.wait()
        for listener in server.servers:
            listener.close()
        connections = server.server_state.connections
        for connection in list(connections):
            connection.transport.abort()  # a polite end of TLS would wait for clients that are not listening any more
        while connections:
            await asyncio.sleep(0)

    async def _finish(self) -> None:
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._loop.shutdown_default_executor()
