"""What directories demand of passwords, as they showed it when they were last read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from storage.models import Connection, DirectoryPolicies, Organization


def policies_shown(
    session: Session, organization_ids: Sequence[int] | None = None
) -> list[tuple[Organization, Connection, DirectoryPolicies | None]]:
    """Every directory of these organizations (None: of all), by name, with what it showed; None while it was not
    read.
    """
    statement = (
        select(Organization, Connection, DirectoryPolicies)
        .join(Connection, col(Connection.organization_id) == col(Organization.id))
        .outerjoin(DirectoryPolicies, col(DirectoryPolicies.connection_id) == col(Connection.id))
        .where(Connection.side == "directory")
        .order_by(col(Organization.name_key), col(Connection.name_key))
    )
    wanted = None if organization_ids is None else set(organization_ids)
    return [
        (organization, connection, shown)
        for organization, connection, shown in session.exec(statement)
        if wanted is None or organization.id in wanted
    ]


def keep_policies(
    session: Session, connection_id: int, policies: Sequence[Mapping[str, Any]], trouble: str, read_at: datetime
) -> None:
    """What this directory showed when it was read just now, in place of what it showed before."""
    kept = session.get(DirectoryPolicies, connection_id) or DirectoryPolicies(connection_id=connection_id)
    kept.policies, kept.trouble, kept.read_at = [dict(each) for each in policies], trouble, read_at
    session.add(kept)
