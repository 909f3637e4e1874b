"""Finding the token endpoint of a tenant, and how that endpoint words what it refuses."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.demo.graph.answers import Answer
from bot.demo.graph.errors import TokenError

if TYPE_CHECKING:
    from bot.demo.graph.world import World

NOT_A_TENANT = frozenset({"common", "organizations", "consumers"})


def discover(world: "World", name: str) -> Answer:
    """GET /{tenant}/v2.0/.well-known/openid-configuration."""
    tenant = world.find_tenant(name)
    if tenant is None and name not in NOT_A_TENANT:
        return refusal(world, no_tenant(name, "invalid_tenant"))
    where = f"{world.login}/{tenant.id if tenant else name}"
    return Answer(
        body={
            "token_endpoint": f"{where}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{where}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{where}/v2.0",
            "authorization_endpoint": f"{where}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{where}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{where}/oauth2/v2.0/logout",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "msgraph_host": world.graph.removeprefix("https://"),
        }
    )


def discover_instance(world: "World", query: Mapping[str, str]) -> Answer:
    """GET /common/discovery/instance: whether an authority is Microsoft's, and where its discovery document is."""
    where, ours = urlsplit(query.get("authorization_endpoint", "")), urlsplit(world.login)
    if (where.scheme, where.hostname) != (ours.scheme, ours.hostname):  # msal leaves the port out of its question
        message = "AADSTS50049: Unknown or invalid instance."
        return Answer(400, {"error": "invalid_instance", "error_description": message, "error_codes": [50049]})
    host, name = ours.netloc, where.path.split("/")[1]
    return Answer(
        body={
            "tenant_discovery_endpoint": f"{world.login}/{name}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


def refusal(world: "World", error: TokenError) -> Answer:
    """An error as the token endpoint words it."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    at = f"{world.clock.now():%Y-%m-%d %H:%M:%S}Z"
    description = (
        f"AADSTS{error.number}: {error.message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"
    )
    body: dict[str, Any] = {
        "error": error.error,
        "error_description": description,
        "error_codes": [error.number],
        "timestamp": at,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{world.login}/error?code={error.number}",
    }
    if error.suberror is not None:
        body["suberror"] = error.suberror
    return Answer(error.status, body)


def no_tenant(name: str, error: str) -> TokenError:
    """There is no tenant of that id or name; discovery and the token endpoint call that by different errors."""
    message = (
        f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. This may happen if there are no active subscriptions for the tenant."
    )
    return TokenError(400, error, 90002, message)
