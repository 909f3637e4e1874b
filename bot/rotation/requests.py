"""What people ask for in Slack: seen as a plan first, confirmed as it was seen, then one piece of work to its end.

A request is a row from its preview on. What is confirmed is bound to a hash of what was shown, so whatever changed
meanwhile is shown again instead of done. Each verb decides and writes in the caller's one writing transaction, and each
may be called twice: the row's state says that it happened already.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import Session

from bot.approvals import ask, decide, expired, remind, takes_two
from bot.audit import Line, Trail
from bot.errors import BadInput, NotPermitted, RowNotFound
from bot.permissions import PROTECTED, Operator, operator_named
from bot.rotation import restoring
from bot.rotation.planning import Intent, Preview, preview, request, tiers_of
from bot.rotation.restoring import Restore
from bot.settings import Settings
from storage.approvals import get_approval
from storage.escrow import Escrow
from storage.models import (
    Approval,
    ApprovalState,
    Organization,
    Record,
    Request,
    RequestState,
    Tier,
    now,
)
from storage.notices import RESULT, ROTATION, finish, post, touch
from storage.records import get_records
from storage.requests import (
    Link,
    confirmed_since,
    forget_previews,
    get_request,
    link_rotations,
)
from storage.results import note_moved
from storage.rotations import approved_records, records_of_rotations

_HOUR = timedelta(hours=1)
_A_DAY = timedelta(days=1)
GOING = (Intent.ROTATE, Intent.JOIN)


class Answer(StrEnum):
    """What became of a confirmation."""

    STARTED = "started"
    WAITS = "waits"
    """For a second administrator."""
    CHANGED = "changed"
    """It would do something else by now than what was shown: nothing was done, look again."""
    ALREADY = "already"
    """Somebody, or the same click delivered twice, was quicker; nothing more was done."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A request with what it would do to each of its records, as things stand."""

    request: Request
    organization: Organization
    previews: tuple[Preview, ...]
    takes_two: bool
    """Privileged or break-glass accounts are among those that would be written: a second administrator must agree."""
    above_ceiling: bool
    """This operator has started as much in an hour as one person may."""

    @property
    def going(self) -> tuple[Preview, ...]:
        """The records that would get a new password."""
        return tuple(each for each in self.previews if each.intent in GOING)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What became of a confirmation, and the request as it is now."""

    answer: Answer
    draft: Draft


def draft(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    organization: Organization,
    records: Sequence[Record] | None,
    restore: Restore | None = None,
) -> Draft:
    """Keep what this operator is about to ask for: these records by name, or everything "all" means for None.

    `restore`: an earlier password for the one record, instead of a new one. Asking by name for what one may not rotate
    is on record, although nothing comes of it.
    """
    asked = records if records is not None else [each for _, each in approved_records(session, organization.id)]
    forget_previews(session, operator.key, now() - _A_DAY)
    kept = Request(
        organization_id=organization.id,
        requested_by=operator.key,
        by_name=records is not None,
        record_ids=list(dict.fromkeys(record.id for record in asked)),
        restores=restore.revision_id if restore is not None else None,
        vault_only=restore is not None and restore.vault_only,
        plan="",
        state=RequestState.PREVIEW,
    )
    session.add(kept)
    session.flush()
    drafted = as_it_stands(session, settings, operator, kept)
    kept.plan = plan_of(drafted)
    tried = [each for each in drafted.previews if each.cause == "operator-not-permitted"] if kept.by_name else []
    trail.append_all(
        session,
        [
            Line(
                event="rotation.refused" if restore is None else "restore.refused",
                operator=operator.key,
                source=operator.source,
                organization=organization,
                subject=f"record {each.record.id}",
                result=each.status or "refused",
                details={"reason": each.reason},
            )
            for each in tried
        ],
    )
    return drafted


def redraft(session: Session, settings: Settings, operator: Operator, request_id: int) -> Draft:
    """What a preview would do as things stand; `NotPermitted` for anybody but the one who asked. Changes nothing."""
    kept = get_request(session, request_id)
    _only_the_requester(kept, operator)
    return as_it_stands(session, settings, operator, kept)


def confirm(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    request_id: int,
    *,
    sign_out: bool = False,
) -> Confirmed:
    """Do what was shown: start it, or have it wait for a second administrator. `sign_out`: what was ticked beside it.

    `NotPermitted` for anybody but the one it was shown to, and where there is nobody else to agree; `BadInput` when
    nothing of it may be rotated. Then nothing was changed.
    """
    kept = get_request(session, request_id)
    _only_the_requester(kept, operator)
    drafted = as_it_stands(session, settings, operator, kept)
    if kept.state != RequestState.PREVIEW:
        return Confirmed(Answer.ALREADY, drafted)
    plan = plan_of(drafted)
    if plan != kept.plan:
        kept.plan = plan
        return Confirmed(Answer.CHANGED, drafted)
    if not drafted.going:
        raise BadInput("None of these may be rotated, each for the reason shown. Nothing was started.")
    kept.sign_out = sign_out
    kept.plan = plan = plan_of(drafted)
    if drafted.takes_two or drafted.above_ceiling:
        what = "rotate" if drafted.takes_two else "ceiling"
        ask(session, trail, settings, operator, drafted.organization, what=what, plan=plan, request_id=kept.id)
        note_decision(kept, RequestState.AWAITING_APPROVAL, operator.key)
        answer = Answer.WAITS
    else:
        _start(session, trail, settings, operator, drafted, None)
        answer = Answer.STARTED
    _show(session, drafted.organization, kept)
    return Confirmed(answer, drafted)


def wanted(session: Session, settings: Settings, approval: Approval) -> Draft:
    """What a second administrator is asked to agree to, as things stand. Changes nothing."""
    kept = get_request(session, approval.request_id or 0)
    return as_it_stands(session, settings, _requester(session, settings, kept), kept)


def approve(
    session: Session, trail: Trail, settings: Settings, operator: Operator, approval_id: int, *, agree: bool
) -> Approval:
    """A second administrator's word on a request: start it, or end it. The approval as it is afterwards.

    Bound to what the requester was shown: when it would do anything else by now, or they may not do it any more, it is
    void and the request cancelled. `NotPermitted` for the requester, and for everybody who is no administrator there.
    """
    waited_for = get_approval(session, approval_id)
    if waited_for.request_id is None:
        raise RowNotFound(f"Approval {approval_id} is not about a rotation.")
    kept = get_request(session, waited_for.request_id)
    requester = _requester(session, settings, kept)
    drafted = as_it_stands(session, settings, requester, kept)
    waiting = kept.state == RequestState.AWAITING_APPROVAL
    plan = plan_of(drafted) if waiting and drafted.going else None
    was_waiting = waited_for.state == ApprovalState.WAITING
    approval = decide(session, trail, operator, approval_id, agree=agree, plan=plan)
    if not was_waiting or not waiting:
        return approval
    if approval.state == ApprovalState.APPROVED:
        _start(session, trail, settings, requester, drafted, approval)
    else:
        _cancel_for(session, kept, approval)
    touch(session, ROTATION, kept.id)
    return approval


def look_after(session: Session, trail: Trail, settings: Settings, at: datetime) -> None:
    """The clock's part: approvals whose hour is over end, with what waited for them; late ones are shown again."""
    for approval in expired(session, trail, at):
        if approval.request_id is not None:
            kept = get_request(session, approval.request_id)
            if kept.state == RequestState.AWAITING_APPROVAL:
                _cancel_for(session, kept, approval)
    remind(session, settings, at)


# ---- inside --------------------------------------------------------------------------------------------------------


def as_it_stands(session: Session, settings: Settings, operator: Operator, kept: Request) -> Draft:
    """What this request would do now, if this operator asked for it."""
    organization = session.get_one(Organization, kept.organization_id)
    found = get_records(session, kept.record_ids)
    records = [
        (organization, found[record_id])
        for record_id in kept.record_ids
        if record_id in found and found[record_id].organization_id == organization.id
    ]
    previews = tuple(previews_of(session, operator, kept, records, by_name=kept.by_name))
    started = confirmed_since(session, operator.key, now() - _HOUR)
    return Draft(
        request=kept,
        organization=organization,
        previews=previews,
        takes_two=needs_two(settings, operator, previews),
        above_ceiling=started >= settings.rotations_per_hour,
    )


def previews_of(
    session: Session,
    operator: Operator,
    kept: Request,
    records: Sequence[tuple[Organization, Record]],
    *,
    by_name: bool,
) -> list[Preview]:
    """What this request would do to these of its records."""
    if kept.restores is None:
        return preview(session, operator, records, by_name=by_name)
    restore = Restore(kept.restores, kept.vault_only)
    return [restoring.preview(session, operator, organization, record, restore) for organization, record in records]


def _requester(session: Session, settings: Settings, kept: Request) -> Operator:
    return operator_named(session, kept.requested_by, "Slack", settings.administrators)


def needs_two(settings: Settings, operator: Operator, previews: Sequence[Preview]) -> bool:
    """Whether any of these that would be rotated takes a second administrator."""
    return takes_two(operator, _tiers(previews), second_administrator=settings.second_administrator)


def _tiers(previews: Sequence[Preview]) -> set[Tier]:
    """Of everything that would be written."""
    return {tier for each in previews if each.intent in GOING for tier in tiers_of(each.record, each.accounts)}


def plan_of(drafted: Draft) -> str:
    """What exactly was shown: whom it concerns, of which tier, what would become of each and why."""
    shown = [
        drafted.organization.id,
        drafted.request.requested_by,
        drafted.request.by_name,
        *([drafted.request.restores, drafted.request.vault_only] if drafted.request.restores is not None else []),
        drafted.request.sign_out,
        [
            [each.record.id, each.intent, each.status, each.reason,
             [[m.account.id, m.account.tier, m.connection.id] for m in each.accounts]]
            for each in drafted.previews
        ],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(shown, separators=(",", ":")).encode()).hexdigest()


def _start(
    session: Session,
    trail: Trail,
    settings: Settings,
    requester: Operator,
    drafted: Draft,
    approval: Approval | None,
) -> None:
    kept, organization = drafted.request, drafted.organization
    rotations = request(session, trail, requester, drafted.previews, by_name=kept.by_name, sign_out=kept.sign_out)
    if kept.vault_only:
        restoring.finish_here(session, Escrow(settings.escrow_dir), rotations)
    protected = {
        each.record.id: [m.account.id for m in each.accounts if tiers_of(each.record, [m]) & PROTECTED]
        for each in drafted.going
    }
    # The second administrator agreed to the accounts that were privileged then; whoever becomes it later is not meant.
    records = records_of_rotations(session, rotations)
    agreed = protected if approval is not None else {}
    links = [Link(rotation_id, agreed.get(record_id, ())) for rotation_id, record_id in records.items()]
    link_rotations(session, kept.id, links, approval.id if approval is not None else None)
    kept.confirmed_at = now()
    note_decision(kept, RequestState.UNDER_WAY, approval.decided_by if approval else requester.key)
    session.add(kept)
    session.flush()
    trail.append(
        session,
        event="request.started",
        operator=requester.key,
        source=requester.source,
        organization=organization,
        subject=f"request {kept.id}",
        details={
            "plan": kept.plan,
            "rotations": len(rotations),
            "second_administrator": _who_agreed(drafted, approval, requester, settings),
        },
    )
    note_moved(session, rotations)


def _who_agreed(drafted: Draft, approval: Approval | None, requester: Operator, settings: Settings) -> str:
    if approval is not None:
        return str(approval.decided_by)
    protected = takes_two(requester, _tiers(drafted.going), second_administrator=True)
    relaxed = not settings.second_administrator and protected
    return "not asked: REKEY_SECOND_ADMINISTRATOR is off" if relaxed else "not needed"


def _show(session: Session, organization: Organization, kept: Request) -> None:
    """The one card: in the organization's channel, or with whoever asked where it has none."""
    address = organization.channel or kept.requested_by
    post(session, kind=ROTATION, subject=kept.id, address=address, organization_id=organization.id)


def note_decision(kept: Request, state: RequestState, by: str | None) -> None:
    """Somebody decided about it: what was drawn before is old."""
    kept.state, kept.changed_by = state, by
    kept.version += 1


def _cancel_for(session: Session, kept: Request, approval: Approval) -> None:
    """Nobody agreed to it, so nothing was ever started: the card says so, and whoever asked is told."""
    note_decision(kept, RequestState.CANCELLED, approval.decided_by)
    kept.ended_at = now()
    match approval.state:
        case ApprovalState.REFUSED:
            kept.reason = "Another administrator refused it. Nothing was rotated."
        case ApprovalState.VOID:
            kept.reason = (
                "What it would do has changed since it was asked for, so the agreement counts for nothing. Nothing was "
                "rotated. Ask again to see how things stand."
            )
        case _:
            kept.reason = "Nobody agreed to it within an hour. Nothing was rotated. Ask again when somebody is there."
    session.add(kept)
    post(session, kind=RESULT, subject=kept.id, address=kept.requested_by, organization_id=kept.organization_id)
    finish(session, RESULT, kept.id)
    finish(session, ROTATION, kept.id)


def _only_the_requester(kept: Request, operator: Operator) -> None:
    if kept.requested_by != operator.key:
        raise NotPermitted("This preview was made for somebody else. Ask for one of your own. Nothing was changed.")
