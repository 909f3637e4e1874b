"""Promises of `bot.rules`: which rule holds, what it demands, and what nobody can set."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from bot.errors import BadInput
from bot.passwords import AMBIGUOUS, SYMBOLS, PasswordPolicy, generate, shortcomings
from bot.rules import FEWEST_WORDS, at_least_as_strict, checked, policy_of, rule_for, set_global_rule
from storage.database import Database
from storage.models import Organization, Rule
from storage.rules import GLOBAL

flags = some.booleans()
values = some.fixed_dictionaries(
    {},
    optional={
        "length": some.integers(8, 120),
        "uppercase": flags,
        "lowercase": flags,
        "number": flags,
        "symbol": flags,
        "unambiguous": flags,
        "words": some.none() | some.integers(FEWEST_WORDS, 17),
    },
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'rekey.db'}")
    database.migrate()
    return database


def organization(database: Database, name: str = "Acme") -> Organization:
    with database.writing() as session:
        row = Organization(name=name, name_key=name.casefold())
        session.add(row)
    return row


def test_there_is_a_rule_before_anybody_made_one(database: Database) -> None:
    acme = organization(database)
    with database.reading() as session:
        rule = rule_for(session, acme)
    assert (rule.scope, rule.length) == (GLOBAL, 20)
    assert generate(policy_of(rule)).get_secret_value()


def test_an_organizations_rule_overrides_the_one_for_everybody_as_a_whole(database: Database) -> None:
    acme, other = organization(database), organization(database, "Other")
    with database.writing() as session:
        set_global_rule(session, {"length": 30})
        session.add(Rule(scope=acme.uid, organization_id=acme.id, length=12, symbol=False))
    with database.reading() as session:
        assert rule_for(session, acme).length == 12
        assert rule_for(session, other).length == 30
        assert policy_of(rule_for(session, acme)).sources[0].startswith("The organization's rule asks for at least 12")
        assert policy_of(rule_for(session, other)).sources[0].startswith("The rule for everybody asks for at least 30")


def test_setting_the_same_rule_again_changes_nothing(database: Database) -> None:
    with database.writing() as session:
        assert set_global_rule(session, {}) is False
        assert set_global_rule(session, {"length": 24, "words": 5}) is True
    with database.writing() as session:
        assert set_global_rule(session, {"length": 24, "words": 5}) is False
        version = rule_for(session, Organization(name="Any", name_key="any")).version
        assert set_global_rule(session, {"length": 24}) is True  # what is left out gets its default again
        rule = rule_for(session, Organization(name="Any", name_key="any"))
        assert (rule.words, rule.version) == (None, version + 1)


def test_a_rule_that_is_refused_leaves_the_old_one(database: Database) -> None:
    with database.writing() as session:
        set_global_rule(session, {"length": 24})
        with pytest.raises(BadInput):
            set_global_rule(session, {"symbol": False, "length": 7})
    with database.reading() as session:
        rule = rule_for(session, Organization(name="Any", name_key="any"))
        assert (rule.length, rule.symbol) == (24, True)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"length": 7}, "rule.length: write a whole number from 8 to 127."),
        ({"length": 128}, "rule.length: write a whole number from 8 to 127."),
        ({"length": 121, "words": 5}, "rule.length: write a whole number from 8 to 120 for passphrases."),
        ({"length": "20"}, "rule.length: write a whole number from 8 to 127."),
        ({"length": True}, "rule.length: write a whole number from 8 to 127."),
        ({"length": 20.0}, "rule.length: write a whole number from 8 to 127."),
        ({"length": None}, "rule.length: write a whole number from 8 to 127."),
        ({"symbol": "yes"}, "rule.symbol: write true or false."),
        ({"uppercase": None}, "rule.uppercase: write true or false."),
        ({"words": 2}, "rule.words: write a whole number from 3 to 17"),
        ({"words": 18}, "rule.words: write a whole number from 3 to 17"),
        ({"words": False}, "rule.words: write a whole number from 3 to 17"),
        ({"lenght": 20}, "rule.lenght: a rule has no such field. It may have: length, "),
    ],
)
def test_what_no_rule_may_say_is_refused_by_field(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        checked(wrong)
    assert str(caught.value).startswith(sentence)


@given(values)
@settings(max_examples=150, deadline=None)
def test_every_rule_that_is_accepted_can_be_met(given_values: dict[str, object]) -> None:
    policy = policy_of(Rule(scope=GLOBAL, **checked(given_values)))
    assert shortcomings(generate(policy).get_secret_value(), policy) == []


@given(values, some.text(alphabet=SYMBOLS, max_size=6))
@settings(max_examples=100, deadline=None)
def test_only_the_symbols_a_rule_allows_are_used_and_one_that_leaves_none_is_refused(
    given_values: dict[str, object], symbols: str
) -> None:
    usable = set(symbols) - (set(AMBIGUOUS) if given_values.get("unambiguous", True) else set())
    if not usable and given_values.get("symbol", True):
        with pytest.raises(BadInput, match=r"rule\.symbols: "):
            checked({**given_values, "symbols": symbols})
        return
    rule = Rule(scope=GLOBAL, **checked({**given_values, "symbols": symbols}))
    password = generate(policy_of(rule)).get_secret_value()
    assert {each for each in password if not each.isalnum()} <= set(symbols)
    assert shortcomings(f"{password}~" if "~" not in symbols else "", policy_of(rule)) != []


@pytest.mark.parametrize(
    ("policy", "than", "verdict"),
    [
        (PasswordPolicy(length=20), PasswordPolicy(length=14), True),
        (PasswordPolicy(length=14), PasswordPolicy(length=20), False),
        (PasswordPolicy(uppercase=True, lowercase=True, number=True), PasswordPolicy(classes=3), True),
        (PasswordPolicy(uppercase=True, lowercase=True), PasswordPolicy(classes=3), False),
        (PasswordPolicy(classes=4), PasswordPolicy(symbol=True), False),
        (PasswordPolicy(length=8), PasswordPolicy(forbidden=("alice",)), False),
        (PasswordPolicy(forbidden=("alice", "bob")), PasswordPolicy(forbidden=("bob",), sources=("why",)), True),
        (PasswordPolicy(), PasswordPolicy(unambiguous=True), False),
        (PasswordPolicy(), PasswordPolicy(words=5), True),
    ],
)
def test_one_policy_is_as_strict_as_another_when_it_demands_no_less(
    policy: PasswordPolicy, than: PasswordPolicy, verdict: bool
) -> None:
    assert at_least_as_strict(policy, than) is verdict
