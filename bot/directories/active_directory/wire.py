"""One connection to a domain controller: verified TLS, short limits, and no surprise from ldap3.

ldap3 trusts any certificate, follows referrals with our password to any host and waits for ever unless told otherwise:
here it is told, in one place.
"""

import select
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import ldap3
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error
from pydantic import SecretStr

from bot import certificates
from bot.directories.active_directory.entries import Entry
from bot.directories.active_directory.settings import Server
from bot.errors import CertificateRefused, NoAnswer, OutsideError, Unreachable

PAGE = 1000
"""Windows refuses more entries in one go."""

Scope = Literal["BASE", "SUBTREE"]
Result = Mapping[str, Any]
"""What a controller answered, as ldap3 gives it: `result`, `description`, `message` …"""

_PAGED = "1.2.840.113556.1.4.319"
_KEPT = 60.0
"""Seconds an idle connection is trusted to be alive."""
_OLDEST = 600.0
"""Seconds after which a connection is made anew: the domain's policy is read with it."""
_BROKEN = (LDAPException, OSError, PyAsn1Error)


@dataclass(slots=True)
class Wire:
    """One TLS connection to one controller, used by one thread at a time."""

    server: Server
    connection: ldap3.Connection
    opened: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)

    def sign_in(self, name: str, password: SecretStr) -> Result:
        """Bind. `NoAnswer` when the reply is lost. An empty password is never sent: it would be taken for an anonymous
        sign-in, and always succeed.
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
        return self._result()

    def search(
        self,
        base: str,
        criteria: str,
        scope: Scope,
        attributes: Sequence[str],
        controls: Sequence[Any] = (),
        *,
        paged: bool = False,
        cookie: bytes | None = None,
    ) -> tuple[Result, list[Entry], bytes | None]:
        """What was answered, the entries, and the cookie of the next page if there is one. `Unreachable` when nothing
        was answered: a search changes nothing.
        """
        try:
            self.connection.search(
                base,
                criteria,
                scope,
                attributes=list(attributes),
                controls=list(controls) or None,
                paged_size=PAGE if paged else None,
                paged_cookie=cookie,
            )
        except _BROKEN as error:
            raise Unreachable(
                f"{self.server.name} stopped answering. Nothing was changed.", cause="no-answer"
            ) from error
        result = self._result()
        found = [Entry.of(each) for each in self.connection.response or () if each["type"] == "searchResEntry"]
        page = (result.get("controls") or {}).get(_PAGED)
        return result, found, page["value"]["cookie"] if page else None

    def replace(self, base: str, attribute: str, value: bytes) -> Result:
        """Replace an attribute by one value. `NoAnswer` when the reply is lost, `Unreachable` when nothing was sent."""
        if self.connection.closed:
            raise Unreachable(f"The connection to {self.server.name} is closed. Nothing was sent.", cause="closed")
        try:
            self.connection.modify(base, {attribute: [(ldap3.MODIFY_REPLACE, [value])]})
        except _BROKEN as error:
            raise NoAnswer(
                f"{self.server.name} was sent the change and did not answer: it is not known whether it was made.",
                cause="lost-reply",
            ) from error
        finally:
            self.connection.request = None
        return self._result()

    def _result(self) -> Result:
        self.used = time.monotonic()
        return self.connection.result  # type: ignore[no-any-return]

    def certificate(self) -> Mapping[str, Any]:
        """The certificate it proved who it is with, as `ssl.SSLSocket.getpeercert` shows it."""
        return self.connection.socket.getpeercert()  # type: ignore[no-any-return]

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


def dial(server: Server, context: ssl.SSLContext, timeout: int) -> Wire:
    """A verified connection, not signed in; each step may take `timeout` seconds, and so may each answer at first.

    `Unreachable` or `CertificateRefused` say why there is none; nothing but the greeting of TLS was sent then.
    """
    tls = _VerifiedTls(context, server.expected_name)
    connection = ldap3.Connection(
        ldap3.Server(
            server.host, server.port, use_ssl=True, get_info=ldap3.NONE, tls=tls,
            connect_timeout=timeout, allowed_referral_hosts=[],
        ),
        client_strategy=ldap3.SYNC, authentication=ldap3.ANONYMOUS, auto_bind=ldap3.AUTO_BIND_NONE,
        auto_referrals=False, auto_range=False, check_names=False, raise_exceptions=False, receive_timeout=timeout,
    )  # fmt: skip
    try:
        connection.open(read_server_info=False)
    except _BROKEN as error:
        if tls.problem is None:
            raise _no_connection(server, error) from error
        problem = certificates.explain(tls.problem, server.host, server.port, server.expected_name, timeout)
        kind: type[OutsideError] = CertificateRefused if problem.is_certificate else Unreachable
        raise kind(f"{problem.what} Nothing was sent to it.", cause=problem.cause, mend=problem.mend) from error
    return Wire(server, connection)


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
