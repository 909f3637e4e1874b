"""Block elements: buttons, menus, pickers, inputs (docs.slack.dev/reference/block-kit/block-elements)."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from re import fullmatch

from slack_sdk.models.blocks import (
    ButtonElement,
    FeedbackButtonObject,
    OverflowMenuElement,
    StaticSelectElement,
)
from slack_sdk.models.blocks.block_elements import InputInteractiveElement, InteractiveElement

from .objects import (
    choice_option,
    confirm_dialog,
    conversation_filter,
    dispatch_config,
    image_element,
    option_group,
    overflow_option,
    plain_text,
    select_option,
)
from .rich_text import rich_text_block
from .shapes import (
    Check,
    Offence,
    Rule,
    array,
    boolean,
    enum,
    exactly_one,
    failed,
    integer,
    matching,
    record,
    string,
    url,
)

CHOICES_MOST = 10  # checkboxes and radio buttons


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


_date = matching(_is_date, "a date of the form YYYY-MM-DD")
_time = matching(lambda text: fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) is not None, "a time of the form HH:mm")
_number = matching(_is_number, "a number")

_action: dict[str, Check] = {"action_id": string(InteractiveElement.action_id_max_length)}
_confirm: dict[str, Check] = {"confirm": confirm_dialog}
_focus: dict[str, Check] = {"focus_on_load": boolean}
_placeholder: dict[str, Check] = {"placeholder": plain_text(InputInteractiveElement.placeholder_max_length)}
_menu = {**_action, **_confirm, **_focus, **_placeholder}
_typed = {**_action, **_focus, **_placeholder, "dispatch_action_config": dispatch_config}
_several: dict[str, Check] = {"max_selected_items": integer(least=1)}
_style: dict[str, Check] = {"style": enum("primary", "danger")}
_label: dict[str, Check] = {"accessibility_label": string(ButtonElement.text_max_length)}


def _all_options(element: Mapping[str, object]) -> list[object]:
    options = element.get("options")
    if isinstance(options, list):
        return options
    groups = element.get("option_groups")
    return [option for group in groups for option in group["options"]] if isinstance(groups, list) else []


def _initial_is_an_option(element: Mapping[str, object], at: str) -> Iterator[Offence]:
    if "initial_option" in element and element["initial_option"] not in _all_options(element):
        yield failed(f"{at}/initial_option", "must exactly match one of the options")
    chosen = element.get("initial_options")
    if isinstance(chosen, list):
        for index, option in enumerate(chosen):
            if option not in _all_options(element):
                yield failed(f"{at}/initial_options/{index}", "must exactly match one of the options")


def _values_differ(element: Mapping[str, object], at: str) -> Iterator[Offence]:
    seen: set[object] = set()
    for option in _all_options(element):
        value = option["value"] if isinstance(option, dict) else None
        if value in seen:
            yield failed(f"{at}/options", f"duplicate option value: {value}")
        seen.add(value)


def _low_is_not_above_high(low: str, high: str) -> Rule:
    def rule(element: Mapping[str, object], at: str) -> Iterator[Offence]:
        if low in element and high in element and Decimal(str(element[low])) > Decimal(str(element[high])):
            yield failed(f"{at}/{low}", f"cannot be greater than {high}")

    return rule


def _initial_within_selection_limit(element: Mapping[str, object], at: str) -> Iterator[Offence]:
    most = element.get("max_selected_items")
    for name, chosen in element.items():
        if name.startswith("initial_") and isinstance(chosen, list) and isinstance(most, int) and len(chosen) > most:
            yield failed(f"{at}/{name}", f"no more than {most} items allowed")


def _element(name: str, required: dict[str, Check], optional: dict[str, Check], *rules: Rule) -> Check:
    return record({"type": enum(name), **required}, optional, rules)


_options: dict[str, Check] = {
    "options": array(select_option, least=1, most=StaticSelectElement.options_max_length),
    "option_groups": array(option_group, least=1, most=StaticSelectElement.option_groups_max_length),
}
_conversation: dict[str, Check] = {"default_to_current_conversation": boolean, "filter": conversation_filter}
_choices = array(choice_option, least=1, most=CHOICES_MOST)
_feedback = record(
    {"text": plain_text(FeedbackButtonObject.text_max_length), "value": string(FeedbackButtonObject.value_max_length)},
    _label,
)
_responds: dict[str, Check] = {"response_url_enabled": boolean}
_one_menu_rules = (exactly_one("options", "option_groups"), _initial_is_an_option, _values_differ)

ELEMENTS: dict[str, Check] = {
    "button": _element(
        "button",
        {"text": plain_text(ButtonElement.text_max_length)},
        {
            **_action,
            **_confirm,
            **_style,
            **_label,
            "url": url(ButtonElement.url_max_length),
            "value": string(ButtonElement.value_max_length),
        },
    ),
    "workflow_button": _element(
        "workflow_button",
        {
            "text": plain_text(ButtonElement.text_max_length),
            "workflow": record(
                {
                    "trigger": record(
                        {"url": url()},
                        {"customizable_input_parameters": array(record({"name": string(), "value": string(least=0)}))},
                    )
                }
            ),
        },
        {**_action, **_style, **_label},
    ),
    "overflow": _element(
        "overflow",
        {
            "options": array(
                overflow_option,
                least=OverflowMenuElement.options_min_length,
                most=OverflowMenuElement.options_max_length,
            )
        },
        {**_action, **_confirm},
        _values_differ,
    ),
    "checkboxes": _element(
        "checkboxes",
        {"options": _choices},
        {**_action, **_confirm, **_focus, "initial_options": array(choice_option, least=1)},
        _initial_is_an_option,
        _values_differ,
    ),
    "radio_buttons": _element(
        "radio_buttons",
        {"options": _choices},
        {**_action, **_confirm, **_focus, "initial_option": choice_option},
        _initial_is_an_option,
        _values_differ,
    ),
    "datepicker": _element("datepicker", {}, {**_menu, "initial_date": _date}),
    "timepicker": _element("timepicker", {}, {**_menu, "initial_time": _time, "timezone": string()}),
    "datetimepicker": _element(
        "datetimepicker",
        {},
        {**_action, **_confirm, **_focus, "initial_date_time": integer(1_000_000_000, 9_999_999_999)},
    ),
    "static_select": _element(
        "static_select", {}, {**_menu, **_options, "initial_option": select_option}, *_one_menu_rules
    ),
    "multi_static_select": _element(
        "multi_static_select",
        {},
        {**_menu, **_several, **_options, "initial_options": array(select_option, least=1)},
        *_one_menu_rules,
        _initial_within_selection_limit,
    ),
    "external_select": _element(
        "external_select", {}, {**_menu, "initial_option": select_option, "min_query_length": integer(0)}
    ),
    "multi_external_select": _element(
        "multi_external_select",
        {},
        {**_menu, **_several, "initial_options": array(select_option, least=1), "min_query_length": integer(0)},
        _initial_within_selection_limit,
    ),
    "users_select": _element("users_select", {}, {**_menu, "initial_user": string()}),
    "multi_users_select": _element(
        "multi_users_select",
        {},
        {**_menu, **_several, "initial_users": array(string())},
        _initial_within_selection_limit,
    ),
    "conversations_select": _element(
        "conversations_select", {}, {**_menu, **_responds, **_conversation, "initial_conversation": string()}
    ),
    "multi_conversations_select": _element(
        "multi_conversations_select",
        {},
        {**_menu, **_several, **_conversation, "initial_conversations": array(string())},
        _initial_within_selection_limit,
    ),
    "channels_select": _element("channels_select", {}, {**_menu, **_responds, "initial_channel": string()}),
    "multi_channels_select": _element(
        "multi_channels_select",
        {},
        {**_menu, **_several, "initial_channels": array(string())},
        _initial_within_selection_limit,
    ),
    "plain_text_input": _element(
        "plain_text_input",
        {},
        {
            **_typed,
            "initial_value": string(least=0),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
        _low_is_not_above_high("min_length", "max_length"),
    ),
    "email_text_input": _element("email_text_input", {}, {**_typed, "initial_value": string()}),
    "url_text_input": _element("url_text_input", {}, {**_typed, "initial_value": url()}),
    "number_input": _element(
        "number_input",
        {"is_decimal_allowed": boolean},
        {**_typed, "initial_value": _number, "min_value": _number, "max_value": _number},
        _low_is_not_above_high("min_value", "max_value"),
    ),
    "rich_text_input": _element(
        "rich_text_input",
        {},
        {**_typed, "initial_value": rich_text_block, "min_lines": integer(1, 100), "max_lines": integer(1, 100)},
        _low_is_not_above_high("min_lines", "max_lines"),
    ),
    "file_input": _element(
        "file_input", {}, {**_action, "filetypes": array(string(), least=1), "max_files": integer(1, 10)}
    ),
    "feedback_buttons": _element(
        "feedback_buttons", {"positive_button": _feedback, "negative_button": _feedback}, _action
    ),
    "icon_button": _element(
        "icon_button",
        {"icon": enum("trash"), "text": plain_text()},
        {
            **_action,
            **_confirm,
            **_label,
            "value": string(ButtonElement.value_max_length),
            "visible_to_user_ids": array(string(), most=10),
        },
    ),
    "image": image_element,
}

_SELECTS = ("static_select", "external_select", "users_select", "conversations_select", "channels_select")
_MENUS = (*_SELECTS, *(f"multi_{name}" for name in _SELECTS))
_PICKS = ("checkboxes", "radio_buttons", "datepicker", "timepicker", *_MENUS)
_INPUTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input", "file_input")


def _only(*names: str) -> dict[str, Check]:
    return {name: ELEMENTS[name] for name in names}


IN_SECTION = _only("button", "workflow_button", "overflow", "image", *_PICKS)
IN_ACTIONS = _only("button", "workflow_button", "overflow", "datetimepicker", *_PICKS)
IN_INPUT = _only("datetimepicker", *_PICKS, *_INPUTS)
IN_CONTEXT_ACTIONS = _only("feedback_buttons", "icon_button")
