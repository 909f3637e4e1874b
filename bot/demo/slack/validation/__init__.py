"""Is this a message or view that Slack would take?

`validate` is what the pretend Slack asks before it accepts anything, and what tests ask about every card and view
Rekey draws. It knows each limit and structural rule Slack publishes (docs.slack.dev/reference/block-kit), with the
numbers taken from `slack_sdk.models` where that library carries them, and refuses what it does not know: an unknown
field, block or element is an offence, as it is in Slack.
"""

import json
from collections.abc import Mapping, Sequence

from .shapes import Offence
from .surfaces import VIEW_BYTES_MOST, elements_of, message_offences, view_offences

__all__ = ["Offence", "check", "elements_of", "message_offences", "validate", "view_offences", "view_size"]

MESSAGE_TEXT_MOST = 40_000


def validate(payload: Mapping[str, object] | Sequence[object]) -> list[Offence]:
    """Every rule a payload breaks, empty when Slack would take it.

    `payload` is a view (a dict whose `type` is `modal` or `home`), a message (a dict with `text` and/or `blocks`) or
    a bare list of a message's blocks. Objects of `slack_sdk.models` must be turned into dicts first (`to_dict()`).
    A message with blocks and no `text` is an offence here, though Slack only warns: screen readers and
    notifications read that text.
    """
    if not isinstance(payload, Mapping):
        return list(message_offences(list(payload)))
    if payload.get("type") in ("modal", "home"):
        found = list(view_offences(dict(payload)))
        if view_size(payload) > VIEW_BYTES_MOST:
            found.append(Offence("", "view_too_large", f"must be at most {VIEW_BYTES_MOST} bytes of JSON"))
        return found
    found = []
    text = payload.get("text")
    if text is None or text == "":
        found.append(Offence("", "missing_field", "missing required field: text (read by screen readers)"))
    elif not isinstance(text, str):
        found.append(Offence("/text", "invalid_type", "must provide a string"))
    elif len(text) > MESSAGE_TEXT_MOST:
        found.append(Offence("/text", "failed_constraint", f"must be less than {MESSAGE_TEXT_MOST + 1} characters"))
    if "blocks" in payload:
        found.extend(message_offences(payload["blocks"], "/blocks"))
    return found


def check(payload: Mapping[str, object] | Sequence[object]) -> None:
    """Raise AssertionError, listing every offence with its path, unless `validate` finds none. For tests."""
    offences = validate(payload)
    if offences:
        raise AssertionError("Slack would refuse this:\n" + "\n".join(f"  {offence}" for offence in offences))


def view_size(view: object) -> int:
    """The size of a view in bytes of JSON, which Slack limits to 250 kB."""
    return len(json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode())
