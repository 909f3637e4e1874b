"""The rule clock: what falls due is rotated once, by the engine and the permissions that people are served by too."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlmodel import select

from bot.demo.practice_faults import Fault
from bot.errors import BadInput, NotPermitted
from bot.permissions import Operator
from bot.rotation.aftermath import retry
from bot.rotation.scheduled import keep_time
from bot.rotation.timetable import forecast, leave_out, put_off
from bot.rules import change_rule, remove_rule, rule_for, scheduled_tiers, set_rule
from bot.settings import Settings
from storage.models import (
    SCHEDULE,
    Account,
    AuditEvent,
    DueTime,
    Grant,
    Lane,
    Match,
    Notice,
    Organization,
    Record,
    Request,
    RequestState,
    Role,
    Rotation,
    RotationState,
    Status,
    Task,
    TaskState,
    Tier,
    now,
)
from storage.notices import ROTATION
from storage.schedules import due_times_of, find_timetable, running_soon
from tests.rotation import people
from tests.rotation.world import ADMINISTRATOR, World, side_by_side

ALICE, BOB = (Operator(each, "Slack", {None: Role.ADMINISTRATOR}) for each in (people.ALICE, people.BOB))
TINA = Operator(people.TINA, "Slack", {None: Role.TECHNICIAN})
VIC = Operator(people.VIC, "Slack", {None: Role.VIEWER})
OLD = "Old-pass-0001!"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONTHLY: dict[str, Any] = {
    "scheduled": True, "every_days": 30, "at": "00:00", "spread": False, "tiers": ["person", "shared"],
}  # fmt: skip


@pytest.fixture
def acme(world: World) -> World:
    domain = world.directory("acme")
    for name in ("ann", "ben", "cleo"):
        domain.person(name, OLD)
    domain.person("dom", OLD, groups=("Domain Admins",))
    return world


def rule(world: World, **values: Any) -> None:
    with world.database.writing() as session:
        set_rule(session, session.get_one(Organization, world.organization.id), {**MONTHLY, **values})


def approved(world: World, *names: str, ago: timedelta = 40 * DAY) -> list[Record]:
    """Records of these people, agreed to so long ago."""
    records = [world.matched(name, {"acme": name}) for name in names]
    with world.database.writing() as session:
        for match in session.exec(select(Match)):
            match.decided_at = now() - ago
    return records


def ticks(world: World, at: datetime | None = None) -> None:
    keep_time(world.database, world.trail, at or now())


def rows(world: World, kind: Any) -> list[Any]:
    with world.database.reading() as session:
        return list(session.exec(select(kind).order_by(kind.id)))


def window_around(at: datetime, before: timedelta, after: timedelta) -> str:
    return f"{at - before:%H:%M}-{at + after:%H:%M}"


def test_what_is_due_is_rotated_by_the_schedule_and_only_once(acme: World) -> None:
    ann, ben = approved(acme, "ann", "ben")
    with acme.database.writing() as session:
        session.get_one(Organization, acme.organization.id).channel = "C1"
    rule(acme)
    for _ in range(3):
        ticks(acme)
    acme.drains_until_ended(ann, ben)
    for _ in range(3):
        ticks(acme)
    [request] = rows(acme, Request)
    assert (request.requested_by, request.state, request.record_ids) == (SCHEDULE, RequestState.ENDED, [ann.id, ben.id])
    assert [each.requested_by for each in rows(acme, Rotation)] == [SCHEDULE, SCHEDULE]
    assert [each.status for each in acme.status(ann, ben)] == [Status.SUCCESSFUL, Status.SUCCESSFUL]
    assert acme.domains["acme"].holds("ann", acme.password(ann) or "")
    assert [(each.kind, each.address) for each in rows(acme, Notice)] == [(ROTATION, "C1")]
    with acme.database.reading() as session:
        timetable = find_timetable(session, acme.organization.id)
        assert timetable is not None
        assert timetable.next_run_at is not None
        assert timedelta(days=29) < timetable.next_run_at - now() < timedelta(days=31)
        assert [each.id for each, _ in running_soon(session, now() + 31 * DAY)] == [acme.organization.id]
        assert running_soon(session, now() + DAY) == []
    assert any(event.event == "request.started" and event.operator == SCHEDULE for event in rows(acme, AuditEvent))


def test_the_period_starts_when_somebody_agreed_to_it(acme: World) -> None:
    approved(acme, "ann", ago=10 * DAY)
    rule(acme)
    ticks(acme)
    assert rows(acme, Request) == []
    ticks(acme, now() + 21 * DAY)
    assert len(rows(acme, Request)) == 1


@pytest.mark.parametrize("restarts", [True, False])
def test_a_rotation_somebody_asked_for_restarts_the_period_where_the_rule_says_so(acme: World, restarts: bool) -> None:
    [ann] = approved(acme, "ann")
    acme.rotates(ann)
    rule(acme, manual_restarts=restarts)
    ticks(acme)
    assert len(rows(acme, Request)) == (0 if restarts else 1)


def test_a_refusal_is_told_once_and_not_tried_again_until_the_next_due_time(acme: World) -> None:
    approved(acme, "ann")
    acme.domains["acme"].account("ann").resettable = False
    rule(acme)
    for _ in range(3):
        ticks(acme)
        acme.drains()
    assert [each.state for each in rows(acme, Rotation)] == [RotationState.REFUSED]
    ticks(acme, now() + 31 * DAY)
    assert len(rows(acme, Rotation)) == 2


def test_what_failed_by_the_schedule_is_tried_again_by_whoever_presses_the_button(acme: World) -> None:
    [ann] = approved(acme, "ann")
    with acme.database.writing() as session:
        session.get_one(Organization, acme.organization.id).bulk = []
        session.add(Grant(operator=TINA.key, role=Role.TECHNICIAN))
    acme.domains["acme"].account("ann").resettable = False
    rule(acme)
    ticks(acme)
    acme.drains()
    acme.domains["acme"].account("ann").resettable = True
    [request] = rows(acme, Request)
    with acme.database.writing() as session:
        assert retry(session, acme.trail, Settings(), TINA, request.id, request.version).started == 1
    acme.drains_until_ended(ann)
    assert acme.status(ann)[0].status is Status.SUCCESSFUL
    assert [each.requested_by for each in rows(acme, Rotation)] == [SCHEDULE, TINA.key]


def test_an_open_rotation_is_joined(acme: World) -> None:
    [ann] = approved(acme, "ann")
    [mine] = acme.asks(ann)
    rule(acme)
    ticks(acme)
    ticks(acme)
    assert [each.id for each in rows(acme, Rotation)] == [mine]
    assert len(rows(acme, Request)) == len(rows(acme, DueTime)) == 1
    acme.drains_until_ended(ann)
    assert rows(acme, Request)[0].state == RequestState.ENDED


def test_only_the_tiers_that_were_switched_on_are_rotated_and_never_break_glass(acme: World) -> None:
    records = approved(acme, "ann", "ben", "cleo", "dom")
    with acme.database.writing() as session:
        for account in session.exec(select(Account)):
            if account.username == "ben":
                account.tier = Tier.BREAK_GLASS
            if account.username == "cleo":
                account.is_connector = True
    rule(acme)
    ticks(acme)
    assert [each.record_id for each in rows(acme, Rotation)] == [records[0].id]
    rule(acme, tiers=["person", "service", "shared", "privileged"])
    ticks(acme)
    assert [each.record_id for each in rows(acme, Rotation)] == [records[0].id, records[3].id]
    acme.drains_until_ended(records[0], records[3])
    assert acme.status(records[3])[0].status is Status.SUCCESSFUL, "no second administrator: nobody asked"


def test_a_rule_for_everybody_takes_people_only_where_bulk_has_them(acme: World) -> None:
    approved(acme, "ann")
    with acme.database.writing() as session:
        session.get_one(Organization, acme.organization.id).bulk = ["shared"]
        set_rule(session, None, MONTHLY)
    with acme.database.reading() as session:
        organization = session.get_one(Organization, acme.organization.id)
        assert scheduled_tiers(rule_for(session, organization), organization) == (Tier.SHARED,)
    ticks(acme)
    ticks(acme, now() + DAY)
    assert rows(acme, Request) == []


def test_a_record_that_is_left_out_is_not_rotated_until_it_is_taken_again(acme: World) -> None:
    [ann] = approved(acme, "ann")
    rule(acme)
    with acme.database.writing() as session:
        with pytest.raises(NotPermitted):
            leave_out(session, acme.trail, TINA, ann, out=True)
        assert leave_out(session, acme.trail, ADMINISTRATOR, ann, out=True)
        assert not leave_out(session, acme.trail, ADMINISTRATOR, ann, out=True)
    ticks(acme)
    assert rows(acme, Request) == []
    with acme.database.writing() as session:
        assert leave_out(session, acme.trail, ADMINISTRATOR, ann, out=False)
    ticks(acme)
    assert len(rows(acme, Request)) == 1


def test_a_stopped_organization_waits_and_goes_on_when_it_is_started(acme: World) -> None:
    approved(acme, "ann")
    rule(acme)
    with acme.database.writing() as session:
        session.get_one(Organization, acme.organization.id).frozen_at = now()
    ticks(acme)
    assert rows(acme, Request) == []
    with acme.database.writing() as session:
        session.get_one(Organization, acme.organization.id).frozen_at = None
    ticks(acme)
    assert len(rows(acme, Request)) == 1


def test_the_schedule_does_not_wake_a_lane_that_stopped_for_a_person_to_look(acme: World) -> None:
    approved(acme, "ann")
    with acme.database.writing() as session:
        for lane in session.exec(select(Lane)):
            lane.stopped_at, lane.failure_reason = now(), "The sign-in was refused."
    rule(acme)
    ticks(acme)
    acme.drains()
    with acme.database.reading() as session:
        assert session.exec(select(Lane)).one().stopped_at is not None
    assert [each.state for each in rows(acme, Rotation)] == [RotationState.PLANNED]


# ---- windows ---------------------------------------------------------------------------------------------------------


def test_a_run_is_spread_over_its_window_and_a_person_need_not_wait_for_it(acme: World) -> None:
    ann, *_ = approved(acme, "ann", "ben", "cleo")
    at = now()
    rule(acme, spread=True, windows=[window_around(at, timedelta(minutes=1), timedelta(hours=8))])
    ticks(acme, at)
    begins = [each.due_at for each in rows(acme, Task)]
    assert len(set(begins)) == 3
    assert all(at <= each < at + timedelta(hours=8) for each in begins)
    acme.asks(ann)
    acme.drains_until_ended(ann)
    assert acme.status(ann)[0].status is Status.SUCCESSFUL
    assert [each.state for each in rows(acme, Rotation)][1:] == [RotationState.PLANNED, RotationState.PLANNED]


def test_nobody_brings_forward_what_they_might_not_ask_for(acme: World) -> None:
    dom, ann = approved(acme, "dom", "ann")
    rule(acme, spread=True, tiers=["person", "privileged"], windows=[window_around(now(), HOUR, 8 * HOUR)])
    ticks(acme)
    begins = {each.rotation_id: each.due_at for each in rows(acme, Task)}
    acme.asks(dom, ann, by=TINA)
    [of_dom, of_ann] = sorted(rows(acme, Rotation), key=lambda each: each.record_id)
    after = {each.rotation_id: each.due_at for each in rows(acme, Task)}
    assert (of_dom.requested_by, of_ann.requested_by) == (SCHEDULE, TINA.key)
    assert after[of_dom.id] == begins[of_dom.id]
    assert after[of_ann.id] <= now()


def test_what_its_window_closed_upon_is_not_begun_until_the_next_one(acme: World) -> None:
    approved(acme, "ann")
    at = now()
    rule(acme, windows=[window_around(at, timedelta(hours=3), timedelta(hours=1))])
    ticks(acme, at)
    with acme.database.writing() as session:
        session.exec(select(Task)).one().until_at = at - timedelta(minutes=1)  # the lane was away until now
    acme.drains_once()
    assert rows(acme, Task)[0].state == TaskState.READY
    assert acme.domains["acme"].holds("ann", OLD)
    late = at + timedelta(hours=2)
    ticks(acme, late)
    [step] = rows(acme, Task)
    assert late + timedelta(hours=17) < step.due_at < step.until_at < late + timedelta(hours=24)
    assert "next one" in step.reason
    assert len(rows(acme, Request)) == 1


def test_what_has_begun_when_its_window_closes_goes_on(acme: World) -> None:
    [ann] = approved(acme, "ann")
    at = now()
    rule(acme, windows=[window_around(at, timedelta(hours=3), timedelta(hours=1))])
    ticks(acme, at)
    acme.domains["acme"].fails("set_password", with_=Fault.LOST_AFTER)
    acme.drains_once()
    assert rows(acme, Task)[0].until_at is None
    acme.drains_until_ended(ann)
    assert acme.status(ann)[0].status is Status.SUCCESSFUL


# ---- people decide ---------------------------------------------------------------------------------------------------


def test_skipping_this_time_leaves_the_next_and_later_means_later(acme: World) -> None:
    ann, ben = approved(acme, "ann", "ben")
    rule(acme)
    today = now().date()
    with acme.database.writing() as session:
        organization = session.get_one(Organization, acme.organization.id)
        with pytest.raises(NotPermitted):
            put_off(session, acme.trail, VIC, organization, today, None)
        with pytest.raises(BadInput):
            put_off(session, acme.trail, TINA, organization, today, now() - DAY)
        put_off(session, acme.trail, TINA, organization, today, None, ann)
        put_off(session, acme.trail, TINA, organization, today, now() + DAY)
    ticks(acme)
    assert rows(acme, Request) == []
    ticks(acme, now() + DAY + timedelta(minutes=1))
    assert [each.record_id for each in rows(acme, Rotation)] == [ben.id]
    ticks(acme, now() + 30 * DAY)
    assert [each.record_id for each in rows(acme, Rotation)] == [ben.id, ann.id]
    with acme.database.reading() as session:
        assert len(due_times_of(session, ann.id)) == len(due_times_of(session, ben.id)) == 1


def test_the_forecast_says_what_the_clock_will_do(acme: World) -> None:
    ann, ben = approved(acme, "ann", "ben", ago=3 * DAY)
    rule(acme, every_days=7)
    ticks(acme)
    with acme.database.reading() as session:
        organization = session.get_one(Organization, acme.organization.id)
        found = forecast(session, organization, now(), days=30)
    assert [each.record_ids for each in found] == [(ann.id, ben.id)] * 4
    assert [later.due.day - first.due.day for first, later in pairwise(found)] == [7 * DAY] * 3
    for each in found[:2]:
        ticks(acme, each.opening.begin - timedelta(seconds=1))
        ticks(acme, each.opening.begin)
        end_all(acme, each.opening.begin)
    assert [each.day for each in rows(acme, DueTime)] == [each.due.day.isoformat() for each in found[:2] for _ in "ab"]


def end_all(world: World, at: datetime) -> None:
    with world.database.writing() as session:
        for rotation in session.exec(select(Rotation)):
            rotation.state, rotation.ended_at = RotationState.SUCCESSFUL, rotation.ended_at or at
        for task in session.exec(select(Task)):
            task.ended_at = task.ended_at or at


# ---- a rule edited while its run is under way ------------------------------------------------------------------------


def test_what_has_not_begun_is_cancelled_when_the_schedule_is_switched_off(acme: World) -> None:
    ann, *_ = approved(acme, "ann", "ben")
    rule(acme, spread=True, windows=[window_around(now(), timedelta(minutes=1), timedelta(hours=8))])
    ticks(acme)
    acme.asks(ann)
    rule(acme, scheduled=False)
    ticks(acme)
    assert [each.state for each in rows(acme, Rotation)] == [RotationState.PLANNED, RotationState.CANCELLED]
    acme.drains_until_ended(ann)
    stands = acme.status(ann)[0]
    assert (stands.status, "not part of" in stands.reason) == (Status.SUCCESSFUL, False), "a person wanted it"
    assert rows(acme, Request)[0].state == RequestState.ENDED
    assert acme.domains["acme"].holds("ben", OLD)


def test_what_has_not_begun_gets_its_password_by_the_new_rule(acme: World) -> None:
    [ann] = approved(acme, "ann")
    rule(acme)
    ticks(acme)
    rule(acme, length=40)
    acme.drains_until_ended(ann)
    assert len(acme.password(ann) or "") == 40


def test_the_main_switch_stops_everything_under_the_rule(acme: World) -> None:
    [ann] = approved(acme, "ann")
    rule(acme)
    acme.asks(ann)
    rule(acme, enabled=False)
    acme.drains()
    assert acme.status(ann)[0].status is Status.NOT_PERMITTED
    [stands] = acme.rotates(ann)
    assert (stands.status, "switched off" in stands.reason) == (Status.NOT_PERMITTED, True)
    ticks(acme)
    assert rows(acme, Request) == []
    assert acme.domains["acme"].holds("ann", OLD)


# ---- editors ---------------------------------------------------------------------------------------------------------


def test_of_two_editors_at_once_the_second_is_told_who_was_first(acme: World) -> None:
    database, trail = acme.database, acme.trail
    with database.writing() as session:
        organization = session.get_one(Organization, acme.organization.id)
        assert change_rule(session, trail, ALICE, organization, {"length": 30}, 0).changed
        late = change_rule(session, trail, BOB, organization, {"length": 25}, 0)
        assert (late.changed, late.first, late.rule.length) == (False, ALICE.key, 30)
        assert change_rule(session, trail, BOB, organization, {"length": 25}, late.rule.version).changed
        assert remove_rule(session, trail, ALICE, organization, 1).first == BOB.key
        gone = remove_rule(session, trail, ALICE, organization, 2)
        assert (gone.changed, gone.rule.scope, gone.records) == (True, "global", 0)
        assert change_rule(session, trail, BOB, organization, {"length": 25}, 2).first is not None
        for operator in (TINA, VIC, Operator("U0NOBODY", "Slack", {})):
            with pytest.raises(NotPermitted):
                change_rule(session, trail, operator, organization, {}, None)


def test_deleting_a_rule_says_how_many_records_come_under_the_one_for_everybody(acme: World) -> None:
    approved(acme, "ann", "ben")
    rule(acme)
    with acme.database.writing() as session:
        organization = session.get_one(Organization, acme.organization.id)
        assert remove_rule(session, acme.trail, ALICE, organization, None).records == 2
    ticks(acme)
    assert rows(acme, Request) == []


def test_two_processes_at_the_same_moment_make_one_run(acme: World) -> None:
    approved(acme, "ann", "ben", "cleo")
    rule(acme)
    at = now()
    side_by_side(*[lambda: keep_time(acme.database, acme.trail, at)] * 4)
    assert len(rows(acme, Request)) == 1
    assert len(rows(acme, Rotation)) == len(rows(acme, DueTime)) == 3


def test_a_moved_organization_keeps_what_was_done_today(acme: World) -> None:
    approved(acme, "ann")
    rule(acme, every_days=None, weekdays=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], at="00:00")
    ticks(acme)
    tomorrow = now().date() + DAY
    at = datetime.combine(tomorrow, datetime.min.time(), tzinfo=now().tzinfo) + timedelta(minutes=1)
    ticks(acme, at)
    end_all(acme, at)
    assert [date.fromisoformat(each.day) for each in rows(acme, DueTime)] == [tomorrow]
    with acme.database.writing() as session:
        session.get_one(Organization, acme.organization.id).timezone = "America/Los_Angeles"
    for hours in range(1, 30):
        ticks(acme, at + timedelta(hours=hours))
    assert [date.fromisoformat(each.day) for each in rows(acme, DueTime)] == [tomorrow]
    ticks(acme, at + timedelta(hours=33))
    assert [date.fromisoformat(each.day) for each in rows(acme, DueTime)] == [tomorrow, tomorrow + DAY]
