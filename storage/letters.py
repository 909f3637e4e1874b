"""Letters: the e-mails that are owed, and what is known of each."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import Letter, now

_OPEN = col(Letter.ended_at).is_(None)


def write_letter(
    session: Session,
    *,
    kind: str,
    operator: str,
    subject: int = 0,
    organization_id: int | None = None,
    view: Mapping[str, Any] | None = None,
) -> Letter:
    """Have this told to this operator by e-mail; the one that waits already, if there is one."""
    waiting = session.exec(
        select(Letter).where(Letter.kind == kind, Letter.subject == subject, Letter.operator == operator, _OPEN)
    ).one_or_none()
    if waiting is not None:
        return waiting
    letter = Letter(
        kind=kind, operator=operator, subject=subject, organization_id=organization_id, view=dict(view or {})
    )
    session.add(letter)
    session.flush()
    return letter


def get_letter(session: Session, letter_id: int) -> Letter:
    """This letter."""
    letter = session.get(Letter, letter_id)
    if letter is None:
        raise RowNotFound(f"There is no letter {letter_id}.")
    return letter


def due_letters(session: Session, at: datetime, limit: int) -> list[int]:
    """Letters that are owed and may be tried now, the longest waiting first."""
    statement = select(Letter.id).where(_OPEN, col(Letter.due_at) <= at).order_by(col(Letter.due_at), col(Letter.id))
    return list(session.exec(statement.limit(limit)))


def undelivered_letters(session: Session, organization_ids: Collection[int]) -> list[Letter]:
    """Letters about these organizations that are owed and in trouble, the oldest first."""
    statement = select(Letter).where(_OPEN, Letter.trouble != "", col(Letter.organization_id).in_(organization_ids))
    return list(session.exec(statement.order_by(col(Letter.id))))


def note_sending(session: Session, letter_id: int, at: datetime) -> None:
    """It is about to be handed over: from now on nobody knows whether it was, until that is noted too."""
    get_letter(session, letter_id).sending_at = at


def note_sent(session: Session, letter_id: int) -> None:
    """The server has it."""
    letter = get_letter(session, letter_id)
    letter.ended_at, letter.trouble, letter.tries = now(), "", 0


def note_never(session: Session, letter_id: int, trouble: str) -> None:
    """It can never be delivered, for this reason."""
    letter = get_letter(session, letter_id)
    letter.ended_at, letter.trouble = now(), trouble


def note_not_sent(session: Session, letter_id: int, trouble: str, due_at: datetime, *, in_doubt: bool) -> None:
    """It could not be sent, for this reason (`in_doubt`: or perhaps it was, and the answer was lost); look then."""
    letter = get_letter(session, letter_id)
    letter.trouble, letter.due_at, letter.tries = trouble, due_at, letter.tries + 1
    if not in_doubt:
        letter.sending_at = None
