"""My Settings: what one operator wants to be told, and how."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, NotPermitted
from bot.permissions import Operator, may_see
from storage.models import Tell, Way, Wish
from storage.profiles import profile_of
from storage.wishes import find_wish

HOURS = range(24)


def keep_wish(
    session: Session,
    trail: Trail,
    operator: Operator,
    organization_id: int | None,
    *,
    way: Way | None = None,
    tell: Tell | None = None,
) -> None:
    """Tell this operator the results of this organization, whoever asked, in this way; for None those of whatever they
    ask for, wherever they said nothing else. What is left out stays as it is.

    `NotPermitted` when the organization is not theirs to see; then nothing was changed.
    """
    if organization_id is not None:
        decision = may_see(operator, organization_id)
        if not decision.allowed:
            raise NotPermitted(f"{decision.reason} What you are told was left as it is.")
    wish = find_wish(session, operator.key, organization_id)
    kept = wish or Wish(operator=operator.key, organization_id=organization_id)
    before = (kept.way, kept.tell)
    kept.way, kept.tell = way or kept.way, tell or kept.tell
    if wish is None or (kept.way, kept.tell) != before:
        session.add(kept)
        session.flush()
        _line(session, trail, operator, "wish.kept", organization=organization_id, way=kept.way, tell=kept.tell)


def drop_wish(session: Session, trail: Trail, operator: Operator, organization_id: int) -> None:
    """Nothing special about this organization any more: what holds everywhere else holds there too."""
    wish = find_wish(session, operator.key, organization_id)
    if wish is not None:
        session.delete(wish)
        _line(session, trail, operator, "wish.dropped", organization=organization_id)


def choose_digest(
    session: Session, trail: Trail, operator: Operator, *, way: Way | None = None, hour: int | None = None
) -> None:
    """Send them the digest in this way, at this hour of their day. What is left out stays as it is."""
    if hour is not None and hour not in HOURS:
        raise BadInput("An hour is a whole number from 0 to 23. Your settings were left as they are.")
    profile = profile_of(session, operator.key)
    before = (profile.digest_by, profile.digest_hour)
    profile.digest_by = way or profile.digest_by
    profile.digest_hour = profile.digest_hour if hour is None else hour
    if (profile.digest_by, profile.digest_hour) != before:
        _line(session, trail, operator, "digest.chosen", way=profile.digest_by, hour=profile.digest_hour)


def note_timezone(session: Session, operator: Operator, timezone: str) -> None:
    """Slack says that this is their time zone; one that is unknown here changes nothing."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return
    profile_of(session, operator.key).timezone = timezone


def _line(session: Session, trail: Trail, operator: Operator, event: str, **details: object) -> None:
    trail.append(
        session, event=event, operator=operator.key, source=operator.source, subject=operator.key, details=details
    )
