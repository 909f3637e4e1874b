"""A wire to a server that can be cut, blocked and slowed. What passes, TLS included, is not looked into."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_CHUNK = 65536


class Proxy:
    """A TCP proxy on a free port of 127.0.0.1 (`host`, `port`); passes everything until told otherwise.

    `connections` counts the connections it took, `lost` is set once a request or reply was thrown away. Use it as a
    context manager: leaving closes everything.
    """

    def __init__(self, host: str, port: int) -> None:
        self.connections = 0
        self.lost = threading.Event()
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._sent = 0
        self._lose_request = False
        self._lose_reply: Callable[[], bool] | None = None
        self._delay = threading.Event()
        self._delay_seconds = 0.0
        self._flowing = threading.Event()
        self._flowing.set()
        self._start(self._accept, self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.refuse()
        self.cut()
        self._delay.set()
        self._flowing.set()
        for thread in self._threads:
            thread.join()

    def refuse(self) -> None:
        """Refuse new connections; open ones go on."""
        _shut(self._listener)
        self._listener.close()

    def accept_again(self) -> None:
        """Take connections again after `refuse`, on the same port."""
        self._listener = socket.create_server((self.host, self.port))
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """Cut every open connection."""
        with self._lock:
            for end in self._open:
                _shut(end)

    def block(self) -> None:
        """Take connections and bytes but let nothing through in either direction, as a firewall that drops does."""
        self._flowing.clear()

    def unblock(self) -> None:
        """Let through what waits since `block`, and everything after it."""
        self._flowing.set()

    def slow(self, seconds: float) -> None:
        """Hold every answer back for so many seconds; 0 for none."""
        self._delay_seconds = seconds

    def lose_request(self) -> None:
        """Throw away the next bytes of a client and cut its connection: the server never sees them."""
        self.lost.clear()
        self._lose_request = True

    def lose_reply(self, when: Callable[[], bool] | None = None) -> None:
        """Throw away a reply of the server and cut that connection: the server has acted, the client cannot know.

        It is the reply to the next bytes a client sends, or the first one at whose arrival `when()` is true. `when`
        runs in a thread of the proxy and may ask the server itself, for instance whether it has taken a write.
        """
        self.lost.clear()
        sent = self._sent
        self._lose_reply = when or (lambda: self._sent > sent)

    def _start(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name=f"proxy {self._target[0]}")
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # refuse() closed it
            self.connections += 1
            self._start(self._relay, client)

    def _relay(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                return  # the client sees its connection end, as it would at the server itself
            with server:
                server.settimeout(None)
                with self._lock:
                    self._open |= {client, server}
                replies = self._start(self._pump, server, client, self._keep_reply)
                self._pump(client, server, self._keep_request)
                replies.join()
                with self._lock:
                    self._open -= {client, server}

    def _pump(self, source: socket.socket, sink: socket.socket, keep: Callable[[], bool]) -> None:
        try:
            while chunk := source.recv(_CHUNK):
                self._flowing.wait()
                if not keep():
                    self.lost.set()
                    break
                sink.sendall(chunk)
        except OSError:
            pass  # either end is gone, which is what the lines below pass on
        _shut(source)
        _shut(sink)

    def _keep_request(self) -> bool:
        if self._lose_request:
            self._lose_request = False
            return False
        self._sent += 1
        return True

    def _keep_reply(self) -> bool:
        self._delay.wait(self._delay_seconds)
        if self._lose_reply and self._lose_reply():
            self._lose_reply = None
            return False
        return True


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was no longer connected
