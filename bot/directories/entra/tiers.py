"""Who in a tenant is an administrator of some kind, whom we may reset, and whose sign-ins are checked elsewhere.

Roles are held directly and through role-assignable groups, in force or to be taken up (PIM); members and owners of such
a group count even where it has no role yet. The whole is read in one request, and one more where there are such groups:
groups of groups cannot be given roles (Microsoft's groups-concept page).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.directories.entra import diagnostics
from bot.directories.entra.diagnostics import READ_GROUPS, READ_ROLES
from bot.directories.entra.graph import Graph
from bot.directories.entra.roles import SYNCHRONIZATION, is_privileged, least_role, may_reset
from bot.directories.entra.tokens import Token
from bot.errors import OutsideError
from bot.http_session import Reply
from storage.models import Tier

PATHS = (
    "/roleManagement/directory/roleAssignments",
    "/roleManagement/directory/roleEligibilitySchedules",
    "/groups?$filter=isAssignableToRole%20eq%20true&$select=id&$top=999",
    "/domains?$select=id,authenticationType,isDefault",
)
"""What has to be asked, for a batch of the caller's; `read` takes the replies."""

_WHO = "tell administrators' accounts from others"
_NONE: frozenset[str] = frozenset()
_EVERYWHERE = "/"


@dataclass(frozen=True)
class Tiers:
    """Who holds what, by object id; roles by the ids of their definitions."""

    held: Mapping[str, frozenset[str]]
    """In force, whatever they are for."""
    everywhere: Mapping[str, frozenset[str]]
    """In force for the whole tenant."""
    eligible: Mapping[str, frozenset[str]]
    grouped: frozenset[str]
    """Members and owners of role-assignable groups."""
    eligible_shown: bool
    """Whether roles to be taken up may be read at all."""
    domains: tuple[str, ...]
    """The tenant's domain names, its default one first; empty where they may not be read."""
    federated: frozenset[str]
    """Those whose people sign in at an identity provider of their own."""

    def tier(self, account: str) -> Tier:
        """Privileged or person; Entra has no accounts for services that have a password."""
        roles = self.held.get(account, _NONE) | self.eligible.get(account, _NONE)
        return Tier.PRIVILEGED if is_privileged(roles, in_assignable_group=account in self.grouped) else Tier.PERSON

    def synchronizes(self, account: str) -> bool:
        """Whether Entra Connect signs in with it."""
        return SYNCHRONIZATION in self.held.get(account, _NONE)

    def ours(self, token: Token) -> frozenset[str]:
        """The roles we hold for the whole tenant: a partner's come with the token alone."""
        return token.roles | (self.everywhere.get(token.object_id or "", _NONE))

    def scoped(self, token: Token) -> bool:
        """Whether we hold a role for a part of the tenant: then what it reaches shows only when it is tried."""
        us = token.object_id or ""
        return not token.claims or self.held.get(us, _NONE) != self.everywhere.get(us, _NONE)

    def out_of_reach(self, token: Token, account: str) -> str:
        """The name of the role we lack to reset this account, as far as that is known before; empty when none is."""
        theirs, grouped = self.held.get(account, _NONE), account in self.grouped
        if not (theirs or grouped) or self.scoped(token):
            return ""
        if may_reset(self.ours(token), theirs, in_assignable_group=grouped):
            return ""
        return least_role(theirs, in_assignable_group=grouped)

    def marks(self, token: Token) -> dict[str, str]:
        """For each account that is not like any other, a short word that changes when what we say of it would."""
        special = {*self.held, *self.eligible, *self.grouped}
        return {
            account: f"{self.tier(account)[:1]}{'x' if self.out_of_reach(token, account) else ''}"
            f"{'s' if self.synchronizes(account) else ''}"
            for account in special
        }


def read(graph: Graph, replies: Sequence[Reply], besides: Sequence[str] = ()) -> tuple[Tiers, list[Reply]]:
    """Make sense of the replies to `PATHS`; `besides` is asked along with what is still missing, and answered too.

    `TenantNotPermitted` when it may not be told who is an administrator.
    """
    assignments, eligible, groups, domains = replies
    in_force = list(graph.listed(assignments, READ_ROLES, _WHO))
    eligible_shown = eligible.status == 200
    to_take_up = list(graph.listed(eligible, READ_ROLES, _WHO)) if eligible_shown else []
    assignable = [str(group["id"]) for group in graph.listed(groups, READ_GROUPS, _WHO)]
    paths = [f"/groups/{group}/{side}?$select=id&$top=999" for group in assignable for side in ("members", "owners")]
    answers = graph.get_all([*paths, *besides])
    people = [_ids(graph, reply) for reply in answers[: len(paths)]]
    members = dict(zip(assignable, people[::2], strict=True))
    names = _domains(graph, domains)
    tiers = Tiers(
        held=_held(in_force, members),
        everywhere=_held([one for one in in_force if one.get("directoryScopeId") == _EVERYWHERE], members),
        eligible=_held(to_take_up, members),
        grouped=frozenset(each for side in people for each in side),
        eligible_shown=eligible_shown,
        domains=tuple(names),
        federated=frozenset(name for name, kind in names.items() if kind == "Federated"),
    )
    return tiers, answers[len(paths) :]


def read_now(graph: Graph) -> Tiers:
    """Ask and make sense of it."""
    return read(graph, graph.get_all(PATHS))[0]


def _ids(graph: Graph, reply: Reply) -> list[str]:
    return [str(each["id"]) for each in graph.listed(reply, READ_GROUPS, _WHO)]


def _held(assignments: Iterable[Mapping[str, object]], members: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in assignments:
        principal, role = str(one["principalId"]), str(one["roleDefinitionId"])
        for holder in (principal, *members.get(principal, ())):
            found[holder] = found.get(holder, _NONE) | {role}
    return found


def _domains(graph: Graph, reply: Reply) -> dict[str, str]:
    """Domain names with how they sign in, the default one first."""
    try:
        found = list(graph.listed(reply, diagnostics.READ_DOMAINS, "know the tenant's domain names"))
    except OutsideError:
        return {}  # `check` says so
    found.sort(key=lambda domain: not domain.get("isDefault"))
    return {str(domain["id"]).lower(): str(domain.get("authenticationType")) for domain in found}
