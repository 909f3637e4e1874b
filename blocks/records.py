"""One record and many: which one is meant, how each stands, and what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from blocks import ids, parts, versions
from blocks.drawn import Drawn
from blocks.parts import Block, count, escape
from bot.rotation.report import RecordStatus
from storage.models import Organization, Record, Revision, Rotation, RotationState, Status, Tier
from storage.rotations import MatchedAccount

NAMED = "record.named"
OPEN_RECORD, HISTORY_TURN = "record.open", "record.page"
ROTATE_RECORD = "record.rotate"
FAILURES_TURN = "record.failures"
STATUS_TURN = "record.status"

ROWS = 8
_LINES = 20
_REASON_MOST = 500
_ACCOUNTS_MOST = 4

MARKS: Mapping[Status | None, str] = {
    Status.IN_PROGRESS: "🔄",
    Status.SUCCESSFUL: "✅",
    Status.FAILED: "❌",
    Status.API_ERROR: "⚠️",
    Status.ADMIN_NOT_PERMITTED: "⛔",
    Status.MULTI_TENANT_NOT_PERMITTED: "⛔",
    Status.NOT_PERMITTED: "⛔",
    None: "⚪",
}
PROTECTED = (Tier.PRIVILEGED, Tier.BREAK_GLASS)
NOTHING_YET = (
    "*Nothing would be rotated.* No record here has an approved match yet: `/rotate match` shows what could be "
    "approved."
)


def named(names: Iterable[str], many: int) -> str:
    """The first few names, and how many more."""
    shown = [escape(name, 60) for name in islice(names, 5)]
    more = many - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def accounts(matched: Sequence[MatchedAccount]) -> str:
    """Accounts with their domain, the protected ones marked."""
    shown = ", ".join(
        parts.account(m.account.domain, m.account.username)
        + (f" *{m.account.tier}*" if m.account.tier in PROTECTED else "")
        + ("" if m.account.enabled else " _disabled_")
        for m in matched[:_ACCOUNTS_MOST]
    )
    more = len(matched) - _ACCOUNTS_MOST
    return f"{shown} and {more:,} more" if more > 0 else shown


def choices(typed: str, records: Sequence[Record], more: int, memo: Mapping[str, object]) -> dict[str, Any]:
    """Several records fit what was typed: which is meant?"""
    blocks = [
        parts.section(f"{count(len(records) + more, 'record fits', 'records fit')} “{escape(typed, 100)}”. Which?")
    ]
    for record in records[:20]:
        username = f"\n`{escape(record.username, 150)}`" if record.username else ""
        blocks.append(
            parts.section(
                f"*{escape(record.name, 150)}*{username}",
                parts.button(f"Choose {parts.clean(record.name, 60)}", NAMED, ids.value(record.id)),
            )
        )
    if more > 0:
        blocks.append(parts.context(f"and {more:,} more. Type more of the name to narrow it down."))
    return parts.modal("Which one?", blocks, memo=memo)


def failures(records: Sequence[Record], memo: Mapping[str, object], page: int = 1) -> dict[str, Any]:
    """Records that failed for one cause, each to be opened."""
    shown, pages, first = parts.page_of(len(records), 20, page)
    blocks = [
        parts.section(
            f"*{escape(record.name, 150)}*",
            parts.button(f"Open {parts.clean(record.name, 60)}", OPEN_RECORD, ids.value(record.id)),
        )
        for record in records[first : first + 20]
    ] or [parts.section("None of them stands like this any more: the card shows how things are now.")]
    return parts.modal("Records", blocks + parts.paging(FAILURES_TURN, shown, pages), memo=memo)


@dataclass(frozen=True, slots=True)
class History:
    """One record, with everything that became of it."""

    record: Record
    organization: Organization
    accounts: Sequence[MatchedAccount]
    stands: RecordStatus
    rotations: Sequence[Rotation]
    revisions: Sequence[Revision]
    may_rotate: bool
    may_read: bool
    may_restore: bool = False


def history(told: History, memo: Mapping[str, object], page: int = 1) -> dict[str, Any]:
    """What became of a record: how it stands, its rotations and its password's versions; never a password."""
    record = told.record
    whose = accounts(told.accounts) or "No account is approved for it."
    status = told.stands.status
    head = f"*{escape(record.name, 150)}* in {escape(told.organization.name, 100)}\n{whose}"
    blocks: list[Block] = [parts.section(head)]
    stands = f"{MARKS[status]} *{status or 'Never rotated'}*"
    if told.stands.reason:
        stands += f"\n{parts.sentence(f'{told.stands.reason} {told.stands.mend}'.strip(), 1500)}"
    blocks.append(parts.section(stands))
    buttons = []
    if told.may_rotate and told.accounts:
        buttons.append(parts.button("Rotate now", ROTATE_RECORD, ids.value(record.id), style="primary"))
    if buttons:
        blocks.append(parts.actions(*buttons))
    if told.may_read and told.revisions:
        show = parts.button("Show password once", ids.word("show"), ids.value(told.organization.id))
        blocks.append(parts.actions(show, block_id=f"{ids.word('show')} {record.id}"))
    shown, pages, first = parts.page_of(max(len(told.rotations), len(told.revisions)), ROWS, page)
    if told.rotations[first:]:
        blocks += [parts.divider(), parts.section("*Rotations*")]
        blocks += [_rotation(each) for each in told.rotations[first : first + ROWS]]
    if told.revisions[first:]:
        blocks += [parts.divider(), parts.section("*Versions of its password*")]
        blocks += versions.rows(
            told.revisions[first : first + ROWS], len(told.revisions) - first, may_restore=told.may_restore
        )
    blocks += parts.paging(HISTORY_TURN, shown, pages)
    return parts.modal("Record", blocks, memo=memo)


def _rotation(each: Rotation) -> Block:
    cancelled = each.state == RotationState.CANCELLED
    word = "Cancelled" if cancelled else each.status
    mark = "➖" if cancelled else MARKS.get(Status(each.status), "")
    reason = f"\n{parts.sentence(each.reason, _REASON_MOST)}" if each.reason else ""
    return parts.section(
        f"{mark} *{word}* · {parts.moment(each.requested_at)} · {parts.person(each.requested_by)}{reason}"
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How an organization's records stand: counts of all, one page of them, and what is open."""

    organization: Organization
    counts: Mapping[Status | None, int]
    records: Sequence[RecordStatus]
    """The page shown."""
    page: int
    pages: int
    open: Sequence[tuple[str, int, int]]
    """What is under way: its headline, how many are done, of how many."""


def status(told: Standing, memo: Mapping[str, object]) -> dict[str, Any]:
    """How the latest rotation of each record stands, failures first."""
    organization = told.organization
    blocks: list[Block] = []
    if organization.frozen_at is not None:
        blocks.append(
            parts.section(
                f"🛑 *Rotations are stopped here* since {parts.moment(organization.frozen_at)} by "
                f"{parts.person(organization.frozen_by)}.",
                parts.button("Start again", ids.word("start"), ids.value(organization.id)),
            )
        )
    said = [f"{MARKS[each]} *{many:,}* {each or 'never rotated'}" for each, many in told.counts.items() if many]
    blocks.append(parts.section("   ".join(said) or NOTHING_YET))
    for head, done, total in told.open[:5]:
        blocks.append(parts.section(f"*{escape(head, 150)}*\n{parts.bar(done, total)}"))
    if len(told.open) > 5:
        blocks.append(parts.context(f"and {len(told.open) - 5:,} more under way"))
    if told.records:
        blocks.append(parts.divider())
    for stands in told.records:
        reason = (
            f"\n{parts.sentence(stands.reason, 200)}" if stands.reason and stands.status != Status.SUCCESSFUL else ""
        )
        text = (
            f"{MARKS[stands.status]} *{escape(stands.record.name, 150)}* · {stands.status or 'never rotated'}{reason}"
        )
        blocks.append(
            parts.section(
                text,
                parts.button(f"Open {parts.clean(stands.record.name, 60)}", OPEN_RECORD, ids.value(stands.record.id)),
            )
        )
    blocks += parts.paging(STATUS_TURN, told.page, told.pages)
    return parts.modal("Status", blocks, memo=memo)


def stopped(organization: Organization) -> Drawn:
    """The channel is told that everything stands still, or goes on again."""
    if organization.frozen_at is None:
        return Drawn("Rotations go on", [parts.section("▶️ *Rotations go on.* What waited is taken up again.")])
    text = (
        f"🛑 *Rotations are stopped here* since {parts.moment(organization.frozen_at)} by "
        f"{parts.person(organization.frozen_by)}. Nothing new is written to any directory; what was already sent is "
        "still looked at, so that every password is known. An administrator starts them again."
    )
    start = parts.button("Start again", ids.word("start"), ids.value(organization.id))
    return Drawn("Rotations are stopped", [parts.section(text), parts.actions(start)])
