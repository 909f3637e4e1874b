"""How usernames are compared: as a directory does, which ignores case and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import RowNotFound
from storage.names import Username, fold, parse_username, row_id, the_only

words = st.text(st.characters(blacklist_characters="\\@", blacklist_categories=("Cs", "Zs", "Cc")), min_size=1)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Jane", "jANE"), (" jane ", "jane"), ("ΝΙΚΟΣ", "νικος"), ("JÖRG", "jörg"), ("jo\u0308rg", "JÖRG"), ("ẞ", "ß")],
)
def test_case_and_the_way_an_accent_is_typed_make_no_difference(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("straße", "strasse"), ("ı", "i"), ("jörg", "jorg"), ("ﬁ", "fi")])
def test_different_letters_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(words, words)
def test_a_username_comes_apart_the_way_it_was_put_together(domain: str, name: str) -> None:
    whole = f"{domain}\\{name}"
    assert parse_username(whole) == Username(fold(whole), fold(name), fold(domain))
    whole = f"{name}@{domain}"
    assert parse_username(whole) == Username(fold(whole), fold(name), fold(domain))
    assert parse_username(name) == Username(fold(name), fold(name), None)


@given(st.text())
def test_anything_can_be_taken_apart(text: str) -> None:
    parsed = parse_username(text)
    assert parsed.name in parsed.whole


def test_a_number_may_be_an_id_and_nothing_else_may() -> None:
    assert [row_id(text) for text in ("7", " 7 ", 7, "-7", "٣", "seven", "", "9" * 12)] == [7, 7, 7] + [None] * 5


def test_a_name_that_fits_several_rows_is_answered_with_their_ids() -> None:
    with pytest.raises(RowNotFound, match=r"3 \(CORP\\jane\), 9 \(LAB\\jane\)"):
        the_only([(3, "CORP\\jane", "a"), (9, "LAB\\jane", "b")], "account", "jane")
    with pytest.raises(RowNotFound, match="no account 'joe'"):
        the_only([], "account", "joe")
