"""Two directories, and what must not split them: refusals in every order, and passwords changed under our hands."""

from datetime import timedelta
from threading import Thread

import pytest
from pydantic import SecretStr

from bot.demo.practice_faults import Fault, Hold, Slow
from storage.models import Record, RevisionState, RotationState, Status
from storage.revisions import Draft, add_revisions
from tests.rotation.world import World

OLD = "Old-pass-0001!"
AT_ONCE = Slow(timedelta())
"""A call that goes well: what is planned after it happens to the calls after it."""


@pytest.fixture
def alice(world: World) -> Record:
    for name in ("corp", "branch"):
        world.directory(name).person("alice", OLD)
    return world.matched("alice", {"corp": "alice", "branch": "alice"})


def _held_by(world: World, password: str | None) -> list[str]:
    return [name for name, domain in world.domains.items() if domain.holds("alice", password or "")]


def _state(world: World, record: Record) -> str:
    [stands] = world.status(record)
    assert stands.rotation is not None
    return stands.rotation.state


def test_one_that_took_a_first_password_and_refuses_the_later_ones_is_put_back_too(world: World, alice: Record) -> None:
    world.domains["branch"].fails("set_password", with_=Fault.POLICY)
    corp = world.domains["corp"]
    corp.fails("set_password", with_=AT_ONCE)
    corp.fails("set_password", with_=Fault.POLICY, times=2)
    world.asks(alice)

    world.drains_until_ended(alice)

    assert _held_by(world, OLD) == ["corp", "branch"]
    assert world.password(alice) == OLD
    assert _state(world, alice) == RotationState.PUT_BACK
    assert "put back" in world.status(alice)[0].reason


def test_a_password_changed_by_a_person_after_the_check_is_not_overwritten_by_putting_back(
    world: World, alice: Record
) -> None:
    corp = world.domains["corp"]
    corp.fails("may_rotate", with_=AT_ONCE)  # the check; then it is away for a while
    corp.fails("may_rotate", with_=Fault.UNREACHABLE)
    world.domains["branch"].fails("set_password", with_=Fault.REFUSED, times=None)
    world.asks(alice)
    world.drains()
    assert corp.count("may_rotate") == 2
    corp.resets("alice", "Set-by-a-person-7!")

    world.drains_until_ended(alice)

    assert not corp.holds("alice", OLD), "nobody proved that this was the password that held there"
    assert _state(world, alice) == RotationState.STUCK
    assert world.knows_what_holds("corp", "alice", alice)
    assert "corp holds the new password" in world.status(alice)[0].reason


def test_a_password_imported_during_the_rotation_is_never_put_back(world: World, alice: Record) -> None:
    held = Hold()
    world.domains["corp"].fails("set_password", with_=held)
    world.domains["branch"].fails("set_password", with_=Fault.REFUSED, times=None)
    world.asks(alice)
    working = Thread(target=world.drains_until_ended, args=(alice,), daemon=True)
    working.start()
    assert held.reached.wait(20)
    with world.database.writing() as session:
        draft = Draft(
            world.organization, alice, SecretStr("From-a-file-1!"), RevisionState.CURRENT, "imported", "cli:tester"
        )
        add_revisions(session, world.safe, [draft])
    held.let_go.set()
    working.join(20)

    assert not world.domains["corp"].holds("alice", "From-a-file-1!")
    assert world.knows_what_holds("corp", "alice", alice)
    assert _state(world, alice) == RotationState.STUCK


def test_a_stop_of_its_lane_does_not_end_a_put_back_and_asking_again_finishes_it(world: World, alice: Record) -> None:
    corp = world.domains["corp"]
    corp.fails("set_password", with_=AT_ONCE)
    corp.fails("set_password", with_=Fault.SIGN_IN_REFUSED)
    world.domains["branch"].fails("set_password", with_=Fault.REFUSED, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.IN_PROGRESS
    assert _state(world, alice) == RotationState.PUTTING_BACK
    assert "by itself" not in stands.reason, "a stopped lane waits for a person"
    assert world.knows_what_holds("corp", "alice", alice)

    [again] = world.rotates(alice)

    assert again.status is Status.FAILED
    assert _state(world, alice) == RotationState.PUT_BACK
    assert _held_by(world, OLD) == ["corp", "branch"]
