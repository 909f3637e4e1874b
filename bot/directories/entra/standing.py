"""What holds for one account right now."""

from bot.directories.base import Standing
from bot.directories.entra.accounts import User, guard_of, is_synced, set_at, split_name, tier_of, upn
from bot.directories.entra.diagnostics import MAY_SET_PASSWORDS, SET_PASSWORDS, permissions_missing
from bot.directories.entra.graph import Graph
from bot.directories.entra.tiers import Tiers
from bot.passwords import PasswordPolicy, name_parts

_POLICY = "Entra ID's own: at least 8 characters, three of upper case, lower case, digits and symbols; no banned words."
_NAME = 4
"""Names shorter than so many characters are not looked for in a password."""


def standing(graph: Graph, user: User, tiers: Tiers) -> Standing:
    """See `Directory.may_rotate`. `TenantNotPermitted` when nobody consented to our setting passwords at all."""
    token = graph.token()
    guard = guard_of(graph.settings, user, tiers, token)
    if guard is None and token.claims and token.permissions.isdisjoint(MAY_SET_PASSWORDS):
        raise permissions_missing(graph.settings, [SET_PASSWORDS], "set passwords")
    local, domain = split_name(user)
    tenant = domain.partition(".")[0]
    forbidden = {*name_parts(local, user.get("displayName")), *([tenant] if len(tenant) >= _NAME else [])}
    return Standing(
        allowed=guard is None,
        status=guard.status if guard else None,
        reason=f"{upn(user)}: {guard.reason}" if guard else "",
        tier=tier_of(user, tiers),
        username=local,
        password_set_at=set_at(user),
        policy=PasswordPolicy(length=8, classes=3, forbidden=tuple(sorted(forbidden)), sources=(_POLICY,)),
        synced=guard is not None and guard.synced and is_synced(user),
        cause=guard.cause if guard else "",
        mend=guard.mend if guard else "",
    )
