"""Connections to domain controllers: verified TLS, short limits, a known server order, and no surprise from ldap3.

ldap3 trusts any certificate, follows referrals with our password to any host and waits for ever unless told otherwise:
here it is told, in one place. A failed attempt moves on to the next controller only while nothing was written.
"""

import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import ldap3
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error
from pydantic import SecretStr

from bot import certificates
from bot.directories.active_directory import diagnostics
from bot.directories.active_directory.diagnostics import SignIn
from bot.directories.active_directory.entries import Entry, sid_text
from bot.directories.active_directory.settings import ActiveDirectorySettings, Server
from bot.errors import CertificateRefused, NoAnswer, OutsideError, SignInRefused, Unreachable

PAGED = "1.2.840.113556.1.4.319"
READ_ONLY_CONTROLLER = "1.2.840.113556.1.4.1920"
PAGE = 1000
"""Windows refuses more in one go."""

_KEPT = 60.0
"""Seconds an idle connection is trusted to be alive."""
_OLDEST = 600.0
"""Seconds after which a connection is made anew: the domain's policy is read with it."""
_AWAY = 2.0
"""Seconds a controller that could not be reached is not tried again."""
_LAST = 60.0
"""Seconds such a controller is asked after the others."""
_PATIENCE = 10.0
"""Seconds after which a call tries no further controller: with the limits of one attempt it stays shorter than a lease,
so that nothing is written when the lane may be somebody else's already."""
_REFUSED = 60.0
"""Seconds a refused sign-in of the connector is not repeated: repeating it could lock its account."""

_BROKEN = (LDAPException, OSError, PyAsn1Error)
_HEAD = (
    "objectSid", "fSMORoleOwner", "minPwdLength", "pwdProperties", "minPwdAge", "pwdHistoryLength",
    "lockoutThreshold", "lockoutDuration", "lockOutObservationWindow",
)  # fmt: skip
_ROOT = (
    "defaultNamingContext", "configurationNamingContext", "dsServiceName", "dnsHostName", "currentTime",
    "highestCommittedUSN", "supportedCapabilities", "domainFunctionality", "tokenGroups",
)  # fmt: skip

Answer = TypeVar("Answer")


class _VerifiedTls(ldap3.Tls):
    """ldap3's TLS with OpenSSL's own verification of name and chain, keeping why it refused (ldap3 flattens it)."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._name = name
        self.problem: Exception | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket, server_hostname=self._name, do_handshake_on_connect=do_handshake
            )
        except Exception as error:
            self.problem = error
            raise


@dataclass(slots=True)
class Wire:
    """One TLS connection to one controller, used by one thread at a time."""

    server: Server
    connection: ldap3.Connection
    opened: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)

    def sign_in(self, name: str, password: SecretStr) -> Mapping[str, Any]:
        """Bind; returns ldap3's result. `NoAnswer` when the reply is lost. An empty password is never sent: it would be
        taken for an anonymous sign-in, and always succeed.
        """
        secret = password.get_secret_value().encode()
        if not secret:
            raise ValueError("An empty password is never sent to a directory.")
        try:
            # As bytes: ldap3 would rewrite text by SASLprep, and some passwords with it.
            self.connection.rebind(name, secret, authentication=ldap3.SIMPLE, read_server_info=False)
        except _BROKEN as error:
            raise NoAnswer(
                f"{self.server.name} did not answer a sign-in: it is not known whether it counted it.",
                cause="lost-reply",
            ) from error
        finally:
            self.connection.password = None
            self.connection.request = None
        self.used = time.monotonic()
        return self.connection.result  # type: ignore[no-any-return]

    def be_patient(self, seconds: float) -> None:
        """Wait so long for each answer from now on."""
        self.connection.socket.settimeout(seconds)

    def fresh(self) -> bool:
        """Still worth using: not idle or old for long, and the other side has not hung up."""
        now = time.monotonic()
        if self.connection.closed or now - self.used > _KEPT or now - self.opened > _OLDEST:
            return False
        return not select.select([self.connection.socket], [], [], 0)[0]

    def close(self) -> None:
        """Hang up; never fails."""
        with suppress(*_BROKEN):
            self.connection.unbind()


@dataclass(slots=True)
class Session:
    """The connector's own account, signed in to one controller, and what that controller says about itself."""

    wire: Wire
    base: str
    configuration: str
    service: str
    host: str
    usn: int
    functionality: int
    read_only: bool
    tokens: tuple[str, ...]
    """The SIDs the controller holds for ours, our own first."""
    head: Entry
    """The domain's own entry: its policy, and who emulates the PDC."""
    said_at: datetime
    kept: dict[str, Any] = field(default_factory=dict)
    """What was read over this session and holds for its life: fine-grained policies by name."""

    @property
    def name(self) -> str:
        """The server's name as people know it."""
        return self.wire.server.name

    @property
    def is_pdc(self) -> bool:
        """Whether password changes made elsewhere arrive here first."""
        return (self.head.text("fSMORoleOwner") or "").lower() == self.service.lower()

    @property
    def own_sid(self) -> str | None:
        """The SID of the account we signed in with."""
        return self.tokens[0] if self.tokens else None

    def now(self) -> datetime:
        """The controller's own clock: what it said on connecting, and the time since."""
        return self.said_at + timedelta(seconds=time.monotonic() - self.wire.opened)

    def read(self, base: str, attributes: Sequence[str]) -> Entry | None:
        """One entry by its name or `<GUID=…>`; None when it is not there or not shown to us."""
        result, entries, _ = self._search(base, "(objectClass=*)", ldap3.BASE, attributes)
        if result["result"] == 32:
            return None
        self._expect(result)
        return entries[0] if entries else None

    def find(
        self, criteria: str, attributes: Sequence[str], base: str | None = None, controls: Sequence[Any] = ()
    ) -> Iterator[Entry]:
        """Every entry below `base` (the domain) that meets the criteria, page by page."""
        cookie: bytes | None = None
        while True:
            result, entries, cookie = self._search(
                base or self.base, criteria, ldap3.SUBTREE, attributes, controls, paged=True, cookie=cookie
            )
            if result["result"] == 32:
                return
            self._expect(result)
            yield from entries
            if not cookie:
                return

    def modify(self, base: str, changes: Mapping[str, Sequence[bytes]]) -> Mapping[str, Any]:
        """Replace values; returns ldap3's result. `NoAnswer` when the reply is lost, `Unreachable` when unsent."""
        if self.wire.connection.closed:
            raise Unreachable(f"The connection to {self.name} is closed. Nothing was sent.", cause="closed")
        try:
            self.wire.connection.modify(
                base, {name: [(ldap3.MODIFY_REPLACE, list(values))] for name, values in changes.items()}
            )
        except _BROKEN as error:
            raise NoAnswer(
                f"{self.name} was sent the change and did not answer: it is not known whether it was made.",
                cause="lost-reply",
            ) from error
        finally:
            self.wire.connection.request = None
        self.wire.used = time.monotonic()
        return self.wire.connection.result  # type: ignore[no-any-return]

    def _expect(self, result: Mapping[str, Any]) -> None:
        if result["result"] != 0:
            raise diagnostics.read_refused(self.name, result)

    def _search(
        self,
        base: str,
        criteria: str,
        scope: Literal["BASE", "SUBTREE"],
        attributes: Sequence[str],
        controls: Sequence[Any] = (),
        *,
        paged: bool = False,
        cookie: bytes | None = None,
    ) -> tuple[Mapping[str, Any], list[Entry], bytes | None]:
        return _search(self.wire, base, criteria, scope, attributes, controls, paged=paged, cookie=cookie)


class Sessions:
    """Every connection of one connector: kept ones for reading, one for writing, and some for proving passwords.

    Safe to use from several threads: a connection belongs to whoever borrowed it until it is handed back.
    """

    def __init__(self, settings: ActiveDirectorySettings, password: SecretStr) -> None:
        self.settings = settings
        self._password = password
        self._context = _context(settings.ca)
        self._lock = threading.Lock()
        self._signing_in = threading.Lock()
        self._readers: dict[Server, list[Session]] = {}
        self._wires: dict[Server, list[Wire]] = {}
        self._writer: Session | None = None
        self._away: dict[Server, tuple[float, OutsideError]] = {}
        self._refused: tuple[float, SignInRefused] | None = None

    def servers(self, first: str | None = None) -> list[Server]:
        """The controllers in the order to ask them: the one named `first`, then as configured, those away last."""
        now = time.monotonic()

        def order(server: Server) -> tuple[bool, bool]:
            failed = self._away.get(server)
            return server.name != first, failed is not None and now - failed[0] < _LAST

        return sorted(self.settings.servers, key=order)

    def in_turn(self, first: str | None = None) -> Iterator[Server]:
        """The same, one by one, for as long as one call may try another."""
        started = time.monotonic()
        for server in self.servers(first):
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
        kept = self._borrow(self._readers, server)
        if kept:
            try:
                return self._answered(question, kept)
            except Unreachable:
                pass  # it broke since it was last used: a new connection decides
        return self._answered(question, self.open(server))

    def _answered(self, question: Callable[[Session], Answer], session: Session) -> Answer:
        try:
            answer = question(session)
        except Unreachable:
            session.wire.close()
            raise
        except OutsideError:
            self._give_back(self._readers, session.wire.server, session)
            raise
        except BaseException:
            session.wire.close()
            raise
        self._give_back(self._readers, session.wire.server, session)
        return answer

    def writer(self) -> Session:
        """The one session writes go through, on the first writable controller that answers."""
        if self._writer is None or not self._writer.wire.fresh():
            self.drop_writer()
            self._writer = self.open_first(writable=True)
        return self._writer

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
            session.wire.close()
            failures.append(diagnostics.read_only(session.name))
        raise _all_failed(failures)

    def drop_writer(self) -> None:
        """Close the writing session: something went wrong with it."""
        if self._writer:
            self._writer.wire.close()
            self._writer = None

    def try_password(self, server: Server, name: str, password: SecretStr) -> SignIn:
        """One sign-in attempt at `server` over a kept connection that signs in as nobody else's.

        `NoAnswer` when the reply is lost, `Unreachable` when nothing was sent.
        """
        wire = self._borrow(self._wires, server)
        if wire is None:
            wire = self.connect(server)
            wire.be_patient(self.settings.receive_timeout)
        try:
            result = wire.sign_in(name, password)
        except BaseException:
            wire.close()
            raise
        if result["result"] in (0, 49):
            self._give_back(self._wires, server, wire)
        else:
            wire.close()
        return diagnostics.sign_in_of(result)

    def open(self, server: Server) -> Session:
        """Connect, sign in as the connector, and read what the controller says about itself."""
        with self._signing_in:
            if self._refused and time.monotonic() - self._refused[0] < _REFUSED:
                raise self._refused[1]
            wire = self.connect(server)
            try:
                result = self._sign_in(wire)
                if result["result"] == 0:
                    session = _introduced(wire)
                    wire.be_patient(self.settings.receive_timeout)
                    return session
                refusal = diagnostics.connector_refused(server.name, self.settings.bind_dn, result)
                if isinstance(refusal, SignInRefused):
                    self._refused = (time.monotonic(), refusal)
                raise refusal
            except BaseException as error:
                wire.close()
                if isinstance(error, Unreachable):
                    self._away[server] = (time.monotonic(), error)
                raise

    def _sign_in(self, wire: Wire) -> Mapping[str, Any]:
        try:
            return wire.sign_in(self.settings.bind_dn, self._password)
        except NoAnswer as error:
            raise Unreachable(f"{wire.server.name} did not answer our sign-in.", cause="no-answer") from error

    def connect(self, server: Server) -> Wire:
        """A verified TLS connection, not signed in. `Unreachable` or `CertificateRefused` say why there is none."""
        failed = self._away.get(server)
        if failed and time.monotonic() - failed[0] < _AWAY:
            raise failed[1]
        tls = _VerifiedTls(self._context, server.expected_name)
        connection = ldap3.Connection(
            ldap3.Server(
                server.host, server.port, use_ssl=True, get_info=ldap3.NONE, tls=tls,
                connect_timeout=self.settings.connect_timeout, allowed_referral_hosts=[],
            ),
            client_strategy=ldap3.SYNC, authentication=ldap3.ANONYMOUS, auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False, auto_range=False, check_names=False, raise_exceptions=False,
            receive_timeout=self.settings.connect_timeout,
        )  # fmt: skip
        try:
            connection.open(read_server_info=False)
        except _BROKEN as error:
            problem = self._why(server, tls.problem, error)
            self._away[server] = (time.monotonic(), problem)
            raise problem from error
        self._away.pop(server, None)
        return Wire(server, connection)

    def _why(self, server: Server, tls: Exception | None, error: Exception) -> OutsideError:
        if tls is None:
            return _no_connection(server, error)
        patience = self.settings.connect_timeout
        problem = certificates.explain(tls, server.host, server.port, server.expected_name, patience)
        kind = CertificateRefused if problem.is_certificate else Unreachable
        return kind(f"{problem.what} Nothing was sent to it.", cause=problem.cause, mend=problem.mend)

    def _borrow(self, shelf: dict[Server, list[Any]], server: Server) -> Any:
        while True:
            with self._lock:
                kept = shelf.get(server)
                if not kept:
                    return None
                found = kept.pop()
            wire = found.wire if isinstance(found, Session) else found
            if wire.fresh():
                return found
            wire.close()

    def _give_back(self, shelf: dict[Server, list[Any]], server: Server, kept: Session | Wire) -> None:
        with self._lock:
            shelf.setdefault(server, []).append(kept)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.drop_writer()
        with self._lock:
            kept = [session.wire for shelf in self._readers.values() for session in shelf]
            kept += [wire for shelf in self._wires.values() for wire in shelf]
            self._readers.clear()
            self._wires.clear()
        for wire in kept:
            wire.close()


def _context(ca: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # any given certificate may be the anchor
    if ca:
        context.load_verify_locations(cadata=ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _introduced(wire: Wire) -> Session:
    _, roots, _ = _search(wire, "", "(objectClass=*)", ldap3.BASE, _ROOT)
    root = roots[0] if roots else Entry("", {})
    base = root.text("defaultNamingContext")
    said = root.text("currentTime")
    heads = _search(wire, base, "(objectClass=*)", ldap3.BASE, _HEAD)[1] if base and said else []
    if not base or not said or not heads:
        raise Unreachable(
            f"{wire.server.name} speaks LDAP but does not present itself as a domain controller.",
            cause="not-a-domain-controller",
            mend="Check the host and port: an Active Directory domain controller is needed.",
        )
    return Session(
        wire=wire,
        base=base,
        configuration=root.text("configurationNamingContext") or "",
        service=root.text("dsServiceName") or "",
        host=root.text("dnsHostName") or "",
        usn=root.integer("highestCommittedUSN"),
        functionality=root.integer("domainFunctionality"),
        read_only=READ_ONLY_CONTROLLER in root.texts("supportedCapabilities"),
        tokens=tuple(sid_text(raw) for raw in root.all("tokenGroups")),
        head=heads[0],
        said_at=datetime.strptime(said[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        - timedelta(seconds=time.monotonic() - wire.opened),
    )


def _search(
    wire: Wire,
    base: str,
    criteria: str,
    scope: Literal["BASE", "SUBTREE"],
    attributes: Sequence[str],
    controls: Sequence[Any] = (),
    *,
    paged: bool = False,
    cookie: bytes | None = None,
) -> tuple[Mapping[str, Any], list[Entry], bytes | None]:
    try:
        wire.connection.search(
            base,
            criteria,
            scope,
            attributes=list(attributes),
            controls=list(controls) or None,
            paged_size=PAGE if paged else None,
            paged_cookie=cookie,
        )
    except _BROKEN as error:
        raise Unreachable(f"{wire.server.name} stopped answering. Nothing was changed.", cause="no-answer") from error
    wire.used = time.monotonic()
    result, response = wire.connection.result, wire.connection.response
    entries = [Entry.of(each) for each in response or () if each["type"] == "searchResEntry"]
    page = (result.get("controls") or {}).get(PAGED)
    return result, entries, page["value"]["cookie"] if page else None


def _no_connection(server: Server, error: Exception) -> Unreachable:
    where, said = f"{server.host}:{server.port}", str(error).lower()
    if "refused" in said:
        return Unreachable(
            f"Nothing listens at {where}.",
            cause="closed-port",
            mend="Check that the domain controller runs and that LDAPS (port 636) is open to this machine.",
        )
    if "timed out" in said or "unreachable" in said or "no route" in said:
        return Unreachable(
            f"{where} cannot be reached: no answer to a connection attempt.",
            cause="no-route",
            mend="Check the network between this machine and the domain controller, and its firewall (port 636).",
        )
    if "invalid server address" in said or "name or service" in said or "getaddrinfo" in said:
        return Unreachable(
            f"The name {server.host} is not known here.",
            cause="unknown-host",
            mend="Check the name and this machine's DNS; or give the address as host, and the name as tls_name.",
        )
    return Unreachable(f"No connection to {where} could be made.", cause="no-connection", mend="Check the network.")


def _all_failed(failures: Sequence[OutsideError]) -> OutsideError:
    """The one error to raise for several controllers: one with a certificate to look at first, else the first."""
    chosen = next((each for each in failures if isinstance(each, CertificateRefused)), failures[0])
    if len(failures) == 1:
        return chosen
    said = " ".join(dict.fromkeys(str(each) for each in (chosen, *failures)))
    return type(chosen)(f"No domain controller could be used. {said}", cause=chosen.cause, mend=chosen.mend)
