"""Promises of the practice directory: strict like a real domain, and it fails in exactly the way it was told to."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from bot.demo.practice_clock import PracticeClock
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.practice_faults import Fault, Hold, Slow
from bot.directories.base import Level, Verdict
from bot.errors import (
    AdminNotPermitted,
    CertificateRefused,
    NoAnswer,
    NotFound,
    OutsideError,
    PasswordRefused,
    Refused,
    RightMissing,
    SignInRefused,
    Throttled,
    Unreachable,
)
from storage.models import Status, Tier

OLD, NEW, OTHER = "Old-Password-1", "New-Secret-22", "Third-Secret-3"
NO_GRACE = timedelta()


def domain_with_alice(**settings: Any) -> tuple[PracticeDomain, PracticeDirectory, str]:
    domain = PracticeDomain(**settings)
    alice = domain.person("alice", password=OLD, display_name="Alice O'Brien")
    return domain, PracticeDirectory(domain), alice.object_id


def set_at(directory: PracticeDirectory, account: str) -> datetime | None:
    return directory.may_rotate(account).password_set_at


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault.UNREACHABLE, Unreachable),
        (Fault.CERTIFICATE_REFUSED, CertificateRefused),
        (Fault.SIGN_IN_REFUSED, SignInRefused),
        (Fault.RIGHT_MISSING, RightMissing),
        (Fault.THROTTLED, Throttled),
        (Fault.REFUSED, Refused),
        (Fault.POLICY, PasswordRefused),
        (Fault.LOST_BEFORE, NoAnswer),
        (NotFound("gone"), NotFound),
    ],
)
def test_a_fault_before_the_write_leaves_the_old_password(
    fault: Fault | OutsideError, raised: type[OutsideError]
) -> None:
    domain, directory, alice = domain_with_alice()
    domain.fails("set_password", with_=fault)
    before = set_at(directory, alice)
    with pytest.raises(raised) as caught:
        directory.set_password(alice, SecretStr(NEW))
    assert type(caught.value) is raised
    assert NEW not in str(caught.value)
    assert domain.holds("alice", OLD)
    assert directory.confirm(alice, SecretStr(NEW), before, None).verdict is Verdict.NOT_TAKEN
    directory.set_password(alice, SecretStr(NEW))
    assert domain.holds("alice", NEW)


def test_a_lost_reply_after_the_write_was_taken_is_found_out_by_looking() -> None:
    domain, directory, alice = domain_with_alice()
    before = set_at(directory, alice)
    domain.fails("set_password", with_=Fault.LOST_AFTER)
    with pytest.raises(NoAnswer):
        directory.set_password(alice, SecretStr(NEW))
    proof = PracticeDirectory(domain).confirm(alice, SecretStr(NEW), before, None)
    assert (proof.verdict, proof.tried, proof.by_set_time) == (Verdict.TAKEN, True, False)
    assert domain.account("alice").times_set == 2


def test_a_reset_by_somebody_else_in_between_is_seen() -> None:
    domain, directory, alice = domain_with_alice()
    standing = directory.may_rotate(alice)
    before = standing.password_set_at
    domain.fails("set_password", with_=Fault.OVERTAKEN)
    directory.set_password(alice, SecretStr(NEW))
    assert domain.signs_in("alice", NEW), "the password just replaced is let in for a while"
    proof = directory.confirm(alice, SecretStr(NEW), before, None, times_set_before=standing.times_set)
    assert proof.verdict is Verdict.CHANGED

    domain, directory, alice = domain_with_alice(old_password_grace=NO_GRACE)
    before = set_at(directory, alice)
    domain.fails("set_password", with_=Fault.LOST_BEFORE)
    with pytest.raises(NoAnswer):
        directory.set_password(alice, SecretStr(NEW))
    domain.resets("alice", OTHER)
    assert directory.confirm(alice, SecretStr(NEW), before, None).verdict is Verdict.CHANGED


def test_a_server_that_dies_after_the_write_tells_when_it_comes_back() -> None:
    domain, directory, alice = domain_with_alice()
    before = set_at(directory, alice)
    domain.fails("set_password", with_=Fault.DIES_AFTER)
    server = directory.set_password(alice, SecretStr(NEW))
    with pytest.raises(Unreachable):
        directory.confirm(alice, SecretStr(NEW), before, server)
    assert [finding.level for finding in directory.check()] == [Level.PROBLEM]
    domain.comes_back()
    assert directory.confirm(alice, SecretStr(NEW), before, server).verdict is Verdict.TAKEN


def test_a_clock_that_stands_still_proves_nothing() -> None:
    domain, directory, alice = domain_with_alice(old_password_grace=NO_GRACE)
    domain.clock.stands_still()
    directory.set_password(alice, SecretStr(NEW))
    before = set_at(directory, alice)
    directory.set_password(alice, SecretStr(OTHER))
    assert directory.confirm(alice, SecretStr(OTHER), before, None).verdict is Verdict.NOT_TAKEN
    domain.clock.runs()
    directory.set_password(alice, SecretStr(OTHER))
    assert directory.confirm(alice, SecretStr(OTHER), before, None).verdict is Verdict.TAKEN


def test_the_directorys_clock_is_its_own() -> None:
    clock = PracticeClock(skew=timedelta(hours=-5))
    domain, directory, alice = domain_with_alice(clock=clock)
    directory.set_password(alice, SecretStr(NEW))
    seen = set_at(directory, alice)
    assert seen is not None
    assert seen < datetime.now(UTC) - timedelta(hours=4)
    clock.passes(timedelta(hours=10))
    directory.set_password(alice, SecretStr(OTHER))
    assert domain.clock.now() > datetime.now(UTC)
    assert clock.now() < clock.now(), "no two readings are the same"


@pytest.mark.parametrize(
    "password", ["Sh0rt!", "alllowercaseonly", "xxALICExx11!", "My-o'brien-11", "Contains-Acme-11"]
)
def test_what_windows_refuses_is_refused_whoever_sets_it(password: str) -> None:
    domain, directory, alice = domain_with_alice(policy=PracticePolicy(length=10, banned=("acme",)))
    with pytest.raises(PasswordRefused):
        directory.set_password(alice, SecretStr(password))
    with pytest.raises(PasswordRefused):
        domain.resets("alice", password)
    assert domain.holds("alice", OLD)


def test_banned_words_are_not_shown_by_the_policy_but_the_names_are() -> None:
    _domain, directory, alice = domain_with_alice(policy=PracticePolicy(banned=("acme",)))
    standing = directory.may_rotate(alice)
    assert standing.policy.forbidden == ("alice", "o'brien")
    assert (standing.policy.length, standing.policy.classes) == (7, 3)
    assert standing.policy.sources


def test_a_fine_grained_policy_goes_before_the_domains() -> None:
    domain, directory, _alice = domain_with_alice()
    strict = domain.person("strict", password=OLD, policy=PracticePolicy(length=30))
    assert directory.may_rotate(strict.object_id).policy.length == 30
    with pytest.raises(PasswordRefused):
        directory.set_password(strict.object_id, SecretStr(NEW))


def test_a_reset_skips_history_and_minimum_age_unless_the_domain_says_otherwise() -> None:
    _domain, directory, alice = domain_with_alice()
    directory.set_password(alice, SecretStr(NEW))
    directory.set_password(alice, SecretStr(OLD))
    standing = directory.may_rotate(alice)
    assert standing.password_set_at is not None
    assert standing.possible_at == standing.password_set_at + timedelta(days=1)

    domain, directory, alice = domain_with_alice(policy=PracticePolicy(resets_obey_all=True))
    directory.set_password(alice, SecretStr(NEW))
    with pytest.raises(PasswordRefused):
        directory.set_password(alice, SecretStr(OTHER))
    domain.clock.passes(timedelta(days=2))
    with pytest.raises(PasswordRefused):
        directory.set_password(alice, SecretStr(OLD))
    directory.set_password(alice, SecretStr(OTHER))
    assert domain.holds("alice", OTHER)


def test_wrong_sign_ins_lock_and_the_lockout_ends_by_itself() -> None:
    domain, directory, alice = domain_with_alice(policy=PracticePolicy(lockout_threshold=3))
    assert [domain.signs_in("alice", "wrong") for _ in range(3)] == [False] * 3
    assert not domain.signs_in("alice", OLD)
    assert directory.may_rotate(alice).locked
    domain.clock.passes(timedelta(minutes=31))
    assert not directory.may_rotate(alice).locked
    assert domain.signs_in("alice", OLD)


def test_wrong_sign_ins_are_forgotten_after_the_window_and_after_a_good_one() -> None:
    domain, _directory, _alice = domain_with_alice(policy=PracticePolicy(lockout_threshold=3))
    for _ in range(4):
        domain.signs_in("alice", "wrong")
        domain.signs_in("alice", "wrong")
        domain.clock.passes(timedelta(minutes=31))
    domain.signs_in("alice", "wrong")
    assert domain.signs_in("alice", OLD)
    domain.signs_in("alice", "wrong")
    domain.signs_in("alice", "wrong")
    assert not domain.is_locked(domain.account("alice"))


def test_a_reset_does_not_unlock_and_unlock_does() -> None:
    domain, directory, alice = domain_with_alice()
    domain.locks("alice")
    before = set_at(directory, alice)
    directory.set_password(alice, SecretStr(NEW))
    proof = directory.confirm(alice, SecretStr(NEW), before, None)
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.TAKEN, True, False)
    assert not domain.signs_in("alice", NEW)
    directory.unlock(alice)
    assert domain.signs_in("alice", NEW)


def test_our_own_attempts_never_lock_an_account() -> None:
    domain, directory, alice = domain_with_alice(policy=PracticePolicy(lockout_threshold=3))
    for _ in range(20):
        directory.works(alice, SecretStr("Wrong-Guess-9"), unproven=1)
    assert not domain.is_locked(domain.account("alice"))
    proof = directory.works(alice, SecretStr(OLD), unproven=1)
    assert proof.verdict is Verdict.WAIT
    assert timedelta(minutes=29) < proof.wait < timedelta(minutes=31)
    domain.clock.passes(proof.wait)
    assert directory.works(alice, SecretStr(OLD)).verdict is Verdict.TAKEN


@pytest.mark.parametrize(
    ("details", "by_set_time"),
    [
        ({"must_change": True}, False),
        ({"expired": True}, True),
        ({"out_of_hours": True}, True),
        ({"groups": ("Protected Users",)}, True),
    ],
)
def test_an_account_in_an_odd_state_is_still_proved(details: dict[str, Any], by_set_time: bool) -> None:
    domain = PracticeDomain()
    odd = domain.person("odd", password=OLD, **details)
    directory = PracticeDirectory(domain)
    standing = directory.may_rotate(odd.object_id)
    assert standing.allowed
    server = directory.set_password(odd.object_id, SecretStr(NEW))
    proof = directory.confirm(odd.object_id, SecretStr(NEW), standing.password_set_at, server)
    assert (proof.verdict, proof.by_set_time) == (Verdict.TAKEN, by_set_time)


@pytest.mark.parametrize(
    "details",
    [
        {"enabled": False},
        {"smartcard": True},
        {"connector": True},
        {"guard": "It is the domain's Kerberos key account."},
    ],
)
def test_what_is_never_rotated_says_why(details: dict[str, Any]) -> None:
    domain = PracticeDomain()
    account = domain.person("odd", password=OLD, **details)
    directory = PracticeDirectory(domain)
    standing = directory.may_rotate(account.object_id)
    assert (standing.allowed, standing.status) == (False, Status.NOT_PERMITTED)
    assert standing.reason.endswith(".")
    assert [seen.guard for seen in directory.accounts(None).accounts] == [standing.reason]
    assert [seen.is_connector for seen in directory.accounts(None).accounts] == ["connector" in details]


def test_tiers_come_from_groups_through_nesting_and_from_service_names() -> None:
    domain = PracticeDomain(resets_administrators=False)
    domain.group("Helpdesk", inside="Tier 0")
    domain.group("Tier 0", inside="Domain Admins")
    domain.group("Domain Admins", inside="Helpdesk")  # a circle must not hang it
    people: tuple[tuple[str, dict[str, Any]], ...] = (
        ("admin", {"groups": ("Helpdesk",), "spns": ("HTTP/x",)}),
        ("svc", {"spns": ("HTTP/y",)}),
        ("person", {"groups": ("Staff",)}),
    )
    for name, details in people:
        domain.person(name, password=OLD, **details)
    directory = PracticeDirectory(domain)
    tiers = {seen.username: seen.tier for seen in directory.accounts(None).accounts}
    assert tiers == {"admin": Tier.PRIVILEGED, "svc": Tier.SERVICE, "person": Tier.PERSON}
    with pytest.raises(AdminNotPermitted):
        directory.set_password(domain.account("admin").object_id, SecretStr(NEW))
    assert Level.WARNING in [finding.level for finding in directory.check()]


def test_an_account_without_the_right_says_which_right() -> None:
    domain = PracticeDomain()
    account = domain.person("elsewhere", password=OLD, resettable=False)
    directory = PracticeDirectory(domain)
    for call in (
        lambda: directory.set_password(account.object_id, SecretStr(NEW)),
        lambda: directory.unlock(account.object_id),
    ):
        with pytest.raises(RightMissing) as caught:
            call()
        assert "Reset Password" in caught.value.mend
    assert domain.holds("elsewhere", OLD)


def test_an_incremental_read_shows_what_changed_and_what_is_gone() -> None:
    domain, directory, alice = domain_with_alice()
    bob = domain.person("bob", password=OLD)
    domain.person("carol", password=OLD)
    first = directory.accounts(None)
    assert first.complete
    assert sorted(seen.username for seen in first.accounts) == ["alice", "bob", "carol"]
    assert first.domain_names == ("acme", "acme.test")
    domain.renames("alice", to="alice.obrien")
    domain.deletes("bob")
    second = PracticeDirectory(domain).accounts(first.cursor)
    assert not second.complete
    assert [(seen.object_id, seen.username) for seen in second.accounts] == [(alice, "alice.obrien")]
    assert second.removed == (bob.object_id,)
    assert list(directory.accounts(second.cursor).accounts) == []
    assert PracticeDirectory(PracticeDomain()).accounts(first.cursor).complete, "another domain's cursor does not serve"
    with pytest.raises(NotFound):
        directory.may_rotate(bob.object_id)


def test_faults_happen_as_often_as_said_to_whom_was_said_in_that_order() -> None:
    domain, directory, alice = domain_with_alice()
    bob = domain.person("bob", password=OLD)
    domain.fails("set_password", with_=Fault.THROTTLED, times=2, account="alice")
    domain.fails("any", with_=Fault.UNREACHABLE, account="alice", times=None)
    directory.set_password(bob.object_id, SecretStr(NEW))
    for raised in (Throttled, Throttled, Unreachable, Unreachable, Unreachable):
        with pytest.raises(raised):
            directory.set_password(alice, SecretStr(NEW))
    domain.heals()
    directory.set_password(alice, SecretStr(NEW))
    assert domain.count("set_password", "alice") == 6
    assert domain.count("set_password") == 7


def test_a_held_call_waits_until_it_is_let_go_and_a_slow_one_is_answered() -> None:
    domain, directory, alice = domain_with_alice()
    hold = Hold()
    domain.fails("set_password", with_=hold)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(directory.set_password, alice, SecretStr(NEW))
        assert hold.reached.wait(10)
        assert domain.holds("alice", OLD)
        assert set_at(directory, alice), "others are answered meanwhile"
        hold.let_go.set()
        writing.result(10)
    assert domain.holds("alice", NEW)
    domain.fails("set_password", with_=Slow(timedelta(milliseconds=10)))
    directory.set_password(alice, SecretStr(OTHER))
    assert domain.holds("alice", OTHER)


def test_many_threads_leave_one_password_and_count_every_call() -> None:
    domain, directory, alice = domain_with_alice()
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait(10)
        for turn in range(25):
            directory.set_password(alice, SecretStr(f"Written-By-{number}-{turn}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    account = domain.account("alice")
    assert account.times_set - 1 == domain.count("set_password", "alice") == 200
    assert len({account.password, *account.earlier}) == 201


def test_passwords_are_not_in_the_repr_of_an_account() -> None:
    domain, directory, alice = domain_with_alice()
    directory.set_password(alice, SecretStr(NEW))
    shown = repr(domain.account("alice"))
    assert NEW not in shown
    assert OLD not in shown
