"""The window with all matches of an organization, the one for choosing a record, and the one with its ignore rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from slack_sdk.models.blocks import (
    CheckboxesElement,
    ExternalDataSelectElement,
    InputBlock,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    StaticSelectElement,
)

from blocks import ids, matches, parts
from blocks.parts import Block, Element, escape
from bot.errors import BadInput
from bot.matching.overview import WINDOW_ROWS, Page, RuleShown, Shown, Unit, Window
from bot.matching.suggesting import Candidate
from storage.models import Tier

WINDOW, CHOOSING, RULES = "match.window", "match.choosing", "match.rules"
"""The three views."""
SHOW, TIER, ENABLED, UNIT, SEARCH = "match.show", "match.tier", "match.enabled", "match.unit", "match.search"
TICK, TICK_ALL, UNTICK, TURN = "match.tick", "match.tick_all", "match.untick", "match.turn"
TICK_PATTERN = re.compile(rf"{re.escape(TICK)}:\d+")
RECORD = "match.record"
RULES_OPEN, RULES_TURN = "ignore_rule.show", "ignore_rule.turn"
RULE_ADD, RULE_REMOVE, RULE_UNIT = "ignore_rule.add", "ignore_rule.remove", "ignore_rule.unit"

EVERY_UNIT = "0.0"
RULES_PAGE = 10
TEXT_MOST = 100
CHOSEN_MOST = WINDOW_ROWS
"""So many accounts can be given one record at once: those of a page."""

_FORGED = "This view carries something Rekey did not put there. Nothing was changed."
_SHOWS = {
    "unmatched": "All unmatched",
    "suggested": "Suggested",
    "several": "Several possible",
    "none": "No match",
    "matched": "Matched",
    "ignored": "Ignored",
    "all": "Every account",
}
_ANY = "any"
_TIERS = {_ANY: "Any tier", **{tier.value: tier.value.capitalize() for tier in Tier}}
_ENABLED = {_ANY: "Enabled or not", "yes": "Enabled", "no": "Disabled"}
_OFFERED = {
    "unmatched": (matches.APPROVE, matches.CHOOSE, matches.CREATE_RECORD, matches.IGNORE),
    "suggested": (matches.APPROVE, matches.CHOOSE, matches.IGNORE),
    "several": (matches.CHOOSE, matches.CREATE_RECORD, matches.IGNORE),
    "none": (matches.CHOOSE, matches.CREATE_RECORD, matches.IGNORE),
    "matched": (matches.REOPEN, matches.CHOOSE, matches.IGNORE),
    "ignored": (matches.REOPEN, matches.CHOOSE, matches.CREATE_RECORD),
    "all": (matches.APPROVE, matches.CHOOSE, matches.CREATE_RECORD, matches.IGNORE, matches.REOPEN),
}
_ON_BUTTONS = {
    matches.APPROVE: "Approve",
    matches.CHOOSE: "Choose a record…",
    matches.CREATE_RECORD: "Create records",
    matches.IGNORE: "Ignore",
    matches.REOPEN: "Reopen",
}
_FILTERS, _TEXT, _CHOICE, _RULE = "filters", "text", "record", "unit"
RECORD_FIELD, UNIT_FIELD = _CHOICE, _RULE


# ---- the window with all matches ------------------------------------------------------------------------------------


def window(page: Page, operator: str) -> dict[str, Any]:
    """The window, as this person looks at it."""
    blocks = [parts.section(f"*{escape(page.organization, 100)}*\n{matches.counted(page.counts)}")]
    if page.told:
        blocks += [parts.divider(), parts.section("\n".join(page.told)), parts.divider()]
    blocks += [parts.actions(*_filters(page), block_id=_FILTERS), _search(page.window)]
    for row in page.rows:
        blocks.append(parts.section(matches.described(row), None if page.window.all else _tick(row)))
    if not page.rows:
        blocks.append(parts.section("Nothing fits this choice. Another one may: see above."))
    blocks += _bar(page)
    blocks += parts.paging(TURN, page.window.page, page.pages)
    return parts.modal(
        "Matches",
        blocks,
        callback_id=WINDOW,
        submit="Search",
        memo=parts.memo_for(operator, page.organization_id, window=asdict(page.window)),
    )


def window_of(view: Mapping[str, Any]) -> Window:
    """What the person looks at, with what they have chosen and typed since. `BadInput` for what Rekey did not draw."""
    before = window_beneath(view)
    if before is None:
        raise BadInput(_FORGED)
    values = view.get("state", {}).get("values", {})
    filters = values.get(_FILTERS, {})
    show, tier, enabled, unit = (_chosen(filters.get(name)) for name in (SHOW, TIER, ENABLED, UNIT))
    typed = (values.get(_TEXT, {}).get(SEARCH) or {}).get("value") or ""
    after = replace(
        before,
        show=before.show if show is None else show,
        tier=before.tier if tier is None else tier.removeprefix(_ANY),
        enabled=before.enabled if enabled is None else enabled.removeprefix(_ANY),
        unit=before.unit if unit is None else unit.removeprefix(EVERY_UNIT),
        text=str(typed)[:TEXT_MOST],
    )
    return after if after == before else replace(after, page=1, all=False)


def window_beneath(view: Mapping[str, Any]) -> Window | None:
    """The window as it was drawn, which a view on top of it remembers too; None where there is none."""
    kept = parts.memo_of(view).get("window")
    if kept is None:
        return None
    names = {each.name: type(each.default) for each in fields(Window)}
    if not isinstance(kept, dict) or any(type(value) is not names.get(name) for name, value in kept.items()):
        raise BadInput(_FORGED)
    return Window(**kept)


def ticked(view: Mapping[str, Any]) -> dict[int, int]:
    """Match id → the version that was shown, of every row that is ticked."""
    found: dict[int, int] = {}
    for elements in view.get("state", {}).get("values", {}).values():
        for action_id, state in elements.items():
            if action_id.partition(":")[0] == TICK:
                found.update(ids.read_value(option.get("value")) for option in state.get("selected_options") or ())
    return found


def unit_options(units: Sequence[Unit], *, every: bool) -> list[Element]:
    """What the menu of organizational units offers."""
    offered = [parts.option("Every OU", EVERY_UNIT)] if every else []
    offered += [parts.option(_end(unit.name), unit.value, parts.count(unit.accounts, "account")) for unit in units]
    return offered[:100]


def _filters(page: Page) -> list[Element]:
    chosen = page.window
    unit = ExternalDataSelectElement(
        action_id=UNIT,
        placeholder=PlainTextObject(text="Any OU"),
        min_query_length=0,
        initial_option=Option(value=chosen.unit, text=PlainTextObject(text=_end(page.unit))) if page.unit else None,
    )
    return [
        _menu(SHOW, "Which", _SHOWS, chosen.show),
        _menu(TIER, "Tier", _TIERS, chosen.tier or _ANY),
        _menu(ENABLED, "Enabled", _ENABLED, chosen.enabled or _ANY),
        unit.to_dict(),
    ]


def _menu(action_id: str, placeholder: str, texts: Mapping[str, str], chosen: str) -> Element:
    options = {value: Option(value=value, text=PlainTextObject(text=text)) for value, text in texts.items()}
    return StaticSelectElement(
        action_id=action_id,
        placeholder=PlainTextObject(text=placeholder),
        options=list(options.values()),
        initial_option=options.get(chosen),
    ).to_dict()


def _search(chosen: Window) -> Block:
    typed = PlainTextInputElement(
        action_id=SEARCH,
        placeholder=PlainTextObject(text="Part of a username, a name, an address, or a record"),
        initial_value=chosen.text or None,
        max_length=TEXT_MOST,
    )
    return InputBlock(block_id=_TEXT, label=PlainTextObject(text="Search"), element=typed, optional=True).to_dict()


def _tick(row: Shown) -> Element:
    box = Option(value=ids.value(row.match_id, row.version), text=PlainTextObject(text="Tick"))
    return CheckboxesElement(action_id=f"{TICK}:{row.match_id}", options=[box]).to_dict()


def _bar(page: Page) -> list[Block]:
    if not page.rows:
        return [parts.actions(_rules_button(page))]
    offered = _OFFERED.get(page.window.show, ())
    if not page.window.all:
        buttons = [_decide(page, action_id, "") for action_id in offered]
        more = []
        if page.found > len(page.rows):
            value = ids.value(page.organization_id, page.found)
            more = [parts.button(f"Tick all {page.found:,}", TICK_ALL, value)]
        return [parts.actions(*buttons), parts.actions(*more, _rules_button(page))]
    every = f"all {page.found:,}"
    buttons = [_decide(page, action_id, every) for action_id in offered if action_id != matches.CHOOSE]
    untick = parts.button("Untick", UNTICK, ids.value(page.organization_id))
    return [
        parts.section(f"*{parts.count(page.found, 'account is', 'accounts are')} ticked*, on every page."),
        parts.actions(*buttons, untick),
    ]


def _decide(page: Page, action_id: str, every: str) -> Element:
    text = _ON_BUTTONS[action_id]
    question = None
    if every:
        question = parts.confirm(
            f"{text}: {every}?", f"This is done to {every} accounts that fit the choice, on every page.", text
        )
    elif action_id == matches.CREATE_RECORD:
        question = matches.create_confirm("each account that is ticked")
    style = "primary" if action_id == matches.APPROVE else None
    shown = f"{text} {every}" if every else text
    return parts.button(shown, action_id, ids.value(page.organization_id, page.found), style=style, confirm=question)


def _rules_button(page: Page) -> Element:
    return parts.button(f"Ignore rules… ({page.rules:,})", RULES_OPEN, ids.value(page.organization_id))


# ---- choosing a record -----------------------------------------------------------------------------------------------


def choosing(
    rows: Sequence[Shown], operator: str, organization_id: int, window: Window | None = None
) -> dict[str, Any]:
    """Choose any record for these accounts (those of a page at most); `window`: the one beneath."""
    shown = rows[:CHOSEN_MOST]
    blocks = [parts.section(matches.described(row)) for row in shown]
    menu = ExternalDataSelectElement(
        action_id=RECORD, placeholder=PlainTextObject(text="Search the records"), min_query_length=0
    )
    hint = "Type part of its name or username. What comes closest is offered first."
    blocks.append(
        InputBlock(
            block_id=_CHOICE,
            label=PlainTextObject(text="Record"),
            element=menu,
            hint=PlainTextObject(text=hint),
        ).to_dict()
    )
    if len(shown) > 1:
        blocks.append(parts.context("All of them will get the same password. That takes an administrator."))
    chosen = [[row.match_id, row.version] for row in shown]
    memo = parts.memo_for(operator, organization_id, matches=chosen, window=asdict(window) if window else None)
    return parts.modal("Choose a record", blocks, callback_id=CHOOSING, submit="Approve", memo=memo)


def chosen_matches(view: Mapping[str, Any]) -> dict[int, int]:
    """The matches a record is being chosen for: id → the version that was shown. `BadInput` for anything else."""
    kept = parts.memo_of(view).get("matches")
    if not isinstance(kept, list) or not all(_is_pair(each) for each in kept) or not 0 < len(kept) <= CHOSEN_MOST:
        raise BadInput(_FORGED)
    return dict(kept)


def chosen_option(view: Mapping[str, Any], field: str) -> str | None:
    """The value of the option chosen in the input `RECORD_FIELD` or `UNIT_FIELD`."""
    elements = view.get("state", {}).get("values", {}).get(field, {})
    return next((_chosen(state) for state in elements.values()), None)


def record_options(candidates: Sequence[Candidate]) -> list[Element]:
    """What the menu of records offers, the closest first; each with its username, or what speaks against it."""
    return [
        parts.option(each.name, ids.value(each.record_id), each.note or each.username or None)
        for each in candidates[:100]
    ]


def said(title: str, sentences: Sequence[str], operator: str, organization_id: int) -> dict[str, Any]:
    """What became of it, in a window of its own."""
    return parts.modal(title, [parts.section("\n".join(sentences))], memo=parts.memo_for(operator, organization_id))


# ---- ignore rules ----------------------------------------------------------------------------------------------------


def rules(
    shown: Sequence[RuleShown],
    operator: str,
    organization_id: int,
    page: int = 1,
    told: Sequence[str] = (),
    window: Window | None = None,
) -> dict[str, Any]:
    """An organization's ignore rules, and a new one; `window`: the one beneath."""
    page, pages, first = parts.page_of(len(shown), RULES_PAGE, page)
    about = (
        "Whoever lives in one of these organizational units, or joins it later, is left alone: not suggested, not "
        "counted. Privileged and break-glass accounts never are, and what somebody decided stays."
    )
    blocks = [parts.section("\n".join(told))] if told else []
    blocks.append(parts.section(about))
    for each in shown[first : first + RULES_PAGE]:
        question = parts.confirm(
            "Take the rule back?", f"Accounts in {escape(each.rule.ou, 120)} come up again, as they stand.", "Take back"
        )
        remove = parts.button("Take back", RULE_REMOVE, ids.value(each.rule.id), confirm=question)
        remove["accessibility_label"] = parts.clean(f"Take back {each.rule.ou}", 75)
        by = f"{parts.person(each.rule.created_by)} {parts.moment(each.rule.created_at)}"
        text = f"*{escape(each.rule.ou, 255)}*\n{parts.count(each.ignored, 'account')} ignored there  ·  by {by}"
        blocks.append(parts.section(text, remove))
    if not shown:
        blocks.append(parts.section("There is none yet."))
    blocks += parts.paging(RULES_TURN, page, pages)
    menu = ExternalDataSelectElement(
        action_id=RULE_UNIT, placeholder=PlainTextObject(text="Search the OUs"), min_query_length=0
    )
    blocks.append(InputBlock(block_id=_RULE, label=PlainTextObject(text="Ignore everybody in"), element=menu).to_dict())
    memo = parts.memo_for(operator, organization_id, window=asdict(window) if window else None)
    return parts.modal("Ignore rules", blocks, callback_id=RULES, submit="Ignore this OU", memo=memo)


# ---- reading ---------------------------------------------------------------------------------------------------------


def _chosen(state: Mapping[str, Any] | None) -> str | None:
    option = (state or {}).get("selected_option") or {}
    return option.get("value")


def _is_pair(each: object) -> bool:
    return isinstance(each, list) and len(each) == 2 and all(type(number) is int for number in each)


def _end(unit: str) -> str:
    """A unit as a menu shows it: where it is too long, its end tells it from others."""
    cleaned = parts.clean(unit, 255)
    return cleaned if len(cleaned) <= 75 else f"…{cleaned[-74:]}"
