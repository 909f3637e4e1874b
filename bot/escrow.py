"""`rekey recover`: rebuild what the database lost from the escrow file and the recovery key that was kept offline.

Whether the database is gone, or was restored from yesterday, or nothing is missing: afterwards every revision of the
escrow file is in it. The escrow file tells in which order revisions were made, and which became current; so the newest
proved one is current, the one proved before it previous, and the newest of those made later, which a directory may hold
or not, pending. The others stay readable in the record's history. Doing it twice changes nothing more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlmodel import Session

from bot.audit import Trail
from bot.errors import EscrowProblem
from bot.permissions import Operator
from storage.backup import end_open_rotations
from storage.connections import add_connections, connections_of, name_key
from storage.database import Database
from storage.escrow import Damaged, Entry, Escrow, Proved
from storage.facts import check_fingerprint
from storage.models import Connection, Organization, Record, Revision, RevisionState
from storage.names import parse_username
from storage.organizations import organizations
from storage.records import new_record
from storage.recovered import KnownRevision, add_recovered, every_record, every_revision, set_states
from storage.revisions import Safe, place_of

_IN_FORCE = (RevisionState.CURRENT, RevisionState.PREVIOUS)
_REASON = (
    "Revisions of this record came back from the escrow file while its rotation was open. Every password is kept; the "
    "newest proved one is current. Rotating this record by name settles which one the directory holds."
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` added or changed, and which lines of the escrow file it could not read."""

    organizations: int = 0
    vaults: int = 0
    records: int = 0
    revisions: int = 0
    states: int = 0
    """Revisions known before whose state changed."""
    rotations_ended: int = 0
    damaged: tuple[str, ...] = ()


@dataclass(slots=True)
class _Story:
    """What the escrow file tells, in order: places in it are line numbers, which outlive every clock."""

    entries: dict[str, Entry] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    became_current: dict[str, int] = field(default_factory=dict)
    proved_at: dict[str, datetime] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Version:
    """One revision, as far as deciding its state needs; `state` is None when the database did not know it."""

    uid: str
    state: RevisionState | None
    written: int
    became_current: int | None

    @property
    def since(self) -> int | None:
        """Where in the escrow file it became current; None when it never did, as far as is known.

        The database may have had it in force without the file being told: a crash can come between the two.
        """
        return self.written if self.became_current is None and self.state in _IN_FORCE else self.became_current


def recover(
    database: Database, safe: Safe, trail: Trail, operator: Operator, recovery_key: X25519PrivateKey
) -> Recovered:
    """Bring everything in the escrow file back into the database, all or nothing.

    Raises `EscrowProblem` when the file cannot be read or nothing in it opens with this key.
    """
    story = _read(safe.escrow, recovery_key)
    with database.writing() as session:
        check_fingerprint(session, safe.keys)
        homes = _Homes(session, list(story.entries.values()))
        known = every_revision(session)
        new = _missing_revisions(story, homes, known, safe, operator)
        add_recovered(session, new)
        changes = _changes(story, homes, known, new)
        set_states(session, changes)
        touched = _records_of(known, changes) | {revision.record_id for revision in new}
        recovered = Recovered(
            organizations=len(homes.new_organizations),
            vaults=len(homes.new_vaults),
            records=len(homes.new_records),
            revisions=len(new),
            states=len(changes.keys() - {revision.uid for revision in new}),
            rotations_ended=end_open_rotations(session, _REASON, sorted(touched)),
            damaged=tuple(story.damaged),
        )
        if new and not safe.escrow.seals_to(recovery_key):  # new keys were made since: they too must open everything
            safe.escrow.append(_in_order(story))
        _say_so(session, trail, operator, recovered)
    return recovered


def _read(escrow: Escrow, recovery_key: X25519PrivateKey) -> _Story:
    story = _Story()
    for place, line in enumerate(escrow.read(recovery_key)):
        match line:
            case Entry():
                story.entries.setdefault(line.revision_uid, line)
                story.written.setdefault(line.revision_uid, place)
                if line.state == RevisionState.CURRENT:
                    story.became_current.setdefault(line.revision_uid, place)
            case Proved():
                story.became_current.setdefault(line.revision_uid, place)
                story.proved_at.setdefault(line.revision_uid, line.at)
            case Damaged():
                story.damaged.append(line.why)
    if not story.entries:
        why = story.damaged[0] if story.damaged else "It is empty."
        raise EscrowProblem(f"Nothing in {escrow.path} opens with this recovery key. Nothing was changed. {why}")
    return story


class _Homes:
    """Where each record of the escrow file belongs: found by uid, else by name, else made."""

    def __init__(self, session: Session, entries: Sequence[Entry]) -> None:
        newest = {entry.record_uid: entry for entry in entries}
        self._session = session
        self.organizations = self._find_organizations(newest.values())
        self._vaults = self._find_vaults(newest.values())
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
            if uid not in found and key not in by_name:
                by_name[key] = Organization(uid=uid, name=entry.organization, name_key=key)
                self.new_organizations.append(by_name[key])
            found.setdefault(uid, by_name.get(key) or found[uid])
        self._session.add_all(self.new_organizations)
        self._session.flush()
        return found

    def _find_vaults(self, entries: Iterable[Entry]) -> dict[tuple[int, str], Connection]:
        found = {(row.organization_id, row.name_key): row for _, row in connections_of(self._session, "vault")}
        self.new_vaults: list[Connection] = []
        for entry in entries:
            key = self._vault_key(entry)
            if key not in found:
                found[key] = Connection(
                    organization_id=key[0], name=entry.vault, name_key=key[1], side="vault", kind="embedded"
                )
                self.new_vaults.append(found[key])
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
            vault = self._vaults[self._vault_key(entry)]
            key = (vault.id or 0, name_key(entry.record), parse_username(entry.username).name)
            same_name = namesakes.get(key, [])
            # Its organization was made anew after the loss, so the record of that name was, too. In an organization
            # that was not lost, a record of the same name is another one.
            if len(same_name) == 1 and self.organizations[entry.organization_uid].uid != entry.organization_uid:
                found[uid] = same_name[0]
                continue
            found[uid] = new_record(vault.organization_id, key[0], entry.record, entry.username, url=entry.url)
            found[uid].uid = uid
            self.new_records.append(found[uid])
            namesakes.setdefault(key, []).append(found[uid])
        self._session.add_all(self.new_records)
        self._session.flush()
        return found

    def _vault_key(self, entry: Entry) -> tuple[int, str]:
        return self.organizations[entry.organization_uid].id or 0, name_key(entry.vault)


def _missing_revisions(
    story: _Story, homes: _Homes, known: Sequence[KnownRevision], safe: Safe, operator: Operator
) -> list[Revision]:
    have = {revision.uid for revision in known}
    missing = []
    for uid, entry in story.entries.items():
        if uid in have:
            continue
        record = homes.records[entry.record_uid]
        missing.append(
            Revision(
                uid=uid,
                organization_id=record.organization_id,
                record_id=record.id or 0,
                state=RevisionState.OLD,
                sealed=safe.keys.seal(entry.password, place_of(homes.owner(record).uid, record.uid, uid)),
                origin="recovered",
                created_at=entry.created_at,
                created_by=operator.key,
                proved_at=story.proved_at.get(uid),
            )
        )
    return missing


def _changes(
    story: _Story, homes: _Homes, known: Sequence[KnownRevision], new: Sequence[Revision]
) -> dict[str, RevisionState]:
    """The states that are not yet as the escrow file has them, by uid."""
    told = {record.id for record in homes.records.values()}
    versions: dict[int | None, list[Version]] = {record_id: [] for record_id in told}
    known_states = [(row.uid, row.record_id, RevisionState(row.state)) for row in known if row.record_id in told]
    for uid, record_id, state in [*known_states, *((row.uid, row.record_id, None) for row in new)]:
        version = Version(uid, state, story.written.get(uid, -1), story.became_current.get(uid))
        versions[record_id].append(version)
    return {
        version.uid: state
        for of_record in versions.values()
        for version, state in zip(of_record, states_of(of_record), strict=True)
        if state != (version.state or RevisionState.OLD)
    }


def states_of(versions: Sequence[Version]) -> list[RevisionState]:
    """The state of each version of one record (pure)."""
    proved = sorted((version for version in versions if version.since is not None), key=_newest_first)
    proved_until = proved[0].since or 0 if proved else -1
    undecided = [
        version
        for version in versions
        if version.since is None and version.state in (None, RevisionState.PENDING) and version.written > proved_until
    ]
    states = dict.fromkeys((version.uid for version in versions), RevisionState.OLD)
    states |= {version.uid: version.state for version in versions if version.state is RevisionState.DISCARDED}
    states |= {version.uid: state for version, state in zip(proved, _IN_FORCE, strict=False)}
    states |= {version.uid: RevisionState.PENDING for version in sorted(undecided, key=_newest_first)[:1]}
    return [states[version.uid] for version in versions]


def _newest_first(version: Version) -> tuple[int, int]:
    return -(version.since or 0), -version.written


def _records_of(known: Sequence[KnownRevision], changes: dict[str, RevisionState]) -> set[int]:
    return {revision.record_id for revision in known if revision.uid in changes}


def _in_order(story: _Story) -> list[Entry | Proved]:
    """The whole story once more, for another recovery key."""
    lines: list[tuple[int, Entry | Proved]] = [(story.written[uid], entry) for uid, entry in story.entries.items()]
    lines += [(story.became_current[uid], Proved(uid, at)) for uid, at in story.proved_at.items()]
    return [line for _, line in sorted(lines, key=lambda placed: placed[0])]


def _say_so(session: Session, trail: Trail, operator: Operator, recovered: Recovered) -> None:
    anchor = trail.anchored()
    trail.append(
        session,
        event="escrow.recovered",
        operator=operator.key,
        source=operator.source,
        details={
            "records": recovered.records,
            "revisions": recovered.revisions,
            "damaged_lines": len(recovered.damaged),
            "anchored_line_before": anchor.id if anchor else None,
        },
    )
    trail.anchor_anew(session)
