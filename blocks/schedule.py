"""What rotates by itself when: the notice before a run, and the window with the next thirty days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blocks import ids, parts
from blocks.drawn import Drawn
from blocks.parts import Block, count, escape
from blocks.records import named
from blocks.rules import schedule_in_words
from bot.rotation.announcing import SHOWN_NAMES, Told
from storage.models import Rule

SKIP, LATER = "schedule.skip", "schedule.postpone"
TURN = "schedule.turn"
TITLE = "Schedule"
DAYS = 30
ROWS = 12
_NAMES = 4


@dataclass(frozen=True, slots=True)
class Coming:
    """One run to come."""

    organization: str
    begins_at: datetime
    until: datetime
    names: tuple[str, ...]
    many: int


def notice(told: Told) -> Drawn:
    """What is told beforehand."""
    announcement, run = told.announcement, told.run
    where, begins = escape(told.organization.name, 100), parts.moment(announcement.begins_at)
    by = parts.person(announcement.decided_by)
    if announcement.skipped:
        return Drawn(
            f"Skipped at {where}",
            [
                parts.section(
                    f"⏭️ *Skipped this time* by {by}. Nothing rotates at {begins}; the next time counts as ever."
                )
            ],
        )
    if announcement.ended_at is not None:
        return Drawn(
            f"By the schedule, at {where}",
            [parts.section(f"🗓️ The rotation of {begins} has begun, or is told of by another notice.")],
        )
    if run is None:
        return Drawn(
            f"Nothing rotates at {where} after all",
            [parts.section(f"🗓️ Nothing rotates at {begins} any more: the rule, or what it covers, has changed.")],
        )
    many = count(len(run.record_ids), "password")
    head = f"Rotating {many} soon"
    names = named([each.name for each in told.records[:SHOWN_NAMES]], len(run.record_ids))
    moved = f"\nPut off by {by}." if announcement.decided_by else ""
    value = ids.value(announcement.id, announcement.version)
    return Drawn(
        f"{head} at {where}",
        [
            parts.header(head),
            parts.section(f"By the schedule of *{where}*, from {parts.moment(run.begins_at)}.{moved}\n{names}"),
            parts.actions(
                parts.button("In a day", LATER, value),
                parts.button(
                    "Skip this time",
                    SKIP,
                    value,
                    confirm=parts.confirm(
                        "Skip it?",
                        f"{count(len(run.record_ids), 'password stays', 'passwords stay')} until the next time the "
                        "rule says so.",
                        "Skip this time",
                    ),
                ),
            ),
            parts.context("Sooner: `/rotate now NAME`, or `/rotate all`. "
                          "`/rotate schedule` shows the next thirty days."),
        ],
    )  # fmt: skip


def upcoming(
    coming: Sequence[Coming],
    memo: Mapping[str, object],
    *,
    rule: Rule | None,
    left_out: Sequence[str] = (),
    page: int = 1,
) -> dict[str, Any]:
    """The window. `rule` is that of the organization it is about; None where it is about several."""
    page, pages, first = parts.page_of(len(coming), ROWS, page)
    blocks: list[Block] = []
    if rule is not None:
        blocks.append(parts.section(f"🗓️ {schedule_in_words(rule)}"))
    for each in coming[first : first + ROWS]:
        where = "" if rule is not None else f"*{escape(each.organization, 100)}*, "
        blocks.append(
            parts.section(
                f"{where}{parts.moment(each.begins_at)} until {parts.moment(each.until)}\n"
                f"{count(each.many, 'password')}: {named(each.names[:_NAMES], each.many)}"
            )
        )
    if not coming:
        blocks.append(
            parts.section(f"Nothing rotates by itself in the next {DAYS} days. `/rotate rules` changes that.")
        )
    blocks += parts.paging(TURN, page, pages)
    if left_out:
        blocks.append(parts.context(f"Left out of schedules: {named(left_out[:_NAMES], len(left_out))}"))
    blocks.append(parts.context("As far as can be told now; within a window, each has a turn of its own."))
    return parts.modal(TITLE, blocks, memo=memo)
