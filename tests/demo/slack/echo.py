"""An app behind a request url that records what it gets and answers as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Received:
    """One request: its headers in lower case, and its body."""

    headers: dict[str, str]
    text: str

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.text))


@dataclass
class Echo:
    """What came in, and how to answer: the given statuses first, then 200."""

    url: str = ""
    echoes: bool = True
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> list[Received]:
        """Everything received, once it is at least this many requests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, 5), self.received
            return list(self.received)


@contextmanager
def serving() -> Iterator[Echo]:
    """Serve an Echo on a free loopback port."""
    echo = Echo()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with echo.arrived:
                echo.received.append(Received({key.lower(): value for key, value in self.headers.items()}, body))
                challenge = json.loads(body)["challenge"] if '"url_verification"' in body else None
                status = 200 if challenge or not echo.statuses else echo.statuses.pop(0)
                echo.arrived.notify_all()
            self.send_response(status)
            for name, value in echo.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write((challenge if challenge and echo.echoes else "ok").encode())

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    echo.url = f"http://127.0.0.1:{server.server_address[1]}/slack/events"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
