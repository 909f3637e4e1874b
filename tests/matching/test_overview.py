"""What people are shown of matches: true at one moment, in pages, and never another organization's."""

import pytest

from bot.matching import ignoring, overview, review
from bot.matching.overview import CARD_ROWS, SHOWS, WINDOW_ROWS, Window
from storage.accounts import get_account
from storage.database import Database
from storage.matches import UNDECIDED
from storage.models import Lane, MatchState, Organization, TaskState, Tier, now
from storage.notices import MATCH_REVIEW, open_notices, post
from storage.tasks import request_sync
from tests.matching.worlds import ADMINISTRATOR, World, new_world


@pytest.fixture
def place(world: World) -> World:
    """Twenty accounts, the first ten with a record; its directories have lanes."""
    with world.database.writing() as session:
        session.add_all(Lane(connection_id=each.id) for each in world.directories.values())
    world.records(*(f"user{each:02}" for each in range(10)))
    world.accounts(*(f"user{each:02}" for each in range(10)), ou="Staff")
    world.accounts(*(f"user{each:02}" for each in range(10, 20)), ou="Staff/Night Shift", enabled=False)
    return world


def test_a_card_keeps_its_rows_when_they_are_decided_and_turns_to_what_is_open(place: World) -> None:
    organization = place.organization.id
    with place.database.writing() as session:
        view = overview.card_view(session, organization)
        before = overview.card(session, organization, view)
        assert [row.username for row in before.rows] == [f"user{each:02}" for each in range(CARD_ROWS)]
        review.approve(session, place.trail, ADMINISTRATOR, [row.match_id for row in before.rows[:3]])
        after = overview.card(session, organization, view)
        assert [row.state in UNDECIDED for row in after.rows] == [False] * 3 + [True] * 5
        assert after.rows[0].decided_by == ADMINISTRATOR.key
        assert (after.open, after.next_offset) == (17, 5)
        turned = overview.card(session, organization, overview.card_view(session, organization, after.next_offset))
        assert turned.rows[0].username == "user08"
        last = overview.card_view(session, organization, 1000)
        assert overview.card(session, organization, last).rows[-1].username == "user19"
        assert len(overview.card(session, organization, {}).rows) == CARD_ROWS


def test_every_choice_of_the_window_is_what_it_says(place: World) -> None:
    organization = place.organization.id
    with place.database.writing() as session:
        staff = get_account(session, organization, "user00").id
        night = get_account(session, organization, "user19").id
        shown = {show: overview.page(session, organization, Window(show=show)).found for show in SHOWS}
        assert shown == {
            "unmatched": 20, "suggested": 10, "several": 0, "none": 10, "matched": 0, "ignored": 0, "all": 20,
        }  # fmt: skip
        page = overview.page(session, organization, Window(unit=f"{night}.2", enabled="no", page=9))
        assert (page.unit, page.found, page.pages, page.window.page) == ("Staff/Night Shift", 10, 1, 1)
        assert overview.page(session, organization, Window(unit=f"{night}.1")).found == 20
        assert overview.page(session, organization, Window(unit=f"{staff}.1", enabled="yes")).found == 10
        assert overview.page(session, organization, Window(tier="privileged")).found == 0
        assert overview.page(session, organization, Window(text="ER07")).rows[0].username == "user07"
        second = overview.page(session, organization, Window(page=2))
        assert (second.pages, len(second.rows), second.rows[0].username) == (2, WINDOW_ROWS, "user10")
        assert len(overview.everything(session, organization, Window(show="none"))) == 10
        nonsense = Window(show="evil", unit="x.y", tier="king", enabled="perhaps")
        assert overview.page(session, organization, nonsense).found == 20


def test_units_count_everybody_below_and_those_that_only_hold_others_can_be_chosen_too(place: World) -> None:
    organization = place.organization.id
    place.accounts("deep", ou="Vault/Inner/Core")
    with place.database.reading() as session:
        found = {each.name: each.accounts for each in overview.units(session, organization)}
        assert found == {"Staff": 20, "Staff/Night Shift": 10, "Vault": 1, "Vault/Inner": 1, "Vault/Inner/Core": 1}
        (inner,) = [each for each in overview.units(session, organization, "inner") if each.name == "Vault/Inner"]
        assert overview.chosen(session, organization, Window(unit=inner.value)).unit == "Vault/Inner"


def test_nothing_of_another_organization_is_shown(place: World, database: Database) -> None:
    other = new_world(database, place.trail, "Borealis")
    other.accounts("stranger", ou="Elsewhere")
    here, there = place.organization.id, other.organization.id
    with database.reading() as session:
        theirs = overview.everything(session, there, Window(show="all"))
        assert not overview.card(session, here, {"shown": theirs, "offset": 0}).rows
        unit = overview.units(session, there)[0].value
        assert overview.chosen(session, here, Window(unit=unit)).unit == ""
        assert overview.page(session, here, Window(text="stranger")).found == 0


def test_rules_are_shown_with_how_many_are_ignored_there(place: World) -> None:
    with place.database.writing() as session:
        organization = session.get_one(Organization, place.organization.id)
        for unit in ("Staff/Night Shift", "Staff"):
            assert ignoring.add_rule(session, place.trail, ADMINISTRATOR, organization, unit).allowed
        shown = [(each.rule.ou, each.ignored) for each in overview.rules_shown(session, organization.id)]
        assert shown == [("Staff", 20), ("Staff/Night Shift", 10)]
        assert overview.page(session, organization.id, Window()).rules == 2


def test_a_directory_says_when_it_was_read_and_what_stands_against_it(place: World) -> None:
    organization = place.organization.id
    with place.database.writing() as session:
        corp = session.merge(place.directories["CORP"])
        corp.synced_at = at = now()
        task = request_sync(session, corp)
        reads = {each.directory: each for each in overview.directories(session, organization)}
        assert (reads["CORP"].synced_at, reads["CORP"].asked, reads["CORP"].trouble) == (at, True, "")
        assert (reads["LAB"].synced_at, reads["LAB"].asked) == (None, False)
        lane = session.get_one(Lane, corp.id)
        lane.failures, lane.failure_reason = 2, "It is away."
        assert overview.directories(session, organization)[0].trouble == "It is away."
        task.state, task.ended_at, task.reason, task.mend = TaskState.REFUSED, now(), "Refused.", "Mend it."
        session.flush()
        assert overview.directories(session, organization)[0].trouble == "Refused. Mend it."
        done = request_sync(session, corp)
        done.state, done.ended_at = TaskState.DONE, now()
        session.flush()
        assert overview.directories(session, organization)[0].trouble == ""


def test_whatever_changes_a_match_touches_its_card(place: World) -> None:
    organization = place.organization.id
    with place.database.writing() as session:
        post(session, kind=MATCH_REVIEW, subject=organization, address="C0ACME", organization_id=organization)

    def wanted() -> int:
        with place.database.reading() as session:
            return open_notices(session, MATCH_REVIEW, organization)[0].wanted

    before = wanted()
    place.records("user15")
    after_record = wanted()
    with place.database.writing() as session:
        review.ignore(session, place.trail, ADMINISTRATOR, [place.match("user00").id])
    after_decision = wanted()
    with place.database.writing() as session:
        unit = session.get_one(Organization, organization)
        ignoring.add_rule(session, place.trail, ADMINISTRATOR, unit, "Staff/Night Shift")
    assert before < after_record < after_decision < wanted()


def test_the_tier_of_a_row_is_what_holds_now(place: World) -> None:
    place.accounts("boss", tier=Tier.PRIVILEGED)
    with place.database.reading() as session:
        (row,) = overview.page(session, place.organization.id, Window(tier="privileged")).rows
    assert (row.username, row.tier, row.state) == ("boss", Tier.PRIVILEGED, MatchState.NONE)
