"""One person in two directories: told by the directories' own ids, or by an administrator."""

from typing import Any

import pytest
from sqlmodel import select

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.directories.base import Directory
from bot.discovery import sync
from bot.errors import BadInput
from bot.matching import linking, review
from bot.permissions import Decision, Operator
from storage.accounts import get_account
from storage.models import Account, AuditEvent, Connection, MatchState, Organization
from tests.matching.worlds import ADMINISTRATOR, World

SUGGESTED, SEVERAL = (MatchState.SUGGESTED, "jane"), (MatchState.SEVERAL, None)
BOTH = ("CORP\\jane", "LAB\\jane")
ID, OTHER_ID = "tHBrQXpUO0Oqo4UGQXQPNg==", "thbrqxpuo0oqo4ugqxqpng=="


def reads(world: World, name: str, domain: PracticeDomain) -> None:
    """Read a directory the way a lane does."""
    directory: Directory = PracticeDirectory(domain)
    sync(world.database, world.trail, world.directories[name].id, directory)


def links(world: World, *usernames: str, operator: Operator = ADMINISTRATOR) -> Decision:
    with world.database.writing() as session:
        ids = [get_account(session, world.organization.id, name).id for name in usernames]
        return linking.link(session, world.trail, operator, ids)


def unlinks(world: World, username: str, operator: Operator = ADMINISTRATOR) -> Decision:
    with world.database.writing() as session:
        return linking.unlink(session, world.trail, operator, get_account(session, world.organization.id, username).id)


def events(world: World) -> list[tuple[str, str]]:
    with world.database.reading() as session:
        found = session.exec(select(AuditEvent).order_by(AuditEvent.id)).all()  # type: ignore[arg-type]
        return [(each.event, each.result) for each in found if each.event.startswith("accounts.")]


@pytest.mark.parametrize("cloud_first", [False, True])
@pytest.mark.parametrize(
    ("cloud", "one_person"),
    [
        ({"immutable_id": ID, "synced": True}, True),
        ({"immutable_id": "employee-7", "sid": "S-1-5-21-7-1104", "synced": True}, True),
        ({"immutable_id": OTHER_ID, "sid": "S-1-5-21-7-9999", "synced": True}, False),
        ({"immutable_id": None, "sid": None}, False),
    ],
    ids=["by immutable id", "by SID", "case counts", "a cloud-only namesake"],
)
def test_a_synced_account_is_its_ad_accounts_person(
    world: World, cloud: dict[str, Any], one_person: bool, cloud_first: bool
) -> None:
    corp, tenant = PracticeDomain("CORP", "corp.example.test"), PracticeDomain("LAB", "lab.example.test")
    corp.person("jane", "Old-pass-0001!", immutable_id=ID, sid="S-1-5-21-7-1104")
    tenant.person("jane", "Old-pass-0001!", **cloud)
    world.records("jane")
    for name, domain in sorted({"CORP": corp, "LAB": tenant}.items(), reverse=cloud_first):
        reads(world, name, domain)

    assert world.stands(*BOTH) == [SUGGESTED if one_person else SEVERAL] * 2


def test_what_becomes_of_a_person_in_the_cloud_is_noticed_by_an_incremental_read(world: World) -> None:
    corp, tenant = PracticeDomain("CORP", "corp.example.test"), PracticeDomain("LAB", "lab.example.test")
    corp.person("jane", "Old-pass-0001!", immutable_id=ID)
    jane = tenant.person("jane", "Old-pass-0001!", immutable_id=None, sid=None)
    world.records("jane")
    reads(world, "CORP", corp)
    reads(world, "LAB", tenant)
    assert world.stands(*BOTH) == [SEVERAL] * 2

    jane.synced, jane.immutable_id = True, ID  # Entra Connect takes the account over
    tenant.touched(jane)
    reads(world, "LAB", tenant)
    assert world.stands(*BOTH) == [SUGGESTED] * 2

    jane.synced, jane.immutable_id = False, None
    tenant.touched(jane)
    reads(world, "LAB", tenant)
    assert world.stands(*BOTH) == [SEVERAL] * 2


def test_an_administrator_links_namesakes_and_takes_it_back(world: World) -> None:
    world.records("jane")
    world.accounts(*BOTH)
    assert world.stands(*BOTH) == [SEVERAL] * 2

    assert links(world, *BOTH).allowed
    assert world.stands(*BOTH) == [SUGGESTED] * 2
    assert unlinks(world, "LAB\\jane").allowed

    assert world.stands(*BOTH) == [SEVERAL] * 2
    assert events(world) == [("accounts.linked", "ok"), ("accounts.unlinked", "ok")]


def test_what_was_linked_stays_linked_when_the_directories_are_read_again(world: World) -> None:
    corp, tenant = PracticeDomain("CORP", "corp.example.test"), PracticeDomain("LAB", "lab.example.test")
    corp.person("jane", "Old-pass-0001!", immutable_id=ID)
    tenant.person("jane", "Old-pass-0001!", immutable_id=None, sid=None)
    world.records("jane")
    reads(world, "CORP", corp)
    reads(world, "LAB", tenant)
    links(world, *BOTH)
    for domain in (corp, tenant):
        domain.touched(domain.account("jane"))
        domain.account("jane").display_name = "Jane D."

    reads(world, "CORP", corp)
    reads(world, "LAB", tenant)

    assert world.stands(*BOTH) == [SUGGESTED] * 2


def test_only_an_administrator_links_and_whoever_tried_is_on_record(world: World) -> None:
    world.records("jane")
    world.accounts(*BOTH)

    refused = links(world, *BOTH, operator=world.technician())

    assert not refused.allowed
    assert "administrator" in refused.reason
    assert world.stands(*BOTH) == [SEVERAL] * 2
    assert events(world) == [("accounts.linked", "refused")]


def test_what_the_directories_say_is_not_undone_here(world: World) -> None:
    world.accounts("CORP\\jane", immutable_id=ID, person=ID)
    world.accounts("LAB\\jane", immutable_id=ID, person=ID, synced=True)

    with pytest.raises(BadInput, match="Entra Connect"):
        unlinks(world, "LAB\\jane")


def test_accounts_of_two_organizations_are_never_linked(world: World) -> None:
    [jane] = world.accounts("CORP\\jane")
    with world.database.writing() as session:
        other = Organization(name="Other", name_key="other")
        session.add(other)
        session.flush()
        lab = Connection(organization_id=other.id, name="lab", name_key="lab", side="directory", kind="practice")
        session.add(lab)
        session.flush()
        theirs = Account(
            organization_id=other.id, connection_id=lab.id, object_id="x", username="jane", username_key="jane"
        )
        session.add(theirs)
        session.flush()
        with pytest.raises(BadInput, match="one organization"):
            linking.link(session, world.trail, ADMINISTRATOR, [jane, theirs.id])


def test_the_second_account_of_one_person_takes_no_administrator(world: World) -> None:
    record = world.records("jane")[0]
    world.accounts("CORP\\jane", immutable_id=ID, person=ID)
    world.accounts("LAB\\jane", "LAB\\bob", immutable_id=ID, person=ID, synced=True)
    with world.database.writing() as session:
        bob = get_account(session, world.organization.id, "LAB\\bob")
        bob.person = bob.immutable_id = None
    technician = world.technician()
    with world.database.writing() as session:
        for username, allowed in (("CORP\\jane", True), ("LAB\\jane", True), ("LAB\\bob", False)):
            match_id = world.match(username).id
            [outcome] = review.choose(session, world.trail, technician, [match_id], record)
            assert outcome.done is allowed, outcome.reason


@pytest.mark.parametrize("linked", [True, False])
def test_approving_a_synced_account_says_whether_its_active_directory_rotates_it(world: World, linked: bool) -> None:
    record = world.records("jane")[0]
    says = "It is synced: its password is set elsewhere."
    world.accounts("LAB\\jane", immutable_id=ID, person=ID if linked else None, synced=True, guard=says)
    with world.database.writing() as session:
        [outcome] = review.choose(session, world.trail, ADMINISTRATOR, [world.match("LAB\\jane").id], record)
    followed = "It is rotated in its Active Directory, and followed here."
    assert outcome.reason == (followed if linked else f"It will not be rotated for now: {says}")
