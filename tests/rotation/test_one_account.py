"""A record in one directory: taken and proved, refused, lost and found again."""

from datetime import timedelta

import pytest

from bot.demo.practice_faults import Fault
from storage.models import Record, RevisionState, RotationState, Status
from tests.rotation.world import World

OLD = "Old-pass-0001!"


@pytest.fixture
def alice(world: World) -> Record:
    world.directory("acme").person("alice", OLD)
    return world.matched("alice", {"acme": "alice"})


def test_a_rotation_gives_the_directory_and_the_vault_the_same_new_password(world: World, alice: Record) -> None:
    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    new = world.password(alice)
    assert new is not None
    assert new != OLD
    assert world.domains["acme"].signs_in("alice", new)
    assert not world.domains["acme"].holds("alice", OLD)
    assert world.password(alice, RevisionState.PREVIOUS) == OLD
    assert "60 minutes" in stands.reason


def test_a_record_without_a_password_gets_its_first_one(world: World) -> None:
    world.directory("acme").person("bob", "unknown to us 9!")
    bob = world.matched("bob", {"acme": "bob"}, password=None)

    [stands] = world.rotates(bob)

    assert stands.status is Status.SUCCESSFUL
    assert world.domains["acme"].signs_in("bob", world.password(bob) or "")


def test_a_lost_reply_is_looked_up_not_applied_again(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.LOST_AFTER)

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL
    assert domain.account("alice").times_set == 2
    assert domain.signs_in("alice", world.password(alice) or "")


def test_a_write_that_never_arrived_is_sent_again_with_the_same_password(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.LOST_BEFORE)

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL
    assert len(world.revisions(alice)) == 2, "a second password was generated"
    assert domain.signs_in("alice", world.password(alice) or "")


def test_a_refused_password_is_regenerated_and_then_taken(world: World, alice: Record) -> None:
    world.domains["acme"].fails("set_password", with_=Fault.POLICY, times=2)

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL
    states = [revision.state for revision in world.revisions(alice)]
    assert states == ["current", "discarded", "discarded", "previous"]


def test_a_refused_password_is_regenerated_at_most_three_times_in_all(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.POLICY, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.FAILED
    assert stands.rotation is not None
    assert stands.rotation.attempts == 3
    assert domain.count("set_password", "alice") == 3
    assert domain.holds("alice", OLD)
    assert world.password(alice) == OLD


def test_a_missing_right_is_an_api_error_and_nothing_was_touched(world: World, alice: Record) -> None:
    world.domains["acme"].fails("set_password", with_=Fault.RIGHT_MISSING, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.API_ERROR
    assert world.domains["acme"].holds("alice", OLD)
    assert world.password(alice) == OLD


@pytest.mark.parametrize("fault", [Fault.SIGN_IN_REFUSED, Fault.CERTIFICATE_REFUSED])
def test_a_refused_sign_in_is_an_api_error_and_is_not_tried_for_every_account(world: World, fault: Fault) -> None:
    domain = world.directory("acme")
    for number in range(40):
        domain.person(f"user{number}", OLD)
    records = [world.matched(f"user{number}", {"acme": f"user{number}"}) for number in range(40)]
    domain.fails("any", with_=fault, times=None)

    stands = world.rotates(*records)

    assert {each.status for each in stands} == {Status.API_ERROR}
    assert domain.count("may_rotate") <= 8, "every further attempt could lock our own account"
    assert "No password was touched" in stands[-1].reason


def test_asking_again_after_the_cause_was_mended_tries_the_directory_again(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("any", with_=Fault.SIGN_IN_REFUSED, times=None)
    world.rotates(alice)
    domain.heals()

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL


def test_after_five_identical_refusals_the_lane_stops_and_the_rest_is_left_alone(world: World) -> None:
    domain = world.directory("acme")
    for number in range(60):
        domain.person(f"user{number}", OLD)
    records = [world.matched(f"user{number}", {"acme": f"user{number}"}) for number in range(60)]
    domain.fails("set_password", with_=Fault.RIGHT_MISSING, times=None)

    stands = world.rotates(*records)

    assert {each.status for each in stands} == {Status.API_ERROR}
    assert domain.count("set_password") < 60
    assert all(domain.holds(f"user{number}", OLD) for number in range(60))


def test_a_directory_that_is_down_is_looked_at_again_and_told(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.goes_away()

    [stands] = world.rotates(alice)

    assert stands.status is Status.IN_PROGRESS
    assert "looked at again" in stands.reason
    assert world.password(alice) == OLD
    domain.comes_back()
    world.drains_until_ended(alice)
    assert world.status(alice)[0].status is Status.SUCCESSFUL
    assert domain.signs_in("alice", world.password(alice) or "")


def test_a_directory_that_dies_between_apply_and_confirm_is_looked_up_when_it_returns(
    world: World, alice: Record
) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.DIES_AFTER)

    [stands] = world.rotates(alice)

    assert stands.status is Status.IN_PROGRESS
    assert world.knows_what_holds("acme", "alice", alice)
    domain.comes_back()
    world.drains_until_ended(alice)
    assert world.status(alice)[0].status is Status.SUCCESSFUL
    assert domain.account("alice").times_set == 2


def test_a_password_reset_by_somebody_else_in_between_asks_a_person(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.OVERTAKEN)

    [stands] = world.rotates(alice)

    assert stands.status is Status.FAILED
    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.STUCK
    assert "somebody" in stands.reason.lower()
    assert world.password(alice) == OLD, "the vault's word changes only when it was proved"
    assert world.password(alice, RevisionState.PENDING) is not None, "what the directory may hold stays readable"

    [again] = world.rotates(alice)
    assert again.status is Status.SUCCESSFUL, "rotating by name is the answer"
    assert domain.signs_in("alice", world.password(alice) or "")


def test_must_change_at_next_logon_still_proves_the_password(world: World) -> None:
    domain = world.directory("acme")
    domain.person("carol", OLD, must_change=True)
    carol = world.matched("carol", {"acme": "carol"})

    [stands] = world.rotates(carol)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert domain.holds("carol", world.password(carol) or "")


def test_our_own_proofs_never_lock_an_account_across_twenty_lost_looks(world: World) -> None:
    from bot.demo.practice_domain import PracticeDomain, PracticePolicy

    domain = world.directory("acme", PracticeDomain("ACME", "acme.test", policy=PracticePolicy(lockout_threshold=3)))
    domain.person("alice", OLD)
    alice = world.matched("alice", {"acme": "alice"})
    domain.fails("set_password", with_=Fault.OVERTAKEN)
    domain.fails("confirm", with_=Fault.LOST_AFTER, times=20)
    world.asks(alice)

    for _restart in range(20):
        world.drains_once()
    assert not domain.is_locked(domain.account("alice"))
    domain.clock.passes(timedelta(hours=2))
