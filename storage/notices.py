"""Notices: the messages Rekey keeps true in Slack, and which of them Slack does not have as they should be.

Whoever changes what a notice shows touches it in the same transaction. It is drawn from the rows when its turn comes,
so a thousand touches are one edit, and a notice that was never sent is sent as things stand then.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import Notice, RequestRotation, now
from storage.portions import portions

ROTATION, RESULT = "rotation", "result"
"""The card of a request, and what its requester and the followers of its organization are told at its end."""
CLOUD = "cloud"
"""The accounts of a cloud directory, its subject, that did not take a password over from Active Directory."""
AFTERSHOCK = "aftershock"
"""What followed in the hour after a request's rotations, for whoever hears of failures there."""
MATCH_REVIEW = "match_review"
"""The matches of an organization, which is its subject."""

_OPEN = col(Notice.ended_at).is_(None)


def post(
    session: Session,
    *,
    kind: str,
    address: str,
    subject: int = 0,
    organization_id: int | None = None,
    view: Mapping[str, Any] | None = None,
    anew: bool = False,
) -> Notice:
    """Have this piece of work shown at this channel or, by direct message, to this person.

    There is one card for each: the open one is touched (and shows `view`, if given) where there is one already. With
    `anew` that one is taken away and another posted, at the end of the conversation. Needs a writing session.
    """
    existing = session.exec(
        select(Notice).where(Notice.kind == kind, Notice.subject == subject, Notice.address == address, _OPEN)
    ).one_or_none()
    if existing is not None and not anew:
        existing.wanted += 1
        existing.view = existing.view if view is None else dict(view)
        return existing
    if existing is not None:
        withdraw(session, existing.id)
    notice = Notice(kind=kind, address=address, subject=subject, organization_id=organization_id, view=dict(view or {}))
    session.add(notice)
    session.flush()
    return notice


def show(session: Session, notice_id: int, view: Mapping[str, Any]) -> None:
    """Show this part of it from now on: another page, another filter."""
    notice = get_notice(session, notice_id)
    notice.view, notice.wanted = dict(view), notice.wanted + 1


def touch(session: Session, kind: str, *subjects: int) -> None:
    """What these notices show may have changed. One statement; does nothing where there is none, or it has ended."""
    session.execute(
        update(Notice)
        .where(col(Notice.kind) == kind, col(Notice.subject).in_(subjects), _OPEN)
        .values(wanted=Notice.wanted + 1)
    )


def finish(session: Session, kind: str, *subjects: int) -> None:
    """Show their last state, whenever Slack can be reached, and never change them again."""
    session.execute(
        update(Notice)
        .where(col(Notice.kind) == kind, col(Notice.subject).in_(subjects), _OPEN)
        .values(wanted=Notice.wanted + 1, ended_at=now())
    )


def reopen(session: Session, kind: str, *subjects: int) -> None:
    """What these cards show goes on after all: they may change again, where they stand."""
    session.execute(
        update(Notice)
        .where(
            col(Notice.kind) == kind,
            col(Notice.subject).in_(subjects),
            col(Notice.ended_at).is_not(None),
            col(Notice.withdrawn).is_(False),
        )
        .values(wanted=Notice.wanted + 1, ended_at=None)
    )


def redraw(session: Session, kind: str, *subjects: int) -> None:
    """What these cards show may look different, whether or not they have ended."""
    session.execute(
        update(Notice)
        .where(col(Notice.kind) == kind, col(Notice.subject).in_(subjects), col(Notice.withdrawn).is_(False))
        .values(wanted=Notice.wanted + 1)
    )


def withdraw(session: Session, notice_id: int) -> None:
    """Take it away from where it stands."""
    notice = get_notice(session, notice_id)
    notice.withdrawn, notice.wanted, notice.ended_at = True, notice.wanted + 1, notice.ended_at or now()
    session.flush()


def touch_requests(session: Session, rotation_ids: Collection[int]) -> None:
    """The cards of every request that asked for one of these rotations may have changed. One statement."""
    for portion in portions(list(rotation_ids)):
        asked = select(RequestRotation.request_id).where(col(RequestRotation.rotation_id).in_(portion))
        session.execute(
            update(Notice)
            .where(col(Notice.kind) == ROTATION, col(Notice.subject).in_(asked), _OPEN)
            .values(wanted=Notice.wanted + 1)
            .execution_options(synchronize_session=False)
        )


def retell(session: Session, rotation_ids: Collection[int]) -> None:
    """What was told of these rotations when they ended is not all any more: redraw it where it stands."""
    for portion in portions(list(rotation_ids)):
        asked = select(RequestRotation.request_id).where(col(RequestRotation.rotation_id).in_(portion))
        session.execute(
            update(Notice)
            .where(
                col(Notice.kind).in_((ROTATION, RESULT)),
                col(Notice.subject).in_(asked),
                col(Notice.withdrawn).is_(False),
            )
            .values(wanted=Notice.wanted + 1)
            .execution_options(synchronize_session=False)
        )


def find_notice(session: Session, channel: str, ts: str) -> Notice | None:
    """The notice that is this message, ended or not: a click counts only from one of these."""
    return session.exec(select(Notice).where(Notice.channel == channel, Notice.ts == ts)).one_or_none()


def get_notice(session: Session, notice_id: int) -> Notice:
    """This notice."""
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise RowNotFound(f"There is no notice {notice_id}.")
    return notice


def open_notices(session: Session, kind: str, *subjects: int) -> list[Notice]:
    """The notices of this kind about these subjects that may still change, wherever they stand."""
    wanted = select(Notice).where(col(Notice.kind) == kind, col(Notice.subject).in_(subjects), _OPEN)
    return list(session.exec(wanted.order_by(col(Notice.id))))


def owed(session: Session, at: datetime, limit: int) -> list[Notice]:
    """Notices that Slack does not have as they should be, and that may be sent now: the longest waiting first."""
    statement = (
        select(Notice)
        .where(col(Notice.wanted) > col(Notice.sent), col(Notice.due_at) <= at)
        .order_by(col(Notice.due_at), col(Notice.id))
        .limit(limit)
    )
    return list(session.exec(statement))


def notices_of_kind(session: Session, kind: str) -> list[Notice]:
    """The notices of this kind that may still change, whatever they are about."""
    return list(session.exec(select(Notice).where(Notice.kind == kind, _OPEN).order_by(col(Notice.id))))


def undelivered(session: Session, organization_ids: Collection[int]) -> list[Notice]:
    """Notices about these organizations that are owed and in trouble, the oldest first: for Home and the doctor."""
    statement = select(Notice).where(
        col(Notice.wanted) > col(Notice.sent),
        col(Notice.trouble) != "",
        col(Notice.organization_id).in_(organization_ids),
    )
    return list(session.exec(statement.order_by(col(Notice.id))))


def latest_posts(session: Session, addresses: Collection[str]) -> dict[str, datetime]:
    """When something was last posted, or may have been, at each of these addresses."""
    rows = session.execute(
        select(Notice.address, func.max(Notice.posting_at).label("at"))
        .where(col(Notice.address).in_(addresses), col(Notice.posting_at).is_not(None))
        .group_by(col(Notice.address))
    )
    return {row.address: row.at for row in rows}


def try_again(session: Session, channel: str) -> None:
    """Something changed about this channel: whatever is owed there may go out now."""
    session.execute(
        update(Notice)
        .where(col(Notice.address) == channel, col(Notice.wanted) > col(Notice.sent))
        .values(due_at=now(), tries=0)
    )


def readdress(session: Session, old: str, new: str) -> None:
    """What stood, or was to be posted, in one channel and may still change is posted in another."""
    there = set(session.exec(select(Notice.kind, Notice.subject).where(Notice.address == new, _OPEN)))
    for notice in session.exec(
        select(Notice).where(Notice.address == old, col(Notice.wanted) > col(Notice.sent))
    ).all():
        if notice.ended_at is None and (notice.kind, notice.subject) in there:
            note_undeliverable(session, notice.id, "It is shown in the organization's new channel.")
        else:
            forget_message(session, notice.id)
            notice.address, notice.trouble, notice.tries, notice.due_at = new, "", 0, now()
    session.flush()


def note_posting(session: Session, notice_id: int, channel: str, at: datetime) -> None:
    """It is about to be posted there: from now on nobody knows whether it was, until its ts is known."""
    notice = get_notice(session, notice_id)
    notice.channel, notice.posting_at = channel, at


def note_posted(session: Session, notice_id: int, channel: str, ts: str) -> None:
    """It is this message."""
    notice = get_notice(session, notice_id)
    notice.channel, notice.ts = channel, ts


def forget_message(session: Session, notice_id: int) -> None:
    """Slack has no such message, and has not had it: it is to be posted."""
    notice = get_notice(session, notice_id)
    notice.channel = notice.ts = notice.posting_at = None
    notice.shown = ""


def note_undeliverable(session: Session, notice_id: int, trouble: str) -> None:
    """It can never be delivered, for this reason: nothing is owed any more."""
    notice = get_notice(session, notice_id)
    notice.trouble, notice.sent, notice.ended_at = trouble, notice.wanted, notice.ended_at or now()


def note_sent(session: Session, notice_id: int, version: int, at: datetime, *, shown: str, apart: timedelta) -> Notice:
    """Slack has it as it was at this version; no sooner than `apart` from now may it be sent again."""
    notice = get_notice(session, notice_id)
    notice.sent, notice.shown, notice.due_at = version, shown, at + apart
    notice.tries, notice.trouble = 0, ""
    return notice


def note_trouble(session: Session, notice_id: int, trouble: str, due_at: datetime) -> Notice:
    """It could not be sent, for this reason; look again then."""
    notice = get_notice(session, notice_id)
    notice.trouble, notice.due_at, notice.tries = trouble, due_at, notice.tries + 1
    return notice
