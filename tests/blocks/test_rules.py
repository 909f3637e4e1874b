"""The windows of rules, whatever they hold, are what Slack takes; the form reads back what it shows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import parts, rule_form, rules
from blocks.rules import Ruled
from bot.demo.slack.validation import check
from bot.passwords import PasswordPolicy, generate
from bot.rules import checked, policy_of, values_of
from bot.strictness import Held, Unread, Wants, raised
from storage.models import Rule
from tests.blocks.test_home import MANY, NAMES

MEMO = parts.memo_for("U1", None, whose=0, version=1)
SCHEDULES: tuple[dict[str, Any], ...] = (
    {},
    {"scheduled": True, "every_days": 90, "tiers": ["shared", "privileged"]},
    {"scheduled": True, "weekdays": ["mon", "thu"], "windows": ["mon-fri 22:00-04:00"], "tiers": ["person"]},
    {"scheduled": True, "month_day": 31, "blackouts": ["12-24..01-02"], "at": "23:15", "notice_hours": 0},
    {"words": 5, "length": 30, "symbols": None, "unambiguous": False},
    {"symbols": "", "symbol": False, "enabled": False, "spread": False, "manual_restarts": False},
)


def rule(**values: Any) -> Rule:
    return Rule(scope="global", **checked(values))


def held(name: str, many: int) -> Held:
    policy = PasswordPolicy(length=24, classes=3, sources=(f"The policy of {name} asks for 24.",))
    wants = tuple(Wants(name, name, policy) for _ in range(many))
    return Held(2 * many, wants, tuple(Unread(name, name, f"{name} may not be read.") for _ in range(many)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("many", MANY)
def test_slack_takes_the_list_and_the_deletion_whatever_is_on_them(name: str, many: int) -> None:
    shown = Ruled(rule(**SCHEDULES[2]), 7, name, many)
    own = [shown] * min(many, 200)
    check(rules.rules(shown, own, MEMO, page=many, told=f"✅ {parts.escape(name)}"))
    check(rules.rules(shown, [], parts.memo_for("U1", 7), here=(7, name)))
    check(rules.deletion(shown, rule(), MEMO, told="Somebody was first."))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", SCHEDULES)
def test_slack_takes_the_form_and_it_reads_back_what_it_shows(name: str, values: dict[str, Any]) -> None:
    entered = rule_form.entered_of(values_of(rule(**values)))
    for many in MANY:
        view = rule_form.form(name, entered, policy_of(rule(**values)), held(name, many), MEMO, told="It changed.")
        check(view)
    check(rule_form.form(name, {**entered, "length": "many", "at": ""}, None, None, MEMO))
    assert checked(rule_form.values_of(entered)) == checked(values) | rule_form.values_of(entered)
    assert rule_form.read({**view, "state": {"values": _state(view)}}, entered) == entered


def test_what_the_form_does_not_show_is_kept_as_it_was_typed() -> None:
    entered = rule_form.entered_of(values_of(rule(**SCHEDULES[2])))
    hidden = rule_form.form("x", {**entered, "cadence": "never"}, None, None, MEMO)
    fresh = rule_form.entered_of(values_of(rule()))
    again = rule_form.read({**hidden, "state": {"values": _state(hidden)}}, fresh)
    assert again == {**entered, "cadence": "never"}


@given(st.integers(8, 120), st.lists(st.sampled_from(["uppercase", "number", "symbol"])), st.integers(0, 4))
def test_a_raised_rule_is_as_strict_as_what_it_was_raised_to(length: int, demanded: list[str], classes: int) -> None:
    flags: dict[str, Any] = dict.fromkeys(demanded, True)
    wants = PasswordPolicy(length=length, classes=classes, **flags)
    weak = values_of(rule(length=8, uppercase=False, lowercase=False, number=False, symbol=False, symbols=""))
    strong = policy_of(Rule(scope="global", **checked(raised(weak, [Wants("Acme", "ad", wants)]))))
    assert strong.length >= length
    assert all(getattr(strong, name) for name in demanded)
    assert sum((strong.uppercase, strong.lowercase, strong.number, strong.symbol)) >= classes


@given(st.integers(8, 60), st.none() | st.integers(3, 8), st.sampled_from([None, "", "!#"]))
def test_a_shape_is_never_a_real_password_and_always_the_same(
    length: int, words: int | None, symbols: str | None
) -> None:
    policy = PasswordPolicy(length=length, words=words, symbols=symbols, number=True)
    shape = rule_form.shape(policy)
    assert shape == rule_form.shape(policy)
    assert set(shape.partition("…")[0]) <= set("Xx9-!#")
    assert shape != generate(policy).get_secret_value()


def _state(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What Slack sends back when nobody typed anything."""
    found: dict[str, dict[str, Any]] = {}
    slots = {"number_input": "value", "plain_text_input": "value", "timepicker": "selected_time"}
    for block in view["blocks"]:
        if block["type"] == "input":
            element = block["element"]
            kind = element["type"]
            if kind == "checkboxes":
                state: dict[str, Any] = {"selected_options": element.get("initial_options", [])}
            elif kind == "static_select":
                state = {"selected_option": element["initial_option"]}
            else:
                state = {slots[kind]: element.get(f"initial_{'time' if kind == 'timepicker' else 'value'}")}
            found[block["block_id"]] = {element["action_id"]: {"type": kind, **state}}
    return found
