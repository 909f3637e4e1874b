"""`rekey recover`: rebuild what the database lost from the escrow file and the recovery key that was kept offline.

Whether the database is gone, or was restored from yesterday, or nothing is missing: afterwards every revision of the
escrow file is in it. The escrow file tells in which order revisions were made, and which became current; so the newest
proved one is current, the one proved before it previous, and the newest of those made later, which a directory may hold
or not, pending. The others stay readable in the record's history. Doing it twice changes nothing more.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from operator import itemgetter

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
from storage.recovered import KnownRevision, add_recovered, every_record, every_revision, set_proved, set_states
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
    """What the escrow file tells, in order: the places of its lines, which no clock can put wrong."""

    entries: dict[str, Entry] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    became_current: dict[str, int] = field(default_factory=dict)
    proved_at: dict[str, datetime] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    def places(self, revisions: Iterable[KnownRevision]) -> dict[str, float]:
        """Where each was written; one that is not in the file, or opens with another key only, by when it was made."""
        times = [(entry.created_at, self.written[uid]) for uid, entry in self.entries.items()]
        times = sorted([*times, *((at, self.became_current[uid]) for uid, at in self.proved_at.items())])
        behind = list(accumulate((place for _, place in times), max, initial=-1))
        return {
            row.uid: self.written.get(row.uid, behind[bisect_right(times, row.created_at, key=itemgetter(0))] + 0.5)
            for row in revisions
        }


@dataclass(frozen=True, slots=True)
class Version:
    """One revision, as far as deciding its state needs; `state` is None when the database did not know it."""

    uid: str
    state: RevisionState | None
    written: float
    became_current: float | None

    @property
    def since(self) -> float | None:
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
        set_proved(session, {uid: at for uid, at in story.proved_at.items() if uid in changes})
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
            safe.escrow.append(_in_order(story), carried_over=True)
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
        """By organization: each has one vault."""
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
                    kind="embedded",
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
    written = story.places(known)
    for row in known:
        if row.record_id in told:
            state, became_current = RevisionState(row.state), story.became_current.get(row.uid)
            versions[row.record_id].append(Version(row.uid, state, written[row.uid], became_current))
    for added in new:
        became_current = story.became_current.get(added.uid)
        versions[added.record_id].append(Version(added.uid, None, story.written[added.uid], became_current))
    return {
        version.uid: state
        for of_record in versions.values()
        for version, state in zip(of_record, states_of(of_record), strict=True)
        if state != (version.state or RevisionState.OLD)
    }


def states_of(versions: Sequence[Version]) -> list[RevisionState]:
    """The state of each version of one record (pure)."""
    proved = sorted((version for version in versions if version.since is not None), key=_newest_first)
    proved_until = proved[0].written if proved else -1
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


def _newest_first(version: Version) -> tuple[float, float]:
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
