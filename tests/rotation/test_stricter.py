"""A rule weaker than a directory never leads to a refused password: the stricter one is used, and it is said."""

from dataclasses import replace

import pytest
from sqlmodel import select

from blocks.rotations import card
from bot.demo.practice_domain import PracticePolicy
from bot.discovery import sync
from bot.rotation.progress import Progress, progress
from bot.rotation.scheduled import keep_time
from bot.rules import policy_of, rule_for, set_rule, values_of
from bot.strictness import hold_against, raised
from storage.models import Account, Match, MatchState, Organization, Record, Request, Rotation, Rule, Status, now
from tests.rotation.test_scheduled import DAY, MONTHLY, OLD
from tests.rotation.world import World


@pytest.fixture
def two(world: World) -> World:
    """A lenient directory and a strict one, whose policies were read."""
    for name, length in (("lenient", 7), ("strict", 30)):
        domain = world.directory(name)
        domain.policy = PracticePolicy(length=length)
        domain.person("ann", OLD)
        domain.person("boss", OLD, policy=PracticePolicy(length=40, complexity=False))
        sync(world.database, world.trail, world.connections[name].id, world.open_directory(world.connections[name]))
    with world.database.writing() as session:
        for match in session.exec(select(Match)).all():
            session.delete(match)
    return world


def run(world: World, record: Record) -> tuple[Progress, Rotation]:
    """It falls due by a weak rule, and is rotated."""
    with world.database.writing() as session:
        session.exec(select(Match).where(Match.record_id == record.id)).one().decided_at = now() - 40 * DAY
        organization = session.get_one(Organization, world.organization.id)
        set_rule(session, organization, {**MONTHLY, "length": 8, "symbol": False})
    keep_time(world.database, world.trail, now())
    world.drains_until_ended(record)
    with world.database.reading() as session:
        request = session.exec(select(Request)).one()
        return progress(session, request), session.exec(select(Rotation)).one()


@pytest.mark.parametrize(("username", "length"), [("ann", 30), ("boss", 40)])
def test_the_stricter_policy_is_used_at_the_first_try_and_the_card_says_so(
    two: World, username: str, length: int
) -> None:
    record = known(two, username, "strict")
    stands, rotation = run(two, record)
    assert (rotation.status, rotation.attempts) == (Status.SUCCESSFUL, 1)
    assert len(two.password(record) or "") == length
    [said] = stands.stricter
    assert said.startswith("strict asks for more than the rule")
    assert "at least 30 characters" in said
    assert "strict asks for more than the rule" in str(card(stands).blocks)


def test_a_directory_that_asks_for_no_more_is_not_mentioned(two: World) -> None:
    domain = two.domains["lenient"]
    domain.account("boss").policy = None
    sync(two.database, two.trail, two.connections["lenient"].id, two.open_directory(two.connections["lenient"]))
    record = known(two, "ann", "lenient")
    stands, rotation = run(two, record)
    assert (rotation.status, stands.stricter) == (Status.SUCCESSFUL, ())


def test_the_raised_rule_is_as_strict_as_every_directory_it_covers(two: World) -> None:
    with two.database.reading() as session:
        organization = session.get_one(Organization, two.organization.id)
        weak = replace(policy_of(rule_for(session, organization)), length=8)
        held = hold_against(session, weak, [organization])
        assert sorted(each.policy.length for each in held.wants) == [30, 40, 40]
        values = raised({**values_of(Rule(scope="global")), "length": 8}, held.wants)
        assert values["length"] == 40
        assert hold_against(session, policy_of(Rule(scope="global", **values)), [organization]).wants == ()


def known(world: World, username: str, directory: str) -> Record:
    """A record approved for this account, which is known from reading the directory."""

    record = world.matched(f"{username} of {directory}", {})
    with world.database.writing() as session:
        account = session.exec(
            select(Account).where(
                Account.username == username, Account.connection_id == world.connections[directory].id
            )
        ).one()
        session.add(
            Match(
                organization_id=world.organization.id,
                account_id=account.id,
                record_id=record.id,
                state=MatchState.APPROVED,
            )
        )
    return record
