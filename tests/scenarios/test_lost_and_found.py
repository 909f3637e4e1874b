"""What is said of a write nobody answered for: never that it failed, never that it succeeded, until that is known."""

from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PROTECTED_USERS
from bot.demo.practice_faults import Fault, Hold
from bot.directories.base import Directory, Proof, Verdict
from storage.models import Connection, Record, RevisionState, RotationState, Status
from tests.rotation.world import World

OLD = "Old-pass-0001!"


@pytest.fixture
def alice(world: World) -> Record:
    world.directory("acme").person("alice", OLD)
    return world.matched("alice", {"acme": "alice"})


def test_a_write_that_never_arrives_is_an_outage_however_often(world: World, alice: Record) -> None:
    domain = world.domains["acme"]
    domain.fails("set_password", with_=Fault.LOST_BEFORE, times=6)
    world.asks(alice)

    world.drains_until_ended(alice)

    [stands] = world.status(alice)
    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert len(world.revisions(alice)) == 2, "one password, sent until it arrived"
    assert domain.signs_in("alice", world.password(alice) or "")


class _PartlyAway(PracticeDirectory):
    """Says of a lost write what a domain says whose other controller is away: that one may have taken it."""

    asked: list[str | None]

    def confirm(self, account: str, secret: SecretStr, since: Any, server: str | None, *rest: Any) -> Proof:
        type(self).asked.append(server)
        if len(type(self).asked) == 1:
            return Proof(Verdict.WAIT, since, "dc2.acme.test", "dc1 may have taken it, and is away.")
        return super().confirm(account, secret, since, server, *rest)


def test_the_server_that_was_merely_looked_at_is_not_taken_for_the_one_that_took_the_write(
    world: World, alice: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    _PartlyAway.asked = []
    monkeypatch.setattr(type(world), "open_directory", _opening(_PartlyAway))
    world.domains["acme"].fails("set_password", with_=Fault.LOST_AFTER)
    world.asks(alice)

    world.drains_until_ended(alice)

    assert _PartlyAway.asked == [None, None], "nobody said which controller took it"
    assert world.status(alice)[0].status is Status.SUCCESSFUL


def test_an_account_that_vanishes_after_it_took_the_password_is_never_said_to_be_untouched(
    world: World, alice: Record
) -> None:
    domain, held = world.domains["acme"], Hold()
    domain.fails("confirm", with_=held)
    bob_domain_account = domain.person("bob", OLD)
    bob = world.matched("bob", {"acme": bob_domain_account.username})
    world.asks(alice)
    working = Thread(target=world.drains, daemon=True)
    working.start()
    assert held.reached.wait(20)
    domain.deletes("alice")  # or: moved to where Rekey may not see it
    held.let_go.set()
    working.join(20)

    [stands] = world.status(alice)
    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.STUCK, stands.reason
    assert stands.status is Status.FAILED, "API Error would say that nothing was touched"
    assert world.password(alice, RevisionState.PENDING) is not None
    assert world.rotates(bob)[0].status is Status.SUCCESSFUL, "one account holds up nobody else"


@pytest.mark.parametrize("groups", [(PROTECTED_USERS,), ()])
def test_what_somebody_set_right_after_us_is_not_taken_for_ours_where_nothing_can_be_tried(
    world: World, groups: tuple[str, ...]
) -> None:
    domain = world.directory("acme")
    domain.person("carol", OLD, groups=groups)
    carol = world.matched("carol", {"acme": "carol"})
    if not groups:
        domain.locks("carol")
    domain.fails("set_password", with_=Fault.OVERTAKEN)

    [stands] = world.rotates(carol)

    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.STUCK, stands.reason
    assert world.password(carol) == OLD


def _opening(kind: type[PracticeDirectory]) -> Any:
    def open_directory(world: World, connection: Connection) -> Directory:
        return kind(world.domains[connection.name])

    return open_directory
