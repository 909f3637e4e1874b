"""What people did in Slack that was taken up already."""

from datetime import datetime

from sqlmodel import Session, col, delete

from storage.models import Interaction


def take_up(session: Session, key: str) -> bool:
    """Whether this is the first time. It is remembered with whatever else the caller's transaction does, or not at all:
    what was taken up was done.
    """
    if session.get(Interaction, key) is not None:
        return False
    session.add(Interaction(key=key))
    session.flush()
    return True


def forget_interactions(session: Session, before: datetime) -> None:
    """Forget what was taken up before then: Slack delivers nothing that old again."""
    session.execute(delete(Interaction).where(col(Interaction.at) < before))
