"""The tenants of a partner's customers, as the partner's own tenant lists them."""

from collections.abc import Iterator

from bot.directories.base import SeenTenant
from bot.directories.entra import diagnostics
from bot.directories.entra.graph import Graph
from bot.errors import Refused

_GDAP = "/tenantRelationships/delegatedAdminCustomers?$select=tenantId,displayName&$top=300"
_CONTRACTS = "/contracts?$select=customerId,displayName,defaultDomainName&$top=999"
_PERMISSION = "DelegatedAdminRelationship.Read.All"
_WHAT_FOR = "list the customers' tenants"
_NOT_A_CUSTOMER = "MLT_"
"""Partner Center's own entries begin with it."""


def tenants(graph: Graph) -> Iterator[SeenTenant]:
    """Every customer: by delegated administration (GDAP), or where that may not be read by the reseller's contracts."""
    gdap, contracts = graph.get_all([_GDAP, _CONTRACTS])
    domains = {}
    if contracts.status == 200:
        found = list(graph.listed(contracts, _PERMISSION, _WHAT_FOR))
        domains = {str(each["customerId"]): each for each in found}
    shown = set()
    if gdap.status == 200:
        for each in graph.listed(gdap, _PERMISSION, _WHAT_FOR):
            tenant_id, name = str(each["tenantId"]), str(each.get("displayName") or "")
            if not name.startswith(_NOT_A_CUSTOMER):
                shown.add(tenant_id)
                yield SeenTenant(tenant_id, name, domains.get(tenant_id, {}).get("defaultDomainName"))
    elif contracts.status != 200:
        error = diagnostics.read_failed(graph.settings, gdap, _PERMISSION, _WHAT_FOR)
        if gdap.status in (400, 404) and isinstance(error, Refused):
            return  # not a partner's tenant
        raise error
    for tenant_id, each in domains.items():
        if tenant_id not in shown:
            yield SeenTenant(tenant_id, str(each.get("displayName") or tenant_id), each.get("defaultDomainName"))
