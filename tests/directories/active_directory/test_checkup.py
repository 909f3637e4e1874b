"""`check` on a real domain: what it finds is true, said in words, with the mend, and nothing is changed by asking."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory, ActiveDirectorySettings, Server, checkup, sessions
from bot.directories.active_directory.entries import by_guid
from bot.directories.active_directory.rights import DACL, RESET_PASSWORD, may_reset
from bot.directories.active_directory.session import Session, introduce
from bot.directories.active_directory.sessions import Sessions
from bot.directories.active_directory.wire import Wire
from bot.directories.base import Finding, Level
from bot.errors import RightMissing
from tests.directories.active_directory.conftest import Connect
from tests.real.domain import Account, Domain, unique_name

pytestmark = pytest.mark.samba

CHANGE_PASSWORD = "ab721a53-1e2f-11d0-9819-00aa0040529b"


@pytest.fixture
def empty_domain(private_domain: Domain) -> Domain:
    """Without the one ordinary account that Samba makes for itself."""
    private_domain.delete(f"CN=dns-dc1,CN=Users,{private_domain.base_dn}")
    return private_domain


def by_cause(directory: ActiveDirectory) -> dict[str, Finding]:
    return {finding.cause: finding for finding in directory.check()}


def session_of(domain: Domain) -> Session:
    server = Server(host=domain.host, tls_name=domain.tls_name)
    settings = ActiveDirectorySettings(servers=(server,), ca=domain.ca_file.read_text(), bind_dn=domain.service_dn)
    return Sessions(settings, SecretStr(domain.service_password)).open_first()


def test_a_well_delegated_connection_is_all_well(empty_domain: Domain, connect: Connect) -> None:
    empty_domain.create_user("alice")
    empty_domain.create_user("bob", ou=empty_domain.create_ou())
    directory = connect(empty_domain)
    findings = directory.check()
    assert {finding.level for finding in findings} == {Level.OK}
    said = " ".join(finding.what for finding in findings)
    assert empty_domain.tls_name in said
    assert "all of 2 accounts" in said
    assert "at least 7 characters" in said


def test_a_missing_right_is_named_with_where_it_is_missing(empty_domain: Domain, connect: Connect) -> None:
    domain = empty_domain
    domain.create_user("alice", ou=f"CN=Users,{domain.base_dn}")
    boss = domain.create_user("boss", ou=f"CN=Users,{domain.base_dn}")
    domain.add_member(f"CN=Domain Admins,CN=Users,{domain.base_dn}", boss.dn)
    found = by_cause(connect(domain))["right-reset"]
    assert found.level is Level.PROBLEM
    assert "Reset Password" in found.what
    assert "1 of 1 accounts looked at, in: Users" in found.what
    assert "Delegate Control" in found.mend

    domain.create_user("carol")
    found = by_cause(connect(domain))["right-reset"]
    assert (found.level, "1 of 2 accounts" in found.what) == (Level.WARNING, True)


def test_an_account_that_may_not_see_policies_or_permissions_is_told_so(corp: Domain, connect: Connect) -> None:
    found = by_cause(connect(corp, bind_dn=corp.create_service_account(unique_name("blind"))))
    assert found["right-read-policies"].level is Level.WARNING
    assert "Password Settings Container" in found["right-read-policies"].mend


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ("", True),
        (f"(OD;;CR;{RESET_PASSWORD};;{{sid}})", False),
        ("(D;;CR;;;{sid})", False),
        (f"(OD;;CR;{CHANGE_PASSWORD};;{{sid}})", True),
        (f"(OD;CIIO;CR;{RESET_PASSWORD};;{{sid}})", True),
    ],
)
def test_what_the_permission_list_says_is_what_happens(
    corp: Domain, staff: ActiveDirectory, entry: str, allowed: bool
) -> None:
    account = corp.create_user(unique_name("listed"))
    if entry:
        corp._allow(corp.service_dn, account.dn, entry)
    assert judged(corp, account) is allowed
    if allowed:
        staff.set_password(str(account.guid), SecretStr("0urs-of-a-Test!"))
    else:
        with pytest.raises(RightMissing):
            staff.set_password(str(account.guid), SecretStr("0urs-of-a-Test!"))


def judged(domain: Domain, account: Account) -> bool | None:
    session = session_of(domain)
    try:
        (entry,) = session.find("(objectClass=user)", ("nTSecurityDescriptor",), by_guid(str(account.guid)), (DACL,))
        return may_reset(entry, session.tokens)
    finally:
        session.close()


def test_a_password_of_ours_that_expires_soon_is_said_beforehand(corp: Domain, connect: Connect) -> None:
    own = corp.create_user(unique_name("rekey"))
    corp.create_pso(unique_name("soon"), applies_to=[own.dn], max_age=timedelta(days=3))
    found = by_cause(connect(corp, bind_dn=own.dn, password=own.password))["own-password-expires"]
    assert found.level is Level.WARNING
    assert f"{datetime.now(UTC) + timedelta(days=3):%-d %B %Y}" in found.what


def test_a_certificate_that_ends_soon_is_said_beforehand(private_domain: Domain, connect: Connect) -> None:
    authority = trustme.CA()
    ends = datetime.now(UTC) + timedelta(days=5)
    private_domain.show_certificate(authority, authority.issue_cert(private_domain.tls_name, not_after=ends))
    found = by_cause(connect(private_domain))["certificate-ends-soon"]
    assert (found.level, f"{ends:%-d %B %Y}" in found.what) == (Level.WARNING, True)


@pytest.mark.parametrize(("skew", "said"), [(timedelta(minutes=7), "ahead of"), (timedelta(minutes=-7), "behind")])
def test_a_clock_that_is_off_is_said_and_by_how_much(
    monkeypatch: pytest.MonkeyPatch, staff: ActiveDirectory, skew: timedelta, said: str
) -> None:
    real = introduce

    def introduced(wire: Wire) -> Session:
        session = real(wire)
        return dataclasses.replace(session, said_at=session.said_at + skew)

    monkeypatch.setattr(sessions, "introduce", introduced)
    found = by_cause(staff)["clock"]
    assert found.level is Level.WARNING
    assert "minutes " + said in found.what


def test_the_controller_that_hears_of_changes_first_should_be_listed(corp: Domain) -> None:
    session = session_of(corp)
    try:
        assert session.is_pdc
        elsewhere = dataclasses.replace(session, service="CN=NTDS Settings,CN=DC9,CN=Servers")
        (found,) = checkup._pdc(elsewhere, [Server(host="dc9.corp.example.test")])
        assert (found.cause, corp.tls_name in found.what) == ("pdc-not-listed", True)
        assert not list(checkup._pdc(elsewhere, [Server(host=corp.host, tls_name=corp.tls_name.upper())]))
    finally:
        session.close()


@pytest.mark.parametrize("bind", ["dn", "netbios", "upn"])
def test_the_connector_may_be_named_in_any_of_the_usual_ways(corp: Domain, connect: Connect, bind: str) -> None:
    names = {"dn": corp.service_dn, "netbios": f"{corp.netbios}\\rekey", "upn": f"rekey@{corp.realm.lower()}"}
    assert connect(corp, bind_dn=names[bind]).check()[0].level is Level.OK


def test_why_our_sign_in_is_refused_is_found_out(corp: Domain, connect: Connect) -> None:
    own = corp.create_user(unique_name("rekey"), userAccountControl="514")
    (found,) = connect(corp, bind_dn=own.dn, password=own.password).check()
    assert (found.level, found.cause) == (Level.PROBLEM, "sign-in-533")
    assert "disabled" in found.what
    assert found.mend
