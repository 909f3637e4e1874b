"""What may stand where: messages, modals and the App Home, and the rules that look across blocks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from slack_sdk.models.blocks import MarkdownBlock
from slack_sdk.models.views import View

from .blocks import BLOCKS, characters
from .objects import plain_text
from .shapes import Offence, array, boolean, by_type, enum, failed, record, string

Surface = Literal["message", "modal", "home"]

MESSAGE_BLOCKS_MOST = 50
VIEW_BYTES_MOST = 250_000

# All blocks of a message together: Slack publishes no number, but answers msg_blocks_too_long. These two fit everything
# developers have measured (slackapi/bolt-js issues 2509 and 2867).
MESSAGE_CHARACTERS_MOST = 13_422
CHARACTERS_PER_BLOCK = 125

# Anything not listed may stand on every surface. Sources: the surface column of the reference's element table; for
# blocks the reference pages, and where they are silent the stricter of the published readings.
_BLOCK_SURFACES: Mapping[str, frozenset[str]] = {
    "card": frozenset({"message"}),
    "carousel": frozenset({"message"}),
    "context_actions": frozenset({"message"}),
    "data_table": frozenset({"message"}),
    "markdown": frozenset({"message"}),
    "plan": frozenset({"message"}),
    "table": frozenset({"message"}),
    "task_card": frozenset({"message"}),
    "alert": frozenset({"modal"}),
    "container": frozenset({"message"}),
}
_ELEMENT_SURFACES: Mapping[str, frozenset[str]] = {
    "datetimepicker": frozenset({"message", "modal"}),
    "email_text_input": frozenset({"modal"}),
    "file_input": frozenset({"modal"}),
    "number_input": frozenset({"modal"}),
    "rich_text_input": frozenset({"modal", "home"}),
    "url_text_input": frozenset({"modal"}),
    "workflow_button": frozenset({"message"}),
}

_view_blocks = array(by_type(BLOCKS), most=View.blocks_max_length)
_view_common = {
    "private_metadata": string(View.private_metadata_max_length, least=0),
    "callback_id": string(View.callback_id_max_length, least=0),
    "external_id": string(255, least=0),
}
_modal = record(
    {"type": enum("modal"), "title": plain_text(View.title_max_length), "blocks": _view_blocks},
    {
        **_view_common,
        "submit": plain_text(View.submit_max_length),
        "close": plain_text(View.close_max_length),
        "clear_on_close": boolean,
        "notify_on_close": boolean,
        "submit_disabled": boolean,
    },
)
_home = record({"type": enum("home"), "blocks": _view_blocks}, _view_common)
_view = by_type({"modal": _modal, "home": _home})
_message_blocks = array(by_type(BLOCKS), most=MESSAGE_BLOCKS_MOST)


def elements_of(block: Mapping[str, Any], at: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Every element inside a block with its pointer, also those of cards in carousels and blocks in containers."""
    for name in ("accessory", "element"):
        element = block.get(name)
        if isinstance(element, dict):
            yield element, f"{at}/{name}"
    for name in ("elements", "actions", "child_blocks"):
        children = block.get(name)
        for index, child in enumerate(children if isinstance(children, list) else []):
            if isinstance(child, dict) and "type" in child:
                if name == "child_blocks" or child["type"] == "card":
                    yield from elements_of(child, f"{at}/{name}/{index}")
                elif block.get("type") != "rich_text":
                    yield child, f"{at}/{name}/{index}"


def _across(blocks: Sequence[Mapping[str, object]], surface: Surface, at: str) -> Iterator[Offence]:
    seen: set[object] = set()
    markdown_characters = tables = focused = 0
    for index, block in enumerate(blocks):
        here, kind = f"{at}/{index}", str(block["type"])
        if surface not in _BLOCK_SURFACES.get(kind, {surface}):
            yield failed(f"{here}/type", f"unsupported type: {kind} is not available in a {surface}")
        block_id = block.get("block_id")
        if block_id is not None and block_id in seen:
            yield failed(f"{here}/block_id", f'`block_id`: "{block_id}" already exists')
        seen.add(block_id)
        tables += kind == "table"
        if kind == "table" and tables > 1:
            yield failed(here, "only one table block is allowed")
        if kind == "markdown":
            markdown_characters += len(str(block["text"]))
            if markdown_characters > MarkdownBlock.text_max_length:
                yield failed(f"{here}/text", "no more than 12000 characters of markdown are allowed in one message")
        for element, where in elements_of(block, here):
            name = str(element["type"])
            if surface not in _ELEMENT_SURFACES.get(name, {surface}):
                yield failed(f"{where}/type", f"unsupported type: {name} is not available in a {surface}")
            if element.get("response_url_enabled") and not (surface == "modal" and kind == "input"):
                yield failed(f"{where}/response_url_enabled", "may only be used in an input block of a modal")
            focused += element.get("focus_on_load") is True
            if element.get("focus_on_load") and (surface == "message" or focused > 1):
                yield failed(f"{where}/focus_on_load", "only one element of a view can take the focus")


def message_offences(blocks: object, at: str = "") -> Iterator[Offence]:
    """Everything wrong with the blocks of a message; pointers start at `at`."""
    found = list(_message_blocks(blocks, at))
    yield from found
    if found or not isinstance(blocks, list):
        return
    yield from _across(blocks, "message", at)
    weight = characters(blocks) + CHARACTERS_PER_BLOCK * len(blocks)
    if weight > MESSAGE_CHARACTERS_MOST:
        words = f"all blocks together weigh {weight}, at most {MESSAGE_CHARACTERS_MOST}: their characters and "
        yield Offence(at, "msg_blocks_too_long", f"{words}{CHARACTERS_PER_BLOCK} for each block")


def view_offences(view: object, at: str = "") -> Iterator[Offence]:
    """Everything wrong with a modal or Home view; pointers start at `at`."""
    found = list(_view(view, at))
    yield from found
    if found or not isinstance(view, dict):
        return
    surface: Surface = "modal" if view["type"] == "modal" else "home"
    yield from _across(view["blocks"], surface, f"{at}/blocks")
    if surface == "modal" and "submit" not in view:
        for index, block in enumerate(view["blocks"]):
            if block["type"] == "input":
                yield Offence(at, "missing_field", f"missing required field: submit (block {index} is an input)")
                break
