"""A record matched to accounts in two domains: both or neither."""

import pytest

from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.practice_faults import Fault
from storage.models import Record, RevisionState, RotationState, Status
from tests.rotation.world import World

OLD = "Old-pass-0001!"


@pytest.fixture
def alice(world: World) -> Record:
    for name in ("corp", "branch"):
        world.directory(name).person("alice", OLD)
    return world.matched("alice", {"corp": "alice", "branch": "alice"})


def _held_by(world: World, password: str | None) -> list[str]:
    return [name for name, domain in world.domains.items() if domain.holds("alice", password or "")]


def test_both_directories_and_the_vault_get_the_same_password(world: World, alice: Record) -> None:
    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert _held_by(world, world.password(alice)) == ["corp", "branch"]
    assert {each.directory: each.status for each in stands.accounts} == {
        "corp": Status.SUCCESSFUL,
        "branch": Status.SUCCESSFUL,
    }


@pytest.mark.parametrize("refusing", ["corp", "branch"])
def test_when_one_refuses_for_good_the_other_is_put_back(world: World, alice: Record, refusing: str) -> None:
    world.domains[refusing].fails("set_password", with_=Fault.REFUSED, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.FAILED
    assert _held_by(world, OLD) == ["corp", "branch"]
    assert world.password(alice) == OLD
    assert world.password(alice, RevisionState.PENDING) is None


def test_a_put_back_is_proved_and_said(world: World, alice: Record) -> None:
    world.domains["branch"].fails("set_password", with_=Fault.REFUSED, times=None)

    [stands] = world.rotates(alice)

    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.PUT_BACK
    assert "put back" in stands.reason


def test_a_put_back_whose_reply_is_lost_is_looked_up(world: World, alice: Record) -> None:
    world.domains["branch"].fails("set_password", with_=Fault.REFUSED, times=None)
    corp = world.domains["corp"]
    ids = world.asks(alice)
    corp.fails("set_password", with_=Fault.LOST_AFTER, times=2)

    world.drains_until_ended(alice)

    assert ids
    assert world.status(alice)[0].status is Status.FAILED
    assert _held_by(world, OLD) == ["corp", "branch"]
    assert corp.account("alice").times_set == 3, "one write forward, one back"


def test_where_the_earlier_password_was_not_proved_it_is_never_put_back(world: World) -> None:
    world.directory("corp").person("alice", "something else 7!")
    world.directory("branch").person("alice", "something else 8!")
    alice = world.matched("alice", {"corp": "alice", "branch": "alice"}, password=OLD)
    world.domains["branch"].fails("set_password", with_=Fault.REFUSED, times=None)

    world.asks(alice)
    world.drains_until_ended(alice)

    [stands] = world.status(alice)
    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.STUCK
    assert "corp holds the new password" in stands.reason
    assert "branch still holds what it held before" in stands.reason
    assert not world.domains["corp"].holds("alice", OLD)
    assert world.knows_what_holds("corp", "alice", alice)


def test_the_account_that_can_be_put_back_is_written_first(world: World) -> None:
    world.directory("corp").person("alice", "nobody knows 9!")
    world.directory("branch").person("alice", OLD)
    alice = world.matched("alice", {"corp": "alice", "branch": "alice"}, password=OLD)
    world.domains["corp"].fails("set_password", with_=Fault.REFUSED, times=None)

    world.rotates(alice)

    assert world.domains["branch"].holds("alice", OLD)
    assert world.domains["corp"].holds("alice", "nobody knows 9!")
    assert world.password(alice) == OLD


def test_a_directory_that_is_known_to_refuse_is_found_out_before_anything_is_written(
    world: World, alice: Record
) -> None:
    world.domains["branch"].account("alice").enabled = False

    [stands] = world.rotates(alice)

    assert stands.status is Status.NOT_PERMITTED
    assert world.domains["corp"].account("alice").times_set == 1
    assert len(world.revisions(alice)) == 1, "a password was staged for nothing"


def test_one_password_satisfies_the_stricter_of_both_policies(world: World) -> None:
    world.directory("corp", PracticeDomain("CORP", "corp.test", policy=PracticePolicy(length=30))).person("alice", OLD)
    world.directory("branch").person("alice", OLD)
    alice = world.matched("alice", {"corp": "alice", "branch": "alice"})

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert len(world.password(alice) or "") >= 30
    assert len(world.revisions(alice)) == 2


def test_a_password_that_the_second_refuses_is_replaced_in_the_first_as_well(world: World, alice: Record) -> None:
    world.domains["branch"].fails("set_password", with_=Fault.POLICY, times=2)

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert _held_by(world, world.password(alice)) == ["corp", "branch"]


def test_when_the_second_refuses_every_password_the_first_is_put_back(world: World, alice: Record) -> None:
    world.domains["branch"].fails("set_password", with_=Fault.POLICY, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.FAILED, stands.reason
    assert _held_by(world, OLD) == ["corp", "branch"]
    assert world.domains["branch"].count("set_password", "alice") <= 3


def test_a_second_directory_that_is_away_leaves_the_rotation_in_progress_and_all_readable(
    world: World, alice: Record
) -> None:
    world.asks(alice)
    world.domains["branch"].fails("set_password", with_=Fault.UNREACHABLE, times=5)

    world.drains_until_ended(alice)

    assert world.status(alice)[0].status is Status.SUCCESSFUL
    assert _held_by(world, world.password(alice)) == ["corp", "branch"]


def test_a_refused_sign_in_at_the_second_puts_the_first_back(world: World, alice: Record) -> None:
    world.domains["branch"].fails("set_password", with_=Fault.SIGN_IN_REFUSED, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is not Status.SUCCESSFUL
    assert _held_by(world, OLD) == ["corp", "branch"]
