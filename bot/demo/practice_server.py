"""Practice domains for other processes: so that one of them can be killed in the middle, and the domain lives on.

The process that owns the domains serves them on a Unix socket in a folder of its own that nobody else may enter, which
is all the protection there is: what goes through it is pickled. Another process gets to them by the socket's path:

    with PracticeServer({"acme-ad": domain}) as server:
        ...  # elsewhere: build(settings, {"practice": practice_kind(server.socket)})
"""

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from multiprocessing.connection import Client, Listener
from multiprocessing.connection import Connection as Wire
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.directories.base import Changes, Directory, Finding, Proof, Signs, Standing
from bot.errors import NoAnswer, OutsideError, Unreachable
from storage.models import Connection


class PracticeServer:
    """Serves practice domains by the names of their connections while it is open; a context manager."""

    def __init__(self, domains: Mapping[str, PracticeDomain]) -> None:
        self._domains = domains
        self._folder = tempfile.TemporaryDirectory(prefix="rekey-practice-")
        self.socket = str(Path(self._folder.name) / "domains")
        self._listener = Listener(self.socket, family="AF_UNIX")
        self._thread = threading.Thread(target=self._accept, daemon=True, name="practice-server")
        self._open = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        Client(self.socket, family="AF_UNIX").close()  # closing alone would not wake `accept`
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while self._open:
            wire = self._listener.accept()
            threading.Thread(target=self._answer, args=[wire], daemon=True, name="practice-client").start()

    def _answer(self, wire: Wire) -> None:
        with wire, suppress(EOFError, OSError):  # whoever asked is gone
            while True:
                name, operation, arguments = wire.recv()
                wire.send(self._do(name, operation, arguments))

    def _do(self, name: str, operation: str, arguments: tuple[Any, ...]) -> object:
        try:
            answer = getattr(PracticeDirectory(self._domains[name]), operation)(*arguments)
        except OutsideError as error:
            return _Raised(type(error), str(error), vars(error))
        return replace(answer, accounts=tuple(answer.accounts)) if isinstance(answer, Changes) else answer


class _Raised:
    """An error on its way to the one who asked: taken apart, since some need more than a message to be made."""

    def __init__(self, kind: type[OutsideError], message: str, attributes: Mapping[str, object]) -> None:
        self._kind, self._message, self._attributes = kind, message, dict(attributes)

    def error(self) -> OutsideError:
        """The error as it was raised."""
        error = self._kind.__new__(self._kind, self._message)
        error.__dict__.update(self._attributes)
        return error


def practice_kind(socket: str) -> Callable[[Connection], Directory]:
    """How a process gets from a stored connection of the kind `practice` to the domain served under its name."""
    return lambda connection: RemotePracticeDirectory(socket, connection.name)


class RemotePracticeDirectory:
    """The Directory port on a practice domain that another thread or process serves."""

    overlap = PracticeDirectory.overlap

    def __init__(self, socket: str, name: str) -> None:
        self._socket = socket
        self._name = name
        self._mine = threading.local()
        self._wires: list[Wire] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self._wires:
            wire.close()

    def check(self) -> list[Finding]:
        """See `Directory.check`."""
        answer: list[Finding] = self._ask("check")
        return answer

    def accounts(self, since: str | None) -> Changes:
        """See `Directory.accounts`."""
        answer: Changes = self._ask("accounts", since)
        return answer

    def may_rotate(self, account: str) -> Standing:
        """See `Directory.may_rotate`."""
        answer: Standing = self._ask("may_rotate", account)
        return answer

    def set_password(self, account: str, secret: SecretStr) -> str:
        """See `Directory.set_password`."""
        answer: str = self._ask("set_password", account, secret)
        return answer

    def confirm(
        self,
        account: str,
        secret: SecretStr,
        since: datetime | None,
        server: str | None,
        unproven: int = 0,
        times_set_before: int | None = None,
    ) -> Proof:
        """See `Directory.confirm`."""
        answer: Proof = self._ask("confirm", account, secret, since, server, unproven, times_set_before)
        return answer

    def works(self, account: str, secret: SecretStr, unproven: int = 0, known_since: datetime | None = None) -> Proof:
        """See `Directory.works`."""
        answer: Proof = self._ask("works", account, secret, unproven, known_since)
        return answer

    def unlock(self, account: str) -> None:
        """See `Directory.unlock`."""
        self._ask("unlock", account)

    def signs_of_trouble(self, accounts: Sequence[str]) -> Signs:
        """See `Directory.signs_of_trouble`."""
        answer: Signs = self._ask("signs_of_trouble", list(accounts))
        return answer

    def _ask(self, operation: str, *arguments: object) -> Any:
        wire = self._wire()
        try:
            wire.send((self._name, operation, arguments))
            answer = wire.recv()
        except (EOFError, OSError) as error:
            del self._mine.wire
            raise NoAnswer("The practice domain went away without an answer.", cause="no-answer") from error
        if isinstance(answer, _Raised):
            raise answer.error()
        return answer

    def _wire(self) -> Wire:
        """This thread's own connection: a call that is held up must not hold up the others."""
        if not hasattr(self._mine, "wire"):
            try:
                self._mine.wire = Client(self._socket, family="AF_UNIX")
            except OSError as error:
                raise Unreachable(
                    "The practice domain is not running: it lives only as long as the demo.", cause="unreachable"
                ) from error
            self._wires.append(self._mine.wire)
        wire: Wire = self._mine.wire
        return wire
