"""Promises of `bot.permissions`: who may do what to which tier where."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.permissions import (
    BULK_TIERS,
    DEFAULT_BULK,
    Decision,
    Operator,
    cli_operator,
    may_administer,
    may_match,
    may_read,
    may_restore,
    may_rotate,
    may_see,
    may_start,
    may_stop,
    may_sync,
    operator_named,
)
from storage.database import Database
from storage.grants import operators_with, roles_of, set_operators
from storage.models import Organization, Role, Tier

ACME, OTHER = 1, 2
ORDINARY = (Tier.PERSON, Tier.SHARED, Tier.SERVICE)
PROTECTED = (Tier.PRIVILEGED, Tier.BREAK_GLASS)

TierQuestion = Callable[[Operator, int, Tier], Decision]
Question = Callable[[Operator, int], Decision]


def somebody(role: Role, place: int | None = ACME) -> Operator:
    return Operator(key="U1", source="test", roles={place: role})


@pytest.mark.parametrize("question", [may_match, may_rotate, may_restore, may_read])
def test_technicians_never_touch_what_could_make_them_domain_administrators(question: TierQuestion) -> None:
    technician = somebody(Role.TECHNICIAN)
    for tier in ORDINARY:
        assert question(technician, ACME, tier).allowed
    for tier in PROTECTED:
        decision = question(technician, ACME, tier)
        assert not decision.allowed
        assert decision.reason.startswith("A technician may not ")
        assert decision.reason.endswith(f" {tier} accounts here. Ask an administrator.")


@pytest.mark.parametrize("question", [may_match, may_rotate, may_restore, may_read])
@pytest.mark.parametrize("tier", list(Tier))
def test_administrators_may_touch_every_tier_and_viewers_none(question: TierQuestion, tier: Tier) -> None:
    assert question(somebody(Role.ADMINISTRATOR), ACME, tier).allowed
    refused = question(somebody(Role.VIEWER), ACME, tier)
    assert not refused.allowed
    assert refused.reason.endswith("Ask an administrator." if tier in PROTECTED else "Ask a technician.")


def test_a_viewer_sees_and_nothing_else() -> None:
    viewer = somebody(Role.VIEWER)
    assert may_see(viewer, ACME).allowed
    assert may_sync(viewer, ACME).reason == "A viewer may not sync this organization. Ask a technician."
    assert may_stop(viewer, ACME).reason == "A viewer may not stop this organization. Ask a technician."
    assert may_start(viewer, ACME).reason == "A viewer may not start this organization. Ask an administrator."


def test_any_technician_may_stop_and_only_an_administrator_starts_again() -> None:
    technician, administrator = somebody(Role.TECHNICIAN), somebody(Role.ADMINISTRATOR)
    assert may_stop(technician, ACME).allowed
    assert not may_start(technician, ACME).allowed
    assert may_stop(administrator, ACME).allowed
    assert may_start(administrator, ACME).allowed


def test_adding_a_second_persons_account_needs_an_administrator() -> None:
    assert may_match(somebody(Role.TECHNICIAN), ACME, Tier.PERSON).allowed
    refused = may_match(somebody(Role.TECHNICIAN), ACME, Tier.PERSON, second_person=True)
    assert refused == Decision(
        False,
        "This record already belongs to another person's account: both would get the same password. "
        "Only an administrator may do that.",
    )
    assert may_match(somebody(Role.ADMINISTRATOR), ACME, Tier.PERSON, second_person=True).allowed


def test_break_glass_is_rotated_by_name_only_whoever_asks() -> None:
    for operator in (somebody(Role.ADMINISTRATOR), cli_operator()):
        assert may_rotate(operator, ACME, Tier.BREAK_GLASS).allowed
        refused = may_rotate(operator, ACME, Tier.BREAK_GLASS, by_name=False, bulk=list(Tier))
        assert "by its name" in refused.reason
        assert not refused.allowed
    assert Tier.BREAK_GLASS not in BULK_TIERS


def test_privileged_accounts_are_in_all_only_for_administrators() -> None:
    assert Tier.PRIVILEGED in DEFAULT_BULK
    assert may_rotate(somebody(Role.ADMINISTRATOR), ACME, Tier.PRIVILEGED, by_name=False).allowed
    assert not may_rotate(somebody(Role.TECHNICIAN), ACME, Tier.PRIVILEGED, by_name=False).allowed


@pytest.mark.parametrize("tier", [Tier.PERSON, Tier.SERVICE])
def test_people_and_services_are_in_all_only_once_switched_on(tier: Tier) -> None:
    technician = somebody(Role.TECHNICIAN)
    refused = may_rotate(technician, ACME, tier, by_name=False)
    assert not refused.allowed
    assert 'not part of "all"' in refused.reason
    assert may_rotate(technician, ACME, tier, by_name=False, bulk=["shared", str(tier)]).allowed
    assert may_rotate(technician, ACME, tier, by_name=True).allowed


@given(
    some.dictionaries(some.sampled_from([None, OTHER]), some.sampled_from(list(Role))), some.sampled_from(list(Tier))
)
def test_a_role_in_another_organization_is_worth_nothing_here(roles: dict[int | None, Role], tier: Tier) -> None:
    everywhere = Operator(
        key="U1", source="test", roles={place: role for place, role in roles.items() if place is None}
    )
    operator = Operator(key="U1", source="test", roles=roles)
    for question in (may_match, may_rotate, may_restore, may_read):
        assert question(operator, ACME, tier) == question(everywhere, ACME, tier)
    for other in (may_see, may_sync, may_stop, may_start, may_administer):
        assert other(operator, ACME) == other(everywhere, ACME)


def test_the_stronger_of_two_roles_holds() -> None:
    both = Operator(key="U1", source="test", roles={None: Role.VIEWER, ACME: Role.TECHNICIAN})
    assert may_rotate(both, ACME, Tier.PERSON).allowed
    assert not may_rotate(both, OTHER, Tier.PERSON).allowed
    assert may_see(both, OTHER).allowed


def test_settings_of_everybody_need_a_role_that_holds_everywhere() -> None:
    assert may_administer(somebody(Role.ADMINISTRATOR, None), None).allowed
    assert may_administer(somebody(Role.ADMINISTRATOR, None), ACME).allowed
    assert not may_administer(somebody(Role.ADMINISTRATOR, ACME), None).allowed
    assert may_administer(somebody(Role.TECHNICIAN, None), None).reason == (
        "A technician may not change the settings of everything. Ask an administrator."
    )


def test_somebody_unknown_may_do_nothing() -> None:
    stranger = Operator(key="U9", source="test", roles={})
    assert may_see(stranger, ACME).reason == "You have no role in this organization. Ask an administrator for one."
    assert not may_rotate(stranger, ACME, Tier.PERSON).allowed


def test_whoever_has_the_shell_is_an_administrator_and_named_in_the_trail() -> None:
    operator = cli_operator()
    assert operator.key.startswith("cli:")
    assert operator.key.removeprefix("cli:").startswith(f"{operator.name}@")
    assert may_administer(operator, None).allowed
    assert may_read(operator, ACME, Tier.PRIVILEGED).allowed


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'rekey.db'}")
    database.migrate()
    return database


def test_roles_come_from_the_grants_and_the_first_administrators_from_the_settings(database: Database) -> None:
    with database.writing() as session:
        acme = Organization(name="Acme", name_key="acme")
        session.add(acme)
        session.flush()
        assert acme.id is not None
        assert set_operators(session, Role.ADMINISTRATOR, None, ["UADMIN"]) == ["UADMIN"]
        assert set_operators(session, Role.TECHNICIAN, acme.id, ["UTECH", "UOTHER"]) == ["UOTHER", "UTECH"]
    with database.reading() as session:
        assert operator_named(session, "UADMIN", "card").roles == {None: Role.ADMINISTRATOR}
        assert operator_named(session, "UTECH", "card").roles == {acme.id: Role.TECHNICIAN}
        first = operator_named(session, "UTECH", "card", administrators=("UTECH",))
        assert first.roles == {None: Role.ADMINISTRATOR, acme.id: Role.TECHNICIAN}
        assert operator_named(session, "UNOBODY", "card").roles == {}
        assert (first.key, first.source) == ("UTECH", "card")


def test_what_was_asked_for_on_the_command_line_still_holds_when_the_engine_asks_again(database: Database) -> None:
    with database.reading() as session:
        again = operator_named(session, cli_operator().key, "engine")
        assert may_rotate(again, ACME, Tier.PRIVILEGED).allowed
        assert not may_rotate(operator_named(session, "Ucli:", "engine"), ACME, Tier.PERSON).allowed


def test_setting_the_operators_of_a_place_is_idempotent_and_takes_roles_away(database: Database) -> None:
    with database.writing() as session:
        assert set_operators(session, Role.TECHNICIAN, None, ["A", "B"]) == ["A", "B"]
        assert set_operators(session, Role.TECHNICIAN, None, ["B", "A"]) == []
        assert set_operators(session, Role.TECHNICIAN, None, ["B", "C"]) == ["A", "C"]
        assert operators_with(session, Role.TECHNICIAN, None) == ["B", "C"]
        assert roles_of(session, "A") == {}


def test_an_operator_has_one_role_per_place(database: Database) -> None:
    with database.writing() as session:
        set_operators(session, Role.TECHNICIAN, None, ["A"])
        set_operators(session, Role.ADMINISTRATOR, None, ["A"])
        assert roles_of(session, "A") == {None: Role.ADMINISTRATOR}
        assert operators_with(session, Role.TECHNICIAN, None) == []
