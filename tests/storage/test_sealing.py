"""What sealing promises: nothing opens in another place, with another key, or after an edit; keys rotate under way."""

import os
import re
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.errors import KeyProblem, SealBroken
from storage.database import Database
from storage.facts import check_fingerprint
from storage.sealing import KeyRing, new_key_line
from tests.storage.worlds import key_file

SECRET = SecretStr("pä55 wörd\u2028 ✓")
PLACE = ("revision", "org", "record", "1")


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing.parse(new_key_line())


def test_a_sealed_value_opens_where_it_was_sealed(keys: KeyRing) -> None:
    assert keys.open(keys.seal(SECRET, PLACE), PLACE).get_secret_value() == SECRET.get_secret_value()


@given(place=st.tuples(st.text(), st.text()), other=st.lists(st.text(), max_size=3).map(tuple))
def test_a_sealed_value_does_not_open_in_any_other_place(place: tuple[str, ...], other: tuple[str, ...]) -> None:
    keys = KeyRing.parse(new_key_line())
    sealed = keys.seal(SECRET, place)
    if other == place:
        assert keys.open(sealed, other) == SECRET
    else:
        with pytest.raises(SealBroken, match="does not belong where it was found"):
            keys.open(sealed, other)


def test_parts_that_read_the_same_when_joined_are_different_places(keys: KeyRing) -> None:
    with pytest.raises(SealBroken):
        keys.open(keys.seal(SECRET, ("a", "bc")), ("ab", "c"))


def test_a_forged_place_does_not_open_either(keys: KeyRing) -> None:
    """Writing the other place's hash into the text is not enough: it is bound into both ciphertexts."""
    here, there = keys.seal(SECRET, PLACE), keys.seal(SECRET, ("elsewhere",))
    version, key_id, _, wrapped, value = here.split(":")
    forged = ":".join([version, key_id, there.split(":")[2], wrapped, value])
    with pytest.raises(SealBroken):
        keys.open(forged, ("elsewhere",))


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4])
def test_any_edit_of_a_sealed_value_is_noticed(keys: KeyRing, part: int) -> None:
    parts = keys.seal(SECRET, PLACE).split(":")
    if part < 2:
        parts[part] += "x"
    else:
        raw = bytearray(b64decode(parts[part]))
        raw[-1] ^= 1
        parts[part] = b64encode(bytes(raw)).decode()
    with pytest.raises((SealBroken, KeyProblem)):
        keys.open(":".join(parts), PLACE)


@pytest.mark.parametrize("text", ["", "s1", "s2:a:b:c:d", "s1:k:!:!:!", "hello"])
def test_what_is_no_sealed_value_is_refused_with_a_sentence(keys: KeyRing, text: str) -> None:
    with pytest.raises(SealBroken, match="It was"):
        keys.open(text, PLACE)


def test_the_same_secret_never_seals_to_the_same_text(keys: KeyRing) -> None:
    assert keys.seal(SECRET, PLACE) != keys.seal(SECRET, PLACE)


def test_an_unknown_key_is_named() -> None:
    sealed = KeyRing.parse("old:" + new_key_line().split(":")[1]).seal(SECRET, PLACE)
    with pytest.raises(KeyProblem, match=r"'old'.*REKEY_MASTER_KEY"):
        KeyRing.parse(new_key_line()).open(sealed, PLACE)


def test_rewrapping_changes_the_key_and_not_the_sealed_value() -> None:
    old = new_key_line()
    new = new_key_line()
    before = KeyRing.parse(old).seal(SECRET, PLACE)
    both = KeyRing.parse(f"{new}\n{old}\n")
    after = both.rewrap(before)
    assert after.split(":")[4] == before.split(":")[4]
    assert KeyRing.parse(new).open(after, PLACE) == SECRET
    assert both.rewrap(after) == after


def test_no_key_is_shown_by_repr_or_by_an_error() -> None:
    line = new_key_line()
    key = line.split(":")[1]
    keys = KeyRing.parse(line)
    shown = repr(keys) + str(keys) + repr(vars(keys))
    with pytest.raises(KeyProblem) as refused:
        KeyRing.parse(f"{line}\n{line}")
    with pytest.raises(KeyProblem) as malformed:
        KeyRing.parse(f"{line}AAAA")
    for text in (shown, str(refused.value), str(malformed.value)):
        assert key not in text
        assert str(b64decode(key)) not in text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path / "key")
    path.chmod(mode)
    with pytest.raises(KeyProblem, match=f"{mode:04o}.*chmod 600"):
        KeyRing.load(path)


def test_somebody_elses_key_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path / "key")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(KeyProblem, match="belongs to user"):
        KeyRing.load(path)


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyProblem, match=re.escape(str(tmp_path / "key")) + ".*rekey keys init"):
        KeyRing.load(tmp_path / "key")


@pytest.mark.parametrize("text", ["", "nothing", "k:AAAA", "bad id:AAAA", "k:" + "A" * 43 + "!"])
def test_a_malformed_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = key_file(tmp_path / "key", text)
    with pytest.raises(KeyProblem, match="rekey keys init"):
        KeyRing.load(path)


def test_a_running_process_follows_a_key_rotation(tmp_path: Path) -> None:
    old, new = new_key_line(), new_key_line()
    path = key_file(tmp_path / "key", old)
    running = KeyRing.load(path)
    sealed_before = running.seal(SECRET, PLACE)
    os.replace(key_file(tmp_path / "next", new, old), path)
    sealed_by_another = KeyRing.load(path).seal(SECRET, PLACE)
    assert running.open(sealed_by_another, PLACE) == SECRET
    assert running.open(sealed_before, PLACE) == SECRET
    assert running.active_id == new.split(":")[0]


def test_a_key_file_taken_away_does_not_stop_a_running_process(tmp_path: Path) -> None:
    path = key_file(tmp_path / "key")
    keys = KeyRing.load(path)
    sealed = keys.seal(SECRET, PLACE)
    path.unlink()
    assert keys.open(keys.rewrap(sealed), PLACE) == SECRET


def test_derived_keys_differ_by_purpose_and_by_key() -> None:
    keys = KeyRing.parse(f"{new_key_line()} {new_key_line()}")
    first, second = keys.key_ids
    derived = {keys.derive(key_id, purpose) for key_id in (first, second) for purpose in ("audit", "fingerprint")}
    assert len(derived) == 4
    with pytest.raises(KeyProblem, match="'unknown'"):
        keys.derive("unknown", "audit")


def test_a_wrong_master_key_is_refused_and_named(database: Database) -> None:
    right = new_key_line()
    key_id = right.split(":")[0]
    with database.writing() as session:
        check_fingerprint(session, KeyRing.parse(right))
    same_name = KeyRing.parse(f"{key_id}:{new_key_line().split(':')[1]}")
    with database.writing() as session, pytest.raises(KeyProblem, match=f"'{key_id}' in the key ring is not"):
        check_fingerprint(session, same_name)
    with database.writing() as session, pytest.raises(KeyProblem, match=f"sealed with the key '{key_id}'"):
        check_fingerprint(session, KeyRing.parse(new_key_line()))
    with database.writing() as session:
        check_fingerprint(session, KeyRing.parse(f"{new_key_line()}\n{right}"))
