"""The digest: once a day, at an hour of their own, each operator hears what needs somebody in all their organizations.

Grouped by cause across organizations, and silent when all is well. It is drawn when it is sent: what was mended by then
is not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.permissions import Operator, may_see, operator_named
from bot.schedule import instant
from bot.settings import Settings
from storage.aftershocks import shocks_since
from storage.attention import Trouble, rotated_between, troubles
from storage.database import Database
from storage.letters import write_letter
from storage.models import Organization, Profile, Rotation, Status, Way
from storage.notices import finish, post
from storage.organizations import organizations
from storage.overview import stopped_connections
from storage.profiles import grants, profile_of, profiles
from storage.wishes import by_email, by_message

KIND = "digest"
_A_DAY = timedelta(days=1)
_SLACK_PERSON = ("U", "W")


@dataclass(frozen=True, slots=True)
class Group:
    """Records that failed for one cause, wherever."""

    status: Status
    stuck: bool
    many: int
    organizations: tuple[tuple[str, int], ...]
    """Name and how many, the most first."""
    example: Rotation
    new: int
    """How many organizations had one since the last digest."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What one operator is told."""

    groups: tuple[Group, ...]
    stopped: tuple[tuple[str, str], ...]
    """Connections whose work stands still: organization and name."""
    frozen: tuple[str, ...]
    """Organizations somebody stopped."""
    locked: tuple[tuple[str, str], ...]
    """Accounts that are locked since their rotation: organization, and the account with its domain."""
    rotated: int
    since: datetime

    @property
    def is_silent(self) -> bool:
        """Nothing needs anybody."""
        return not (self.groups or self.stopped or self.frozen or self.locked)


def tell(database: Database, settings: Settings, at: datetime) -> None:
    """The clock's part: whoever's hour has come since their last digest gets one, if there is anything to say."""
    with database.reading() as session:
        due = _due(session, settings, at)
    for operator in due:
        with database.writing() as session:
            if operator in _due(session, settings, at):
                _tell(session, settings, profile_of(session, operator), at)


def _due(session: Session, settings: Settings, at: datetime) -> list[str]:
    """Operators in Slack to whom the day is to be told now. Whoever has none yet begins with their next hour."""
    known, everywhere = profiles(session), organizations(session)
    people = {grant.operator for grant in grants(session)} | set(settings.administrators)
    found = []
    for key in sorted(each for each in people if each.startswith(_SLACK_PERSON)):
        profile = known.get(key) or Profile(operator=key)
        if profile.digest_by != Way.NONE and (
            profile.digested_at is None
            or profile.digested_at < _last_hour(_zone(session, settings, profile, everywhere), profile.digest_hour, at)
        ):
            found.append(key)
    return found


def compose(session: Session, settings: Settings, operator_key: str, since: datetime, until: datetime) -> Digest:
    """What this operator would be told at this moment of what needs somebody."""
    mine = _organizations_of(session, operator_named(session, operator_key, "digest", settings.administrators))
    names = {each.id: each.name for each in mine}
    shocks = shocks_since(session, list(names), since - _A_DAY)
    return Digest(
        groups=tuple(_groups(troubles(session, list(names)), names, since)),
        stopped=tuple(
            (names[organization_id], name)
            for organization_id, found in stopped_connections(session, list(names)).items()
            for name in found
        ),
        frozen=tuple(each.name for each in mine if each.frozen_at is not None),
        locked=tuple(
            (names[each.aftershock.organization_id], f"{each.account.domain}\\{each.account.username}")
            for each in shocks
            if each.aftershock.locked_at is not None
        ),
        rotated=rotated_between(session, list(names), since, until),
        since=since,
    )


def _tell(session: Session, settings: Settings, profile: Profile, at: datetime) -> None:
    since, way = profile.digested_at, Way(profile.digest_by)
    profile.digested_at = at
    session.add(profile)
    if since is None or compose(session, settings, profile.operator, since, at).is_silent:
        return
    subject = at.toordinal()
    span = {"since": since.isoformat(), "until": at.isoformat()}
    if by_message(way):
        post(session, kind=KIND, subject=subject, address=profile.operator, view=span)
        finish(session, KIND, subject)
    if by_email(way):
        write_letter(session, kind=KIND, subject=subject, operator=profile.operator, view=span)


def _last_hour(zone: ZoneInfo, hour: int, at: datetime) -> datetime:
    """When this hour of the day came last."""
    today = at.astimezone(zone).date()
    due_at = instant(zone, today, hour * 60)
    return due_at if due_at <= at else instant(zone, today - _A_DAY, hour * 60)


def _zone(session: Session, settings: Settings, profile: Profile, everywhere: Sequence[Organization]) -> ZoneInfo:
    """Theirs, or the one most of their organizations are in."""
    if profile.timezone is not None:
        return ZoneInfo(profile.timezone)
    operator = operator_named(session, profile.operator, "digest", settings.administrators)
    zones = [each.timezone for each in everywhere if may_see(operator, each.id).allowed]
    return ZoneInfo(max(sorted(set(zones)), key=zones.count, default="UTC"))


def _organizations_of(session: Session, operator: Operator) -> list[Organization]:
    return [each for each in organizations(session) if may_see(operator, each.id).allowed]


def _groups(found: Sequence[Trouble], names: dict[int, str], since: datetime) -> list[Group]:
    together: dict[tuple[str, Status, bool], list[Trouble]] = {}
    for each in found:
        together.setdefault((each.cause, each.status, each.stuck), []).append(each)
    groups = [
        Group(
            status=status,
            stuck=stuck,
            many=sum(each.many for each in same),
            organizations=tuple(
                (names[each.organization_id], each.many) for each in sorted(same, key=lambda one: -one.many)
            ),
            example=max((each.example for each in same), key=lambda rotation: rotation.id),
            new=sum(each.since is not None and each.since > since for each in same),
        )
        for (_, status, stuck), same in together.items()
    ]
    return sorted(groups, key=lambda group: (not group.stuck, -group.many))
