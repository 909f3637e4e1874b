"""My Settings: what one operator wants to be told."""

from collections.abc import Collection

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import NotPermitted
from bot.permissions import Operator, may_see
from storage.models import Tell
from storage.profiles import profile_of


def tell(session: Session, trail: Trail, operator: Operator, what: Tell) -> None:
    """Send this operator's results by direct message: all of them, failures only, or none."""
    profile = profile_of(session, operator.key)
    if profile.tell != what:
        profile.tell = what
        _line(session, trail, operator, "profile.told", tell=what)


def follow(session: Session, trail: Trail, operator: Operator, organization_ids: Collection[int]) -> None:
    """Send them the results of exactly these organizations although somebody else asked.

    `NotPermitted` when one of them is not theirs to see; then nothing was changed.
    """
    for organization_id in organization_ids:
        decision = may_see(operator, organization_id)
        if not decision.allowed:
            raise NotPermitted(f"{decision.reason} What you follow was left as it is.")
    profile = profile_of(session, operator.key)
    if profile.follows != sorted(organization_ids):
        profile.follows = sorted(organization_ids)
        _line(session, trail, operator, "profile.followed", organizations=profile.follows)


def _line(session: Session, trail: Trail, operator: Operator, event: str, **details: object) -> None:
    trail.append(
        session, event=event, operator=operator.key, source=operator.source, subject=operator.key, details=details
    )
