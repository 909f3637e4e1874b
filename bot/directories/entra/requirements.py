"""What a tenant has to grant before its passwords can be rotated, each with whether it does and the page that mends it.

Permissions are those of a token asked for now: what Graph will go by, where a list of consents would be a minute ahead
of it. Roles, domains and the ends of secrets are read from Graph.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.directories.base import Finding, Level
from bot.directories.entra import diagnostics
from bot.directories.entra.accounts import moment
from bot.directories.entra.diagnostics import (
    MAY_REVOKE,
    MAY_SET_PASSWORDS,
    READ_DOMAINS,
    READ_GROUPS,
    READ_ROLES,
    READ_USERS,
    REVOKE_SESSIONS,
    SET_PASSWORDS,
)
from bot.directories.entra.graph import Graph
from bot.directories.entra.roles import EVERYBODY, NAMES, PRIVILEGED_AUTHENTICATION, USER, named
from bot.directories.entra.tiers import read_now
from bot.directories.entra.tokens import Token
from bot.errors import OutsideError

READ_APPLICATIONS = "Application.Read.All"
READ_ELIGIBLE = "RoleEligibilitySchedule.Read.Directory"

VENDOR_PERMISSIONS = (
    "Directory.AccessAsUser.All",
    "Directory.ReadWrite.All",
    "User.EnableDisableAccount.All",
    "User.ManageIdentities.All",
    "User.ReadWrite.All",
)
"""The delegated permissions the field was told to ask for; they go on serving."""

JUSTIFICATION = (
    "Rekey, our password rotation, sets new passwords for this tenant's accounts on request and on schedule. It needs "
    "this role to reset them, and uses it for nothing else."
)
"""To paste where a role assignment asks why."""

_DIRECTORY = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
_SOON = timedelta(days=30)


class About(StrEnum):
    """What a requirement is about."""

    SIGN_IN = "sign-in"
    PERMISSION = "permission"
    ROLE = "role"
    SECRET = "secret"  # noqa: S105 - a word


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing a tenant has to grant."""

    about: About
    name: str
    """What Microsoft calls it: a permission, a role."""
    met: bool | None
    """None where it cannot be told."""
    needed: bool
    """Nothing is rotated without it; otherwise something is left out."""
    what: str
    """What it is for, or what is the matter, in a sentence."""
    mend: str = ""
    link: str = ""
    paste: str = ""
    error: OutsideError | None = None
    """Why we were not let in."""


@dataclass(frozen=True, slots=True)
class _Permission:
    name: str
    what_for: str
    enough: frozenset[str]
    """Any of these will do."""
    needed: bool = True


PERMISSIONS = (
    _Permission(SET_PASSWORDS, "set passwords", MAY_SET_PASSWORDS),
    _Permission(READ_USERS, "list the tenant's users", _DIRECTORY | {READ_USERS, "User.ReadWrite.All"}),
    _Permission(
        READ_ROLES,
        "tell administrators' accounts from others",
        _DIRECTORY | {READ_ROLES, "RoleManagement.ReadWrite.Directory"},
    ),
    _Permission(
        READ_GROUPS,
        "know who is an administrator by way of a group",
        _DIRECTORY | {READ_GROUPS, "Group.Read.All", "Group.ReadWrite.All"},
    ),
    _Permission(
        READ_ELIGIBLE,
        "see roles that are only taken up when needed (PIM)",
        frozenset({READ_ELIGIBLE, READ_ROLES, "RoleManagement.ReadWrite.Directory", "RoleManagement.Read.All"}),
        needed=False,
    ),
    _Permission(READ_DOMAINS, "know which domains are federated", _DIRECTORY | {READ_DOMAINS}, needed=False),
    _Permission(REVOKE_SESSIONS, "sign people out everywhere", MAY_REVOKE, needed=False),
    _Permission(READ_APPLICATIONS, "see when the secret expires", _DIRECTORY | {READ_APPLICATIONS}, needed=False),
)
"""What Rekey asks for, the least that does it first."""


def requirements(graph: Graph) -> list[Requirement]:
    """See `Entra.requirements`: sign-in first; alone, when that fails."""
    try:
        token = graph.new_token()
        organization = graph.expect(graph.get("/organization?$select=id,displayName"), READ_USERS, "know its name")
    except OutsideError as error:
        return [Requirement(About.SIGN_IN, "sign-in", False, True, str(error), error.mend, error=error)]
    name = str((organization.get("value") or [{}])[0].get("displayName") or graph.settings.tenant_id)
    how = "on behalf of the partner's user" if token.delegated else "as an app"
    return [
        Requirement(About.SIGN_IN, "sign-in", True, True, f"{graph.host} lets us in to the tenant {name}, {how}."),
        *_permissions(graph, token),
        *_role(graph, token),
        *_secret(graph),
    ]


def findings(found: Sequence[Requirement]) -> list[Finding]:
    """The same as `check` says it: what is well first."""
    said = [_finding(requirement) for requirement in found]
    return sorted(said, key=lambda finding: list(Level).index(finding.level))


def credential_ends_at(graph: Graph) -> datetime | None:
    """When the client secret or certificate in use ends; None where that may not be read, or fits more than one."""
    path = f"/applications(appId='{graph.settings.client_id}')?$select=passwordCredentials,keyCredentials"
    reply = graph.get(path)
    if reply.status != 200:
        return None  # not registered in this tenant, or not to be read: `requirements` says which
    kind = "keyCredentials" if graph.settings.certificate else "passwordCredentials"
    credentials = graph.expect(reply, READ_APPLICATIONS, "see when the secret expires").get(kind) or []
    ours = [each for each in credentials if graph.may_be_ours(each)]
    return moment(ours[0].get("endDateTime")) if len(ours) == 1 else None


def _permissions(graph: Graph, token: Token) -> Iterator[Requirement]:
    for each in PERMISSIONS:
        met = not each.enough.isdisjoint(token.permissions) if token.claims else None
        mend = f"Add {each.name} to the app registration, and let an administrator of the tenant consent."
        what = f"Needed to {each.what_for}."
        link = diagnostics.consent_link(graph.settings)
        yield Requirement(About.PERMISSION, each.name, met, each.needed, what, mend, link)


def _role(graph: Graph, token: Token) -> Iterator[Requirement]:
    try:
        tiers = read_now(graph)
    except OutsideError:
        return  # without the permission above it cannot be told
    ours, link = tiers.ours(token) & NAMES.keys(), diagnostics.roles_link(graph.settings)
    us = f" It is assigned to the {'user' if token.delegated else 'app'} with the object id {token.object_id}."
    us = us if token.object_id else ""
    if ours & EVERYBODY:
        yield Requirement(About.ROLE, named(ours), True, True, f"We hold: {named(ours)}. Nobody is out of reach.")
        return
    what = f"We hold: {named(ours)}." if ours else "We hold no directory role in this tenant."
    if USER not in ours:
        mend = f"Assign the role “{NAMES[USER]}” in this tenant.{us}"
        yield Requirement(About.ROLE, NAMES[USER], False, token.delegated, what, mend, link, JUSTIFICATION)
    else:
        yield Requirement(About.ROLE, NAMES[USER], True, True, what)
    name = NAMES[PRIVILEGED_AUTHENTICATION]
    beyond = "Administrators' accounts that our role does not reach are left out."
    mend = f"To rotate those too, assign the role “{name}”.{us}"
    yield Requirement(About.ROLE, name, False, False, beyond, mend, link, JUSTIFICATION)


def _secret(graph: Graph) -> Iterator[Requirement]:
    try:
        ends_at, now = credential_ends_at(graph), graph.time() or datetime.now(UTC)
    except OutsideError:
        return
    if ends_at is None:
        return
    word = "certificate" if graph.settings.certificate else "client secret"
    what = f"The {word} in use holds until {ends_at:%-d %B %Y}."
    mend = f"Add a new {word} to the app registration (Certificates & secrets), and give it to the connection."
    yield Requirement(About.SECRET, word, ends_at - now > _SOON, False, what, mend)


def _finding(requirement: Requirement) -> Finding:
    if requirement.error is not None:
        return Finding.problem(requirement.error)
    permission = requirement.about is About.PERMISSION
    if requirement.met:
        what = f"{requirement.name} is granted: {requirement.what}" if permission else requirement.what
        return Finding(Level.OK, what)
    level = Level.PROBLEM if requirement.needed and requirement.met is False else Level.WARNING
    unsure = "It cannot be told whether this permission is granted" if requirement.met is None else ""
    missing = unsure or "Additional API Permissions are Required"
    what = f"{missing}: {requirement.name}. {requirement.what}" if permission else requirement.what
    cause = f"{requirement.about}-{requirement.name}"
    return Finding(level, what, requirement.mend, cause, link=requirement.link, paste=requirement.paste)
