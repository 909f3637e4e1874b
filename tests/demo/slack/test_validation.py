"""The validator takes what Slack takes and points at what it would refuse."""

import copy
from typing import Any

import pytest
from slack_sdk.models.blocks import ButtonElement, SectionBlock

from bot.demo.slack.validation import check, validate

from . import gallery
from .gallery import CARD, COLORS, CONFIRM, IMAGE, MODAL_INPUTS, PICKS, TASK, Block, mrkdwn, option, plain, rich


def button(**more: Any) -> Block:
    return {"type": "button", "text": plain("Go"), "action_id": "go", **more}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def section(**more: Any) -> Block:
    return {"type": "section", "text": mrkdwn("text"), **more}


def field(element: Block, **more: Any) -> Block:
    return {"type": "input", "label": plain("Label"), "element": element, **more}


def modal(*blocks: Block, **more: Any) -> Block:
    return {"type": "modal", "title": plain("Title"), "submit": plain("Save"), "blocks": list(blocks), **more}


def without(value: Block, name: str) -> Block:
    return {key: item for key, item in value.items() if key != name}


def cells(rows: int, columns: int) -> list[list[Block]]:
    return [[{"type": "raw_text", "text": "x"} for _ in range(columns)] for _ in range(rows)]


@pytest.mark.parametrize("number", range(len(gallery.every_message())))
def test_a_message_with_every_block_passes(number: int) -> None:
    assert validate({"text": "everything", "blocks": gallery.every_message()[number]}) == []


def test_a_modal_with_every_input_and_a_home_pass() -> None:
    assert validate(gallery.every_input_modal()) == []
    assert validate(gallery.home()) == []


def test_what_slack_sdk_builds_passes() -> None:
    built = SectionBlock(text="*Hi*", accessory=ButtonElement(text="Go", action_id="go", value="1")).to_dict()
    check({"text": "Hi", "blocks": [built]})


# Every row: a block of a message, and where and how it breaks a rule. The pointer is below /blocks/0.
BROKEN_BLOCKS: list[tuple[Block, str, str]] = [
    ({"type": "nonsense"}, "/type", "unsupported type: nonsense"),
    ({}, "", "missing required field: type"),
    (section(text=mrkdwn("")), "/text/text", "must be more than 0 characters"),
    (section(text=mrkdwn("x" * 3001)), "/text/text", "must be less than 3001 characters"),
    (section(text="text"), "/text", "must provide an object"),
    (section(text={"type": "text", "text": "x"}), "/text/type", "unsupported type: text"),
    (section(text={**plain("x"), "verbatim": True}), "/text", "invalid additional property: verbatim"),
    ({"type": "section"}, "", "missing required field: text or fields"),
    (section(fields=[mrkdwn("x")] * 11), "/fields", "no more than 10 items allowed"),
    (section(fields=[]), "/fields", "no fewer than 1 items required"),
    (section(fields=[mrkdwn("x" * 2001)]), "/fields/0/text", "must be less than 2001 characters"),
    (section(accessory={"type": "plain_text_input"}), "/accessory/type", "unsupported type: plain_text_input"),
    (section(accessory=None), "/accessory", "must provide an object"),
    (section(expand="yes"), "/expand", "must provide a boolean"),
    (section(block_id="x" * 256), "/block_id", "must be less than 256 characters"),
    (section(surprise=1), "", "invalid additional property: surprise"),
    ({"type": "header", "text": mrkdwn("x")}, "/text/type", "unsupported type: mrkdwn"),
    ({"type": "header", "text": plain("x" * 151)}, "/text/text", "must be less than 151 characters"),
    (actions(), "/elements", "no fewer than 1 items required"),
    (actions(*(button(action_id=str(n)) for n in range(26))), "/elements", "no more than 25 items allowed"),
    (actions(button(), button()), "/elements/1/action_id", '`action_id`: "go" already exists'),
    (actions(button(text=plain("x" * 76))), "/elements/0/text/text", "must be less than 76 characters"),
    (actions(button(text=mrkdwn("x"))), "/elements/0/text/type", "unsupported type: mrkdwn"),
    (actions(button(action_id="x" * 256)), "/elements/0/action_id", "must be less than 256 characters"),
    (actions(button(action_id="")), "/elements/0/action_id", "must be more than 0 characters"),
    (actions(button(value="x" * 2001)), "/elements/0/value", "must be less than 2001 characters"),
    (actions(button(url="https://e.test/" + "x" * 3000)), "/elements/0/url", "must be less than 3001 characters"),
    (actions(button(url="not an address")), "/elements/0/url", "must be a valid URL"),
    (actions(button(style="green")), "/elements/0/style", "must be a valid enum value"),
    (actions(button(accessibility_label="x" * 76)), "/elements/0/accessibility_label", "less than 76"),
    (actions(without(button(), "text")), "/elements/0", "missing required field: text"),
    (actions(button(confirm={**CONFIRM, "title": plain("x" * 101)})), "/elements/0/confirm/title/text", "101"),
    (actions(button(confirm={**CONFIRM, "text": plain("x" * 301)})), "/elements/0/confirm/text/text", "301"),
    (actions(button(confirm={**CONFIRM, "confirm": plain("x" * 31)})), "/elements/0/confirm/confirm/text", "31"),
    (actions(button(confirm={**CONFIRM, "deny": plain("x" * 31)})), "/elements/0/confirm/deny/text", "31"),
    (actions(button(confirm=without(CONFIRM, "deny"))), "/elements/0/confirm", "missing required field: deny"),
    (actions({"type": "overflow", "options": []}), "/elements/0/options", "no fewer than 1"),
    (actions({"type": "overflow", "options": [option(str(n)) for n in range(6)]}), "/elements/0/options", "5 items"),
    (section(accessory={**PICKS["static_select"], "options": []}), "/accessory/options", "no fewer than 1"),
    (
        section(accessory={"type": "static_select", "options": [option(str(n)) for n in range(101)]}),
        "/accessory/options",
        "no more than 100",
    ),
    (
        section(accessory={"type": "static_select", "options": [option("x" * 76, "v")]}),
        "/accessory/options/0/text/text",
        "must be less than 76",
    ),
    (
        section(accessory={"type": "static_select", "options": [option("x", "v" * 151)]}),
        "/accessory/options/0/value",
        "must be less than 151",
    ),
    (
        section(accessory={"type": "static_select", "options": [option("x", url="https://e.test")]}),
        "/accessory/options/0",
        "invalid additional property: url",
    ),
    (
        section(accessory={"type": "static_select", "options": [option("x", description=plain("y" * 76))]}),
        "/accessory/options/0/description/text",
        "must be less than 76",
    ),
    (
        section(accessory={"type": "static_select", "options": [option("A", "v"), option("B", "v")]}),
        "/accessory/options",
        "duplicate option value",
    ),
    (
        section(accessory={**PICKS["static_select"], "initial_option": option("Pink")}),
        "/accessory/initial_option",
        "must exactly match one of the options",
    ),
    (
        section(accessory={**PICKS["static_select"], "placeholder": plain("x" * 151)}),
        "/accessory/placeholder/text",
        "must be less than 151",
    ),
    (section(accessory={"type": "static_select"}), "/accessory", "missing required field: options or option_groups"),
    (
        section(accessory={**PICKS["static_select"], "option_groups": [{"label": plain("G"), "options": COLORS}]}),
        "/accessory",
        "only one of options, option_groups",
    ),
    (
        section(accessory={"type": "static_select", "option_groups": [{"label": plain("x" * 76), "options": COLORS}]}),
        "/accessory/option_groups/0/label/text",
        "must be less than 76",
    ),
    (
        section(accessory={**PICKS["multi_static_select"], "max_selected_items": 0}),
        "/accessory/max_selected_items",
        "greater than or equal to 1",
    ),
    (
        section(accessory={**PICKS["multi_users_select"], "initial_users": ["U1", "U2"], "max_selected_items": 1}),
        "/accessory/initial_users",
        "no more than 1 items",
    ),
    (
        section(accessory={"type": "checkboxes", "options": [option(str(n)) for n in range(11)]}),
        "/accessory/options",
        "10",
    ),
    (section(accessory={**PICKS["datepicker"], "initial_date": "14.03.2026"}), "/accessory/initial_date", "YYYY-MM-DD"),
    (section(accessory={**PICKS["datepicker"], "initial_date": "2026-02-30"}), "/accessory/initial_date", "YYYY-MM-DD"),
    (section(accessory={**PICKS["timepicker"], "initial_time": "24:00"}), "/accessory/initial_time", "HH:mm"),
    (
        section(accessory={**PICKS["conversations_select"], "filter": {}}),
        "/accessory/filter",
        "at least one field",
    ),
    (
        section(accessory={**PICKS["conversations_select"], "response_url_enabled": True}),
        "/accessory/response_url_enabled",
        "input block of a modal",
    ),
    (section(accessory={**PICKS["datepicker"], "focus_on_load": True}), "/accessory/focus_on_load", "focus"),
    ({"type": "context", "elements": [mrkdwn("x")] * 11}, "/elements", "no more than 10"),
    ({"type": "context", "elements": [button()]}, "/elements/0/type", "unsupported type: button"),
    ({"type": "context_actions", "elements": [button()]}, "/elements/0/type", "unsupported type: button"),
    (without(IMAGE, "alt_text"), "", "missing required field: alt_text"),
    (without(IMAGE, "image_url"), "", "missing required field: image_url or slack_file"),
    ({**IMAGE, "alt_text": "x" * 2001}, "/alt_text", "must be less than 2001"),
    ({"type": "markdown", "text": "x" * 12_001}, "/text", "must be less than 12001"),
    ({"type": "alert", "text": plain("x"), "level": "panic"}, "/level", "must be a valid enum value"),
    ({"type": "alert", "text": plain("x" * 201)}, "/text/text", "must be less than 201"),
    ({"type": "alert", "text": plain("x")}, "/type", "not available in a message"),
    ({**CARD, "actions": [button()] * 4}, "/actions", "no more than 3"),
    ({"type": "plan", "title": "x", "tasks": [TASK] * 51}, "/tasks", "no more than 50"),
    (
        {"type": "data_table", "caption": "c", "rows": [[{"type": "raw_text", "text": "x" * 5_001}]] * 2},
        "/rows",
        "no more than 10000 characters",
    ),
    ({**CARD, "body": mrkdwn("x" * 201)}, "/body/text", "must be less than 201"),
    ({"type": "card", "subtitle": mrkdwn("x")}, "", "missing required field: hero_image or title"),
    ({"type": "carousel", "elements": [CARD] * 11}, "/elements", "no more than 10"),
    ({"type": "carousel", "elements": []}, "/elements", "no fewer than 1"),
    ({"type": "container", "child_blocks": [section()]}, "", "missing required field: title"),
    ({"type": "container", "title": plain("x"), "child_blocks": [section()] * 11}, "/child_blocks", "no more than 10"),
    ({"type": "container", "title": plain("x"), "child_blocks": [TASK]}, "/child_blocks/0/type", "unsupported type"),
    (
        {"type": "container", "title": plain("x"), "child_blocks": [section()], "default_collapsed": True},
        "/default_collapsed",
        "requires is_collapsible",
    ),
    ({"type": "table", "rows": cells(101, 1)}, "/rows", "no more than 100"),
    ({"type": "table", "rows": cells(1, 21)}, "/rows/0", "no more than 20"),
    ({"type": "data_table", "caption": "c", "rows": cells(1, 1)}, "/rows", "no fewer than 2"),
    ({"type": "data_table", "caption": "c", "rows": cells(102, 1)}, "/rows", "no more than 101"),
    ({"type": "data_table", "rows": cells(2, 1)}, "", "missing required field: caption"),
    ({"type": "data_table", "caption": "c", "rows": [*cells(1, 2), *cells(1, 1)]}, "/rows/1", "same number of cells"),
    ({"type": "data_table", "caption": "c", "rows": [[rich("x")], *cells(1, 1)]}, "/rows/0/0/type", "header cells"),
    ({"type": "data_table", "caption": "c", "rows": cells(2, 1), "page_size": 101}, "/page_size", "equal to 100"),
    (
        {"type": "data_table", "caption": "c", "rows": cells(2, 1), "row_header_column_index": 1},
        "/row_header_column_index",
        "index of a column",
    ),
    ({**TASK, "status": "done"}, "/status", "must be a valid enum value"),
    ({"type": "rich_text", "elements": []}, "/elements", "no fewer than 1"),
    (
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "texts", "text": ""}]}]},
        "/elements/0/elements/0/type",
        "unsupported type: texts",
    ),
    (
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_list",
                    "style": "round",
                    "elements": [{"type": "rich_text_section", "elements": []}],
                }
            ],
        },
        "/elements/0/style",
        "must be a valid enum value",
    ),
    (
        {
            "type": "video",
            "alt_text": "a",
            "title": plain("x" * 200),
            "thumbnail_url": "https://e.test",
            "video_url": "https://e.test",
        },
        "/title/text",
        "must be less than 200",
    ),
    (
        {
            "type": "video",
            "alt_text": "a",
            "title": plain("x"),
            "thumbnail_url": "https://e.test",
            "video_url": "http://e.test",
        },
        "/video_url",
        "must be an https URL",
    ),
    (field(MODAL_INPUTS["email_text_input"]), "/element/type", "not available in a message"),
    (field(MODAL_INPUTS["rich_text_input"]), "/element/type", "not available in a message"),
    (field({"type": "plain_text_input"}, label=mrkdwn("x")), "/label/type", "unsupported type: mrkdwn"),
    (field({"type": "plain_text_input"}, label=plain("x" * 2001)), "/label/text", "must be less than 2001"),
    (field({"type": "plain_text_input"}, hint=plain("x" * 2001)), "/hint/text", "must be less than 2001"),
    (field(button()), "/element/type", "unsupported type: button"),
    (field({"type": "plain_text_input", "max_length": 3001}), "/element/max_length", "equal to 3000"),
    (field({"type": "plain_text_input", "min_length": 9, "max_length": 8}), "/element/min_length", "greater than max"),
    (
        field({"type": "plain_text_input", "dispatch_action_config": {"trigger_actions_on": ["on_blur"]}}),
        "/element/dispatch_action_config/trigger_actions_on/0",
        "must be a valid enum value",
    ),
]


@pytest.mark.parametrize(("block", "pointer", "words"), BROKEN_BLOCKS)
def test_a_broken_block_is_pointed_at(block: Block, pointer: str, words: str) -> None:
    offences = validate({"text": "x", "blocks": [block]})
    found = {(offence.pointer, words in offence.message) for offence in offences}
    assert (f"/blocks/0{pointer}", True) in found, [str(offence) for offence in offences]


# Every row: a view, and where and how it breaks a rule.
BROKEN_VIEWS: list[tuple[Block, str, str]] = [
    (modal(title=plain("x" * 25)), "/title/text", "must be less than 25"),
    (modal(submit=plain("x" * 25)), "/submit/text", "must be less than 25"),
    (modal(close=plain("x" * 25)), "/close/text", "must be less than 25"),
    (modal(title=mrkdwn("x")), "/title/type", "unsupported type: mrkdwn"),
    (without(modal(), "title"), "", "missing required field: title"),
    (without(modal(field(MODAL_INPUTS["datepicker"])), "submit"), "", "missing required field: submit"),
    (modal(private_metadata="x" * 3001), "/private_metadata", "must be less than 3001"),
    (modal(callback_id="x" * 256), "/callback_id", "must be less than 256"),
    (modal(*[section()] * 101), "/blocks", "no more than 100"),
    (modal(section(block_id="a"), section(block_id="a")), "/blocks/1/block_id", "already exists"),
    (modal({"type": "table", "rows": cells(1, 1)}), "/blocks/0/type", "not available in a modal"),
    (modal({"type": "markdown", "text": "x"}), "/blocks/0/type", "not available in a modal"),
    (
        modal(
            field({"type": "datepicker", "focus_on_load": True}), field({"type": "datepicker", "focus_on_load": True})
        ),
        "/blocks/1/element/focus_on_load",
        "only one element",
    ),
    (
        modal(field({"type": "number_input", "is_decimal_allowed": True, "min_value": "5", "max_value": "4"})),
        "/blocks/0/element/min_value",
        "cannot be greater than max_value",
    ),
    (modal(field({"type": "number_input"})), "/blocks/0/element", "missing required field: is_decimal_allowed"),
    (modal(field({**MODAL_INPUTS["number_input"], "min_value": 8})), "/blocks/0/element/min_value", "a string"),
    (modal(field({"type": "file_input", "max_files": 11})), "/blocks/0/element/max_files", "equal to 10"),
    (modal(field({"type": "datetimepicker", "initial_date_time": 5})), "/blocks/0/element/initial_date_time", "equal"),
    (modal(clear_on_close="yes"), "/clear_on_close", "must provide a boolean"),
    (modal(submit_label="x"), "", "invalid additional property: submit_label"),
    ({**gallery.home(), "title": plain("x")}, "", "invalid additional property: title"),
    (
        {"type": "home", "blocks": [field(MODAL_INPUTS["number_input"])]},
        "/blocks/0/element/type",
        "not available in a home",
    ),
    ({"type": "home", "blocks": [actions({"type": "datetimepicker"})]}, "/blocks/0/elements/0/type", "in a home"),
]


@pytest.mark.parametrize(("view", "pointer", "words"), BROKEN_VIEWS)
def test_a_broken_view_is_pointed_at(view: Block, pointer: str, words: str) -> None:
    offences = validate(view)
    found = {(offence.pointer, words in offence.message) for offence in offences}
    assert (pointer, True) in found, [str(offence) for offence in offences]


def test_a_message_holds_fifty_blocks_and_a_view_a_hundred() -> None:
    assert validate({"text": "x", "blocks": [section()] * 50}) == []
    (offence,) = validate({"text": "x", "blocks": [section()] * 51})
    assert (offence.pointer, offence.message) == ("/blocks", "no more than 50 items allowed")
    assert validate(modal(*[section()] * 100)) == []


def test_a_block_id_is_used_once_in_a_message() -> None:
    (offence,) = validate([section(block_id="a"), section(block_id="a")])
    assert str(offence) == '`block_id`: "a" already exists [json-pointer:/1/block_id]'


def test_one_table_and_twelve_thousand_characters_of_markdown_fit_into_a_message() -> None:
    table = {"type": "table", "rows": cells(1, 1)}
    assert [o.pointer for o in validate([table, table])] == ["/1"]
    markdown = {"type": "markdown", "text": "x" * 6_001}
    assert [o.pointer for o in validate([markdown, markdown])] == ["/1/text"]


def test_all_blocks_of_a_message_together_have_a_limit() -> None:
    one = section(text=mrkdwn("x" * 3_000))
    assert validate([one] * 4) == []
    (offence,) = validate([one] * 5)
    assert offence.code == "msg_blocks_too_long"
    # What developers measured: markdown alone, and with one divider.
    divider = {"type": "divider"}
    long = [{"type": "markdown", "text": "x" * 12_000}, section(text=mrkdwn("x" * 1_172))]
    assert validate(long) == []
    assert [offence.code for offence in validate([*long, divider])] == ["msg_blocks_too_long"]


def test_a_view_of_more_than_250_kilobytes_is_too_large() -> None:
    huge = modal(*[section(text=mrkdwn("é" * 2_900))] * 50)
    assert [offence.code for offence in validate(huge)] == ["view_too_large"]


def test_a_message_without_text_for_screen_readers_is_an_offence() -> None:
    (offence,) = validate({"blocks": [section()]})
    assert offence.message.startswith("missing required field: text")
    (offence,) = validate({"text": "x" * 40_001})
    assert offence.pointer == "/text"


def test_validating_changes_nothing() -> None:
    view = gallery.every_input_modal()
    before = copy.deepcopy(view)
    validate(view)
    assert view == before


def test_check_lists_every_offence_with_its_path() -> None:
    with pytest.raises(AssertionError, match=r"(?s)Slack would refuse this:.*/blocks/0/text/text.*/blocks/1/type"):
        check({"text": "x", "blocks": [section(text=mrkdwn("")), {"type": "nope"}]})
