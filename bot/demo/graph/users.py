"""Reading users, setting a password, ending sessions."""

from typing import Any

from bot.demo.graph.answers import Answer
from bot.demo.graph.calls import Call
from bot.demo.graph.errors import bad_request, denied, not_found
from bot.demo.graph.filters import matching
from bot.demo.graph.people import User
from bot.demo.graph.permissions import SET_PASSWORDS, SET_PASSWORDS_BY_ROLE, WRITE_PROFILES
from bot.demo.graph.roles import may_reset, needs_higher_role
from bot.demo.graph.tokens import roles_over
from bot.demo.graph.user_shape import drawer, selected, value

_FILTERED = frozenset(
    {
        "id", "userPrincipalName", "mail", "displayName", "accountEnabled", "userType", "onPremisesSyncEnabled",
        "onPremisesImmutableId", "onPremisesSecurityIdentifier", "onPremisesSamAccountName",
    }
)  # fmt: skip
_ADVANCED = frozenset({"onPremisesSamAccountName"})
"""Only with `ConsistencyLevel: eventual` and `$count=true`."""

_PASSWORD_PROFILE = {
    "password": str,
    "forceChangePasswordNextSignIn": bool,
    "forceChangePasswordNextSignInWithMfa": bool,
}
_WRITABLE = {"accountEnabled": "enabled", "displayName": "display_name", "mail": "mail", "passwordPolicies": "policies"}
_SENSITIVE = frozenset({"accountEnabled"})


def list_users(call: Call) -> Answer:
    """GET /users: everybody, a page at a time."""
    names = selected(call, collection=True)
    wanted = matching(call.query.get("$filter"), value, _FILTERED)
    if any(name in call.query.get("$filter", "") for name in _ADVANCED) and not _eventual(call):
        raise bad_request("Unsupported or invalid query filter clause specified.", "Request_UnsupportedQuery")

    def everybody() -> list[User]:
        return [user for user in call.tenant.users.values() if user.deleted_at is None and wanted(user)]

    what = f"users({','.join(names)})" if "$select" in call.query else "users"
    return Answer(body=call.world.pages.listed(call, everybody, drawer(call, names), what))


def get_user(call: Call) -> Answer:
    """GET /users/{id}, by id or userPrincipalName."""
    names = selected(call, collection=False)
    user = find(call)
    return Answer(body=call.context("users/$entity") | drawer(call, names)(user))


def patch_user(call: Call) -> Answer:
    """PATCH /users/{id}: all of it or, when any part is forbidden, nothing."""
    wanted = call.object()
    user = find(call)
    for name in wanted:
        if name != "passwordProfile" and name not in _WRITABLE:
            raise bad_request(f"Invalid property '{name}'.")
    profile = _read_profile(wanted["passwordProfile"]) if "passwordProfile" in wanted else None
    _authorize(call, user, wanted, sets_password=profile is not None)
    if profile is not None and "password" in profile:
        call.tenant.take_patched(user, profile["password"])
        call.world.tokens.revoke(user)
        user.must_change = profile.get("forceChangePasswordNextSignIn", True)
    for name, field in _WRITABLE.items():
        if name in wanted:
            setattr(user, field, wanted[name])
            call.tenant.touch(user)
    return Answer(204)


def revoke_sessions(call: Call) -> Answer:
    """POST /users/{id}/revokeSignInSessions: refresh tokens and cookies from before end; no body is sent."""
    if call.body is not None:
        raise bad_request("This action takes no body.", "BadRequest")
    user = find(call)
    if not _reaches(call, user):
        raise denied()
    user.sessions_valid_from = call.now
    user.times_revoked += 1
    call.world.tokens.revoke(user)
    return Answer(body=call.context("Edm.Boolean") | {"value": True})


def find(call: Call) -> User:
    """The user a path names; GraphError when there is none."""
    said = call.values["id"]
    user = call.tenant.find(said)
    if user is None:
        raise not_found(said)
    return user


def _eventual(call: Call) -> bool:
    return call.headers.get("consistencylevel") == "eventual" and call.query.get("$count") == "true"


def _read_profile(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise bad_request("A value without a type name was found for 'passwordProfile'.", "BadRequest")
    for name, given in said.items():
        if name not in _PASSWORD_PROFILE:
            message = f"The property '{name}' does not exist on type 'microsoft.graph.passwordProfile'."
            raise bad_request(message, "BadRequest")
        if not isinstance(given, _PASSWORD_PROFILE[name]):
            raise bad_request(f"Cannot convert the value of '{name}' to its type.", "BadRequest")
    return said


def _authorize(call: Call, user: User, wanted: dict[str, Any], *, sets_password: bool) -> None:
    """GraphError, the same for all reasons, unless the caller may do every part of it."""
    others = wanted.keys() - {"passwordProfile"}
    if others and not call.may(WRITE_PROFILES):
        raise denied()
    if sets_password:
        if call.may(SET_PASSWORDS):
            needs_role = call.caller.delegated or call.tenant.applications_need_role
        elif call.may(SET_PASSWORDS_BY_ROLE):
            needs_role = True
        else:
            raise denied()
        if not _reaches(call, user, needs_role=needs_role):
            raise denied()
    if others & _SENSITIVE and not _reaches(call, user):
        raise denied()


def _reaches(call: Call, user: User, *, needs_role: bool | None = None) -> bool:
    """Whether the caller's roles cover this user; for an ordinary one an application may need none."""
    tenant = call.tenant
    target, grouped = tenant.roles_of(user), tenant.in_assignable_group(user)
    must = call.caller.delegated or user.restricted if needs_role is None else needs_role or user.restricted
    if not must and not needs_higher_role(target=target, in_assignable_group=grouped):
        return True
    return may_reset(roles_over(call.caller, user, call.now), target=target, in_assignable_group=grouped)
