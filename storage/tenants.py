"""Queries on tenants: what the partner's own tenant lists of its customers, and what was decided about each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from bot.errors import RowNotFound
from storage.models import Tenant
from storage.names import fold


def tenants_of(session: Session, connection_id: int, first: int, many: int, *, skipped: bool) -> list[Tenant]:
    """A stretch of those this connection listed, by name; those that are skipped, or the others."""
    query = _those(connection_id, skipped).order_by(col(Tenant.name_key), col(Tenant.id)).offset(first).limit(many)
    return list(session.exec(query))


def count_tenants(session: Session, connection_id: int, *, skipped: bool) -> int:
    """How many there are of them."""
    return session.exec(select(func.count()).select_from(_those(connection_id, skipped).subquery())).one()


def tenants_called(session: Session, connection_id: int, typed: str, most: int) -> list[Tenant]:
    """Those that are not skipped whose name holds what was typed, by name."""
    query = _those(connection_id, False).where(col(Tenant.name_key).contains(fold(typed), autoescape=True))
    return list(session.exec(query.order_by(col(Tenant.name_key), col(Tenant.id)).limit(most)))


def get_tenant(session: Session, tenant_id: int) -> Tenant:
    """This one, by its row's id."""
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise RowNotFound("This tenant is not in the list any more. Nothing was changed.")
    return tenant


def keep_tenants(
    session: Session, connection_id: int, seen: Sequence[tuple[str, str, str | None]], at: datetime
) -> None:
    """Bring the list up to what was read just now: (tenant id, name, domain) of each. Those that are gone are taken off
    it; what was decided about the others stays.
    """
    known = {each.tenant_id: each for each in session.exec(select(Tenant).where(Tenant.connection_id == connection_id))}
    for tenant_id, name, domain in seen:
        tenant = known.pop(tenant_id, None) or Tenant(
            connection_id=connection_id, tenant_id=tenant_id, name=name, name_key=fold(name)
        )
        tenant.name, tenant.name_key, tenant.domain, tenant.seen_at = name, fold(name), domain, at
        session.add(tenant)
    for gone in known.values():
        session.delete(gone)
    session.flush()


def _those(connection_id: int, skipped: bool) -> SelectOfScalar[Tenant]:
    decided = col(Tenant.skipped_at).is_not(None) if skipped else col(Tenant.skipped_at).is_(None)
    return select(Tenant).where(Tenant.connection_id == connection_id, decided)
