"""The form of a rule: drawn from what is in it, read back, and what it would lead to, live."""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

from slack_sdk.models.blocks import (
    CheckboxesElement,
    InputBlock,
    InputInteractiveElement,
    NumberInputElement,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    StaticSelectElement,
    TimePickerElement,
)
from slack_sdk.models.blocks.basic_components import DispatchActionConfig

from blocks import ids, parts
from blocks.parts import Block, escape
from bot.passwords import SYMBOLS, PasswordPolicy
from bot.schedule import WEEKDAYS
from bot.strictness import Held

SAVE = "rule.save"
LIVE, RAISE = "rule.live", "rule.raise"
MOST_NAMED = 3

NEVER, DAYS, WEEKLY, MONTHLY = "never", "days", "weekly", "monthly"
_CADENCES = {
    NEVER: "Never by itself",
    DAYS: "Every so many days",
    WEEKLY: "On days of the week",
    MONTHLY: "On a day of the month",
}
_FIELD_OF = {DAYS: "every_days", WEEKLY: "weekdays", MONTHLY: "month_day"}
_CLASSES = {
    "uppercase": "An upper-case letter",
    "lowercase": "A lower-case letter",
    "number": "A number",
    "symbol": "A symbol",
}
_TIERS = {
    "person": "People",
    "shared": "Shared accounts",
    "service": "Services",
    "privileged": "Privileged accounts",
}
_SWITCHES = {
    "spread": "Spread over the window, so that not all change at once",
    "manual_restarts": "A rotation somebody asks for restarts the period",
}

_HIDDEN = (*_FIELD_OF.values(), "at", "windows", "blackouts", "tiers", "switches", "notice_hours")
_KEPT_MOST = 2000

Entered = Mapping[str, Any]
"""What the form holds, by field: texts as typed, lists of what is ticked, `cadence` for which kind of days."""


def entered_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """A rule's values as the form shows them."""
    cadence = (
        next((kind for kind, field in _FIELD_OF.items() if values[field]), NEVER) if values["scheduled"] else NEVER
    )
    return {
        "enabled": values["enabled"],
        "length": str(values["length"]),
        "words": "" if values["words"] is None else str(values["words"]),
        "symbols": "" if values["symbols"] is None else values["symbols"] or "none",
        "classes": [name for name in _CLASSES if values[name]],
        "unambiguous": values["unambiguous"],
        "cadence": cadence,
        "every_days": str(values["every_days"] or 90),
        "weekdays": list(values["weekdays"]),
        "month_day": str(values["month_day"] or 1),
        "at": values["at"],
        "windows": "\n".join(values["windows"]),
        "blackouts": "\n".join(values["blackouts"]),
        "tiers": list(values["tiers"]),
        "switches": [name for name in _SWITCHES if values[name]],
        "notice_hours": str(values["notice_hours"]),
    }


def read(view: Mapping[str, Any], before: Entered) -> dict[str, Any]:
    """What the form holds now; what it does not show at the moment is as it was typed, or as `before` has it."""
    states: Mapping[str, Mapping[str, Any]] = view.get("state", {}).get("values", {})
    kept = parts.memo_of(view).get("kept") or {}
    found = dict(before) | {field: value for field, value in kept.items() if field in before}
    for block_id, elements in states.items():
        for state in elements.values():
            found |= _entered(block_id.partition("~")[0], state)
    return found


def _entered(field: str, state: Mapping[str, Any]) -> dict[str, Any]:
    if "selected_options" in state:
        chosen = [str(each["value"]) for each in state["selected_options"] or []]
        if field == "options":
            return {"enabled": "enabled" in chosen}
        if field == "classes":
            return {"classes": [each for each in chosen if each in _CLASSES], "unambiguous": "unambiguous" in chosen}
        return {field: chosen}
    if "selected_option" in state:
        return {field: str((state["selected_option"] or {}).get("value") or NEVER)}
    if "selected_time" in state:
        return {field: str(state["selected_time"] or "")}
    return {field: str(state.get("value") or "").strip()}


def values_of(entered: Entered) -> dict[str, Any]:
    """The rule's values, for `bot.rules.checked`, which says what does not fit: what is no number stays as typed."""
    cadence, symbols = entered["cadence"], entered["symbols"]
    chosen: dict[str, Any] = {"every_days": None, "month_day": None, "weekdays": []}
    if cadence in _FIELD_OF:
        field = _FIELD_OF[cadence]
        chosen[field] = entered[field] if field == "weekdays" else _number(entered[field])
    return {
        "enabled": bool(entered["enabled"]),
        "length": _number(entered["length"]),
        "words": _number(entered["words"]) if entered["words"] else None,
        "symbols": None if not symbols else "" if symbols.lower() == "none" else symbols,
        **{name: name in entered["classes"] for name in _CLASSES},
        "unambiguous": bool(entered["unambiguous"]),
        "scheduled": cadence != NEVER,
        **chosen,
        "at": entered["at"],
        "windows": _lines(entered["windows"]),
        "blackouts": _lines(entered["blackouts"]),
        "tiers": list(entered["tiers"]),
        **{name: name in entered["switches"] for name in _SWITCHES},
        "notice_hours": _number(entered["notice_hours"]),
    }


def field_of(name: str, entered: Entered) -> str:
    """The field of the form that a value of the rule is entered in."""
    if name in _CLASSES or name == "unambiguous":
        return "classes"
    if name in _SWITCHES:
        return "switches"
    if name == "scheduled":
        return _FIELD_OF.get(entered["cadence"], "cadence")
    return "options" if name == "enabled" else name


def form(
    name: str,
    entered: Entered,
    policy: PasswordPolicy | None,
    held: Held | None,
    memo: Mapping[str, object],
    *,
    told: str = "",
) -> dict[str, Any]:
    """The window. `policy` is what the rule would demand, None while what is entered makes none; `held` what came of
    holding that against the directories. What it does not show at the moment is kept in its memo.
    """
    blocks: list[Block] = [parts.section(told)] if told else []
    blocks += [
        parts.section(f"*{escape(name, 150)}*"),
        _ticks("options", "Main switch", {"enabled": "Passwords are rotated under this rule"},
               ["enabled"] if entered["enabled"] else []),
        parts.header("Passwords"),
        _number_input("length", "Fewest characters", entered, live=True),
        _ticks("classes", "Each has", _CLASSES | {"unambiguous": "No characters that look alike"},
               [*entered["classes"], *(["unambiguous"] if entered["unambiguous"] else [])],
               live=True),
        _number_input("words", "Words, for passphrases", entered, live=True, optional=True,
                      hint="Leave it empty for random characters."),
        _text("symbols", "Only these symbols", entered, optional=True, live=True,
              hint=f"Of {SYMBOLS}. Empty: all of them. Write none for no symbols."),
        *_preview(policy, held),
        parts.header("Schedule"),
        _menu("cadence", "Rotate", _CADENCES, entered["cadence"]),
    ]  # fmt: skip
    if entered["cadence"] != NEVER:
        blocks += _schedule(entered)
    fresh = f"~{memo.get('fresh') or 0}"
    blocks = [{**each, "block_id": each["block_id"] + fresh} if each["type"] == "input" else each for each in blocks]
    memo = {**memo, "kept": _not_shown(entered, blocks)}
    return parts.modal("Edit the rule", blocks, callback_id=SAVE, submit="Save", close="Cancel", memo=memo)


def block_of(field: str, view: Mapping[str, Any]) -> str:
    """The id of the block in which this field is entered in this view."""
    named = (str(each.get("block_id", "")) for each in view.get("blocks", []))
    return next((each for each in named if each.partition("~")[0] == field), field)


def _not_shown(entered: Entered, blocks: Sequence[Block]) -> dict[str, Any]:
    shown = {each["block_id"].partition("~")[0] for each in blocks if each["type"] == "input"}
    hidden = {field: value for field, value in entered.items() if field in _HIDDEN and field not in shown}
    return hidden if len(json.dumps(hidden)) < _KEPT_MOST else {}


def _schedule(entered: Entered) -> list[Block]:
    cadence = entered["cadence"]
    which = {
        DAYS: _number_input("every_days", "Days after the last rotation", entered, hint="From 1 to 365."),
        WEEKLY: _ticks("weekdays", "On", {day: day.capitalize() for day in WEEKDAYS}, entered["weekdays"]),
        MONTHLY: _number_input("month_day", "Day of the month", entered, hint="In a shorter month its last day."),
    }[cadence]
    at = TimePickerElement(action_id="at", initial_time=entered["at"] or None, placeholder="02:00")
    return [
        which,
        _input("at", "Due at, local time of the organization", at),
        _text("windows", "Only within these windows", entered, optional=True, multiline=True,
              hint="One a line: mon-fri 22:00-04:00, or 22:00-04:00 for every day. Empty: at any time once it is due."),
        _text("blackouts", "Not on these days", entered, optional=True, multiline=True,
              hint="One a line: 2026-12-24, 2026-12-24..2027-01-02, or every year 12-24..01-02."),
        _ticks("tiers", "Which accounts", _TIERS, [each for each in entered["tiers"] if each in _TIERS]),
        _ticks("switches", "How", _SWITCHES, entered["switches"]),
        _number_input("notice_hours", "Tell the channel so many hours before", entered, hint="0: it is not told."),
    ]  # fmt: skip


# ---- what it would lead to -------------------------------------------------------------------------------------------


def _preview(policy: PasswordPolicy | None, held: Held | None) -> list[Block]:
    if policy is None or held is None:
        return [parts.section("_What is entered makes no rule yet; saving says what is missing._")]
    blocks = [parts.section(f"Such as `{shape(policy)}`: its shape only, with made-up characters.")]
    if held.wants:
        lines = [
            f"*{escape(each.organization, 80)}*, {escape(each.directory, 80)}: "
            f"{parts.sentence(' '.join(each.policy.sources), 300)}"
            for each in held.wants[:MOST_NAMED]
        ]
        more = len(held.wants) - MOST_NAMED
        lines += [f"and {more:,} more"] if more > 0 else []
        blocks.append(
            parts.section(
                "⚠️ *Weaker than what directories want.* Passwords there follow the stricter of both.\n"
                + "\n".join(lines),
                parts.button("Raise the rule to it", RAISE, ids.value(0), style="primary"),
            )
        )
    elif held.directories - len({(each.organization, each.directory) for each in held.unread}) > 0:
        known = held.directories - len({(each.organization, each.directory) for each in held.unread})
        blocks.append(
            parts.section(f"✅ At least as strict as {parts.count(known, 'directory', 'directories')} it covers.")
        )
    for unread in held.unread[:MOST_NAMED]:
        place = f"{escape(unread.organization, 80)}, {escape(unread.directory, 80)}"
        blocks.append(parts.context(f"❔ Not known: {place}. {parts.sentence(unread.why, 300)}"))
    if len(held.unread) > MOST_NAMED:
        blocks.append(parts.context(f"and {len(held.unread) - MOST_NAMED:,} more that are not known"))
    return blocks


def shape(policy: PasswordPolicy) -> str:
    """How a password by this policy looks, in placeholders: never a real one, and the same each time."""
    if policy.words is not None:
        ending = ["999"] if policy.number or policy.classes > 3 else []
        phrase = ["Xxxxx"] * max(policy.words, 1)
        while len("-".join(phrase + ending)) < policy.length:
            phrase.append("Xxxxx")
        return _short("-".join(phrase + ending))
    symbol = next((each for each in policy.symbols or "-" if each not in "`<>&"), "-") if policy.symbols != "" else ""
    pattern = [each for each in ("X", "x", "x", "9", symbol, "x", "X", "9", "x") if each]
    return _short("".join(islice(cycle(pattern), max(policy.length, 1))))


def _short(text: str) -> str:
    return text if len(text) <= 28 else f"{text[:24]}… ({len(text)} characters)"


# ---- fields ----------------------------------------------------------------------------------------------------------


def _input(
    field: str,
    label: str,
    element: InputInteractiveElement,
    *,
    optional: bool = False,
    hint: str | None = None,
    live: bool = False,
) -> Block:
    block = InputBlock(
        block_id=field,
        label=PlainTextObject(text=label),
        element=element,
        optional=optional,
        hint=PlainTextObject(text=hint) if hint else None,
        dispatch_action=live or None,
    )
    return block.to_dict()


def _as_typed() -> DispatchActionConfig:
    return DispatchActionConfig(trigger_actions_on=["on_enter_pressed", "on_character_entered"])


def _number_input(
    field: str, label: str, entered: Entered, *, optional: bool = False, hint: str = "", live: bool = False
) -> Block:
    text = str(entered[field])
    element = NumberInputElement(
        action_id=f"{LIVE}:{field}",
        is_decimal_allowed=False,
        initial_value=text if text.isdigit() else None,
        dispatch_action_config=_as_typed() if live else None,
    )
    return _input(field, label, element, optional=optional, hint=hint, live=live)


def _text(
    field: str, label: str, entered: Entered, *, optional: bool, hint: str, multiline: bool = False, live: bool = False
) -> Block:
    element = PlainTextInputElement(
        action_id=f"{LIVE}:{field}",
        multiline=multiline,
        max_length=3000 if multiline else 100,
        initial_value=str(entered[field]) or None,
        dispatch_action_config=_as_typed() if live else None,
    )
    return _input(field, label, element, optional=optional, hint=hint, live=live)


def _ticks(field: str, label: str, choices: Mapping[str, str], ticked: Sequence[str], *, live: bool = False) -> Block:
    options = {value: Option(value=value, label=said) for value, said in choices.items()}
    element = CheckboxesElement(
        action_id=f"{LIVE}:{field}",
        options=list(options.values()),
        initial_options=[options[each] for each in ticked if each in options] or None,
    )
    return _input(field, label, element, optional=True, live=live)


def _menu(field: str, label: str, choices: Mapping[str, str], chosen: str) -> Block:
    options = {value: Option(value=value, label=said) for value, said in choices.items()}
    element = StaticSelectElement(
        action_id=f"{LIVE}:{field}", options=list(options.values()), initial_option=options[chosen]
    )
    return _input(field, label, element, live=True)


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() and len(text) < 10 else text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
