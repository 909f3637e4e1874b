"""The notice before: told once per run, skipped or put off by whoever may stop, true when it is drawn."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from blocks import schedule as drawing
from bot.errors import NotPermitted
from bot.permissions import operator_named
from bot.rotation.announcing import KIND, Announcer, Decided, Told, as_it_is, in_a_day, skip
from bot.rotation.scheduled import keep_time
from bot.rules import set_rule
from bot.settings import Settings
from storage.models import Announcement, Match, Notice, Organization, Record, now
from storage.schedules import find_timetable
from tests.rotation.people import ALICE, BOB, TINA, VIC, People
from tests.rotation.world import World

DAY = timedelta(days=1)
RULE: dict[str, Any] = {
    "scheduled": True, "every_days": 30, "at": "00:00", "spread": False, "tiers": ["person"], "notice_hours": 48,
}  # fmt: skip


@pytest.fixture
def people(world: World) -> People:
    with world.database.writing() as session:
        session.get_one(Organization, world.organization.id).channel = "C0ACME"
    return People(world)


def due_tomorrow(world: World, *names: str, **rule: Any) -> list[Record]:
    """Records of these people that fall due within the next day or so."""
    domain = world.directory("acme")
    for name in names:
        domain.person(name, "Old-pass-0001!")
    records = [world.matched(name, {"acme": name}) for name in names]
    with world.database.writing() as session:
        for match in session.exec(select(Match)):
            match.decided_at = now() - timedelta(days=29)
        set_rule(session, session.get_one(Organization, world.organization.id), {**RULE, **rule})
    keep_time(world.database, world.trail, now())
    return records


def announces(world: World, ahead: timedelta = timedelta()) -> None:
    """What a process does that has just begun."""
    Announcer(world.database, Settings())(now() + ahead)


def told(world: World) -> list[Told]:
    with world.database.reading() as session:
        return [as_it_is(session, each) for each in session.exec(select(Announcement))]


def notices(world: World) -> list[Notice]:
    with world.database.reading() as session:
        return list(session.exec(select(Notice).where(Notice.kind == KIND)))


def press(people: People, verb: Any, key: str, announcement: Announcement) -> Decided:
    world = people.world
    with world.database.writing() as session:
        operator = operator_named(session, key, "Slack card")
        decided: Decided = verb(session, world.trail, operator, announcement.id, announcement.version)
    keep_time(world.database, world.trail, now())
    return decided


def test_a_run_is_told_once_to_the_channel_by_any_number_of_processes(people: People) -> None:
    ann, ben = due_tomorrow(people.world, "ann", "ben")
    for _ in range(3):
        announces(people.world)
    [found] = told(people.world)
    assert found.run is not None
    assert found.run.record_ids == (ann.id, ben.id)
    assert [(each.address, each.subject) for each in notices(people.world)] == [("C0ACME", found.announcement.id)]
    assert "ann, ben" in str(drawing.notice(found).blocks)


@pytest.mark.parametrize("rule", [{"notice_hours": 0}, {"every_days": 40}])
def test_nothing_is_told_before_its_time_or_where_the_rule_says_not_to(people: People, rule: dict[str, int]) -> None:
    due_tomorrow(people.world, "ann", **rule)
    announces(people.world)
    assert told(people.world) == []


def test_without_a_channel_the_administrators_are_told(people: People) -> None:
    with people.world.database.writing() as session:
        session.get_one(Organization, people.world.organization.id).channel = None
    due_tomorrow(people.world, "ann")
    announces(people.world)
    assert sorted(each.address for each in notices(people.world)) == [ALICE, BOB]


def test_skipping_leaves_it_out_this_time_and_the_next_time_counts(people: People) -> None:
    due_tomorrow(people.world, "ann")
    announces(people.world)
    [found] = told(people.world)
    assert press(people, skip, TINA, found.announcement).first is None
    assert press(people, skip, BOB, found.announcement).first == TINA
    with people.world.database.reading() as session:
        timetable = find_timetable(session, people.world.organization.id)
    assert timetable is not None
    assert timetable.next_run_at is not None
    assert timetable.next_run_at > now() + 28 * DAY
    assert notices(people.world)[0].ended_at is not None
    assert "Skipped this time" in str(drawing.notice(told(people.world)[0]).blocks)
    announces(people.world)
    assert len(told(people.world)) == 1
    assert people.audited().count("schedule.skipped") == 1


def test_a_day_later_it_is_told_of_by_the_same_notice(people: People) -> None:
    due_tomorrow(people.world, "ann")
    announces(people.world)
    [before] = told(people.world)
    press(people, in_a_day, TINA, before.announcement)
    announces(people.world)
    [after] = told(people.world)
    assert after.run is not None
    assert after.announcement.begins_at == before.announcement.begins_at + DAY
    assert after.announcement.id == before.announcement.id
    assert notices(people.world)[0].ended_at is None
    assert "Put off by" in str(drawing.notice(after).blocks)
    press(people, skip, ALICE, after.announcement)
    assert told(people.world)[0].announcement.skipped


def test_a_viewer_may_neither_skip_nor_put_off(people: People) -> None:
    due_tomorrow(people.world, "ann")
    announces(people.world)
    [found] = told(people.world)
    for verb in (skip, in_a_day):
        with pytest.raises(NotPermitted, match="Nothing was changed"):
            press(people, verb, VIC, found.announcement)
    assert told(people.world)[0].announcement.version == 1


def test_the_notice_says_so_when_the_rule_has_changed_since(people: People) -> None:
    due_tomorrow(people.world, "ann")
    announces(people.world)
    with people.world.database.writing() as session:
        organization = session.get_one(Organization, people.world.organization.id)
        set_rule(session, organization, {**RULE, "scheduled": False})
    assert "Nothing rotates" in str(drawing.notice(told(people.world)[0]).blocks)


def test_once_it_has_begun_its_buttons_are_gone(people: People) -> None:
    due_tomorrow(people.world, "ann")
    announces(people.world)
    announces(people.world, 2 * DAY)
    [found] = told(people.world)
    assert found.announcement.ended_at is not None
    assert press(people, skip, TINA, found.announcement).first == "schedule"
    assert "has begun" in str(drawing.notice(found).blocks)
