"""What a request would do, shown before it is confirmed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import CheckboxesElement, InputBlock, Option, PlainTextObject

from blocks import parts, versions
from blocks.parts import Block, count, escape
from blocks.records import NOTHING_YET, PROTECTED, accounts, named
from bot.rotation.planning import Intent, Preview
from bot.rotation.progress import what_they_share
from bot.rotation.requests import Draft
from storage.models import Organization

CONFIRM = "rotation.confirm"
TURN = "rotation.preview"

_SIGN_OUT = "rotation.sign_out"

ROWS = 8
_REASON_MOST = 500
_REASONS_MOST = 6

HONEST = (
    "Where it is done, the old password may work for up to 60 minutes, and open sessions go on unless signing out was "
    "asked for: end them yourself if that matters."
)


def preview(draft: Draft, memo: Mapping[str, object], *, page: int = 1, said: str = "") -> dict[str, Any]:
    """What would become of each record, and the button that makes it so, where anything would. `said` stands on top."""
    if draft.request.restores is not None:
        return versions.preview(draft, memo, CONFIRM, said=said)
    going = [each for each in draft.previews if each.intent is Intent.ROTATE]
    joining = [each for each in draft.previews if each.intent is Intent.JOIN]
    refused = [each for each in draft.previews if each.intent is Intent.REFUSE]
    left_out = [each for each in draft.previews if each.intent is Intent.LEAVE_OUT]
    blocks: list[Block] = [parts.section(f":warning: {parts.sentence(said, 1000)}")] if said else []
    blocks.append(parts.section("\n".join(_summary(draft.organization, going, joining, refused, left_out))))
    if draft.takes_two and draft.going:
        protected = sum(any(m.account.tier in PROTECTED for m in each.accounts) for each in draft.going)
        blocks.append(
            parts.section(
                f":key: *A second administrator must agree*: {count(protected, 'record belongs', 'records belong')} to "
                "a privileged or break-glass account. The others are asked, for an hour; nothing is rotated "
                "before one of them agrees."
            )
        )
    elif draft.above_ceiling and draft.going:
        blocks.append(
            parts.section(
                ":key: *A second person must agree*: you have started as much in this hour as one person may. The "
                "administrators are asked; without an answer it is over in an hour."
            )
        )
    blocks += _reasons("Refused", refused) + _reasons("Left out", left_out)
    if any(each.sign_out is False for each in going):
        blocks.append(_sign_out())
    shown, pages, first = parts.page_of(len(draft.going), ROWS, page)
    rows = draft.going[first : first + ROWS]
    if rows:
        blocks.append(parts.divider())
        blocks += [parts.section(_would(each)) for each in rows]
        blocks += parts.paging(TURN, shown, pages)
        blocks += _how_it_goes(going or joining)
    many = len(draft.going)
    return parts.modal(
        "Rotate passwords" if many != 1 else "Rotate a password",
        blocks,
        callback_id=CONFIRM,
        submit=None if not many else f"Rotate {many:,}" if many > 1 else "Rotate",
        close="Not now" if many else "Close",
        memo=memo,
    )


def wants_sign_out(view: Mapping[str, Any]) -> bool:
    """Whether the box was ticked in this view as Slack sent it."""
    state = view.get("state", {}).get("values", {}).get(_SIGN_OUT, {}).get(_SIGN_OUT, {})
    return bool(state.get("selected_options"))


def _sign_out() -> Block:
    box = Option(value="sign_out", text=PlainTextObject(text="End open sessions too, wherever that can be done"))
    return InputBlock(
        block_id=_SIGN_OUT,
        label=PlainTextObject(text="Sign out everywhere"),
        element=CheckboxesElement(action_id=_SIGN_OUT, options=[box]),
        hint=PlainTextObject(text="In Microsoft Entra ID; within minutes. A failure there fails no rotation."),
        optional=True,
    ).to_dict()


def _summary(
    organization: Organization,
    going: Sequence[Preview],
    joining: Sequence[Preview],
    refused: Sequence[Preview],
    left_out: Sequence[Preview],
) -> list[str]:
    lines = []
    if going:
        written = sum(len(each.accounts) for each in going)
        lines.append(
            f"*{count(len(going), 'record')}* of {escape(organization.name, 100)} would get a new password, and with "
            f"{'it' if len(going) == 1 else 'them'} {count(written, 'account')}."
        )
    if joining:
        lines.append(f"{count(len(joining), 'record is', 'records are')} being rotated already; you would join that.")
    if refused:
        lines.append(f"⛔ {count(len(refused), 'record')} would be refused.")
    if left_out:
        lines.append(f"➖ {count(len(left_out), 'record is', 'records are')} not part of “all”.")
    if not going and not joining:
        lines.append("*Nothing would be rotated.*" if lines else NOTHING_YET)
    return lines


def _would(each: Preview) -> str:
    joins = " · _joins the one under way_" if each.intent is Intent.JOIN else ""
    undo = f"\n{parts.sentence(each.undo, _REASON_MOST)}" if each.undo else ""
    return f"*{escape(each.record.name, 150)}*{joins}\n{accounts(each.accounts)}{undo}"


def _reasons(title: str, previews: Sequence[Preview]) -> list[Block]:
    """Who is refused or left out, by reason."""
    found: dict[str, list[str]] = {}
    for each in previews:
        found.setdefault(what_they_share(each.reason), []).append(each.record.name)
    lines = [
        f"• *{len(names):,}* {named(names[:3], len(names))}: {parts.sentence(reason, 250)}"
        for reason, names in sorted(found.items(), key=lambda group: -len(group[1]))[:_REASONS_MOST]
    ]
    if len(found) > _REASONS_MOST:
        lines.append(f"• and {len(found) - _REASONS_MOST} more reasons")
    return [parts.section(f"*{title}*\n" + "\n".join(lines))] if lines else []


def _how_it_goes(going: Sequence[Preview]) -> list[Block]:
    rule = Counter(each.reason.removesuffix(each.undo).strip() for each in going).most_common(1)[0][0]
    return [
        parts.context(
            parts.sentence(rule, 600),
            "Nobody is sent a password. When it is done you are told by direct message, and from there it is read in "
            "the vault or shown once on Rekey's own page, for you to pass on.",
            HONEST,
        )
    ]
