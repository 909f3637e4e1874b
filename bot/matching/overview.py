"""What the matches of an organization look like to people: for the review card, and for the window with everything.

Read from the rows at one moment; drawing happens elsewhere. A card keeps the matches it shows until somebody turns its
page, so that a row just decided stays where it was and says who did it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.matching.linking import namesakes
from bot.matching.suggesting import candidates
from storage.accounts import find_unit, units_of
from storage.connections import outside_connections
from storage.ignore_rules import covers, ignore_rules
from storage.lanes import get_lane
from storage.matches import (
    UNDECIDED,
    MatchFilter,
    MatchRow,
    count_matches,
    get_matches,
    ignored_by_unit,
    match_counts,
    match_page,
    wanted_ids,
)
from storage.models import IgnoreRule, MatchState, Organization, TaskState, Tier
from storage.names import fold
from storage.tasks import last_syncs

CARD_ROWS = 8
WINDOW_ROWS = 10

_OPEN = MatchFilter(states=UNDECIDED)


@dataclass(frozen=True, slots=True)
class Shown:
    """One match as people see it."""

    match_id: int
    version: int
    domain: str
    username: str
    display_name: str
    tier: Tier
    unit: str
    state: MatchState
    record: str = ""
    candidates: tuple[str, ...] = ()
    """Its exact records where there are several, or where others claim the only one; each with what speaks against."""
    link: str = ""
    """The record's page in its vault, where that has one."""
    vaulted: str = ""
    """Why the record's password is never written, in a sentence."""
    restricted: bool = False
    """The record's vault shows it to chosen people only."""
    namesakes: tuple[str, ...] = ()
    """Accounts of other directories that claim its only exact record: the same person's, if somebody says so."""
    guard: str = ""
    gone: bool = False
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """When a directory or a vault outside was last read, and what stood against it since."""

    directory: str
    synced_at: datetime | None
    asked: bool
    """It is to be read now."""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """The review card of an organization, at one moment."""

    organization_id: int
    organization: str
    counts: Mapping[MatchState, int]
    rows: tuple[Shown, ...]
    offset: int
    """How many open matches come before these."""
    directories: tuple[Read, ...] = ()

    @property
    def open(self) -> int:
        """How many matches nobody has decided on."""
        return sum(self.counts[state] for state in UNDECIDED)

    @property
    def next_offset(self) -> int:
        """Where the next page begins, now that some of these are decided."""
        return self.offset + sum(row.state in UNDECIDED for row in self.rows)


@dataclass(frozen=True, slots=True)
class Window:
    """What somebody looks at in the window with all matches: a choice of them, a page of it, and which are ticked."""

    show: str = "unmatched"
    """One of `SHOWS`."""
    unit: str = ""
    """An organizational unit as `id.depth`: the first so many parts of where that account lives."""
    tier: str = ""
    enabled: str = ""
    """`yes`, `no`, or both."""
    text: str = ""
    page: int = 1
    all: bool = False
    """Everything that fits is ticked, on every page."""


SHOWS: Mapping[str, tuple[MatchState, ...]] = {
    "unmatched": UNDECIDED,
    "suggested": (MatchState.SUGGESTED,),
    "several": (MatchState.SEVERAL,),
    "none": (MatchState.NONE,),
    "matched": (MatchState.APPROVED,),
    "ignored": (MatchState.IGNORED,),
    "all": (),
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the window, at one moment."""

    window: Window
    organization_id: int
    organization: str
    counts: Mapping[MatchState, int]
    found: int
    """How many matches fit the choice."""
    pages: int
    rows: tuple[Shown, ...]
    unit: str = ""
    """The organizational unit chosen, by name."""
    rules: int = 0
    """How many ignore rules the organization has."""
    told: tuple[str, ...] = field(default=())
    """What became of what was just asked, in sentences of mrkdwn."""


def card_view(session: Session, organization_id: int, offset: int = 0) -> dict[str, Any]:
    """What a card keeps: the open matches from this place on."""
    total = count_matches(session, organization_id, _OPEN)
    if offset >= total:
        offset = max(0, total - CARD_ROWS)
    rows = match_page(session, organization_id, _OPEN, offset=offset, limit=CARD_ROWS)
    return {"offset": offset, "shown": [row.match.id for row in rows]}


def card(session: Session, organization_id: int, view: Mapping[str, Any]) -> Card:
    """The card with what it keeps; where that is nothing (any more), with the first of what is open."""
    found = get_matches(session, view.get("shown", []))
    if not found:
        view = card_view(session, organization_id)
        found = get_matches(session, view["shown"])
    rows = [found[each] for each in view["shown"] if each in found]
    return Card(
        organization_id=organization_id,
        organization=session.get_one(Organization, organization_id).name,
        counts=match_counts(session, organization_id),
        rows=shown(session, [row for row in rows if row.organization.id == organization_id]),
        offset=int(view.get("offset", 0)),
        directories=directories(session, organization_id),
    )


def directories(session: Session, organization_id: int) -> tuple[Read, ...]:
    """When each of the organization's directories, and its vault outside, was last read, by name."""
    syncs = last_syncs(session, organization_id)
    found = []
    for _, connection in outside_connections(session, [organization_id]):
        sync, lane = syncs.get(connection.id), get_lane(session, connection.id)
        waits = sync is not None and sync.ended_at is None
        trouble = lane.frozen_reason or (lane.failure_reason if waits and lane.failures else "") or ""
        if sync is not None and sync.state == TaskState.REFUSED:
            trouble = f"{sync.reason} {sync.mend}".strip()
        found.append(Read(connection.name, connection.synced_at, waits, trouble))
    return tuple(found)


def page(session: Session, organization_id: int, window: Window, told: Sequence[str] = ()) -> Page:
    """The window's page, or its last one where that is no longer there."""
    wanted = chosen(session, organization_id, window)
    found = count_matches(session, organization_id, wanted)
    pages = max(1, -(-found // WINDOW_ROWS))
    window = replace(window, page=min(max(1, window.page), pages))
    offset = (window.page - 1) * WINDOW_ROWS
    rows = match_page(session, organization_id, wanted, offset=offset, limit=WINDOW_ROWS)
    return Page(
        window=window,
        organization_id=organization_id,
        organization=session.get_one(Organization, organization_id).name,
        counts=match_counts(session, organization_id),
        found=found,
        pages=pages,
        rows=shown(session, rows),
        unit=wanted.unit,
        rules=len(ignore_rules(session, organization_id)),
        told=tuple(told),
    )


def everything(session: Session, organization_id: int, window: Window) -> list[int]:
    """The ids of all matches that fit the window's choice."""
    return wanted_ids(session, organization_id, chosen(session, organization_id, window))


def chosen(session: Session, organization_id: int, window: Window) -> MatchFilter:
    """The window's choice as a filter; what it cannot mean (any more) does not narrow."""
    return MatchFilter(
        states=SHOWS.get(window.show, UNDECIDED),
        unit=find_unit(session, organization_id, window.unit) or "",
        tier=Tier(window.tier) if window.tier in list(Tier) else None,
        enabled={"yes": True, "no": False}.get(window.enabled),
        text=window.text,
    )


def shown(session: Session, rows: Sequence[MatchRow]) -> tuple[Shown, ...]:
    """These matches as people see them, in their order."""
    open_rows = [row for row in rows if row.match.state == MatchState.SEVERAL]
    several, alike = candidates(session, open_rows), namesakes(session, open_rows)
    return tuple(
        Shown(
            match_id=row.match.id,
            version=row.match.version,
            domain=row.account.domain,
            username=row.account.username,
            display_name=row.account.display_name or "",
            tier=Tier(row.account.tier),
            unit=row.account.ou or "",
            state=MatchState(row.match.state),
            record=row.record.name if row.record else "",
            candidates=tuple(
                f"{each.name}: {each.note}" if each.note else each.name for each in several.get(row.match.id, ())
            ),
            link=(row.record.link if row.record else None) or "",
            vaulted=(row.record.guard if row.record else None) or "",
            restricted=row.record is not None and row.record.restricted,
            namesakes=tuple(f"{each.domain}\\{each.username}" for each in alike.get(row.match.id, ())),
            guard=row.account.guard or "",
            gone=row.account.removed_at is not None,
            decided_by=row.match.decided_by,
            decided_at=row.match.decided_at,
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Unit:
    """An organizational unit somebody may choose."""

    value: str
    """`id.depth`, see `Window.unit`."""
    name: str
    accounts: int
    """How many live in it or below."""


def units(session: Session, organization_id: int, text: str = "") -> list[Unit]:
    """The organization's units, those that only hold others too, by name; with `text`, those that have it in it."""
    found: dict[str, Unit] = {}
    for row in units_of(session, organization_id):
        parts = row.unit.split("/")
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            before = found.get(name, Unit(f"{row.one}.{depth}", name, 0))
            found[name] = replace(before, accounts=before.accounts + row.accounts)
    wanted = fold(text)
    return [found[name] for name in sorted(found, key=fold) if wanted in fold(name)]


@dataclass(frozen=True, slots=True)
class RuleShown:
    """An ignore rule as people see it."""

    rule: IgnoreRule
    ignored: int
    """How many accounts are ignored there."""


def rules_shown(session: Session, organization_id: int) -> tuple[RuleShown, ...]:
    """The organization's ignore rules, by name."""
    ignored = ignored_by_unit(session, organization_id)
    return tuple(
        RuleShown(rule, sum(number for unit, number in ignored if covers(rule, unit)))
        for rule in ignore_rules(session, organization_id)
    )
