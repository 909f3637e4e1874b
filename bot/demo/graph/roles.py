"""Entra's built-in roles, and who may reset whose password.

Source: "Who can perform sensitive actions" and "Who can reset passwords" of Microsoft's
privileged-roles-permissions.md; template ids from permissions-reference.md. For a built-in role the template id is the
role definition's id too.
"""

import uuid
from collections.abc import Set

ROLES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Privileged Role Administrator": "e8611ab8-c189-46e8-94e1-60213ab1f814",
    "Privileged Authentication Administrator": "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
    "Authentication Administrator": "c4e39bd9-1100-46d3-8c65-fb160da0071f",
    "User Administrator": "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "Helpdesk Administrator": "729827e3-9c14-49f7-bb1b-9608f156bbb8",
    "Password Administrator": "966707d0-3269-4727-9be2-8c3a10f19b9d",
    "Groups Administrator": "fdd7a751-b60b-444a-984c-02652fe8fa1c",
    "Directory Readers": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
    "Guest Inviter": "95e79109-95c0-4d8e-aee3-d01accf2d47b",
    "Message Center Reader": "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b",
    "Reports Reader": "4a5d8f65-41da-4de4-8968-e035b65339cf",
    "Usage Summary Reports Reader": "75934031-6c7e-415a-99d7-48dbd49e875e",
    "User Experience Success Manager": "27460883-1df1-4691-b032-3b79643e5e63",
    "Directory Synchronization Accounts": "d29b2b05-8046-44ba-8758-1e26182fcf32",
    "Global Reader": "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
    "Security Administrator": "194ae4cb-b126-40b2-bd5b-6091b380977d",
    "Exchange Administrator": "29232cdf-9323-42fd-ade2-1d097af3e4de",
    "SharePoint Administrator": "f28a1f50-f6e7-4571-818b-6a12f2af6b6c",
    "Application Administrator": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
    "Billing Administrator": "b0f54661-2d74-4c50-afa3-1ec803f12efe",
}

_HARMLESS = frozenset({"Directory Readers", "Guest Inviter", "Password Administrator"})
_READERS = _HARMLESS | {
    "Message Center Reader",
    "Reports Reader",
    "Usage Summary Reports Reader",
    "User Experience Success Manager",
}


def _ids(names: Set[str]) -> frozenset[str]:
    return frozenset(ROLES[name] for name in names)


_EVERYONE = _ids({"Privileged Authentication Administrator", "Global Administrator"})
_REACH = {
    ROLES["Password Administrator"]: _ids(_HARMLESS),
    ROLES["Helpdesk Administrator"]: _ids(_READERS | {"Helpdesk Administrator"}),
    ROLES["Authentication Administrator"]: _ids(_READERS | {"Authentication Administrator"}),
    ROLES["User Administrator"]: _ids(
        _READERS | {"Helpdesk Administrator", "Groups Administrator", "User Administrator"}
    ),
}


def role_id(role: str) -> str:
    """The role definition's id by its name; an unknown name is a custom role's, which gets an id of its own."""
    return ROLES.get(role) or str(uuid.uuid5(uuid.NAMESPACE_URL, f"entra-custom-role:{role}"))


def role_name(definition: str) -> str:
    """The name of a built-in role by its id, or the id itself for a custom one."""
    return next((name for name, known in ROLES.items() if known == definition), definition)


def may_reset(held: Set[str], *, target: Set[str], in_assignable_group: bool) -> bool:
    """Whether somebody with the roles `held` may reset a user who holds the roles `target` (ids, both).

    One role out of reach protects the whole user, and so does belonging to a role-assignable group, or owning one,
    without any role.
    """
    if held & _EVERYONE:
        return True
    if in_assignable_group and not target:
        return False
    return any(target <= _REACH[role] for role in held if role in _REACH)


def needs_higher_role(*, target: Set[str], in_assignable_group: bool) -> bool:
    """Whether nobody resets this user without holding a role for it: an ordinary user needs the permission alone."""
    return bool(target) or in_assignable_group
