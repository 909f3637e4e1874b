"""Suggesting: what nobody has decided on always stands as things are now, and decisions are left alone."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from bot.matching.review import approve, ignore
from bot.matching.suggesting import candidates, closest, search, suggest
from storage.database import Database
from storage.ignore_rules import put_ignore_rule
from storage.matches import get_matches, match_counts, match_rows, standings
from storage.models import Account, Connection, Match, MatchState, Record
from storage.names import fold, parse_username
from storage.records import new_record
from tests.matching.worlds import ADMINISTRATOR, World, new_account


def test_everynew_account_has_one_match_that_says_where_it_stands(world: World) -> None:
    world.records("jane", "CORP\\bob", "bob@corp.example.test", "LAB\\bob")
    world.accounts("CORP\\Jane", "CORP\\bob", "LAB\\bob", "CORP\\nobody")
    assert world.stands("CORP\\jane", "CORP\\bob", "LAB\\bob", "nobody") == [
        ("suggested", "jane"),
        ("several", None),
        ("suggested", "LAB\\bob"),
        ("none", None),
    ]


def test_two_directories_with_the_same_username_claim_the_same_record(world: World) -> None:
    world.records("jane")
    world.accounts("CORP\\jane")
    assert world.stands("CORP\\jane") == [("suggested", "jane")]
    world.accounts("LAB\\jane")
    assert world.stands("CORP\\jane", "LAB\\jane") == [("several", None)] * 2


def test_where_the_suffix_tells_people_apart_another_suffix_of_the_tenant_names_somebody_else(world: World) -> None:
    with world.database.writing() as session:
        tenant = Connection(
            organization_id=world.organization.id,
            name="cloud",
            name_key="cloud",
            side="directory",
            kind="entra",
            domain_names=["north.example", "wind.example"],
        )
        session.add(tenant)
        session.flush()
        info = new_account(tenant, "info", upn="info@north.example")
        info.domain = "north.example"
        session.add(info)
    world.records("info@wind.example")
    assert world.stands("north.example\\info") == [("none", None)]
    world.records("info@north.example")
    assert world.stands("north.example\\info") == [("suggested", "info@north.example")]


def test_candidates_say_who_else_claims_or_holds_them(world: World) -> None:
    world.records("jane", "bob")
    world.accounts("CORP\\jane", "LAB\\jane", "CORP\\bob")
    with world.database.writing() as session:
        approve(session, world.trail, ADMINISTRATOR, [world.match("bob").id])
    world.accounts("LAB\\bob")
    with world.database.reading() as session:
        found = candidates(session, match_rows(session, organization_id=world.organization.id))
    shown = {
        username: [(each.name, each.note) for each in found[world.match(username).id]]
        for username in ("CORP\\jane", "CORP\\bob", "LAB\\bob")
    }
    assert shown == {
        "CORP\\jane": [("jane", "LAB\\jane may claim it too.")],
        "CORP\\bob": [],
        "LAB\\bob": [("bob", "Approved for CORP\\bob already.")],
    }


def test_decisions_are_left_alone_and_ignorednew_accounts_are_not_unmatched(world: World) -> None:
    world.accounts("CORP\\jane", "CORP\\bob", "CORP\\eve")
    world.records("jane")
    with world.database.writing() as session:
        approve(session, world.trail, ADMINISTRATOR, [world.match("jane").id])
        ignore(session, world.trail, ADMINISTRATOR, [world.match("bob").id])
    world.records("bob", "CORP\\jane", "eve")
    assert world.stands("jane", "bob", "eve") == [("approved", "jane"), ("ignored", None), ("suggested", "eve")]
    with world.database.writing() as session:
        assert suggest(session, world.organization.id) == 0
        assert match_counts(session, world.organization.id) == {
            MatchState.SUGGESTED: 1,
            MatchState.SEVERAL: 0,
            MatchState.NONE: 0,
            MatchState.APPROVED: 1,
            MatchState.IGNORED: 1,
        }


def test_a_changed_suggestion_has_a_new_version_and_an_unchanged_one_has_not(world: World) -> None:
    world.accounts("jane", "bob")
    before = [world.match(name).version for name in ("jane", "bob")]
    world.records("jane")
    assert [world.match(name).version for name in ("jane", "bob")] == [before[0] + 1, before[1]]


def test_the_search_offers_what_comes_close_and_says_what_speaks_against_it(world: World) -> None:
    world.records("janet.doe", name="Janet Doe")
    world.records("jane", name="Jane's bank", url="https://bank.example")
    world.records("firewall")
    world.accounts("jane", display_name="Jane Doe")
    with world.database.reading() as session:
        row = get_matches(session, [world.match("jane").id])[world.match("jane").id]
        assert [(each.name, each.note) for each in search(session, row)] == [
            ("Jane's bank", "Its URL is bank.example: another site's, as far as is known."),
            ("Janet Doe", ""),
        ]
        assert [each.name for each in search(session, row, "fire")] == ["firewall"]
        assert closest(session, [row], limit=1) == {row.match.id: search(session, row)[:1]}


names = st.sampled_from(["jane", "bob", "eve"])
domains = st.sampled_from(["CORP", "LAB"])
upns = st.none() | st.builds("{}@{}.example.test".format, names, st.sampled_from(["corp", "lab"]))
usernames = names | st.builds("{}\\{}".format, domains, names) | st.builds("{}@corp.example.test".format, names)
units = st.sampled_from([None, "Staff", "Leavers/2026"])
comings = st.tuples(st.just("account"), domains, names, upns, upns, units)
changes = st.lists(comings | st.tuples(st.just("record"), usernames), max_size=10)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=changes)
def test_looking_only_at_what_changed_finds_what_looking_at_everything_finds(world: World, changes: list) -> None:  # type: ignore[type-arg]
    _empty(world.database)
    with world.database.writing() as session:
        put_ignore_rule(session, world.organization.id, "Leavers", "test")
        for number, (kind, *change) in enumerate(changes):
            if kind == "account":
                domain, name, upn, mail, unit = change
                account = new_account(world.directories[domain], f"{name}", upn=upn, mail=mail, ou=unit)
                account.object_id = str(number)
                session.add(account)
                session.flush()
                touched = {fold(name), *(parse_username(each).name for each in (upn, mail) if each)}
            else:
                session.add(new_record(world.organization.id, world.vault.id, change[0], change[0]))
                session.flush()
                touched = {parse_username(change[0]).name}
            suggest(session, world.organization.id, touched)
        stood = list(standings(session, world.organization.id))
        assert suggest(session, world.organization.id) == 0, stood


def _empty(database: Database) -> None:
    with database.writing() as session:
        for table in (Match, Account, Record):
            session.execute(delete(table))
