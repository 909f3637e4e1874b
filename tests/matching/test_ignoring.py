"""Ignore rules: who lives where one holds is left alone for as long as it does, unless a person says otherwise."""

import pytest

from bot.errors import BadInput, RowNotFound
from bot.matching import ignoring, review
from bot.matching.suggesting import suggest
from bot.organizations import mark
from bot.permissions import Decision, Operator
from storage.accounts import get_account, mark_removed, units_of
from storage.ignore_rules import ignore_rules
from storage.matches import MatchFilter, count_matches, forget_undecided, match_of, match_page, wanted_ids
from storage.models import Account, MatchState, Organization, Role, Tier, now
from tests.matching.worlds import ADMINISTRATOR, World, new_world


def add(world: World, unit: str, operator: Operator = ADMINISTRATOR) -> Decision:
    with world.database.writing() as session:
        organization = session.get_one(Organization, world.organization.id)
        return ignoring.add_rule(session, world.trail, operator, organization, unit)


def remove(world: World, rule_id: int, operator: Operator = ADMINISTRATOR) -> Decision:
    with world.database.writing() as session:
        organization = session.get_one(Organization, world.organization.id)
        return ignoring.remove_rule(session, world.trail, operator, organization, rule_id)


def the_rule(world: World) -> int:
    with world.database.reading() as session:
        return ignore_rules(session, world.organization.id)[0].id


def reopen(world: World, username: str) -> None:
    with world.database.writing() as session:
        assert review.reopen(session, world.trail, ADMINISTRATOR, [world.match(username).id])[0].done


def moves(world: World, username: str, unit: str) -> None:
    """What a sync does with an account that moved."""
    with world.database.writing() as session:
        account = get_account(session, world.organization.id, username)
        account.ou = unit
        session.add(account)
        session.flush()
        suggest(session, world.organization.id, {account.username_key})


def test_a_rule_ignores_everybody_in_its_unit_and_below_and_nobody_beside_it(world: World) -> None:
    world.records("jane", "bob", "eve", "sam")
    world.accounts("jane", ou="Leavers")
    world.accounts("bob", ou="leavers/2026")
    world.accounts("eve", ou="Leavers of London")
    world.accounts("sam")
    assert add(world, "Leavers").allowed
    assert world.stands("jane", "bob", "eve", "sam") == [
        ("ignored", None),
        ("ignored", None),
        ("suggested", "eve"),
        ("suggested", "sam"),
    ]
    assert world.match("jane").decided_by is None


def test_who_joins_a_leavers_unit_never_comes_up_and_claims_nothing(world: World) -> None:
    add(world, "Leavers")
    world.records("jane")
    world.accounts("LAB\\jane", ou="Leavers")
    world.accounts("CORP\\jane", ou="Staff")
    assert world.stands("LAB\\jane", "CORP\\jane") == [("ignored", None), ("suggested", "jane")]


def test_moving_in_ignores_and_moving_out_brings_back(world: World) -> None:
    world.records("jane")
    world.accounts("CORP\\jane", "LAB\\jane", ou="Staff")
    add(world, "Leavers")
    assert world.stands("CORP\\jane") == [("several", None)]
    moves(world, "LAB\\jane", "Leavers")
    assert world.stands("LAB\\jane", "CORP\\jane") == [("ignored", None), ("suggested", "jane")]
    moves(world, "LAB\\jane", "Staff")
    assert world.stands("LAB\\jane", "CORP\\jane") == [("several", None)] * 2


def test_what_a_person_decided_is_left_alone_by_rules(world: World) -> None:
    world.records("jane", "bob", "eve")
    world.accounts("jane", "bob", "eve", ou="Leavers")
    with world.database.writing() as session:
        review.approve(session, world.trail, ADMINISTRATOR, [world.match("jane").id])
        review.ignore(session, world.trail, ADMINISTRATOR, [world.match("bob").id])
    add(world, "Leavers")
    assert world.stands("jane", "bob", "eve") == [("approved", "jane"), ("ignored", None), ("ignored", None)]
    assert remove(world, the_rule(world)).allowed
    assert world.stands("jane", "bob", "eve") == [("approved", "jane"), ("ignored", None), ("suggested", "eve")]


def test_ignoring_by_hand_outlives_the_rule(world: World) -> None:
    world.records("jane")
    world.accounts("jane", ou="Leavers")
    add(world, "Leavers")
    with world.database.writing() as session:
        assert review.ignore(session, world.trail, ADMINISTRATOR, [world.match("jane").id])[0].reason == ""
    remove(world, the_rule(world))
    assert world.stands("jane") == [("ignored", None)]


def test_the_later_word_counts_reopened_stays_open_until_the_rule_is_said_again(world: World) -> None:
    world.records("jane")
    world.accounts("jane", ou="Leavers")
    add(world, "Leavers")
    reopen(world, "jane")
    assert world.stands("jane") == [("suggested", "jane")]
    world.records("bob")
    assert world.stands("jane") == [("suggested", "jane")]
    add(world, "Leavers")
    assert world.stands("jane") == [("ignored", None)]
    with world.database.reading() as session:
        assert len(ignore_rules(session, world.organization.id)) == 1


@pytest.mark.parametrize("tier", [Tier.PRIVILEGED, Tier.BREAK_GLASS])
def test_no_rule_ignores_a_privileged_or_break_glass_account(world: World, tier: Tier) -> None:
    world.records("boss")
    world.accounts("boss", tier=tier, ou="Leavers")
    add(world, "Leavers", world.technician())
    assert world.stands("boss") == [("suggested", "boss")]


def test_an_ignored_account_that_becomes_break_glass_comes_back(world: World) -> None:
    world.records("jane")
    world.accounts("jane", ou="Leavers")
    add(world, "Leavers")
    with world.database.writing() as session:
        mark(session, session.get_one(Organization, world.organization.id), {Tier.BREAK_GLASS: ["jane"]})
    assert world.stands("jane") == [("suggested", "jane")]


def test_a_technician_may_rule_a_viewer_and_a_stranger_may_not_and_all_of_it_is_audited(world: World) -> None:
    world.accounts("jane", ou="Leavers")
    viewer = Operator("U0VIEW", "test", {world.organization.id: Role.VIEWER})
    elsewhere = Operator("U0ELSE", "test", {world.organization.id + 1: Role.ADMINISTRATOR})
    assert not add(world, "Leavers", viewer).allowed
    assert not add(world, "Leavers", elsewhere).allowed
    assert add(world, "Leavers", world.technician()).allowed
    assert not remove(world, the_rule(world), viewer).allowed
    assert remove(world, the_rule(world), world.technician()).allowed
    told = [(event.event, event.operator, event.subject, event.result) for event in world.events()]
    assert told == [
        ("ignore_rule.added", "U0VIEW", "Leavers", "refused"),
        ("ignore_rule.added", "U0ELSE", "Leavers", "refused"),
        ("ignore_rule.added", "U0TECH", "Leavers", "ok"),
        ("ignore_rule.removed", "U0VIEW", "Leavers", "refused"),
        ("ignore_rule.removed", "U0TECH", "Leavers", "ok"),
    ]


def test_another_organizations_rule_is_out_of_reach(world: World) -> None:
    add(world, "Leavers")
    other = new_world(world.database, world.trail, "Borealis")
    decision = remove(other, the_rule(world))
    assert not decision.allowed
    assert "Borealis" in decision.reason
    assert world.events()[-1].result == "refused"
    assert the_rule(world)


def test_a_rule_without_a_unit_is_refused_in_a_sentence(world: World) -> None:
    for unit in ("", " ", "/", " / "):
        with pytest.raises(BadInput, match="Name the organizational unit"):
            add(world, unit)
    with pytest.raises(BadInput, match="at most 255"):
        add(world, "x" * 256)
    with pytest.raises(RowNotFound, match="no ignore rule 99 any more"):
        remove(world, 99)


def test_a_leaver_who_is_deleted_leaves_no_match_behind(world: World) -> None:
    ids = world.accounts("jane", ou="Leavers")
    add(world, "Leavers")
    with world.database.writing() as session:
        mark_removed(session, world.directories["CORP"].id, {"CORP-jane"}, now())
        forget_undecided(session, ids)
        assert match_of(session, ids[0]) is None


def test_matches_are_found_by_unit_tier_state_and_text_page_by_page(world: World) -> None:
    world.records("jane", "zoe")
    world.accounts("jane", "zoe", ou="Staff/London", display_name="100% Someone")
    world.accounts("bob", ou="Staff", enabled=False)
    world.accounts("boss", ou="Staffing", tier=Tier.PRIVILEGED)
    with world.database.reading() as session:

        def found(**wanted: object) -> list[str]:
            page = match_page(session, world.organization.id, MatchFilter(**wanted), limit=10)  # type: ignore[arg-type]
            assert [row.match.id for row in page] == wanted_ids(
                session,
                world.organization.id,
                MatchFilter(**wanted),  # type: ignore[arg-type]
            )
            assert len(page) == count_matches(session, world.organization.id, MatchFilter(**wanted))  # type: ignore[arg-type]
            return [row.account.username for row in page]

        assert found() == ["jane", "zoe", "bob", "boss"]  # what is exact comes first
        assert found(unit="Staff") == ["jane", "zoe", "bob"]
        assert found(unit="Staff/London", text="ZO") == ["zoe"]
        assert found(text="100%") == ["jane", "zoe"]
        assert found(text="1_0%") == []
        assert found(tier=Tier.PRIVILEGED) == ["boss"]
        assert found(enabled=False) == ["bob"]
        assert found(states=(MatchState.NONE,)) == ["bob", "boss"]
        page = match_page(session, world.organization.id, MatchFilter(), offset=1, limit=2)
        assert [row.account.username for row in page] == ["zoe", "bob"]
        units = units_of(session, world.organization.id)
        assert [each[:2] for each in units] == [("Staff", 1), ("Staff/London", 2), ("Staffing", 1)]
        assert session.get_one(Account, units[1].one).ou == "Staff/London"
