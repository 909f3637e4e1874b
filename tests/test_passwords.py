"""Promises of `bot.passwords`: what is generated satisfies what was demanded, whatever was demanded."""

import json
import math
import string
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from bot.errors import BadInput
from bot.passwords import (
    AMBIGUOUS,
    LONGEST,
    LONGEST_PASSPHRASE,
    MOST_WORDS,
    SHORTEST,
    SYMBOLS,
    PasswordPolicy,
    generate,
    name_parts,
    shortcomings,
    strictest,
    word_list,
)

ENTRA_ALLOWS = set(string.ascii_letters + string.digits + " @#$%^&*-_!+=[]{}|\\:',.?/`~\"();<>")
WINDOWS_SYMBOLS = set("~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/")

names = some.text(string.ascii_letters + string.digits + "ßÄé.-_' ", min_size=3, max_size=20)
flags = some.booleans()
policies = some.builds(
    PasswordPolicy,
    length=some.integers(0, LONGEST_PASSPHRASE),
    uppercase=flags,
    lowercase=flags,
    number=flags,
    symbol=flags,
    classes=some.integers(0, 4),
    forbidden=some.lists(names, max_size=4).map(lambda found: tuple(name.casefold() for name in found)),
    unambiguous=flags,
    words=some.none() | some.integers(1, MOST_WORDS),
    sources=some.lists(some.text(max_size=30), max_size=2).map(tuple),
)


@given(policies)
@settings(max_examples=400, deadline=None)
@example(PasswordPolicy(length=LONGEST, uppercase=True, lowercase=True, number=True, symbol=True, unambiguous=True))
@example(PasswordPolicy(length=LONGEST_PASSPHRASE, words=MOST_WORDS, number=True, symbol=True, unambiguous=True))
@example(PasswordPolicy(words=4, forbidden=("-",), length=8))
def test_what_is_generated_satisfies_the_policy_it_was_made_for(policy: PasswordPolicy) -> None:
    try:
        password = generate(policy).get_secret_value()
    except BadInput:
        assert policy.forbidden, "without forbidden words every policy up to its longest can be met"
        return
    assert shortcomings(password, policy) == []
    assert max(policy.length, SHORTEST) <= len(password) <= LONGEST
    assert set(password) <= ENTRA_ALLOWS
    assert not set(password) & set(" \"'\\`")


@given(policies)
@settings(max_examples=200, deadline=None)
def test_a_policy_travels_through_json_unchanged(policy: PasswordPolicy) -> None:
    assert PasswordPolicy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


@given(some.lists(policies, max_size=4), some.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_what_satisfies_the_strictest_satisfies_each(several: list[PasswordPolicy], password: str) -> None:
    together = strictest(*several)
    if not shortcomings(password, together):
        # the passphrase style lets look-alike letters stand in words; only a style decides that, never another demand
        assert all(not shortcomings(password, policy) for policy in several if policy.words == together.words)
    assert strictest(together, *several) == together


@given(names, some.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_part_of_the_name_is_found_in_a_generated_password(username: str, display_name: str) -> None:
    parts = name_parts(username, display_name)
    password = generate(PasswordPolicy(length=20, forbidden=parts)).get_secret_value().casefold()
    assert not [part for part in parts if part in password]


def test_name_parts_are_split_as_windows_splits_them() -> None:
    assert name_parts("ab", None) == ()
    assert name_parts("svc-backup.01", "") == ("svc-backup.01",)
    assert name_parts("ALICE", "O'Brien, Alice_M.Jo-Anne #42 XY\tTabbed") == ("alice", "o'brien", "anne", "tabbed")


def test_a_name_is_refused_in_any_case_and_anywhere() -> None:
    policy = PasswordPolicy(forbidden=name_parts("alice", "Alice Weiß"))
    for password in ("xxALICExx", "alice", "12weiss34", "12WEISS34"):
        assert shortcomings(password, policy) == [
            "It contains part of the account's name, or another word that is not allowed."
        ]
    assert shortcomings("Al1ce-We1", policy) == []


@pytest.mark.parametrize(
    ("policy", "password", "sentence"),
    [
        (PasswordPolicy(length=8), "short", "It has fewer than 8 characters."),
        (PasswordPolicy(uppercase=True), "lower", "It has to contain an upper-case letter."),
        (PasswordPolicy(lowercase=True), "UPPER", "It has to contain a lower-case letter."),
        (PasswordPolicy(number=True), "letters", "It has to contain a number."),
        (PasswordPolicy(symbol=True), "letters1", "It has to contain a symbol."),
        (PasswordPolicy(classes=3), "letters1", "It uses fewer than 3 kinds of characters."),
        (PasswordPolicy(unambiguous=True), "wor1d", "It contains a character that is easily mistaken for another one."),
    ],
)
def test_each_demand_has_its_sentence(policy: PasswordPolicy, password: str, sentence: str) -> None:
    assert shortcomings(password, policy) == [sentence]


def test_a_shortcoming_never_quotes_the_password() -> None:
    policy = PasswordPolicy(length=50, uppercase=True, number=True, symbol=True, classes=4, forbidden=("zebra",))
    found = shortcomings("zebra", policy)
    assert len(found) == 6
    assert not [sentence for sentence in found if "zebra" in sentence]


def test_letters_without_case_are_a_class_of_their_own() -> None:
    assert shortcomings("密码aB", PasswordPolicy(classes=3)) == []
    assert shortcomings("密码", PasswordPolicy(classes=1, symbol=True)) == ["It has to contain a symbol."]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (PasswordPolicy(length=LONGEST + 1), "128 characters"),
        (PasswordPolicy(length=LONGEST_PASSPHRASE + 1, words=4), "121 characters"),
        (PasswordPolicy(words=MOST_WORDS + 1), f"{MOST_WORDS + 1} words"),
        (PasswordPolicy(classes=5), "5 kinds"),
        (PasswordPolicy(number=True, forbidden=tuple(string.digits)), "leave too little"),
        (PasswordPolicy(forbidden=tuple(string.ascii_lowercase + string.digits + SYMBOLS)), "leave too little"),
        (PasswordPolicy(words=4, forbidden=("a", "e", "i", "o", "u", "y")), "leave too little"),
        (PasswordPolicy(words=4, forbidden=("-",)), "leave too little"),
    ],
)
def test_a_demand_that_cannot_be_met_is_said_with_where_it_came_from(policy: PasswordPolicy, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        generate(strictest(policy, PasswordPolicy(sources=("The domain CORP asks for it.",))))
    assert str(caught.value).endswith("The domain CORP asks for it.")


def test_a_stored_policy_of_a_newer_rekey_is_refused_not_weakened() -> None:
    with pytest.raises(BadInput, match="novel_demand"):
        PasswordPolicy.from_json({"length": 20, "novel_demand": True})


def test_every_symbol_counts_as_one_in_both_directories() -> None:
    assert set(SYMBOLS) <= ENTRA_ALLOWS
    assert set(SYMBOLS) <= WINDOWS_SYMBOLS
    assert set(SYMBOLS) - set(AMBIGUOUS)


def test_every_position_and_character_is_equally_likely() -> None:
    drawn = Counter("".join(generate(PasswordPolicy(length=100)).get_secret_value() for _ in range(600)))
    alphabet = string.ascii_letters + string.digits + SYMBOLS
    expected = 60_000 / len(alphabet)
    assert set(drawn) == set(alphabet)
    # chi-squared with 88 degrees of freedom: above 170 once in two million runs
    assert sum((drawn[each] - expected) ** 2 / expected for each in alphabet) < 170


def test_a_passphrase_is_no_easier_to_guess_than_the_random_style() -> None:
    for length in (8, 14, 20, 64):
        policy = PasswordPolicy(length=length, uppercase=True, lowercase=True, number=True, symbol=True, words=1)
        parts = generate(policy).get_secret_value().split("-")
        bits = (len(parts) - 1) * math.log2(len(word_list())) + 3 * math.log2(10)
        assert bits >= min(128.0, length * math.log2(len(string.ascii_letters + string.digits + SYMBOLS)))


def test_the_word_list_is_plain_and_without_doubles() -> None:
    words = word_list()
    assert len(words) == len(set(words)) == 2048
    assert all(word.isascii() and word.isalpha() and word.islower() and 4 <= len(word) <= 6 for word in words)


def test_a_generated_password_does_not_print_itself() -> None:
    password = generate(PasswordPolicy(length=20))
    assert password.get_secret_value() not in f"{password} {password!r}"
