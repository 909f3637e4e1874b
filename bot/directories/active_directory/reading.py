"""Listing a domain's accounts: all of them, or what changed since the last time.

Changes are found by update sequence numbers, which only mean something on one controller's one database: the cursor
names it (invocationId), and any other reads everything. Deletions do not show in a search, and an ordinary account may
not see the deleted objects: so the ids of those that existed before are added up, and only when the sum is wrong is it
asked who is gone. Memberships do not touch an account's own number: the members of the privileged groups are compared
each time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ldap3.utils.conv import escape_filter_chars

from bot.directories.active_directory import accounts
from bot.directories.active_directory.entries import Entry, by_guid
from bot.directories.active_directory.policy import shown_policies
from bot.directories.active_directory.privileged import privileged_accounts
from bot.directories.active_directory.session import Session
from bot.directories.base import Changes, SeenAccount

SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)
_SUM = 1 << 128
_MANY = 500
"""More memberships than this changed: read everything instead of one by one."""


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a listing ended, as the JSON text a connection keeps."""

    invocation: str
    usn: int
    count: int
    total: str
    """The ids of all accounts, added up (in hexadecimal)."""
    privileged: tuple[str, ...]
    """The ids of everyone in a privileged group, through nesting."""

    def text(self) -> str:
        return json.dumps({"v": 1, **{name: getattr(self, name) for name in self.__slots__}}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | None) -> "_Cursor | None":
        try:
            value = json.loads(text or "")
            if value.pop("v") != 1:
                return None
            return cls(**{**value, "privileged": tuple(value["privileged"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None  # written by another version: everything is read


def changes(session: Session, since: str | None) -> Changes:
    """See `Directory.accounts`. The accounts are read from `session` as they are asked for."""
    before = _Cursor.parse(since)
    # Read first: whatever changes from here on is seen again the next time, never missed.
    usn, invocation = _usn(session), _invocation(session)
    names = _domain_names(session)
    policies, trouble = shown_policies(session)
    privileged = privileged_accounts(session)
    created = _created(session)
    cursor = _Cursor(invocation, usn, *_sum(created, usn), tuple(sorted(privileged.members)))

    def listed(entries: Iterable[Entry]) -> Iterator[SeenAccount]:
        domain = names[0].upper() if names else ""
        for entry in entries:
            yield accounts.seen(entry, domain=domain, in_privileged_group=privileged.has(entry), tokens=session.tokens)

    def everything() -> Changes:
        found = session.find(accounts.SIGN_INS, accounts.LISTED)
        return Changes(
            listed(found),
            cursor.text(),
            complete=True,
            domain_names=names,
            policies=policies,
            policies_trouble=trouble,
        )

    same_database = before is not None and before.invocation == invocation != "" and before.usn <= usn
    if before is None or not same_database or 0 in created.values():
        return everything()
    removed = _removed(session, before, created)
    moved = privileged.members.symmetric_difference(before.privileged)
    if removed is None or len(moved) > _MANY:
        return everything()
    return Changes(
        listed(_touched(session, before.usn, moved - set(removed))),
        cursor.text(),
        complete=False,
        removed=removed,
        domain_names=names,
        policies=policies,
        policies_trouble=trouble,
    )


def _touched(session: Session, usn: int, moved: Iterable[str]) -> Iterator[Entry]:
    """Accounts written since, then those whose memberships alone changed; each once."""
    shown = set()
    for entry in session.find(f"(&{accounts.SIGN_INS}(uSNChanged>={usn + 1}))", accounts.LISTED):
        shown.add(entry.guid())
        yield entry
    for account in sorted(set(moved) - shown):
        yield from session.find(accounts.SIGN_INS, accounts.LISTED, by_guid(account))


def _removed(session: Session, before: _Cursor, created: Mapping[str, int]) -> tuple[str, ...] | None:
    """Who is gone since; None when that cannot be told, and everything has to be read."""
    count, total = _sum(created, before.usn)
    if (count, total) == (before.count, before.total):
        return ()
    gone = {
        entry.guid()
        for entry in session.find(
            f"(&(isDeleted=TRUE){accounts.DELETED_SIGN_INS}(uSNChanged>={before.usn + 1})(uSNCreated<={before.usn}))",
            ("objectGUID",),
            f"<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,{session.base}>",
            (SHOW_DELETED,),
        )
    }
    # Some of the deleted may be hidden from us: those shown must make up the difference exactly.
    if count + len(gone) == before.count and _added(total, gone) == before.total:
        return tuple(sorted(gone))
    return None


def _created(session: Session) -> dict[str, int]:
    """Everybody's id, and the number it was created under; 0 where that is hidden from us, as changes would be too."""
    found = session.find(accounts.SIGN_INS, ("objectGUID", "uSNCreated"))
    return {entry.guid(): entry.integer("uSNCreated") for entry in found}


def _sum(created: Mapping[str, int], usn: int) -> tuple[int, str]:
    """How many of them were created up to this number, and their ids added up."""
    guids = [guid for guid, number in created.items() if number <= usn]
    return len(guids), _added("0", guids)


def _added(total: str, guids: Iterable[str]) -> str:
    return f"{(int(total, 16) + sum(int(guid.replace('-', ''), 16) for guid in guids)) % _SUM:x}"


def _domain_names(session: Session) -> tuple[str, ...]:
    """NetBIOS name, DNS name and UPN suffixes, lower case, in that order."""
    partitions = f"CN=Partitions,{session.configuration}"
    found = list(session.find(f"(nCName={escape_filter_chars(session.base)})", ("nETBIOSName", "dnsRoot"), partitions))
    own = [name for entry in found for name in (entry.text("nETBIOSName"), entry.text("dnsRoot")) if name]
    suffixes = session.read(partitions, ("uPNSuffixes",))
    return tuple(dict.fromkeys(name.lower() for name in (*own, *(suffixes.texts("uPNSuffixes") if suffixes else ()))))


def _usn(session: Session) -> int:
    root = session.read("", ("highestCommittedUSN",))
    return root.integer("highestCommittedUSN") if root else 0


def _invocation(session: Session) -> str:
    service = session.read(session.service, ("invocationId",))
    values = service.all("invocationId") if service else ()
    return values[0].hex() if values else ""
