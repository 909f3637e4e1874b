"""Socket Mode (docs.slack.dev/apis/events-api/using-socket-mode)."""

import asyncio
import itertools
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..clock import Clock
from ..faults import Faults
from ..manifest import App
from . import ACK_SECONDS, Answer, Parcel

CONNECTIONS_MOST = 10
TICKET_SECONDS = 30
GRACE_SECONDS = 10  # between being asked to reconnect and being cut off
CONNECTION_SECONDS = 18_060


@dataclass(eq=False)
class Connection:
    """One open web socket; `draining` once it has been asked to make way for a new one."""

    socket: WebSocket
    draining: bool = False
    waiting: dict[str, asyncio.Future[Answer]] = field(default_factory=dict)


class Sockets:
    """Every Socket Mode connection of the app; each envelope goes to exactly one of them."""

    def __init__(self, app: App, clock: Clock, faults: Faults) -> None:
        self._app = app
        self._clock = clock
        self._faults = faults
        self._tickets: dict[str, float] = {}
        self._connections: list[Connection] = []
        self._turn = itertools.count()
        self.served = 0
        """How many connections there have been so far."""
        self.address = ""
        """ws://host:port of this server, once it is listening."""

    @property
    def connected(self) -> int:
        """How many connections would get an envelope now."""
        return sum(not connection.draining for connection in self._connections)

    def new_address(self) -> str:
        """The address of one connection; its ticket works once, within half a minute."""
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = self._clock.now()
        return f"{self.address}/link/?ticket={ticket}&app_id={self._app.id}"

    async def serve(self, socket: WebSocket) -> None:
        """Be Slack's end of one connection until either side leaves."""
        issued_at = self._tickets.pop(socket.query_params.get("ticket", ""), None)
        expired = issued_at is None or self._clock.now() - issued_at > TICKET_SECONDS
        if expired or self._app.revoked or self._faults.away:
            await socket.close(1008)
            return
        await socket.accept()
        connection = Connection(socket)
        if len(self._connections) >= CONNECTIONS_MOST:
            await self._say_goodbye(connection, "too_many_websockets")
            await socket.close(1008)
            return
        self._connections.append(connection)
        try:
            await socket.send_json(self._hello())
            self.served += 1
            while True:
                self._receive(connection, await socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            self._connections.remove(connection)
            for waiting in connection.waiting.values():
                if not waiting.done():
                    waiting.set_result(Answer(False, reason="connection_failed"))

    async def carry(self, parcel: Parcel, attempt: int, reason: str) -> Answer:
        """Send one envelope over one connection and wait for its acknowledgement."""
        connection = self._choose()
        if connection is None:
            return Answer(False, reason="connection_failed")
        envelope_id = secrets.token_hex(16)
        envelope: dict[str, Any] = {
            "envelope_id": envelope_id,
            "type": parcel.kind,
            "payload": parcel.payload,
            "accepts_response_payload": parcel.kind != "events_api",
        }
        if parcel.kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else reason}
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        connection.waiting[envelope_id] = answered
        try:
            await connection.socket.send_json(envelope)
            return await self._clock.within(ACK_SECONDS, answered)
        except TimeoutError:
            return Answer(False, reason="http_timeout")
        except (RuntimeError, WebSocketDisconnect):  # it closed between choosing and sending
            return Answer(False, reason="connection_failed")
        finally:
            connection.waiting.pop(envelope_id, None)

    async def refresh(self, reason: Literal["warning", "refresh_requested"] = "refresh_requested") -> None:
        """Ask every connection to reconnect; whoever has not left after ten seconds is cut off."""
        leaving = list(self._connections)
        for connection in leaving:
            connection.draining = True
            await self._say_goodbye(connection, reason)
        await self._clock.sleep(GRACE_SECONDS)
        for connection in leaving:
            if connection in self._connections:
                await self._close(connection, 1001)

    async def drop(self) -> None:
        """Cut every connection without a word of warning."""
        for connection in list(self._connections):
            await self._close(connection, 1011)

    async def _close(self, connection: Connection, code: int) -> None:
        with suppress(RuntimeError):  # the other end was faster
            await connection.socket.close(code)

    def _hello(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": len(self._connections),
            "connection_info": {"app_id": self._app.id},
            "debug_info": {
                "host": "pretend-slack",
                "build_number": 1,
                "approximate_connection_time": CONNECTION_SECONDS,
            },
        }

    async def _say_goodbye(self, connection: Connection, reason: str) -> None:
        await connection.socket.send_json(
            {"type": "disconnect", "reason": reason, "debug_info": {"host": "pretend-slack"}}
        )

    def _choose(self) -> Connection | None:
        ready = [connection for connection in self._connections if not connection.draining] or self._connections
        return ready[next(self._turn) % len(ready)] if ready else None

    def _receive(self, connection: Connection, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            return  # Slack, too, drops what it cannot read
        waiting = connection.waiting.get(message.get("envelope_id", "")) if isinstance(message, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(True, message.get("payload")))
