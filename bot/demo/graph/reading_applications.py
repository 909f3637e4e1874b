"""Reading applications: their secrets' and certificates' last days, and what a tenant has granted them."""

import uuid
from collections.abc import Mapping
from typing import Any

from bot.demo.graph.answers import Answer
from bot.demo.graph.applications import Application, ServicePrincipal
from bot.demo.graph.calls import Call
from bot.demo.graph.clock import stamp
from bot.demo.graph.errors import bad_request, not_found
from bot.demo.graph.filters import matching
from bot.demo.graph.permissions import APPLICATION, DELEGATED, GRAPH_APP_ID


def get_principal(call: Call) -> Answer:
    """GET /servicePrincipals/{id} or /servicePrincipals(appId='…')."""
    return Answer(body=call.context("servicePrincipals/$entity") | chosen(call, _draw_principal(_principal(call))))


def list_principals(call: Call) -> Answer:
    """GET /servicePrincipals."""
    wanted = matching(call.query.get("$filter"), _principal_value, frozenset({"appId", "displayName", "id"}))

    def found() -> list[ServicePrincipal]:
        return [one for one in call.tenant.principals.values() if wanted(one)]

    body = call.world.pages.listed(call, found, lambda one: chosen(call, _draw_principal(one)), "servicePrincipals")
    return Answer(body=body)


def list_app_roles(call: Call) -> Answer:
    """GET /servicePrincipals/{id}/appRoleAssignments: application permissions that were granted."""
    principal, resource = _principal(call), _graph(call)
    rows = [
        {
            "id": _id(principal.id, name),
            "deletedDateTime": None,
            "appRoleId": APPLICATION[name],
            "createdDateTime": stamp(principal.created_at),
            "principalDisplayName": principal.display_name,
            "principalId": principal.id,
            "principalType": "ServicePrincipal",
            "resourceDisplayName": resource.display_name,
            "resourceId": resource.id,
        }
        for name in sorted(principal.application)
    ]
    return Answer(body=call.world.pages.listed(call, lambda: rows, lambda row: row, "appRoleAssignments"))


def list_grants(call: Call) -> Answer:
    """GET /servicePrincipals/{id}/oauth2PermissionGrants: delegated permissions that were granted for everybody."""
    principal, resource = _principal(call), _graph(call)
    rows = [
        {
            "clientId": principal.id,
            "consentType": "AllPrincipals",
            "id": _id(principal.id, resource.id),
            "principalId": None,
            "resourceId": resource.id,
            "scope": " ".join(sorted(principal.delegated)),
        }
    ]
    there = rows if principal.delegated else []
    return Answer(body=call.world.pages.listed(call, lambda: there, lambda row: row, "oauth2PermissionGrants"))


def get_application(call: Call) -> Answer:
    """GET /applications/{id} or /applications(appId='…'), in the tenant it is registered in."""
    said = call.values["id"]
    found = next((one for one in _applications(call) if said.lower() == _key(call, one)), None)
    if found is None:
        raise not_found(said)
    return Answer(body=call.context("applications/$entity") | chosen(call, _draw_application(found)))


def list_applications(call: Call) -> Answer:
    """GET /applications."""
    wanted = matching(call.query.get("$filter"), _application_value, frozenset({"appId", "displayName", "id"}))

    def found() -> list[Application]:
        return [one for one in _applications(call) if wanted(one)]

    body = call.world.pages.listed(call, found, lambda one: chosen(call, _draw_application(one)), "applications")
    return Answer(body=body)


def chosen(call: Call, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """What `$select` leaves of an object; GraphError for a property it does not have."""
    if "$select" not in call.query:
        return dict(drawn)
    names = [name.strip() for name in call.query["$select"].split(",")]
    unknown = [name for name in names if name not in drawn]
    if unknown:
        message = f"Parsing OData Select and Expand failed: Could not find a property named '{unknown[0]}'."
        raise bad_request(message, "BadRequest")
    return {name: drawn[name] for name in names}


def _principal(call: Call) -> ServicePrincipal:
    said = call.values["id"]
    by_app = "(appId=" in call.template
    found = call.tenant.principal_of(said) if by_app else call.tenant.principals.get(said.lower())
    if found is None:
        raise not_found(said)
    return found


def _graph(call: Call) -> ServicePrincipal:
    found = call.tenant.principal_of(GRAPH_APP_ID)
    if found is None:
        raise not_found(GRAPH_APP_ID)
    return found


def _draw_principal(principal: ServicePrincipal) -> dict[str, Any]:
    is_graph = principal.client_id == GRAPH_APP_ID
    return {
        "id": principal.id,
        "deletedDateTime": None,
        "accountEnabled": principal.enabled,
        "appDisplayName": principal.display_name,
        "appId": principal.client_id,
        "appOwnerOrganizationId": principal.home,
        "displayName": principal.display_name,
        "servicePrincipalType": "Application",
        "createdDateTime": stamp(principal.created_at),
        "appRoles": [
            {"allowedMemberTypes": ["Application"], "id": role, "isEnabled": True, "value": name, "displayName": name}
            for name, role in APPLICATION.items()
            if is_graph
        ],
        "oauth2PermissionScopes": [
            {"id": scope, "isEnabled": True, "type": "Admin", "value": name, "adminConsentDisplayName": name}
            for name, scope in DELEGATED.items()
            if is_graph
        ],
    }


def _principal_value(principal: ServicePrincipal, name: str) -> Any:
    return _draw_principal(principal)[name]


def _applications(call: Call) -> list[Application]:
    return [one for one in call.world.applications.values() if one.home == call.tenant.id]


def _key(call: Call, application: Application) -> str:
    return application.client_id if "(appId=" in call.template else application.id


def _application_value(application: Application, name: str) -> Any:
    return _draw_application(application)[name]


def _draw_application(application: Application) -> dict[str, Any]:
    return {
        "id": application.id,
        "deletedDateTime": None,
        "appId": application.client_id,
        "displayName": application.display_name,
        "signInAudience": "AzureADMultipleOrgs" if application.multi_tenant else "AzureADMyOrg",
        "passwordCredentials": [
            {
                "customKeyIdentifier": None,
                "displayName": "rekey",
                "endDateTime": stamp(one.ends_at),
                "hint": one.value[:3],
                "keyId": one.key_id,
                "secretText": None,
                "startDateTime": stamp(one.starts_at),
            }
            for one in application.secrets
        ],
        "keyCredentials": [
            {
                "customKeyIdentifier": one.identifier,
                "displayName": "CN=rekey",
                "endDateTime": stamp(one.ends_at),
                "key": None,
                "keyId": one.key_id,
                "startDateTime": stamp(one.certificate.not_valid_before_utc),
                "type": "AsymmetricX509Cert",
                "usage": "Verify",
            }
            for one in application.certificates
        ],
    }


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, " ".join(parts)))
