"""The hour after a rotation: what still uses an earlier password is said, and unlocking is offered, once, on record."""

from datetime import timedelta

import pytest
from sqlmodel import select

from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.errors import NotPermitted
from bot.permissions import operator_named
from bot.rotation.aftershock import LASTS, ask_unlock
from storage.aftershocks import Shock, shocks_of_request
from storage.models import Aftershock, Letter, Notice, Record, Task, TaskKind, TaskState, Tier, Way, Wish, now
from storage.notices import AFTERSHOCK, ROTATION, post
from tests.rotation.people import ALICE, TINA, VIC, People
from tests.rotation.world import World

WRONG = "Wr0ng-of-a-Test!"


@pytest.fixture
def people(world: World) -> People:
    return People(world)


def staff(world: World, *names: str) -> tuple[PracticeDomain, list[Record]]:
    domain = world.directory("corp", PracticeDomain("CORP", "corp.test", policy=PracticePolicy(lockout_threshold=3)))
    for name in names:
        domain.person(name, "Old-pass-0001!")
    return domain, [world.matched(name, {"corp": name}) for name in names]


def rotated(people: People, *records: Record, by: str = ALICE) -> int:
    """These were rotated from Slack, just now; the request."""
    request_id = people.asks(by, *records).draft.request.id
    people.world.drains_until_ended(*records)
    return request_id


def watches(world: World) -> list[Task]:
    with world.database.reading() as session:
        return list(session.exec(select(Task).where(Task.kind == TaskKind.AFTERSHOCK)))


def later(world: World, passed: timedelta = timedelta(minutes=5)) -> None:
    """So much time passes, and every lane is drained."""
    with world.database.writing() as session:
        for task in session.exec(select(Task)):
            if task.kind == TaskKind.AFTERSHOCK and task.ended_at is None:
                task.due_at = now()
            elif task.ended_at is not None:
                task.ended_at -= passed
    world.drains()


def shocks(world: World, request_id: int) -> list[Shock]:
    with world.database.reading() as session:
        return shocks_of_request(session, request_id, 10)


def notices(world: World, kind: str) -> list[Notice]:
    with world.database.reading() as session:
        return list(session.exec(select(Notice).where(Notice.kind == kind)))


def unlock(people: People, key: str, shock: Shock) -> Aftershock:
    world = people.world
    with world.database.writing() as session:
        return ask_unlock(session, world.trail, operator_named(session, key, "Slack card"), shock.aftershock.id)


def test_a_directory_is_watched_once_however_many_were_rotated_there(people: People) -> None:
    _, records = staff(people.world, "ann", "ben", "cem")
    rotated(people, *records[:2])
    rotated(people, records[2])
    [watch] = watches(people.world)
    assert (watch.state, watch.ended_at) == (TaskState.READY, None)
    assert watch.due_at > now() + timedelta(minutes=4)


def test_wrong_passwords_after_the_rotation_are_said_once_to_whoever_hears_of_failures(people: People) -> None:
    domain, (ann, ben) = staff(people.world, "ann", "ben")
    with people.world.database.writing() as session:
        session.add(Wish(operator=VIC, organization_id=people.world.organization.id, way=Way.BOTH))
    request_id = rotated(people, ann, ben)
    [card] = notices(people.world, ROTATION)
    domain.signs_in("ann", WRONG)
    later(people.world)
    domain.signs_in("ann", WRONG)
    later(people.world)
    [shock] = shocks(people.world, request_id)
    assert (shock.account.username, shock.aftershock.bad, shock.aftershock.locked_at) == ("ann", 2, None)
    assert notices(people.world, ROTATION)[0].wanted > card.wanted
    assert notices(people.world, ROTATION)[0].ended_at is not None
    assert sorted(each.address for each in notices(people.world, AFTERSHOCK)) == [ALICE, VIC]
    with people.world.database.reading() as session:
        letters = session.exec(select(Letter).where(Letter.kind == AFTERSHOCK)).all()
    assert [each.operator for each in letters] == [VIC]


def test_what_was_tried_before_the_rotation_is_no_sign(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    domain.signs_in("ann", WRONG)
    request_id = rotated(people, ann)
    later(people.world)
    assert shocks(people.world, request_id) == []
    assert notices(people.world, AFTERSHOCK) == []


def test_a_locked_account_is_unlocked_by_its_lane_once_asked_and_on_record(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    request_id = rotated(people, ann)
    domain.locks("ann")
    later(people.world)
    [shock] = shocks(people.world, request_id)
    assert shock.aftershock.locked_at is not None
    unlock(people, TINA, shock)
    assert domain.is_locked(domain.account("ann"))  # asking alone touches no directory
    unlock(people, ALICE, shock)
    people.world.drains()
    assert not domain.is_locked(domain.account("ann"))
    [after] = shocks(people.world, request_id)
    assert (after.aftershock.locked_at, after.aftershock.unlock_asked_by) == (None, TINA)
    assert [each for each in people.audited() if "unlock" in each] == ["account.unlock_asked", "account.unlocked"]


def test_who_may_not_rotate_may_not_unlock_and_nothing_is_unlocked_while_all_is_stopped(people: People) -> None:
    domain, (boss,) = staff(people.world, "boss")
    request_id = rotated(people, boss)
    domain.locks("boss")
    later(people.world)
    people.becomes("boss", Tier.PRIVILEGED)
    [shock] = shocks(people.world, request_id)
    for key in (VIC, TINA):
        with pytest.raises(NotPermitted, match="Nothing was changed"):
            unlock(people, key, shock)
    with people.world.database.writing() as session:
        organization = session.merge(people.world.organization)
        organization.frozen_at, organization.frozen_by = now(), TINA
    with pytest.raises(NotPermitted, match="stopped"):
        unlock(people, ALICE, shock)
    assert domain.is_locked(domain.account("boss"))


def test_why_an_account_could_not_be_unlocked_is_said(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    request_id = rotated(people, ann)
    domain.locks("ann")
    domain.account("ann").resettable = False
    later(people.world)
    unlock(people, ALICE, shocks(people.world, request_id)[0])
    people.world.drains()
    [shock] = shocks(people.world, request_id)
    assert shock.aftershock.locked_at is not None
    assert "does not let Rekey reset" in shock.aftershock.unlock_reason


def test_an_unlocking_under_way_does_not_stand_in_the_way_of_a_rotation(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    request_id = rotated(people, ann)
    domain.locks("ann")
    later(people.world)
    unlock(people, ALICE, shocks(people.world, request_id)[0])
    rotated(people, ann)
    assert not domain.is_locked(domain.account("ann"))


def test_the_watch_ends_after_an_hour_with_a_last_look(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    request_id = rotated(people, ann)
    domain.signs_in("ann", WRONG)
    later(people.world, LASTS + timedelta(minutes=2))
    assert len(shocks(people.world, request_id)) == 1
    [watch] = watches(people.world)
    assert watch.state == TaskState.DONE


def test_a_directory_that_is_away_is_watched_once_it_is_back(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    request_id = rotated(people, ann)
    domain.signs_in("ann", WRONG)
    domain.goes_away()
    later(people.world)
    assert shocks(people.world, request_id) == []
    domain.comes_back()
    people.looks_again()
    assert len(shocks(people.world, request_id)) == 1


def test_a_request_whose_card_was_posted_before_is_redrawn_where_it_stands(people: People) -> None:
    domain, (ann,) = staff(people.world, "ann")
    request_id = rotated(people, ann)
    with people.world.database.writing() as session:
        again = post(session, kind=ROTATION, subject=request_id, address="C0OTHER")
        again.withdrawn, again.ended_at, again.sent = True, now(), again.wanted
    domain.signs_in("ann", WRONG)
    later(people.world)
    assert [each.sent == each.wanted for each in notices(people.world, ROTATION)] == [False, True]
