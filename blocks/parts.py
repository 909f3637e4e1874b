"""What every card and view is made of, safe for text that comes from outside.

Everything here returns Block Kit as plain dicts, checked against Slack's limits by slack_sdk's own models.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    MarkdownTextObject,
    Option,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.views import View

from bot.errors import BadInput
from storage.models import SCHEDULE

Block = dict[str, Any]
Element = dict[str, Any]

SECTION_MOST = SectionBlock.text_max_length
MESSAGE_BLOCKS_MOST = 50
VIEW_BLOCKS_MOST = View.blocks_max_length
_CONTEXT_MOST = 2000

_LINE_BREAKS = re.compile(r"[\r\n\t\u2028\u2029]+")
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,}")
# Slack has no escape for these; the look-alikes read the same and format nothing.
_LOOK_ALIKES = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


# ---- text ------------------------------------------------------------------------------------------------------------


def clean(text: str, most: int = 300) -> str:
    """Text from outside as plain text on one line: nothing invisible, nothing that turns its direction, no longer than
    `most` characters. Never empty: what is empty then reads `(no name)`.
    """
    kept = "".join(
        each
        for each in _LINE_BREAKS.sub(" ", text)
        if unicodedata.category(each) not in ("Cc", "Cf", "Co", "Cs", "Cn") and each not in "\u115f\u1160\u3164\uffa0"
    ).strip()
    return shorten(kept, most) or "(no name)"


def escape(text: str, most: int = 300) -> str:
    """The same for mrkdwn: it mentions nobody, links nowhere and formats nothing. `most` counts as Slack does, with
    its three escapes.
    """
    kept = clean(text, most)
    while len(_escaped(kept)) > most:
        kept = shorten(kept, len(kept) - 1)
    return _escaped(kept)


def sentence(text: str, most: int = 2900) -> str:
    """One of Rekey's own sentences in mrkdwn, which may name things from outside: formatted, but mentioning nobody."""
    for sign, entity in _ENTITIES:
        text = text.replace(sign, entity)
    return shorten(text, most)


def _escaped(text: str) -> str:
    text = text.translate(_LOOK_ALIKES)
    for sign, entity in _ENTITIES:
        text = text.replace(sign, entity)
    return text


def unescape(text: str) -> str:
    """What a person typed, without the three escapes Slack passes it on with."""
    for sign, entity in reversed(_ENTITIES):
        text = text.replace(entity, sign)
    return text


def shorten(text: str, most: int) -> str:
    """At most so many characters; an ellipsis says that there were more."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)].rstrip()}…"


def account(domain: str, username: str) -> str:
    """An account in mrkdwn, always with its domain."""
    return f"`{escape(f'{domain}{chr(92)}{username}', 200)}`"


def person(key: str | None) -> str:
    """An operator in mrkdwn: Slack shows the name; who asked on the command line is shown by key."""
    if key == SCHEDULE:
        return "the schedule"
    if key and _SLACK_ID.fullmatch(key):
        return f"<@{key}>"
    return f"`{escape(key or 'somebody', 100)}`"


def moment(at: datetime) -> str:
    """A time in mrkdwn, in the reader's own zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 account`, `2 accounts`, `1,234 accounts`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def bar(done: int, total: int, width: int = 20) -> str:
    """How far it is, as a bar and in numbers. Full only when all is done."""
    filled = width if total and done >= total else min(width - 1, done * width // total) if total else 0
    return f"`{'█' * filled}{'░' * (width - filled)}` {done:,} of {total:,}"


# ---- elements --------------------------------------------------------------------------------------------------------


def confirm(title: str, text: str, yes: str, no: str = "Not now", *, danger: bool = False) -> ConfirmObject:
    """Slack's own question before a button counts."""
    return ConfirmObject(
        title=shorten(title, 100),
        text=MarkdownTextObject(text=shorten(text, 300)),
        confirm=shorten(yes, 30),
        deny=shorten(no, 30),
        style="danger" if danger else None,
    )


def button(
    text: str, action_id: str, value: str, *, style: str | None = None, confirm: ConfirmObject | None = None
) -> Element:
    """A button; `style` is `primary` or `danger`."""
    label = PlainTextObject(text=shorten(text, 75), emoji=False)
    return ButtonElement(text=label, action_id=action_id, value=value, style=style, confirm=confirm).to_dict()


def link(text: str, url: str, name: str) -> Element:
    """A button that opens a page; `name` says which, in small letters, and is one of a kind in its block. No listener
    is needed.
    """
    label = PlainTextObject(text=shorten(text, 75), emoji=False)
    return ButtonElement(text=label, action_id=f"link.{name}", url=url).to_dict()


def linked(text: str, url: str, most: int = 300) -> str:
    """The text in mrkdwn as a link to this page; without one, where there is no address or it is none Slack takes."""
    shown = escape(text, most)
    web = url.startswith(("https://", "http://")) and len(url) <= 500 and not re.search(r"[<>|\s]", url)
    return f"<{url}|{shown}>" if web else shown


def option(text: str, value: str, description: str | None = None) -> Element:
    """One choice of a menu; texts from outside are cleaned here."""
    about = PlainTextObject(text=clean(description, 75), emoji=False) if description else None
    label = PlainTextObject(text=clean(text, 75), emoji=False)
    return Option(value=value, text=label, description=about).to_dict(option_type="block")


# ---- blocks ----------------------------------------------------------------------------------------------------------


def header(text: str) -> Block:
    """A headline in plain text; what comes from outside in it is cleaned here."""
    return HeaderBlock(text=PlainTextObject(text=clean(text, 150), emoji=False)).to_dict()


def section(text: str, accessory: Element | None = None, *, block_id: str | None = None) -> Block:
    """A paragraph of mrkdwn, whose parts from outside are escaped already."""
    block = SectionBlock(text=MarkdownTextObject(text=shorten(text, SECTION_MOST)), block_id=block_id).to_dict()
    return {**block, "accessory": accessory} if accessory else block


def context(*texts: str) -> Block:
    """Small print in mrkdwn, at most ten pieces."""
    return ContextBlock(elements=[MarkdownTextObject(text=shorten(each, _CONTEXT_MOST)) for each in texts]).to_dict()


def divider() -> Block:
    """A line across."""
    return DividerBlock().to_dict()


def actions(*elements: Element, block_id: str | None = None) -> Block:
    """A row of buttons and menus, at most 25."""
    ActionsBlock(elements=list(elements), block_id=block_id).validate_json()
    block: Block = {"type": "actions", "elements": list(elements)}
    return {**block, "block_id": block_id} if block_id else block


def paging(action_id: str, page: int, pages: int) -> list[Block]:
    """Back and on, where there is more than one page (pages count from 1). Each button carries the page it leads to;
    their action ids are `<action_id>:back` and `<action_id>:on`.
    """
    if pages <= 1:
        return []
    buttons = []
    if page > 1:
        buttons.append(button("◀ Back", f"{action_id}:back", str(page - 1)))
    if page < pages:
        buttons.append(button("More ▶", f"{action_id}:on", str(page + 1)))
    return [actions(*buttons), context(f"Page {page:,} of {pages:,}")]


def page_of(items: int, size: int, page: int) -> tuple[int, int, int]:
    """The page that is shown when `page` is asked for, how many there are, and the first item on it (from 0)."""
    pages = max(1, -(-items // size))
    shown = min(max(1, page), pages)
    return shown, pages, (shown - 1) * size


# ---- views -----------------------------------------------------------------------------------------------------------


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str | None = None,
    submit: str | None = None,
    close: str = "Close",
    memo: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """A modal. `memo` comes back with every click in it: see `memo_for`; row ids only, never a secret."""
    view: dict[str, Any] = {
        "type": "modal",
        "title": _plain(title, 24),
        "close": _plain(close, 24),
        "blocks": list(blocks)[:VIEW_BLOCKS_MOST],
        "private_metadata": json.dumps(dict(memo or {}), separators=(",", ":")),
    }
    if callback_id:
        view["callback_id"] = callback_id
    if submit:
        view["submit"] = _plain(submit, 24)
    return view


def loading(title: str, *, memo: Mapping[str, object] | None = None, callback_id: str | None = None) -> dict[str, Any]:
    """What a modal shows until it is filled in: a trigger lives for three seconds only."""
    return modal(title, [section("One moment …")], memo=memo, callback_id=callback_id)


def home(blocks: Iterable[Block]) -> dict[str, Any]:
    """An App Home."""
    return {"type": "home", "blocks": list(blocks)[:VIEW_BLOCKS_MOST]}


def memo_for(operator: str, organization_id: int | None = None, **more: object) -> dict[str, object]:
    """What a modal remembers: for whom it was opened, and in which organization. It counts for nobody else."""
    return {"for": operator, "organization": organization_id, **more}


def memo_of(view: Mapping[str, Any]) -> dict[str, Any]:
    """What a modal remembers, as it came back; `BadInput` when it is not what Rekey puts there."""
    try:
        memo = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        memo = None
    if not isinstance(memo, dict):
        raise BadInput("This view carries something Rekey did not put there. Nothing was changed.")
    return memo


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": clean(text, most), "emoji": False}
