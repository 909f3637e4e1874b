"""The search for secrets finds them in every encoding and place: a search that cannot find proves nothing."""

import base64
import json
import pickle
import sqlite3
import urllib.parse
import zipfile
from pathlib import Path

import pytest

from tests.leaks import AWKWARD, Leaks, forms


@pytest.mark.parametrize(
    "shown",
    [
        AWKWARD.encode(),
        AWKWARD.encode("utf-16-le"),
        f'"{AWKWARD}"'.encode("utf-16-le"),
        *(base64.b64encode(before + AWKWARD.encode() + b"rest") for before in (b"", b"x", b"xy", b"xyz")),
        *(base64.b64encode(before + AWKWARD.encode("utf-16-le") + b"rest") for before in (b"", b"x", b"xy")),
        base64.urlsafe_b64encode(AWKWARD.encode()),
        urllib.parse.quote(AWKWARD).encode(),
        urllib.parse.quote(AWKWARD, safe="").encode(),
        urllib.parse.urlencode({"password": AWKWARD}).encode(),
        json.dumps({"password": AWKWARD}).encode(),
        json.dumps({"password": AWKWARD}, ensure_ascii=False).encode(),
        json.dumps({"event": json.dumps({"password": AWKWARD})}).encode(),
        AWKWARD.encode().hex().encode(),
        AWKWARD.encode("utf-16-le").hex().upper().encode(),
        repr({"password": AWKWARD}).encode(),
        repr(AWKWARD.encode()).encode(),
        pickle.dumps({"password": AWKWARD}),
    ],
)
def test_the_search_finds_a_password_in_every_encoding(shown: bytes) -> None:
    leaks = Leaks()
    leaks.knows("the canary", AWKWARD)
    assert leaks.found_in("a log", b"before " + shown + b" after")
    assert not leaks.found_in("a log", b"before  after")


def test_the_search_finds_key_bytes() -> None:
    leaks, key = Leaks(), bytes(range(100, 132))
    leaks.knows("the key", key)
    for shown in (key, key.hex().encode(), base64.b64encode(b"x" + key), repr({"key": key}).encode()):
        assert leaks.found_in("a log", shown)


def test_the_search_looks_into_databases_their_journals_and_archives(tmp_path: Path) -> None:
    leaks = Leaks()
    leaks.knows("the canary", AWKWARD)
    with zipfile.ZipFile(tmp_path / "some.backup", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", json.dumps({"reason": f"{AWKWARD} is what it was" * 9}))
    assert leaks.found_beneath(tmp_path) == ["some.backup/rows.jsonl shows the canary, JSON"]
    (tmp_path / "some.backup").unlink()

    database = sqlite3.connect(tmp_path / "rekey.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE kept (reason TEXT)")
    database.execute("INSERT INTO kept VALUES (?)", ["x" * 4000 + AWKWARD])  # over the edge of a page
    database.commit()
    where = leaks.found_beneath(tmp_path)
    database.close()
    assert "rekey.db, kept.reason shows the canary, UTF-8" in where
    assert any(finding.startswith("rekey.db-wal") for finding in where)


def test_a_finding_does_not_show_the_secret_again() -> None:
    leaks = Leaks()
    leaks.knows("the canary", AWKWARD)
    (finding,) = leaks.found_in("a log", AWKWARD)
    assert not any(form in finding.encode() for _encoding, form in forms(AWKWARD))
