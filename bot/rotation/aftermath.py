"""What is done about a request that was confirmed: what has not begun is cancelled, what failed is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from bot.approvals import close
from bot.audit import Trail
from bot.errors import NotPermitted
from bot.permissions import Operator, may_stop
from bot.rotation.planning import Preview, request
from bot.rotation.requests import (
    GOING,
    Draft,
    as_it_stands,
    confirm,
    needs_two,
    note_decision,
    plan_of,
    previews_of,
)
from bot.settings import Settings
from storage.approvals import find_waiting
from storage.models import SCHEDULE, ApprovalState, Organization, Request, RequestState, Rotation, now
from storage.notices import ROTATION, reopen, touch
from storage.requests import OPEN, Link, failed_records, get_request, link_rotations, not_begun, rotation_ids
from storage.results import note_moved
from storage.rotations import cancel_planned


def cancel(session: Session, trail: Trail, operator: Operator, request_id: int) -> int:
    """Take back what has not begun; returns how many rotations that were. What has begun goes on to its end.

    Whoever may stop everything there may; `NotPermitted` otherwise.
    """
    kept = get_request(session, request_id)
    organization = session.get_one(Organization, kept.organization_id)
    decision = may_stop(operator, organization.id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    if kept.state not in (RequestState.PREVIEW, *OPEN):
        return 0
    reason = "Cancelled before it had begun: nothing was changed."
    cancelled = cancel_planned(session, not_begun(session, kept.id), reason) if kept.state in OPEN else 0
    waited_for = find_waiting(session, kept.id)
    if waited_for is not None:
        close(session, trail, waited_for, ApprovalState.VOID, operator.key)
    if kept.state == RequestState.UNDER_WAY:
        if cancelled == 0:
            return 0
        note_decision(kept, RequestState.UNDER_WAY, operator.key)
        session.flush()
        note_moved(session, rotation_ids(session, kept.id))
    else:
        note_decision(kept, RequestState.CANCELLED, operator.key)
        kept.reason, kept.ended_at = reason, now()
    trail.append(
        session,
        event="request.cancelled",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"request {kept.id}",
        details={"rotations": cancelled},
    )
    touch(session, ROTATION, kept.id)
    return cancelled


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of asking for failures again."""

    started: int
    refused: int
    """They would be refused again, for reasons their card shows now."""
    apart: Draft | None = None
    """Those that take a second administrator again: a request of their own, waiting for one."""
    first: str | None = None
    """Nothing was done, because this operator was quicker."""


def retry(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    request_id: int,
    version: int,
    like: int | None = None,
) -> Retried:
    """Rotate again what failed, of one cause (that of the rotation `like`) or all, within the same request.

    What takes a second administrator becomes a request of its own and asks again. `version` is the request's as it was
    on the card pressed: when somebody decided since, nothing is done. What is refused for this operator stays failed.
    """
    kept = get_request(session, request_id)
    organization = session.get_one(Organization, kept.organization_id)
    if kept.version != version or kept.state not in (RequestState.UNDER_WAY, RequestState.ENDED):
        return Retried(0, 0, first=kept.changed_by or kept.requested_by)
    example = session.get(Rotation, like) if like is not None else None
    records = failed_records(session, kept.id, example)
    by_name = kept.by_name or kept.requested_by == SCHEDULE  # whoever presses sees whom it concerns
    previews = previews_of(session, operator, kept, [(organization, record) for record in records], by_name=by_name)
    going = [each for each in previews if each.intent in GOING]
    alone: list[Preview] = []
    guarded: list[Preview] = []
    for each in going:
        (guarded if needs_two(settings, operator, [each]) else alone).append(each)
    if going:
        note_decision(kept, RequestState(kept.state), operator.key)
    if alone:
        kept.state, kept.ended_at = RequestState.UNDER_WAY, None
        session.add(kept)
        rotations = request(session, trail, operator, alone, by_name=by_name, sign_out=kept.sign_out)
        link_rotations(session, kept.id, [Link(each) for each in rotations])
        reopen(session, ROTATION, kept.id)
    apart = _ask_apart(session, trail, settings, operator, organization, kept, guarded) if guarded else None
    trail.append(
        session,
        event="request.retried",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"request {kept.id}",
        details={"rotations": len(alone), "second_administrator": len(guarded), "refused": len(previews) - len(going)},
    )
    touch(session, ROTATION, kept.id)
    return Retried(len(alone), len(previews) - len(going), apart)


def _ask_apart(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    organization: Organization,
    kept: Request,
    guarded: Sequence[Preview],
) -> Draft:
    apart = Request(
        organization_id=organization.id,
        requested_by=operator.key,
        by_name=kept.by_name or kept.requested_by == SCHEDULE,
        record_ids=[each.record.id for each in guarded],
        restores=kept.restores,
        vault_only=kept.vault_only,
        plan="",
        state=RequestState.PREVIEW,
    )
    session.add(apart)
    session.flush()
    drafted = as_it_stands(session, settings, operator, apart)
    apart.plan = plan_of(drafted)
    return confirm(session, trail, settings, operator, apart.id, sign_out=kept.sign_out).draft
