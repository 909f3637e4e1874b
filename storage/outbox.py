"""The outboxes: whose turn it is to talk to Slack, or to the mail server, until when, and since when that is away.

Held as a lane is: by a lease with a fencing token, so that two processes never post side by side, and one that froze
finds a higher token when it wakes.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import update
from sqlmodel import Session, col

from bot.errors import LeaseLost
from storage.models import Outbox, now

SLACK, MAIL = "slack", "mail"


def get_outbox(session: Session, name: str = SLACK) -> Outbox:
    """The one of this name."""
    return session.get(Outbox, name) or Outbox(name=name)


def is_held(outbox: Outbox, is_dead: Callable[[str], bool]) -> bool:
    """Whether a process that may still live holds it."""
    leased = outbox.owner is not None and outbox.lease_until is not None and outbox.lease_until > now()
    return leased and not is_dead(str(outbox.owner))


def acquire(
    session: Session, owner: str, lease: timedelta, is_dead: Callable[[str], bool], name: str = SLACK
) -> int | None:
    """Take the lease: the new fencing token, or None while another living owner holds it.

    `is_dead` says of an owner's name whether that process is known to have ended; it is taken over at once then.
    """
    outbox = get_outbox(session, name)
    if is_held(outbox, is_dead):
        return None
    outbox.owner, outbox.token, outbox.lease_until = owner, outbox.token + 1, now() + lease
    session.add(outbox)
    session.flush()
    return outbox.token


def hold(session: Session, token: int, name: str = SLACK) -> Outbox:
    """The outbox, still ours by this token; `LeaseLost` otherwise. Every outside call begins here."""
    outbox = get_outbox(session, name)
    if outbox.token != token:
        raise LeaseLost("Another process sends this now; this one sends nothing more.")
    return outbox


def give_up(session: Session, token: int, name: str = SLACK) -> None:
    """Let go, whatever happened; another process may go on at once."""
    session.execute(
        update(Outbox).where(col(Outbox.name) == name, col(Outbox.token) == token).values(owner=None, lease_until=None)
    )
