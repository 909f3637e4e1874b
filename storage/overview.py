"""How organizations stand, counted: a few statements for any number of them."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from storage.models import Connection, Lane, Match, MatchState, Rotation, RotationState


def count_matches(session: Session, organization_ids: Collection[int]) -> dict[int, dict[MatchState, int]]:
    """How many accounts of each organization stand how with the vault."""
    rows = session.execute(
        select(Match.organization_id, Match.state, func.count())
        .where(col(Match.organization_id).in_(organization_ids))
        .group_by(col(Match.organization_id), col(Match.state))
    )
    found: dict[int, dict[MatchState, int]] = defaultdict(dict)
    for organization_id, state, many in rows:
        found[organization_id][MatchState(state)] = many
    return found


def count_latest(session: Session, organization_ids: Collection[int]) -> dict[int, dict[RotationState, int]]:
    """How the latest rotation of each matched record stands, counted by organization; cancelled ones do not count."""
    latest = (
        select(func.max(Rotation.id))
        .where(
            col(Rotation.organization_id).in_(organization_ids),
            Rotation.state != RotationState.CANCELLED,
            col(Rotation.record_id).in_(select(Match.record_id).where(Match.state == MatchState.APPROVED)),
        )
        .group_by(col(Rotation.record_id))
    )
    rows = session.execute(
        select(Rotation.organization_id, Rotation.state, func.count())
        .where(col(Rotation.id).in_(latest))
        .group_by(col(Rotation.organization_id), col(Rotation.state))
    )
    found: dict[int, dict[RotationState, int]] = defaultdict(dict)
    for organization_id, state, many in rows:
        found[organization_id][RotationState(state)] = many
    return found


def stopped_connections(session: Session, organization_ids: Collection[int]) -> dict[int, list[str]]:
    """The names of connections whose lane stopped, or waits for `rekey doctor` after a restore, by organization."""
    rows = session.execute(
        select(Connection.organization_id, Connection.name)
        .join(Lane, col(Lane.connection_id) == col(Connection.id))
        .where(
            col(Connection.organization_id).in_(organization_ids),
            or_(col(Lane.stopped_at).is_not(None), col(Lane.frozen_reason).is_not(None)),
        )
        .order_by(col(Connection.id))
    )
    found: dict[int, list[str]] = defaultdict(list)
    for organization_id, name in rows:
        found[organization_id].append(name)
    return found


def with_directory(session: Session, organization_ids: Collection[int]) -> set[int]:
    """Those of these organizations that have a directory."""
    return set(
        session.exec(
            select(Connection.organization_id)
            .distinct()
            .where(col(Connection.organization_id).in_(organization_ids), Connection.side == "directory")
        )
    )
