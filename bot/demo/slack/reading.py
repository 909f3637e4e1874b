"""What a person reads: messages and views as plain text, the way the client's rendering would sound if read aloud."""

import html
import re
from collections.abc import Iterator
from typing import Any

from .workspace import Message, Workspace

_LINK = re.compile(r"<([^<>]+)>")
_STYLED = re.compile(r"(?<![\w*_~`])([*_~`])(?=\S)(.+?)(?<=\S)\1(?![\w*_~`])")
_UNREAD_KEYS = frozenset({"type", "block_id", "action_id", "value", "url", "confirm", "image_url", "level", "style"})


def readable(text: str, workspace: Workspace) -> str:
    """mrkdwn without its marks: mentions as names, links and dates as their labels, entities as characters."""

    def label(match: re.Match[str]) -> str:
        inside, _, shown = match.group(1).partition("|")
        if inside.startswith("@"):
            person = workspace.people.get(inside[1:])
            return f"@{person.name}" if person else f"@{shown or inside[1:]}"
        if inside.startswith("#"):
            channel = workspace.channels.get(inside[1:])
            return f"#{channel.name}" if channel else f"#{shown or inside[1:]}"
        return shown or inside.removeprefix("!")

    plain = _LINK.sub(label, text)
    while (stripped := _STYLED.sub(r"\2", plain)) != plain:
        plain = stripped
    return html.unescape(plain)


def read_message(message: Message, workspace: Workspace) -> str:
    """What a message says on screen: its blocks if it has any, else its text; then its attachments."""
    lines = list(read_blocks(message.blocks, workspace)) if message.blocks else [readable(message.text, workspace)]
    for attachment in message.attachments:
        lines += [
            readable(str(attachment[key]), workspace) for key in ("pretext", "title", "text") if key in attachment
        ]
        lines += read_blocks(attachment["blocks"], workspace)
    return "\n".join(line for line in lines if line)


def read_blocks(blocks: list[dict[str, Any]], workspace: Workspace) -> Iterator[str]:
    """Every text of the blocks, in the order they are shown."""
    for block in blocks:
        yield from _texts(block, workspace)


def _texts(node: Any, workspace: Workspace) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _texts(item, workspace)
        return
    if not isinstance(node, dict):
        return
    match node.get("type"):
        case "mrkdwn":
            yield readable(node["text"], workspace)
        case "plain_text" | "raw_text" | "markdown":
            yield node["text"]
        case "raw_number":
            yield str(node["value"])
        case "rich_text_section" | "rich_text_quote" | "rich_text_preformatted":
            yield "".join(_inline(part, workspace) for part in node["elements"])
        case _:
            for key, item in node.items():
                if key in ("caption", "alt_text", "title") and isinstance(item, str):
                    yield item
                elif key not in _UNREAD_KEYS:
                    yield from _texts(item, workspace)


def _inline(part: dict[str, Any], workspace: Workspace) -> str:
    match part["type"]:
        case "text":
            return str(part["text"])
        case "link":
            return str(part.get("text") or part["url"])
        case "user":
            return readable(f"<@{part['user_id']}>", workspace)
        case "channel":
            return readable(f"<#{part['channel_id']}>", workspace)
        case "emoji":
            return f":{part['name']}:"
        case "broadcast":
            return f"@{part['range']}"
        case _:
            return str(part.get("fallback") or part.get("value") or "")
