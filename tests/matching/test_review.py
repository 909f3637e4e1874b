"""Deciding on matches: who may, what is written, what is refused and said."""

import pytest
from sqlmodel import select

from bot.matching import review
from bot.permissions import Operator
from storage.connections import give_lane
from storage.lanes import get_lane
from storage.matches import match_of
from storage.models import Account, Connection, Record, Revision, Role, Rotation, RotationState, Task, Tier, now
from storage.records import unmade_records
from tests.matching.worlds import ADMINISTRATOR, World, new_world


def decide(world: World, verb: str, *usernames: str, operator: Operator = ADMINISTRATOR, **more: object) -> list[str]:
    """Have this decided in one transaction; `done: reason` for each outcome."""
    with world.database.writing() as session:
        ids = [world.match(username).id for username in usernames]
        outcomes = getattr(review, verb)(session, world.trail, operator, ids, **more)
        assert [outcome.match_id for outcome in outcomes] == ids
        return [f"{'done' if outcome.done else 'refused'}: {outcome.reason}" for outcome in outcomes]


def planned(world: World, record: str, state: RotationState = RotationState.PLANNED) -> int:
    with world.database.writing() as session:
        rotation = Rotation(
            organization_id=world.organization.id, record_id=world.record_id(record), state=state, requested_by="test"
        )
        session.add(rotation)
        session.flush()
        return rotation.id


def rotation_state(world: World, rotation_id: int) -> str:
    with world.database.reading() as session:
        rotation = session.get(Rotation, rotation_id)
        assert rotation is not None
        return rotation.state


def test_approving_takes_what_is_suggested_and_nothing_else(world: World) -> None:
    world.records("jane", "bob", "CORP\\bob")
    world.accounts("jane", "bob", "eve")
    assert decide(world, "approve", "jane", "bob", "eve") == [
        "done: ",
        "refused: CORP\\bob has several records that may be its own, or one that others claim too. Choose one.",
        "refused: CORP\\eve has no exact record. Choose one, or create one.",
    ]
    assert world.stands("jane", "bob", "eve") == [("approved", "jane"), ("several", None), ("none", None)]
    match = world.match("jane")
    assert (match.decided_by, match.version) == ("U0ADMIN", 2)
    assert decide(world, "approve", "jane")[0].startswith("done: It was approved already by U0ADMIN at ")
    assert world.match("jane").version == 2


def test_every_decision_is_in_the_trail_with_who_and_what(world: World) -> None:
    world.records("jane")
    world.accounts("jane", "bob")
    decide(world, "approve", "jane")
    decide(world, "ignore", "bob")
    decide(world, "reopen", "jane", "bob")
    decide(world, "choose", "bob", record_id=world.record_id("jane"))
    decide(world, "create_record", "jane")
    assert [(event.event, event.subject, event.operator, event.result) for event in world.events()] == [
        ("match.approved", "CORP\\jane", "U0ADMIN", "ok"),
        ("match.ignored", "CORP\\bob", "U0ADMIN", "ok"),
        ("match.reopened", "CORP\\jane", "U0ADMIN", "ok"),
        ("match.reopened", "CORP\\bob", "U0ADMIN", "ok"),
        ("match.chosen", "CORP\\bob", "U0ADMIN", "ok"),
        ("match.record_created", "CORP\\jane", "U0ADMIN", "ok"),
    ]
    with world.database.reading() as session:
        assert world.trail.verify(session).ok


def test_a_stale_decision_is_refused_and_says_who_was_first(world: World) -> None:
    world.records("jane")
    world.accounts("jane", "bob")
    seen = {world.match(name).id: world.match(name).version for name in ("jane", "bob")}
    decide(world, "ignore", "jane", operator=world.technician())
    world.records("bob")
    ignored, changed = decide(world, "approve", "jane", "bob", versions=seen)
    assert "CORP\\jane was ignored meanwhile by U0TECH at " in ignored
    assert "CORP\\bob changed meanwhile" in changed
    assert world.stands("jane", "bob") == [("ignored", None), ("suggested", "bob")]
    decide(world, "reopen", "jane", operator=world.technician())
    assert "was reopened meanwhile by U0TECH" in decide(world, "ignore", "jane", versions=seen)[0]


def test_technicians_decide_on_nobody_privileged_and_the_trail_says_that_they_tried(world: World) -> None:
    world.records("root", "emergency", "jane")
    world.accounts("root", tier=Tier.PRIVILEGED)
    world.accounts("emergency", tier=Tier.BREAK_GLASS)
    world.accounts("jane")
    for verb in ("approve", "ignore", "reopen", "create_record"):
        outcomes = decide(world, verb, "root", "emergency", operator=world.technician())
        assert [outcome.startswith("refused: A technician may not match ") for outcome in outcomes] == [True, True]
    assert world.stands("root", "emergency") == [("suggested", "root"), ("suggested", "emergency")]
    assert {(event.event, event.result) for event in world.events()} == {
        (f"match.{event}", "refused") for event in ("approved", "ignored", "reopened", "record_created")
    }
    assert decide(world, "approve", "root", "jane") == ["done: ", "done: "]


def test_nobody_decides_in_an_organization_where_they_have_no_role(world: World) -> None:
    world.records("jane")
    world.accounts("jane")
    stranger = Operator("U0OTHER", "test", {world.organization.id + 1: Role.ADMINISTRATOR})
    assert decide(world, "approve", "jane", operator=stranger) == [
        "refused: You have no role in this organization. Ask an administrator for one."
    ]


def test_a_second_persons_account_on_a_record_takes_an_administrator(world: World) -> None:
    record = world.records("shared")[0]
    world.accounts("jane", "bob")
    assert decide(world, "choose", "jane", "bob", operator=world.technician(), record_id=record) == [
        "done: ",
        "refused: This record already belongs to another person's account: both would get the same password. "
        "Only an administrator may do that.",
    ]
    assert decide(world, "choose", "bob", record_id=record) == ["done: "]
    assert world.stands("jane", "bob") == [("approved", "shared"), ("approved", "shared")]


def test_a_technician_cannot_take_the_record_of_a_privileged_account(world: World) -> None:
    record = world.records("CORP\\root", url="https://bank.example")[0]
    world.accounts("root", tier=Tier.PRIVILEGED)
    world.accounts("jane")
    outcome = decide(world, "choose", "jane", operator=world.technician(), record_id=record)
    assert outcome == ["refused: A technician may not match privileged accounts here. Ask an administrator."]
    assert decide(world, "choose", "jane", record_id=record) == ["done: "]


def test_a_record_of_another_organization_cannot_be_chosen(world: World) -> None:
    world.accounts("jane")
    theirs = new_world(world.database, world.trail, "Birch Law").records("jane")[0]
    assert decide(world, "choose", "jane", record_id=theirs) == [
        f"refused: There is no record {theirs} in Acme Dental."
    ]


def test_approve_all_exact_leaves_out_what_the_operator_may_not(world: World) -> None:
    world.records("jane", "bob", "root", "eve", "CORP\\eve")
    world.accounts("jane", "bob", "eve")
    world.accounts("root", tier=Tier.PRIVILEGED)
    with world.database.writing() as session:
        outcomes = review.approve_all_exact(session, world.trail, world.technician(), world.organization.id)
    assert sorted(outcome.done for outcome in outcomes) == [False, True, True]
    assert [state for state, _ in world.stands("jane", "bob", "eve", "root")] == [
        "approved",
        "approved",
        "several",
        "suggested",
    ]


def test_ignoring_one_claimant_makes_the_record_the_others(world: World) -> None:
    world.records("jane")
    world.accounts("CORP\\jane", "LAB\\jane")
    decide(world, "ignore", "LAB\\jane")
    assert world.stands("CORP\\jane", "LAB\\jane") == [("suggested", "jane"), ("ignored", None)]
    decide(world, "reopen", "LAB\\jane")
    assert world.stands("CORP\\jane", "LAB\\jane") == [("several", None)] * 2


def test_choosing_another_record_frees_the_one_before(world: World) -> None:
    world.records("jane", "bob")
    world.accounts("jane", "bob")
    decide(world, "choose", "jane", record_id=world.record_id("bob"))
    assert world.stands("jane", "bob") == [("approved", "bob"), ("several", None)]
    decide(world, "choose", "jane", record_id=world.record_id("jane"))
    assert world.stands("jane", "bob") == [("approved", "jane"), ("suggested", "bob")]


def test_a_created_record_has_no_password_until_the_first_rotation(world: World) -> None:
    world.records("CORP\\eve", username="nobody", username_key="nobody")
    world.accounts("eve", "bob")
    assert (
        decide(world, "create_record", "eve", "bob")
        == ["done: The record has no password until the first rotation."] * 2
    )
    assert world.stands("eve", "bob") == [("approved", "CORP\\eve (2)"), ("approved", "CORP\\bob")]
    with world.database.reading() as session:
        record = session.get(Record, world.record_id("CORP\\bob"))
        assert record is not None
        assert (record.username, record.username_key, record.connection_id) == ("CORP\\bob", "bob", world.vault.id)
        assert session.exec(select(Revision)).all() == []
    assert "Reopen the match first" in decide(world, "create_record", "bob")[0]


def test_without_a_vault_no_record_is_created(world: World) -> None:
    world.accounts("jane")
    with world.database.writing() as session:
        vault = session.get(Connection, world.vault.id)
        assert vault is not None
        vault.side = "directory"
    assert decide(world, "create_record", "jane") == ["refused: Acme Dental has no vault to create a record in."]


def vault_outside(world: World) -> None:
    with world.database.writing() as session:
        vault = session.get(Connection, world.vault.id)
        assert vault is not None
        vault.kind = "itglue"
        give_lane(session, vault)


def test_in_a_vault_outside_a_record_is_made_in_its_lane(world: World) -> None:
    world.accounts("jane")
    vault_outside(world)
    assert decide(world, "create_record", "jane") == ["done: The record has no password until the first rotation."]
    with world.database.reading() as session:
        (task,) = session.exec(select(Task)).all()
        assert (task.kind, task.connection_id, task.ended_at) == ("create", world.vault.id, None)
        assert [row.name for row in unmade_records(session, world.vault.id)] == ["CORP\\jane"]
        assert get_lane(session, world.vault.id).wanted


def test_a_vaulted_record_is_refused_before_anything_is_rotated(world: World) -> None:
    world.accounts("jane")
    world.records("jane", guard="It is vaulted.")
    assert decide(world, "approve", "jane") == ["refused: jane cannot be rotated: Not Permitted. It is vaulted."]


def test_a_restricted_record_takes_whoever_may_match_administrators(world: World) -> None:
    world.accounts("jane")
    world.records("jane", restricted=True)
    (said,) = decide(world, "approve", "jane", operator=world.technician())
    assert said.startswith("refused")
    assert "privileged" in said
    assert decide(world, "approve", "jane") == ["done: "]


def test_a_record_embedded_in_a_device_is_nobodys_exact_one(world: World) -> None:
    world.accounts("jane", "bob")
    world.records("jane", embedded_in="Configuration FW-01")
    world.records("bob", embedded_in="Contact Bob Stone")
    assert world.stands("jane", "bob") == [("none", None), ("suggested", "bob")]


@pytest.mark.parametrize("verb", ["ignore", "reopen"])
def test_taking_a_decision_back_cancels_what_has_not_begun(world: World, verb: str) -> None:
    world.records("jane", "bob")
    world.accounts("jane", "bob")
    decide(world, "approve", "jane", "bob")
    waiting, begun = planned(world, "jane"), planned(world, "bob", RotationState.ROTATING)
    decide(world, verb, "jane", "bob")
    assert rotation_state(world, waiting) == RotationState.CANCELLED
    assert rotation_state(world, begun) == RotationState.ROTATING


def test_a_record_in_the_middle_of_a_rotation_takes_no_other_account(world: World) -> None:
    world.records("jane")
    world.accounts("jane", "bob")
    decide(world, "approve", "jane")
    rotation = planned(world, "jane", RotationState.ROTATING)
    record = world.record_id("jane")
    assert decide(world, "choose", "bob", record_id=record) == [
        "refused: jane is being rotated right now. Match CORP\\bob to it when that has ended."
    ]
    with world.database.writing() as session:
        row = session.get(Rotation, rotation)
        assert row is not None
        row.state = RotationState.PLANNED
    assert decide(world, "choose", "bob", record_id=record) == ["done: "]
    assert rotation_state(world, rotation) == RotationState.CANCELLED


def test_a_guarded_account_is_matched_and_the_guard_is_told(world: World) -> None:
    world.records("jane")
    world.accounts("jane", guard="The account is disabled.")
    assert decide(world, "approve", "jane") == ["done: It will not be rotated for now: The account is disabled."]


def test_an_account_that_is_gone_is_not_matched_any_more(world: World) -> None:
    world.records("jane")
    (account_id,) = world.accounts("jane")
    match_id = world.match("jane").id
    with world.database.writing() as session:
        account = session.get(Account, account_id)
        assert account is not None
        account.removed_at = now()
        session.flush()
        outcome = review.approve(session, world.trail, ADMINISTRATOR, [match_id])[0]
        assert outcome.reason == "CORP\\jane is gone from CORP, so it cannot be matched."
        review.ignore(session, world.trail, ADMINISTRATOR, [match_id])
        review.reopen(session, world.trail, ADMINISTRATOR, [match_id])
        assert match_of(session, account_id) is None


def test_a_match_that_is_not_there_is_an_outcome_like_any_other(world: World) -> None:
    with world.database.writing() as session:
        outcomes = review.ignore(session, world.trail, ADMINISTRATOR, [404, 404])
        assert outcomes == [review.Outcome(404, False, "There is no match 404.")]
