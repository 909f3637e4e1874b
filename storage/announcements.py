"""Announcements: what was told beforehand about runs of schedules."""

from datetime import datetime

from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import Announcement


def get_announcement(session: Session, announcement_id: int) -> Announcement:
    """This one."""
    found = session.get(Announcement, announcement_id)
    if found is None:
        raise RowNotFound("This is about a run that is not there (any more).")
    return found


def announced(session: Session, organization_id: int) -> dict[str, Announcement]:
    """What was announced in this organization, by the local day it begins on."""
    found = session.exec(select(Announcement).where(Announcement.organization_id == organization_id))
    return {each.day: each for each in found}


def begun(session: Session, at: datetime) -> list[Announcement]:
    """What was announced, begins by then, and is not over yet."""
    statement = select(Announcement).where(col(Announcement.ended_at).is_(None), col(Announcement.begins_at) <= at)
    return list(session.exec(statement))
