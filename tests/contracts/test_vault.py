"""What every vault promises, whichever it is (see `bot.vaults.base`)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from bot.errors import NotFound
from bot.findings import Level
from bot.vaults.base import NewRecord, RecordChanges, SeenRecord, Vault
from storage.database import Database
from storage.models import new_uid
from storage.revisions import Safe
from tests.contracts.vaults import EmbeddedWorld, ITGlueWorld, VaultWorld, emptied, running_itglue
from tests.storage.worlds import new_safe

OURS, THEIRS = SecretStr('0urs-of-a-Test!é"\\'), "Th3irs-of-a-Test!"


@pytest.fixture(scope="module")
def itglue_server() -> Iterator[object]:
    with running_itglue() as server:
        yield server


@pytest.fixture(scope="module")
def rekeys_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Safe]]:
    """A database and its safe; each test has an organization of its own in it."""
    folder = tmp_path_factory.mktemp("embedded")
    database = Database(f"sqlite:///{folder}/rekey.db")
    database.migrate()
    yield database, new_safe(folder)[0]
    database.dispose()


@pytest.fixture(params=["embedded", "itglue"])
def world(request: pytest.FixtureRequest) -> VaultWorld:
    if request.param == "itglue":
        return ITGlueWorld(emptied(request.getfixturevalue("itglue_server")))
    return EmbeddedWorld(*request.getfixturevalue("rekeys_own"))


@pytest.fixture
def vault(world: VaultWorld) -> Iterator[Vault]:
    with world.connect() as vault:
        yield vault


def listed(changes: RecordChanges) -> dict[str, SeenRecord]:
    """What is known after this reading of what it showed, by id."""
    return {record.external_id: record for record in changes.records}


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_every_record_is_listed_once_without_its_password(world: VaultWorld, vault: Vault) -> None:
    ids = [world.add("Jane Doe", THEIRS, "CORP\\jane", "Active Directory"), world.add("Nobody's")]
    changes = vault.records(None)
    records = list(changes.records)
    assert changes.complete
    assert sorted(record.external_id for record in records) == sorted(ids)
    jane = next(record for record in records if record.external_id == ids[0])
    assert (jane.name, jane.username, jane.guard, jane.restricted) == ("Jane Doe", "CORP\\jane", None, False)
    assert THEIRS not in repr(records)


@pytest.mark.parametrize("name", ['O\'Brien, "Pat" (x)*', "Jürgen #1 & Söhne", "日本語 テスト", "a\\,b,c", "x/y?z=1"])
def test_names_as_people_have_them_are_listed_written_and_made(world: VaultWorld, vault: Vault, name: str) -> None:
    record = world.add(name, THEIRS, name)
    assert listed(vault.records(None))[record].name == name
    vault.write(record, OURS)
    assert world.holds(record) == OURS.get_secret_value()
    wanted = NewRecord(name, name, new_uid())
    made = vault.create(wanted)
    assert vault.create(wanted).external_id == made.external_id != record


def test_what_was_archived_is_left_out(world: VaultWorld, vault: Vault) -> None:
    gone, stays = world.add("Gone", THEIRS), world.add("Stays", THEIRS)
    first = vault.records(None)
    assert set(listed(first)) == {gone, stays}
    world.archives(gone)
    second = vault.records(first.cursor)
    seen = listed(second)
    assert second.complete
    assert set(seen) == {stays}


def test_the_second_reading_shows_what_changed_under_the_same_id(world: VaultWorld, vault: Vault) -> None:
    quiet, renamed = world.add("Quiet"), world.add("Before")
    first = vault.records(None)
    known = listed(first)
    world.renames(renamed, "After")
    new = world.add("New")
    second = vault.records(first.cursor)
    known |= listed(second)
    assert {each: known[each].name for each in known} == {quiet: "Quiet", renamed: "After", new: "New"}


# ---- one record ------------------------------------------------------------------------------------------------------


def test_what_is_there_is_read_before_it_is_overwritten(world: VaultWorld, vault: Vault) -> None:
    full, empty = world.add("Full", THEIRS), world.add("Empty")
    held = vault.read(full)
    assert held.secret is not None
    assert held.secret.get_secret_value() == THEIRS
    assert THEIRS not in repr(held)
    assert vault.read(empty).secret is None


def test_a_password_is_written_proved_and_dated(world: VaultWorld, vault: Vault) -> None:
    record = world.add("Jane", THEIRS, "jane")
    assert vault.may_write(record).allowed
    seen = vault.write(record, OURS)
    assert (seen.external_id, seen.name, seen.username) == (record, "Jane", "jane")
    assert seen.password_updated_at is not None
    assert vault.may_write(record).record.password_updated_at == seen.password_updated_at
    assert world.holds(record) == OURS.get_secret_value()


def test_writing_the_same_again_is_safe(world: VaultWorld, vault: Vault) -> None:
    record = world.add("Jane", THEIRS)
    first, second = vault.write(record, OURS), vault.write(record, OURS)
    assert first.password_updated_at == second.password_updated_at
    assert world.holds(record) == OURS.get_secret_value()


def test_a_record_is_made_once_however_often_it_is_asked_for(world: VaultWorld, vault: Vault) -> None:
    wanted = NewRecord("CORP\\bob", "CORP\\bob", new_uid(), "https://corp.example.test")
    made = vault.create(wanted)
    assert world.holds(made.external_id) is None
    again = vault.create(wanted, OURS)
    assert (again.external_id, again.name, again.username) == (made.external_id, "CORP\\bob", "CORP\\bob")
    assert world.holds(made.external_id) == OURS.get_secret_value()
    assert list(listed(vault.records(None))) == [made.external_id]


def test_another_one_of_that_name_is_not_taken_for_ours(world: VaultWorld, vault: Vault) -> None:
    theirs = world.add("CORP\\bob", THEIRS, "CORP\\bob")
    made = vault.create(NewRecord("CORP\\bob", "CORP\\bob", new_uid()), OURS)
    assert made.external_id != theirs
    assert world.holds(theirs) == THEIRS


def test_a_record_that_was_put_away_is_not_written(world: VaultWorld, vault: Vault) -> None:
    record = world.add("Jane", THEIRS)
    world.archives(record)
    permit = vault.may_write(record)
    assert not permit.allowed
    assert "archived" in permit.reason
    assert permit.status == "Not Permitted"


@pytest.mark.parametrize("record", ["9007199254999999", "0", "no such thing", "../passwords"])
def test_a_record_that_is_not_there_is_not_found(vault: Vault, record: str) -> None:
    for call in (lambda: vault.may_write(record), lambda: vault.read(record), lambda: vault.write(record, OURS)):
        with pytest.raises(NotFound):
            call()


def test_as_many_threads_as_it_says_may_call_it(world: VaultWorld, vault: Vault) -> None:
    records = [world.add(f"Record {number}", THEIRS) for number in range(2 * vault.overlap)]
    with ThreadPoolExecutor(vault.overlap) as pool:
        list(pool.map(lambda record: vault.write(record, OURS), records))
    assert {world.holds(record) for record in records} == {OURS.get_secret_value()}


def test_a_sound_vault_is_found_sound_and_nothing_is_changed(world: VaultWorld, vault: Vault) -> None:
    record = world.add("Jane", THEIRS)
    before = vault.may_write(record)
    findings = vault.check()
    assert findings
    assert all(each.what and each.level is not Level.PROBLEM for each in findings)
    assert vault.may_write(record) == before
    assert THEIRS not in str(findings)
