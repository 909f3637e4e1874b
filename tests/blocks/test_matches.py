"""The card and the windows of matches: whatever is in them, Slack takes them, and they say what is true."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from blocks import ids, match_window, matches
from bot.demo.slack.validation import validate
from bot.errors import BadInput
from bot.matching.overview import CARD_ROWS, SHOWS, WINDOW_ROWS, Card, Page, Read, RuleShown, Shown, Unit, Window
from bot.matching.review import Outcome
from bot.matching.suggesting import Candidate
from storage.models import IgnoreRule, MatchState, Tier

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = ("<!channel> <@U0123ABCD> *b* _i_ ~s~ `c` & <http://evil.example|x> \u202eolleh\u2066 a\u200bb 🎉 שלום " * 6)[
    :300
]
SIZES = (0, 1, 11, 10_000)
TEXTS = ("Jane Doe", HOSTILE, "&<>" * 100, "\u200b\u202e", "🎉" * 300)


def match(number: int, state: MatchState, text: str = "Jane Doe") -> Shown:
    decided = state in (MatchState.APPROVED, MatchState.IGNORED)
    return Shown(
        match_id=number + 1,
        version=3,
        domain=text if text != "Jane Doe" else "ACME",
        username=f"{text}{number}",
        display_name=text,
        tier=list(Tier)[number % len(Tier)],
        unit=text,
        state=state,
        record=text,
        candidates=(text,) * (number % 7),
        guard=text if number % 3 == 0 else "",
        gone=number % 4 == 0,
        decided_by="U0ALICE" if decided else None,
        decided_at=AT if decided else None,
    )


def card(number: int, text: str = "Jane Doe", states: Sequence[MatchState] = tuple(MatchState), **more: Any) -> Card:
    rows = tuple(match(each, states[each % len(states)], text) for each in range(min(number, CARD_ROWS)))
    counts = dict.fromkeys(MatchState, number)
    return Card(1, text, counts, rows, **{"offset": 0, "directories": (Read(text, AT, False, text),) * 7, **more})


def page(number: int, text: str = "Jane Doe", window: Window | None = None, **more: Any) -> Page:
    states = tuple(MatchState)
    rows = tuple(match(each, states[each % len(states)], text) for each in range(min(number, WINDOW_ROWS)))
    pages = max(1, -(-number // WINDOW_ROWS))
    return Page(window or Window(), 1, text, dict.fromkeys(MatchState, number), number, pages, rows, **more)


def rule(number: int, text: str) -> RuleShown:
    row = IgnoreRule(id=number + 1, organization_id=1, ou=text, ou_key="x", created_by="U0ALICE", created_at=AT)
    return RuleShown(row, number)


def buttons(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [element for block in blocks for element in block.get("elements", ())]
    rows += [block["accessory"] for block in blocks if "accessory" in block]
    return [each for each in rows if each["type"] == "button"]


def mrkdwn(node: Any) -> list[str]:
    """Every text in it that Slack formats."""
    if isinstance(node, dict):
        own = [node["text"]] if node.get("type") == "mrkdwn" else []
        return own + [text for each in node.values() for text in mrkdwn(each)]
    return [text for each in node for text in mrkdwn(each)] if isinstance(node, list | tuple) else []


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("state", MatchState)
def test_slack_takes_the_card_in_every_state(number: int, text: str, state: MatchState) -> None:
    for offset in (0, 8):
        drawn = matches.review_card(card(number, text, [state], offset=offset))
        assert validate({"text": drawn.text, "blocks": list(drawn.blocks)}) == []


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("show", SHOWS)
def test_slack_takes_the_window_in_every_state(number: int, text: str, show: str) -> None:
    for every in (False, True):
        chosen = Window(show=show, unit="17.2", tier="person", enabled="no", text=text[:100], page=1, all=every)
        told = tuple(matches.told_of_many([Outcome(1, False, text)] * min(number, 50), "approved"))
        view = match_window.window(page(number, text, chosen, unit=text, rules=number, told=told), "U0ALICE")
        assert validate(view) == []


@pytest.mark.parametrize("number", [1, 11, 10_000])
@pytest.mark.parametrize("text", TEXTS)
def test_slack_takes_the_other_windows_and_every_menu(number: int, text: str) -> None:
    rows = [match(each, MatchState.NONE, text) for each in range(min(number, 50))]
    assert validate(match_window.choosing(rows, "U0ALICE", 1, Window(text=text[:100]))) == []
    assert validate(match_window.rules([rule(each, text[:255]) for each in range(number)], "U0ALICE", 1, 2)) == []
    assert validate(match_window.said("Matches", [text], "U0ALICE", 1)) == []
    options = match_window.record_options([Candidate(each, text, text, 90, text) for each in range(min(number, 300))])
    options = options or match_window.unit_options([Unit(f"{each}.1", text, 5) for each in range(number)], every=True)
    for some in (options[:50], options[50:] or options[:1]):
        menu = {"type": "static_select", "action_id": "x", "options": some}
        assert validate([{"type": "actions", "elements": [menu]}]) == []
    assert len(match_window.unit_options([Unit(f"{each}.1", text, 5) for each in range(number)], every=True)) <= 100


def test_there_is_a_window_for_no_rule_at_all() -> None:
    view = match_window.rules([], "U0ALICE", 1)
    assert validate(view) == []
    assert "There is none yet." in json.dumps(view)


def test_hostile_text_mentions_nobody_and_shows_no_invisible_signs() -> None:
    drawn = matches.review_card(card(11, HOSTILE))
    view = match_window.window(page(11, HOSTILE), "U0ALICE")
    everything = json.dumps([drawn.text, drawn.blocks, view], ensure_ascii=False)
    assert not set(everything) & set("\u202e\u2066\u200b")
    formatted = [drawn.text, *mrkdwn([drawn.blocks, view])]
    assert len(formatted) > 20
    for text in formatted:
        assert "<!channel>" not in text
        assert "<@U0123ABCD>" not in text
        assert "<http" not in text


def test_a_button_carries_a_row_and_its_version_and_nothing_else() -> None:
    drawn = matches.review_card(card(10_000, offset=16))
    values = [each["value"] for each in buttons(list(drawn.blocks))]
    assert len(values) > 8
    assert all(ids.read_value(value) for value in values)


def test_every_row_can_be_told_from_the_others_by_ear() -> None:
    drawn = matches.review_card(card(11, states=[MatchState.SUGGESTED]))
    heard = [each["accessibility_label"] for each in buttons(list(drawn.blocks)) if "accessibility_label" in each]
    assert len(heard) == len(set(heard)) == 3 * CARD_ROWS
    assert "Approve ACME\\Jane Doe0" in heard


def test_decided_rows_say_who_and_when_and_can_be_reopened() -> None:
    drawn = matches.review_card(card(2, states=[MatchState.APPROVED, MatchState.IGNORED]))
    shown = json.dumps(drawn.blocks, ensure_ascii=False)
    stamp = f"<@U0ALICE> <!date^{int(AT.timestamp())}^"
    assert f"approved by {stamp}" in shown
    assert f"Ignored by {stamp}" in shown
    assert [each["text"]["text"] for each in buttons(list(drawn.blocks))].count("Reopen") == 2
    by_rule = replace(match(1, MatchState.IGNORED), decided_by=None, decided_at=None)
    assert "Ignored by an ignore rule" in matches.described(by_rule)


def test_paging_goes_on_after_what_is_still_open() -> None:
    rows = tuple(match(each, MatchState.SUGGESTED if each else MatchState.APPROVED) for each in range(CARD_ROWS))
    drawn = matches.review_card(replace(card(100), rows=rows, offset=16))
    turns = {each["action_id"]: each["value"] for each in buttons(list(drawn.blocks))}
    assert turns["match.card:back"] == "1.8"
    assert turns["match.card:on"] == "1.23"  # seven of the eight are still before it
    assert "17 to 23 of 300 to review" in json.dumps(drawn.blocks)


def test_nothing_to_review_and_nothing_known_read_differently() -> None:
    assert "No account is known yet" in json.dumps(matches.review_card(card(0)).blocks)
    done = replace(card(0), counts={**dict.fromkeys(MatchState, 0), MatchState.APPROVED: 3})
    assert "every account is matched or ignored" in json.dumps(matches.review_card(done).blocks)


def test_who_was_first_is_a_mention_and_a_time_of_the_reader() -> None:
    first = " by U0BOB at 2026-11-22 12:00 UTC"
    outcome = Outcome(1, False, f"CORP\\<!here> was approved meanwhile{first}. Look again.", first, "U0BOB", AT)
    told = matches.told(outcome)
    assert told.startswith("CORP\\&lt;!here&gt; was approved meanwhile by <@U0BOB> <!date^")
    forged = matches.told(Outcome(1, False, f"x{first} was approved"))
    assert "<@" not in forged


def test_the_window_reads_back_what_was_chosen_typed_and_ticked() -> None:
    view = match_window.window(page(11, window=Window(show="several", unit="17.2", page=2), unit="Staff"), "U0ALICE")
    assert match_window.window_of(view) == Window(show="several", unit="17.2", page=2)
    menus = {"match.show": "matched", "match.tier": "any", "match.enabled": "yes", "match.unit": "0.0"}
    state = {name: {"type": "static_select", "selected_option": {"value": value}} for name, value in menus.items()}
    view["state"] = {"values": {"filters": state, "text": {"match.search": {"value": "jane"}}}}
    assert match_window.window_of(view) == Window(show="matched", enabled="yes", text="jane", page=1)
    boxes = {"b1": {"match.tick:4": {"selected_options": [{"value": "4.3"}]}}, "b2": {"match.tick:5": {}}}
    view["state"]["values"] |= boxes
    assert match_window.ticked(view) == {4: 3}


@pytest.mark.parametrize(
    "memo",
    ["[]", "{}", '{"window": {"page": "1"}}', '{"window": {"page": true}}', '{"window": {"evil": 1}}', "not json"],
)
def test_a_forged_memo_is_refused_in_a_sentence(memo: str) -> None:
    with pytest.raises(BadInput, match="did not put there"):
        match_window.window_of({"private_metadata": memo})
    with pytest.raises(BadInput, match="did not put there"):
        match_window.chosen_matches({"private_metadata": memo})


@pytest.mark.parametrize("kept", [[], [[1, 2, 3]], [["1", 2]], [[True, 1]], [[1, 1]] * 11, {"1": 1}])
def test_forged_matches_are_refused_in_a_sentence(kept: object) -> None:
    with pytest.raises(BadInput, match="did not put there"):
        match_window.chosen_matches({"private_metadata": json.dumps({"matches": kept})})
