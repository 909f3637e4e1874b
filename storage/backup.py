"""Whole tables in and out, and what must hold before a database that was put back may work again."""

from collections.abc import Iterator, Mapping, Sequence
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
        yield {column: value.isoformat() if isinstance(value, datetime) else value for column, value in row.items()}


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
    """An account whose password was set at a time this database cannot explain: ours may not be the one."""

    account: Account
    record: Record
    set_at: datetime | None
    """The directory's own set-time; None when the password must be changed at the next sign-in."""
    known_at: datetime | None
    """The set-time last proved, or last read where none was."""


def changed_later(session: Session, connection_id: int, set_times: Mapping[str, datetime | None]) -> list[ChangedLater]:
    """Accounts approved for a record whose set-time, as one directory says now, is not the one we know of.

    `set_times` is by object id; accounts that are not in it are left out. A later one is explained where the record's
    current revision was proved after it: that revision came back from the escrow file, and the account's row did not.
    """
    rows = session.exec(
        select(Account, Record, Revision)
        .join(Match, col(Match.account_id) == col(Account.id))
        .join(Record, col(Record.id) == col(Match.record_id))
        .outerjoin(
            Revision, (col(Revision.record_id) == col(Record.id)) & (col(Revision.state) == RevisionState.CURRENT)
        )
        .where(Account.connection_id == connection_id, Match.state == MatchState.APPROVED)
        .order_by(col(Account.username_key))
    )
    found = []
    for account, record, current in rows:
        if account.object_id in set_times:
            set_at, known_at = set_times[account.object_id], account.proved_set_at or account.password_set_at
            if set_at != known_at and not _came_back(account, current, set_at):
                found.append(ChangedLater(account, record, set_at, known_at))
    return found


def _came_back(account: Account, current: Revision | None, set_at: datetime | None) -> bool:
    if current is None or current.proved_at is None or set_at is None or current.id == account.proved_revision_id:
        return False
    return set_at <= current.proved_at


def _table(name: str) -> Table:
    return SQLModel.metadata.tables[name]
