"""The second administrator: the card they are asked by, and their word."""

from collections.abc import Mapping, Sequence

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import approvals as drawing
from blocks import parts
from blocks.drawn import Drawn
from bot import approvals, reveal
from bot.notices import Draw
from bot.rotation import requests
from bot.rotation.planning import Preview
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from storage.approvals import get_approval
from storage.models import Approval, ApprovalState, Notice, Organization, Record
from storage.notices import post

ANSWER = "approval_answer"
"""By it whoever asked to be shown a password hears what became of it; a rotation's own card says so."""


def register(app: App, _services: Services) -> None:
    """Listen to the card."""

    @app.action(drawing.APPROVE)
    def agree(ack: Ack, asked: Asked) -> None:
        ack()
        _decide(asked, agree=True)

    @app.action(drawing.REFUSE)
    def refuse(ack: Ack, asked: Asked) -> None:
        ack()
        _decide(asked, agree=False)


def _decide(asked: Asked, *, agree: bool) -> None:
    approval_id, _ = asked.row()
    if asked.notice is None or asked.notice.kind != approvals.KIND or asked.notice.subject != approval_id:
        raise Refusal("This button counts on the card of that approval only. Nothing was changed.")
    services = asked.services
    with asked.writing() as session:
        before = get_approval(session, approval_id).state
        if get_approval(session, approval_id).request_id is not None:
            approval = requests.approve(
                session, services.trail, services.settings, asked.operator, approval_id, agree=agree
            )
        else:
            approval = _decide_reveal(session, asked, approval_id, agree=agree)
    if before != ApprovalState.WAITING:
        asked.answer(f"{_whoever(approval)}Nothing more was done; the card shows how it stands.")
    elif approval.state == ApprovalState.VOID:
        asked.answer(
            "What you were shown has changed since, so your agreement counts for nothing and nothing was done. Whoever "
            "wants it sees how things stand and asks again."
        )
    elif approval.state == ApprovalState.EXPIRED:
        asked.answer("The hour was over, so nothing was done. Whoever wants it asks again.")


def _decide_reveal(session: Session, asked: Asked, approval_id: int, *, agree: bool) -> Approval:
    record_id = get_approval(session, approval_id).record_id
    plan = reveal.plan_of(session, record_id) if record_id is not None else None
    trail = asked.services.trail
    approval = approvals.decide(session, trail, asked.operator, approval_id, agree=agree, plan=plan)
    post(
        session,
        kind=ANSWER,
        subject=approval.id,
        address=approval.requested_by,
        organization_id=approval.organization_id,
    )
    return approval


def _whoever(approval: Approval) -> str:
    return f"{parts.person(approval.decided_by)} was first. " if approval.decided_by else "It is over already. "


def draws(services: Services) -> Mapping[str, Draw]:
    """The pictures: what exactly is asked for depends on who may do what by the settings."""

    def card(session: Session, notice: Notice) -> Drawn:
        approval = get_approval(session, notice.subject)
        going: Sequence[Preview] = ()
        if approval.request_id is not None and approval.state == ApprovalState.WAITING:
            going = requests.wanted(session, services.settings, approval).going
        return drawing.card(
            drawing.Wanted(
                approval,
                session.get_one(Organization, approval.organization_id),
                going,
                session.get(Record, approval.record_id) if approval.record_id is not None else None,
            )
        )

    def answer(session: Session, notice: Notice) -> Drawn:
        approval = get_approval(session, notice.subject)
        return drawing.answer(approval, session.get_one(Record, approval.record_id))

    return {approvals.KIND: card, ANSWER: answer}
