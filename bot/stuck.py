"""Stuck rotations: administrators are asked, and asked again, until somebody takes them.

A stuck rotation left a question only a person can answer, and an account whose password is not known to be the same
everywhere. One card per organization and administrator, however many there are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from bot.approvals import other_administrators
from bot.audit import Line, Trail
from bot.errors import NotPermitted
from bot.permissions import Operator, may_administer
from bot.settings import Settings
from storage.attention import Stuck, stuck_rotations
from storage.models import Notice, Organization, now
from storage.notices import finish, notices_of_kind, open_notices, post, touch

KIND = "stuck"
AGAIN = timedelta(hours=4)
"""So long after it was last asked it is asked again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stuck in one organization, as its card shows it."""

    organization: Organization
    untaken: tuple[Stuck, ...]
    taken: tuple[Stuck, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a click."""

    many: int
    first: str | None = None
    """Nothing was left to take, because this operator was quicker."""


def look_after(session: Session, settings: Settings, at: datetime) -> None:
    """The clock's part: ask where nobody was asked, again where nobody took it, and no more where it is over."""
    waiting: dict[int, list[Stuck]] = {}
    for each in stuck_rotations(session):
        if each.rotation.taken_at is None:
            waiting.setdefault(each.rotation.organization_id, []).append(each)
    for notice in notices_of_kind(session, KIND):
        if notice.subject not in waiting:
            finish(session, KIND, notice.subject)
    for organization_id, found in waiting.items():
        asked = {each.address: each for each in open_notices(session, KIND, organization_id)}
        newest = max(each.rotation.ended_at or at for each in found)
        for administrator in other_administrators(session, settings, organization_id, ""):
            before = asked.get(administrator)
            if before is None or newest > before.created_at or before.created_at + AGAIN <= at:
                _ask(session, organization_id, administrator, anew=before is not None)


def take(session: Session, trail: Trail, operator: Operator, organization_id: int, newest: int) -> Taken:
    """This operator looks after what is stuck in this organization, up to the rotation `newest`, which is the latest
    their card showed. Nobody is asked about it any more. `NotPermitted` for whoever is no administrator there.
    """
    decision = may_administer(operator, organization_id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    organization = session.get_one(Organization, organization_id)
    found = [each.rotation for each in stuck_rotations(session, organization_id) if each.rotation.id <= newest]
    mine = [each for each in found if each.taken_at is None]
    for each in mine:
        each.taken_by, each.taken_at = operator.key, now()
        session.add(each)
    session.flush()
    trail.append_all(
        session,
        [
            Line(
                event="stuck.taken",
                operator=operator.key,
                source=operator.source,
                organization=organization,
                subject=f"rotation {each.id} of record {each.record_id}",
            )
            for each in mine
        ],
    )
    touch(session, KIND, organization_id)
    if all(each.rotation.taken_at is not None for each in stuck_rotations(session, organization_id)):
        finish(session, KIND, organization_id)
    first = next((each.taken_by for each in found if each.taken_by), None) if not mine else None
    return Taken(len(mine), first)


def standing(session: Session, notice: Notice) -> Standing:
    """What a card shows."""
    found = stuck_rotations(session, notice.subject)
    return Standing(
        session.get_one(Organization, notice.subject),
        tuple(each for each in found if each.rotation.taken_at is None),
        tuple(each for each in found if each.rotation.taken_at is not None),
    )


def _ask(session: Session, organization_id: int, administrator: str, *, anew: bool) -> None:
    post(
        session,
        kind=KIND,
        subject=organization_id,
        address=administrator,
        organization_id=organization_id,
        anew=anew,
    )
