"""The calls of Graph v1.0 that exist here, what lets each through and what it costs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.demo.graph import reading_roles, users
from bot.demo.graph.answers import Answer
from bot.demo.graph.calls import Call
from bot.demo.graph.errors import GraphError, bad_request
from bot.demo.graph.permissions import (
    READ_ELIGIBLE,
    READ_GROUP_MEMBERS,
    READ_GROUPS,
    READ_ROLES,
    READ_USERS,
    REVOKE_SESSIONS,
    WRITE_USERS,
    Needs,
)

_PAGING = frozenset({"$select", "$top", "$skiptoken"})


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
        template = re.escape(self.name.partition(" ")[2]).replace(re.escape("{id}"), r"(?P<id>[^/()]+)")
        object.__setattr__(self, "pattern", re.compile(template))

    @property
    def method(self) -> str:
        """GET, PATCH or POST."""
        return self.name.partition(" ")[0]

    @property
    def writes(self) -> bool:
        """Whether it counts against the limit on writes."""
        return self.method != "GET"


ROUTES = [
    Route("GET /users", users.list_users, READ_USERS, _PAGING | {"$filter", "$count"}, 2),
    Route("GET /users/{id}", users.get_user, READ_USERS, frozenset({"$select"})),
    Route("PATCH /users/{id}", users.patch_user, WRITE_USERS),
    Route("POST /users/{id}/revokeSignInSessions", users.revoke_sessions, REVOKE_SESSIONS),
    Route(
        "GET /roleManagement/directory/roleAssignments",
        reading_roles.list_assignments,
        READ_ROLES,
        _PAGING | {"$expand", "$filter"},
    ),
    Route(
        "GET /roleManagement/directory/roleEligibilitySchedules",
        reading_roles.list_eligible,
        READ_ELIGIBLE,
        _PAGING | {"$expand", "$filter"},
    ),
    Route("GET /directoryRoles(roleTemplateId='{id}')/members", reading_roles.list_role_members, READ_ROLES),
    Route("GET /groups", reading_roles.list_groups, READ_GROUPS, _PAGING | {"$filter", "$count"}),
    Route("GET /groups/{id}/members", reading_roles.list_members, READ_GROUP_MEMBERS, _PAGING, 3),
    Route("GET /groups/{id}/owners", reading_roles.list_owners, READ_GROUP_MEMBERS, _PAGING, 3),
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
