"""One message, one modal and one Home that together use every block and element the validator knows."""

from typing import Any

Block = dict[str, Any]

PIXEL = "https://example.test/pixel.png"


def plain(text: str) -> Block:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Block:
    """A mrkdwn object."""
    return {"type": "mrkdwn", "text": text}


def option(text: str, value: str | None = None, **more: Any) -> Block:
    """An option object."""
    return {"text": plain(text), "value": value or text.lower(), **more}


def rich(text: str) -> Block:
    """A rich_text block of one sentence."""
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}],
    }


IMAGE = {"type": "image", "image_url": PIXEL, "alt_text": "A pixel"}
COLORS = [option("Red"), option("Green"), option("Blue")]
CONFIRM = {
    "title": plain("Are you sure?"),
    "text": mrkdwn("This cannot be *undone*."),
    "confirm": plain("Do it"),
    "deny": plain("Stop"),
    "style": "danger",
}
CARD = {
    "type": "card",
    "icon": IMAGE,
    "hero_image": IMAGE,
    "title": mrkdwn("A *card*"),
    "subtitle": mrkdwn("with a subtitle"),
    "body": mrkdwn("and a body."),
    "actions": [{"type": "button", "text": plain("Card button"), "action_id": "card_button"}],
}
TASK = {
    "type": "task_card",
    "task_id": "t1",
    "title": "Look it up",
    "status": "complete",
    "details": rich("In the book"),
    "output": rich("Page 12"),
    "sources": [{"type": "url", "url": "https://example.test/book", "text": "The book"}],
}

PICKS: dict[str, Block] = {
    "checkboxes": {"type": "checkboxes", "options": COLORS, "initial_options": [COLORS[0]]},
    "radio_buttons": {"type": "radio_buttons", "options": COLORS, "initial_option": COLORS[1]},
    "datepicker": {"type": "datepicker", "initial_date": "2026-03-14", "placeholder": plain("Which day?")},
    "timepicker": {"type": "timepicker", "initial_time": "09:30", "timezone": "Europe/Berlin"},
    "static_select": {"type": "static_select", "options": COLORS, "placeholder": plain("Pick a color")},
    "multi_static_select": {
        "type": "multi_static_select",
        "option_groups": [
            {"label": plain("Warm"), "options": COLORS[:1]},
            {"label": plain("Cold"), "options": COLORS[1:]},
        ],
        "max_selected_items": 2,
    },
    "external_select": {"type": "external_select", "min_query_length": 0, "placeholder": plain("Search")},
    "multi_external_select": {"type": "multi_external_select", "min_query_length": 1},
    "users_select": {"type": "users_select"},
    "multi_users_select": {"type": "multi_users_select"},
    "conversations_select": {"type": "conversations_select", "filter": {"include": ["public", "private"]}},
    "multi_conversations_select": {"type": "multi_conversations_select"},
    "channels_select": {"type": "channels_select"},
    "multi_channels_select": {"type": "multi_channels_select"},
}
MODAL_INPUTS: dict[str, Block] = {
    "plain_text_input": {"type": "plain_text_input", "max_length": 40, "placeholder": plain("A few words")},
    "multiline": {"type": "plain_text_input", "multiline": True},
    "email_text_input": {"type": "email_text_input"},
    "url_text_input": {"type": "url_text_input"},
    "number_input": {"type": "number_input", "is_decimal_allowed": False, "min_value": "8", "max_value": "64"},
    "rich_text_input": {"type": "rich_text_input"},
    "file_input": {"type": "file_input", "max_files": 1},
    "datetimepicker": {"type": "datetimepicker", "initial_date_time": 1_700_000_000},
    **PICKS,
}


def every_message() -> list[list[Block]]:
    """Lists of blocks, each a message Slack takes, that together use everything a message may hold."""
    accessories = [
        {"type": "section", "text": mrkdwn(f"With a `{name}`"), "accessory": {**element, "action_id": f"in_{name}"}}
        for name, element in PICKS.items()
    ]
    return [
        [
            {"type": "header", "text": plain("Every block :rocket:")},
            {"type": "section", "text": mrkdwn("*bold* _italic_ ~strike~ `code` <https://example.test|a link> :tada:")},
            {"type": "section", "fields": [mrkdwn("*One*\n1"), plain("Two")]},
            {"type": "divider"},
            {
                "type": "context",
                "elements": [IMAGE, mrkdwn("since <!date^1700000000^{date_long} at {time}|long ago>"), plain("plain")],
            },
            {**IMAGE, "title": plain("A pixel, large")},
            {
                "type": "actions",
                "elements": [
                    {"type": "button", "text": plain("Go"), "style": "primary", "action_id": "go", "value": "1"},
                    {
                        "type": "button",
                        "text": plain("Remove"),
                        "style": "danger",
                        "action_id": "remove",
                        "confirm": CONFIRM,
                    },
                    {"type": "button", "text": plain("Read"), "url": "https://example.test/", "action_id": "read"},
                    {"type": "overflow", "options": [option("Copy"), option("Move")], "action_id": "more"},
                    {"type": "datetimepicker", "action_id": "when"},
                    {
                        "type": "workflow_button",
                        "text": plain("Run"),
                        "workflow": {"trigger": {"url": "https://example.test/trigger"}},
                        "action_id": "run",
                    },
                ],
            },
            {
                "type": "context_actions",
                "elements": [
                    {
                        "type": "feedback_buttons",
                        "action_id": "feedback",
                        "positive_button": {"text": plain("Good"), "value": "+1"},
                        "negative_button": {"text": plain("Bad"), "value": "-1"},
                    },
                    {"type": "icon_button", "icon": "trash", "text": plain("Throw away"), "action_id": "trash"},
                ],
            },
        ],
        accessories,
        [
            {"type": "markdown", "text": "# Standard\n\n**markdown** with a\n\n- list"},
            {
                "type": "table",
                "column_settings": [None, {"align": "right", "is_wrapped": True}],
                "rows": [
                    [{"type": "raw_text", "text": "Name"}, {"type": "raw_text", "text": "Points"}],
                    [rich("Ada"), {"type": "raw_number", "value": 5}],
                ],
            },
            {
                "type": "data_table",
                "caption": "People",
                "rows": [
                    [{"type": "raw_text", "text": "Name"}, {"type": "raw_text", "text": "Points"}],
                    [{"type": "raw_text", "text": "Ada"}, {"type": "raw_number", "value": 5}],
                ],
            },
            CARD,
            {"type": "carousel", "elements": [{**CARD, "block_id": "first"}, {**CARD, "block_id": "second"}]},
            {
                "type": "container",
                "title": plain("A container"),
                "subtitle": mrkdwn("that folds"),
                "is_collapsible": True,
                "child_blocks": [{"type": "section", "text": mrkdwn("inside")}],
            },
            {"type": "plan", "title": "A plan", "tasks": [TASK]},
            {**TASK, "task_id": "t2", "status": "in_progress"},
            {
                "type": "video",
                "alt_text": "A film",
                "title": plain("A film"),
                "thumbnail_url": PIXEL,
                "video_url": "https://example.test/film",
                "author_name": "Ada",
            },
            every_rich_text(),
            {
                "type": "input",
                "label": plain("In a message"),
                "optional": True,
                "element": {"type": "plain_text_input", "action_id": "words"},
            },
        ],
    ]


def every_rich_text() -> Block:
    """A rich_text block with all of its parts."""
    inline = [
        {"type": "text", "text": "bold", "style": {"bold": True}},
        {"type": "link", "url": "https://example.test/", "text": "link"},
        {"type": "emoji", "name": "wave"},
        {"type": "user", "user_id": "U0PRETENDB"},
        {"type": "channel", "channel_id": "C1"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "broadcast", "range": "here"},
        {"type": "color", "value": "#1264A3"},
        {"type": "date", "timestamp": 1_700_000_000, "format": "{date_short} {time}", "fallback": "then"},
    ]
    item = {"type": "rich_text_section", "elements": [{"type": "text", "text": "an item"}]}
    return {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": inline},
            {"type": "rich_text_list", "style": "bullet", "elements": [item]},
            {"type": "rich_text_list", "style": "ordered", "indent": 1, "elements": [item]},
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "a quote"}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "some code"}]},
        ],
    }


def every_input_modal() -> Block:
    """A modal with every input there is."""
    return {
        "type": "modal",
        "callback_id": "everything",
        "title": plain("Every input"),
        "submit": plain("Save"),
        "close": plain("Cancel"),
        "blocks": [
            *({"type": "alert", "level": level, "text": mrkdwn(f"Mind the *{level}*.")} for level in LEVELS),
            *_inputs(),
        ],
    }


LEVELS = ("default", "info", "success", "warning", "error")


def _inputs() -> list[Block]:
    return [
        {
            "type": "input",
            "block_id": name,
            "label": plain(f"The {name.replace('_', ' ')}"),
            "hint": plain("A hint"),
            "optional": True,
            "element": {**element, "action_id": "value"},
        }
        for name, element in MODAL_INPUTS.items()
    ]


def home() -> Block:
    """A Home tab."""
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": plain("Welcome")},
            {
                "type": "actions",
                "elements": [{"type": "button", "text": plain("Count up"), "action_id": "count"}],
            },
            {
                "type": "input",
                "label": plain("Note"),
                "optional": True,
                "element": {"type": "rich_text_input", "action_id": "note"},
            },
        ],
    }
