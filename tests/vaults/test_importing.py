"""Importing into the embedded vault: all or nothing, nothing twice, and never over a password Rekey proved."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import SecretStr
from sqlmodel import Session, select

from bot.discovery import import_records
from bot.errors import BadInput, EscrowProblem, NotPermitted
from bot.vaults.embedded import ImportResult
from storage.escrow import Entry
from storage.models import Record, Revision, RevisionState, Rotation, now
from storage.records import get_record, records_of
from storage.revisions import Draft, Safe, add_revisions, open_revision, promote, revisions_of
from tests.matching.worlds import ADMINISTRATOR, World

HEADER = "name,username,password,url,notes\n"
TWO = HEADER + "Jane Doe,CORP\\jane,Winter-of-Jane,,\nFirewall,admin,Winter-of-Fire,https://10.0.0.1,rack 2\n"


def imported(world: World, safe: Safe, tmp_path: Path, content: str, *, overwrite: bool = False) -> ImportResult:
    path = tmp_path / "records.csv"
    path.write_text(content, encoding="utf-8")
    return import_records(world.database, safe, world.trail, ADMINISTRATOR, world.vault.id, path, overwrite=overwrite)


def passwords(world: World, safe: Safe, name: str) -> list[tuple[str, str]]:
    """State and password of each revision, newest first."""
    with world.database.reading() as session:
        record = get_record(session, world.organization.id, name)
        return [
            (revision.state, open_revision(safe, world.organization.uid, record.uid, revision).get_secret_value())
            for revision in revisions_of(session, record.id)
        ]


def test_an_import_brings_records_sealed_passwords_and_suggestions(world: World, safe: Safe, tmp_path: Path) -> None:
    world.accounts("jane", "admin")
    result = imported(world, safe, tmp_path, TWO)
    assert (result.added, result.changed, result.passwords, result.unchanged, result.skipped) == (2, 0, 0, 0, [])
    assert passwords(world, safe, "jane doe") == [("current", "Winter-of-Jane")]
    assert world.stands("jane", "admin") == [("suggested", "Jane Doe"), ("none", None)]
    with world.database.reading() as session:
        assert session.exec(select(Rotation)).all() == []
        assert "Winter" not in str([row.model_dump() for row in session.exec(select(Revision))])
    (event,) = world.events()
    assert (event.event, event.subject, event.operator) == ("records.imported", "Acme Dental vault", "U0ADMIN")
    assert "Winter" not in event.details


def test_every_imported_password_is_in_the_escrow_file(
    world: World, kept: tuple[Safe, X25519PrivateKey], tmp_path: Path
) -> None:
    safe, recovery_key = kept
    imported(world, safe, tmp_path, TWO)
    found = [entry for entry in safe.escrow.read(recovery_key) if isinstance(entry, Entry)]
    assert {(entry.record, entry.password.get_secret_value()) for entry in found} == {
        ("Jane Doe", "Winter-of-Jane"),
        ("Firewall", "Winter-of-Fire"),
    }


def test_the_same_file_again_changes_nothing(world: World, safe: Safe, tmp_path: Path) -> None:
    imported(world, safe, tmp_path, TWO)
    result = imported(world, safe, tmp_path, TWO.replace("Jane Doe,CORP", "JANE  doe,corp"))
    assert (result.added, result.changed, result.passwords, result.unchanged) == (0, 0, 0, 2)
    assert passwords(world, safe, "Jane Doe") == [("current", "Winter-of-Jane")]
    with world.database.reading() as session:
        assert len(records_of(session, world.organization.id)) == 2


def test_a_new_password_and_a_new_description_are_taken(world: World, safe: Safe, tmp_path: Path) -> None:
    imported(world, safe, tmp_path, TWO)
    result = imported(
        world, safe, tmp_path, TWO.replace("Winter-of-Jane", "Spring-of-Jane").replace("rack 2", "rack 3")
    )
    assert (result.added, result.changed, result.passwords, result.unchanged) == (0, 1, 1, 0)
    assert passwords(world, safe, "Jane Doe") == [("current", "Spring-of-Jane"), ("previous", "Winter-of-Jane")]
    with world.database.reading() as session:
        assert get_record(session, world.organization.id, "Firewall").notes == "rack 3"


def test_a_password_rekey_proved_is_never_overwritten_unless_asked(world: World, safe: Safe, tmp_path: Path) -> None:
    imported(world, safe, tmp_path, TWO)
    with world.database.writing() as session:
        record = get_record(session, world.organization.id, "Jane Doe")
        pending = add_pending(world, safe, record, session)
        promote(session, [pending], now())
    result = imported(world, safe, tmp_path, TWO)
    assert (result.passwords, result.unchanged) == (0, 1)
    assert result.skipped[0].startswith("Line 2, Jane Doe: Rekey proved its present password on ")
    assert passwords(world, safe, "Jane Doe")[0] == ("current", "Proved-by-Rekey")
    assert imported(world, safe, tmp_path, TWO, overwrite=True).passwords == 1
    assert passwords(world, safe, "Jane Doe")[0] == ("current", "Winter-of-Jane")


def test_a_record_in_the_middle_of_a_rotation_keeps_its_passwords(world: World, safe: Safe, tmp_path: Path) -> None:
    imported(world, safe, tmp_path, TWO)
    with world.database.writing() as session:
        add_pending(world, safe, get_record(session, world.organization.id, "Jane Doe"), session)
    result = imported(world, safe, tmp_path, TWO.replace("Winter-of-Jane", "Spring-of-Jane"), overwrite=True)
    assert "is being rotated right now" in result.skipped[0]
    assert [state for state, _ in passwords(world, safe, "Jane Doe")] == [RevisionState.PENDING, RevisionState.CURRENT]


def add_pending(world: World, safe: Safe, record: Record, session: Session) -> Revision:
    draft = Draft(world.organization, record, SecretStr("Proved-by-Rekey"), RevisionState.PENDING, "generated", "test")
    return add_revisions(session, safe, [draft])[0]


def test_a_bad_line_at_the_end_leaves_nothing_behind(world: World, safe: Safe, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 4"):
        imported(world, safe, tmp_path, TWO + "Bob,bob,,,\n")
    with world.database.reading() as session:
        assert records_of(session, world.organization.id) == []
    assert world.events() == []


def test_an_escrow_file_that_cannot_be_written_leaves_nothing_behind(
    world: World, safe: Safe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HEADER + "".join(f"n{number},u{number},Winter-{number},,\n" for number in range(1500))
    written = []

    def full(entries: object) -> None:
        written.append(entries)
        if len(written) > 1:
            raise EscrowProblem("The disk is full.")

    monkeypatch.setattr(type(safe.escrow), "append", lambda _self, entries: full(entries))
    with pytest.raises(EscrowProblem):
        imported(world, safe, tmp_path, content)
    assert len(written) == 2  # one flush for each thousand
    with world.database.reading() as session:
        assert records_of(session, world.organization.id) == []


def test_only_who_administers_the_organization_imports_and_only_into_its_vault(
    world: World, safe: Safe, tmp_path: Path
) -> None:
    path = tmp_path / "records.csv"
    path.write_text(TWO, encoding="utf-8")
    with pytest.raises(NotPermitted, match="Nothing was imported"):
        import_records(world.database, safe, world.trail, world.technician(), world.vault.id, path)
    with pytest.raises(BadInput, match="CORP is not an embedded vault"):
        import_records(world.database, safe, world.trail, ADMINISTRATOR, world.directories["CORP"].id, path)
