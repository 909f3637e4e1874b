"""Whose password it is, as far as a set-time can tell: reads that lag, changes by others, a clock of ours that lies."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.demo.graph import GraphStandIn, User
from bot.demo.graph.faults import LostReply, LostRequest
from bot.directories.base import Proof, Verdict
from bot.directories.entra import Entra
from bot.errors import NoAnswer
from tests.directories.entra.conftest import Office

OURS, THEIRS = SecretStr("Xk9$wortlich-Zebra"), "Th3irs-is-another-one"
PATCH = "PATCH /users/{id}"


class Write:
    """One write of ours to one user, and what is found out about it."""

    def __init__(self, office: Office, entra: Entra) -> None:
        self.user: User = office.tenant.user("ada")
        self._entra = entra
        self._since = entra.may_rotate(self.user.id).password_set_at
        self._server: str | None = None

    def send(self) -> None:
        self._server = self._entra.set_password(self.user.id, OURS)

    def loses(self) -> None:
        with pytest.raises(NoAnswer):
            self._entra.set_password(self.user.id, OURS)

    def look(self) -> Proof:
        return self._entra.confirm(self.user.id, OURS, self._since, self._server)


@pytest.fixture
def write(office: Office, entra: Entra) -> Write:
    return Write(office, entra)


def test_a_read_that_lags_behind_is_waited_for_and_nothing_is_sent_again(office: Office, write: Write) -> None:
    office.tenant.lag_reads = 3
    write.send()
    verdicts = []
    for _ in range(4):
        proof = write.look()
        verdicts.append(proof.verdict)
        office.time.passes(proof.wait)
    assert verdicts == [Verdict.WAIT, Verdict.WAIT, Verdict.WAIT, Verdict.TAKEN]


def test_two_writes_within_a_second_are_both_taken_though_the_set_time_shows_one(office: Office, entra: Entra) -> None:
    user = office.tenant.user("ada", set_ago=timedelta())
    since = entra.may_rotate(user.id).password_set_at
    server = entra.set_password(user.id, OURS)
    user.changed_at = since or user.changed_at  # as it looks within the same second
    assert entra.confirm(user.id, OURS, since, server).verdict is Verdict.TAKEN


def test_a_write_that_was_acknowledged_and_never_shows_is_given_up_after_minutes(office: Office, write: Write) -> None:
    office.tenant.lag = timedelta(hours=1)
    write.send()
    office.time.passes(timedelta(minutes=4))
    assert write.look().verdict is Verdict.WAIT
    office.time.passes(timedelta(minutes=2))
    assert write.look().verdict is Verdict.NOT_TAKEN


def test_a_lost_request_is_known_not_to_have_arrived_only_after_a_while(office: Office, write: Write) -> None:
    office.graph.fails(PATCH, LostRequest())
    write.loses()
    assert write.look().verdict is Verdict.WAIT
    office.time.passes(timedelta(seconds=31))
    assert write.look().verdict is Verdict.NOT_TAKEN


def test_after_a_restart_what_was_sent_before_is_judged_by_the_set_time(office: Office, write: Write) -> None:
    office.graph.fails(PATCH, LostReply())
    write.loses()
    write._entra._known.doubts.forget(write.user.id)  # this process never sent anything
    proof = write.look()
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.TAKEN, True, False)


def test_after_a_restart_what_never_arrived_is_waited_for_too(office: Office, write: Write) -> None:
    assert write.look().verdict is Verdict.WAIT
    office.time.passes(timedelta(seconds=31))
    assert write.look().verdict is Verdict.NOT_TAKEN


def test_a_change_well_after_ours_is_somebody_elses(office: Office, write: Write) -> None:
    write.send()
    office.time.passes(timedelta(minutes=1))
    office.tenant.resets(write.user, THEIRS)
    assert write.look().verdict is Verdict.CHANGED


def test_a_change_well_after_a_reply_was_lost_is_somebody_elses(office: Office, write: Write) -> None:
    office.graph.fails(PATCH, LostRequest())
    write.loses()
    office.time.passes(timedelta(minutes=3))
    office.tenant.resets(write.user, THEIRS)
    assert write.look().verdict is Verdict.CHANGED


@pytest.mark.parametrize("skew", [timedelta(hours=-5), timedelta(hours=5)])
def test_our_own_clock_may_say_what_it_likes(skew: timedelta) -> None:
    with GraphStandIn(skew=skew) as graph, ExitStack() as stack:
        office = Office(graph, stack)
        office.tenant.connects(office.app)
        write = Write(office, office.connect())
        write.send()
        assert write.look().verdict is Verdict.TAKEN


def test_nobody_signs_in_to_find_out_which_password_holds(office: Office, entra: Entra) -> None:
    user = office.tenant.user("ada")
    proof = entra.works(user.id, SecretStr(user.password))
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.WAIT, True, False)
    assert proof.set_at == user.changed_at.replace(microsecond=0)


def test_a_password_that_was_proved_is_not_doubted_again(office: Office, write: Write) -> None:
    write.send()
    assert write.look().verdict is Verdict.TAKEN
    office.time.passes(timedelta(hours=1))
    assert write.look().verdict is Verdict.TAKEN
