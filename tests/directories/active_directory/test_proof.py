"""Proving passwords on a real domain: every state an account can be in, and every policy that can hold for it."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory, policy
from bot.directories.base import Proof, Verdict
from bot.errors import BadInput, NoAnswer, PasswordRefused
from tests.directories.active_directory.conftest import Connect
from tests.real import witness
from tests.real.domain import Account, Domain, unique_name
from tests.real.parts import wait_until
from tests.real.proxy import Proxy

pytestmark = pytest.mark.samba

OURS = SecretStr("0urs-of-a-Test!")
WRONG = SecretStr("Wr0ng-of-a-Test!")
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def rotate(directory: ActiveDirectory, account: Account, secret: SecretStr = OURS) -> Proof:
    guid = str(account.guid)
    before = directory.may_rotate(guid)
    server = directory.set_password(guid, secret)
    return directory.confirm(guid, secret, before.password_set_at, server, 0, before.times_set)


# ---- states ----------------------------------------------------------------------------------------------------------


def test_a_disabled_account_proves_its_password_all_the_same(corp: Domain, staff: ActiveDirectory) -> None:
    account = corp.create_user(unique_name("off"), userAccountControl="514")
    assert rotate(staff, account).verdict is Verdict.TAKEN
    assert staff.works(str(account.guid), WRONG).verdict is Verdict.NOT_TAKEN


@pytest.mark.parametrize(
    ("limit", "said"),
    [({"accountExpires": "132000000000000000"}, "expired"), ({"logonHours": b"\x00" * 21}, "hour")],
)
def test_a_sign_in_that_tells_nothing_is_judged_by_the_set_time(
    corp: Domain, staff: ActiveDirectory, limit: dict[str, Any], said: str
) -> None:
    account = corp.create_user(unique_name("odd"), **limit)
    proof = rotate(staff, account)
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.TAKEN, True, True)
    assert said in proof.reason
    looked = staff.works(str(account.guid), OURS)
    assert (looked.verdict, looked.by_set_time, looked.tried) == (Verdict.WAIT, True, True)


def test_protected_users_are_judged_by_the_set_time_without_a_try(private_domain: Domain, connect: Connect) -> None:
    account = private_domain.create_user("shielded")
    group = private_domain.create_group("Shield", members=[account.dn])
    connection = private_domain.connection()
    if not connection.search(private_domain.base_dn, "(cn=Protected Users)"):
        pytest.fail("this Samba has no Protected Users group")
    connection.unbind()
    private_domain.add_member(f"CN=Protected Users,CN=Users,{private_domain.base_dn}", group)
    proof = rotate(connect(private_domain), account)
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.TAKEN, True, False)
    assert "Protected Users" in proof.reason


def test_a_single_wrong_password_that_locks_is_never_risked(corp: Domain, staff: ActiveDirectory) -> None:
    account = corp.create_user(unique_name("brittle"))
    corp.create_pso(unique_name("one"), applies_to=[account.dn], lockout_threshold=1)
    proof = rotate(staff, account)
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.TAKEN, True, False)
    assert not staff.works(str(account.guid), WRONG).tried
    assert not corp.is_locked(account.dn)


def test_wrong_tries_no_longer_count_once_their_window_is_over(corp: Domain, staff: ActiveDirectory) -> None:
    account = corp.create_user(unique_name("patient"))
    window = timedelta(seconds=1)
    corp.create_pso(
        unique_name("short"),
        applies_to=[account.dn],
        lockout_threshold=2,
        lockout_window=window,
        lockout_duration=window,
    )
    guid = str(account.guid)
    assert staff.works(guid, WRONG).verdict is Verdict.NOT_TAKEN
    proof = staff.works(guid, SecretStr(account.password), unproven=1)
    assert proof.verdict is Verdict.WAIT
    assert timedelta() < proof.wait <= timedelta(seconds=4)
    wait_until(
        lambda: staff.works(guid, SecretStr(account.password), unproven=1).verdict is Verdict.TAKEN,
        "the wrong try not to count any more",
    )


def test_an_account_signs_in_whatever_its_upn_and_username_look_like(corp: Domain, staff: ActiveDirectory) -> None:
    foreign = corp.create_user(unique_name("foreign"), userPrincipalName="somebody@elsewhere.example")
    apostrophe = corp.create_user(unique_name("o'neil (x)"))
    at = corp.create_user(unique_name("a@b"), userPrincipalName=f"{unique_name('at')}@example.test")
    for account in (foreign, apostrophe, at):
        assert rotate(staff, account).verdict is Verdict.TAKEN, account.name


@pytest.mark.parametrize(
    "password",
    [
        "N\u00a0o-break\u00adSpace-1!",  # SASLprep would take both apart
        "ﬁ-Ligature-of-a-T3st",
        '"quotes" & <angles> 1A',
        "Emoji-\N{KEY}-1a",
        "Ünïcödé-" + "long" * 29 + "1",
    ],
)
def test_what_is_set_is_what_signs_in_character_by_character(
    corp: Domain, staff: ActiveDirectory, password: str
) -> None:
    account = corp.create_user(unique_name("exact"))
    assert rotate(staff, account, SecretStr(password)).verdict is Verdict.TAKEN
    assert witness.signs_in(corp, account.dn, password)


def test_an_empty_password_is_never_sent(corp: Domain, staff: ActiveDirectory) -> None:
    account = corp.create_user(unique_name("empty"))
    guid, empty = str(account.guid), SecretStr("")
    for call in (
        lambda: staff.set_password(guid, empty),
        lambda: staff.confirm(guid, empty, LONG_AGO, None),
        lambda: staff.works(guid, empty),
    ):
        with pytest.raises(BadInput):
            call()
    assert witness.signs_in(corp, account.dn, account.password)


# ---- policies --------------------------------------------------------------------------------------------------------


def test_a_fine_grained_policy_holds_instead_of_the_domains_through_nested_groups(
    corp: Domain, staff: ActiveDirectory
) -> None:
    account = corp.create_user(unique_name("strict"), displayName="Grace B. Hopper")
    inner = corp.create_group(unique_name("inner"), members=[account.dn])
    outer = corp.create_group(unique_name("outer"), members=[inner])
    name = unique_name("Strict")
    corp.create_pso(name, applies_to=[outer], min_length=17, complexity=False, min_age=timedelta(days=3))
    standing = staff.may_rotate(str(account.guid))
    assert (standing.policy.length, standing.policy.classes) == (17, 0)
    assert name in standing.policy.sources[0]
    assert standing.password_set_at is not None
    assert standing.possible_at == standing.password_set_at + timedelta(days=3)


def test_the_domains_policy_holds_for_everybody_else(corp: Domain, staff: ActiveDirectory) -> None:
    standing = staff.may_rotate(str(corp.create_user(unique_name("plain")).guid))
    assert (standing.policy.length, standing.policy.classes) == (7, policy.COMPLEX_CLASSES)
    assert standing.policy.sources == ("The domain's password policy.",)


def test_not_being_shown_a_fine_grained_policy_is_not_taken_for_having_none(corp: Domain, connect: Connect) -> None:
    blind = connect(corp, bind_dn=corp.create_service_account(unique_name("blind")))
    without, with_one = corp.create_user(unique_name("none")), corp.create_user(unique_name("some"))
    corp.create_pso(unique_name("hidden"), applies_to=[with_one.dn], min_length=15, lockout_threshold=3)
    for account in (without, with_one):
        standing = blind.may_rotate(str(account.guid))
        assert standing.policy.length >= 20
        assert standing.policy.classes == policy.COMPLEX_CLASSES
        assert "careful assumption" in standing.policy.sources[0]
    guid = str(with_one.guid)
    tries = [blind.works(guid, WRONG, unproven=number).tried for number in range(4)]
    assert tries == [True, False, False, False]
    assert not corp.is_locked(with_one.dn)


def test_every_policy_of_the_domain_is_shown_with_a_listing_or_it_is_said_why_not(
    corp: Domain, staff: ActiveDirectory, connect: Connect
) -> None:
    person, name = corp.create_user(unique_name("shown"), displayName="Ada Lovelace"), unique_name("Shown")
    corp.create_pso(name, applies_to=[person.dn], min_length=23, complexity=False)
    first, *others = staff.accounts(None).policies
    assert (first.length, first.classes, first.forbidden) == (7, policy.COMPLEX_CLASSES, ())
    [ours] = [each for each in others if name in each.sources[0]]
    assert (ours.length, ours.classes) == (23, 0)
    assert staff.accounts(None).policies_trouble == ""
    blind = connect(corp, bind_dn=corp.create_service_account(unique_name("blind"))).accounts(None)
    assert [each.length for each in blind.policies] == [7]
    assert "may not read" in blind.policies_trouble


# ---- lost replies ----------------------------------------------------------------------------------------------------


def test_a_sign_in_whose_answer_is_lost_is_no_answer_and_nothing_is_known(
    corp: Domain, connect: Connect, proxy: Proxy
) -> None:
    account = corp.create_user(unique_name("mute"))
    corp.create_pso(unique_name("counting"), applies_to=[account.dn], lockout_threshold=9)
    guid = str(account.guid)
    directory = connect(corp, through=(proxy,))
    assert directory.works(guid, SecretStr(account.password)).verdict is Verdict.TAKEN
    bad_before = corp.read(account.dn, "badPwdCount")
    proxy.lose_reply(lambda: corp.read(account.dn, "badPwdCount") != bad_before)
    with pytest.raises(NoAnswer):
        directory.works(guid, WRONG)
    assert proxy.lost.is_set()
    assert directory.works(guid, SecretStr(account.password), unproven=1).verdict is Verdict.WAIT


def test_nothing_secret_is_logged_even_at_debug_level(
    corp: Domain, staff: ActiveDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = corp.create_user(unique_name("quiet"))
    rotate(staff, account)
    staff.works(str(account.guid), WRONG)
    with pytest.raises(PasswordRefused):
        staff.set_password(str(account.guid), SecretStr("sh0rt"))
    for secret in (OURS.get_secret_value(), WRONG.get_secret_value(), corp.service_password):
        for written in (secret, secret.encode().hex(), secret.encode("utf-16-le").hex()):
            assert written not in caplog.text
