"""What a message consists of, checked before it is posted, from whichever door it comes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from re import fullmatch
from typing import Any

from .errors import SlackError
from .inputs import with_ids
from .validation import Offence, message_offences

TEXT_MOST = 40_000
ATTACHMENTS_MOST = 100
METADATA_BYTES_MOST = 8_000
_ATTACHMENT_WORDS = ("text", "pretext", "title", "title_link", "fallback", "color", "footer", "author_name")


@dataclass
class Content:
    """Checked text, blocks, attachments and metadata of a message."""

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None


def read_content(*, text: str | None, blocks: Any, attachments: Any = None, metadata: Any = None) -> Content:
    """Check a message as chat.postMessage does.

    SlackError `no_text`, `msg_too_long`, `msg_blocks_too_long`, `invalid_blocks`, `invalid_blocks_format`,
    `invalid_attachments`, `too_many_attachments`, `invalid_metadata_format`, `invalid_metadata_schema` or
    `metadata_too_large`.
    """
    if not text and not blocks and not attachments:
        raise SlackError("no_text")
    if text is not None and len(text) > TEXT_MOST:
        raise SlackError("msg_too_long")
    return Content(
        text=text or "",
        blocks=_blocks(blocks),
        attachments=_attachments(attachments),
        metadata=_metadata(metadata),
    )


def _blocks(blocks: Any) -> list[dict[str, Any]]:
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    _refuse(message_offences(blocks, "/blocks"))
    return with_ids(blocks)


def _refuse(offences: Iterable[Offence]) -> None:
    found = list(offences)
    if found:
        too_long = all(offence.code == "msg_blocks_too_long" for offence in found)
        raise SlackError.refusing("msg_blocks_too_long" if too_long else "invalid_blocks", found)


def _attachments(attachments: Any) -> list[dict[str, Any]]:
    if attachments is None:
        return []
    if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > ATTACHMENTS_MOST:
        raise SlackError("too_many_attachments")
    words = [item[name] for item in attachments for name in _ATTACHMENT_WORDS if name in item]
    if not all(isinstance(word, str) for word in words):
        raise SlackError("invalid_attachments")
    stored = []
    for number, attachment in enumerate(attachments, start=1):
        _refuse(message_offences(attachment.get("blocks", []), f"/attachments/{number - 1}/blocks"))
        stored.append({"id": number, **attachment, "blocks": with_ids(attachment.get("blocks", []))})
    return stored


def _metadata(metadata: Any) -> dict[str, Any] | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    event_type = metadata.get("event_type")
    if not isinstance(event_type, str) or not fullmatch(r"\w{1,255}", event_type):
        raise SlackError.refusing(
            "invalid_metadata_schema", [Offence("/metadata/event_type", "failed_constraint", "must be a short name")]
        )
    if len(str(metadata).encode()) > METADATA_BYTES_MOST:
        raise SlackError("metadata_too_large")
    return metadata
