"""Queries on password records: everything of a vault's entries but their passwords."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from storage.connections import name_key
from storage.models import Account, Match, MatchState, Record
from storage.names import parse_username, row_id, the_only
from storage.portions import portions


class EntryRow(NamedTuple):
    """What matching needs to know of a record that is not archived."""

    id: int
    name: str
    username: str
    username_key: str
    url: str | None
    category: str | None
    embedded_in: str | None = None
    guard: str | None = None


def get_record(session: Session, organization_id: int | None, name_or_id: str | int) -> Record:
    """The organization's record (anybody's for None) with this id, or with this name whatever its case.

    Archived records are found by id alone. `RowNotFound` when there is none, or when several have that name.
    """
    named = (col(Record.name_key) == name_key(str(name_or_id))) & col(Record.archived_at).is_(None)
    wanted = select(Record).where(or_(col(Record.id) == row_id(name_or_id), named))
    if organization_id is not None:
        wanted = wanted.where(Record.organization_id == organization_id)
    rows = session.exec(wanted.order_by(col(Record.id))).all()
    return the_only([(row.id, row.username or row.name, row) for row in rows], "record", name_or_id)


def find_record(session: Session, connection_id: int, uid: str) -> Record | None:
    """A vault's record by our own lasting id, archived or not."""
    return session.exec(select(Record).where(Record.connection_id == connection_id, Record.uid == uid)).first()


def known_entries(session: Session, connection_id: int, external_ids: Collection[str]) -> dict[str, Record]:
    """A vault's records by their ids there, archived ones too."""
    return {
        record.external_id or "": record
        for portion in portions(list(external_ids))
        for record in session.exec(
            select(Record).where(Record.connection_id == connection_id, col(Record.external_id).in_(portion))
        )
    }


def present_entries(session: Session, connection_id: int) -> set[str]:
    """The ids in their vault of all its records that are not archived."""
    here = select(Record.external_id).where(Record.connection_id == connection_id, col(Record.archived_at).is_(None))
    return {external_id for external_id in session.exec(here) if external_id is not None}


def unmade_records(session: Session, connection_id: int, *, wanted: bool = False) -> list[Record]:
    """Records of this vault that have no id of its own yet, oldest first; `wanted`: those approved for an account."""
    here = select(Record).where(Record.connection_id == connection_id, col(Record.external_id).is_(None))
    if wanted:
        approved = select(Match.record_id).where(Match.state == MatchState.APPROVED)
        here = here.where(col(Record.id).in_(approved))
    return list(session.exec(here.where(col(Record.archived_at).is_(None)).order_by(col(Record.id))))


def find_named(session: Session, organization_id: int, name: str) -> list[Record]:
    """The organization's records of this name, whatever its case; archived ones are left out."""
    statement = select(Record).where(
        Record.organization_id == organization_id, Record.name_key == name_key(name), col(Record.archived_at).is_(None)
    )
    return list(session.exec(statement.order_by(col(Record.id))))


def get_records(session: Session, record_ids: Collection[int]) -> dict[int, Record]:
    """Records by id; ids that are not there are left out."""
    return {
        record.id: record
        for portion in portions(list(record_ids))
        for record in session.exec(select(Record).where(col(Record.id).in_(portion)))
    }


def records_called(session: Session, organization_ids: Collection[int], words: str, limit: int) -> list[Record]:
    """Records of these organizations that somebody may mean by these words, by name: those whose name, username, id or
    approved account is exactly that, else those that have it in them.
    """
    said, name = parse_username(words), name_key(words)
    if not name:
        return []
    like = f"%{_escaped_like(name)}%"
    theirs = (
        select(Match.record_id)
        .join(Account, col(Account.id) == col(Match.account_id))
        .where(col(Match.organization_id).in_(organization_ids), Match.state == MatchState.APPROVED)
    )
    username = col(Account.username_key) == said.name
    if said.qualifier is not None:
        username = username & (func.lower(Account.domain) == said.qualifier)
    exact = theirs.where(
        or_(username, col(Account.upn_key) == said.whole, col(Account.mail_key) == said.whole,
            func.lower(Account.display_name) == name)
    )  # fmt: skip
    near = theirs.where(
        or_(col(Account.username_key).like(like, escape="\\"), func.lower(Account.display_name).like(like, escape="\\"))
    )
    by_name = [col(Record.name_key) == name, col(Record.id).in_(exact), col(Record.id) == row_id(words)]
    if said.qualifier is None:
        by_name.append(col(Record.username_key) == said.name)
    in_it = [col(Record.name_key).like(like, escape="\\"), col(Record.username_key).like(like, escape="\\"),
             col(Record.id).in_(near)]  # fmt: skip
    here = select(Record).where(col(Record.organization_id).in_(organization_ids), col(Record.archived_at).is_(None))
    for conditions in (by_name, in_it):
        found = session.exec(here.where(or_(*conditions)).order_by(col(Record.name_key), col(Record.id)).limit(limit))
        if records := list(found):
            return records
    return []


def _escaped_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def records_of(session: Session, organization_id: int, connection_id: int | None = None) -> list[Record]:
    """The organization's records, of one vault where given, by name; archived ones are left out."""
    statement = select(Record).where(Record.organization_id == organization_id, col(Record.archived_at).is_(None))
    if connection_id is not None:
        statement = statement.where(Record.connection_id == connection_id)
    return list(session.exec(statement.order_by(col(Record.name_key), col(Record.id))))


def count_records(session: Session, connection_id: int) -> int:
    """How many records of this vault there are, archived ones too."""
    return session.exec(select(func.count()).select_from(Record).where(Record.connection_id == connection_id)).one()


def records_named(session: Session, connection_id: int, names: Collection[str]) -> list[Record]:
    """A vault's records that have one of these names, given as `storage.connections.name_key` makes them."""
    statement = select(Record).where(Record.connection_id == connection_id, col(Record.archived_at).is_(None))
    return [
        record
        for portion in portions(list(names))
        for record in session.exec(statement.where(col(Record.name_key).in_(portion)).order_by(col(Record.id)))
    ]


def new_record(
    organization_id: int,
    connection_id: int,
    name: str,
    username: str,
    *,
    url: str | None = None,
    notes: str | None = None,
    category: str | None = None,
) -> Record:
    """A record with its keys set, not stored yet."""
    return Record(
        organization_id=organization_id,
        connection_id=connection_id,
        name=name,
        name_key=name_key(name),
        username=username,
        username_key=parse_username(username).name,
        url=url,
        notes=notes,
        category=category,
    )


def entries(session: Session, organization_id: int) -> Iterator[EntryRow]:
    """What matching needs of all the organization's records."""
    for row in session.execute(_entries(organization_id)):
        yield EntryRow(*row)


def entries_named(session: Session, organization_id: int, names: Collection[str]) -> list[EntryRow]:
    """The same of the records with one of these bare usernames (folded)."""
    return [
        EntryRow(*row)
        for portion in portions(list(names))
        for row in session.execute(_entries(organization_id).where(col(Record.username_key).in_(portion)))
    ]


def _entries(organization_id: int) -> Any:
    columns = [getattr(Record, name) for name in EntryRow._fields]
    return select(*columns).where(Record.organization_id == organization_id, col(Record.archived_at).is_(None))
