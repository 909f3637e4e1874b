"""What `rekey recover` promises: whatever became of the database, every password of the escrow file is in it again."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlmodel import select

from bot.app import build
from bot.audit import Trail
from bot.backup import backup, restore
from bot.errors import EscrowProblem
from bot.escrow import Recovered, Version, recover, states_of
from bot.keys import keys_init
from bot.permissions import Operator
from bot.services import Services
from bot.settings import Settings
from bot.world_file.plan import apply, preview
from bot.world_file.reading import read_world
from storage.connections import connections_of
from storage.database import Database
from storage.escrow import new_recovery_key, put_recovery_public_key, read_recovery_key
from storage.models import Organization, Record, Revision, RevisionState, Role, Rotation, RotationState
from storage.organizations import organizations
from storage.recovered import every_record
from storage.revisions import Safe, discard, note_proved, open_revision, possibly_held, promote, revisions_of
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import AT, Place, add_password, new_record, new_safe, stored
from tests.world import write_world

OPERATOR = Operator("cli:test", "command line", {None: Role.ADMINISTRATOR})

ROTATING = """
import itertools, sys
from pathlib import Path
from storage.database import Database
from storage.escrow import Escrow
from storage.models import RevisionState
from storage.revisions import Safe, note_proved, promote
from storage.sealing import KeyRing
from tests.storage.worlds import AT, add_password, new_place, new_record
folder = Path(sys.argv[1])
database = Database(f"sqlite:///{folder}/lost.db")
database.migrate()
safe = Safe(KeyRing.load(folder / "key"), Escrow(folder / "escrow"))
with database.writing() as session:
    place = new_place(session)
    records = [new_record(session, place, f"user{number}") for number in range(5)]
for turn in itertools.count():
    record = records[turn % 5]
    with database.writing() as session:
        pending = add_password(session, safe, place, record, f"{record.name} {turn}", RevisionState.PENDING)
    print("made", record.name, turn, flush=True)
    with database.writing() as session:
        promote(session, [pending], AT)
        note_proved(safe, [pending])
    print("proved", record.name, turn, flush=True)
"""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The database recovered into."""
    with migrated_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def lost(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The database that will be gone."""
    (tmp_path / "lost").mkdir()
    with migrated_database("sqlite", request, tmp_path / "lost") as database:
        yield database


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Safe, X25519PrivateKey]:
    return new_safe(tmp_path)


@pytest.fixture
def safe(keys: tuple[Safe, X25519PrivateKey]) -> Safe:
    return keys[0]


@pytest.fixture
def recovery_key(keys: tuple[Safe, X25519PrivateKey]) -> X25519PrivateKey:
    return keys[1]


@pytest.fixture
def trail(safe: Safe) -> Trail:
    return Trail(safe.keys, safe.escrow.directory)


def passwords(database: Database, safe: Safe) -> dict[str, dict[str, list[str]]]:
    """Record name → state → passwords, newest first."""
    found: dict[str, dict[str, list[str]]] = {}
    with database.reading() as session:
        for record in every_record(session):
            organization = session.get_one(Organization, record.organization_id)
            by_state: dict[str, list[str]] = found.setdefault(record.name, {})
            for revision in revisions_of(session, record.id or 0):
                password = open_revision(safe, organization.uid, record.uid, revision)
                by_state.setdefault(revision.state, []).append(password.get_secret_value())
    return found


def pend(database: Database, safe: Safe, place: Place, record: Record, password: str) -> Revision:
    with database.writing() as session:
        return add_password(session, safe, place, record, password, RevisionState.PENDING)


def rotate(database: Database, safe: Safe, place: Place, record: Record, password: str) -> None:
    pending = pend(database, safe, place, record, password)
    with database.writing() as session:
        promote(session, [pending], AT)
        note_proved(safe, [pending])


def test_the_database_deleted_in_the_middle_loses_no_password(
    database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail, tmp_path: Path
) -> None:
    made: dict[str, list[str]] = {}
    proved: dict[str, str] = {}
    child = subprocess.Popen([sys.executable, "-c", ROTATING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(60):
        what, name, turn = child.stdout.readline().split()
        if what == "made":
            made.setdefault(name, []).append(f"{name} {turn}")
        else:
            proved[name] = f"{name} {turn}"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    for left in tmp_path.glob("lost.db*"):
        left.unlink()
    recover(database, safe, trail, OPERATOR, recovery_key)
    found = passwords(database, safe)
    for name in made:
        everything = {password for of_state in found[name].values() for password in of_state}
        assert set(made[name]) <= everything
        newest_proved = int(found[name]["current"][0].split()[1])
        assert newest_proved >= int(proved[name].split()[1])
    with database.reading() as session:
        assert trail.verify(session).problems == ()


def test_every_password_a_directory_may_hold_is_shown_after_recovering(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    """A rotation ended without finding out; the next one was under way when the database was lost."""
    [(place, record, _)] = stored(lost, safe, "first")
    unsure = pend(lost, safe, place, record, "perhaps taken")
    with lost.writing() as session:
        discard(session, session.get_one(Revision, unsure.id))
    pend(lost, safe, place, record, "not sent yet")

    recover(database, safe, trail, OPERATOR, recovery_key)

    with database.reading() as session:
        (found,) = every_record(session)
        home = session.get_one(Organization, found.organization_id)
        shown = [open_revision(safe, home.uid, found.uid, each) for each in possibly_held(session, found.id)]
    assert [each.get_secret_value() for each in shown] == ["not sent yet", "perhaps taken", "first"]


def test_recovering_rebuilds_organizations_vaults_records_and_every_state(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    [(place, record, _), (_, untouched, _)] = stored(lost, safe, "first", "other")
    rotate(lost, safe, place, record, "second")
    rotate(lost, safe, place, record, "third")
    with lost.writing() as session:
        discard(session, session.merge(pend(lost, safe, place, record, "never proved")))
    pend(lost, safe, place, record, "written just before")
    recovered = recover(database, safe, trail, OPERATOR, recovery_key)
    assert recovered == Recovered(organizations=1, vaults=1, records=2, revisions=6)
    assert passwords(database, safe) == {
        record.name: {
            "pending": ["written just before"],
            "current": ["third"],
            "previous": ["second"],
            "old": ["never proved", "first"],
        },
        untouched.name: {"current": ["other"]},
    }
    with database.reading() as session:
        found = {row.uid: row for row in every_record(session)}
        assert found[record.uid].username == record.username
        assert {row.origin for row in revisions_of(session, found[record.uid].id or 0)} == {"recovered"}


def test_recovering_twice_changes_nothing_more(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    [(place, record, _)] = stored(lost, safe, "first")
    rotate(lost, safe, place, record, "second")
    for password in ("third", "fourth"):
        with lost.writing() as session:
            discard(session, session.merge(pend(lost, safe, place, record, password)))
    recover(database, safe, trail, OPERATOR, recovery_key)
    before = passwords(database, safe)
    assert before[record.name]["pending"] == ["fourth"]
    assert recover(database, safe, trail, OPERATOR, recovery_key) == Recovered()
    assert passwords(database, safe) == before


def test_recovering_into_a_database_that_lacks_nothing_changes_nothing(
    database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    [(place, record, _)] = stored(database, safe, "first")
    rotate(database, safe, place, record, "second")
    with database.writing() as session:
        discard(session, session.merge(pend(database, safe, place, record, "refused")))
    pending = pend(database, safe, place, record, "under way")
    with database.writing() as session:
        rotation = Rotation(
            organization_id=record.organization_id, record_id=record.id or 0, state=RotationState.ROTATING,
            requested_by="U1", revision_id=pending.id,
        )  # fmt: skip
        session.add(rotation)
    before = passwords(database, safe)
    assert recover(database, safe, trail, OPERATOR, recovery_key) == Recovered()
    assert passwords(database, safe) == before
    with database.reading() as session:
        assert session.exec(select(Rotation)).one().ended_at is None


def test_a_current_revision_the_escrow_file_was_not_told_of_stays_current(
    database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    """Killed between the commit and the note."""
    [(place, record, _)] = stored(database, safe, "first")
    with database.writing() as session:
        promote(session, [session.merge(pend(database, safe, place, record, "second"))], AT)
    assert recover(database, safe, trail, OPERATOR, recovery_key) == Recovered()
    assert passwords(database, safe)[record.name]["current"] == ["second"]


def test_what_happened_since_yesterdays_backup_comes_back(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail, tmp_path: Path
) -> None:
    [(place, record, _), (_, under_way, _)] = stored(lost, safe, "first", "other")
    rotate(lost, safe, place, record, "yesterday")
    pending = pend(lost, safe, place, under_way, "yesterday pending")
    with lost.writing() as session:
        rotation = Rotation(
            organization_id=record.organization_id, record_id=under_way.id or 0, state=RotationState.ROTATING,
            requested_by="U1", revision_id=pending.id,
        )  # fmt: skip
        session.add(rotation)
    backup(lost, safe.keys, trail, OPERATOR, tmp_path / "yesterday.backup")
    with lost.writing() as session:
        pending = session.merge(pending)
        promote(session, [pending], AT)
        note_proved(safe, [pending])
    rotate(lost, safe, place, record, "today")
    rotate(lost, safe, place, under_way, "today too")
    with lost.writing() as session:
        trail.append(session, event="record.rotated", operator="U1", source="test")
        new = new_record(session, place, "new today")
        add_password(session, safe, place, new, "brand new")

    restore(database, safe.keys, trail, OPERATOR, tmp_path / "yesterday.backup")
    recovered = recover(database, safe, trail, OPERATOR, recovery_key)
    assert (recovered.organizations, recovered.vaults, recovered.records, recovered.revisions) == (0, 0, 1, 3)
    assert passwords(database, safe) == {
        record.name: {"current": ["today"], "previous": ["yesterday"], "old": ["first"]},
        under_way.name: {"current": ["today too"], "previous": ["yesterday pending"], "old": ["other"]},
        "new today": {"current": ["brand new"]},
    }
    with database.reading() as session:
        assert session.exec(select(Rotation)).one().state == RotationState.STUCK
        came_back = session.exec(select(Revision).where(Revision.uid == pending.uid)).one()
        assert came_back.proved_at == AT
        assert trail.verify(session).problems == ()


def test_rows_made_anew_before_recovering_are_found_by_name(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    """The world file was applied, and the records imported, before anybody thought of `recover`."""
    [(place, record, _)] = stored(lost, safe, "first")
    rotate(lost, safe, place, record, "second")
    [(anew, imported, _)] = stored(database, safe, "second")
    assert (anew.organization.uid, imported.uid) != (place.organization.uid, record.uid)
    recovered = recover(database, safe, trail, OPERATOR, recovery_key)
    assert (recovered.organizations, recovered.vaults, recovered.records, recovered.revisions) == (0, 0, 0, 2)
    assert passwords(database, safe) == {record.name: {"current": ["second"], "previous": ["second"], "old": ["first"]}}


def test_names_changed_meanwhile_come_back_as_they_were_last(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    [(place, record, _), (_, untouched, _)] = stored(lost, safe, "first", "other")
    with lost.writing() as session:
        for row, name in ((place.organization, "Acme Smiles"), (place.vault, "smiles"), (record, "front desk")):
            row.name, row.name_key = name, name.lower()
            session.add(session.merge(row))
    rotate(lost, safe, place, record, "second")
    recovered = recover(database, safe, trail, OPERATOR, recovery_key)
    assert (recovered.organizations, recovered.vaults, recovered.records) == (1, 1, 2)
    assert passwords(database, safe).keys() == {"front desk", untouched.name}
    with database.reading() as session:
        assert [row.name for row in organizations(session)] == ["Acme Smiles"]
        assert [row.name for _, row in connections_of(session)] == ["smiles"]


def test_the_same_world_file_applied_after_recovering_adopts_what_came_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKEY_SECRET_ACME", "Connector-password-1")
    settings = Settings(key_file=tmp_path / "rekey.key", database_url=SecretStr(f"sqlite:///{tmp_path / 'rekey.db'}"))
    keys_init(settings.key_file, settings.escrow_dir)
    world = read_world(write_world(tmp_path), settings)

    def applied() -> Services:
        services = build(settings)
        keys = services.safe.keys
        shown = preview(services.database, keys, world)
        apply(services.database, keys, services.trail, OPERATOR, world, shown)
        return services

    services = applied()
    with services.database.writing() as session:
        [organization] = organizations(session)
        [(_, vault)] = connections_of(session, "vault")
        record = new_record(session, Place(organization, vault), "reception")
        add_password(session, services.safe, Place(organization, vault), record, "first")
    services.database.dispose()
    for left in tmp_path.glob("rekey.db*"):
        left.unlink()

    services = build(settings)
    recovery_key = read_recovery_key(tmp_path / "recovery.key")
    recover(services.database, services.safe, services.trail, OPERATOR, recovery_key)
    services = applied()
    with services.database.reading() as session:
        assert [row.uid for row in organizations(session)] == [organization.uid]
        assert [row.name for _, row in connections_of(session)] == ["acme-ad", "acme-vault"]
        assert services.trail.verify(session).problems == ()
    assert passwords(services.database, services.safe) == {"reception": {"current": ["first"]}}
    services.database.dispose()


def test_a_database_lost_twice_does_not_double_its_records(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail, tmp_path: Path
) -> None:
    stored(lost, safe, "first")
    between = Database(f"sqlite:///{tmp_path}/between.db")
    between.migrate()
    stored(between, safe, "second")
    between.dispose()
    assert recover(database, safe, trail, OPERATOR, recovery_key).records == 1
    assert passwords(database, safe) == {"user0": {"current": ["second"], "previous": ["first"]}}


def test_a_lost_record_is_not_mixed_into_another_one_of_the_same_name(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail, tmp_path: Path
) -> None:
    [(place, record, _)] = stored(lost, safe, "first")
    backup(lost, safe.keys, trail, OPERATOR, tmp_path / "yesterday.backup")
    with lost.writing() as session:
        add_password(session, safe, place, new_record(session, place, record.name), "of the other one")
    restore(database, safe.keys, trail, OPERATOR, tmp_path / "yesterday.backup")
    assert recover(database, safe, trail, OPERATOR, recovery_key).records == 1
    with database.reading() as session:
        assert [len(revisions_of(session, row.id or 0)) for row in every_record(session)] == [1, 1]


def test_another_recovery_key_changes_nothing_and_is_said(
    lost: Database, database: Database, safe: Safe, trail: Trail
) -> None:
    stored(lost, safe, "first")
    with pytest.raises(EscrowProblem, match=r"Nothing in .* opens with this recovery key.*another recovery key"):
        recover(database, safe, trail, OPERATOR, new_recovery_key())
    with database.reading() as session:
        assert every_record(session) == []


def test_no_escrow_file_is_an_error_with_a_sentence(
    database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    for key in (recovery_key, new_recovery_key()):
        with pytest.raises(EscrowProblem, match="REKEY_ESCROW_DIR must name"):
            recover(database, safe, trail, OPERATOR, key)


def test_a_lost_escrow_file_is_filled_again_from_the_database(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    [(place, record, _), _] = stored(lost, safe, "first", "other")
    for password in ("second", "third"):
        rotate(lost, safe, place, record, password)
    pend(lost, safe, place, record, "under way")
    expected = passwords(lost, safe)
    safe.escrow.path.unlink()
    assert recover(lost, safe, trail, OPERATOR, recovery_key) == Recovered(escrowed=5)
    assert recover(lost, safe, trail, OPERATOR, recovery_key) == Recovered()
    recover(database, safe, trail, OPERATOR, recovery_key)
    assert passwords(database, safe) == expected


def test_damaged_lines_are_counted_and_the_rest_comes_back(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    stored(lost, safe, "first", "second")
    lines = safe.escrow.path.read_bytes().splitlines(keepends=True)
    safe.escrow.path.write_bytes(lines[0] + lines[1][:40])
    recovered = recover(database, safe, trail, OPERATOR, recovery_key)
    assert recovered.revisions == 1
    assert recovered.damaged == ("Line 2 is torn or is not an escrow entry.",)


def test_after_new_keys_were_made_both_recovery_keys_are_enough(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, tmp_path: Path
) -> None:
    """The machine burnt down: a new installation with new keys, and the escrow file from the other disk."""
    [(place, record, _)] = stored(lost, safe, "first")
    rotate(lost, safe, place, record, "second")
    new_safe_there, new_recovery = new_safe(_made(tmp_path / "new machine"))
    new_safe_there.escrow.path.write_bytes(safe.escrow.path.read_bytes())
    new_trail = Trail(new_safe_there.keys, new_safe_there.escrow.directory)
    recover(database, new_safe_there, new_trail, OPERATOR, recovery_key)
    expected = {record.name: {"current": ["second"], "previous": ["first"]}}
    assert passwords(database, new_safe_there) == expected

    third, _ = new_safe(_made(tmp_path / "third machine"))
    third.escrow.path.write_bytes(new_safe_there.escrow.path.read_bytes())
    again = Database(f"sqlite:///{tmp_path}/third.db")
    again.migrate()
    recover(again, third, Trail(third.keys, third.escrow.directory), OPERATOR, new_recovery)
    assert passwords(again, third) == expected
    again.dispose()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_passwords_imported_before_recovering_stay_current_also_after_a_second_loss(
    lost: Database, database: Database, safe: Safe, recovery_key: X25519PrivateKey, tmp_path: Path
) -> None:
    """A new installation with new keys; the records were imported first, and recovered after."""
    [(place, record, _)] = stored(lost, safe, "first")
    rotate(lost, safe, place, record, "second")
    there, new_recovery = new_safe(_made(tmp_path / "new machine"))
    there.escrow.path.write_bytes(safe.escrow.path.read_bytes())
    stored(database, there, "imported")
    recover(database, there, Trail(there.keys, there.escrow.directory), OPERATOR, recovery_key)
    expected = {record.name: {"current": ["imported"], "previous": ["second"], "old": ["first"]}}
    assert passwords(database, there) == expected

    again = Database(f"sqlite:///{tmp_path}/again.db")
    again.migrate()
    recover(again, there, Trail(there.keys, there.escrow.directory), OPERATOR, new_recovery)
    assert passwords(again, there) == expected
    again.dispose()


def test_a_new_recovery_key_is_accepted_from_whoever_has_it_and_from_nobody_else(
    database: Database, safe: Safe, recovery_key: X25519PrivateKey, trail: Trail
) -> None:
    [(place, record, _)] = stored(database, safe, "first")
    new_key = new_recovery_key()
    (safe.escrow.directory / "recovery.pub").unlink()
    put_recovery_public_key(safe.escrow.directory, new_key)
    with pytest.raises(EscrowProblem, match="somebody replaced"):
        recover(database, safe, trail, OPERATOR, recovery_key)
    safe.escrow.path.unlink()
    assert recover(database, safe, trail, OPERATOR, new_key) == Recovered(escrowed=1)
    rotate(database, safe, place, record, "second")


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """Versions of one record as an escrow file and a database of any age may know them."""
    size = draw(st.integers(1, 6))
    states = [None, *RevisionState]
    known = draw(st.lists(st.sampled_from(states), min_size=size, max_size=size))
    for once in (RevisionState.CURRENT, RevisionState.PENDING, RevisionState.PREVIOUS):
        for index in [index for index, state in enumerate(known) if state is once][1:]:
            known[index] = RevisionState.OLD
    places = iter(draw(st.permutations(range(2 * size))))
    versions = []
    for number, state in enumerate(known):
        written, later = sorted((next(places), next(places)))
        became_current = draw(st.none() | st.just(later))
        versions.append(Version(f"r{number}", state, written, became_current))
    return versions


@given(histories())
def test_one_current_at_most_one_pending_and_nothing_more_the_second_time(versions: list[Version]) -> None:
    states = states_of(versions)
    assert states.count(RevisionState.CURRENT) == any(version.since is not None for version in versions)
    assert states.count(RevisionState.PENDING) <= 1
    assert states.count(RevisionState.PREVIOUS) <= 1
    since = [-1 if version.since is None else version.since for version in versions]
    if max(since) >= 0:
        assert states[since.index(max(since))] is RevisionState.CURRENT
    again = [replace(version, state=state) for version, state in zip(versions, states, strict=True)]
    assert states_of(again) == states


@given(histories())
def test_what_no_directory_took_never_comes_into_force(versions: list[Version]) -> None:
    for version, state in zip(versions, states_of(versions), strict=True):
        if version.state is RevisionState.DISCARDED and version.became_current is None:
            assert state is RevisionState.DISCARDED
