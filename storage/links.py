"""One-time links: who may open what, until when; the token itself is never stored."""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, delete, select, update

from storage.models import Link


def add_link(session: Session, link: Link) -> Link:
    """Store a new link; its id is set."""
    session.add(link)
    session.flush()
    return link


def find_link(session: Session, token_hash: str, purpose: str) -> Link | None:
    """The link whose token has this hash, for this purpose, expired and used ones too."""
    return session.exec(select(Link).where(Link.token == token_hash, Link.purpose == purpose)).first()


def use_link(session: Session, link: Link, at: datetime) -> bool:
    """Use it up, once: whether it was still unused and unexpired, compared and set in one statement."""
    mine = (col(Link.id) == link.id) & col(Link.used_at).is_(None) & (col(Link.expires_at) > at)
    used = session.execute(update(Link).where(mine).values(used_at=at))
    return int(used.rowcount) == 1  # type: ignore[attr-defined]


def used_since(session: Session, operator: str, purpose: str, since: datetime) -> int:
    """How many links of this operator were used since then."""
    mine = (Link.operator == operator, Link.purpose == purpose, col(Link.used_at) >= since)
    return session.exec(select(func.count()).select_from(Link).where(*mine)).one()


def is_spent(session: Session, approval_id: int) -> bool:
    """Whether a link was used that this approval allowed: it allows one look."""
    spent = select(Link.id).where(Link.approval_id == approval_id, col(Link.used_at).is_not(None))
    return session.exec(spent).first() is not None


def forget_links(session: Session, before: datetime) -> None:
    """Delete what expired before then; the audit trail keeps what was done with them."""
    session.execute(delete(Link).where(col(Link.expires_at) < before))
