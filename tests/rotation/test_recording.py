"""A vault outside: what it held is kept, what directories hold reaches it, and for its sake nothing is put back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_faults import Fault
from storage.lanes import get_lane
from storage.models import Record, RevisionState, RotationState, Status, now
from storage.revisions import possibly_held
from tests.rotation.dying import living
from tests.rotation.outside_vault import OutsideConnector, OutsideVault
from tests.rotation.world import World

OLD = "Old-pass-0001!"
ID = "id-alice"


@pytest.fixture
def vault(world: World) -> OutsideVault:
    world.directory("corp").person("alice", OLD)
    return world.moves_its_vault_outside()


@pytest.fixture
def alice(world: World, vault: OutsideVault) -> Record:
    assert vault is world.outside
    return world.listed("alice", {"corp": "alice"}, OLD)


def _agree(world: World, record: Record) -> str:
    """Directory, vault and Rekey hold the same password; returns it."""
    password = world.password(record)
    assert password is not None
    assert world.domains["corp"].holds("alice", password)
    assert world.outside.holds(ID) == password
    return password


def _shown(world: World, record: Record) -> int:
    with world.database.reading() as session:
        return len(possibly_held(session, record.id))


def test_directory_and_vault_get_the_same_password(world: World, alice: Record) -> None:
    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert _agree(world, alice) != OLD
    assert "glue holds it" in stands.reason


def test_what_the_vault_held_is_kept_before_the_first_overwrite(world: World, alice: Record) -> None:
    world.rotates(alice)

    assert world.password(alice, RevisionState.PREVIOUS) == OLD
    assert [each.origin for each in world.revisions(alice)] == ["generated", "vault"]


def test_a_password_that_is_ours_is_never_asked_for_again(world: World, vault: OutsideVault, alice: Record) -> None:
    world.rotates(alice)
    reads = vault.count("read")

    world.rotates(alice)

    assert vault.count("read") == reads
    assert len(world.revisions(alice)) == 3


def test_what_somebody_edited_there_is_kept_and_said(world: World, vault: OutsideVault, alice: Record) -> None:
    world.rotates(alice)
    vault.edited(ID, "Typed by hand 5!")

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert "edited in glue was kept" in stands.reason
    assert world.password(alice, RevisionState.PREVIOUS) == "Typed by hand 5!"
    _agree(world, alice)


def test_an_edit_between_the_directory_and_the_vault_is_kept_too(
    world: World, vault: OutsideVault, alice: Record
) -> None:
    world.rotates(alice)
    world.asks(alice)
    vault.fails("write", with_=Fault.OVERTAKEN)

    world.drains_until_ended(alice)

    assert world.status(alice)[0].status is Status.SUCCESSFUL, world.status(alice)[0].reason
    assert "somebody-else" in " ".join(vault.entries[ID].passwords)
    _agree(world, alice)
    assert any(each.origin == "vault" and each.state == RevisionState.OLD for each in world.revisions(alice))


def test_a_vaulted_record_is_refused_before_any_directory_is_touched(world: World, vault: OutsideVault) -> None:
    assert vault is world.outside
    record = world.listed("alice", {"corp": "alice"}, OLD, guard="It is vaulted: only its owner can open it.")

    [stands] = world.rotates(record)

    assert stands.status is Status.NOT_PERMITTED
    assert world.domains["corp"].holds("alice", OLD)


def test_one_that_became_vaulted_since_it_was_listed_is_refused_likewise(
    world: World, vault: OutsideVault, alice: Record
) -> None:
    vault.entries[ID].seen = replace(vault.entries[ID].seen, guard="It is vaulted: only its owner can open it.")

    [stands] = world.rotates(alice)

    assert stands.status is Status.NOT_PERMITTED
    assert "vaulted" in stands.reason
    assert world.domains["corp"].count("set_password") == 0
    assert world.outside.count("write") == 0


def test_a_record_that_is_gone_is_said_before_any_directory_is_touched(
    world: World, vault: OutsideVault, alice: Record
) -> None:
    del vault.entries[ID]

    [stands] = world.rotates(alice)

    assert stands.status is Status.API_ERROR
    assert world.domains["corp"].count("set_password") == 0


def test_what_cannot_be_read_is_not_overwritten(world: World, vault: OutsideVault, alice: Record) -> None:
    vault.fails("read", with_=Fault.REFUSED, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.NOT_PERMITTED
    assert "could not be read" in stands.reason
    assert vault.holds(ID) == OLD
    assert world.domains["corp"].holds("alice", OLD)


def test_a_lost_reply_is_read_back_not_guessed(world: World, vault: OutsideVault, alice: Record) -> None:
    vault.fails("write", with_=Fault.LOST_AFTER)

    [stands] = world.rotates(alice)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert vault.count("write") == 1
    _agree(world, alice)


def test_a_write_that_never_arrived_is_sent_again_with_the_same_password(
    world: World, vault: OutsideVault, alice: Record
) -> None:
    vault.fails("write", with_=Fault.LOST_BEFORE)

    world.rotates(alice)

    assert vault.count("write") == 2
    assert len(world.revisions(alice)) == 2
    _agree(world, alice)


def test_a_vault_that_is_away_never_puts_a_directory_back(world: World, vault: OutsideVault, alice: Record) -> None:
    world.asks(alice)
    vault.fails("write", with_=Fault.UNREACHABLE, times=4)

    world.drains()
    [stands] = world.status(alice)

    assert stands.status is Status.IN_PROGRESS
    assert "corp proved to take the new password; glue does not hold it yet" in stands.reason
    assert not world.domains["corp"].holds("alice", OLD)
    assert world.knows_what_holds("corp", "alice", alice)

    world.drains_until_ended(alice)
    _agree(world, alice)


def test_while_the_vault_is_away_nothing_new_begins(world: World, vault: OutsideVault, alice: Record) -> None:
    world.domains["corp"].person("bob", OLD)
    bob = world.listed("bob", {"corp": "bob"}, OLD)
    world.longest_pause = timedelta(hours=1)
    world.asks(alice)
    vault.fails("write", with_=Fault.DIES_AFTER)
    world.drains()
    world.asks(bob)
    world.drains()

    assert world.status(bob)[0].status is Status.IN_PROGRESS
    assert world.domains["corp"].holds("bob", OLD)
    assert "glue" not in vault.holds(ID)


def test_a_refused_key_ends_what_has_not_begun_and_keeps_what_has(
    world: World, vault: OutsideVault, alice: Record
) -> None:
    world.domains["corp"].person("bob", OLD)
    bob = world.listed("bob", {"corp": "bob"}, OLD)
    world.asks(alice)
    vault.fails("write", with_=Fault.SIGN_IN_REFUSED, times=None)
    vault.fails("may_write", with_=Fault.SIGN_IN_REFUSED, times=None, account="id-bob")
    world.drains()
    world.asks(bob)
    world.drains()

    [about_bob] = world.status(bob)
    assert about_bob.status is Status.API_ERROR, about_bob.reason
    assert world.domains["corp"].holds("bob", OLD)
    assert world.status(alice)[0].status is Status.IN_PROGRESS

    vault.heals()
    world.asks(alice)
    world.drains_until_ended(alice)
    _agree(world, alice)


def test_a_record_deleted_in_the_middle_is_a_question_that_says_who_holds_what(
    world: World, vault: OutsideVault, alice: Record
) -> None:
    world.asks(alice)
    vault.fails("write", with_=Fault.REFUSED)

    world.drains_until_ended(alice)

    [stands] = world.status(alice)
    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.STUCK
    assert stands.status is Status.FAILED
    assert "corp holds the new password" in stands.reason
    assert "glue does not hold the new password" in stands.reason
    assert world.domains["corp"].holds("alice", world.password(alice) or "")
    assert vault.holds(ID) == OLD


def test_a_record_that_is_not_in_the_vault_yet_is_made_once(world: World, vault: OutsideVault) -> None:
    record = world.matched("alice", {"corp": "alice"}, password=None)
    vault.fails("create", with_=Fault.LOST_AFTER)

    [stands] = world.rotates(record)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert len(vault.entries) == 1
    [entry] = vault.entries.values()
    assert entry.passwords[-1] == world.password(record)


def test_a_stop_holds_the_vault_too_and_a_start_goes_on(world: World, vault: OutsideVault, alice: Record) -> None:
    world.asks(alice)
    vault.fails("write", with_=Fault.UNREACHABLE, times=1)
    world.drains()
    with world.database.writing() as session:
        organization = session.get_one(type(world.organization), world.organization.id)
        organization.frozen_at, organization.frozen_by = now(), "cli:tester"
    writes = vault.count("write")
    world.drains_once()
    assert vault.count("write") == writes

    with world.database.writing() as session:
        session.get_one(type(world.organization), world.organization.id).frozen_at = None
    world.drains_until_ended(alice)
    _agree(world, alice)


def test_no_lane_waits_once_the_vault_is_back(world: World, vault: OutsideVault, alice: Record) -> None:
    vault.fails("may_write", with_=Fault.UNREACHABLE, times=3)

    world.asks(alice)
    world.drains_until_ended(alice)

    _agree(world, alice)
    with world.database.reading() as session:
        assert get_lane(session, world.vault.id).failures == 0


def test_killed_at_every_step_directory_vault_and_rekey_agree_in_the_end(
    world: World, vault: OutsideVault, alice: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[type, tuple[str, ...]] = {
        PracticeDirectory: ("set_password", "confirm"),
        OutsideConnector: ("may_write", "read", "write"),
    }
    with living(world, monkeypatch, calls) as life:
        world.asks(alice)
        world.drains()
    boundaries = list(dict.fromkeys(life.reached))
    assert {"before write#1", "after write#1", "after read#1"} <= set(boundaries)

    commits = [each for each in boundaries if each.startswith("commit")]
    calls_of_it = [each for each in boundaries if each.endswith(("write#1", "read#1", "set_password#1", "escrow#2"))]
    for target in [*calls_of_it, *commits[::2]]:
        vault.edited(ID, f"Typed by hand {target}")  # so that it is read and kept each time
        with living(world, monkeypatch, calls, target):
            world.asks(alice)
            world.drains()
        world.asks(alice)
        world.drains_until_ended(alice)
        [stands] = world.status(alice)
        assert stands.status is Status.SUCCESSFUL, f"killed {target}: {stands.reason}"
        _agree(world, alice)


def test_a_day_without_the_vault_in_the_middle_of_500_loses_nothing_and_misleads_nobody(
    world: World, vault: OutsideVault
) -> None:
    corp, names = world.domains["corp"], [f"person{number:03}" for number in range(500)]
    for name in names:
        corp.person(name, OLD)
    records = [world.listed(name, {"corp": name}, OLD) for name in names]
    world.longest_pause = timedelta(minutes=15)
    ids = world.asks(*records)
    for name in names[60:]:
        vault.fails("write", with_=Fault.DIES_AFTER, account=f"id-{name}")
    lanes = world.lanes()
    with world.database.reading() as session:  # both lanes at work in turns, until the vault goes away
        while get_lane(session, world.vault.id).failures == 0:
            session.expire_all()
            session.rollback()
            for connection in (world.vault, world.connections["corp"]):
                lanes.drain(connection.id, seconds=0.05)
    world.drains()

    for _look in range(24 * 4):  # a day: after each quarter of an hour the vault's lane is looked at again
        with world.database.writing() as session:
            lane = get_lane(session, world.vault.id)
            assert lane.backoff_until is not None
            assert lane.backoff_until <= now() + 1.25 * world.longest_pause
            lane.backoff_until = now()
        world.drains()
    begun = [name for name in names if not corp.holds(name, OLD)]
    waiting = [stands for stands in world.status(*records) if stands.status is Status.IN_PROGRESS]
    assert 60 < len(begun) < 500, "something was begun while the vault was away"
    assert len(waiting) >= 500 - len(begun)
    unrecorded = [
        each for each in waiting if each.record.name in begun and vault.holds(f"id-{each.record.name}") == OLD
    ]
    assert unrecorded
    for stands in unrecorded:  # whatever a directory holds by now, Rekey shows it
        assert "does not hold it yet" in stands.reason
        assert corp.holds(stands.record.name, world.password(stands.record, RevisionState.PENDING) or "")

    vault.heals()
    vault.comes_back()
    with world.database.writing() as session:
        get_lane(session, world.vault.id).backoff_until = now()
    calls = len(vault.calls)
    world.drains_until_ended(*records)
    assert len(ids) == 500
    for record in records:
        password = world.password(record)
        assert password is not None
        assert corp.holds(record.name, password)
        assert vault.holds(f"id-{record.name}") == password
        assert world.password(record, RevisionState.PREVIOUS) == OLD
    assert len(vault.calls) - calls < 5 * 500, "more than a handful of calls for each"
