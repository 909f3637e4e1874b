"""A running pretend IT Glue: the server in a thread of its own, on loopback."""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn

from .account import Account
from .app import build
from .faults import Faults

HOST = "127.0.0.1"  # never anything else: it knows no strangers
START_SECONDS = 30


class RunningITGlue:
    """A pretend IT Glue that listens on loopback. A context manager: leaving it stops the server.

    It listens from the moment it is made, so that its address is known; nothing is answered before it is entered.
    """

    def __init__(self, account: Account | None = None, *, port: int = 0) -> None:
        self.account = account or Account()
        self.faults = Faults()
        # Said to be TCP, or asyncio would leave it waiting for acknowledgements between the parts of an answer.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, port))
        self._socket.listen()
        self.port = int(self._socket.getsockname()[1])
        self.account.web = self.url
        config = uvicorn.Config(
            build(self.account, self.faults),
            log_level="critical",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="pretend-itglue", daemon=True)
        self._accident: BaseException | None = None

    @property
    def url(self) -> str:
        """What `base_url` of a connection to it has to be."""
        return f"http://{HOST}:{self.port}"

    @property
    def place(self) -> str:
        """What REKEY_EXTRA_HOSTS has to name."""
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
        self._socket.close()
        if self._accident is not None:
            raise self._accident

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # told to whoever leaves
            self._accident = error
