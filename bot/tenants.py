"""The tenants of a partner's customers: listed from the partner's own, connected one by one, or skipped."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from bot.audit import Trail
from bot.connections import ENTRA, settings_of
from bot.directories.base import Directory, ListsTenants, SeenTenant
from bot.errors import NotPermitted
from bot.permissions import Operator, may_administer
from storage.connections import connections_of, get_connection
from storage.models import Connection, Organization, Tenant, now
from storage.tenants import count_tenants, get_tenant, keep_tenants, tenants_of


@dataclass(frozen=True, slots=True)
class Listed:
    """One tenant of the list, and whose directory it is already."""

    tenant: Tenant
    organization: Organization | None
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class Customers:
    """One page of the list."""

    main: Connection
    shown: tuple[Listed, ...]
    page: int
    pages: int
    left: int
    """How many are not skipped."""
    skipped: int


def read(directory: Directory) -> list[SeenTenant] | None:
    """Whom the partner's tenant lists, as it says now; None for a directory that lists nobody. Calls outside."""
    return list(directory.tenants()) if isinstance(directory, ListsTenants) else None


def keep(session: Session, connection_id: int, seen: Sequence[SeenTenant]) -> None:
    """Store what was read. The partner's own tenant, should it be among them, is no customer."""
    own = settings_of(get_connection(session, connection_id)).get("tenant_id")
    rows = {each.tenant_id.lower(): (each.tenant_id.lower(), each.name, each.domain) for each in seen}
    keep_tenants(session, connection_id, [row for tenant_id, row in rows.items() if tenant_id != own], now())


def customers(session: Session, connection_id: int, page: int, size: int, *, skipped: bool = False) -> Customers:
    """A page of the customers that are left, or of those that are skipped."""
    left, passed = (count_tenants(session, connection_id, skipped=each) for each in (False, True))
    pages = max(1, -(-(passed if skipped else left) // size))
    page = min(max(1, page), pages)
    connected = {
        settings_of(each).get("tenant_id"): (organization, each)
        for organization, each in connections_of(session, "directory")
        if each.kind == ENTRA
    }
    found = tenants_of(session, connection_id, (page - 1) * size, size, skipped=skipped)
    shown = tuple(Listed(each, *connected.get(each.tenant_id, (None, None))) for each in found)
    return Customers(get_connection(session, connection_id), shown, page, pages, left, passed)


def skip(session: Session, trail: Trail, operator: Operator, tenant_id: int, *, skipped: bool) -> Tenant:
    """Leave this customer's tenant out of the list, or take it back in. `NotPermitted` when the operator may not."""
    tenant = get_tenant(session, tenant_id)
    main = get_connection(session, tenant.connection_id)
    decision = may_administer(operator, main.organization_id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    if (tenant.skipped_at is not None) is skipped:
        return tenant
    tenant.skipped_at, tenant.skipped_by = (now(), operator.key) if skipped else (None, None)
    session.add(tenant)
    trail.append(
        session,
        event="tenant.skipped" if skipped else "tenant.taken_back",
        operator=operator.key,
        source=operator.source,
        organization=session.get_one(Organization, main.organization_id),
        subject=f"tenant {tenant.tenant_id}",
        details={"name": tenant.name},
    )
    return tenant
