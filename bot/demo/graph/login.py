"""The token endpoint: tokens for an application by secret or certificate, or for a person by refresh
token. Every refusal has the AADSTS number, the HTTP status and the words of Microsoft's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bot.demo.graph import assertions
from bot.demo.graph.answers import Answer
from bot.demo.graph.applications import Application, ServicePrincipal
from bot.demo.graph.discovery import NOT_A_TENANT, no_tenant, refusal
from bot.demo.graph.errors import TokenError
from bot.demo.graph.people import User
from bot.demo.graph.tenant import Tenant
from bot.demo.graph.tokens import IDLE, AccessToken, RefreshToken, jwt, relationships

if TYPE_CHECKING:
    from bot.demo.graph.world import World

_SIGN_IN = frozenset({"openid", "profile", "offline_access"})


def token(world: "World", name: str, form: Mapping[str, str]) -> Answer:
    """POST /{tenant}/oauth2/v2.0/token."""
    try:
        return Answer(body=_granted(world, name, form), headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
    except TokenError as error:
        return refusal(world, error)


def _granted(world: "World", name: str, form: Mapping[str, str]) -> dict[str, Any]:
    grant = form.get("grant_type")
    if grant is None:
        raise TokenError(400, "invalid_request", 900144, "The request body must contain 'grant_type'.")
    if grant not in ("client_credentials", "refresh_token"):
        message = f"The app requested an unsupported grant type '{grant}'."
        raise TokenError(400, "unsupported_grant_type", 70003, message)
    if name in NOT_A_TENANT:
        message = f"The grant type is not supported over the /{name} endpoint. Please use a tenant-specific endpoint."
        raise TokenError(400, "invalid_request", 9001023, message)
    tenant = world.find_tenant(name)
    if tenant is None:
        raise no_tenant(name, "invalid_request")
    application = _application(world, tenant, form)
    scopes = form.get("scope", "").split()
    audience = _audience(world, [scope for scope in scopes if scope not in _SIGN_IN])
    _authenticate(world, tenant, application, form)
    if grant == "client_credentials":
        return _drawn(world.tokens.issue(tenant, _principal(tenant, application), None, None, audience), [])
    spent = _refresh_token(world, application, form.get("refresh_token", ""))
    principal = _delegated_principal(tenant, application, spent, world)
    issued = world.tokens.issue(tenant, principal, spent.user, spent.home, audience)
    spent.used_at, spent.spent = world.clock.now(), True
    newer = world.tokens.refresh(application, spent.home, spent.user)
    drawn = _drawn(issued, sorted(principal.delegated)) | {"refresh_token": newer.value}
    return drawn | ({"id_token": _id_token(world, tenant, issued, spent.user)} if "openid" in scopes else {})


def _application(world: "World", tenant: Tenant, form: Mapping[str, str]) -> Application:
    client_id = form.get("client_id", "").lower()
    application = world.applications.get(client_id)
    if application is None or not (application.multi_tenant or application.home == tenant.id):
        message = f"Application with identifier '{client_id}' was not found in the directory '{tenant.display_name}'."
        raise TokenError(400, "unauthorized_client", 700016, message)
    return application


def _audience(world: "World", scopes: list[str]) -> str:
    """The resource that is asked for, which has to be this Graph, whole."""
    for resource in (world.graph, "https://graph.microsoft.com"):
        if scopes == [f"{resource}/.default"]:
            return resource
    if len(scopes) == 1 and scopes[0].endswith("/.default"):
        resource = scopes[0].removesuffix("/.default")
        message = f"The resource principal named {resource} was not found in the tenant."
        raise TokenError(400, "invalid_resource", 500011, message)
    message = (
        "The provided value for scope is not valid. Client credential flows must have a scope value with /.default."
    )
    raise TokenError(400, "invalid_scope", 1002012, message)


def _authenticate(world: "World", tenant: Tenant, application: Application, form: Mapping[str, str]) -> None:
    now = world.clock.now()
    if form.get("client_assertion_type") == assertions.KIND and "client_assertion" in form:
        audience = f"{world.login}/{tenant.id}/oauth2/v2.0/token"
        assertions.verify(form["client_assertion"], application, audience, now)
        return
    if "client_secret" not in form:
        message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise TokenError(401, "invalid_client", 7000218, message)
    secret = next((one for one in application.secrets if one.value == form["client_secret"]), None)
    if secret is None:
        message = f"Invalid client secret provided for app '{application.client_id}'."
        raise TokenError(401, "invalid_client", 7000215, message)
    if secret.ends_at <= now:
        message = f"The provided client secret keys for app '{application.client_id}' are expired."
        raise TokenError(401, "invalid_client", 7000222, message)


def _principal(tenant: Tenant, application: Application) -> ServicePrincipal:
    principal = tenant.principal_of(application.client_id)
    if principal is None:
        message = (
            f"The client application {application.client_id} is missing service principal in the tenant {tenant.id}."
        )
        raise TokenError(401, "invalid_client", 7000229, message)
    if not principal.enabled:
        message = f"Application '{application.client_id}'({application.display_name}) is disabled."
        raise TokenError(400, "unauthorized_client", 7000112, message)
    return principal


def _refresh_token(world: "World", application: Application, value: str) -> RefreshToken:
    found = world.tokens.find_refresh(value)
    if found is None or found.client_id != application.client_id:
        raise TokenError(400, "invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
    if found.revoked or found.user.deleted_at is not None or not found.user.enabled:
        message = "The provided grant has expired due to it being revoked, a fresh auth token is needed."
        raise TokenError(400, "invalid_grant", 50173, message)
    if found.used_at + IDLE <= world.clock.now():
        message = "The refresh token has expired due to inactivity."
        raise TokenError(400, "invalid_grant", 700082, message)
    if found.spent and not world.tokens.old_refresh_tokens_work:
        message = "The provided value for the input parameter 'refresh_token' is not valid."
        raise TokenError(400, "invalid_grant", 70000, message)
    return found


def _delegated_principal(
    tenant: Tenant, application: Application, refresh: RefreshToken, world: "World"
) -> ServicePrincipal:
    """The application in the tenant a person's token is asked for: their own, or a customer's through GDAP."""
    principal = tenant.principal_of(application.client_id)
    foreign = refresh.home is not tenant
    if foreign and not relationships(refresh.home, tenant):
        message = (
            f"User account '{refresh.user.name}' from identity provider '{refresh.home.id}' does not exist in tenant "
            f"'{tenant.display_name}' and cannot access the application in that tenant."
        )
        raise TokenError(400, "invalid_grant", 50020, message)
    if principal is None or not principal.delegated:
        if foreign:
            message = (
                f"The application '{application.client_id}' has not been authorized in the tenant '{tenant.id}'. "
                "Applications must be authorized to access the customer tenant before partner delegated "
                "administrators can use them."
            )
            raise TokenError(400, "invalid_grant", 90099, message)
        message = f"The user or administrator has not consented to use the application '{application.client_id}'."
        raise TokenError(400, "invalid_grant", 65001, message, "consent_required")
    now = world.clock.now()
    if foreign and not any(one.roles_of(refresh.user, now) for one in relationships(refresh.home, tenant)):
        message = (
            f"User account '{refresh.user.name}' from identity provider '{refresh.home.id}' does not exist in tenant "
            f"'{tenant.display_name}' and cannot access the application."
        )
        raise TokenError(400, "invalid_grant", 50177, message)
    return principal


def _drawn(issued: AccessToken, scopes: list[str]) -> dict[str, Any]:
    lives = int((issued.expires_at - issued.issued_at).total_seconds())
    drawn = {"token_type": "Bearer", "expires_in": lives, "ext_expires_in": lives, "access_token": issued.value}
    return drawn | ({"scope": " ".join(scopes)} if scopes else {})


def _id_token(world: "World", tenant: Tenant, issued: AccessToken, user: User) -> str:
    return jwt(
        {
            "aud": issued.principal.client_id,
            "iss": f"{world.login}/{tenant.id}/v2.0",
            "iat": int(issued.issued_at.timestamp()),
            "nbf": int(issued.issued_at.timestamp()),
            "exp": int(issued.expires_at.timestamp()),
            "name": user.display_name,
            "oid": user.id,
            "preferred_username": user.name,
            "sub": user.id,
            "tid": tenant.id,
            "ver": "2.0",
        }
    )
