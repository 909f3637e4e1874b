"""Who is an administrator of some kind: everyone in a privileged group, through any nesting."""

from dataclasses import dataclass

from ldap3.utils.conv import escape_filter_chars

from bot.directories.active_directory import accounts
from bot.directories.active_directory.entries import Entry, rid
from bot.directories.active_directory.session import Session

_AT_ONCE = 50
"""Group names in one filter."""


@dataclass(frozen=True, slots=True)
class Privileged:
    """Who is in a privileged group: members by id, and primary groups (which `member` does not show) by RID."""

    members: frozenset[str]
    primary: frozenset[int]

    def has(self, entry: Entry) -> bool:
        """Whether an entry of a listing is one of them."""
        return entry.guid() in self.members or entry.integer("primaryGroupID") in self.primary


def privileged_accounts(session: Session) -> Privileged:
    """Everyone in a privileged group through any nesting, found from the groups down: there are few of them."""
    domain = session.head.sid()
    sids = [f"{domain}-{each}" for each in sorted(accounts.PRIVILEGED_DOMAIN_GROUPS)]
    sids += [f"S-1-5-32-{each}" for each in sorted(accounts.PRIVILEGED_BUILTIN_GROUPS)]
    wanted = ("objectGUID", "objectSid", "objectClass")
    level = list(session.find("(|" + "".join(f"(objectSid={sid})" for sid in sids) + ")", wanted))
    groups = {group.dn: group for group in level}
    members: set[str] = set()
    while level:
        below: list[Entry] = []
        for start in range(0, len(level), _AT_ONCE):
            chunk = level[start : start + _AT_ONCE]
            criteria = "".join(f"(memberOf={escape_filter_chars(group.dn)})" for group in chunk)
            for entry in session.find(f"(|{criteria})", wanted):
                if "group" in entry.texts("objectClass"):
                    if entry.dn not in groups:
                        groups[entry.dn] = entry
                        below.append(entry)
                else:
                    members.add(entry.guid())
        level = below
    primary = frozenset(rid(group.sid()) for group in groups.values() if group.sid().startswith(domain))
    by_primary = "".join(f"(primaryGroupID={each})" for each in sorted(primary))
    if by_primary:
        members |= {entry.guid() for entry in session.find(f"(&{accounts.SIGN_INS}(|{by_primary}))", wanted)}
    return Privileged(frozenset(members), primary)
