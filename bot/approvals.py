"""A second administrator: who is asked, and what their word counts for.

What one administrator may not do alone is asked of the others: never of the one who wants it, bound to a hash of what
exactly is wanted, for an hour. Whoever has the shell has the key, so nothing of this concerns the command line.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import NotPermitted
from bot.permissions import PROTECTED, Operator, may_administer
from bot.settings import Settings
from storage.approvals import due_for_reminder, get_approval, waiting_approvals
from storage.grants import operators_with
from storage.models import SCHEDULE, Approval, ApprovalState, Organization, Role, Tier, now
from storage.notices import finish, post

KIND = "approval"
"""The notice that asks for it."""
LIFETIME = timedelta(hours=1)
REMINDED_AFTER = timedelta(minutes=30)
SYSTEM = "rekey"
_EVENTS = {
    ApprovalState.APPROVED: "approval.approved",
    ApprovalState.REFUSED: "approval.refused",
    ApprovalState.EXPIRED: "approval.expired",
    ApprovalState.VOID: "approval.voided",
}


def takes_two(operator: Operator, tiers: Iterable[Tier], *, second_administrator: bool) -> bool:
    """Whether this is not for one person alone: privileged or break-glass accounts, from anywhere but the shell. What
    the schedule does nobody asked for: an administrator switched these accounts on, and nobody gets to see anything.
    """
    alone = operator.key == SCHEDULE or operator.key.startswith("cli:")
    return second_administrator and not alone and bool(PROTECTED & set(tiers))


def other_administrators(session: Session, settings: Settings, organization_id: int, operator: str) -> list[str]:
    """Everybody who may decide for this organization except this one; only people in Slack."""
    everybody = {
        *settings.administrators,
        *operators_with(session, Role.ADMINISTRATOR, None),
        *operators_with(session, Role.ADMINISTRATOR, organization_id),
    }
    return sorted(key for key in everybody if key != operator and not key.startswith("cli:"))


def ask(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    organization: Organization,
    *,
    what: str,
    plan: str,
    request_id: int | None = None,
    record_id: int | None = None,
) -> Approval:
    """Ask every other administrator, each by a card of their own. `NotPermitted` when there is none to ask."""
    others = other_administrators(session, settings, organization.id, operator.key)
    if not others:
        raise NotPermitted(
            "This takes a second administrator, and there is none besides you. Nothing was done. Make somebody an "
            "administrator (`rekey operators grant`), do it on the command line, or, where you are the only person, "
            "set REKEY_SECOND_ADMINISTRATOR=false."
        )
    approval = Approval(
        organization_id=organization.id,
        what=what,
        request_id=request_id,
        record_id=record_id,
        requested_by=operator.key,
        plan=plan,
        state=ApprovalState.WAITING,
        expires_at=now() + LIFETIME,
    )
    session.add(approval)
    session.flush()
    for other in others:
        post(session, kind=KIND, subject=approval.id, address=other, organization_id=organization.id)
    trail.append(
        session,
        event="approval.requested",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=_subject(approval),
        details={"plan": plan, "asked": others},
    )
    return approval


def decide(
    session: Session, trail: Trail, operator: Operator, approval_id: int, *, agree: bool, plan: str | None
) -> Approval:
    """A second administrator's word, once; `plan` is the hash of what is wanted as things stand now (None: gone).

    The approval as it is then: whoever decided first, or time, or a changed plan may have been quicker. `NotPermitted`
    for the one who asked and for everybody who is no administrator there; the caller keeps an audit line of that.
    """
    approval = get_approval(session, approval_id)
    organization = session.get_one(Organization, approval.organization_id)
    if operator.key == approval.requested_by:
        raise NotPermitted("You asked for this yourself: another administrator must agree. Nothing was changed.")
    decision = may_administer(operator, approval.organization_id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    if approval.state != ApprovalState.WAITING:
        return approval
    if approval.expires_at <= now():
        return close(session, trail, approval, ApprovalState.EXPIRED)
    if agree and plan != approval.plan:
        return close(session, trail, approval, ApprovalState.VOID)
    approval.state = ApprovalState.APPROVED if agree else ApprovalState.REFUSED
    approval.decided_by, approval.decided_at = operator.key, now()
    session.add(approval)
    session.flush()
    finish(session, KIND, approval.id)
    trail.append(
        session,
        event=_EVENTS[ApprovalState(approval.state)],
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=_subject(approval),
        details={"plan": approval.plan, "requested_by": approval.requested_by},
    )
    return approval


def close(session: Session, trail: Trail, approval: Approval, state: ApprovalState, by: str = SYSTEM) -> Approval:
    """It counts for nothing any more: its time is over, or what it was about has changed or was taken back."""
    approval.state, approval.decided_at = state, now()
    session.add(approval)
    session.flush()
    finish(session, KIND, approval.id)
    trail.append(
        session,
        event=_EVENTS[state],
        operator=by,
        source="engine" if by == SYSTEM else "slack",
        organization=session.get_one(Organization, approval.organization_id),
        subject=_subject(approval),
        details={"requested_by": approval.requested_by},
    )
    return approval


def expired(session: Session, trail: Trail, at: datetime) -> list[Approval]:
    """Close those whose hour is over; returns them."""
    over = [approval for approval in waiting_approvals(session) if approval.expires_at <= at]
    return [close(session, trail, approval, ApprovalState.EXPIRED) for approval in over]


def remind(session: Session, settings: Settings, at: datetime) -> list[Approval]:
    """Show those that have waited for half their time once more, at the end of each conversation; returns them."""
    late = due_for_reminder(session, at - REMINDED_AFTER)
    for approval in late:
        approval.reminded_at = at
        session.add(approval)
        for other in other_administrators(session, settings, approval.organization_id, approval.requested_by):
            post(
                session,
                kind=KIND,
                subject=approval.id,
                address=other,
                organization_id=approval.organization_id,
                anew=True,
            )
    return late


def _subject(approval: Approval) -> str:
    about = f"request {approval.request_id}" if approval.request_id else f"record {approval.record_id}"
    return f"approval {approval.id} of {approval.what}, {about}"
