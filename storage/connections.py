"""Queries on connections: an organization's stored ways into outside systems, and its vault."""

import unicodedata
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import or_
from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import Connection, Lane, Organization, Task, TaskKind

Side = Literal["directory", "vault"]

EMBEDDED = "embedded"
"""The kind of the vault that is our own database: nothing of it is outside, so it has no lane."""
RECOVERED = "recovered"
"""In the settings of a vault that was rebuilt from the escrow file, which does not know of what kind it was."""


def name_key(name: str) -> str:
    """What two names must differ in: neither case counts, nor blanks, nor how an accent was typed."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def get_connection(session: Session, connection_id: int) -> Connection:
    """The connection with this id."""
    connection = session.get(Connection, connection_id)
    if connection is None:
        raise RowNotFound(f"There is no connection {connection_id}.")
    return connection


def connections_of(
    session: Session, side: Side | None = None, organization_ids: Sequence[int] | None = None
) -> list[tuple[Organization, Connection]]:
    """Connections with their organizations, ordered by both names; of one side or of some organizations where given."""
    query = select(Organization, Connection).join(Connection, col(Connection.organization_id) == col(Organization.id))
    if side is not None:
        query = query.where(Connection.side == side)
    if organization_ids is not None:
        query = query.where(col(Organization.id).in_(organization_ids))
    return list(session.exec(query.order_by(col(Organization.name_key), col(Connection.name_key))))


def outside_connections(
    session: Session, organization_ids: Sequence[int] | None = None
) -> list[tuple[Organization, Connection]]:
    """Every connection that leads outside and so has a lane: directories, and vaults that are not our own database."""
    found = connections_of(session, None, organization_ids)
    return [(organization, each) for organization, each in found if each.kind != EMBEDDED]


def unread_connections(session: Session, before: datetime) -> list[Connection]:
    """Connections that lead outside and were neither read nor asked to be since then; those switched off left out."""
    asked = select(Task.id).where(
        Task.connection_id == Connection.id, Task.kind == TaskKind.SYNC, col(Task.created_at) >= before
    )
    query = select(Connection).where(
        Connection.kind != EMBEDDED,
        col(Connection.off_at).is_(None),
        or_(col(Connection.synced_at).is_(None), col(Connection.synced_at) < before),
        ~asked.exists(),
    )
    return list(session.exec(query.order_by(col(Connection.id))))


def add_connections(session: Session, connections: Sequence[Connection]) -> None:
    """Store new connections; each gets its lane, at rest, but for the embedded vault, which is here. Their ids are
    set."""
    session.add_all(connections)
    session.flush()
    session.add_all(Lane(connection_id=connection.id) for connection in connections if connection.kind != EMBEDDED)
    session.flush()


def ending_credentials(session: Session, before: datetime) -> list[tuple[Organization, Connection]]:
    """Connections whose credential ends before then, with their organizations; the first to end first."""
    query = (
        select(Organization, Connection)
        .join(Connection, col(Connection.organization_id) == col(Organization.id))
        .where(col(Connection.credential_ends_at) <= before)
        .order_by(col(Connection.credential_ends_at), col(Connection.id))
    )
    return list(session.exec(query))


def unlooked_credentials(session: Session, kind: str, since: datetime) -> list[Connection]:
    """Connections of this kind whose system was not asked since then when their credential ends."""
    looked_at = col(Connection.credential_looked_at)
    query = select(Connection).where(
        Connection.kind == kind, col(Connection.credential).is_not(None), or_(looked_at.is_(None), looked_at < since)
    )
    return list(session.exec(query.order_by(col(Connection.id))))


def give_lane(session: Session, connection: Connection) -> None:
    """A lane for a stored connection that has none yet: its vault was our own database until now."""
    if session.get(Lane, connection.id) is None:
        session.add(Lane(connection_id=connection.id))
        session.flush()


def connection_names(session: Session, connection_ids: Collection[int]) -> dict[int, str]:
    """Connection id → its name, for many in one query."""
    rows = session.exec(select(Connection.id, Connection.name).where(col(Connection.id).in_(connection_ids)))
    return dict(rows.all())
