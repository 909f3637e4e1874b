"""Stuck rotations are asked about until somebody takes them; the digest is told once a day, when there is need."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from bot import digest, stuck
from bot.digest import Digest, compose
from bot.errors import NotPermitted
from bot.permissions import operator_named
from bot.settings import Settings
from bot.stuck import AGAIN, Taken
from storage.models import (
    Grant,
    Letter,
    Notice,
    Organization,
    Record,
    Role,
    Rotation,
    RotationState,
    Status,
    Way,
    now,
)
from storage.profiles import profile_of
from tests.rotation.people import ALICE, BOB, TINA, VIC, People
from tests.rotation.world import World

HOUR = timedelta(hours=1)
MORNING = datetime(2026, 11, 23, 8, 5, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


@pytest.fixture
def people(world: World) -> People:
    return People(world)


def failed(world: World, name: str, state: RotationState = RotationState.STUCK, cause: str = "changed") -> Rotation:
    """A record whose latest rotation ended so."""
    domain = world.domains.get("corp") or world.directory("corp")
    domain.person(name, "Old-pass-0001!")
    return again(world, world.matched(name, {"corp": name}), state, cause)


def again(world: World, record: Record, state: RotationState, cause: str = "") -> Rotation:
    """The record was rotated once more, and that ended so."""
    status = Status.SUCCESSFUL if state is RotationState.SUCCESSFUL else Status.FAILED
    rotation = Rotation(
        organization_id=record.organization_id,
        record_id=record.id,
        requested_by=ALICE,
        state=state,
        status=status,
        cause=cause,
        reason=f"{cause or 'fine'}.",
        ended_at=now(),
    )
    with world.database.writing() as session:
        session.add(rotation)
    return rotation


def record_of(world: World, rotation: Rotation) -> Record:
    with world.database.reading() as session:
        return session.get_one(Record, rotation.record_id)


def notices(world: World, kind: str) -> list[Notice]:
    with world.database.reading() as session:
        return list(session.exec(select(Notice).where(Notice.kind == kind).order_by(Notice.id)))  # type: ignore[arg-type]


# ---- stuck -----------------------------------------------------------------------------------------------------------


def looks(world: World, ahead: timedelta = timedelta()) -> None:
    with world.database.writing() as session:
        stuck.look_after(session, Settings(), now() + ahead)


def asked(world: World) -> list[str]:
    """Whoever has an open card about it."""
    return sorted(each.address for each in notices(world, stuck.KIND) if each.ended_at is None)


def take(people: People, key: str, newest: Rotation) -> Taken:
    world = people.world
    with world.database.writing() as session:
        operator = operator_named(session, key, "Slack card")
        return stuck.take(session, world.trail, operator, world.organization.id, newest.id)


def test_every_administrator_is_asked_once_and_again_after_some_hours(people: People) -> None:
    failed(people.world, "ann")
    failed(people.world, "ben", RotationState.REFUSED)
    for _ in range(3):
        looks(people.world)
    assert asked(people.world) == [ALICE, BOB]
    assert len(notices(people.world, stuck.KIND)) == 2
    looks(people.world, AGAIN + HOUR)
    assert asked(people.world) == [ALICE, BOB]
    assert len(notices(people.world, stuck.KIND)) == 4
    assert [each.withdrawn for each in notices(people.world, stuck.KIND)] == [True, True, False, False]


def test_once_somebody_takes_it_nobody_is_asked_any_more_and_the_trail_says_who(people: People) -> None:
    ann = failed(people.world, "ann")
    looks(people.world)
    assert take(people, ALICE, ann) == Taken(1)
    assert take(people, BOB, ann) == Taken(0, ALICE)
    looks(people.world, AGAIN + HOUR)
    assert asked(people.world) == []
    assert people.audited().count("stuck.taken") == 1
    with people.world.database.reading() as session:
        shown = stuck.standing(session, notices(people.world, stuck.KIND)[0])
    assert ([each.rotation.taken_by for each in shown.taken], shown.untaken) == ([ALICE], ())


def test_what_gets_stuck_later_is_asked_about_anew_and_was_not_taken_with_the_rest(people: People) -> None:
    ann = failed(people.world, "ann")
    looks(people.world)
    failed(people.world, "ben")
    assert take(people, ALICE, ann) == Taken(1)
    looks(people.world)
    assert asked(people.world) == [ALICE, BOB]


def test_a_record_that_was_rotated_since_is_not_stuck_any_more(people: People) -> None:
    ann = failed(people.world, "ann")
    looks(people.world)
    again(people.world, record_of(people.world, ann), RotationState.SUCCESSFUL)
    looks(people.world)
    assert asked(people.world) == []


def test_only_administrators_take_it(people: People) -> None:
    ann = failed(people.world, "ann")
    for key in (TINA, VIC):
        with pytest.raises(NotPermitted, match="Nothing was changed"):
            take(people, key, ann)


# ---- the digest ------------------------------------------------------------------------------------------------------


def settled(people: People, key: str = ALICE, **wishes: Any) -> None:
    """They were told up to yesterday evening, and nobody else wants to be."""
    with people.world.database.writing() as session:
        for each in (ALICE, BOB, TINA, VIC):
            profile = profile_of(session, each)
            profile.timezone, profile.digested_at = "Europe/Berlin", MORNING - 12 * HOUR
            profile.digest_by = Way.NONE
        profile = profile_of(session, key)
        profile.digest_by = Way.MESSAGE
        for name, value in wishes.items():
            setattr(profile, name, value)


def tells(people: People, at: datetime = MORNING) -> None:
    digest.tell(people.world.database, people.settings, at)


def composed(people: People, key: str = ALICE) -> Digest:
    with people.world.database.reading() as session:
        return compose(session, people.settings, key, now() - 24 * HOUR, now())


def test_it_is_told_once_a_day_at_the_hour_of_their_own_day(people: People) -> None:
    failed(people.world, "ann")
    settled(people)
    tells(people, MORNING - HOUR)
    assert notices(people.world, digest.KIND) == []
    for minute in range(3):
        tells(people, MORNING + timedelta(minutes=minute))
    [told] = notices(people.world, digest.KIND)
    assert (told.address, told.ended_at is not None, told.sent) == (ALICE, True, 0)
    tells(people, MORNING + timedelta(days=3))  # two days were missed: they are not made up for
    assert len(notices(people.world, digest.KIND)) == 2


def test_it_is_silent_when_all_is_well_or_is_well_again(people: People) -> None:
    ann = failed(people.world, "ann")
    again(people.world, record_of(people.world, ann), RotationState.SUCCESSFUL)
    settled(people)
    tells(people)
    assert notices(people.world, digest.KIND) == []
    assert composed(people).is_silent


def test_it_comes_by_e_mail_to_who_wants_it_so_and_to_nobody_who_does_not(people: People) -> None:
    failed(people.world, "ann")
    settled(people, BOB, digest_by=Way.EMAIL)
    tells(people)
    assert notices(people.world, digest.KIND) == []
    with people.world.database.reading() as session:
        assert [each.operator for each in session.exec(select(Letter))] == [BOB]


def test_nobody_gets_one_for_the_time_before_they_came(people: People) -> None:
    failed(people.world, "ann")
    tells(people)
    assert notices(people.world, digest.KIND) == []
    tells(people, MORNING + timedelta(days=1))
    assert len(notices(people.world, digest.KIND)) == 4


def test_causes_are_grouped_across_organizations_and_nobody_hears_of_others(people: People) -> None:
    for name in ("ann", "ben", "cem"):
        failed(people.world, name, RotationState.REFUSED, "policy")
    failed(people.world, "dom")
    with people.world.database.writing() as session:
        session.add(Organization(name="Globex", name_key="globex", frozen_at=now(), frozen_by=ALICE))
        session.add(Grant(operator="U0OTHER", role=Role.VIEWER, organization_id=people.world.organization.id))
    told = composed(people)
    assert [(each.stuck, each.many, each.organizations) for each in told.groups] == [
        (True, 1, (("Acme Dental", 1),)),
        (False, 3, (("Acme Dental", 3),)),
    ]
    assert told.frozen == ("Globex",)
    assert composed(people, "U0OTHER").frozen == ()


def test_an_hour_that_the_clocks_repeat_or_skip_is_told_once(people: People) -> None:
    failed(people.world, "ann")
    for day in (datetime(2026, 10, 25, tzinfo=UTC), datetime(2027, 3, 28, tzinfo=UTC)):
        settled(people, digest_hour=2, digested_at=day - 12 * HOUR)
        before = len(notices(people.world, digest.KIND))
        for quarter in range(4 * 12):
            tells(people, day - 2 * HOUR + quarter * timedelta(minutes=15))
        assert len(notices(people.world, digest.KIND)) == before + 1
