"""How organizations stand, and what waits for somebody: for /rotate and for Home. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from bot.permissions import Operator, may_administer
from bot.step_up import is_enrolled
from storage.approvals import waiting_approvals
from storage.letters import undelivered_letters
from storage.models import (
    Approval,
    MatchState,
    Organization,
    Profile,
    Request,
    RotationState,
    Tell,
    Way,
    Wish,
)
from storage.notices import undelivered
from storage.overview import count_latest, count_matches, stopped_connections, with_directory
from storage.profiles import find_profile
from storage.requests import open_requests, recent_requests, tally
from storage.switches import off_everywhere
from storage.wishes import wishes_of

_RECENT = 5
_OPEN_STATES = (RotationState.PLANNED, RotationState.ROTATING, RotationState.PUTTING_BACK, RotationState.RECORDING)
_FAILING = (RotationState.REFUSED, RotationState.PUT_BACK)


@dataclass(frozen=True, slots=True)
class Health:
    """One organization: how many of its accounts are matched, how many of its records fail, what stands still."""

    organization_id: int
    name: str
    channel: str | None
    to_approve: int
    """Accounts with one exact record that waits for a yes."""
    unmatched: int
    """Accounts with none, or several."""
    matched: int
    under_way: int
    failing: int
    """Records whose latest rotation was refused or put back: their old passwords hold."""
    stuck: int
    """Records whose latest rotation left a question for a person."""
    stopped: tuple[str, ...]
    """Connections whose work stopped."""
    frozen_at: datetime | None
    frozen_by: str | None

    @property
    def is_well(self) -> bool:
        """Nothing here waits for a person."""
        return not (self.to_approve or self.unmatched or self.failing or self.stuck or self.stopped or self.frozen_at)


@dataclass(frozen=True, slots=True)
class Work:
    """A request: whose, how far it is, and how it ended if it did."""

    request_id: int
    organization: str
    channel: str | None
    requested_by: str
    waits: bool
    """For a second administrator."""
    done: int
    failed: int
    total: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a second administrator is asked for."""

    organization: str
    what: str
    requested_by: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Setup:
    """An organization that cannot be worked with yet, and what it lacks, in sentences."""

    organization_id: int
    name: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """How somebody hears of results, and of which."""

    way: Way = Way.MESSAGE
    tell: Tell = Tell.ALL


@dataclass(frozen=True, slots=True)
class Wishes:
    """My Settings."""

    own: Told
    """Of what they ask for themselves."""
    organizations: tuple[tuple[int, str, Told], ...]
    """Of these organizations, whoever asked: id, name, how."""
    digest_by: Way
    digest_hour: int
    timezone: str | None
    """Theirs, as Slack said; None where it is not known yet."""
    enrolled: bool
    """An authenticator app proves them before a password is shown."""


@dataclass(frozen=True, slots=True)
class HomeView:
    """Everything that Home shows to one person."""

    healths: tuple[Health, ...]
    page: int
    pages: int
    work: tuple[Work, ...]
    results: tuple[Work, ...]
    wishes: Wishes
    administers: bool
    """They administer at least one organization, or everything."""
    waiting: tuple[Waiting, ...] = ()
    setups: tuple[Setup, ...] = ()
    troubles: tuple[tuple[str, str], ...] = ()
    """What could not be posted: the organization, and why, in sentences."""
    off: tuple[datetime, str] | None = None
    """Since when rotating is off everywhere, and who switched it off."""
    may_switch: bool = False
    """They may switch it."""


def health(session: Session, organizations: Sequence[Organization]) -> list[Health]:
    """How each of these stands, in the order given."""
    ids = [each.id for each in organizations]
    matches, latest = count_matches(session, ids), count_latest(session, ids)
    stopped = stopped_connections(session, ids)
    found = []
    for each in organizations:
        states, rotations = matches.get(each.id, {}), latest.get(each.id, {})
        found.append(
            Health(
                organization_id=each.id,
                name=each.name,
                channel=each.channel,
                to_approve=states.get(MatchState.SUGGESTED, 0),
                unmatched=states.get(MatchState.NONE, 0) + states.get(MatchState.SEVERAL, 0),
                matched=states.get(MatchState.APPROVED, 0),
                under_way=sum(rotations.get(state, 0) for state in _OPEN_STATES),
                failing=sum(rotations.get(state, 0) for state in _FAILING),
                stuck=rotations.get(RotationState.STUCK, 0),
                stopped=tuple(stopped.get(each.id, ())),
                frozen_at=each.frozen_at,
                frozen_by=each.frozen_by,
            )
        )
    return found


def home(
    session: Session, operator: Operator, mine: Sequence[Organization], page: int = 1, page_size: int = 8
) -> HomeView:
    """What this person's Home shows of their organizations."""
    by_id = {each.id: each for each in mine}
    pages = max(1, -(-len(mine) // page_size))
    page = min(max(1, page), pages)
    administered = [each for each in mine if may_administer(operator, each.id).allowed]
    return HomeView(
        healths=tuple(health(session, mine[(page - 1) * page_size : page * page_size])),
        page=page,
        pages=pages,
        work=tuple(_work(session, by_id, open_requests(session, list(by_id)))),
        results=tuple(_work(session, by_id, recent_requests(session, list(by_id), _RECENT))),
        wishes=wishes(session, operator, mine),
        administers=bool(administered) or may_administer(operator, None).allowed,
        waiting=tuple(_waiting(waiting_approvals(session), operator, administered)),
        setups=tuple(_setups(session, administered)),
        troubles=tuple(_troubles(session, mine)),
        off=off_everywhere(session),
        may_switch=may_administer(operator, None).allowed,
    )


def _work(session: Session, organizations: dict[int, Organization], requests: Sequence[Request]) -> list[Work]:
    found = []
    for each in requests:
        organization = organizations[each.organization_id]
        counts = tally(session, each.id)
        done = sum(one.many for one in counts if one.state == RotationState.SUCCESSFUL)
        still = sum(one.many for one in counts if one.state in _OPEN_STATES)
        total = sum(one.many for one in counts) or len(each.record_ids)
        found.append(
            Work(
                request_id=each.id,
                organization=organization.name,
                channel=organization.channel,
                requested_by=each.requested_by,
                waits=not counts,
                done=done,
                failed=max(0, sum(one.many for one in counts) - done - still),
                total=total,
                created_at=each.created_at,
                ended_at=each.ended_at,
            )
        )
    return found


def wishes(session: Session, operator: Operator, mine: Sequence[Organization]) -> Wishes:
    """What this person wants to be told, of the organizations they may see."""
    said = wishes_of(session, operator.key)
    profile = find_profile(session, operator.key) or Profile(operator=operator.key)
    return Wishes(
        own=_told(said[None]),
        organizations=tuple((each.id, each.name, _told(said[each.id])) for each in mine if each.id in said),
        digest_by=Way(profile.digest_by),
        digest_hour=profile.digest_hour,
        timezone=profile.timezone,
        enrolled=is_enrolled(profile),
    )


def _told(wish: Wish) -> Told:
    return Told(Way(wish.way), Tell(wish.tell))


def _waiting(approvals: Sequence[Approval], operator: Operator, administered: Sequence[Organization]) -> list[Waiting]:
    names = {each.id: each.name for each in administered}
    return [
        Waiting(names[each.organization_id], each.what, each.requested_by, each.expires_at)
        for each in approvals
        if each.organization_id in names and each.requested_by != operator.key
    ]


def _setups(session: Session, administered: Sequence[Organization]) -> list[Setup]:
    connected = with_directory(session, [each.id for each in administered])
    found = []
    for each in administered:
        lacks = [] if each.channel else ["It has no channel yet."]
        lacks += [] if each.id in connected else ["It has no directory yet."]
        if lacks:
            found.append(Setup(each.id, each.name, tuple(lacks)))
    return found


def _troubles(session: Session, mine: Sequence[Organization]) -> list[tuple[str, str]]:
    names = {each.id: each.name for each in mine}
    owed = [(each.organization_id, each.trouble) for each in undelivered(session, list(names))]
    owed += [(each.organization_id, each.trouble) for each in undelivered_letters(session, list(names))]
    found = [(names[organization_id], trouble) for organization_id, trouble in owed if organization_id is not None]
    return list(dict.fromkeys(found))
