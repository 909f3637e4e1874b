"""A running pretend Slack: the server in a thread of its own, and the way for other threads to reach into it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

import uvicorn

from .app import build
from .errors import SetupError
from .interactions import Impossible, Interactions
from .manifest import App
from .pretend import PretendSlack

Result = TypeVar("Result")

HOST = "127.0.0.1"  # never anything else: whoever reaches the page can act as anybody
START_SECONDS = 30


class RunningSlack:
    """A pretend Slack that listens on loopback. A context manager: leaving it stops the server.

    `port` 0 takes any free port. The workspace starts with the app's bot and nobody else.
    """

    def __init__(self, manifest: Mapping[str, Any], *, port: int = 0) -> None:
        self.slack = PretendSlack(App.from_manifest(manifest))
        self.interactions = Interactions(self.slack)
        self._loop = asyncio.new_event_loop()
        self._accidents: list[BaseException] = []
        config = uvicorn.Config(
            build(self.slack, self.interactions),
            host=HOST,
            port=port,
            log_level="critical",
            ws="websockets-sansio",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="pretend-slack", daemon=True)
        self._listening = threading.Event()
        self.failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Where the page is: http://127.0.0.1:port."""
        return self.slack.base_url

    @property
    def api_url(self) -> str:
        """What SLACK_API_URL has to be, with the slash slack_sdk wants."""
        return f"{self.url}/api/"

    @property
    def app(self) -> App:
        """The installed app, with its tokens and signing secret."""
        return self.slack.app

    def __enter__(self) -> "RunningSlack":
        self._thread.start()
        if not self._listening.wait(START_SECONDS) or self.failure is not None:
            raise SetupError(f"The pretend Slack could not start: {self.failure or 'it did not come up in time'}")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ask_to_stop)
        self._thread.join(START_SECONDS)
        if self._accidents:
            raise BaseExceptionGroup("The pretend Slack itself went wrong", self._accidents)

    def call(self, function: Callable[[], Result]) -> Result:
        """Run a function on the server's loop and return (or raise) what it does."""

        async def run() -> Result:
            return function()

        return self.wait_for(run())

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the server's loop and return (or raise) what it does."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    def start(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Start a coroutine on the server's loop without waiting for its end."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.add_done_callback(self._note_accident)
        return future

    def _note_accident(self, future: Future[None]) -> None:
        # What a person cannot do is told to whoever tried; anything else that goes wrong here is our own mistake.
        accident = None if future.cancelled() else future.exception()
        if accident is not None and not isinstance(accident, Impossible):
            self._accidents.append(accident)

    def _ask_to_stop(self) -> None:
        self.slack.delivery.stop()
        self._server.should_exit = True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # told to whoever is waiting in __enter__
            self.failure = error
        finally:
            self._listening.set()
            self._loop.run_until_complete(self._finish())
            self._loop.close()

    async def _finish(self) -> None:
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _serve(self) -> None:
        announcing = asyncio.ensure_future(self._announce())
        await self._server.serve()
        await announcing

    async def _announce(self) -> None:
        while not self._server.started:
            if self._server.should_exit:
                return
            await asyncio.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.slack.base_url = f"http://{HOST}:{port}"
        self.slack.sockets.address = f"ws://{HOST}:{port}"
        self._listening.set()
