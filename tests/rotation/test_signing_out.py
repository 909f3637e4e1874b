"""Ending open sessions after a rotation: asked for by the rule, the box or the command, and never a reason to fail."""

from datetime import datetime
from typing import Any, ClassVar

import pytest
from sqlmodel import select

from bot.demo.practice_directory import PracticeDirectory
from bot.directories.base import Proof
from bot.errors import NoAnswer, OutsideError, RightMissing
from bot.rotation.planning import preview
from bot.rotation.requests import confirm
from storage.models import AuditEvent, Connection, Organization, Record, Rule, Status, now
from storage.rules import GLOBAL
from tests.rotation.people import ALICE, People
from tests.rotation.world import ADMINISTRATOR, World

OLD = "Old-pass-0001!"


class SigningOut(PracticeDirectory):
    """A practice directory that can end sessions, as Entra can."""

    ended: ClassVar[list[str]] = []
    trouble: ClassVar[list[OutsideError]] = []

    def sign_out(self, account: str) -> None:
        """See `SignsOut.sign_out`."""
        if self.trouble:
            raise self.trouble.pop(0)
        self.ended.append(self._domain.find(account).username)


@pytest.fixture
def jane(world: World) -> Record:
    SigningOut.ended.clear()
    SigningOut.trouble.clear()
    world.connector = SigningOut
    world.directory("tenant").person("jane", OLD)
    with world.database.writing() as session:
        session.get_one(Connection, world.connections["tenant"].id).kind = "entra"
    return world.matched("jane", {"tenant": "jane"})


def signed_out(world: World) -> list[str]:
    """What the trail says of it."""
    with world.database.reading() as session:
        return [each.result for each in session.exec(select(AuditEvent)) if each.event == "account.signed_out"]


def test_nobody_is_signed_out_unless_it_was_asked_for(world: World, jane: Record) -> None:
    world.asks(jane)
    world.drains()
    assert SigningOut.ended == []
    assert "open sessions go on" in world.status(jane)[0].reason


def test_the_rule_has_everybody_signed_out_after_the_proof(world: World, jane: Record) -> None:
    with world.database.writing() as session:
        session.add(Rule(scope=GLOBAL, sign_out=True))
    with world.database.reading() as session:
        [plan] = preview(session, ADMINISTRATOR, [(world.organization, jane)], by_name=True)
    assert "signed out everywhere" in plan.reason
    world.asks(jane)
    world.drains()
    assert SigningOut.ended == ["jane"]
    assert "signed out everywhere" in world.status(jane)[0].reason
    assert signed_out(world) == ["ok"]


def test_the_box_in_the_preview_is_bound_to_what_is_confirmed(world: World, jane: Record) -> None:
    people = People(world)
    drafted = people.drafts(ALICE, [jane])
    with world.database.writing() as session:
        operator = people._operator(session, ALICE)
        confirm(session, world.trail, people.settings, operator, drafted.request.id, sign_out=True)
    world.drains()
    assert SigningOut.ended == ["jane"]


def test_a_refused_sign_out_fails_nothing_and_is_said(world: World, jane: Record) -> None:
    SigningOut.trouble.append(RightMissing("Additional API Permissions are Required: User.RevokeSessions.All"))
    world.asks(jane, sign_out=True)
    world.drains()
    [stands] = world.status(jane)
    assert stands.status is Status.SUCCESSFUL
    assert "User.RevokeSessions.All" in stands.reason
    assert world.domains["tenant"].holds("jane", world.password(jane) or "")
    assert signed_out(world) == ["failed"]


def test_a_lost_reply_is_asked_again(world: World, jane: Record) -> None:
    SigningOut.trouble.append(NoAnswer("Nothing came back.", cause="no-answer"))
    world.asks(jane, sign_out=True)
    world.drains()
    assert SigningOut.ended == ["jane"]
    assert signed_out(world) == ["ok"]


def test_a_stopped_organization_signs_nobody_out_until_it_is_started(
    world: World, jane: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def freeze(at: datetime | None) -> None:
        with world.database.writing() as session:
            session.get_one(Organization, world.organization.id).frozen_at = at

    original = SigningOut.confirm

    def proved_then_stopped(*arguments: Any, **options: Any) -> Proof:
        freeze(now())
        return original(*arguments, **options)

    monkeypatch.setattr(SigningOut, "confirm", proved_then_stopped)
    world.asks(jane, sign_out=True)
    world.drains()
    assert world.status(jane)[0].status is Status.SUCCESSFUL
    assert SigningOut.ended == []

    freeze(None)
    world.drains()
    assert SigningOut.ended == ["jane"]


def test_where_no_directory_can_do_it_it_is_not_offered(world: World, jane: Record) -> None:
    with world.database.writing() as session:
        session.get_one(Connection, world.connections["tenant"].id).kind = "practice"
    with world.database.reading() as session:
        [plan] = preview(session, ADMINISTRATOR, [(world.organization, jane)], by_name=True)
    assert plan.sign_out is None
    world.asks(jane, sign_out=True)
    world.drains()
    assert world.status(jane)[0].status is Status.SUCCESSFUL
    assert SigningOut.ended == []
