"""What a second administrator is asked, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from blocks import ids, parts
from blocks.drawn import Drawn
from blocks.parts import Block, count, escape
from blocks.records import PROTECTED, accounts, named
from bot.rotation.planning import Preview
from storage.models import Approval, ApprovalState, Organization, Record

APPROVE, REFUSE = "approval.approve", "approval.refuse"

_ROWS = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants and may not do alone."""

    approval: Approval
    organization: Organization
    going: Sequence[Preview] = ()
    """For rotating: the records that would get a new password."""
    record: Record | None = None
    """For reading: whose password."""


def card(wanted: Wanted) -> Drawn:
    """The card an administrator is asked by; decided, it says by whom and when."""
    approval = wanted.approval
    waiting = approval.state == ApprovalState.WAITING
    head = "A second administrator is needed" if waiting else _DECIDED[ApprovalState(approval.state)]
    blocks: list[Block] = [parts.header(head), parts.section(_wants(wanted))]
    if waiting:
        blocks += _what(wanted)
        blocks.append(_buttons(approval))
        blocks.append(
            parts.context(
                f"It is over {parts.moment(approval.expires_at)}. What you agree to is exactly this: if anything of it "
                "changes before, your agreement counts for nothing. Whoever asked cannot agree."
            )
        )
    else:
        blocks.append(parts.section(_outcome(approval)))
    return Drawn(f"{head}: {escape(wanted.organization.name, 100)}", blocks)


_DECIDED = {
    ApprovalState.APPROVED: "Agreed",
    ApprovalState.REFUSED: "Refused",
    ApprovalState.EXPIRED: "Over without an answer",
    ApprovalState.VOID: "Not asked any more",
}


def _wants(wanted: Wanted) -> str:
    who, where = parts.person(wanted.approval.requested_by), escape(wanted.organization.name, 100)
    if wanted.record is not None:
        enough = wanted.approval.what == "ceiling"
        more = " They were shown as many in this hour as one person may be." if enough else ""
        return f"{who} wants to read the password of *{escape(wanted.record.name, 150)}* in *{where}*.{more}"
    more = " They have started as much in an hour as one person may." if wanted.approval.what == "ceiling" else ""
    if wanted.going and wanted.going[0].restores is not None:
        [each] = wanted.going
        return f"{who} wants to bring back an earlier password in *{where}*.{more}\n{parts.sentence(each.reason, 1500)}"
    many = f" *{count(len(wanted.going), 'record')}*" if wanted.going else ""
    return f"{who} wants to rotate{many} in *{where}*.{more}"


def _what(wanted: Wanted) -> list[Block]:
    guarded: list[Preview] = []
    others: list[Preview] = []
    for each in wanted.going:
        (guarded if any(m.account.tier in PROTECTED for m in each.accounts) else others).append(each)
    blocks = [
        parts.section(f"*{escape(each.record.name, 150)}*\n{accounts(each.accounts)}") for each in guarded[:_ROWS]
    ]
    if len(guarded) > _ROWS:
        rest = [each.record.name for each in guarded[_ROWS:]]
        blocks.append(parts.context(f"and {named(rest, len(rest))}"))
    if others:
        also = "And" if guarded else "They are"
        names = named([each.record.name for each in others], len(others))
        blocks.append(parts.context(f"{also} {count(len(others), 'ordinary record')}: {names}"))
    return blocks


def _buttons(approval: Approval) -> Block:
    value = ids.value(approval.id)
    sure = parts.confirm("Agree?", "It starts at once, in your name and theirs: the audit trail says so.", "Agree")
    return parts.actions(
        parts.button("Agree", APPROVE, value, style="primary", confirm=sure),
        parts.button("Refuse", REFUSE, value, style="danger"),
    )


def _outcome(approval: Approval) -> str:
    by = f" {parts.person(approval.decided_by)}" if approval.decided_by else ""
    at = f" {parts.moment(approval.decided_at)}" if approval.decided_at else ""
    match approval.state:
        case ApprovalState.APPROVED:
            return f"✅ Agreed to by{by},{at}."
        case ApprovalState.REFUSED:
            return f"⛔ Refused by{by},{at}. Nothing was done."
        case ApprovalState.VOID:
            return f"➖ It changed or was taken back,{at}, so nothing was done. Whoever wants it asks again."
        case _:
            return f"⌛ Nobody agreed within the hour ({at.strip()}). Nothing was done."


def answer(approval: Approval, record: Record) -> Drawn:
    """What whoever asked to be shown a password is told."""
    what = f"to be shown the password of *{escape(record.name, 150)}*"
    if approval.state == ApprovalState.APPROVED:
        text = f"{_outcome(approval)} You asked {what}, until {parts.moment(approval.expires_at)}."
        show = parts.button("Show password once", ids.word("show"), ids.value(approval.organization_id))
        asks = parts.actions(show, block_id=f"{ids.word('show')} {record.id}")
        return Drawn("Agreed", [parts.section(text), asks])
    text = f"{_outcome(approval)} You asked {what}."
    return Drawn(_DECIDED.get(ApprovalState(approval.state), "Waiting"), [parts.section(text)])
