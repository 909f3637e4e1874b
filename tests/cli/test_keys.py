"""Keys on the command line: made once, rotated without losing a password, and answered for when one got out."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.world import ACME, write_world

CSV = "name,username,password,url,notes\nRouter,admin,Router-pass-0001,,\n"


@pytest.fixture
def filled(rekey: Program) -> Program:
    """An organization with one record."""
    rekey.ok("apply", write_world(rekey.folder), "--yes")
    (rekey.folder / "vault.csv").write_text(CSV, encoding="utf-8")
    rekey.ok("records", "import", rekey.folder / "vault.csv")
    return rekey


def test_keys_init_says_to_move_the_recovery_key_away_and_never_overwrites(tmp_path: Path) -> None:
    rekey = Program(tmp_path)
    made = rekey.ok("keys", "init", "--json")
    assert made.json == {
        "key_file": str(tmp_path / "rekey.key"),
        "recovery_key": str(tmp_path / "recovery.key"),
        "escrow_directory": str(tmp_path / "escrow"),
    }
    assert "OFFLINE" in made.err
    before = (tmp_path / "rekey.key").read_text()
    assert before.strip() not in made.out + made.err
    again = rekey("keys", "init")
    assert again.code == 1
    assert (tmp_path / "rekey.key").read_text() == before


def test_after_rotating_the_key_every_password_opens_and_the_trail_verifies(filled: Program) -> None:
    before = (filled.folder / "rekey.key").read_text()
    rotated = filled.ok("keys", "rotate", "--json")
    assert rotated.json["rewrapped"] >= 2
    assert (filled.folder / "rekey.key").read_text().endswith(before)
    assert filled.ok("reveal", "router").out == "Router-pass-0001\n"
    assert filled.ok("audit", "verify", "--json").json["ok"]
    assert "Nothing to do" in filled.ok("apply", filled.folder / "world.yaml").out


def test_the_master_key_may_stand_in_the_environment(filled: Program) -> None:
    text = (filled.folder / "rekey.key").read_text()
    del filled.environment["REKEY_SECRET_ACME"]
    filled.environment |= {"REKEY_KEY_FILE": "", "REKEY_ESCROW_DIR": str(filled.folder / "escrow")}
    assert filled.ok("reveal", "Router", REKEY_MASTER_KEY=text).out == "Router-pass-0001\n"
    refused = filled("keys", "rotate", REKEY_MASTER_KEY=text)
    assert refused.code == 2
    assert text.strip() not in refused.err


def test_a_key_that_got_out_needs_a_person_to_say_so_and_names_what_people_must_change(filled: Program) -> None:
    asked = filled("keys", "compromised")
    assert asked.code == 2
    assert "only with --yes" in asked.err
    done = filled.ok("keys", "compromised", "--yes", "--json")
    assert done.json["credentials"] == ["acme-ad of Acme Dental"]
    assert (done.json["planned"], done.json["refused"]) == (0, 0)
    assert filled.ok("reveal", "router").out == "Router-pass-0001\n"


def test_an_edited_audit_row_is_found(filled: Program) -> None:
    filled.ok("audit", "verify")
    with sqlite3.connect(filled.folder / "rekey.db") as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE audit_events SET operator = 'nobody' WHERE id = 2")
    found = filled("audit", "verify", "--json")
    assert found.code == 1
    assert not found.json["ok"]
    assert any("Line 2 " in problem for problem in found.json["problems"])


def test_the_trail_is_exported_as_lines_as_one_document_and_as_csv(filled: Program) -> None:
    lines = filled.ok("audit", "export").out.splitlines()
    document = filled.ok("audit", "export", "--json").json
    csv = filled.ok("audit", "export", "--csv").out.splitlines()
    assert len(lines) == len(document) == len(csv) - 1
    assert {event["event"] for event in document} >= {"world.applied", "records.imported", "organization.added"}
    assert ACME not in str(document)
