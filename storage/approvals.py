"""Approvals: what waits for a second administrator, and what they agreed to."""

from datetime import datetime

from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import Approval, ApprovalState, RequestRotation


def get_approval(session: Session, approval_id: int) -> Approval:
    """This approval."""
    approval = session.get(Approval, approval_id)
    if approval is None:
        raise RowNotFound(f"There is no approval {approval_id}.")
    return approval


def find_waiting(session: Session, request_id: int) -> Approval | None:
    """The approval that a request waits for."""
    return session.exec(
        select(Approval).where(Approval.request_id == request_id, Approval.state == ApprovalState.WAITING)
    ).first()


def waiting_approvals(session: Session) -> list[Approval]:
    """Everything a second administrator has not decided yet, the oldest first."""
    return list(
        session.exec(select(Approval).where(Approval.state == ApprovalState.WAITING).order_by(col(Approval.id)))
    )


def due_for_reminder(session: Session, asked_before: datetime) -> list[Approval]:
    """Those asked for before then that nobody was reminded of."""
    return [each for each in waiting_approvals(session) if each.reminded_at is None and each.created_at <= asked_before]


def agreed_accounts(session: Session, rotation_id: int) -> set[int]:
    """The accounts which a second administrator, not the one who asked, agreed to have written by this rotation."""
    rows = session.exec(
        select(RequestRotation.agreed)
        .join(Approval, col(Approval.id) == col(RequestRotation.approval_id))
        .where(
            RequestRotation.rotation_id == rotation_id,
            Approval.state == ApprovalState.APPROVED,
            col(Approval.decided_by).is_not(None),
            col(Approval.decided_by) != col(Approval.requested_by),
        )
    )
    return {account_id for agreed in rows for account_id in agreed}


def find_approval(session: Session, approval_id: int) -> Approval | None:
    """This approval, if there is one."""
    return session.get(Approval, approval_id)


def reveal_approvals(session: Session, operator: str, record_id: int) -> list[Approval]:
    """What this operator was or waits to be allowed to be shown of this record, the newest first."""
    return list(
        session.exec(
            select(Approval)
            .where(Approval.requested_by == operator, Approval.record_id == record_id)
            .order_by(col(Approval.id).desc())
        )
    )
