"""Records on the command line: a CSV file is taken in whole or not at all, and no password comes out again."""

import sqlite3

import pytest

from tests.cli.program import Program
from tests.world import ACME, write_world

HEAD = "name,username,password,url,notes\n"
PASSWORD = "Imported-pass-0001"


@pytest.fixture
def acme(rekey: Program) -> Program:
    rekey.ok("apply", write_world(rekey.folder), "--yes")
    return rekey


def imported(rekey: Program, text: str | bytes, *words: str) -> tuple[int, str, str]:
    path = rekey.folder / "vault.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = rekey("records", "import", path, *words)
    assert PASSWORD not in result.out + result.err
    return result.code, result.out, result.err


def test_a_file_is_taken_in_and_listed_without_its_passwords(acme: Program) -> None:
    code, out, err = imported(acme, f"{HEAD}Router,admin,{PASSWORD},https://10.0.0.1,in the rack\n")
    assert (code, out) == (0, "1 added, 0 changed, 0 passwords, 0 unchanged, 0 skipped.\n")
    assert "delete it now" in err
    (record,) = acme.ok("records", "list", "--json").json
    assert (record["organization"], record["name"], record["username"]) == ("Acme Dental", "Router", "admin")
    listed = acme.ok("records", "list").out + acme.ok("records", "list", "--csv").out
    assert "Router" in listed
    assert PASSWORD not in listed
    assert acme.ok("reveal", "ROUTER").out == f"{PASSWORD}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,username,url,notes\nRouter,admin,,\n", "'password' is missing"),
        (f"{HEAD}Router,admin,{PASSWORD}\n", "line 2"),
        (f"{HEAD}Router,admin,{PASSWORD},,\nSwitch,admin,,,\n", "line 3, column 3 (password): it is empty"),
        (f"{HEAD}Zürich,admin,{PASSWORD},,\n".encode("latin-1"), "line 2: this is not UTF-8"),
        ("", "is empty"),
    ],
)
def test_a_file_that_does_not_fit_is_named_by_line_and_nothing_is_imported(
    acme: Program, text: str | bytes, words: str
) -> None:
    code, out, err = imported(acme, text)
    assert (code, out) == (2, "")
    assert "vault.csv" in err
    assert words in err
    assert acme.ok("records", "list", "--json").json == []


def test_with_two_organizations_it_must_be_said_whose_vault_is_meant(acme: Program) -> None:
    two = ACME + "  - {name: Bolt, vault: {name: bolt-vault, kind: embedded}}\n"
    acme.ok("apply", write_world(acme.folder, two), "--yes")
    text = f"{HEAD}Router,admin,{PASSWORD},,\n"
    assert imported(acme, text)[0] == 2
    assert imported(acme, text, "--organization", "bolt")[0] == 0
    assert imported(acme, text, "--organization", "acme dental")[0] == 0
    both = acme("reveal", "router")
    assert both.code == 2
    assert "Name the one you mean by its id" in both.err
    assert acme.ok("reveal", "router", "--organization", "Bolt").out == f"{PASSWORD}\n"


def test_without_a_place_in_the_audit_trail_nothing_is_revealed(acme: Program) -> None:
    imported(acme, f"{HEAD}Router,admin,{PASSWORD},,\n")
    with sqlite3.connect(acme.folder / "rekey.db") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    result = acme("reveal", "router")
    assert result.code == 1
    assert PASSWORD not in result.out + result.err


def test_names_from_outside_are_shown_without_what_would_disguise_them(acme: Program) -> None:
    imported(acme, f"{HEAD}Rout\u202eer\u200b\x1b[31m,admin,{PASSWORD},,\n")
    shown = acme.ok("records", "list").out
    assert not {"\u202e", "\u200b", "\x1b"} & set(shown)
