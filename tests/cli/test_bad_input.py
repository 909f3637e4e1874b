"""Bad input: exit 2, one clear sentence on stderr, nothing on stdout, and the database exactly as it was."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.world import ACME, write_world


def everything(folder: Path) -> str:
    """Every row of the database, but for what looking at it leaves behind."""
    with sqlite3.connect(folder / "rekey.db") as database:
        return "\n".join(database.iterdump())


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("administrators:", "administrators: [", "line 2"),
        ("[U0ADMIN]", "&a [U0ADMIN]", "line 1, column 17"),
        ("channel:", "chanel:", "line 5, organizations[0].chanel"),
        ("env:REKEY_SECRET_ACME", "env:REKEY_SECRET_OTHER", "line 16, organizations[0].directories[0].bind_password"),
        ("127.0.1.11", "8.8.8.8", "line 13, organizations[0].directories[0].servers[0].host"),
        ("acme-ca.pem", "none.pem", "line 14, organizations[0].directories[0].ca_file"),
        ("Europe/London", "Europe/Nowhere", "line 6, organizations[0].timezone"),
    ],
)
def test_a_world_file_that_does_not_fit_changes_nothing(rekey: Program, before: str, after: str, where: str) -> None:
    rekey.ok("status")
    rows = everything(rekey.folder)
    path = write_world(rekey.folder, ACME.replace(before, after, 1))
    result = rekey("apply", path, "--yes")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"{path}, {where}")
    assert len(result.err.splitlines()) == 1
    assert everything(rekey.folder) == rows


def test_an_organization_that_stands_twice_changes_nothing(rekey: Program) -> None:
    twice = ACME + "  - {name: acme dental, vault: {name: v, kind: embedded}}\n"
    result = rekey("apply", write_world(rekey.folder, twice), "--yes")
    assert result.code == 2
    assert "line 18, organizations[1].name: acme dental stands on line 4 already" in result.err


def test_without_a_terminal_and_without_yes_nothing_is_done(rekey: Program) -> None:
    result = rekey("apply", write_world(rekey.folder))
    assert result.code == 2
    assert "+ organization Acme Dental" in result.err
    assert "only with --yes" in result.err
    assert rekey.ok("export", "--json").json["organizations"] == []


def test_without_a_key_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    rekey = Program(tmp_path)
    result = rekey("status")
    assert result.code == 1
    assert "rekey keys init" in result.err
    assert not (tmp_path / "rekey.db").exists()


def test_a_wrong_variable_is_named(rekey: Program) -> None:
    result = rekey("status", REKEY_POOL_SIZE="many")
    assert (result.code, result.out) == (2, "")
    assert "REKEY_POOL_SIZE" in result.err
    result = rekey("status", REKEY_DATABASE_URL="mysql://somewhere/x")
    assert result.code == 2
    assert "REKEY_DATABASE_URL" in result.err


def test_another_key_than_the_databases_is_refused(rekey: Program, tmp_path: Path) -> None:
    rekey.ok("status")
    (tmp_path / "rekey.key").rename(tmp_path / "old.key")
    rekey.ok("keys", "init")
    result = rekey("status")
    assert result.code == 1
    assert "key ring does not hold it" in result.err


def test_a_newer_database_is_refused_and_left_alone(rekey: Program) -> None:
    rekey.ok("migrate")
    with sqlite3.connect(rekey.folder / "rekey.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    rows = everything(rekey.folder)
    result = rekey("status")
    assert result.code == 1
    assert "a newer Rekey made it" in result.err
    assert everything(rekey.folder) == rows


@pytest.mark.parametrize(
    "words",
    [
        ["rotate"],
        ["rotate", "--all", "--record", "x"],
        ["rotate", "--record", "nobody"],
        ["rotate", "--all", "--organization", "nobody"],
        ["reveal", "nobody"],
        ["history", "17"],
        ["matches", "approve"],
        ["matches", "approve", "17"],
        ["matches", "ignore", "nobody"],
        ["matches", "choose", "17"],
        ["stop", "nobody"],
        ["stop"],
        ["start", "nobody", "--all"],
        ["sync"],
        ["audit", "export", "--json", "--csv"],
        ["restore", "no-such-file"],
    ],
)
def test_names_that_are_not_there_exit_2_with_a_sentence(rekey: Program, words: list[str]) -> None:
    result = rekey(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err
    assert "Traceback" not in result.err
