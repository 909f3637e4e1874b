"""How many rows of the kinds people watch there are, by state."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from storage.models import Lane, Match, Notice, Rotation


def counts(session: Session) -> dict[str, tuple[str, dict[str, int]]]:
    """Name → what it counts, and how many by state."""
    stopped = session.exec(select(func.count()).select_from(Lane).where(col(Lane.stopped_at).is_not(None))).one()
    lanes = session.exec(select(func.count()).select_from(Lane)).one()
    owed = select(func.count()).select_from(Notice).where(col(Notice.wanted) > col(Notice.sent))
    return {
        "rotations": ("Rotations that were ever asked for, by state", _by(session, Rotation)),
        "matches": ("Accounts, by how they stand with the vault", _by(session, Match)),
        "lanes": ("Ways into directories, by whether work towards them goes on",
                  {"running": lanes - stopped, "stopped": stopped}),
        "notices": ("Messages that Slack does not have yet, or not as they are now",
                    {"owed": session.exec(owed).one()}),
    }  # fmt: skip


def _by(session: Session, table: type[Rotation] | type[Match]) -> dict[str, int]:
    rows = session.exec(select(table.state, func.count()).group_by(col(table.state)))
    return {str(state): number for state, number in rows}
