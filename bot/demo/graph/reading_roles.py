"""Reading who holds which role, directly, by eligibility, and through groups."""

from typing import Any

from bot.demo.graph.answers import Answer
from bot.demo.graph.calls import Call
from bot.demo.graph.errors import bad_request, not_found
from bot.demo.graph.filters import matching
from bot.demo.graph.grants import Principal
from bot.demo.graph.people import Assignment, Group, User
from bot.demo.graph.permissions import FULL_PROFILES

_BY = frozenset({"roleDefinitionId", "principalId", "directoryScopeId"})


def list_assignments(call: Call) -> Answer:
    """GET /roleManagement/directory/roleAssignments: roles in force."""
    return _assignments(call, eligible=False)


def list_eligible(call: Call) -> Answer:
    """GET /roleManagement/directory/roleEligibilitySchedules: roles that can be taken up, where PIM is licensed."""
    if call.tenant.license != "P2":
        message = "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."
        raise bad_request(message, "AadPremiumLicenseRequired")
    return _assignments(call, eligible=True)


def _assignments(call: Call, *, eligible: bool) -> Answer:
    expanded = call.query.get("$expand")
    if expanded not in (None, "principal"):
        raise bad_request(f"Could not find a property named '{expanded}'.", "BadRequest")

    def value(one: Assignment, name: str) -> Any:
        return _draw(call, one)[name]

    wanted = matching(call.query.get("$filter"), value, _BY)

    def chosen() -> list[Assignment]:
        return [one for one in call.tenant.assignments if one.eligible is eligible and wanted(one)]

    def drawn(one: Assignment) -> dict[str, Any]:
        row = _draw(call, one)
        if eligible:
            del row["principalOrganizationId"]
            row |= {"memberType": "Direct", "status": "Provisioned", "appScopeId": None}
        principal = find_principal(call, one.principal)
        return row | ({"principal": draw_principal(call, principal)} if expanded and principal else {})

    kind = "roleEligibilitySchedules" if eligible else "roleAssignments"
    return Answer(body=call.world.pages.listed(call, chosen, drawn, f"roleManagement/directory/{kind}"))


def _draw(call: Call, one: Assignment) -> dict[str, Any]:
    return {
        "id": one.id,
        "principalId": one.principal,
        "directoryScopeId": one.scope,
        "roleDefinitionId": one.role,
        "principalOrganizationId": one.partner or call.tenant.id,
    }


def list_role_members(call: Call) -> Answer:
    """GET /directoryRoles(roleTemplateId='…')/members: not paged; 404 for a role that nobody ever held."""
    role = call.values["id"]
    if role not in call.tenant.activated_roles:
        raise not_found(role)
    held = [one for one in call.tenant.assignments if one.role == role and not one.eligible and one.scope == "/"]
    principals = [find_principal(call, one.principal) for one in held]
    members = [draw_principal(call, one) for one in principals if one is not None]
    return Answer(body=call.context("directoryObjects") | {"value": members})


def list_groups(call: Call) -> Answer:
    """GET /groups, of which Rekey asks only for the role-assignable ones."""
    wanted = matching(call.query.get("$filter"), _group_value, frozenset({"isAssignableToRole", "displayName", "id"}))
    asked = call.query.get("$select")
    names = ("id", "displayName", "securityEnabled", "mailEnabled") if asked is None else tuple(asked.split(","))

    def drawn(group: Group) -> dict[str, Any]:
        return {name: _group_value(group, name) for name in names}

    for name in names:
        _group_value(_NOBODY, name)
    return Answer(
        body=call.world.pages.listed(
            call, lambda: [group for group in call.tenant.groups.values() if wanted(group)], drawn, "groups"
        )
    )


def list_members(call: Call) -> Answer:
    """GET /groups/{id}/members."""
    return _people(call, _group(call).members)


def list_owners(call: Call) -> Answer:
    """GET /groups/{id}/owners."""
    return _people(call, _group(call).owners)


def _people(call: Call, people: list[User]) -> Answer:
    there = [user for user in people if user.deleted_at is None]
    body = call.world.pages.listed(call, lambda: there, lambda user: draw_principal(call, user), "directoryObjects")
    return Answer(body=body)


def _group(call: Call) -> Group:
    group = call.tenant.groups.get(call.values["id"])
    if group is None:
        raise not_found(call.values["id"])
    return group


_NOBODY = Group("", "")


def _group_value(group: Group, name: str) -> Any:
    known = {
        "id": group.id,
        "displayName": group.display_name,
        "isAssignableToRole": group.assignable or None,
        "securityEnabled": True,
        "mailEnabled": False,
        "onPremisesSyncEnabled": None,
    }
    if name not in known:
        raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.group'.", "BadRequest")
    return known[name]


def find_principal(call: Call, principal: str) -> Principal | None:
    """Who an id stands for in this tenant; None for a partner's people and for whoever is gone."""
    tenant = call.tenant
    user = tenant.users.get(principal)
    if user is not None:
        return None if user.deleted_at else user
    return tenant.groups.get(principal) or tenant.principals.get(principal)


def draw_principal(call: Call, principal: Principal) -> dict[str, Any]:
    """A user, group or application among others; of a user whom the caller may not read, only that it is one."""
    drawn: dict[str, Any] = {"@odata.type": principal.type, "id": principal.id}
    if isinstance(principal, User):
        known = call.may(FULL_PROFILES)
        drawn |= {
            "displayName": principal.display_name if known else None,
            "userPrincipalName": principal.name if known else None,
            "mail": principal.mail if known else None,
        }
    elif isinstance(principal, Group):
        drawn |= {"displayName": principal.display_name, "isAssignableToRole": principal.assignable}
    else:
        drawn |= {"displayName": principal.display_name, "appId": principal.client_id}
    return drawn
