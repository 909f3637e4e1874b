"""Rebuilding rows from the escrow file: where each record belongs, and whole tables in few statements."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session, col, select

from storage.connections import EMBEDDED, RECOVERED, add_connections, connections_of, name_key
from storage.escrow import Entry
from storage.models import Connection, Organization, Record, Revision, RevisionState
from storage.names import parse_username
from storage.organizations import organizations
from storage.portions import portions
from storage.records import new_record


class KnownRevision(NamedTuple):
    """As much of a stored revision as is needed to tell which one is current."""

    id: int
    uid: str
    record_id: int
    state: str
    created_at: datetime


def every_record(session: Session) -> list[Record]:
    """Every record of every organization, archived ones too."""
    return list(session.exec(select(Record).order_by(col(Record.id))))


def every_revision(session: Session) -> list[KnownRevision]:
    """Every revision there is, oldest first, without its sealed password."""
    columns = [getattr(Revision, name) for name in KnownRevision._fields]
    query = select(*columns).order_by(col(Revision.created_at), col(Revision.id))
    return [KnownRevision(*row) for row in session.execute(query)]


class Homes:
    """Where each record of the escrow file belongs: found by uid, else by name, else made."""

    def __init__(self, session: Session, entries: Sequence[Entry]) -> None:
        self._session = session
        newest_first = entries[::-1]  # a name that was changed meanwhile counts as it was last
        newest: dict[str, Entry] = {}
        for entry in newest_first:
            newest.setdefault(entry.record_uid, entry)
        self.organizations = self._find_organizations(newest_first)
        self._vaults = self._find_vaults(newest_first)
        self.records = self._find_records(newest)
        self._owners = {organization.id: organization for organization in self.organizations.values()}

    def owner(self, record: Record) -> Organization:
        """The organization of a record; its uid is part of what the record's passwords are sealed to."""
        return self._owners[record.organization_id]

    def _find_organizations(self, entries: Iterable[Entry]) -> dict[str, Organization]:
        stored = organizations(self._session)
        by_name = {organization.name_key: organization for organization in stored}
        found = {organization.uid: organization for organization in stored}
        self.new_organizations: list[Organization] = []
        for entry in entries:
            key, uid = name_key(entry.organization), entry.organization_uid
            if uid in found:
                continue
            if key not in by_name:
                by_name[key] = Organization(uid=uid, name=entry.organization, name_key=key)
                self.new_organizations.append(by_name[key])
            found[uid] = by_name[key]
        self._session.add_all(self.new_organizations)
        self._session.flush()
        return found

    def _find_vaults(self, entries: Iterable[Entry]) -> dict[int, Connection]:
        """By organization: each has one vault. A new one is embedded: what it was, the escrow file does not know."""
        found = {row.organization_id: row for _, row in connections_of(self._session, "vault")}
        self.new_vaults: list[Connection] = []
        for entry in entries:
            organization_id = self.organizations[entry.organization_uid].id or 0
            if organization_id not in found:
                found[organization_id] = Connection(
                    organization_id=organization_id,
                    name=entry.vault,
                    name_key=name_key(entry.vault),
                    side="vault",
                    kind=EMBEDDED,
                    settings={RECOVERED: True},
                )
                self.new_vaults.append(found[organization_id])
        add_connections(self._session, self.new_vaults)
        return found

    def _find_records(self, newest: dict[str, Entry]) -> dict[str, Record]:
        stored = every_record(self._session)
        found = {record.uid: record for record in stored}
        namesakes: dict[tuple[int, str, str], list[Record]] = {}
        for record in stored:
            namesakes.setdefault((record.connection_id, record.name_key, record.username_key), []).append(record)
        self.new_records: list[Record] = []
        for uid, entry in newest.items():
            if uid in found:
                continue
            organization = self.organizations[entry.organization_uid]
            vault = self._vaults[organization.id or 0]
            key = (vault.id or 0, name_key(entry.record), parse_username(entry.username).name)
            same_name = namesakes.get(key, [])
            # Its organization was made anew after the loss, so the record of that name was, too. In an organization
            # that was not lost, a record of the same name is another one.
            if len(same_name) == 1 and organization.uid != entry.organization_uid:
                found[uid] = same_name[0]
                continue
            found[uid] = new_record(vault.organization_id, key[0], entry.record, entry.username, url=entry.url)
            found[uid].uid = uid
            self.new_records.append(found[uid])
            namesakes.setdefault(key, []).append(found[uid])
        self._session.add_all(self.new_records)
        self._session.flush()
        return found


class KeptRevision(NamedTuple):
    """A stored revision with everything the escrow file tells of it."""

    revision: Revision
    record: Record
    organization: Organization
    vault: Connection


def kept_revisions(session: Session, uids: Sequence[str]) -> Iterator[KeptRevision]:
    """Revisions by uid, oldest first within each portion, with where they belong."""
    query = (
        select(Revision, Record, Organization, Connection)
        .join(Record, col(Record.id) == col(Revision.record_id))
        .join(Organization, col(Organization.id) == col(Record.organization_id))
        .join(Connection, col(Connection.id) == col(Record.connection_id))
        .order_by(col(Revision.created_at), col(Revision.id))
    )
    for portion in portions(uids):
        yield from (KeptRevision(*row) for row in session.exec(query.where(col(Revision.uid).in_(portion))))


def add_recovered(session: Session, revisions: Sequence[Revision]) -> None:
    """Add rows that are in the escrow file already, all of them in state `old` for the moment: see `set_states`."""
    for portion in portions(revisions):
        rows = [{**revision.model_dump(exclude={"id"}), "state": RevisionState.OLD} for revision in portion]
        session.execute(insert(Revision), rows)


def set_proved(session: Session, proved_at: Mapping[str, datetime]) -> None:
    """Give revisions, by uid, the time they were proved, where they have none."""
    proving = update(Revision).where(col(Revision.uid) == bindparam("of"), col(Revision.proved_at).is_(None))
    for portion in portions(list(proved_at.items())):
        times = [{"of": uid, "at": at} for uid, at in portion]
        session.connection().execute(proving.values(proved_at=bindparam("at")), times)


def set_states(session: Session, states: Mapping[str, RevisionState]) -> None:
    """Give revisions, by uid, their states. A record never has two current or two pending ones in between."""
    changing = update(Revision).execution_options(synchronize_session=False)
    by_state: dict[RevisionState, list[str]] = {state: [] for state in RevisionState}
    for uid, state in states.items():
        by_state[state].append(uid)
    for portion in portions(list(states)):
        session.execute(changing.where(col(Revision.uid).in_(portion)).values(state=RevisionState.OLD))
    for state, uids in by_state.items():
        for portion in portions(uids):
            session.execute(changing.where(col(Revision.uid).in_(portion)).values(state=state))


def set_unsure(session: Session, uids: Sequence[str]) -> None:
    """Say of these revisions that a directory may hold them, whatever their state, until a later one is proved."""
    doubting = update(Revision).execution_options(synchronize_session=False).values(unsure=True)
    for portion in portions(uids):
        session.execute(doubting.where(col(Revision.uid).in_(portion)))
