"""What holds for one account right now."""

from dataclasses import replace

from bot.directories.base import Standing
from bot.directories.entra.accounts import User, guard_of, is_synced, set_at, split_name, tier_of, upn
from bot.directories.entra.diagnostics import (
    MAY_SET_PASSWORDS,
    SET_PASSWORDS,
    permissions_missing,
    role_missing,
)
from bot.directories.entra.graph import Graph
from bot.directories.entra.roles import NAMES, USER, may_reset
from bot.directories.entra.tiers import Tiers
from bot.directories.entra.tokens import Token
from bot.passwords import PasswordPolicy, name_parts

_SAYS = "Entra ID's own: at least 8 characters, three of upper case, lower case, digits and symbols; no banned words."
POLICY = PasswordPolicy(length=8, classes=3, sources=(_SAYS,))
"""What every tenant demands of a password (Microsoft Entra, concept-sspr-policy). Banned words are nowhere to read."""
_NAME = 4
"""Names shorter than so many characters are not looked for in a password."""


def standing(graph: Graph, user: User, tiers: Tiers) -> Standing:
    """See `Directory.may_rotate`. `TenantNotPermitted` when this tenant lets us set nobody's password at all."""
    token = graph.token()
    guard = guard_of(graph.settings, user, tiers, token)
    if guard is None:
        _expect_rights(graph, user, tiers, token)
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
        policy=replace(POLICY, forbidden=tuple(sorted(forbidden))),
        synced=guard is not None and guard.synced and is_synced(user),
        cause=guard.cause if guard else "",
        mend=guard.mend if guard else "",
    )


def _expect_rights(graph: Graph, user: User, tiers: Tiers, token: Token) -> None:
    """The consent it takes; and on behalf of somebody, a role: without one not even ordinary accounts are reset."""
    if not token.lets(MAY_SET_PASSWORDS):
        raise permissions_missing(graph.settings, [SET_PASSWORDS], "set passwords")
    known = token.delegated and token.roles and not tiers.scoped(token)
    if known and not may_reset(tiers.ours(token), frozenset(), in_assignable_group=False):
        raise role_missing(graph.settings, upn(user), NAMES[USER], privileged=False)
