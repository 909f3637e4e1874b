"""Who may reset whose password: Microsoft's matrix, as a pure function over role ids.

Source: "Who can reset passwords" in Microsoft's privileged-roles-permissions page; template ids, which are the role
definitions' ids for built-in roles, from its page of built-in roles. It is not a matter of the word "Administrator": a
User Administrator resets a Groups Administrator, and not a Global Reader.
"""

from collections.abc import Collection, Set

GLOBAL = "62e90394-69f5-4237-9190-012177145e10"
PRIVILEGED_AUTHENTICATION = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13"
USER = "fe930be7-5e62-47db-91af-98c3a49a38b1"
HELPDESK = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
AUTHENTICATION = "c4e39bd9-1100-46d3-8c65-fb160da0071f"
PASSWORD = "966707d0-3269-4727-9be2-8c3a10f19b9d"  # noqa: S105 - a role's id
GROUPS = "fdd7a751-b60b-444a-984c-02652fe8fa1c"
DIRECTORY_READERS = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
GUEST_INVITER = "95e79109-95c0-4d8e-aee3-d01accf2d47b"
MESSAGE_CENTER_READER = "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"
REPORTS_READER = "4a5d8f65-41da-4de4-8968-e035b65339cf"
USAGE_SUMMARY_READER = "75934031-6c7e-415a-99d7-48dbd49e875e"
EXPERIENCE_MANAGER = "27460883-1df1-4691-b032-3b79643e5e63"
SYNCHRONIZATION = "d29b2b05-8046-44ba-8758-1e26182fcf32"

NAMES = {
    GLOBAL: "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    PRIVILEGED_AUTHENTICATION: "Privileged Authentication Administrator",
    AUTHENTICATION: "Authentication Administrator",
    USER: "User Administrator",
    HELPDESK: "Helpdesk Administrator",
    PASSWORD: "Password Administrator",
    GROUPS: "Groups Administrator",
    DIRECTORY_READERS: "Directory Readers",
    GUEST_INVITER: "Guest Inviter",
    MESSAGE_CENTER_READER: "Message Center Reader",
    REPORTS_READER: "Reports Reader",
    USAGE_SUMMARY_READER: "Usage Summary Reports Reader",
    EXPERIENCE_MANAGER: "User Experience Success Manager",
    SYNCHRONIZATION: "Directory Synchronization Accounts",
}
"""Built-in roles by id, as far as sentences for people name them."""

HARMLESS = frozenset(
    {DIRECTORY_READERS, GUEST_INVITER, MESSAGE_CENTER_READER, REPORTS_READER, USAGE_SUMMARY_READER, EXPERIENCE_MANAGER}
)
"""Roles that read or invite: whoever holds no other is no administrator."""

EVERYBODY = frozenset({GLOBAL, PRIVILEGED_AUTHENTICATION})
"""Roles that reset whomever there is."""

_REACH = {
    PASSWORD: frozenset({DIRECTORY_READERS, GUEST_INVITER, PASSWORD}),
    HELPDESK: HARMLESS | {PASSWORD, HELPDESK},
    AUTHENTICATION: HARMLESS | {PASSWORD, AUTHENTICATION},
    USER: HARMLESS | {PASSWORD, HELPDESK, GROUPS, USER},
}
"""The roles a holder of each may reset, besides everybody without a role."""


def may_reset(ours: Set[str], theirs: Set[str], *, in_assignable_group: bool) -> bool:
    """Whether somebody who holds the roles `ours` may reset somebody who holds `theirs`.

    One role out of reach protects the whole person. So does membership in a group that roles can be given to, or owning
    one, for whoever has no role.
    """
    if ours & EVERYBODY:
        return True
    if in_assignable_group and not theirs:
        return False
    return any(theirs <= reach for role, reach in _REACH.items() if role in ours)


def is_privileged(roles: Set[str], *, in_assignable_group: bool) -> bool:
    """Whether somebody with these roles, in force or to be taken up, is an administrator of some kind."""
    return in_assignable_group or bool(roles - HARMLESS)


def least_role(theirs: Set[str], *, in_assignable_group: bool) -> str:
    """The name of the smallest role with which such a person may be reset."""
    enough = (
        role for role in (USER, AUTHENTICATION) if may_reset({role}, theirs, in_assignable_group=in_assignable_group)
    )
    return NAMES[next(enough, PRIVILEGED_AUTHENTICATION)]


def named(roles: Collection[str]) -> str:
    """Roles as people know them, for a sentence; custom ones, which only their tenant knows, are counted."""
    known = sorted(NAMES[role] for role in roles if role in NAMES)
    others = len(roles) - len(known)
    if others:
        known.append(f"{others} other role{'s' if others > 1 else ''}" if known else f"{others} directory role(s)")
    return ", ".join(known)
