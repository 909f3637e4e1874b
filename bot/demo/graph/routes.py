"""The calls of Graph v1.0 that exist here, what lets each through and what it costs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.demo.graph import reading_applications as apps
from bot.demo.graph import reading_company as company
from bot.demo.graph import reading_roles as roles
from bot.demo.graph import users
from bot.demo.graph.answers import Answer
from bot.demo.graph.calls import Call
from bot.demo.graph.delta import list_changes
from bot.demo.graph.errors import GraphError, bad_request
from bot.demo.graph.permissions import (
    READ_APPLICATIONS,
    READ_CHANGES,
    READ_CONTRACTS,
    READ_DOMAINS,
    READ_ELIGIBLE,
    READ_GRANTS,
    READ_GROUP_MEMBERS,
    READ_GROUPS,
    READ_ORGANIZATION,
    READ_PARTNERSHIPS,
    READ_ROLES,
    READ_SYNCHRONIZATION,
    READ_USERS,
    REVOKE_SESSIONS,
    WRITE_USERS,
    Needs,
)

_SELECT = frozenset({"$select"})
_PAGING = _SELECT | {"$top", "$skiptoken"}


@dataclass(frozen=True)
class Route:
    """One call of Graph: its name (method and template), what lets it through and what it costs."""

    name: str
    handler: Callable[[Call], Answer]
    needs: Needs
    options: frozenset[str] = frozenset()
    cost: int = 1
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        template = re.escape(self.template).replace(re.escape("{id}"), r"(?P<id>[^/()]+)")
        object.__setattr__(self, "pattern", re.compile(template))

    @property
    def template(self) -> str:
        """The path, with `{id}` for a key."""
        return self.name.partition(" ")[2]

    @property
    def method(self) -> str:
        """GET, PATCH or POST."""
        return self.name.partition(" ")[0]

    @property
    def writes(self) -> bool:
        """Whether it counts against the limit on writes."""
        return self.method != "GET"


_DELTA = _SELECT | {"$filter", "$skiptoken", "$deltatoken"}
_ROLES = _PAGING | {"$expand", "$filter"}
_PARTNERS = "/tenantRelationships"

ROUTES = [
    Route("GET /users", users.list_users, READ_USERS, _PAGING | {"$filter", "$count"}, 2),
    Route("GET /users/delta", list_changes, READ_CHANGES, _DELTA),
    Route("GET /users/{id}", users.get_user, READ_USERS, _SELECT),
    Route("PATCH /users/{id}", users.patch_user, WRITE_USERS),
    Route("POST /users/{id}/revokeSignInSessions", users.revoke_sessions, REVOKE_SESSIONS),
    Route("GET /roleManagement/directory/roleAssignments", roles.list_assignments, READ_ROLES, _ROLES),
    Route("GET /roleManagement/directory/roleEligibilitySchedules", roles.list_eligible, READ_ELIGIBLE, _ROLES),
    Route("GET /directoryRoles(roleTemplateId='{id}')/members", roles.list_role_members, READ_ROLES),
    Route("GET /groups", roles.list_groups, READ_GROUPS, _PAGING | {"$filter", "$count"}),
    Route("GET /groups/{id}/members", roles.list_members, READ_GROUP_MEMBERS, _PAGING, 3),
    Route("GET /groups/{id}/owners", roles.list_owners, READ_GROUP_MEMBERS, _PAGING, 3),
    Route("GET /servicePrincipals", apps.list_principals, READ_APPLICATIONS, _PAGING | {"$filter"}),
    Route("GET /servicePrincipals/{id}", apps.get_principal, READ_APPLICATIONS, _SELECT),
    Route("GET /servicePrincipals/{id}/appRoleAssignments", apps.list_app_roles, READ_APPLICATIONS, _PAGING),
    Route("GET /servicePrincipals/{id}/oauth2PermissionGrants", apps.list_grants, READ_GRANTS, _PAGING),
    Route("GET /servicePrincipals(appId='{id}')", apps.get_principal, READ_APPLICATIONS, _SELECT),
    Route("GET /servicePrincipals(appId='{id}')/appRoleAssignments", apps.list_app_roles, READ_APPLICATIONS, _PAGING),
    Route("GET /servicePrincipals(appId='{id}')/oauth2PermissionGrants", apps.list_grants, READ_GRANTS, _PAGING),
    Route("GET /applications", apps.list_applications, READ_APPLICATIONS, _PAGING | {"$filter"}),
    Route("GET /applications/{id}", apps.get_application, READ_APPLICATIONS, _SELECT),
    Route("GET /applications(appId='{id}')", apps.get_application, READ_APPLICATIONS, _SELECT),
    Route("GET /organization", company.list_organization, READ_ORGANIZATION, _SELECT),
    Route("GET /domains", company.list_domains, READ_DOMAINS, _SELECT),
    Route("GET /directory/onPremisesSynchronization", company.list_synchronization, READ_SYNCHRONIZATION),
    Route("GET /contracts", company.list_contracts, READ_CONTRACTS, _PAGING, 3),
    Route(f"GET {_PARTNERS}/delegatedAdminCustomers", company.list_customers, READ_PARTNERSHIPS, _PAGING),
    Route(
        f"GET {_PARTNERS}/delegatedAdminRelationships",
        company.list_relationships,
        READ_PARTNERSHIPS,
        _PAGING | {"$filter"},
    ),
    Route(
        f"GET {_PARTNERS}/delegatedAdminRelationships/{{id}}/accessAssignments",
        company.list_access,
        READ_PARTNERSHIPS,
        frozenset({"$skiptoken"}),
    ),
]


def find_route(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route of a request; GraphError when there is none: nothing here says ok to what it does not know."""
    found = [(route, match) for route in ROUTES if (match := route.pattern.fullmatch(path))]
    for route, match in found:
        if route.method == method:
            return route, match.groupdict()
    if found:
        raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    segment = path.rpartition("/")[2] or path
    raise bad_request(f"Resource not found for the segment '{segment}'.", "BadRequest")
