"""What revisions promise: in the escrow file before the commit, sealed to their row, one current, one pending each."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from bot.errors import BadInput, EscrowProblem, SealBroken
from storage.database import Database
from storage.escrow import Entry, Proved, new_recovery_key, put_recovery_public_key
from storage.models import Record, Revision, RevisionState
from storage.revisions import (
    Draft,
    Safe,
    add_revisions,
    discard,
    find_revision,
    find_revisions,
    note_proved,
    open_revision,
    promote,
    revisions_of,
)
from tests.storage.worlds import AT, Place, add_password, new_place, new_record, new_safe, stored


def test_a_stored_password_opens_again(database: Database, safe: Safe) -> None:
    [(place, record, revision)] = stored(database, safe, "first")
    with database.reading() as session:
        [found] = revisions_of(session, revision.record_id)
    assert open_revision(safe, place.organization.uid, record.uid, found).get_secret_value() == "first"


def test_a_sealed_value_moved_to_another_row_does_not_open(database: Database, safe: Safe) -> None:
    one, two = stored(database, safe, "first", "second")
    with database.writing() as session:
        moved = session.get_one(Revision, two[2].id)
        moved.sealed = one[2].sealed
        session.add(moved)
    with pytest.raises(SealBroken, match="does not belong where it was found"):
        open_revision(safe, two[0].organization.uid, two[1].uid, moved)


def test_every_revision_is_in_the_escrow_file_before_the_commit(database: Database, tmp_path: Path) -> None:
    safe, recovery_key = new_safe(tmp_path)
    with database.writing() as session:
        place = new_place(session)
        record = new_record(session, place, "desk")
        revision = add_password(session, safe, place, record, "first", RevisionState.PENDING)
        [entry] = safe.escrow.read(recovery_key)
    assert isinstance(entry, Entry)
    assert entry.password.get_secret_value() == "first"
    assert (entry.organization, entry.vault, entry.record, entry.username, entry.state) == (
        "Acme Dental", "Acme Dental vault", "desk", "desk", "pending",
    )  # fmt: skip
    assert (entry.record_uid, entry.revision_uid) == (record.uid, revision.uid)


def test_without_the_escrow_file_nothing_is_stored(database: Database, safe: Safe) -> None:
    (safe.escrow.directory / "recovery.pub").unlink()
    with pytest.raises(EscrowProblem):
        stored(database, safe, "first")
    with database.reading() as session:
        assert session.exec(select(Revision)).all() == []


def test_a_recovery_key_somebody_put_in_its_place_gets_no_password(database: Database, safe: Safe) -> None:
    stored(database, safe, "first")
    (safe.escrow.directory / "recovery.pub").unlink()
    put_recovery_public_key(safe.escrow.directory, new_recovery_key())
    before = safe.escrow.path.read_bytes()
    with pytest.raises(EscrowProblem, match=r"somebody replaced .recovery\.pub"), database.writing() as session:
        add_password(session, safe, *_new_record(session), "second")
    assert safe.escrow.path.read_bytes() == before


def _new_record(session: Session) -> tuple[Place, Record]:
    place = new_place(session, "Beta")
    return place, new_record(session, place, "desk")


def test_a_finished_rotation_moves_every_revision_one_place_on(database: Database, tmp_path: Path) -> None:
    safe, recovery_key = new_safe(tmp_path)
    [(place, record, first)] = stored(database, safe, "first")
    for password in ("second", "third"):
        with database.writing() as session:
            pending = add_password(session, safe, place, record, password, RevisionState.PENDING)
            promote(session, [pending], AT)
            note_proved(safe, [pending])
    with database.reading() as session:
        states = {row.state: row for row in revisions_of(session, first.record_id)}
        current = find_revision(session, first.record_id, RevisionState.CURRENT)
    assert {
        state: open_revision(safe, place.organization.uid, record.uid, row).get_secret_value()
        for state, row in states.items()
    } == {"current": "third", "previous": "second", "old": "first"}
    assert current is not None
    assert current.proved_at == AT
    assert list(safe.escrow.read(recovery_key))[-1] == Proved(current.uid, AT)


def test_importing_over_a_current_password_keeps_the_earlier_one(database: Database, safe: Safe) -> None:
    [(place, record, first)] = stored(database, safe, "first")
    with database.writing() as session:
        add_password(session, safe, place, record, "second")
        assert [row.state for row in revisions_of(session, first.record_id)] == ["current", "previous"]


def test_a_discarded_revision_stays_readable(database: Database, safe: Safe) -> None:
    [(place, record, first)] = stored(database, safe, "first")
    with database.writing() as session:
        pending = add_password(session, safe, place, record, "refused", RevisionState.PENDING)
        discard(session, pending)
        add_password(session, safe, place, record, "another", RevisionState.PENDING)
    with database.reading() as session:
        discarded = find_revision(session, first.record_id, RevisionState.DISCARDED)
    assert discarded is not None
    assert open_revision(safe, place.organization.uid, record.uid, discarded).get_secret_value() == "refused"


def test_a_record_never_has_two_pending_revisions(database: Database, safe: Safe) -> None:
    [(place, record, _)] = stored(database, safe, "first")
    with database.writing() as session:
        add_password(session, safe, place, record, "second", RevisionState.PENDING)
    with pytest.raises(IntegrityError), database.writing() as session:
        add_password(session, safe, place, record, "third", RevisionState.PENDING)


def test_only_a_pending_revision_is_promoted_or_discarded(database: Database, safe: Safe) -> None:
    [(_, _, current)] = stored(database, safe, "first")
    with database.writing() as session:
        revision = session.get_one(Revision, current.id)
        with pytest.raises(BadInput, match="not pending"):
            promote(session, [revision], AT)
        with pytest.raises(BadInput, match="not pending"):
            discard(session, revision)


def test_a_hundred_revisions_are_flushed_to_the_escrow_disk_once(
    database: Database, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, safe, "before")
    flushed: list[int] = []
    monkeypatch.setattr("storage.escrow.os.fsync", flushed.append)
    with database.writing() as session:
        place = new_place(session, "Beta")
        records = [new_record(session, place, f"user{number}") for number in range(100)]
        drafts = [
            Draft(place.organization, record, SecretStr(f"p{record.id}"), RevisionState.CURRENT, "imported", "cli:test")
            for record in records
        ]
        revisions = add_revisions(session, safe, drafts)
        assert len(flushed) == 1
        assert len({revision.id for revision in revisions}) == 100
        ids = [record.id for record in records if record.id is not None]
        assert find_revisions(session, ids, RevisionState.CURRENT).keys() == set(ids)
    with database.reading() as session:
        assert len(session.exec(select(Revision).where(col(Revision.state) == "current")).all()) == 101
