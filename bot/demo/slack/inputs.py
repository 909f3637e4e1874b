"""Interactive elements as Slack's client handles them: generated ids, current values, and what it refuses to submit.

A *value* here is the content of one element's entry in `state.values` without its `type`: a string for text inputs,
an option for menus, a list for multi-selects and checkboxes, None (or an empty list) when nothing is chosen.
"""

import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from .validation import elements_of

Element = Mapping[str, Any]
Entered = dict[tuple[str, str], Any]  # (block_id, action_id) → value

# Per element type: the key of its value in a payload, and the field that pre-fills it.
SLOTS: dict[str, tuple[str, str]] = {
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "file_input": ("files", ""),
}
TEXT_INPUTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input")
_generated = itertools.count(1)


def with_ids(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy of the blocks as Slack stores them: missing block and action ids generated, text defaults filled in."""
    stored = copy.deepcopy(blocks)
    for block in stored:
        _fill(block)
    return stored


def _fill(block: dict[str, Any]) -> None:
    block.setdefault("block_id", f"b{next(_generated):04x}")
    for child in (*block.get("child_blocks", ()), *(block["elements"] if block["type"] == "carousel" else ())):
        _fill(child)
    for element, _ in elements_of(block):
        if element["type"] not in ("image", "plain_text", "mrkdwn"):
            element.setdefault("action_id", f"a{next(_generated):04x}")
    _default_texts(block)


def _default_texts(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _default_texts(item)
    elif isinstance(node, dict):
        if node.get("type") == "plain_text":
            node.setdefault("emoji", True)
        elif node.get("type") == "mrkdwn":
            node.setdefault("verbatim", False)
        else:
            for item in node.values():
                _default_texts(item)


def interactive(blocks: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Element]]:
    """Every (block, element) that can be used; a container's or carousel's children count as blocks of their own."""
    for block in blocks:
        if block["type"] == "container":
            yield from interactive(block["child_blocks"])
        elif block["type"] == "carousel":
            yield from interactive(block["elements"])
        else:
            for element, _ in elements_of(block):
                if "action_id" in element:
                    yield block, element


def empty_value(element: Element) -> Any:
    """What an element of this type holds when nothing was entered."""
    return [] if SLOTS[element["type"]][0].endswith("s") else None


def initial_value(element: Element, current_channel: str | None) -> Any:
    """What an element holds before anybody touches it. `current_channel` is what the person was looking at."""
    _, initial = SLOTS[element["type"]]
    if element.get(initial) is not None:
        return element[initial]
    if element.get("default_to_current_conversation") and current_channel is not None:
        return [current_channel] if element["type"].startswith("multi_") else current_channel
    return empty_value(element)


def state_values(blocks: list[dict[str, Any]], entered: Entered, current_channel: str | None) -> dict[str, Any]:
    """The `state.values` of a surface: every element that holds a value, entered or initial."""
    values: dict[str, Any] = {}
    for block, element in interactive(blocks):
        if element["type"] not in SLOTS:
            continue
        place = (block["block_id"], element["action_id"])
        value = entered[place] if place in entered else initial_value(element, current_channel)
        values.setdefault(place[0], {})[place[1]] = {"type": element["type"], **slot(element, value)}
    return values


def slot(element: Element, value: Any) -> dict[str, Any]:
    """A value under the key the element's payloads use, with the time zone of a time picker beside it."""
    key, _ = SLOTS[element["type"]]
    filled = {key: value if value != "" else None}
    if element["type"] == "timepicker" and "timezone" in element:
        filled["timezone"] = element["timezone"]
    return filled


def refusal(block: Mapping[str, Any], element: Element, value: Any) -> str | None:
    """Why Slack's client would not submit this value, in its words; None when it would."""
    if value in (None, "", []):
        return None if block.get("optional") else "Please complete this required field."
    kind = element["type"]
    if kind == "plain_text_input":
        return _length_refusal(element, value)
    if kind == "email_text_input" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        return "Enter an email address in the format someone@example.com."
    if kind == "url_text_input" and urlsplit(value).scheme not in ("http", "https"):
        return "Enter a valid URL, such as https://example.com."
    if kind == "number_input":
        return _number_refusal(element, value)
    if "max_selected_items" in element and len(value) > element["max_selected_items"]:
        return f"Select at most {element['max_selected_items']} items."
    return None


def _length_refusal(element: Element, value: str) -> str | None:
    if len(value) < element.get("min_length", 0):
        return f"Enter at least {element['min_length']} characters."
    if len(value) > element.get("max_length", 3000):
        return f"Enter at most {element.get('max_length', 3000)} characters."
    return None


def _number_refusal(element: Element, value: str) -> str | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return "Enter a number."
    if not number.is_finite() or (not element["is_decimal_allowed"] and number != number.to_integral_value()):
        return "Enter a whole number." if number.is_finite() else "Enter a number."
    if "min_value" in element and number < Decimal(element["min_value"]):
        return f"Enter a number of at least {element['min_value']}."
    if "max_value" in element and number > Decimal(element["max_value"]):
        return f"Enter a number of at most {element['max_value']}."
    return None
