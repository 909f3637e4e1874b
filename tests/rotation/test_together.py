"""Two people, two processes, a worker that froze, an organization that was stopped."""

import platform
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread, Timer

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from sqlmodel import Session, select

from bot.demo.practice_faults import Hold
from bot.processes import is_dead
from bot.scheduler import Scheduler
from storage.connections import get_connection
from storage.lanes import acquire, due_lanes
from storage.models import (
    Lane,
    Match,
    MatchState,
    Organization,
    Rotation,
    RotationState,
    Status,
    Task,
    TaskState,
    now,
)
from storage.rotations import cancel_planned, waiting_for_others
from storage.tasks import request_sync
from tests.rotation.world import World, side_by_side
from tests.storage.databases import KINDS, migrated_database

OLD = "Old-pass-0001!"


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with migrated_database(request.param, request, tmp_path) as database:
        yield World.build(database, tmp_path)


def _people(world: World, count: int) -> list[str]:
    domain = world.directory("acme")
    names = [f"user{number}" for number in range(count)]
    for name in names:
        domain.person(name, OLD)
    return names


def test_two_people_asking_at_once_get_one_rotation(world: World) -> None:
    [name] = _people(world, 1)
    record = world.matched(name, {"acme": name})
    asked: list[int] = []

    side_by_side(*[lambda: asked.extend(world.asks(record))] * 4)

    assert len(set(asked)) == 1
    with world.database.reading() as session:
        assert len(session.exec(select(Rotation)).all()) == 1


def test_two_workers_on_one_database_write_every_account_once(world: World) -> None:
    names = _people(world, 40)
    records = [world.matched(name, {"acme": name}) for name in names]
    ids = world.asks(*records)

    def work() -> None:
        with Scheduler(world.lanes(), pool_size=2, tick_seconds=0.05) as scheduler:
            scheduler.run_rotations(ids, lambda _waiting: None)

    side_by_side(work, work)

    assert {each.status for each in world.status(*records)} == {Status.SUCCESSFUL}
    domain = world.domains["acme"]
    assert [domain.account(name).times_set for name in names] == [2] * len(names)
    assert all(domain.signs_in(name, world.password(record) or "") for name, record in zip(names, records, strict=True))


def test_leaving_the_scheduler_never_waits_for_a_tick_that_waits_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library holds the lock that handing out a lane takes while it waits for the tick that hands it out."""
    (name,) = _people(world, 1)
    world.asks(world.matched(name, {"acme": name}))
    looking, leaving = Event(), Event()

    def slow_look(session: Session, moment: datetime) -> list[int]:
        looking.set()
        assert leaving.wait(10)
        return due_lanes(session, moment)

    monkeypatch.setattr("bot.scheduler.due_lanes", slow_look)
    shut_down = BackgroundScheduler.shutdown

    def shutting_down(scheduler: BackgroundScheduler, wait: bool = True) -> None:
        Timer(0.3, leaving.set).start()  # when it holds its locks and waits
        shut_down(scheduler, wait)

    monkeypatch.setattr(BackgroundScheduler, "shutdown", shutting_down)

    def work() -> None:
        with Scheduler(world.lanes(), pool_size=1, tick_seconds=0.05):
            assert looking.wait(10)

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_a_frozen_owner_that_wakes_writes_nothing(world: World) -> None:
    names = _people(world, 3)
    records = [world.matched(name, {"acme": name}) for name in names]
    domain = world.domains["acme"]
    held = Hold()
    domain.fails("may_rotate", with_=held)
    world.asks(*records)
    frozen = Thread(target=world.lanes().drain, args=(world.connections["acme"].id,))
    frozen.start()
    assert held.reached.wait(10)

    with world.database.writing() as session:  # its lease runs out, and another process takes the lane
        session.get_one(Lane, world.connections["acme"].id).lease_until = now() - timedelta(seconds=1)
        acquire(session, world.connections["acme"].id, "another host 1 1.0", timedelta(minutes=1), lambda _owner: False)
    held.let_go.set()
    frozen.join(20)

    assert domain.count("set_password") == 0
    with world.database.reading() as session:
        assert {rotation.state for rotation in session.exec(select(Rotation))} == {RotationState.PLANNED}


def test_a_stopped_organization_is_not_written_to_until_it_is_started(world: World) -> None:
    names = _people(world, 3)
    records = [world.matched(name, {"acme": name}) for name in names]
    world.asks(*records)
    with world.database.writing() as session:
        organization = session.get_one(Organization, world.organization.id)
        organization.frozen_at, organization.frozen_by = now(), "U0TECH"
    world.drains()
    assert world.domains["acme"].count("set_password") == 0

    with world.database.writing() as session:
        session.get_one(Organization, world.organization.id).frozen_at = None
    world.drains()

    assert {each.status for each in world.status(*records)} == {Status.SUCCESSFUL}


def test_a_stop_is_read_before_every_single_write(world: World) -> None:
    names = _people(world, 10)
    records = [world.matched(name, {"acme": name}) for name in names]
    domain = world.domains["acme"]
    held = Hold()
    domain.fails("set_password", with_=held)
    world.asks(*records)
    worker = Thread(target=world.lanes().drain, args=(world.connections["acme"].id,))
    worker.start()
    assert held.reached.wait(10)

    with world.database.writing() as session:
        session.get_one(Organization, world.organization.id).frozen_at = now()
    held.let_go.set()
    worker.join(20)

    assert domain.count("set_password") == 1, "only the write that was already on its way"


def test_a_withdrawn_consent_cancels_what_is_not_staged(world: World) -> None:
    [name] = _people(world, 1)
    record = world.matched(name, {"acme": name})
    [rotation_id] = world.asks(record)

    with world.database.writing() as session:
        session.exec(select(Match)).one().state = MatchState.IGNORED
        assert cancel_planned(session, [record.id], "The match was ignored.") == 1
    world.drains()

    with world.database.reading() as session:
        assert session.get_one(Rotation, rotation_id).state == RotationState.CANCELLED
    assert world.domains["acme"].account(name).times_set == 1


def test_a_consent_withdrawn_a_moment_before_the_write_leaves_the_account_alone(world: World) -> None:
    [name] = _people(world, 1)
    record = world.matched(name, {"acme": name})
    world.asks(record)
    with world.database.writing() as session:
        session.exec(select(Match)).one().state = MatchState.IGNORED

    world.drains()

    assert world.domains["acme"].account(name).times_set == 1
    assert world.status(record)[0].status is Status.NOT_PERMITTED


def test_a_dead_owner_of_this_host_is_taken_over_at_once(world: World) -> None:
    [name] = _people(world, 1)
    record = world.matched(name, {"acme": name})
    with world.database.writing() as session:
        owner = f"{platform.node()} 999999 1.00"
        acquire(session, world.connections["acme"].id, owner, timedelta(hours=1), lambda _owner: False)

    [stands] = world.rotates(record)

    assert stands.status is Status.SUCCESSFUL


def test_a_wake_up_during_a_drain_is_not_lost(world: World) -> None:
    names = _people(world, 2)
    first, second = (world.matched(name, {"acme": name}) for name in names)
    domain = world.domains["acme"]
    held = Hold()
    domain.fails("confirm", with_=held)
    world.asks(first)
    worker = Thread(target=world.lanes().drain, args=(world.connections["acme"].id,))
    worker.start()
    assert held.reached.wait(10)

    world.asks(second)
    held.let_go.set()
    worker.join(20)

    assert {each.status for each in world.status(first, second)} == {Status.SUCCESSFUL}


def test_a_stopped_organization_is_still_read(world: World) -> None:
    _people(world, 2)
    with world.database.writing() as session:
        session.get_one(Organization, world.organization.id).frozen_at = now()
        task = request_sync(session, get_connection(session, world.connections["acme"].id))

    world.drains()

    with world.database.reading() as session:
        assert session.get_one(Task, task.id).state == TaskState.DONE


def test_whoever_waits_is_not_sent_away_while_a_stopped_lane_is_still_being_wound_up(world: World) -> None:
    """A lane that has just been stopped ends what waits for it a moment later: until its worker is done, wait."""
    [name] = _people(world, 1)
    record = world.matched(name, {"acme": name})
    [rotation_id] = world.asks(record)
    with world.database.writing() as session:
        lane = session.get_one(Lane, world.connections["acme"].id)
        lane.stopped_at, lane.failure_reason = now(), "no"
        assert waiting_for_others(session, [rotation_id], 3, is_dead).waiting == 1
        lane.owner, lane.lease_until = "somebody 1 1.0", now() + timedelta(minutes=1)
        session.flush()
        assert waiting_for_others(session, [rotation_id], 3, is_dead).waiting == 0
        lane.owner = f"{platform.node()} 999999 1.00"  # killed: nobody winds anything up
        session.flush()
        assert waiting_for_others(session, [rotation_id], 3, is_dead).waiting == 1
