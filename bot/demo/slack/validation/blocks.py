"""Blocks, one by one (docs.slack.dev/reference/block-kit/blocks). What may stand where is in `surfaces`."""

from collections.abc import Iterator, Mapping
from math import isfinite

from slack_sdk.models.blocks import (
    ActionsBlock,
    AlertBlock,
    Block,
    CardBlock,
    CarouselBlock,
    ContainerBlock,
    ContextActionsBlock,
    ContextBlock,
    HeaderBlock,
    ImageBlock,
    InputBlock,
    MarkdownBlock,
    SectionBlock,
    VideoBlock,
)

from .elements import ELEMENTS, IN_ACTIONS, IN_CONTEXT_ACTIONS, IN_INPUT, IN_SECTION
from .objects import any_text, image_element, image_source, mrkdwn_text, plain_text
from .rich_text import rich_text_block
from .shapes import (
    Check,
    Offence,
    Rule,
    array,
    at_least_one,
    boolean,
    by_type,
    enum,
    exactly_one,
    failed,
    integer,
    matching,
    record,
    string,
    url,
)

# What slack_sdk does not carry, from the reference and, where that is silent, the strictest of the libraries kept up.
ALERT_MOST = 200
CARD_ACTIONS_MOST = 3
FIELD_MOST = 2000
PLAN_TASKS_MOST = 50
TABLE_ROWS_MOST = 100
TABLE_COLUMNS_MOST = 20
DATA_TABLE_ROWS_MOST = 101  # 100 and the header
DATA_TABLE_CHARACTERS_MOST = 10_000

_https = matching(lambda text: text.startswith("https://"), "an https URL")
_raw_text = record({"type": enum("raw_text"), "text": string()})
_raw_number = record({"type": enum("raw_number"), "value": lambda value, at: _finite(value, at)}, {"text": string()})
_cell = by_type({"raw_text": _raw_text, "raw_number": _raw_number, "rich_text": rich_text_block})
_card_text = {
    "title": any_text(CardBlock.title_max_length),
    "subtitle": any_text(CardBlock.subtitle_max_length),
    "body": any_text(CardBlock.body_max_length),
}


def _finite(value: object, at: str) -> Iterator[Offence]:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and not isfinite(value))
    ):
        yield Offence(at, "invalid_type", "must provide a number")


def _block(name: str, required: dict[str, Check], optional: dict[str, Check] | None = None, *rules: Rule) -> Check:
    return record(
        {"type": enum(name), **required}, {"block_id": string(Block.block_id_max_length), **(optional or {})}, rules
    )


def _action_ids_differ(block: Mapping[str, object], at: str) -> Iterator[Offence]:
    seen: set[object] = set()
    elements = block["elements"]
    for index, element in enumerate(elements if isinstance(elements, list) else []):
        action_id = element.get("action_id")
        if action_id is not None and action_id in seen:
            yield failed(f"{at}/elements/{index}/action_id", f'`action_id`: "{action_id}" already exists')
        seen.add(action_id)


def _rows_are_even(block: Mapping[str, object], at: str) -> Iterator[Offence]:
    rows = block["rows"]
    if isinstance(rows, list):
        for index, row in enumerate(rows):
            if len(row) != len(rows[0]):
                yield failed(f"{at}/rows/{index}", "all rows must have the same number of cells")


def _header_is_plain(block: Mapping[str, object], at: str) -> Iterator[Offence]:
    rows = block["rows"]
    if isinstance(rows, list):
        for index, cell in enumerate(rows[0]):
            if cell["type"] == "rich_text":
                yield failed(f"{at}/rows/0/{index}/type", "rich_text cannot be used for header cells")


def _row_header_exists(block: Mapping[str, object], at: str) -> Iterator[Offence]:
    rows, column = block["rows"], block.get("row_header_column_index", 0)
    if isinstance(rows, list) and isinstance(column, int) and column >= len(rows[0]):
        yield failed(f"{at}/row_header_column_index", "must be the index of a column")


def _table_is_not_too_long(block: Mapping[str, object], at: str) -> Iterator[Offence]:
    if characters(block["rows"]) > DATA_TABLE_CHARACTERS_MOST:
        yield failed(f"{at}/rows", f"no more than {DATA_TABLE_CHARACTERS_MOST} characters are allowed in all cells")


def characters(node: object) -> int:
    """How many characters all `text` strings inside have together."""
    if isinstance(node, list):
        return sum(characters(item) for item in node)
    if not isinstance(node, dict):
        return 0
    return sum(len(item) if key == "text" and isinstance(item, str) else characters(item) for key, item in node.items())


def _collapsing_is_consistent(block: Mapping[str, object], at: str) -> Iterator[Offence]:
    if block.get("default_collapsed") and not block.get("is_collapsible"):
        yield failed(f"{at}/default_collapsed", "requires is_collapsible")
    if block.get("has_header_divider") and block.get("is_collapsible"):
        yield failed(f"{at}/has_header_divider", "cannot be set when is_collapsible is true")


def _row(cell: Check) -> Check:
    return array(cell, least=1, most=TABLE_COLUMNS_MOST)


def _null_or(check: Check) -> Check:
    """Column settings may skip a column with null."""
    return lambda value, at: iter(()) if value is None else check(value, at)


_card = _block(
    "card",
    {},
    {
        **_card_text,
        "hero_image": image_element,
        "icon": image_element,
        "actions": array(by_type({"button": ELEMENTS["button"]}), least=1, most=CARD_ACTIONS_MOST),
    },
    at_least_one("hero_image", "title", "actions", "body"),
)

_task_card = _block(
    "task_card",
    {"task_id": string(), "title": string()},
    {
        "details": rich_text_block,
        "output": rich_text_block,
        "sources": array(by_type({"url": record({"type": enum("url"), "url": url(), "text": string()})})),
        "status": enum("pending", "in_progress", "complete", "error"),
    },
)

_leaves: dict[str, Check] = {
    "actions": _block(
        "actions",
        {"elements": array(by_type(IN_ACTIONS), least=1, most=ActionsBlock.elements_max_length)},
        None,
        _action_ids_differ,
    ),
    "alert": _block("alert", {"text": any_text(ALERT_MOST)}, {"level": enum(*sorted(AlertBlock.valid_levels))}),
    "card": _card,
    "carousel": _block(
        "carousel", {"elements": array(by_type({"card": _card}), least=1, most=CarouselBlock.elements_max_length)}
    ),
    "context": _block(
        "context",
        {
            "elements": array(
                by_type({"image": image_element, "plain_text": plain_text(), "mrkdwn": mrkdwn_text()}),
                least=1,
                most=ContextBlock.elements_max_length,
            )
        },
    ),
    "context_actions": _block(
        "context_actions",
        {"elements": array(by_type(IN_CONTEXT_ACTIONS), least=1, most=ContextActionsBlock.elements_max_length)},
        None,
        _action_ids_differ,
    ),
    "data_table": _block(
        "data_table",
        {"caption": string(), "rows": array(_row(_cell), least=2, most=DATA_TABLE_ROWS_MOST)},
        {"page_size": integer(1, 100), "row_header_column_index": integer(0)},
        _rows_are_even,
        _header_is_plain,
        _row_header_exists,
        _table_is_not_too_long,
    ),
    "divider": _block("divider", {}),
    "header": _block("header", {"text": plain_text(HeaderBlock.text_max_length)}, {"level": integer(1, 4)}),
    "image": _block(
        "image",
        {"alt_text": string(ImageBlock.alt_text_max_length)},
        {**image_source, "title": plain_text(ImageBlock.title_max_length)},
        exactly_one("image_url", "slack_file"),
    ),
    "input": _block(
        "input",
        {"label": plain_text(InputBlock.label_max_length), "element": by_type(IN_INPUT)},
        {"hint": plain_text(InputBlock.hint_max_length), "optional": boolean, "dispatch_action": boolean},
    ),
    "markdown": _block("markdown", {"text": string(MarkdownBlock.text_max_length)}),
    "plan": _block(
        "plan", {"title": string()}, {"tasks": array(by_type({"task_card": _task_card}), most=PLAN_TASKS_MOST)}
    ),
    "rich_text": rich_text_block,
    "section": _block(
        "section",
        {},
        {
            "text": any_text(SectionBlock.text_max_length),
            "fields": array(any_text(FIELD_MOST), least=1, most=SectionBlock.fields_max_length),
            "accessory": by_type(IN_SECTION),
            "expand": boolean,
        },
        at_least_one("text", "fields"),
    ),
    "table": _block(
        "table",
        {"rows": array(_row(_cell), least=1, most=TABLE_ROWS_MOST)},
        {
            "column_settings": array(
                _null_or(record({}, {"align": enum("left", "center", "right"), "is_wrapped": boolean})),
                most=TABLE_COLUMNS_MOST,
            )
        },
    ),
    "task_card": _task_card,
    "video": _block(
        "video",
        {
            "alt_text": string(ImageBlock.alt_text_max_length),
            "title": plain_text(VideoBlock.title_max_length - 1),
            "thumbnail_url": url(),
            "video_url": _https,
        },
        {
            "title_url": _https,
            "author_name": string(VideoBlock.author_name_max_length - 1),
            "provider_name": string(50),
            "provider_icon_url": url(),
            "description": plain_text(200),
        },
    ),
}

# Both lists of children that have been published, the reference's and the live validator's, intersected.
_CHILDREN = ("actions", "context", "divider", "header", "image", "section", "table", "video")

BLOCKS: dict[str, Check] = {
    **_leaves,
    "container": _block(
        "container",
        {
            "child_blocks": array(
                by_type({name: _leaves[name] for name in _CHILDREN}),
                least=1,
                most=ContainerBlock.child_blocks_max_length,
            )
        },
        {
            "title": plain_text(ContainerBlock.title_max_length),
            "rich_text_title": rich_text_block,
            "subtitle": any_text(ContainerBlock.subtitle_max_length),
            "width": enum(*sorted(ContainerBlock.valid_widths)),
            "icon": image_element,
            "is_collapsible": boolean,
            "default_collapsed": boolean,
            "has_header_divider": boolean,
        },
        at_least_one("title", "rich_text_title"),
        _collapsing_is_consistent,
    ),
}
