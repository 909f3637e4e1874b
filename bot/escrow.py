"""`rekey recover`: rebuild what the database lost from the escrow file and the recovery key that was kept offline.

Whether the database is gone, or was restored from yesterday, or nothing is missing: afterwards every revision of the
escrow file is in it, and every revision of the database in the file (which may itself have been lost). The file tells
in which order revisions were made, and which became current; so the newest proved one is current, the one proved before
it previous, and the newest of those made later, which a directory may hold or not, pending. The others stay readable in
the record's history. Doing it twice changes nothing more.
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
from storage.database import Database
from storage.escrow import Damaged, Entry, Escrow, Proved
from storage.facts import accept_recovery_key, check_fingerprint, check_recovery_key
from storage.models import Revision, RevisionState
from storage.recovered import (
    Homes,
    KnownRevision,
    add_recovered,
    every_revision,
    kept_revisions,
    set_proved,
    set_states,
    set_unsure,
)
from storage.revisions import Safe, open_revision, place_of

_IN_FORCE = (RevisionState.CURRENT, RevisionState.PREVIOUS)
_WHERE = "REKEY_ESCROW_DIR must name the directory of the escrow file, and --key its own recovery.key."
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
    escrowed: int = 0
    """Revisions that only the database had, written to the escrow file."""
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
    """Bring everything in the escrow file back into the database, all or nothing, and complete the file.

    Raises `EscrowProblem` when the file cannot be read, or nothing in it opens with this key.
    """
    story = _read(safe.escrow, recovery_key)
    with database.writing() as session:
        check_fingerprint(session, safe.keys)
        if safe.escrow.seals_to(recovery_key):
            accept_recovery_key(session, safe.escrow)
        else:
            check_recovery_key(session, safe.escrow)
        if not story.entries and not every_revision(session):
            raise EscrowProblem(f"There is no password in {safe.escrow.path}. Nothing was changed. {_WHERE}")
        homes = Homes(session, list(story.entries.values()))
        known = every_revision(session)
        new = _missing_revisions(story, homes, known, safe, operator)
        add_recovered(session, new)
        versions = _versions(story, homes, known, new)
        changes = _changes(versions)
        set_states(session, changes)
        set_unsure(session, [each.uid for of_record in versions for each in undecided(of_record)])
        set_proved(session, {uid: at for uid, at in story.proved_at.items() if uid in changes})
        touched = _records_of(known, changes) | {revision.record_id for revision in new}
        missing = [row.uid for row in known if row.uid not in story.entries]
        kept = _still_kept(session, safe, missing) if safe.escrow.seals_to(recovery_key) else []
        recovered = Recovered(
            organizations=len(homes.new_organizations),
            vaults=len(homes.new_vaults),
            records=len(homes.new_records),
            revisions=len(new),
            states=len(changes.keys() - {revision.uid for revision in new}),
            rotations_ended=end_open_rotations(session, _REASON, sorted(touched)),
            escrowed=len(kept),
            damaged=tuple(story.damaged),
        )
        safe.escrow.append(kept, carried_over=True)
        if new and not safe.escrow.seals_to(recovery_key):  # new keys were made since: they too must open everything
            safe.escrow.append(_in_order(story), carried_over=True)
        _say_so(session, trail, operator, recovered)
    return recovered


def _read(escrow: Escrow, recovery_key: X25519PrivateKey) -> _Story:
    story = _Story()
    if escrow.seals_to(recovery_key) and not escrow.path.exists():
        return story
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
    if story.damaged and not story.entries:
        raise EscrowProblem(
            f"Nothing in {escrow.path} opens with this recovery key. Nothing was changed. {story.damaged[0]} {_WHERE}"
        )
    return story


def _still_kept(session: Session, safe: Safe, uids: Sequence[str]) -> list[Entry]:
    """What the escrow file does not hold (any more), as it would have been written."""
    return [
        Entry(
            organization=kept.organization.name,
            organization_uid=kept.organization.uid,
            vault=kept.vault.name,
            record=kept.record.name,
            record_uid=kept.record.uid,
            username=kept.record.username,
            url=kept.record.url,
            revision_uid=kept.revision.uid,
            state=RevisionState.CURRENT if _was_in_force(kept.revision) else kept.revision.state,
            origin=kept.revision.origin,
            created_at=kept.revision.created_at,
            password=open_revision(safe, kept.organization.uid, kept.record.uid, kept.revision),
        )
        for kept in kept_revisions(session, uids)
    ]


def _was_in_force(revision: Revision) -> bool:
    return revision.state in _IN_FORCE or revision.proved_at is not None


def _missing_revisions(
    story: _Story, homes: Homes, known: Sequence[KnownRevision], safe: Safe, operator: Operator
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


def _versions(
    story: _Story, homes: Homes, known: Sequence[KnownRevision], new: Sequence[Revision]
) -> list[list[Version]]:
    """What is known of every revision, record by record."""
    told = {homes.records[entry.record_uid].id for entry in story.entries.values()}
    versions: dict[int | None, list[Version]] = {record_id: [] for record_id in told}
    written = story.places(known)
    for row in known:
        if row.record_id in told:
            state, became_current = RevisionState(row.state), story.became_current.get(row.uid)
            versions[row.record_id].append(Version(row.uid, state, written[row.uid], became_current))
    for added in new:
        became_current = story.became_current.get(added.uid)
        versions[added.record_id].append(Version(added.uid, None, story.written[added.uid], became_current))
    return list(versions.values())


def _changes(versions: Sequence[Sequence[Version]]) -> dict[str, RevisionState]:
    """The states that are not yet as the escrow file has them, by uid."""
    return {
        version.uid: state
        for of_record in versions
        for version, state in zip(of_record, states_of(of_record), strict=True)
        if state != (version.state or RevisionState.OLD)
    }


def undecided(versions: Sequence[Version]) -> list[Version]:
    """Those of one record a directory may have taken since the newest proved one, newest first: the escrow file does
    not know which were ever sent, or refused (pure).
    """
    proved = sorted((version for version in versions if version.since is not None), key=_newest_first)
    proved_until = proved[0].written if proved else -1
    return sorted(
        (
            version
            for version in versions
            if version.since is None
            and version.state in (None, RevisionState.PENDING)
            and version.written > proved_until
        ),
        key=_newest_first,
    )


def states_of(versions: Sequence[Version]) -> list[RevisionState]:
    """The state of each version of one record (pure)."""
    proved = sorted((version for version in versions if version.since is not None), key=_newest_first)
    states = dict.fromkeys((version.uid for version in versions), RevisionState.OLD)
    states |= {version.uid: version.state for version in versions if version.state is RevisionState.DISCARDED}
    states |= {version.uid: state for version, state in zip(proved, _IN_FORCE, strict=False)}
    states |= {version.uid: RevisionState.PENDING for version in undecided(versions)[:1]}
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
            "escrowed": recovered.escrowed,
            "damaged_lines": len(recovered.damaged),
            "anchored_line_before": anchor.id if anchor else None,
        },
    )
    trail.anchor_anew(session)
