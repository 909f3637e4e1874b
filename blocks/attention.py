"""What needs somebody: the card of what is stuck, and the daily digest."""

from blocks import ids, parts
from blocks.drawn import Drawn
from blocks.letters import Part, Written, letter
from blocks.parts import Block, clean, count, escape
from blocks.records import MARKS, OPEN_RECORD, named
from bot.digest import Digest, Group
from bot.rotation.progress import what_they_share
from bot.stuck import Standing

TAKE = "stuck.take"

_SHOWN = 5
_GROUPS = 12
_REASON_MOST = 300


def stuck(standing: Standing) -> Drawn:
    """What is stuck in one organization, until somebody takes it."""
    where, untaken, taken = escape(standing.organization.name, 100), standing.untaken, standing.taken
    if not untaken:
        by = {each.rotation.taken_by for each in taken}
        who = ", ".join(parts.person(each) for each in sorted(filter(None, by))) or "Somebody"
        said = (
            f"🤝 {who} looks after what is stuck at *{where}*."
            if taken
            else f"✅ Nothing is stuck at *{where}* any more."
        )
        return Drawn(f"Taken at {where}" if taken else f"Nothing is stuck at {where}", [parts.section(said)])
    head = "One record is stuck" if len(untaken) == 1 else f"{len(untaken):,} records are stuck"
    blocks: list[Block] = [
        parts.header(head),
        parts.section(
            f"At *{where}*. Every password that may hold is kept, and can be read. Only a person can say which one is "
            "to hold: rotating a record by its name gives it a new one everywhere."
        ),
    ]
    for each in untaken[:_SHOWN]:
        reason = parts.sentence(what_they_share(each.rotation.reason), _REASON_MOST)
        open_it = parts.button(f"Open {clean(each.record.name, 60)}", OPEN_RECORD, ids.value(each.record.id))
        blocks.append(parts.section(f"🔴 *{escape(each.record.name, 150)}*\n{reason}", open_it))
    if len(untaken) > _SHOWN:
        blocks.append(parts.context(f"and {len(untaken) - _SHOWN:,} more: `/rotate status` shows each record"))
    newest = max(each.rotation.id for each in untaken)
    mine = "I take this" if len(untaken) == 1 else "I take these"
    blocks += [
        parts.actions(parts.button(mine, TAKE, ids.value(standing.organization.id, newest), style="primary")),
        parts.context("Every administrator is asked again every four hours until one of them takes it."),
    ]
    return Drawn(f"{head} at {where}", blocks)


def digest(told: Digest) -> Drawn:
    """The digest, by direct message."""
    if told.is_silent:
        return Drawn("All is well by now", [parts.section("✅ What needed somebody was mended before this was sent.")])
    blocks: list[Block] = [parts.header("What needs somebody today")]
    for organization, account in told.locked[:_SHOWN]:
        blocks.append(
            parts.section(f"🔒 `{escape(account, 150)}` at *{escape(organization, 100)}* is locked since its rotation.")
        )
    for group in told.groups[:_GROUPS]:
        mark = "🔴 *Stuck*" if group.stuck else f"{MARKS[group.status]} *{group.status}*"
        where = named([f"{name} ({many:,})" for name, many in group.organizations], len(group.organizations))
        blocks.append(
            parts.section(
                f"{mark} · {count(group.many, 'record')} · {where}{' · *new*' if group.new else ''}\n"
                f"{parts.sentence(_said(group), _REASON_MOST)}"
            )
        )
    if len(told.groups) > _GROUPS:
        blocks.append(parts.context(f"and {count(len(told.groups) - _GROUPS, 'more cause')}"))
    if told.stopped:
        names = [f"{organization}: {name}" for organization, name in told.stopped]
        blocks.append(
            parts.section(f"🟠 Work stopped towards {named(names, len(names))}. `/rotate doctor` there says why.")
        )
    if told.frozen:
        blocks.append(parts.section(f"⛔ Stopped by somebody: {named(told.frozen, len(told.frozen))}."))
    rotated = count(told.rotated, "password was", "passwords were")
    blocks.append(
        parts.context(
            f"{rotated} rotated since {parts.moment(told.since)}. Nothing comes on days when all is well; "
            "`/rotate settings` says when and how this comes."
        )
    )
    return Drawn(_in_short(told), blocks)


def digest_letter(told: Digest) -> Written:
    """The same by e-mail."""
    said = [
        Part(
            f"{', '.join(f'{name} ({many:,})' for name, many in group.organizations[:_SHOWN])}"
            f"{' and more' if len(group.organizations) > _SHOWN else ''}\n{_said(group)}",
            f"{'Stuck' if group.stuck else group.status}: {count(group.many, 'record')}{' (new)' if group.new else ''}",
        )
        for group in told.groups[:_GROUPS]
    ]
    said += [Part(f"{organization}: {account}", "Locked since its rotation") for organization, account in told.locked]
    if told.stopped:
        said.append(Part("\n".join(f"{where}: {name}" for where, name in told.stopped), "Work stopped towards"))
    if told.frozen:
        said.append(Part("\n".join(told.frozen), "Stopped by somebody"))
    if told.is_silent:
        said.append(Part("What needed somebody was mended before this was sent."))
    return letter(
        _in_short(told),
        said,
        small=[f"{count(told.rotated, 'password was', 'passwords were')} rotated since the last one."],
    )


def _said(group: Group) -> str:
    reason = what_they_share(group.example.reason)
    shown = reason if group.many == 1 else f"For example: {reason}"
    return f"{shown} {group.example.mend}".strip()


def _in_short(told: Digest) -> str:
    failed = sum(each.many for each in told.groups)
    said = [f"{count(failed, 'record')} failing"] if failed else []
    said += [f"{count(len(told.locked), 'account')} locked"] if told.locked else []
    said += ["work stands still"] if told.stopped or told.frozen else []
    return f"What needs somebody today: {', '.join(said)}" if said else "All is well by now"
