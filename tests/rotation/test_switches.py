"""Switches: off means that nothing is written, said beforehand, and everything begun still ends well."""

import pytest

from bot.demo.practice_faults import Fault
from bot.discovery import ask_sync
from bot.errors import NotPermitted
from bot.permissions import Operator, cli_operator
from bot.rotation.planning import Intent, preview
from bot.rotation.progress import Mend
from bot.switches import switch_directory, switch_everywhere, why_off
from storage.audit import audit_events
from storage.models import Connection, Organization, Record, Role, Status
from tests.rotation.people import ALICE, People
from tests.rotation.world import World

OLD = "Old-pass-0001!"
TECHNICIAN = Operator("U0TINA", "test", {None: Role.TECHNICIAN})


@pytest.fixture
def alice(world: World) -> Record:
    world.directory("acme").person("alice", OLD)
    return world.matched("alice", {"acme": "alice"})


def switches(world: World, name: str, *, on: bool, by: Operator | None = None) -> str:
    with world.database.writing() as session:
        organization = session.get_one(Organization, world.organization.id)
        connection = session.get_one(Connection, world.connections[name].id)
        return switch_directory(session, world.trail, by or cli_operator(), organization, connection, on=on)


def switches_all(world: World, *, on: bool, by: Operator | None = None) -> str:
    with world.database.writing() as session:
        return switch_everywhere(session, world.trail, by or cli_operator(), on=on)


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_switch_that_is_off_is_in_the_preview_and_refuses_before_anything_is_written(
    world: World, alice: Record, everywhere: bool
) -> None:
    said = switches_all(world, on=False) if everywhere else switches(world, "acme", on=False)
    assert "switched off" in said

    with world.database.reading() as session:
        organization = session.get_one(Organization, world.organization.id)
        [seen] = preview(session, cli_operator(), [(organization, alice)], by_name=True)
    assert (seen.intent, seen.status, seen.reason) == (Intent.REFUSE, Status.NOT_PERMITTED, said)

    [stands] = world.rotates(alice)
    assert stands.status is Status.NOT_PERMITTED
    assert world.domains["acme"].holds("alice", OLD)
    assert len(world.revisions(alice)) == 1, "a password was made"

    assert "is on" in (switches_all(world, on=True) if everywhere else switches(world, "acme", on=True))
    [stands] = world.rotates(alice)
    assert stands.status is Status.SUCCESSFUL


def test_switched_off_after_it_was_asked_for_nothing_is_written_either(world: World, alice: Record) -> None:
    world.asks(alice)
    switches(world, "acme", on=False)
    world.drains()
    [stands] = world.status(alice)
    assert stands.status is Status.NOT_PERMITTED
    assert "AD users sync" in stands.reason
    assert world.domains["acme"].holds("alice", OLD)


def test_what_another_directory_took_already_is_put_back_when_one_is_switched_off_in_between(world: World) -> None:
    for name in ("one", "two"):
        world.directory(name).person("alice", OLD)
    both = world.matched("alice", {"one": "alice", "two": "alice"})
    for name in ("one", "two"):
        world.domains[name].fails("set_password", with_=Fault.UNREACHABLE, times=1)
    world.asks(both)
    taken: list[str] = []
    while not taken:
        world.drains_once()
        taken = [name for name in ("one", "two") if not world.domains[name].holds("alice", OLD)]
    [written] = taken
    switches_all(world, on=False)
    world.drains_until_ended(both)
    assert world.knows_what_holds("one", "alice", both)
    assert world.knows_what_holds("two", "alice", both)
    assert world.domains[written].holds("alice", OLD), "left split"
    [stands] = world.status(both)
    assert stands.status is Status.FAILED
    assert "switched off" in stands.reason


def test_the_card_of_what_a_switch_refused_leads_to_where_it_is_switched_on(world: World, alice: Record) -> None:
    people = People(world)
    asked = people.asks(ALICE, alice)
    switches(world, "acme", on=False)
    world.drains()
    [cause] = people.progress(asked.draft.request.id).causes
    assert cause.mend is Mend.SETUP


def test_a_directory_whose_users_are_not_synced_is_not_read_either(world: World, alice: Record) -> None:  # noqa: ARG001
    switches(world, "acme", on=False)
    with world.database.writing() as session, pytest.raises(NotPermitted, match="AD users sync"):
        ask_sync(session, world.trail, cli_operator(), world.organization.id)


def test_only_administrators_switch_and_each_change_is_one_line_of_the_trail(world: World, alice: Record) -> None:  # noqa: ARG001
    with pytest.raises(NotPermitted):
        switches(world, "acme", on=False, by=TECHNICIAN)
    with pytest.raises(NotPermitted):
        switches_all(world, on=False, by=TECHNICIAN)
    with world.database.reading() as session:
        assert why_off(session, [session.get_one(Connection, world.connections["acme"].id)]) is None
    switches(world, "acme", on=False)
    switches(world, "acme", on=False)
    switches_all(world, on=False)
    switches_all(world, on=True)
    with world.database.reading() as session:
        lines = [each.event for each in audit_events(session) if "switched" in each.event]
    assert lines == ["directory.switched_off", "rotation.switched_off", "rotation.switched_on"]
