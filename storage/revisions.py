"""Revisions: every version of a record's password, sealed, and in the escrow file before the database knows it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from sqlmodel import Session, col, select, update

from bot.errors import BadInput
from storage.connections import connection_names
from storage.database import after_commit
from storage.escrow import Entry, Escrow, Proved
from storage.facts import check_recovery_key
from storage.models import (
    Account,
    Match,
    MatchState,
    Organization,
    Record,
    Revision,
    RevisionState,
    new_uid,
    now,
)
from storage.portions import portions
from storage.sealing import KeyRing

FROM_VAULT = "vault"
"""The origin of a revision that was found in a vault outside."""


@dataclass(frozen=True, slots=True)
class Safe:
    """Where passwords are kept: sealed by the key ring in the database, and once more in the escrow file."""

    keys: KeyRing
    escrow: Escrow


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision to be: the record must have been flushed (it has its id)."""

    organization: Organization
    record: Record
    password: SecretStr
    state: RevisionState
    origin: str
    created_by: str
    rotation_id: int | None = None


def place_of(organization_uid: str, record_uid: str, revision_uid: str) -> tuple[str, ...]:
    """The associated data of a revision: its sealed password opens nowhere else."""
    return ("revision", organization_uid, record_uid, revision_uid)


def add_revisions(session: Session, safe: Safe, drafts: Sequence[Draft]) -> list[Revision]:
    """Seal the drafts, append them to the escrow file with one flush to the disk, add the rows; ids are set.

    Raises `EscrowProblem`, and then the transaction must not be committed. A draft in state `current` retires the
    record's current revision, if it has one, as `promote` does.
    """
    check_recovery_key(session, safe.escrow)
    vaults = connection_names(session, {draft.record.connection_id for draft in drafts})
    retired = [_id_of(draft.record) for draft in drafts if draft.state is RevisionState.CURRENT]
    revisions, entries = [], []
    for draft in drafts:
        uid, created_at = new_uid(), now()
        place = place_of(draft.organization.uid, draft.record.uid, uid)
        revisions.append(
            Revision(
                uid=uid,
                organization_id=draft.record.organization_id,
                record_id=_id_of(draft.record),
                state=draft.state,
                sealed=safe.keys.seal(draft.password, place),
                origin=draft.origin,
                rotation_id=draft.rotation_id,
                created_at=created_at,
                created_by=draft.created_by,
            )
        )
        entries.append(
            Entry(
                organization=draft.organization.name,
                organization_uid=draft.organization.uid,
                vault=vaults[draft.record.connection_id],
                record=draft.record.name,
                record_uid=draft.record.uid,
                username=draft.record.username,
                url=draft.record.url,
                revision_uid=uid,
                state=draft.state,
                origin=draft.origin,
                created_at=created_at,
                password=draft.password,
            )
        )
    safe.escrow.append(entries)
    if retired:
        _retire(session, retired)
    session.add_all(revisions)
    session.flush()
    return revisions


def open_revision(safe: Safe, organization_uid: str, record_uid: str, revision: Revision) -> SecretStr:
    """The password of a revision; `SealBroken` when its row was edited or moved, `KeyProblem` without its key."""
    return safe.keys.open(revision.sealed, place_of(organization_uid, record_uid, revision.uid))


def get_revisions(session: Session, revision_ids: Collection[int]) -> dict[int, Revision]:
    """Revisions by id; ids that are not there are left out."""
    return {
        revision.id: revision
        for portion in portions(list(revision_ids))
        for revision in session.exec(select(Revision).where(col(Revision.id).in_(portion)))
        if revision.id is not None
    }


def revisions_of(session: Session, record_id: int) -> list[Revision]:
    """Every revision of a record, newest first."""
    query = select(Revision).where(Revision.record_id == record_id)
    return list(session.exec(query.order_by(col(Revision.created_at).desc(), col(Revision.id).desc())))


def possibly_held(session: Session, record_id: int) -> list[Revision]:
    """Every revision of a record that a directory may hold now, newest first.

    The current and the pending one, those an account was last proved to take, and those some write of which went
    unanswered, discarded or not, until every account was proved to take a later one.
    """
    revisions = revisions_of(session, record_id)
    proved = session.exec(
        select(Account.proved_revision_id)
        .join(Match, col(Match.account_id) == col(Account.id))
        .where(Match.record_id == record_id, Match.state == MatchState.APPROVED)
    ).all()
    made = {revision.id: revision.created_at for revision in revisions}
    long_ago = datetime.min.replace(tzinfo=UTC)
    doubtful_since = min((made.get(revision_id or 0, long_ago) for revision_id in proved), default=long_ago)
    return [
        revision
        for revision in revisions
        if revision.state in (RevisionState.CURRENT, RevisionState.PENDING)
        or revision.id in proved
        or (revision.unsure and revision.created_at > doubtful_since)
    ]


def find_revision(session: Session, record_id: int, state: RevisionState) -> Revision | None:
    """The record's newest revision in this state, or None."""
    query = select(Revision).where(Revision.record_id == record_id, Revision.state == state)
    return session.exec(query.order_by(col(Revision.id).desc()).limit(1)).first()


def find_revisions(session: Session, record_ids: Collection[int], state: RevisionState) -> dict[int, Revision]:
    """Record id → its newest revision in this state, for many records at once."""
    in_state = select(Revision).where(Revision.state == state).order_by(col(Revision.id))
    return {
        revision.record_id: revision
        for portion in portions(list(record_ids))
        for revision in session.exec(in_state.where(col(Revision.record_id).in_(portion)))
    }


def promote(session: Session, proved: Sequence[Revision], proved_at: datetime) -> None:
    """These pending revisions, of a record each, were proved everywhere: pending → current, current → previous,
    previous → old.

    `BadInput` when one is not pending (any more). Say so in the escrow file too, with `note_proved`.
    """
    for revision in proved:
        if revision.state != RevisionState.PENDING:
            raise BadInput(f"Revision {revision.id} is {revision.state}, not pending: it was left as it is.")
    _retire(session, [revision.record_id for revision in proved])
    for revision in proved:
        revision.state = RevisionState.CURRENT
        revision.proved_at = proved_at
    session.add_all(proved)
    session.flush()


def reinstate(session: Session, escrow: Escrow, revision: Revision) -> None:
    """Its vault holds this earlier revision again, without any directory: it becomes current, current becomes previous.

    The escrow file hears of it after the commit.
    """
    if revision.state == RevisionState.CURRENT:
        return
    if revision.state == RevisionState.PENDING:
        raise BadInput(f"Revision {revision.id} is still being written: it was left as it is.")
    revision.state = RevisionState.OLD
    session.add(revision)
    session.flush()
    _retire(session, [revision.record_id])
    revision.state = RevisionState.CURRENT
    session.add(revision)
    session.flush()
    uid, at = revision.uid, now()
    after_commit(session, lambda: escrow.append([Proved(uid, at)]))


def discard(session: Session, revision: Revision) -> None:
    """No directory took this pending revision. It stays readable: nothing is ever deleted."""
    if revision.state != RevisionState.PENDING:
        raise BadInput(f"Revision {revision.id} is {revision.state}, not pending: it was left as it is.")
    revision.state = RevisionState.DISCARDED
    session.add(revision)
    session.flush()


def note_proved(safe: Safe, revisions: Sequence[Revision]) -> None:
    """Tell the escrow file, with one flush, that these revisions became current: `recover` puts the newest in force."""
    safe.escrow.append(Proved(revision.uid, revision.proved_at or now()) for revision in revisions)


def _retire(session: Session, record_ids: Sequence[int]) -> None:
    """current → previous, previous → old. In statements of its own, so that two rows are never current at once."""
    for before, after in (
        (RevisionState.PREVIOUS, RevisionState.OLD),
        (RevisionState.CURRENT, RevisionState.PREVIOUS),
    ):
        retire = update(Revision).where(col(Revision.state) == before).values(state=after)
        for portion in portions(record_ids):
            statement = retire.where(col(Revision.record_id).in_(portion))
            session.exec(statement.execution_options(synchronize_session="fetch"))


def _id_of(record: Record) -> int:
    if record.id is None:
        raise BadInput(f"The record {record.name!r} is not stored yet, so its password cannot be. Nothing was kept.")
    return record.id
