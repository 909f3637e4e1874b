"""Walking an administrator through one tenant: every step with its check mark, read from Microsoft itself.

What the app may do is read from a token made for the purpose: that is what Graph goes by, and it takes no permission to
read. Each step that is left says what to do, leads to the page where it is done, and has the text to paste there.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

from bot.certificates import certificate_ends
from bot.directories.base import Finding, Level, SeenTenant
from bot.directories.entra import diagnostics, roles
from bot.directories.entra.graph import Graph
from bot.directories.entra.settings import EntraCredential, EntraSettings
from bot.directories.entra.tokens import Token
from bot.errors import OutsideError, TenantNotPermitted

ACCESS_AS_USER = "Directory.AccessAsUser.All"
READ_APPLICATIONS = "Application.Read.All"
READ_CUSTOMERS = "DelegatedAdminRelationship.Read.All"
READ_CONTRACTS = "Directory.Read.All"

_WRITE_DIRECTORY = "Directory.ReadWrite.All"
_NEEDED: dict[str, tuple[str, frozenset[str]]] = {
    diagnostics.READ_USERS: (
        "list the accounts",
        frozenset({"User.ReadWrite.All", "Directory.Read.All", _WRITE_DIRECTORY}),
    ),
    diagnostics.READ_ROLES: (
        "see who is an administrator",
        frozenset({"RoleManagement.Read.All", "RoleManagement.ReadWrite.Directory", "Directory.Read.All"})
        | {_WRITE_DIRECTORY},
    ),
    diagnostics.READ_GROUPS: (
        "see who gets a role by a group",
        frozenset({"Group.Read.All", "Directory.Read.All", _WRITE_DIRECTORY}),
    ),
}
"""Permissions without which nothing goes, what for, and those that include them."""
_USEFUL: dict[str, tuple[str, frozenset[str]]] = {
    diagnostics.READ_DOMAINS: ("see which domains sign in elsewhere", frozenset({"Directory.Read.All"})),
    diagnostics.REVOKE_SESSIONS: (
        "sign people out after a rotation",
        frozenset({"User.ReadWrite.All", _WRITE_DIRECTORY}),
    ),
    READ_APPLICATIONS: (
        "see when its secret or certificate ends",
        frozenset({"Directory.Read.All", _WRITE_DIRECTORY}),
    ),
}
_P1, _P2 = "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "eec0eb4f-6444-4f95-aba0-50c24d67f998"
"""Service plans AAD_PREMIUM and AAD_PREMIUM_P2 (learn.microsoft.com: service plan identifiers for licensing)."""
_NOT_A_CUSTOMER = "MLT_"
"""Partner Center's own entries begin with it."""
_SOON = timedelta(days=30)
_HINT = 3
"""How many characters of a secret Graph shows of each."""
_PORTALS = {
    "https://login.microsoftonline.us": "https://portal.azure.us",
    "https://login.partner.microsoftonline.cn": "https://portal.azure.cn",
}


def walk(graph: Graph, credential: EntraCredential) -> list[Finding]:
    """Every step of bringing this tenant in, the first one that is left foremost in what it says.

    Nothing is raised for what is wrong outside: that is a finding. Changes nothing.
    """
    settings = graph.settings
    try:
        token = graph.new_token()
    except OutsideError as error:
        return [_refused(settings, error)]
    found = [Finding(Level.OK, f"Rekey signs in to tenant {settings.tenant_id} as the app {settings.client_id}.")]
    company = _first(graph, "/organization?$select=id,displayName,verifiedDomains,assignedPlans")
    app = _object(
        graph, f"/servicePrincipals(appId='{settings.client_id}')?$select=id,displayName,appOwnerOrganizationId"
    )
    found += _whose(settings, company, app)
    found += _permissions(settings, token)
    object_id = str(app["id"]) if app else token.object_id or ""
    found += _roles(settings, token, object_id, _license(company))
    found += _ends(graph, credential)
    return found


def tenants(graph: Graph) -> Iterator[SeenTenant]:
    """The customers of the partner whose tenant this is: those with delegated administration, else those of older
    contracts. Raises `OutsideError` when neither list may be read.
    """
    graph.new_token()  # somebody may have consented a moment ago
    first = graph.get("/tenantRelationships/delegatedAdminCustomers?$top=300")
    if first.status != 403:
        for each in graph.listed(first, READ_CUSTOMERS, "list the customers"):
            shown = str(each.get("displayName") or each["tenantId"])
            if not shown.startswith(_NOT_A_CUSTOMER):
                yield SeenTenant(str(each["tenantId"]).lower(), shown)
        return
    older = graph.get("/contracts?$top=999")
    if older.status == 403:
        raise diagnostics.permissions_missing(graph.settings, [READ_CUSTOMERS], "list the customers")
    for each in graph.listed(older, READ_CONTRACTS, "list the customers"):
        name, domain = each.get("displayName"), each.get("defaultDomainName")
        yield SeenTenant(str(each["customerId"]).lower(), str(name or domain or each["customerId"]), domain)


def ends_at(graph: Graph, credential: EntraCredential) -> datetime | None:
    """When the secret or certificate we sign in with ends, as the app registration shows it; None where it may not be
    read (an app that is registered in another tenant), or where several secrets begin alike.
    """
    if credential.client_secret is None:
        return certificate_ends(graph.settings.certificate) if graph.settings.certificate else None
    app = _object(
        graph, f"/applications(appId='{graph.settings.client_id}')?$select=passwordCredentials,keyCredentials"
    )
    hint = credential.client_secret.get_secret_value()[:_HINT]
    ours = {str(each["endDateTime"]) for each in (app or {}).get("passwordCredentials", ()) if each.get("hint") == hint}
    if len(ours) != 1:
        return None
    return datetime.fromisoformat(ours.pop().replace("Z", "+00:00")).astimezone(UTC)


# ---- the steps -------------------------------------------------------------------------------------------------------


def _refused(settings: EntraSettings, error: OutsideError) -> Finding:
    problem = Finding.problem(error)
    if isinstance(error, TenantNotPermitted) and "/adminconsent?" in error.mend:
        mend = "Let an administrator of this tenant consent to the app, then check again. Consent takes a few minutes."
        return Finding(Level.PROBLEM, problem.what, mend, problem.cause, link=diagnostics.consent_link(settings))
    return problem


def _whose(settings: EntraSettings, company: dict[str, Any] | None, app: dict[str, Any] | None) -> Iterator[Finding]:
    name = (company or {}).get("displayName") or settings.tenant_id
    domains = [str(each.get("name")) for each in (company or {}).get("verifiedDomains", ()) if each.get("isDefault")]
    where = f"{name} ({domains[0]})" if domains else str(name)
    if app is None:
        yield Finding(
            Level.WARNING,
            f"This is {where}. Whether the app is registered here or comes from another tenant cannot be read.",
            f"Add {READ_APPLICATIONS} to the app, and consent, to have it checked.",
            "owner-unknown",
            link=diagnostics.consent_link(settings),
        )
    elif app.get("appOwnerOrganizationId") == settings.tenant_id:
        yield Finding(
            Level.OK,
            f"This is {where}, where the app is registered: the main tenant. It must be your own, never a customer's: "
            "whoever administers it holds the app's secrets.",
        )
    else:
        owner = app.get("appOwnerOrganizationId")
        yield Finding(Level.OK, f"This is {where}. The app comes from tenant {owner}, which must be your own.")


def _permissions(settings: EntraSettings, token: Token) -> Iterator[Finding]:
    held = token.permissions
    setting = {diagnostics.SET_PASSWORDS} | ({ACCESS_AS_USER} if token.delegated else set())
    by_role = not token.delegated and _WRITE_DIRECTORY in held and bool(token.roles)
    missing = [] if held & setting or by_role else [diagnostics.SET_PASSWORDS]
    missing += [name for name, (_for, others) in _NEEDED.items() if not held & {name, *others}]
    kind = "delegated" if token.delegated else "application"
    if missing:
        listed = ", ".join(missing)
        yield Finding(
            Level.PROBLEM,
            f"Additional API Permissions are Required: {listed}.",
            f"Add them to the app registration (Microsoft Graph, {kind} permissions), then let an administrator of "
            "this tenant consent.",
            f"permission-{listed}",
            link=diagnostics.consent_link(settings),
        )
    else:
        names = ", ".join(sorted(held & {*setting, *_NEEDED, *_USEFUL, _WRITE_DIRECTORY}))
        yield Finding(Level.OK, f"The permissions it takes are consented to: {names}.")
    for name, (what_for, others) in _USEFUL.items():
        if not held & {name, *others}:
            yield Finding(
                Level.WARNING,
                f"{name} is not consented to, so Rekey does not {what_for} here.",
                "Add it to the app and consent, if you want that.",
                f"useful-{name}",
                link=diagnostics.consent_link(settings),
            )


def _roles(settings: EntraSettings, token: Token, object_id: str, license_: str) -> Iterator[Finding]:
    held = token.roles
    who = "The partner's user" if token.delegated else "The app"
    if held & roles.EVERYBODY:
        yield Finding(Level.OK, f"{who} is {diagnostics.role_names(held)} here: administrators can be rotated too.")
        return
    link, paste = _app_page(settings, object_id), _justification(settings)
    privileged = roles.NAMES[roles.PRIVILEGED_AUTHENTICATION]
    if held & {roles.USER, roles.HELPDESK, roles.AUTHENTICATION, roles.PASSWORD}:
        yield Finding(
            Level.OK, f"{who} is {diagnostics.role_names(held)} here: people without such roles can be rotated."
        )
        what = f"Administrators' accounts are out of its reach: those take {privileged} or Global Administrator."
        yield Finding(
            Level.WARNING,
            what,
            _route(privileged, object_id, license_, token),
            "role-administrators",
            link=link,
            paste=paste,
        )
        return
    least = roles.NAMES[roles.USER]
    alone = not token.delegated and diagnostics.SET_PASSWORDS in token.permissions
    what = f"{who} holds no role here that resets passwords."
    what += " Some tenants take the permission alone for people; administrators are out of reach." if alone else ""
    level = Level.WARNING if alone else Level.PROBLEM
    mend = _route(f"{least} (for administrators' accounts too: {privileged})", object_id, license_, token)
    yield Finding(level, what, mend, "role-missing", link=link, paste=paste)


def _route(role: str, object_id: str, license_: str, token: Token) -> str:
    if token.delegated:
        return (
            f"In Partner Center, have the GDAP relationship cover the role {role}, and give it to a security group "
            "that the partner's user is in. Relationships with Global Administrator do not extend themselves."
        )
    member = f"the app (search for its object id {object_id})"
    timed = (
        f"Roles & admins → {role} → Add assignments → Select members: {member} → Next → Assignment type Active, "
        "Permanently assigned, and paste the justification"
    )
    plain = f"Roles & admins → {role} → Add assignments → {member} → Add"
    match license_:
        case "P2":
            return f"{timed}. (This tenant has Entra ID P2: roles are given with Privileged Identity Management.)"
        case "":
            return f"{plain}. With Entra ID P2 it is: {timed}."
        case _:
            return f"{plain}. (This tenant has Entra ID {license_}: no justification is asked for.)"


def _ends(graph: Graph, credential: EntraCredential) -> Iterator[Finding]:
    try:
        at = ends_at(graph, credential)
    except OutsideError:
        at = None
    what = "certificate" if credential.client_secret is None else "client secret"
    if at is None:
        return
    left = at - datetime.now(UTC)
    said = f"The {what} ends on {at:%Y-%m-%d}."
    if left > _SOON:
        yield Finding(Level.OK, said)
        return
    link = _registration(graph.settings)
    mend = "Make a new one on the app's page and give it to this connection (/rotate setup, “Change”)."
    yield Finding(Level.WARNING, f"{said[:-1]}, in {max(left.days, 0)} days.", mend, "credential-ends", link=link)


# ---- what is read, and where it is mended ----------------------------------------------------------------------------


def _first(graph: Graph, path: str) -> dict[str, Any] | None:
    rows = (_object(graph, path) or {}).get("value")
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None


def _object(graph: Graph, path: str) -> dict[str, Any] | None:
    """What Graph says there; None where it may not be read or is not there."""
    try:
        reply = graph.get(path)
        body = reply.json() if reply.status == 200 else None
    except OutsideError:
        return None
    return cast(dict[str, Any], body) if isinstance(body, dict) else None


def _license(company: dict[str, Any] | None) -> str:
    """`P2`, `P1` or `Free`; empty where that cannot be read."""
    if company is None or not isinstance(company.get("assignedPlans"), list):
        return ""
    plans: Collection[Any] = {
        each.get("servicePlanId") for each in company["assignedPlans"] if each.get("capabilityStatus") == "Enabled"
    }
    return "P2" if _P2 in plans else "P1" if _P1 in plans else "Free"


def _portal(settings: EntraSettings) -> str:
    return f"{_PORTALS.get(settings.place.login, 'https://entra.microsoft.com')}/{settings.tenant_id}/#view"


def _app_page(settings: EntraSettings, object_id: str) -> str:
    """The app as this tenant knows it: the service principal, by its object id."""
    blade = "Microsoft_AAD_IAM/ManagedAppMenuBlade/~/Overview"
    return f"{_portal(settings)}/{blade}/objectId/{quote(object_id)}/appId/{settings.client_id}"


def _registration(settings: EntraSettings) -> str:
    blade = "Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/Credentials"
    return f"{_portal(settings)}/{blade}/appId/{settings.client_id}"


def _justification(settings: EntraSettings) -> str:
    return (
        "Rekey rotates the passwords of this tenant's accounts and keeps them in the documentation vault. The app "
        f"{settings.client_id} needs this role to reset them; every rotation is asked for by name and kept in an audit "
        "trail."
    )
