"""What the key commands promise: nothing is overwritten, keys change under a running bot, kill -9 loses nothing."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot.audit import Trail
from bot.backup import backup, restore
from bot.errors import BadInput, EscrowProblem, KeyProblem
from bot.keys import keys_init, keys_rewrap, keys_rotate
from bot.permissions import Operator
from storage.database import Database
from storage.escrow import Escrow, read_recovery_key
from storage.facts import known_fingerprints
from storage.models import Connection, Organization, Record, Revision, Role
from storage.revisions import Safe, open_revision
from storage.sealing import KeyRing, new_key_line, sealed_with
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import stored

OPERATOR = Operator("cli:test", "command line", {None: Role.ADMINISTRATOR})
PLACE = ("connection", "ad", "127.0.1.11")

ROTATE = """
import sys
from pathlib import Path
from bot.audit import Trail
from bot.keys import keys_rotate
from storage.database import Database
from storage.sealing import KeyRing
from tests.test_keys import OPERATOR
url, folder = sys.argv[1], Path(sys.argv[2])
database, trail = Database(url), Trail(KeyRing.load(folder / "key"), folder / "escrow")
while True:
    keys_rotate(database, trail, OPERATOR, folder / "key")
    print("rotated", flush=True)
"""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    keys_init(tmp_path / "key", tmp_path / "escrow")
    return Safe(KeyRing.load(tmp_path / "key"), Escrow(tmp_path / "escrow"))


@pytest.fixture
def trail(safe: Safe) -> Trail:
    return Trail(safe.keys, safe.escrow.directory)


def seal_things(database: Database, safe: Safe, count: int) -> dict[str, str]:
    """Revisions, and a connector credential; what each revision holds by its uid."""
    rows = stored(database, safe, *(f"password {number}" for number in range(count)))
    with database.writing() as session:
        vault = session.get_one(Connection, rows[0][0].vault.id)
        vault.credential = safe.keys.seal(SecretStr("bind password"), PLACE)
        session.add(vault)
    return {revision.uid: f"password {number}" for number, (_, _, revision) in enumerate(rows)}


def everything_opens(database: Database, keys: KeyRing, expected: dict[str, str], safe: Safe) -> None:
    reader = Safe(keys, safe.escrow)
    with database.reading() as session:
        [credential] = [row.credential for row in session.exec(select(Connection)) if row.credential]
        assert keys.open(credential, PLACE).get_secret_value() == "bind password"
        found = {}
        for revision in session.exec(select(Revision)):
            organization, record = _uids(revision, database)
            found[revision.uid] = open_revision(reader, organization, record, revision).get_secret_value()
    assert found == expected


def _uids(revision: Revision, database: Database) -> tuple[str, str]:
    with database.reading() as session:
        record = session.get_one(Record, revision.record_id)
        return session.get_one(Organization, revision.organization_id).uid, record.uid


def test_new_keys_are_ours_alone_and_work(tmp_path: Path) -> None:
    made = keys_init(tmp_path / "keys" / "rekey.key", tmp_path / "escrow")
    assert made.recovery_key == tmp_path / "keys" / "recovery.key"
    for path in (made.key_file, made.recovery_key):
        assert path.stat().st_mode & 0o777 == 0o600
    assert made.key_file.parent.stat().st_mode & 0o777 == 0o700
    assert f"MOVE {made.recovery_key} OFFLINE" in made.what_to_do()
    KeyRing.load(made.key_file)
    assert Escrow(tmp_path / "escrow").seals_to(read_recovery_key(made.recovery_key))
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "recovery.key", "recovery.pub", "rekey.key",
    ]  # fmt: skip


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    keys_init(tmp_path / "key", tmp_path / "escrow")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(KeyProblem, match=r"already.*rekey keys rotate"):
        keys_init(tmp_path / "key", tmp_path / "escrow")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_escrow_directory_keeps_the_recovery_key_it_has(tmp_path: Path) -> None:
    keys_init(tmp_path / "key", tmp_path / "escrow")
    public = (tmp_path / "escrow" / "recovery.pub").read_bytes()
    (tmp_path / "recovery.key").unlink()  # moved offline, as it should be
    made = keys_init(tmp_path / "another.key", tmp_path / "escrow")
    assert made.recovery_key is None
    assert "keeps the recovery key it had" in made.what_to_do()
    assert (tmp_path / "escrow" / "recovery.pub").read_bytes() == public
    assert not (tmp_path / "recovery.key").exists()


def test_a_lost_escrow_directory_gets_a_new_recovery_key_and_the_key_ring_stays(tmp_path: Path) -> None:
    keys_init(tmp_path / "key", tmp_path / "escrow")
    (tmp_path / "recovery.key").unlink()  # moved offline, as it should be
    ring = (tmp_path / "key").read_bytes()
    made = keys_init(tmp_path / "key", tmp_path / "new escrow")
    assert (tmp_path / "key").read_bytes() == ring
    assert made.recovery_key is not None
    assert "was left as it is. Run `rekey recover" in made.what_to_do()
    assert Escrow(tmp_path / "new escrow").seals_to(read_recovery_key(made.recovery_key))


def test_making_keys_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    keys_init(tmp_path / "key", tmp_path / "escrow")
    (tmp_path / "key").unlink()
    (tmp_path / "escrow" / "recovery.pub").unlink()
    private = (tmp_path / "recovery.key").read_bytes()
    keys_init(tmp_path / "key", tmp_path / "escrow")
    assert (tmp_path / "recovery.key").read_bytes() == private
    assert Escrow(tmp_path / "escrow").seals_to(read_recovery_key(tmp_path / "recovery.key"))


def test_a_place_that_cannot_be_written_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EscrowProblem, match="cannot be written"):
        keys_init(tmp_path / "key", tmp_path / "file" / "escrow")
    with pytest.raises(BadInput, match="cannot be written"):
        keys_init(tmp_path / "file" / "key", tmp_path / "escrow")
    assert not (tmp_path / "key").exists()


def test_a_rotation_of_keys_wraps_everything_under_the_new_one(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    expected = seal_things(database, safe, 3)
    with database.writing() as session:
        trail.append(session, event="records.imported", operator="U1", source="test")
    old_id = safe.keys.active_id
    rotated = keys_rotate(database, trail, OPERATOR, tmp_path / "key")
    assert (rotated.rewrapped, rotated.broken) == (4, ())
    assert rotated.key_id != old_id
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    only_new = KeyRing.parse((tmp_path / "key").read_text().splitlines()[0])
    everything_opens(database, only_new, expected, safe)
    with database.reading() as session:
        assert all(row.sealed.startswith(sealed_with(rotated.key_id)) for row in session.exec(select(Revision)))
        assert trail.verify(session).problems == ()
        assert known_fingerprints(session).keys() == {old_id, rotated.key_id}


def test_a_running_bot_goes_on_through_a_rotation_of_keys(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    """`safe` was loaded before the rotation and is not told of it."""
    expected = seal_things(database, safe, 2)
    keys_rotate(database, trail, OPERATOR, tmp_path / "key")
    everything_opens(database, safe.keys, expected, safe)
    with database.writing() as session:
        trail.append(session, event="records.imported", operator="U1", source="test")
        assert trail.verify(session).problems == ()


def test_kill_9_while_keys_rotate_loses_nothing_and_it_can_be_run_again(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    expected = seal_things(database, safe, 40)
    url = database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    for finished in (0, 1, 3):
        child = subprocess.Popen([sys.executable, "-c", ROTATE, url, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(finished):
            assert child.stdout.readline() == "rotated\n"
        if not finished:
            before = (tmp_path / "key").read_bytes()
            while (tmp_path / "key").read_bytes() == before:
                assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.communicate()
        everything_opens(database, KeyRing.load(tmp_path / "key"), expected, safe)
    rotated = keys_rotate(database, trail, OPERATOR, tmp_path / "key")
    with database.reading() as session:
        assert all(row.sealed.startswith(sealed_with(rotated.key_id)) for row in session.exec(select(Revision)))
        assert trail.verify(session).problems == ()
    everything_opens(database, KeyRing.load(tmp_path / "key"), expected, safe)


def test_two_people_rotating_keys_at_once_lose_no_key(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    expected = seal_things(database, safe, 5)
    url = database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    command = [sys.executable, "-c", ROTATE, url, str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(4)] == ["rotated\n"] * 4
    for child in children:
        child.kill()
        child.communicate()
    keys = KeyRing.load(tmp_path / "key")
    assert len(keys.key_ids) >= 9
    everything_opens(database, keys, expected, safe)
    with database.reading() as session:
        assert trail.verify(session).problems == ()
        assert known_fingerprints(session).keys() <= set(keys.key_ids)


def test_a_broken_value_is_left_and_named_and_the_others_are_wrapped(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    seal_things(database, safe, 3)
    with database.writing() as session:
        broken = session.exec(select(Revision)).all()[1]
        broken.sealed = broken.sealed[:-8] + "AAAAAAA="
        parts = broken.sealed.split(":")
        parts[3] = parts[3][:-8] + "AAAAAAA="
        broken.sealed = ":".join(parts)
        session.add(broken)
    rotated = keys_rotate(database, trail, OPERATOR, tmp_path / "key")
    assert (rotated.rewrapped, rotated.broken) == (3, (f"revisions {broken.id}",))


def test_the_wrong_key_file_is_not_rotated(database: Database, safe: Safe, trail: Trail, tmp_path: Path) -> None:
    seal_things(database, safe, 1)
    keys_rotate(database, trail, OPERATOR, tmp_path / "key")
    made = keys_init(tmp_path / "wrong.key", tmp_path / "escrow")
    before = made.key_file.read_bytes()
    with pytest.raises(KeyProblem, match="This database was sealed with the key"):
        keys_rotate(database, trail, OPERATOR, made.key_file)
    assert made.key_file.read_bytes() == before


def test_a_ring_in_the_environment_is_wrapped_again_once_a_person_put_a_new_key_in_front(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    expected = seal_things(database, safe, 2)
    ring = KeyRing.parse(f"{new_key_line()}\n{(tmp_path / 'key').read_text()}")
    with pytest.raises(BadInput, match=r"already, so nothing was done.*put a new line in front"):
        keys_rewrap(database, safe.keys, trail, OPERATOR)
    assert keys_rewrap(database, ring, trail, OPERATOR).rewrapped == 3
    everything_opens(database, ring, expected, safe)


def test_a_backup_from_before_a_rotation_of_keys_still_restores(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    expected = seal_things(database, safe, 2)
    backup(database, safe.keys, trail, OPERATOR, tmp_path / "rekey.backup")
    keys_rotate(database, trail, OPERATOR, tmp_path / "key")
    empty = Database(f"sqlite:///{tmp_path}/empty.db")
    empty.migrate()
    restore(empty, KeyRing.load(tmp_path / "key"), trail, OPERATOR, tmp_path / "rekey.backup")
    everything_opens(empty, KeyRing.load(tmp_path / "key"), expected, safe)
    empty.dispose()
