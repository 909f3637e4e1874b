"""Reading what a tenant is: its names and licences, its domains, its synchronization, and whose partner it is."""

from typing import Any

from bot.demo.graph.answers import Answer
from bot.demo.graph.calls import Call
from bot.demo.graph.clock import stamp
from bot.demo.graph.errors import not_found
from bot.demo.graph.filters import matching
from bot.demo.graph.partners import Relationship
from bot.demo.graph.people import Group
from bot.demo.graph.reading_applications import chosen
from bot.demo.graph.tenant import Tenant

_PREMIUM = {
    "Free": (),
    "P1": ("41781fb2-bc02-4b7c-bd55-b576c07bb09d",),
    "P2": ("41781fb2-bc02-4b7c-bd55-b576c07bb09d", "eec0eb4f-6444-4f95-aba0-50c24d67f998"),
}
"""Service plans AAD_PREMIUM and AAD_PREMIUM_P2, by licence."""
_LARGEST_CUSTOMER_PAGE = 300


def list_organization(call: Call) -> Answer:
    """GET /organization: the one that the token is for."""
    return Answer(body=call.context("organization") | {"value": [chosen(call, _draw_organization(call.tenant))]})


def _draw_organization(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "deletedDateTime": None,
        "displayName": tenant.display_name,
        "tenantType": "AAD",
        "onPremisesSyncEnabled": tenant.synced or None,
        "verifiedDomains": [
            {
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": place == 0,
                "isInitial": domain.initial,
                "name": domain.name,
                "type": "Federated" if domain.federated else "Managed",
            }
            for place, domain in enumerate(tenant.domains)
        ],
        "assignedPlans": [
            {"capabilityStatus": "Enabled", "service": "AADPremiumService", "servicePlanId": plan}
            for plan in _PREMIUM[tenant.license]
        ],
    }


def list_domains(call: Call) -> Answer:
    """GET /domains, federated ones among them, whose passwords are not Entra's."""
    drawn = [
        {
            "authenticationType": "Federated" if domain.federated else "Managed",
            "id": domain.name,
            "isAdminManaged": True,
            "isDefault": place == 0,
            "isInitial": domain.initial,
            "isRoot": True,
            "isVerified": True,
            "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        }
        for place, domain in enumerate(call.tenant.domains)
    ]
    return Answer(body=call.context("domains") | {"value": [chosen(call, domain) for domain in drawn]})


def list_synchronization(call: Call) -> Answer:
    """GET /directory/onPremisesSynchronization: nothing where no Active Directory is synchronized."""
    tenant = call.tenant
    features = {
        "passwordSyncEnabled": tenant.password_hash_sync,
        "passwordWritebackEnabled": tenant.password_writeback,
        "cloudPasswordPolicyForPasswordSyncedUsersEnabled": False,
        "userForcePasswordChangeOnLogonEnabled": False,
    }
    there = [{"id": tenant.id, "features": features}] if tenant.synced else []
    return Answer(body=call.context("directory/onPremisesSynchronization") | {"value": there})


def list_customers(call: Call) -> Answer:
    """GET /tenantRelationships/delegatedAdminCustomers: whoever has, or had, an agreement with this partner."""
    customers = {one.customer: one for one in call.tenant.relationships}

    def drawn(one: Relationship) -> dict[str, Any]:
        return chosen(call, {"id": one.customer, "tenantId": one.customer, "displayName": one.customer_name})

    rows = list(customers.values())
    what = "tenantRelationships/delegatedAdminCustomers"
    return Answer(body=call.world.pages.listed(call, lambda: rows, drawn, what, largest=_LARGEST_CUSTOMER_PAGE))


def list_relationships(call: Call) -> Answer:
    """GET /tenantRelationships/delegatedAdminRelationships."""

    def value(one: Relationship, name: str) -> Any:
        return one.customer if name == "customer/tenantId" else one.status

    wanted = matching(call.query.get("$filter"), value, frozenset({"status", "customer/tenantId"}))

    def rows() -> list[Relationship]:
        return [one for one in call.tenant.relationships if wanted(one)]

    what = "tenantRelationships/delegatedAdminRelationships"
    return Answer(
        body=call.world.pages.listed(
            call, rows, lambda one: chosen(call, _draw_relationship(one)), what, largest=_LARGEST_CUSTOMER_PAGE
        )
    )


def _draw_relationship(one: Relationship) -> dict[str, Any]:
    return {
        "id": one.id,
        "displayName": one.display_name,
        "duration": f"P{(one.ends_at - one.created_at).days}D",
        "status": one.status,
        "autoExtendDuration": "P180D" if one.auto_extend else "PT0S",
        "createdDateTime": stamp(one.created_at),
        "activatedDateTime": stamp(one.created_at),
        "lastModifiedDateTime": stamp(one.created_at),
        "endDateTime": stamp(one.ends_at),
        "customer": {"tenantId": one.customer, "displayName": one.customer_name},
        "accessDetails": {"unifiedRoles": [{"roleDefinitionId": role} for role in one.roles]},
    }


def list_access(call: Call) -> Answer:
    """GET /tenantRelationships/delegatedAdminRelationships/{id}/accessAssignments: which groups have which roles."""
    said = call.values["id"]
    found = next((one for one in call.tenant.relationships if one.id == said), None)
    if found is None:
        raise not_found(said)

    def drawn(row: tuple[str, tuple[Group, tuple[str, ...]]]) -> dict[str, Any]:
        name, (group, roles) = row
        return {
            "id": name,
            "status": "active",
            "createdDateTime": stamp(found.created_at),
            "lastModifiedDateTime": stamp(found.created_at),
            "accessContainer": {"accessContainerId": group.id, "accessContainerType": "securityGroup"},
            "accessDetails": {"unifiedRoles": [{"roleDefinitionId": role} for role in roles]},
        }

    rows = list(found.groups.items())
    return Answer(body=call.world.pages.listed(call, lambda: rows, drawn, "accessAssignments"))


def list_contracts(call: Call) -> Answer:
    """GET /contracts: the partner's customers, as they were known before GDAP."""
    customers = {one.customer: one for one in call.tenant.relationships}

    def drawn(one: Relationship) -> dict[str, Any]:
        tenant = call.world.tenants.get(one.customer)
        row = {
            "id": one.id.partition("-")[0],
            "deletedDateTime": None,
            "contractType": "ResellerPartnerContract",
            "customerId": one.customer,
            "defaultDomainName": tenant.name if tenant else None,
            "displayName": one.customer_name,
        }
        return chosen(call, row)

    rows = list(customers.values())
    return Answer(body=call.world.pages.listed(call, lambda: rows, drawn, "contracts"))
