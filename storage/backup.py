"""Whole tables in and out, and what must hold before a database that was put back may work again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, func, insert, update
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.sqltypes import UTCDateTime

from storage.models import (
    Account,
    Lane,
    Match,
    MatchState,
    Record,
    Revision,
    RevisionState,
    Rotation,
    RotationState,
    Status,
    Task,
    TaskState,
    now,
)
from storage.portions import portions
from storage.rotations import cancel_planned

_FILLED_ON_START = frozenset({"facts", "grants", "rules"})
"""Tables a fresh installation may have written to before anything is put back."""


def table_names() -> list[str]:
    """Every table, those that others point at first."""
    return [table.name for table in SQLModel.metadata.sorted_tables]


def read_table(session: Session, name: str) -> Iterator[dict[str, Any]]:
    """Every row of a table as plain JSON values, in the order of its key, read in portions."""
    table = _table(name)
    query = table.select().order_by(*table.primary_key).execution_options(yield_per=1000)
    for row in session.execute(query).mappings():
        yield {
            column: value.isoformat() if isinstance(value, datetime) else value for column, value in row.items()
        }


def fill_table(session: Session, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows as `read_table` gave them, in one statement."""
    table = _table(name)
    times = [column.name for column in table.columns if isinstance(column.type, UTCDateTime)]
    for row in rows:
        row.update({time: datetime.fromisoformat(row[time]) for time in times if row[time] is not None})
    session.execute(insert(table), list(rows))


def finish_filling(session: Session) -> None:
    """After rows were added with ids of their own: new rows get ids behind them. (SQLite does so by itself.)"""
    if session.get_bind().dialect.name != "postgresql":
        return
    for table in SQLModel.metadata.sorted_tables:
        if "id" in table.columns:
            last = select(func.max(table.c.id)).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, "id")
            session.execute(select(func.setval(sequence, func.coalesce(last, 1), last.is_not(None))))


def tables_in_use(session: Session) -> list[str]:
    """Tables that hold rows a fresh installation would not have; empty when something may be put back here."""
    return [
        table.name
        for table in SQLModel.metadata.sorted_tables
        if table.name not in _FILLED_ON_START and session.execute(table.select().limit(1)).first()
    ]


def clear_fresh_tables(session: Session) -> None:
    """Remove what a fresh installation wrote on start, so that what is put back can take its place."""
    for name in _FILLED_ON_START:
        session.execute(delete(_table(name)))


def freeze_every_lane(session: Session, reason: str) -> int:
    """No lane runs until `thaw`; nobody holds one any more. Returns how many there are."""
    result = session.execute(update(Lane).values(frozen_reason=reason, owner=None, lease_until=None))
    return int(result.rowcount)  # type: ignore[attr-defined]


def thaw(session: Session, connection_id: int) -> None:
    """What the directory holds was compared with our revisions: its lane may run again."""
    lane = update(Lane).where(col(Lane.connection_id) == connection_id)
    session.execute(lane.values(frozen_reason=None, wanted=True))


def end_open_rotations(session: Session, reason: str, record_ids: Sequence[int] | None = None) -> int:
    """End what was open, of these records or of all: cancelled where nothing was staged, else stuck for a person.

    Every revision is kept. Returns how many were ended.
    """
    open_ones = select(Rotation.record_id, Rotation.id).where(col(Rotation.ended_at).is_(None))
    if record_ids is None:
        rows = list(session.exec(open_ones))
    else:
        chosen = (open_ones.where(col(Rotation.record_id).in_(portion)) for portion in portions(record_ids))
        rows = [row for query in chosen for row in session.exec(query)]
    ended_at = now()
    for portion in portions(rows):
        cancel_planned(session, [record_id for record_id, _ in portion], reason)
        ids = [rotation_id for _, rotation_id in portion]
        session.execute(
            update(Rotation)
            .where(col(Rotation.id).in_(ids), col(Rotation.ended_at).is_(None))
            .values(state=RotationState.STUCK, status=Status.FAILED, reason=reason, cause="restored", ended_at=ended_at)
        )
        session.execute(
            update(Task)
            .where(col(Task.rotation_id).in_(ids), col(Task.ended_at).is_(None))
            .values(state=TaskState.UNKNOWN, reason=reason, ended_at=ended_at)
        )
    return len(rows)


@dataclass(frozen=True, slots=True)
class ChangedLater:
    """An account whose directory says its password was set after the newest one we know: ours may not be the one."""

    account: Account
    record: Record
    set_at: datetime
    """The directory's own set-time."""
    known_at: datetime | None
    """The newest set-time or revision we know of; None when no password is known at all."""


def changed_later(session: Session, connection_id: int) -> list[ChangedLater]:
    """Accounts of one directory, approved for a record, whose set-time as just synced is later than what we know of.

    That is the set-time last proved; where none was, or not for the record's current revision, that revision's time.
    """
    rows = session.exec(
        select(Account, Record, Revision)
        .join(Match, col(Match.account_id) == col(Account.id))
        .join(Record, col(Record.id) == col(Match.record_id))
        .outerjoin(
            Revision, (col(Revision.record_id) == col(Record.id)) & (col(Revision.state) == RevisionState.CURRENT)
        )
        .where(
            Account.connection_id == connection_id,
            col(Account.removed_at).is_(None),
            col(Account.password_set_at).is_not(None),
            Match.state == MatchState.APPROVED,
        )
        .order_by(col(Account.username_key))
    )
    found = []
    for account, record, revision in rows:
        known_at = _known_at(account, revision)
        if account.password_set_at is not None and (known_at is None or account.password_set_at > known_at):
            found.append(ChangedLater(account, record, account.password_set_at, known_at))
    return found


def _known_at(account: Account, current: Revision | None) -> datetime | None:
    if current is None or account.proved_revision_id == current.id:
        return account.proved_set_at
    # The account's row is older than the revision (which came back from the escrow file, or was imported).
    times = [account.proved_set_at, current.proved_at or current.created_at]
    return max(time for time in times if time is not None)


def _table(name: str) -> Table:
    return SQLModel.metadata.tables[name]
