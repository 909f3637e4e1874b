"""Where one request writes many accounts: each has an answer of its own, and what was not sent was not touched."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.demo.practice_faults import Fault
from bot.directories.base import Look, Proof, Standing
from bot.errors import NoAnswer, OutsideError, SignInRefused, TenantNotPermitted, Throttled
from storage.models import Lane, Organization, Record, Status, now
from tests.rotation.world import World

OLD = "Old-pass-0001!"
MANY = 12


class InBatches(PracticeDirectory):
    """A practice directory that takes five writes in one request."""

    batch = 5
    sent: ClassVar[list[int]] = []
    """How many each request wrote."""

    def may_rotate_all(self, accounts: Sequence[str]) -> list[Standing | OutsideError]:
        """See `InBatches.may_rotate_all`."""
        return [self._answer(self.may_rotate, account) for account in accounts]

    def set_passwords(self, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        """See `InBatches.set_passwords`."""
        self.sent.append(len(writes))
        return [self._answer(self.set_password, account, secret) for account, secret in writes]

    def confirm_all(self, looks: Sequence[Look]) -> list[Proof | OutsideError]:
        """See `InBatches.confirm_all`."""
        return [
            self._answer(
                self.confirm, each.account, each.secret, each.since, each.server, each.unproven, each.times_set_before
            )
            for each in looks
        ]

    @staticmethod
    def _answer(call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except OutsideError as error:
            return error


@pytest.fixture
def people(world: World) -> list[Record]:
    world.connector = InBatches
    InBatches.sent.clear()
    domain = world.directory("tenant")
    for number in range(MANY):
        domain.person(f"user{number}", OLD)
    return [world.matched(f"user{number}", {"tenant": f"user{number}"}) for number in range(MANY)]


def written(domain: PracticeDomain) -> list[int]:
    """How often each account was written, its first password not counted."""
    return [domain.account(f"user{number}").times_set - 1 for number in range(MANY)]


def test_a_group_goes_out_in_few_requests_and_each_account_is_proved(world: World, people: list[Record]) -> None:
    stands = world.rotates(*people)
    assert {each.status for each in stands} == {Status.SUCCESSFUL}
    assert written(world.domains["tenant"]) == [1] * MANY
    assert InBatches.sent == [5, 5, 2]


def test_one_accounts_refusal_stops_no_other_of_its_batch(world: World, people: list[Record]) -> None:
    world.domains["tenant"].fails("set_password", with_=Fault.REFUSED, account="user2", times=None)
    stands = world.rotates(*people)
    assert [each.status for each in stands] == [
        Status.FAILED if number == 2 else Status.SUCCESSFUL for number in range(MANY)
    ]


def test_a_lost_answer_in_a_batch_is_looked_up_and_the_others_are_not_written_twice(
    world: World, people: list[Record]
) -> None:
    domain = world.domains["tenant"]
    domain.fails("set_password", with_=Fault.LOST_AFTER, account="user1")
    domain.fails("set_password", with_=Fault.LOST_BEFORE, account="user3")
    world.asks(*people)
    world.drains_until_ended(*people)
    assert {each.status for each in world.status(*people)} == {Status.SUCCESSFUL}
    assert written(domain) == [1] * MANY
    assert len(world.revisions(people[3])) == 2, "the same password was sent again"


def test_what_was_throttled_was_not_touched_and_goes_on_after_its_time(world: World, people: list[Record]) -> None:
    domain = world.domains["tenant"]
    domain.fails("set_password", with_=Fault.THROTTLED, account="user3")
    world.asks(*people)
    world.drains_once()
    with world.database.reading() as session:
        lane = session.exec(select(Lane).where(Lane.connection_id == world.connections["tenant"].id)).one()
        assert lane.backoff_until is not None
    assert written(domain)[3] == 0
    world.drains_until_ended(*people)
    assert {each.status for each in world.status(*people)} == {Status.SUCCESSFUL}
    assert written(domain) == [1] * MANY


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (
            SignInRefused("The client secret has expired.", cause="secret-expired", mend="Make another."),
            Status.API_ERROR,
        ),
        (
            TenantNotPermitted("Consent is gone.", cause="consent-missing", mend="Give consent: https://example.test/"),
            Status.MULTI_TENANT_NOT_PERMITTED,
        ),
    ],
    ids=["sign-in", "consent"],
)
def test_a_sign_in_or_consent_gone_in_the_middle_leaves_the_rest_alone_with_one_cause(
    world: World, people: list[Record], monkeypatch: pytest.MonkeyPatch, error: OutsideError, word: Status
) -> None:
    original = InBatches.set_passwords

    def gone(self: InBatches, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        return original(self, writes) if not self.sent else [error] * len(writes)

    monkeypatch.setattr(InBatches, "set_passwords", gone)

    stands = world.rotates(*people)

    assert [each.status for each in stands] == [Status.SUCCESSFUL] * 5 + [word] * (MANY - 5)
    assert len({(each.reason, each.mend) for each in stands[5:]}) == 1
    assert error.mend in stands[-1].mend
    assert written(world.domains["tenant"]) == [1] * 5 + [0] * (MANY - 5)

    monkeypatch.undo()
    assert {each.status for each in world.rotates(*people[5:])} == {Status.SUCCESSFUL}, "asking again asks anew"


def test_a_whole_batch_whose_answer_is_lost_is_looked_up(
    world: World, people: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, lost = InBatches.set_passwords, [True]

    def lose(self: InBatches, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        answers = original(self, writes)
        if lost and lost.pop():
            raise NoAnswer("The connection broke.", cause="no-answer")
        return answers

    monkeypatch.setattr(InBatches, "set_passwords", lose)
    world.asks(*people)
    world.drains_until_ended(*people)
    assert {each.status for each in world.status(*people)} == {Status.SUCCESSFUL}
    assert written(world.domains["tenant"]) == [1] * MANY


def test_a_stop_is_read_for_every_account_of_a_batch(
    world: World, people: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = InBatches.set_passwords

    def stopped(self: InBatches, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        with world.database.writing() as session:
            session.get_one(Organization, world.organization.id).frozen_at = now()
        return original(self, writes)

    monkeypatch.setattr(InBatches, "set_passwords", stopped)
    world.asks(*people)
    world.drains()
    assert InBatches.sent == [5], "only what was already on its way"


def test_one_tenant_that_is_throttled_slows_only_that_tenant(
    world: World, people: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.directory("other").person("eve", OLD)
    eve, original = world.matched("eve", {"other": "eve"}), InBatches.set_passwords

    def busy(self: InBatches, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        if self._domain is world.domains["tenant"]:
            return [Throttled("Too many requests.", retry_after=3600)] * len(writes)
        return original(self, writes)

    monkeypatch.setattr(InBatches, "set_passwords", busy)
    world.asks(*people, eve)
    world.drains()

    assert world.status(eve)[0].status is Status.SUCCESSFUL
    assert {each.status for each in world.status(*people)} == {Status.IN_PROGRESS}
    assert written(world.domains["tenant"]) == [0] * MANY
