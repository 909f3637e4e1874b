"""One account, password or policy that nothing can be done with holds up nobody else, and is told as what it is."""

from typing import Any

import pytest
from sqlmodel import select

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticePolicy
from bot.directories.base import Directory, Standing
from storage.models import Connection, Record, Revision, RevisionState, RotationState, Status
from tests.rotation.world import World

OLD = "Old-pass-0001!"


@pytest.fixture
def bob(world: World) -> Record:
    """Somebody with whom everything is well, after whoever the test is about."""
    domain = world.directory("acme")
    domain.person("alice", OLD)
    domain.person("bob", OLD)
    return world.matched("bob", {"acme": "bob"})


def test_a_policy_that_no_password_can_meet_fails_that_account_alone(world: World, bob: Record) -> None:
    world.domains["acme"].account("alice").policy = PracticePolicy(length=200)
    alice = world.matched("alice", {"acme": "alice"})

    poor, well = world.rotates(alice, bob)

    assert well.status is Status.SUCCESSFUL, well.reason
    assert poor.status is Status.FAILED
    assert "200 characters" in poor.reason
    assert world.domains["acme"].holds("alice", OLD)


def test_a_sealed_password_that_does_not_open_is_never_put_back_and_holds_up_nobody(world: World, bob: Record) -> None:
    world.directory("branch").person("alice", OLD)
    alice = world.matched("alice", {"acme": "alice", "branch": "alice"})
    with world.database.writing() as session:  # its row was edited, or moved here from another one
        for revision in session.exec(select(Revision).where(Revision.record_id == alice.id)):
            other = session.exec(select(Revision).where(Revision.record_id == bob.id)).one()
            revision.sealed = other.sealed

    both, well = world.rotates(alice, bob)

    assert well.status is Status.SUCCESSFUL, well.reason
    assert both.status is Status.SUCCESSFUL, "a new password heals it"
    assert world.domains["branch"].signs_in("alice", world.password(alice) or "")


class _Broken(PracticeDirectory):
    """Has a defect that shows with one account."""

    operation = ""
    after = False

    def may_rotate(self, account: str) -> Standing:
        return self._broken("may_rotate", account)  # type: ignore[no-any-return]

    def set_password(self, account: str, *arguments: Any) -> str:
        return self._broken("set_password", account, *arguments)  # type: ignore[no-any-return]

    def confirm(self, account: str, *arguments: Any) -> Any:
        return self._broken("confirm", account, *arguments)

    def _broken(self, operation: str, account: str, *arguments: Any) -> Any:
        if operation == self.operation and self._domain.find(account).username == "alice":
            if self.after:
                getattr(super(), operation)(account, *arguments)
            raise OverflowError("date value out of range")
        return getattr(super(), operation)(account, *arguments)


@pytest.mark.parametrize(
    ("operation", "after"), [("may_rotate", False), ("set_password", False), ("set_password", True), ("confirm", False)]
)
def test_a_defect_that_one_account_brings_out_ends_its_rotation_alone(
    world: World, bob: Record, monkeypatch: pytest.MonkeyPatch, operation: str, after: bool
) -> None:
    def open_directory(world: World, connection: Connection) -> Directory:
        return broken(world.domains[connection.name])

    broken: type[_Broken] = type("_BrokenNow", (_Broken,), {"operation": operation, "after": after})
    monkeypatch.setattr(World, "open_directory", open_directory)
    alice = world.matched("alice", {"acme": "alice"})

    poor, well = world.rotates(alice, bob)

    assert well.status is Status.SUCCESSFUL, well.reason
    assert poor.status is Status.FAILED
    assert poor.rotation is not None
    assert world.knows_what_holds("acme", "alice", alice)
    touched = operation != "may_rotate"
    assert poor.rotation.state == (RotationState.STUCK if touched else RotationState.REFUSED)
    assert (world.password(alice, RevisionState.PENDING) is not None) == touched
