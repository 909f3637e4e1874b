"""What a directory may hold can be revealed, whatever became of the rotation that wrote it."""

import pytest
from pydantic import SecretStr

from bot.demo.practice_faults import Fault
from storage.models import Record, RevisionState, Status
from storage.revisions import Draft, add_revisions, open_revision, possibly_held
from tests.rotation.world import World

OLD = "Old-pass-0001!"


@pytest.fixture
def alice(world: World) -> Record:
    world.directory("acme").person("alice", OLD)
    return world.matched("alice", {"acme": "alice"})


def revealed(world: World, record: Record) -> list[str]:
    """What `rekey reveal` shows."""
    with world.database.reading() as session:
        return [
            open_revision(world.safe, world.organization.uid, record.uid, each).get_secret_value()
            for each in possibly_held(session, record.id)
        ]


def _discarded(world: World, record: Record) -> list[str]:
    return [
        open_revision(world.safe, world.organization.uid, record.uid, each).get_secret_value()
        for each in world.revisions(record)
        if each.state == RevisionState.DISCARDED
    ]


def test_a_write_that_arrives_after_all_when_everything_was_over_is_still_revealed(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.LOST_BEFORE)
    domain.fails("set_password", with_=Fault.REFUSED)
    world.asks(alice)
    world.drains_until_ended(alice)
    [discarded] = _discarded(world, alice)

    domain.resets("alice", discarded)  # the first request lay in some queue until now

    assert discarded in revealed(world, alice)
    assert world.rotates(alice)[0].status is Status.SUCCESSFUL
    assert revealed(world, alice) == [world.password(alice)], "proved to hold a later one: no more doubt"


def test_what_an_undecided_rotation_left_is_revealed_though_the_next_one_is_refused(
    world: World, alice: Record
) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.OVERTAKEN)
    world.rotates(alice)
    undecided = world.password(alice, RevisionState.PENDING)
    domain.fails("set_password", with_=Fault.REFUSED, times=None)

    [stands] = world.rotates(alice)

    assert stands.status is Status.FAILED
    assert undecided in revealed(world, alice)
    assert OLD in revealed(world, alice)


def test_what_came_back_from_escrow_is_revealed_though_the_next_rotation_is_refused(
    world: World, alice: Record
) -> None:
    with world.database.writing() as session:
        draft = Draft(world.organization, alice, SecretStr("From-escrow-1!"), RevisionState.PENDING, "recovered", "cli")
        add_revisions(session, world.safe, [draft])
    world.domains["acme"].fails("set_password", with_=Fault.REFUSED, times=None)

    world.rotates(alice)

    assert "From-escrow-1!" in revealed(world, alice)


def test_a_password_that_was_refused_in_so_many_words_is_no_alternative(world: World, alice: Record) -> None:
    world.domains["acme"].fails("set_password", with_=Fault.POLICY, times=None)

    world.rotates(alice)

    assert len(_discarded(world, alice)) == 3
    assert revealed(world, alice) == [OLD]


def test_what_one_directory_took_and_another_refused_is_revealed_meanwhile(world: World) -> None:
    for name in ("corp", "branch"):
        world.directory(name).person("alice", OLD)
    alice = world.matched("alice", {"corp": "alice", "branch": "alice"})
    world.domains["branch"].fails("set_password", with_=Fault.POLICY)
    world.domains["branch"].fails("may_rotate", with_=Fault.UNREACHABLE, times=1)
    world.asks(alice)
    seen = []

    for _ in range(12):
        world.drains_once()
        seen.append(any(world.domains["corp"].holds("alice", each) for each in revealed(world, alice)))

    assert all(seen)
    assert world.status(alice)[0].status is Status.SUCCESSFUL
