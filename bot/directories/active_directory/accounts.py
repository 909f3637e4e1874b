"""What kind of account an entry is: its tier by group SIDs, whether it is ever rotated, and what state it is in.

Groups are known by the last part of their SID, never by name: names are translated and changed. `adminCount` is not
asked: it outlives the membership that set it, and Samba never sets it. Sources: MS-DTYP 2.4.2.4 (well-known SIDs),
Microsoft's appendix on protected accounts and groups.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Iterable
from functools import lru_cache

from ldap3.utils.dn import parse_dn

from bot.directories.active_directory.entries import Entry, rid
from bot.directories.base import OWN_ACCOUNT, SeenAccount
from storage.models import Tier

DISABLED = 0x2
TRUST = 0x800
MACHINE = 0x1000 | 0x2000
SMARTCARD = 0x40000
LOCKED = 0x10
"""A bit of msDS-User-Account-Control-Computed only."""

ADMINISTRATOR, KRBTGT = 500, 502
PROTECTED_USERS = 525
PRIVILEGED_DOMAIN_GROUPS = frozenset({512, 516, 518, 519, 520, 521, 526, 527})
"""Domain Admins, Domain Controllers, Schema, Enterprise and Policy Admins, RODCs, Key and Enterprise Key Admins."""
PRIVILEGED_BUILTIN_GROUPS = frozenset({544, 548, 549, 550, 551, 552})
"""Administrators, Account, Server, Print and Backup Operators, Replicator."""
_BUILTIN = "S-1-5-32-"
_DOMAIN = "S-1-5-21-"

MANAGED_CLASSES = tuple(f"msDS-{each}ServiceAccount" for each in ("GroupManaged", "DelegatedManaged", "Managed"))
_MANAGED_FILTER = "".join(f"(objectClass={each})" for each in MANAGED_CLASSES)
SIGN_INS = f"(|(&(objectCategory=person)(objectClass=user)){_MANAGED_FILTER})"
"""Everyone who signs in, managed service accounts too; computers and contacts are left out."""
DELETED_SIGN_INS = f"(|(&(objectClass=user)(!(objectClass=computer))){_MANAGED_FILTER})"
"""The same of deleted ones, which lose their category."""

LISTED = (
    "objectGUID", "objectSid", "objectClass", "sAMAccountName", "userPrincipalName", "mail", "displayName",
    "userAccountControl", "msDS-User-Account-Control-Computed", "pwdLastSet", "primaryGroupID", "servicePrincipalName",
    "mS-DS-ConsistencyGuid",
)  # fmt: skip
"""What a listing reads."""

_MANAGED = {each.lower() for each in MANAGED_CLASSES}
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)")
_FIRST_PART = re.compile(r"(?:[^\\,]|\\.)*,")


def is_privileged_group(sid: str) -> bool:
    """Whether members of this group, of this or any other domain of the forest, are administrators of some kind."""
    if sid.startswith(_BUILTIN):
        return rid(sid) in PRIVILEGED_BUILTIN_GROUPS
    return sid.startswith(_DOMAIN) and rid(sid) in PRIVILEGED_DOMAIN_GROUPS


def tier_of(entry: Entry, *, in_privileged_group: bool) -> Tier:
    """Privileged by group (or as the built-in Administrator), service by a service principal name, else person."""
    if in_privileged_group or rid(entry.sid()) == ADMINISTRATOR:
        return Tier.PRIVILEGED
    return Tier.SERVICE if entry.all("servicePrincipalName") else Tier.PERSON


def guard_of(entry: Entry, tokens: Collection[str]) -> str | None:
    """Why this account is never rotated, in a sentence; None when it may be. `tokens` are the SIDs we act under: the
    only account among them is our own.
    """
    name, flags = entry.text("sAMAccountName") or "", entry.integer("userAccountControl")
    if rid(entry.sid()) == KRBTGT or name.lower().startswith("krbtgt_"):
        return "It is the domain's Kerberos key account: resetting it is a procedure of its own."
    if _MANAGED & {each.lower() for each in entry.texts("objectClass")}:
        return "It is a managed service account: the domain controllers change its password themselves."
    if flags & (TRUST | MACHINE) or name.endswith("$"):
        return "It belongs to a trust or a computer, which agree on its password between themselves."
    if name.upper().startswith(("MSOL_", "AAD_")):
        return "It is a directory synchronization account: its password has to be changed in Microsoft Entra Connect."
    if flags & SMARTCARD:
        return "It signs in with a smart card only: it has no password anybody knows."
    if flags & DISABLED:
        return "It is disabled."
    return OWN_ACCOUNT if entry.sid() in tokens else None


def seen(entry: Entry, *, domain: str, in_privileged_group: bool, tokens: Collection[str]) -> SeenAccount:
    """An entry of a listing as the port shows it."""
    return SeenAccount(
        object_id=entry.guid(),
        username=entry.text("sAMAccountName") or "",
        domain=domain,
        upn=entry.text("userPrincipalName"),
        mail=entry.text("mail"),
        display_name=entry.text("displayName"),
        ou=unit_of(entry.dn),
        enabled=not entry.integer("userAccountControl") & DISABLED,
        locked=is_locked(entry),
        password_set_at=entry.moment("pwdLastSet"),
        tier=tier_of(entry, in_privileged_group=in_privileged_group),
        guard=guard_of(entry, tokens),
        is_connector=entry.sid() in tokens,
        immutable_id=immutable_id(entry),
        sid=entry.sid() or None,
    )


def immutable_id(entry: Entry) -> str:
    """What Entra Connect calls this account in the cloud (learn.microsoft.com, plan-connect-design-concepts: the
    sourceAnchor): the base64 of mS-DS-ConsistencyGuid's bytes as they are stored, or else of objectGUID's.
    """
    anchors = entry.all("mS-DS-ConsistencyGuid") or entry.all("objectGUID")
    return b64encode(anchors[0]).decode()


def is_locked(entry: Entry) -> bool:
    """Locked right now; `lockoutTime` alone misleads once the lockout has run its time."""
    return bool(entry.integer("msDS-User-Account-Control-Computed") & LOCKED)


def any_privileged(sids: Iterable[str]) -> bool:
    """Whether one of these group SIDs makes an administrator."""
    return any(is_privileged_group(sid) for sid in sids)


def unit_of(dn: str) -> str | None:
    """Where an account lives, as people read it: `Staff/London`; None directly below the domain."""
    return _path(_FIRST_PART.sub("", dn, count=1))


@lru_cache(maxsize=4096)
def _path(container: str) -> str | None:
    parts = [_unescaped(value) for kind, value, _ in parse_dn(container) if kind.upper() != "DC"]
    return "/".join(reversed(parts)) or None


def _unescaped(value: str) -> str:
    """A part of a distinguished name without its escapes (RFC 4514): `\\,` and `\\2C` are both a comma."""
    return _ESCAPED.sub(lambda at: at[2] or bytes.fromhex(at[1].replace("\\", "")).decode("utf-8", "replace"), value)
