"""The Active Directory connector: the Directory port over LDAPS."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from bot.directories.active_directory import checkup, diagnostics, proof, reading, signs
from bot.directories.active_directory.entries import by_guid
from bot.directories.active_directory.session import Session
from bot.directories.active_directory.sessions import Sessions
from bot.directories.active_directory.settings import ActiveDirectorySettings
from bot.directories.active_directory.standing import is_privileged, standing
from bot.directories.base import Changes, Finding, Proof, SeenAccount, Signs, Standing
from bot.errors import BadInput, OutsideError, Unreachable

_LISTING = 30.0
"""Seconds to wait for each page of a listing: a large domain thinks longer, and nothing is written meanwhile."""

SEND_WITHIN = 15.0
"""Seconds from being asked to write until the request leaves, at most: the caller made sure that it may be written just
before, and a process that was frozen meanwhile must not write what is no longer true. Shorter than what is left of a
lease then (two thirds of it)."""


class ActiveDirectory:
    """One domain, through any of its controllers. `bot.directories.base.Directory` says what each method promises."""

    def __init__(self, settings: ActiveDirectorySettings, bind_password: SecretStr, *, overlap: int = 4) -> None:
        _never_empty(bind_password)
        self.overlap = overlap
        self._sessions = Sessions(settings, bind_password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions.close()

    def check(self) -> list[Finding]:
        """See the port."""
        return checkup.findings(self._sessions)

    def accounts(self, since: str | None) -> Changes:
        """See the port."""
        session = self._sessions.open_first()
        session.wire.be_patient(_LISTING)
        try:
            found = reading.changes(session, since)
        except BaseException:
            session.close()
            raise
        return dataclasses.replace(found, accounts=_then_hang_up(session, found))

    def may_rotate(self, account: str) -> Standing:
        """See the port."""
        return self._sessions.ask(lambda session: standing(session, account))

    def set_password(self, account: str, secret: SecretStr) -> str:
        """See the port."""
        _never_empty(secret)
        return self._write(account, "unicodePwd", f'"{secret.get_secret_value()}"'.encode("utf-16-le"))

    def confirm(
        self,
        account: str,
        secret: SecretStr,
        since: datetime | None,
        server: str | None,
        unproven: int = 0,
        times_set_before: int | None = None,
    ) -> Proof:
        """See the port."""
        _never_empty(secret)
        return proof.confirm(self._sessions, account, secret, since, server, unproven, times_set_before)

    def works(self, account: str, secret: SecretStr, unproven: int = 0, known_since: datetime | None = None) -> Proof:
        """See the port."""
        _never_empty(secret)
        return proof.works(self._sessions, account, secret, unproven, known_since)

    def unlock(self, account: str) -> None:
        """See the port."""
        self._write(account, "lockoutTime", b"0")

    def signs_of_trouble(self, accounts: Sequence[str]) -> Signs:
        """See the port."""
        return signs.of_trouble(self._sessions, accounts)

    def _write(self, account: str, attribute: str, value: bytes) -> str:
        """One replaced value; returns the server that took it. From here on nothing fails over."""
        asked = time.monotonic()
        session = self._sessions.writer()
        if time.monotonic() - asked > SEND_WITHIN:
            raise Unreachable(
                f"Connecting to {session.name} took so long that another worker may have taken over. Nothing was sent.",
                cause="too-late",
            )
        try:
            result = session.wire.replace(by_guid(account), attribute, value)
        except BaseException:
            self._sessions.drop_writer()
            raise
        if result["result"] != 0:
            raise _refusal(session, account, result)
        return session.name


def _refusal(session: Session, account: str, result: Mapping[str, Any]) -> OutsideError:
    """What a refused write means; for a missing right it matters whether the account is an administrator's."""
    name, privileged = account, False
    with suppress(OutsideError):  # only to say it better
        entry = session.read(by_guid(account), ("sAMAccountName", "tokenGroups", "objectSid"))
        if entry:
            name, privileged = entry.text("sAMAccountName") or account, is_privileged(entry)
    return diagnostics.write_refused(session.name, name, result, privileged=privileged)


def _then_hang_up(session: Session, found: Changes) -> Iterator[SeenAccount]:
    try:
        yield from found.accounts
    finally:
        session.close()


def _never_empty(secret: SecretStr) -> None:
    """A directory takes an empty password for an anonymous sign-in, and lets it in."""
    if not secret.get_secret_value():
        raise BadInput("An empty password is never sent to a directory.")
