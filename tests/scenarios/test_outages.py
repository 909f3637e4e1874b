"""Systems that come and go: waited for with growing pauses, told after a while, and nobody else held up."""

from datetime import timedelta
from threading import Thread
from time import sleep
from typing import Any

import psutil
import pytest

from bot import processes
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_faults import Fault, Hold
from bot.directories.base import Changes, Directory
from bot.errors import EscrowProblem, Unreachable
from bot.scheduler import Scheduler
from storage.escrow import Escrow
from storage.lanes import acquire
from storage.models import Connection, Lane, Record, RevisionState, Status, now
from storage.tasks import request_sync
from tests.rotation.world import World

OLD = "Old-pass-0001!"


@pytest.fixture
def alice(world: World) -> Record:
    world.directory("acme").person("alice", OLD)
    return world.matched("alice", {"acme": "alice"})


def _lane(world: World, name: str = "acme") -> Lane:
    with world.database.reading() as session:
        return session.get_one(Lane, world.connections[name].id)


def test_a_system_that_is_away_for_ever_changing_reasons_is_still_told_and_left_in_growing_pauses(
    world: World, alice: Record
) -> None:
    for number in range(60):
        cause = ("closed-port", "no-route")[number % 2]
        world.domains["acme"].fails("any", with_=Unreachable(f"dc1 is away: {cause}.", cause=cause))
    world.longest_pause = timedelta(seconds=1)

    [stands] = world.rotates(alice)

    assert stands.status is Status.IN_PROGRESS, "somebody waiting at a prompt would wait for ever"
    assert _lane(world).failures >= 3


def test_pauses_grow_to_the_longest_one_and_spread(world: World, alice: Record) -> None:
    world.longest_pause = timedelta(minutes=15)
    world.domains["acme"].goes_away()
    world.asks(alice)
    pauses = []
    for _ in range(14):
        with world.database.writing() as session:
            session.get_one(Lane, world.connections["acme"].id).backoff_until = None
        began = now()
        world.lanes().drain(world.connections["acme"].id)
        until = _lane(world).backoff_until
        assert until is not None
        pauses.append((until - began).total_seconds())

    assert pauses[0] < 3
    assert pauses[5] > 20
    assert max(pauses) < 15 * 60 * 1.25 + 10
    assert len({round(pause) for pause in pauses[-4:]}) > 1, "all systems would be asked at the same instant"


def test_a_full_escrow_disk_stops_before_anything_is_written_and_goes_on_when_mended(
    world: World, alice: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise EscrowProblem("The escrow file cannot be appended to: No space left on device.")

    world.longest_pause = timedelta(seconds=1)
    with monkeypatch.context() as patched:
        patched.setattr(Escrow, "append", full)
        [stands] = world.rotates(alice)
    assert stands.status is Status.IN_PROGRESS
    assert "No space left" in stands.reason
    assert world.domains["acme"].count("set_password") == 0
    assert world.password(alice, RevisionState.PENDING) is None

    assert world.rotates(alice)[0].status is Status.SUCCESSFUL


def test_a_directory_that_hangs_does_not_hold_up_another(world: World, alice: Record) -> None:
    held = Hold()
    world.domains["acme"].fails("may_rotate", with_=held)
    world.directory("other").person("bob", OLD)
    bob = world.matched("bob", {"other": "bob"})
    ids = world.asks(alice, bob)
    with Scheduler(world.lanes(), pool_size=4, tick_seconds=0.05) as scheduler:
        working = Thread(target=scheduler.run_rotations, args=(ids, lambda _waiting: None), daemon=True)
        working.start()
        assert held.reached.wait(20)
        try:
            scheduler.run_rotations(ids[1:], lambda _waiting: None)
            assert world.status(bob)[0].status is Status.SUCCESSFUL
            assert world.status(alice)[0].status is Status.IN_PROGRESS
        finally:
            held.let_go.set()
        working.join(20)
    assert world.status(alice)[0].status is Status.SUCCESSFUL


def test_accounts_that_are_taken_in_between_keep_a_lane_with_missing_rights_going(world: World) -> None:
    domain = world.directory("acme")
    for number in range(16):
        domain.person(f"user{number}", OLD, resettable=number % 3 != 0)
    records = [world.matched(f"user{number}", {"acme": f"user{number}"}) for number in range(16)]

    stands = world.rotates(*records)

    expected = [Status.API_ERROR if number % 3 == 0 else Status.SUCCESSFUL for number in range(16)]
    assert [each.status for each in stands] == expected
    assert _lane(world).stopped_at is None
    assert "Reset Password" in stands[0].mend


def test_a_lane_does_not_stop_for_a_few_who_were_refused_before_others_were_taken(world: World) -> None:
    domain = world.directory("acme")
    for number in range(11):
        domain.person(f"user{number:02}", OLD, resettable=number >= 5)

    world.rotates(*[world.matched(f"user{number:02}", {"acme": f"user{number:02}"}) for number in range(11)])

    assert _lane(world).stopped_at is None


def test_a_lost_right_for_everybody_still_stops_the_lane(world: World) -> None:
    domain = world.directory("acme")
    for number in range(40):
        domain.person(f"user{number}", OLD, resettable=False)
    records = [world.matched(f"user{number}", {"acme": f"user{number}"}) for number in range(40)]

    stands = world.rotates(*records)

    assert {each.status for each in stands} == {Status.API_ERROR}
    assert _lane(world).stopped_at is not None
    assert any("was not asked" in each.reason for each in stands)
    for number in range(40):
        domain.account(f"user{number}").resettable = True
    assert {each.status for each in world.rotates(*records)} == {Status.SUCCESSFUL}, "asking again goes on"


class _LongList(PracticeDirectory):
    """Lists somebody, and takes longer for the rest than a lease lasts."""

    world: World
    taken_over: list[int | None]

    def accounts(self, since: str | None) -> Changes:
        changes = super().accounts(since)
        listed = list(changes.accounts)

        def slowly() -> Any:
            for account in listed:
                sleep(0.004)
                yield account
            with self.world.database.writing() as session:
                lane = self.world.connections["acme"].id
                self.taken_over.append(acquire(session, lane, "another host 1 1.0", timedelta(seconds=5), _nobody))

        return Changes(slowly(), changes.cursor, changes.complete, changes.removed, changes.domain_names)


def _nobody(_owner: str) -> bool:
    return False


def test_a_reading_longer_than_the_lease_keeps_the_lane(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_directory(world: World, connection: Connection) -> Directory:
        return _LongList(world.domains[connection.name])

    monkeypatch.setattr(World, "open_directory", open_directory)
    _LongList.world, _LongList.taken_over = world, []
    domain = world.directory("acme")
    for number in range(600):
        domain.person(f"user{number}", OLD)
    world.lease = timedelta(seconds=1)
    with world.database.writing() as session:
        task = request_sync(session, world.connections["acme"])
    with Scheduler(world.lanes(), pool_size=2, tick_seconds=0.1) as scheduler:
        assert scheduler.run_syncs([task.id], lambda _waiting: None).open == 0

    assert _LongList.taken_over == [None], "another process could take the lane in the middle of a reading"


def test_a_step_of_the_clock_does_not_make_a_living_owner_look_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    name, booted = processes.own_name(), psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + 3600)  # as the system clock is put forward

    assert not processes.is_dead(name)


def test_lost_replies_and_outages_in_turn_never_end_a_rotation(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    for fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_BEFORE):
        domain.fails("set_password", with_=fault)
    for fault in (Fault.UNREACHABLE, Fault.LOST_AFTER, Fault.THROTTLED):
        domain.fails("confirm", with_=fault)
    world.asks(alice)

    world.drains_until_ended(alice)

    assert world.status(alice)[0].status is Status.SUCCESSFUL
    assert domain.signs_in("alice", world.password(alice) or "")
