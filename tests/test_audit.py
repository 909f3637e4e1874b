"""What the audit trail promises: every edit, gap, reordering and cut tail is found, and which line is said."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from bot.audit import Line, Trail, export_csv, export_json
from bot.errors import StorageError
from storage.database import Database
from storage.models import Organization
from storage.sealing import KeyRing, new_key_line
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import key_file

APPENDER = """
import sys
from pathlib import Path
from bot.audit import Trail
from storage.database import Database
from storage.sealing import KeyRing
url, keys, anchor, name = sys.argv[1:]
database, trail = Database(url), Trail(KeyRing.load(Path(keys)), Path(anchor))
for number in range(30):
    with database.writing() as session:
        trail.append(session, event="match.approved", operator=name, source="test", subject=str(number))
"""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(KeyRing.load(key_file(tmp_path / "key")), tmp_path / "escrow")


def append(database: Database, trail: Trail, *subjects: str) -> None:
    for subject in subjects:
        with database.writing() as session:
            trail.append(session, event="match.approved", operator="U1", source="cli", subject=subject)


def problems(database: Database, trail: Trail) -> str:
    with database.reading() as session:
        return "\n".join(trail.verify(session).problems)


def allow_changes(session: Session) -> None:
    """What somebody with the database's own password can do first."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("DROP TRIGGER audit_events_no_update"))
        session.execute(text("DROP TRIGGER audit_events_no_delete"))
    else:
        session.execute(text("DROP TRIGGER audit_events_append_only ON audit_events"))


@pytest.fixture
def five(database: Database, trail: Trail) -> Database:
    append(database, trail, "a", "b", "c", "d", "e")
    return database


def test_an_untouched_trail_verifies(five: Database, trail: Trail) -> None:
    with five.reading() as session:
        found = trail.verify(session)
    assert (found.lines, found.problems, found.ok) == (5, (), True)


def test_an_empty_trail_verifies(database: Database, trail: Trail) -> None:
    assert problems(database, trail) == ""


TAMPERING: list[tuple[str, list[str], str]] = [
    ("edited", ["UPDATE audit_events SET operator = 'U2' WHERE id = 3"], "Line 3 .* was edited, moved or put in"),
    ("result", ["UPDATE audit_events SET result = 'refused' WHERE id = 5"], "Line 5 .* was edited"),
    ("dropped", ["DELETE FROM audit_events WHERE id = 2"], "Line 2 is missing"),
    ("first dropped", ["DELETE FROM audit_events WHERE id <= 2"], "Lines 1 to 2 are missing"),
    (
        "reordered",
        ["UPDATE audit_events SET id = 99 WHERE id = 2", "UPDATE audit_events SET id = 2 WHERE id = 3",
         "UPDATE audit_events SET id = 3 WHERE id = 99"],
        "Line 2 .* was edited, moved",
    ),
    (
        "dropped and renumbered",
        ["DELETE FROM audit_events WHERE id = 2", "UPDATE audit_events SET id = 2 WHERE id = 3",
         "UPDATE audit_events SET id = 3 WHERE id = 4", "UPDATE audit_events SET id = 4 WHERE id = 5"],
        "Line 2 .* was edited, moved",
    ),
    ("cut tail", ["DELETE FROM audit_events WHERE id > 3"], "end was cut off: Lines 4 to 5 are missing"),
    ("emptied", ["DELETE FROM audit_events"], "end was cut off: Lines 1 to 5 are missing"),
    ("another key named", ["UPDATE audit_events SET key_id = 'mine' WHERE id = 4"], "Line 4 names the key 'mine'"),
    (
        "line put in",
        ["INSERT INTO audit_events SELECT 6, at, operator, source, event, result, organization, subject, details, "
         "key_id, mac FROM audit_events WHERE id = 5"],
        "Line 6 .* put in",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "said"), [case[1:] for case in TAMPERING], ids=[case[0] for case in TAMPERING])
def test_a_changed_trail_is_found_and_said_where(
    five: Database, trail: Trail, statements: list[str], said: str
) -> None:
    with five.writing() as session:
        allow_changes(session)
        for statement in statements:
            session.execute(text(statement))
    with five.reading() as session:
        found = trail.verify(session)
    assert not found.ok
    assert re.search(said, "\n".join(found.problems))


@pytest.mark.parametrize("statement", ["UPDATE audit_events SET operator = 'U2'", "DELETE FROM audit_events"])
def test_the_database_itself_refuses_to_change_a_line(five: Database, trail: Trail, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), five.writing() as session:
        session.execute(text(statement))
    assert problems(five, trail) == ""


def test_a_trail_forged_from_the_start_with_another_key_is_found(five: Database, trail: Trail, tmp_path: Path) -> None:
    anchor = tmp_path / "escrow" / "audit.head"
    kept = anchor.read_text()
    forged = Trail(KeyRing.parse(new_key_line()), tmp_path / "forged")
    with five.writing() as session:
        allow_changes(session)
        session.execute(text("DELETE FROM audit_events"))
    append(five, forged, "x", "y", "z", "u", "v", "w")
    assert anchor.read_text() == kept
    assert "Line 5 is not the line 5 that was anchored" in problems(five, trail)
    assert "names the key" in problems(five, trail)


def test_a_crash_between_commit_and_anchor_is_no_alarm(five: Database, trail: Trail, tmp_path: Path) -> None:
    anchor = tmp_path / "escrow" / "audit.head"
    behind = anchor.read_text()
    append(five, trail, "f")
    anchor.write_text(behind)
    assert problems(five, trail) == ""


def test_a_missing_or_damaged_anchor_is_said(five: Database, trail: Trail, tmp_path: Path) -> None:
    anchor = tmp_path / "escrow" / "audit.head"
    anchor.write_text("{")
    assert "cannot be read or was edited" in problems(five, trail)
    anchor.unlink()
    assert "There is no anchor" in problems(five, trail)


def test_the_anchor_only_moves_forward(five: Database, trail: Trail) -> None:
    before = trail.anchored()
    assert before is not None
    assert before.id == 5
    append(five, trail, "f")
    after = trail.anchored()
    assert after is not None
    trail._move_anchor(before)
    assert trail.anchored() == after


def test_what_is_rolled_back_leaves_no_line_and_no_anchor(five: Database, trail: Trail) -> None:
    def fail_after_appending() -> None:
        with five.writing() as session:
            trail.append(session, event="match.approved", operator="U1", source="cli")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_appending()
    anchored = trail.anchored()
    assert anchored is not None
    assert anchored.id == 5
    assert problems(five, trail) == ""


def test_an_anchor_that_cannot_be_written_is_an_error_that_says_what_is_kept(five: Database, trail: Trail) -> None:
    lock = trail._anchor.parent / "audit.head.lock"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(StorageError, match=r"audit line 6, but .* could not be anchored"):
        append(five, trail, "f")
    assert problems(five, trail) == ""


def test_lines_of_a_retired_key_still_verify(database: Database, tmp_path: Path) -> None:
    old, new = new_key_line(), new_key_line()
    append(database, Trail(KeyRing.parse(old), tmp_path / "escrow"), "a", "b")
    rotated = Trail(KeyRing.parse(f"{new}\n{old}"), tmp_path / "escrow")
    append(database, rotated, "c")
    assert problems(database, rotated) == ""
    assert "Line 1 names the key" in problems(database, Trail(KeyRing.parse(new), tmp_path / "escrow"))


def test_two_processes_appending_at_once_make_one_chain(database: Database, trail: Trail, tmp_path: Path) -> None:
    url = database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    command = [sys.executable, "-c", APPENDER, url, str(tmp_path / "key"), str(tmp_path / "escrow")]
    appenders = [subprocess.Popen([*command, name]) for name in ("one", "two")]
    assert [appender.wait() for appender in appenders] == [0, 0]
    with database.reading() as session:
        found = trail.verify(session)
    assert (found.lines, found.problems) == (60, ())
    anchored = trail.anchored()
    assert anchored is not None
    assert anchored.id == 60


def test_many_lines_at_once_are_one_chain_with_what_came_before(five: Database, trail: Trail) -> None:
    organization = Organization(name="Acme", name_key="acme")
    with five.writing() as session:
        lines = [Line("match.ignored", "U1", "cli", organization, f"ü {n}", "ok", {"n": n}) for n in range(500)]
        trail.append_all(session, lines)
        trail.append(session, event="sync.finished", operator="rekey", source="lane", organization=organization)
    with five.reading() as session:
        found = trail.verify(session)
    assert (found.lines, found.problems) == (506, ())


def test_exported_json_lines_say_everything(five: Database) -> None:
    out = io.StringIO()
    with five.reading() as session:
        assert export_json(session, out) == 5
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["subject"] for line in lines] == ["a", "b", "c", "d", "e"]
    assert lines[0].keys() >= {"id", "at", "operator", "source", "event", "result", "details", "key_id", "mac"}


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_exported_cell_is_a_formula(database: Database, trail: Trail, name: str) -> None:
    append(database, trail, name)
    out = io.StringIO(newline="")
    with database.reading() as session:
        export_csv(session, out)
    [row] = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert row["subject"] == "'" + name
