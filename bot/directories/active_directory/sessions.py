"""Every connection of one connector, and which controller to turn to: in a known order, and never again too soon.

A failed attempt moves on to the next controller only while nothing was written. A call is over before a lease is,
however many controllers hang: nothing must be written when the lane may be somebody else's already.
"""

import copy
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from pydantic import SecretStr

from bot import certificates
from bot.directories.active_directory import diagnostics
from bot.directories.active_directory.diagnostics import SignIn
from bot.directories.active_directory.session import Session, introduce
from bot.directories.active_directory.settings import ActiveDirectorySettings, Server
from bot.directories.active_directory.wire import Result, Wire, dial
from bot.errors import CertificateRefused, NoAnswer, OutsideError, Refused, SignInRefused, Unreachable

_AWAY = 2.0
"""Seconds a controller that could not be reached is not tried again."""
_LAST = 60.0
"""Seconds such a controller is asked after the others."""
_PATIENCE = 10.0
"""Seconds after which a call tries no further controller; one attempt adds at most five times the connect timeout."""
_REFUSED = 60.0
"""Seconds a refused sign-in of the connector is not repeated: repeating it could lock its account."""

Answer = TypeVar("Answer")
Kept = TypeVar("Kept", Session, Wire)


class _Shelf(Generic[Kept]):
    """Connections nobody uses at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Server, list[Kept]] = {}

    def take(self, server: Server) -> Kept | None:
        """One that is still alive, for the caller alone; None when there is none."""
        while True:
            with self._lock:
                kept = self._kept.get(server)
                if not kept:
                    return None
                found = kept.pop()
            if found.fresh():
                return found
            found.close()

    def put(self, server: Server, kept: Kept) -> None:
        """Hand one back, or in."""
        with self._lock:
            self._kept.setdefault(server, []).append(kept)

    def clear(self) -> None:
        """Close them all."""
        with self._lock:
            left = [each for kept in self._kept.values() for each in kept]
            self._kept.clear()
        for each in left:
            each.close()


class Sessions:
    """Kept connections for reading, one for writing, and some for proving passwords.

    Safe to use from several threads: a connection belongs to whoever borrowed it until it is handed back.
    """

    def __init__(self, settings: ActiveDirectorySettings, password: SecretStr) -> None:
        self.settings = settings
        self._password = password
        self._context = certificates.trust(settings.ca)
        self._signing_in = threading.Lock()
        self._readers = _Shelf[Session]()
        self._provers = _Shelf[Wire]()
        self._writer: Session | None = None
        self._away: dict[Server, tuple[float, OutsideError]] = {}
        self._refused: tuple[float, SignInRefused] | None = None

    def in_turn(self, first: str | None = None) -> Iterator[Server]:
        """The controllers to ask, one by one, for as long as one call may try another: the one named `first`, then as
        configured, those that were away a moment ago last.
        """
        started = time.monotonic()

        def order(server: Server) -> tuple[bool, bool]:
            failed = self._away.get(server)
            return server.name != first, failed is not None and started - failed[0] < _LAST

        for server in sorted(self.settings.servers, key=order):
            if time.monotonic() - started > _PATIENCE:
                return
            yield server

    def ask(self, question: Callable[[Session], Answer], server: Server | None = None) -> Answer:
        """Put a question that changes nothing to `server`, or to the first controller that answers."""
        failures: list[OutsideError] = []
        for candidate in [server] if server else self.in_turn():
            try:
                return self._ask(question, candidate)
            except (Unreachable, CertificateRefused) as error:
                failures.append(error)
        raise _all_failed(failures)

    def _ask(self, question: Callable[[Session], Answer], server: Server) -> Answer:
        kept = self._readers.take(server)
        if kept:
            try:
                return self._answered(question, kept)
            except Unreachable:
                pass  # it broke since it was last used: a new connection decides
        return self._answered(question, self.open(server))

    def _answered(self, question: Callable[[Session], Answer], session: Session) -> Answer:
        try:
            answer = question(session)
        except Refused:
            self._readers.put(session.wire.server, session)
            raise
        except BaseException:
            session.close()
            raise
        self._readers.put(session.wire.server, session)
        return answer

    def writer(self) -> Session:
        """The one session writes go through, on the first writable controller that answers."""
        if self._writer is None or not self._writer.fresh():
            self.drop_writer()
            self._writer = self.open_first(writable=True)
        return self._writer

    def drop_writer(self) -> None:
        """Close the writing session: something went wrong with it."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def open_first(self, *, writable: bool = False) -> Session:
        """A session of the caller's own, on the first controller that answers (and takes writes, when asked for)."""
        failures: list[OutsideError] = []
        for server in self.in_turn():
            try:
                session = self.open(server)
            except (Unreachable, CertificateRefused) as error:
                failures.append(error)
                continue
            if not (writable and session.read_only):
                return session
            session.close()
            failures.append(diagnostics.read_only(session.name))
        raise _all_failed(failures)

    def open(self, server: Server) -> Session:
        """Connect, sign in as the connector, and read what the controller says about itself."""
        with self._signing_in:
            if self._refused and time.monotonic() - self._refused[0] < _REFUSED:
                raise copy.copy(self._refused[1])
            wire = self._connect(server)
            try:
                result = self._sign_in(wire)
                if result["result"] == 0:
                    session = introduce(wire)
                    wire.be_patient(self.settings.receive_timeout)
                    return session
            except BaseException as error:
                wire.close()
                if isinstance(error, Unreachable):
                    self._away[server] = (time.monotonic(), error)
                raise
            wire.close()
            refusal = diagnostics.connector_refused(server.name, self.settings.bind_dn, result)
            if isinstance(refusal, SignInRefused):
                self._refused = (time.monotonic(), refusal)
            raise refusal

    def _sign_in(self, wire: Wire) -> Result:
        try:
            return wire.sign_in(self.settings.bind_dn, self._password)
        except NoAnswer as error:
            raise Unreachable(f"{wire.server.name} did not answer our sign-in.", cause="no-answer") from error

    def try_password(self, server: Server, name: str, password: SecretStr) -> SignIn:
        """One sign-in attempt at `server` over a kept connection, which costs a tenth of a new one.

        `NoAnswer` when the reply is lost, `Unreachable` when nothing was sent.
        """
        wire = self._provers.take(server)
        if wire is None:
            wire = self._connect(server)
            wire.be_patient(self.settings.receive_timeout)
        try:
            result = wire.sign_in(name, password)
        except BaseException:
            wire.close()
            raise
        self._provers.put(server, wire)
        return diagnostics.sign_in_of(result)

    def _connect(self, server: Server) -> Wire:
        failed = self._away.get(server)
        if failed and time.monotonic() - failed[0] < _AWAY:
            raise copy.copy(failed[1])
        try:
            wire = dial(server, self._context, self.settings.connect_timeout)
        except (Unreachable, CertificateRefused) as error:
            self._away[server] = (time.monotonic(), error)
            raise
        self._away.pop(server, None)
        return wire

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.drop_writer()
        self._readers.clear()
        self._provers.clear()


def _all_failed(failures: Sequence[OutsideError]) -> OutsideError:
    """The one error to raise for several controllers: one with a certificate to look at first, else the first."""
    chosen = next((each for each in failures if isinstance(each, CertificateRefused)), failures[0])
    if len(failures) == 1:
        return chosen
    said = " ".join(dict.fromkeys(str(each) for each in (chosen, *failures)))
    return type(chosen)(f"No domain controller could be used. {said}", cause=chosen.cause, mend=chosen.mend)
