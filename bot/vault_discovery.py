"""Bringing in what a vault outside knows: its records, everything of them but their passwords.

Read as directories are (`bot.discovery`): page by page with no transaction open, each page taken in by a short one, the
cursor stored last, so that a read that breaks off has lost nothing. A record is known by the vault's own id: it may be
renamed there and stays the same one. Nothing here decides, and nothing is written to the vault but records that are to
be made.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import Refused
from bot.matching.suggesting import suggest
from bot.vaults.base import NewRecord, SeenRecord, Vault
from storage.accounts import shown_names
from storage.connections import get_connection, name_key
from storage.database import Database
from storage.matches import holders
from storage.models import Connection, Organization, Record, now
from storage.names import fold, parse_username
from storage.notices import MATCH_REVIEW, touch
from storage.portions import PORTION
from storage.records import get_records, known_entries, present_entries, records_of, unmade_records

_MATTERING = ("username_key", "username", "url", "category", "embedded_in", "archived_at")
"""What suggesting goes by."""
_TOLD = ("name", "username", "guard", "restricted")
"""What whoever approved a match should hear of, when it changes."""


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """What reading a vault found. `records` counts what it has now, the others what changed."""

    records: int
    added: int
    changed: int
    """Among them records that were gone and are back."""
    removed: int
    notes: tuple[str, ...] = ()
    """What somebody should know, each in a sentence: of approved records that are gone or were changed there."""


@dataclass(frozen=True, slots=True)
class RecordsMade:
    """What making records came to."""

    made: int
    notes: tuple[str, ...] = ()
    """Those that were not made yet, each with the reason in a sentence."""


def sync_records(
    database: Database, trail: Trail, connection_id: int, vault: Vault, meanwhile: Callable[[], None] = lambda: None
) -> RecordsRead:
    """Read what the vault has, or what changed since the last time, and bring records and suggestions up to it.

    `meanwhile` is called again and again while it is read. Raises what `vault.records` raises; then nothing is lost.
    Raises `Refused` when a vault that had records shows none at all: that is a lost right, not an empty vault.
    """
    with database.reading() as session:
        since = get_connection(session, connection_id).cursor
    changes = vault.records(since)
    added = changed = 0
    seen: set[str] = set()
    notes: list[str] = []
    for page in _pages(changes.records, meanwhile):
        with database.writing() as session:
            new, differing, told = _take_in(session, connection_id, page, look_again=since is not None)
        added, changed, notes = added + new, changed + differing, notes + told
        seen.update(each.external_id for each in page)
    with database.writing() as session:
        connection = get_connection(session, connection_id)
        known = present_entries(session, connection_id)
        gone = known - seen if changes.complete else known & changes.removed
        if gone == known and known and not seen and changes.complete:
            raise Refused(
                f"{connection.name} answered, but showed no record at all, where {len(gone)} are known. Nothing was "
                "marked as removed: most likely Rekey's key may not read them any more.",
                cause="vault-empty",
                mend="Give its key back the right to see the organization's passwords; then sync.",
            )
        notes += _archive(session, connection, gone)
        connection.cursor, connection.synced_at = changes.cursor, now()
        if changes.place is not None and connection.settings.get("organization_id") != changes.place:
            connection.settings = {**connection.settings, "organization_id": changes.place}
        session.add(connection)
        session.flush()
        if changes.complete:
            suggest(session, connection.organization_id)
        touch(session, MATCH_REVIEW, connection.organization_id)
        count = len(records_of(session, connection.organization_id, connection_id))
        result = RecordsRead(count, added, changed, len(gone), tuple(notes))
        trail.append(
            session,
            event="vault.synced",
            operator="rekey",
            source="sync",
            organization=session.get_one(Organization, connection.organization_id),
            subject=connection.name,
            details={
                "complete": changes.complete,
                "records": count,
                "added": added,
                "changed": changed,
                "removed": len(gone),
                "told": notes,
            },
        )
    return result


def make_records(
    database: Database, trail: Trail, connection_id: int, vault: Vault, meanwhile: Callable[[], None] = lambda: None
) -> RecordsMade:
    """Make the records in the vault that people asked for and it does not have yet.

    Each is looked for first, so that one whose reply was lost is not made twice. A vault that takes none without a
    password gets it with the first rotation. Raises what `vault.create` raises of the whole vault.
    """
    with database.reading() as session:
        wanted = unmade_records(session, connection_id, wanted=True)
    made, notes = 0, []
    for row in wanted:
        meanwhile()
        try:
            seen = vault.create(NewRecord(row.name, row.username, row.uid, row.url))
        except Refused as error:
            if error.cause != "vault-needs-password":
                raise
            notes.append(f"{row.name}: {error}")
            continue
        with database.writing() as session:
            fresh = get_records(session, [row.id])[row.id]
            fresh.sqlmodel_update(_columns(seen) | {"kept_password_at": seen.password_updated_at})
            session.add(fresh)
            trail.append(
                session,
                event="vault.record_made",
                operator="rekey",
                source="engine",
                organization=session.get_one(Organization, fresh.organization_id),
                subject=fresh.name,
                details={"record_uid": fresh.uid, "external_id": seen.external_id},
            )
        made += 1
    return RecordsMade(made, tuple(notes))


def _take_in(
    session: Session, connection_id: int, page: Sequence[SeenRecord], *, look_again: bool
) -> tuple[int, int, list[str]]:
    """Store what these records are now; how many are new, how many differ, and what to say about approved ones."""
    connection = get_connection(session, connection_id)
    latest = {each.external_id: each for each in page}
    known = known_entries(session, connection_id, latest)
    unmade = _Unmade(unmade_records(session, connection_id), latest.values())
    concerned: set[str] = set()
    told: dict[int, list[str]] = {}
    added = changed = 0
    for external_id, seen in latest.items():
        columns, before = _columns(seen) | {"archived_at": None}, known.get(external_id)
        if before is None:
            before = unmade.take(seen)
        if before is None:
            row = Record(organization_id=connection.organization_id, connection_id=connection_id, **columns)
            session.add(row)
            concerned.add(row.username_key)
            added += 1
            continue
        differing = {name: value for name, value in columns.items() if getattr(before, name) != value}
        if not differing:
            continue
        if not differing.keys().isdisjoint(_MATTERING):
            concerned |= {before.username_key, columns["username_key"]}
        if not differing.keys().isdisjoint(_TOLD):
            told[before.id] = _changes(before, differing, connection)
        before.sqlmodel_update(differing)
        session.add(before)
        changed += 1
    session.flush()
    if look_again and concerned:
        suggest(session, connection.organization_id, concerned)
    approved = _approved(session, list(told))
    return added, changed, [sentence for record_id in told if record_id in approved for sentence in told[record_id]]


class _Unmade:
    """Records of ours that have no id of their vault yet: made a moment ago with the answer lost, which their mark
    tells, or come back from the escrow file, and then the only one of that name and username is theirs.
    """

    def __init__(self, rows: Sequence[Record], seen: Iterable[SeenRecord]) -> None:
        self._by_mark = {row.uid: row for row in rows}
        ours = Counter(map(_named, rows))
        theirs = Counter(map(_named, seen))
        self._by_name = {_named(row): row for row in rows if ours[_named(row)] == 1 == theirs[_named(row)]}

    def take(self, seen: SeenRecord) -> Record | None:
        """The record this is, if it is one of them."""
        row = self._by_mark.get(seen.mark) or self._by_name.get(_named(seen))
        return row if row is not None and row.external_id is None else None


def _named(record: Record | SeenRecord) -> tuple[str, str]:
    return name_key(record.name), fold(record.username)


def _changes(before: Record, to: dict[str, Any], connection: Connection) -> list[str]:
    """What happened to a record in its vault, for whoever approved it."""
    vault, name = connection.name, to.get("name", before.name)
    said = []
    if "name" in to:
        said.append(f"{before.name} is called {name} in {vault} now. Its match stays.")
    if "username" in to:
        was, is_now = before.username or "none", to["username"] or "none"
        said.append(f"The username of {name} in {vault} was {was} and is {is_now} now: see whether its match holds.")
    if to.get("guard"):
        said.append(f"{name} cannot be rotated any more. {to['guard']}")
    if to.get("restricted"):
        said.append(f"{name} is restricted in {vault} now: only administrators rotate and read it here.")
    return said


def _archive(session: Session, connection: Connection, external_ids: set[str]) -> list[str]:
    """Put these records away; what to say about those that are approved for somebody."""
    gone = known_entries(session, connection.id, external_ids)
    at = now()
    for row in gone.values():
        row.archived_at = at
        session.add(row)
    session.flush()
    approved = _approved(session, [row.id for row in gone.values()])
    return [
        f"{row.name} is gone from {connection.name}: deleted, archived, or moved to another organization there. Its "
        f"match with {', '.join(approved[row.id])} is kept, but it cannot be rotated: restore it there, or choose "
        "another record."
        for row in gone.values()
        if row.id in approved
    ]


def _approved(session: Session, record_ids: Sequence[int]) -> dict[int, list[str]]:
    """Record id → the accounts it is approved for, as people know them; those approved for nobody are left out."""
    held = [(each.record_id, each.account_id) for each in holders(session, record_ids) if each.record_id is not None]
    names = shown_names(session, {account_id for _, account_id in held})
    found: dict[int, list[str]] = {}
    for record_id, account_id in held:
        found.setdefault(record_id, []).append(names[account_id])
    return found


def _columns(seen: SeenRecord) -> dict[str, Any]:
    return {
        "external_id": seen.external_id,
        "name": seen.name,
        "name_key": name_key(seen.name),
        "username": seen.username,
        "username_key": parse_username(seen.username).name,
        "url": seen.url,
        "notes": seen.notes,
        "category": seen.category,
        "embedded_in": seen.embedded_in,
        "link": seen.link,
        "guard": seen.guard,
        "restricted": seen.restricted,
        "password_updated_at": seen.password_updated_at,
    }


def _pages(records: Iterable[SeenRecord], meanwhile: Callable[[], None]) -> Iterator[list[SeenRecord]]:
    def read() -> Iterator[SeenRecord]:
        for each in records:
            meanwhile()
            yield each

    iterator = read()
    while page := list(islice(iterator, PORTION)):
        yield page
