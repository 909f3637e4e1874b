"""Signs that something still uses an earlier password: wrong passwords and lockouts, as each controller counts them.

`badPasswordTime` and `badPwdCount` are not replicated (MS-ADA1, under their names): every controller knows of those
tried there, the PDC emulator also of those the others passed on. A lockout is replicated at once. Trying one of the
last two passwords changes neither (Windows Server: "password history check (N-2)"), so silence proves nothing.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from ldap3.utils.conv import escape_bytes

from bot.directories.active_directory import accounts as account_facts
from bot.directories.active_directory import policy
from bot.directories.active_directory.entries import Entry
from bot.directories.active_directory.session import Session
from bot.directories.active_directory.sessions import Sessions
from bot.directories.base import Sign, Signs
from bot.errors import OutsideError

_READ = (
    "objectGUID", "badPasswordTime", "badPwdCount", "lockoutTime", "msDS-User-Account-Control-Computed",
    "msDS-ResultantPSO",
)  # fmt: skip
_TOGETHER = 100
"""Accounts asked for in one search: each is found by an index."""


def of_trouble(sessions: Sessions, accounts: Sequence[str]) -> Signs:
    """See `Directory.signs_of_trouble`: asks every controller of the connection."""
    known: dict[str, Sign] = {}
    asked: list[str] = []
    failures: list[OutsideError] = []
    servers = list(sessions.in_turn())
    for server in servers:
        try:
            heard = sessions.ask(lambda session: list(_seen_from(session, accounts)), server)
        except OutsideError as error:
            failures.append(error)
            continue
        asked.append(server.name)
        for sign in heard:
            known[sign.account] = _both(known[sign.account], sign) if sign.account in known else sign
    if not asked and failures:
        raise failures[0]
    silent = [each.name for each in sessions.settings.servers if each.name not in asked]
    return Signs(tuple(known.values()), tuple(asked), tuple(silent))


def _seen_from(session: Session, accounts: Sequence[str]) -> Iterator[Sign]:
    """What this controller counts."""
    for first in range(0, len(accounts), _TOGETHER):
        ids = "".join(f"(objectGUID={_escaped(each)})" for each in accounts[first : first + _TOGETHER])
        for entry in session.find(f"(|{ids})", _READ):
            yield _sign(session, entry)


def _sign(session: Session, entry: Entry) -> Sign:
    bad_at = entry.moment("badPasswordTime")
    counts = bad_at is not None and session.now() < bad_at + policy.rules_for(session, entry).window
    return Sign(
        account=entry.guid(),
        bad=entry.integer("badPwdCount") if counts else 0,
        bad_at=bad_at,
        locked_at=entry.moment("lockoutTime") if account_facts.is_locked(entry) else None,
    )


def _both(one: Sign, other: Sign) -> Sign:
    """What two controllers know together. The same try may be known to both, so counts are not added up."""
    return Sign(
        account=one.account,
        bad=max(one.bad, other.bad),
        bad_at=_latest(one.bad_at, other.bad_at),
        locked_at=_latest(one.locked_at, other.locked_at),
    )


def _latest(*times: datetime | None) -> datetime | None:
    return max((each for each in times if each is not None), default=None)


def _escaped(account: str) -> str:
    return str(escape_bytes(uuid.UUID(account).bytes_le))
