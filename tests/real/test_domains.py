"""What the test domains promise to the tests that stand on them."""

import copy
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ldap3
import pytest
import trustme
from ldap3.core.exceptions import (
    LDAPConstraintViolationResult,
    LDAPInsufficientAccessRightsResult,
    LDAPInvalidCredentialsResult,
    LDAPSocketOpenError,
)

from tests.real import parts, samba, templates, witness
from tests.real.domain import Domain, unique_name


def reset(domain: Domain, dn: str, password: str, *, by: str) -> None:
    connection = domain.connection(by, domain.service_password)
    connection.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [f'"{password}"'.encode("utf-16-le")])]})
    connection.unbind()


@pytest.mark.parametrize("name", ["corp", "branch"])
def test_the_witness_tells_the_right_password_from_a_wrong_one(name: str, request: pytest.FixtureRequest) -> None:
    domain: Domain = request.getfixturevalue(name)
    account = domain.create_user(unique_name("alice"), cn='Älice, "the" (first) * of ' + unique_name("many"))
    assert witness.signs_in(domain, account.dn, account.password)
    assert witness.refusal(domain, account.dn, "wrong") == "52e"


def test_the_witness_believes_no_other_authority(corp: Domain, branch: Domain) -> None:
    deceived = copy.copy(corp)
    deceived.ca_file = branch.ca_file
    with pytest.raises(RuntimeError, match="Can't contact LDAP server"):
        witness.signs_in(deceived, corp.service_dn, corp.service_password)


def test_the_witness_believes_no_other_name(corp: Domain) -> None:
    deceived = copy.copy(corp)
    deceived.tls_name = "dc2.corp.example.test"
    with pytest.raises(RuntimeError, match="Can't contact LDAP server"):
        witness.signs_in(deceived, corp.service_dn, corp.service_password)


def test_what_is_delegated_to_rekey_is_resetting_and_unlocking_and_no_more(corp: Domain) -> None:
    account = corp.create_user(unique_name("bob"), ou=corp.create_ou())
    reset(corp, account.dn, "N3w-password", by=corp.service_dn)
    assert witness.signs_in(corp, account.dn, "N3w-password")

    service = corp.connection(corp.service_dn, corp.service_password)
    service.modify(account.dn, {"lockoutTime": [(ldap3.MODIFY_REPLACE, ["0"])]})
    for forbidden in ({"displayName": "x"}, {"pwdLastSet": "0"}, {"userAccountControl": "514"}):
        with pytest.raises(LDAPInsufficientAccessRightsResult):
            service.modify(account.dn, {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in forbidden.items()})
    service.unbind()
    with pytest.raises(LDAPInsufficientAccessRightsResult):
        reset(corp, corp.admin_dn, "N3w-password", by=corp.service_dn)


def test_an_account_without_delegation_resets_nothing_and_sees_no_policy(corp: Domain) -> None:
    account = corp.create_user(unique_name("carol"))
    policy = corp.create_pso(unique_name("strict"), applies_to=[account.dn], min_length=30)
    stranger = corp.create_service_account(unique_name("stranger"))
    with pytest.raises(LDAPInsufficientAccessRightsResult):
        reset(corp, account.dn, "N3w-password", by=stranger)

    def minimum_length_as_seen_by(who: str) -> list[bytes]:
        connection = corp.connection(who, corp.service_password)
        connection.search(corp.base_dn, f"(distinguishedName={policy})", attributes=["msDS-MinimumPasswordLength"])
        seen: list[bytes] = connection.entries[0]["msDS-MinimumPasswordLength"].raw_values
        connection.unbind()
        return seen

    assert minimum_length_as_seen_by(stranger) == []
    assert minimum_length_as_seen_by(corp.service_dn) == [b"30"]
    corp.delegate_policies(stranger)
    assert minimum_length_as_seen_by(stranger) == [b"30"]


def test_a_fine_grained_policy_binds_whom_it_is_for(corp: Domain) -> None:
    bound, free = (corp.create_user(unique_name(name)) for name in ("dave", "erin"))
    group = corp.create_group(unique_name("strict"), members=[bound.dn])
    corp.create_pso(unique_name("strict"), applies_to=[group], min_length=30)
    with pytest.raises(LDAPConstraintViolationResult, match="too short"):
        corp.set_password(bound.dn, "N3w-password")
    corp.set_password(free.dn, "N3w-password")


def test_many_accounts_are_made_at_once_and_each_signs_in(corp: Domain) -> None:
    passwords = {unique_name("many"): f"F1rst-password-{number}" for number in range(100)}
    dns = corp.create_users(passwords)
    for name in list(passwords)[::33]:
        assert witness.signs_in(corp, dns[name], passwords[name])


def test_a_must_change_password_and_a_lockout_look_as_they_do_in_the_field(private_domain: Domain) -> None:
    account = private_domain.create_user("frank")
    private_domain.set_password(account.dn, "N3w-password", must_change=True)
    assert private_domain.set_at(account.dn) == 0
    assert witness.refusal(private_domain, account.dn, "N3w-password") == "773"

    private_domain.set_domain_policy(lockout_threshold=2, lockout_window=timedelta(minutes=5))
    private_domain.set_password(account.dn, "N3w-password")
    for _ in range(2):
        assert not witness.signs_in(private_domain, account.dn, "wrong")
    assert private_domain.is_locked(account.dn)
    assert witness.refusal(private_domain, account.dn, "N3w-password") == "775"
    private_domain.unlock(account.dn)
    assert witness.signs_in(private_domain, account.dn, "N3w-password")


def test_a_controller_that_was_stopped_refuses_and_later_knows_what_it_answered_for(private_domain: Domain) -> None:
    account = private_domain.create_user("grace")
    private_domain.set_password(account.dn, "N3w-password")
    private_domain.stop()
    with pytest.raises(LDAPSocketOpenError, match="refused"):
        private_domain.connection()
    private_domain.start()
    assert witness.signs_in(private_domain, account.dn, "N3w-password")


def test_private_domains_are_strangers_to_each_other(private_domain: Domain, private_branch: Domain) -> None:
    account = private_domain.create_user("heidi")
    with pytest.raises(LDAPInvalidCredentialsResult):
        private_branch.connection(f"heidi@{private_branch.realm.lower()}", account.password)
    assert "heidi" not in witness.search(private_branch, "(sAMAccountName=*)", "sAMAccountName")


def test_a_controller_can_show_an_expired_certificate(private_domain: Domain) -> None:
    authority = trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = authority.issue_cert(
        private_domain.tls_name, not_before=yesterday - timedelta(days=1), not_after=yesterday
    )
    private_domain.show_certificate(authority, expired)
    with pytest.raises(LDAPSocketOpenError, match="certificate has expired"):
        private_domain.connection()


def test_what_a_killed_run_left_running_is_stopped_by_the_next(
    domain_templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_run = (
        "import os, sys; from pathlib import Path; from tests.real import parts, samba, templates\n"
        "folder = parts.open_run_folder()\n"
        "templates.start_shared(samba.CORP, Path(sys.argv[1]), folder)\n"
        "print(folder, flush=True); os.kill(os.getpid(), 9)"
    )
    child = subprocess.run(
        [sys.executable, "-c", killed_run, str(domain_templates)], stdout=subprocess.PIPE, text=True, check=False
    )
    assert child.returncode == -signal.SIGKILL
    left = Path(child.stdout.strip())
    host = templates.shared(samba.CORP, left).host

    monkeypatch.setenv("REKEY_REAL_PARTS", os.environ["REKEY_REAL_PARTS"])  # the next line changes it
    parts.close_run_folder(parts.open_run_folder())
    assert not left.exists()
    assert not samba.answers(host)
