"""The one card of a request, from its confirmation to its end, and its result."""

from slack_sdk.models.blocks import ConfirmObject

from blocks import aftershocks, ids, parts
from blocks.drawn import Drawn
from blocks.parts import Block, Element, count, escape
from blocks.previews import HONEST
from blocks.records import MARKS, OPEN_RECORD, named
from bot.rotation.progress import Cause, Mend, Progress
from storage.models import RequestState

CANCEL = "rotation.cancel"
RETRY = "rotation.retry"
RETRY_CAUSE = "rotation.retry_cause"
FAILURES = "rotation.failures"

VAULT_ONLY = "Only the vault was changed: in the directory everybody signs in as before."

_REASON_MOST = 350
_TODO_MOST = 500
"""Enough for the link that mends it: half a link mends nothing."""
_STRICTER = 3


def card(now_: Progress) -> Drawn:
    """The one card of a request, from its confirmation to its end."""
    request = now_.request
    head = headline(now_)
    blocks: list[Block] = [parts.header(head)]
    blocks.append(parts.section("\n".join(_story(now_))))
    if request.state in (RequestState.UNDER_WAY, RequestState.ENDED):
        if now_.total > 1 or not now_.over:
            blocks.append(parts.section(f"{parts.bar(now_.done, now_.total)}\n{_counts(now_)}"))
        if now_.left:
            open_ones = now_.begun + now_.planned
            blocks.append(parts.context(f"Left: {named(now_.left, open_ones)}"))
        if now_.recording and not now_.over:
            many = count(now_.recording, "record holds its", "records hold their")
            shown = "it" if now_.recording == 1 else "them"
            blocks.append(
                parts.section(
                    f"🗄️ {many} new password in every directory already; the vault is to follow. Until then "
                    f"`/rotate show NAME` shows {shown}."
                )
            )
        blocks += [parts.section(f"⏳ {parts.sentence(wait, _REASON_MOST)}") for wait in now_.waits[:3]]
        blocks += _besides(now_)
        blocks += _causes(now_)
        blocks += aftershocks.on_the_card(now_.shocks, more=now_.more_shocks)
    blocks += _buttons(now_)
    blocks += [parts.context(f"🔑 {parts.sentence(each, _REASON_MOST)}") for each in now_.stricter[:_STRICTER]]
    if now_.successful:
        blocks.append(parts.context(VAULT_ONLY if now_.request.vault_only else HONEST))
    return Drawn(f"{head}: {_in_short(now_)}", blocks)


def result(now_: Progress) -> Drawn:
    """What the requester, and who follows the organization, are told when it is over."""
    head = headline(now_)
    where = escape(now_.organization.name, 100)
    counts = f" {_counts(now_)}" if now_.done else ""
    reason = f"\n{parts.sentence(now_.request.reason, _REASON_MOST)}" if now_.request.reason else ""
    blocks: list[Block] = [parts.header(head), parts.section(f"In *{where}*.{counts}{reason}")]
    blocks += _rotated(now_)
    blocks += _besides(now_)
    blocks += _causes(now_)
    blocks += _buttons(now_)
    if now_.successful:
        blocks.append(parts.context(VAULT_ONLY if now_.request.vault_only else HONEST))
    return Drawn(f"{head} in {where}: {_in_short(now_)}", blocks)


def _besides(now_: Progress) -> list[Block]:
    return [parts.section(f"☁️ {parts.sentence(each, _REASON_MOST)}") for each in now_.besides]


def _rotated(now_: Progress) -> list[Block]:
    """Who has a new password, and the ways to it."""
    if now_.successful == 1 and now_.rotated:
        [record] = now_.rotated
        has = "has a new password" if now_.request.restores is None else "has its earlier password again"
        show = parts.button("Show password once", ids.word("show"), ids.value(now_.organization.id), style="primary")
        return [
            parts.section(
                f"*{escape(record.name, 150)}* {has}. Read it in the vault, or have it shown once on Rekey's own page.",
                parts.button("Open the record", OPEN_RECORD, ids.value(record.id)),
            ),
            parts.actions(show, block_id=f"{ids.word('show')} {record.id}"),
        ]
    rows = [
        parts.section(
            f"*{escape(record.name, 150)}*",
            parts.button(f"Open {parts.clean(record.name, 60)}", OPEN_RECORD, ids.value(record.id)),
        )
        for record in now_.rotated
    ]
    more = now_.successful - len(rows)
    return [*rows, parts.context(f"and {more:,} more with a new password")] if rows and more > 0 else rows


def headline(now_: Progress) -> str:
    """What it is and how it stands, in a few words of plain text."""
    what = "one password" if now_.total == 1 else f"{now_.total:,} passwords"
    if now_.request.restores is not None:
        return _headline_of_a_restore(now_)
    match now_.request.state:
        case RequestState.AWAITING_APPROVAL:
            return f"Waiting for a second administrator: {what}"
        case RequestState.CANCELLED:
            return f"Not rotated: {what}"
        case RequestState.UNDER_WAY:
            return f"Rotating {what}"
        case _ if now_.successful == now_.total:
            return f"Rotated {what}"
        case _ if now_.successful == 0:
            return f"Not rotated: {what}"
        case _:
            return f"Rotated {now_.successful:,} of {now_.total:,} passwords"


def _headline_of_a_restore(now_: Progress) -> str:
    match now_.request.state:
        case RequestState.AWAITING_APPROVAL:
            return "Waiting for a second administrator: an earlier password"
        case RequestState.UNDER_WAY:
            return "Bringing back an earlier password"
        case _ if now_.successful:
            return "Brought back an earlier password"
        case _:
            return "Not brought back: an earlier password"


def _story(now_: Progress) -> list[str]:
    request = now_.request
    by = parts.person(request.requested_by)
    at = parts.moment(request.confirmed_at or request.created_at)
    shown = [record.name for record in now_.rotated] or now_.left
    names = named(shown, now_.total) if shown else ""
    what = names if request.by_name and names else "Everything that “all” means here" if not request.by_name else ""
    lines = [f"{what}{', asked' if what else 'Asked'} for by {by}, {at}."]
    if request.changed_by and request.changed_by != request.requested_by:
        lines.append(f"Last decided by {parts.person(request.changed_by)}.")
    if request.state == RequestState.AWAITING_APPROVAL:
        until = f" Without an answer it is over {parts.moment(now_.expires_at)}." if now_.expires_at else ""
        lines.append(f"Nothing is rotated before another administrator agrees.{until}")
    if request.reason:
        lines.append(parts.sentence(request.reason, _REASON_MOST))
    return lines


def _counts(now_: Progress) -> str:
    said = [
        (now_.successful, "✅ {} done"),
        (now_.begun, "🔄 {} under way"),
        (now_.planned, "⚪ {} not begun"),
        (now_.failed, "❌ {} failed"),
        (now_.cancelled, "➖ {} cancelled"),
    ]
    return "   ".join(words.format(f"*{number:,}*") for number, words in said if number) or "⚪ nothing yet"


def _in_short(now_: Progress) -> str:
    """For notifications: no formatting."""
    said = [
        (now_.successful, "done"),
        (now_.failed, "failed"),
        (now_.cancelled, "cancelled"),
        (now_.begun + now_.planned, "left"),
    ]
    return ", ".join(f"{number:,} {word}" for number, word in said if number) or "nothing rotated"


def _causes(now_: Progress) -> list[Block]:
    blocks: list[Block] = []
    for cause in now_.causes:
        todo = f" {parts.sentence(cause.what_to_do, _TODO_MOST)}" if cause.what_to_do else ""
        text = (
            f"{MARKS[cause.status]} *{cause.status}* · {named(cause.names, cause.many)}\n"
            f"{parts.sentence(cause.reason, _REASON_MOST)}{todo}"
        )
        blocks.append(parts.section(text, _mending(now_, cause)))
    if now_.more_causes:
        blocks.append(
            parts.context(f"and {count(now_.more_causes, 'more cause')}: `/rotate status` shows each record.")
        )
    return blocks


def _mending(now_: Progress, cause: Cause) -> Element:
    organization = ids.value(now_.organization.id)
    match cause.mend:
        case Mend.MATCH:
            return parts.button("Choose a record", ids.word("match"), organization)
        case Mend.DOCTOR:
            return parts.button("Doctor", ids.word("doctor"), organization)
        case Mend.START:
            return parts.button("Start again", ids.word("start"), organization)
        case Mend.SETUP:
            return parts.button("Set up", ids.word("setup"), organization)
        case Mend.RECORD:
            text = "Open the record" if cause.many == 1 else f"Open the records ({cause.many:,})"
            return parts.button(text, FAILURES, ids.value(cause.like))
        case Mend.RETRY:
            return parts.button(
                f"Retry all {cause.many:,}" if cause.many > 1 else "Retry",
                RETRY_CAUSE,
                ids.value(cause.like, now_.request.version),
                confirm=_sure_to_retry(cause.many),
            )


def _sure_to_retry(many: int) -> ConfirmObject:
    return parts.confirm(
        "Rotate again?",
        f"{count(many, 'record that failed is', 'records that failed are')} tried again, with a new password each. "
        "What succeeded is left alone.",
        "Retry",
    )


def _buttons(now_: Progress) -> list[Block]:
    request, buttons = now_.request, []
    retryable = now_.failed - now_.stuck
    only_one = len(now_.causes) == 1 and now_.causes[0].mend is Mend.RETRY
    if request.state in (RequestState.UNDER_WAY, RequestState.ENDED) and retryable and not only_one:
        buttons.append(
            parts.button(
                f"Retry all {retryable:,} that failed" if retryable > 1 else "Retry what failed",
                RETRY,
                ids.value(request.id, request.version),
                confirm=_sure_to_retry(retryable),
            )
        )
    if request.state == RequestState.AWAITING_APPROVAL:
        sure = parts.confirm("Take it back?", "Nobody is asked any more, and nothing is rotated.", "Take it back")
        buttons.append(parts.button("Take it back", CANCEL, ids.value(request.id, request.version), confirm=sure))
    if request.state == RequestState.UNDER_WAY and now_.planned:
        sure = parts.confirm(
            "Cancel what has not begun?",
            f"{count(now_.planned, 'record keeps its', 'records keep their')} present password. What has begun goes on "
            "to its end.",
            "Cancel the rest",
            danger=True,
        )
        buttons.append(
            parts.button(
                f"Cancel what has not begun ({now_.planned:,})",
                CANCEL,
                ids.value(request.id, request.version),
                style="danger",
                confirm=sure,
            )
        )
    if now_.successful:
        buttons.append(parts.button("All records", ids.word("status"), ids.value(now_.organization.id)))
    return [parts.actions(*buttons)] if buttons else []
