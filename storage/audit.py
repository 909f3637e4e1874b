"""The rows of the audit trail: appended and read in order, never changed."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session, col, insert, select

from storage.models import AuditEvent


class Head(NamedTuple):
    """The last line of the trail: its place in the chain and its seal. Line 0 is the one before the first."""

    id: int
    mac: str


def audit_head(session: Session) -> Head | None:
    """The last line, or None while there is none."""
    row = session.exec(select(AuditEvent.id, AuditEvent.mac).order_by(col(AuditEvent.id).desc()).limit(1)).first()
    return Head(*row) if row else None


def add_audit_events(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Append finished lines, in one statement."""
    session.exec(insert(AuditEvent), params=list(rows))


def audit_events(session: Session, after: int = 0) -> Iterator[AuditEvent]:
    """Every line behind number `after` in order, read in portions: a trail of millions needs no memory."""
    query = select(AuditEvent).where(AuditEvent.id > after).order_by(col(AuditEvent.id))
    for event in session.exec(query.execution_options(yield_per=1000)):
        session.expunge(event)
        yield event
