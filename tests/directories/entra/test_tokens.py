"""Signing in by secret, certificate and a partner's refresh token: what msal does by itself, and what we make of it."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from bot.demo.graph.faults import Hold, LostReply, NotJson, Throttled, Unavailable
from bot.demo.graph.permissions import VENDOR_LIST
from bot.directories.entra import Entra
from bot.errors import (
    CertificateRefused,
    OutsideError,
    SignInRefused,
    StorageError,
    TenantNotPermitted,
    Unreachable,
)
from bot.errors import Throttled as AskedToWait
from tests.directories.entra.conftest import Office

TOKEN = "POST /{tenant}/oauth2/v2.0/token"
DISCOVERY = "GET /{tenant}/v2.0/.well-known/openid-configuration"
HOUR = timedelta(hours=1, minutes=1)


def a_person(office: Office) -> str:
    return office.tenant.user("ada").id


def refused(connector: Entra, person: str) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        connector.may_rotate(person)
    return caught.value


def token_requests(office: Office) -> int:
    return sum(each.endswith("/oauth2/v2.0/token") for each in office.requests())


# ---- one token, for as long as it holds ------------------------------------------------------------------------------


def test_one_token_serves_many_calls_and_connectors_until_it_ends(office: Office, entra: Entra) -> None:
    person = a_person(office)
    for connector in (entra, entra, office.connect()):
        connector.may_rotate(person)
    assert token_requests(office) == 1
    office.time.passes(HOUR)
    entra.may_rotate(person)
    assert token_requests(office) == 2


def test_a_token_that_ends_early_is_replaced_on_the_way_and_nothing_is_lost(office: Office, entra: Entra) -> None:
    person = a_person(office)
    entra.may_rotate(person)
    office.graph.tokens.forget(office.tenant)
    assert entra.set_password(person, SecretStr("Xk9$wortlich-Zebra"))
    assert token_requests(office) == 2
    assert office.tenant.signs_in(office.tenant.the("ada"), "Xk9$wortlich-Zebra")


def test_a_consent_given_after_the_token_shows_without_waiting_for_its_end(office: Office) -> None:
    office.tenant.connects(office.app)
    office.tenant.withdraws(office.app, "User-PasswordProfile.ReadWrite.All")
    connector, person = office.connect(), a_person(office)
    error = refused(connector, person)
    assert isinstance(error, TenantNotPermitted)
    assert "Additional API Permissions are Required: User-PasswordProfile.ReadWrite.All" in str(error)
    assert "/adminconsent?client_id=" in error.mend
    office.tenant.connects(office.app)
    office.time.passes(timedelta(minutes=1))
    assert connector.may_rotate(person).allowed


def test_a_consent_that_is_not_known_everywhere_yet_is_waited_for(office: Office) -> None:
    office.tenant.connects(office.app, usable_in=timedelta(minutes=3))
    connector, person = office.connect(), a_person(office)
    error = refused(connector, person)
    assert isinstance(error, AskedToWait)
    assert error.cause == "not-propagated"
    office.time.passes(timedelta(minutes=4))
    assert connector.may_rotate(person).allowed


class CountingLock:
    """A lock that knows how many wait for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.waiting += 1
        self._lock.acquire()
        self.waiting -= 1

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_many_who_wait_for_one_sign_in_that_fails_all_fail_with_it(office: Office, entra: Entra) -> None:
    person, lock, held = a_person(office), CountingLock(), Hold(taken=False)
    entra._known.tokens._lock = lock  # type: ignore[assignment]
    office.graph.fails(TOKEN, held)
    with ThreadPoolExecutor(4) as pool:
        failures = [pool.submit(refused, entra, person) for _ in range(4)]
        assert held.reached.wait(30)
        while lock.waiting < 3:
            time.sleep(0.01)
        held.let_go.set()
    # Nothing stands in the way any more: whoever had asked once more would have been let in.
    assert {type(failure.result()) for failure in failures} == {Unreachable}
    assert entra.may_rotate(person).allowed


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_a_wrong_secret_is_said_so_and_not_remembered(office: Office) -> None:
    office.tenant.connects(office.app)
    person = a_person(office)
    error = refused(office.connect(client_secret="wr0ng-secret-of-a-test"), person)
    assert isinstance(error, SignInRefused)
    assert (error.cause, "AADSTS7000215" in str(error)) == ("sign-in-7000215", True)
    assert "wr0ng" not in str(error)
    assert office.connect().may_rotate(person).allowed


def test_an_expired_secret_is_said_so(office: Office, entra: Entra) -> None:
    office.app.secrets_expire()
    error = refused(entra, a_person(office))
    assert isinstance(error, SignInRefused)
    assert "expired" in str(error)
    assert "new client secret" in error.mend


def test_a_refusal_of_400_is_asked_anew_at_once_though_msal_would_repeat_it_for_a_minute(office: Office) -> None:
    office.app.multi_tenant, home = False, office.app.home
    office.app.home = "another"
    connector, person = office.connect(), a_person(office)
    error = refused(connector, person)
    assert isinstance(error, TenantNotPermitted)
    assert error.cause == "tenant-700016"
    office.app.home = home
    office.tenant.connects(office.app)
    assert connector.may_rotate(person).allowed


def test_without_consent_the_tenant_is_named_and_the_link_that_mends_it(office: Office) -> None:
    error = refused(office.connect(), a_person(office))
    assert isinstance(error, TenantNotPermitted)
    assert error.cause == "tenant-7000229"
    assert f"{office.graph.login}/{office.tenant.id}/adminconsent?client_id={office.app.client_id}" in error.mend


def test_an_unknown_tenant_is_said_so_though_msal_raises_a_bare_value_error(office: Office) -> None:
    connector = office.connect(tenant_id="6f0c1d1e-0000-4000-8000-00000000dead")
    error = refused(connector, "anybody")
    assert isinstance(error, SignInRefused)
    assert error.cause == "sign-in-90002"
    assert "tenant_id" in error.mend


@pytest.mark.parametrize("route", [TOKEN, DISCOVERY])
@pytest.mark.parametrize("fault", [Unavailable(503), Unavailable(504), NotJson(502), NotJson(200), LostReply()])
def test_a_sign_in_host_that_is_away_is_an_outage_and_over_when_it_is_over(
    office: Office, entra: Entra, route: str, fault: Unavailable | NotJson | LostReply
) -> None:
    person = a_person(office)
    office.graph.fails(route, fault, times=None)
    assert isinstance(refused(entra, person), Unreachable)
    office.graph.heals()
    assert entra.may_rotate(person).allowed


def test_a_sign_in_host_that_asks_to_wait_is_left_alone_so_long(office: Office, entra: Entra) -> None:
    office.graph.fails(TOKEN, Throttled(120))
    error = refused(entra, a_person(office))
    assert isinstance(error, AskedToWait)
    assert error.retry_after == 120


def test_a_host_that_cannot_prove_who_it_is_is_told_no_secret(office: Office) -> None:
    stranger = trustme.CA().cert_pem.bytes().decode()
    place = {"login": office.graph.login, "graph": office.graph.graph, "ca": stranger}
    assert isinstance(refused(office.connect(cloud=place), a_person(office)), CertificateRefused)
    assert office.requests() == []


def test_a_tenant_of_another_cloud_is_told_no_secret(office: Office, entra: Entra) -> None:
    person = a_person(office)
    office.graph.login = "https://login.elsewhere.test"
    error = refused(entra, person)
    assert isinstance(error, SignInRefused)
    assert error.cause == "other-cloud"
    assert token_requests(office) == 0


def test_nobody_but_the_two_hosts_is_asked_and_the_environment_changes_neither(
    office: Office, entra: Entra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    entra.may_rotate(a_person(office))
    assert not any("/common/" in each for each in office.requests())


def test_neither_secret_nor_token_is_logged_or_shown(
    office: Office, entra: Entra, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    office.graph.fails(TOKEN, NotJson(200), times=None)
    error = refused(entra, a_person(office))
    office.graph.heals()
    token = entra._graph.token()
    for shown in (caplog.text, str(error), repr(token), repr(entra)):
        assert office.secret not in shown
        assert token.value.get_secret_value() not in shown


# ---- certificates ----------------------------------------------------------------------------------------------------


def key_and_certificate() -> tuple[str, str]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Rekey")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, certificate.public_bytes(Encoding.PEM).decode()


def test_a_certificate_proves_the_app_and_one_that_was_just_added_is_waited_for(office: Office) -> None:
    office.tenant.connects(office.app)
    private, certificate = key_and_certificate()
    connector, person = office.connect(private_key=private, certificate=certificate), a_person(office)
    error = refused(connector, person)
    assert isinstance(error, SignInRefused)
    assert error.cause == "sign-in-700027"
    assert [seconds for seconds in office.time.waited if seconds == 10] == [10, 10]
    office.app.certificate(certificate)
    assert connector.may_rotate(person).allowed
    assert connector.credential_ends_at() == x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def test_a_private_key_that_cannot_be_used_is_said_so_and_not_shown(office: Office) -> None:
    office.tenant.connects(office.app)
    _private, certificate = key_and_certificate()
    error = refused(office.connect(private_key="n0-key-of-a-test", certificate=certificate), a_person(office))
    assert isinstance(error, SignInRefused)
    assert error.cause == "bad-key"
    assert "n0-key" not in str(error)
    assert error.__suppress_context__


# ---- a partner's refresh token ---------------------------------------------------------------------------------------


class Partner:
    """A partner with one customer (the office), a user in a group that GDAP maps to a role, and that user's token."""

    def __init__(self, office: Office, role: str = "User Administrator") -> None:
        self.tenant = office.graph.tenant("partner.example")
        office.app.home = self.tenant.id
        self.user = self.tenant.user("gdap")
        group = self.tenant.group("Customers", members=[self.user])
        self.relationship = office.graph.partnership(self.tenant, office.tenant, group, role)
        office.tenant.consent(office.app, delegated=VENDOR_LIST)
        self.token = office.graph.refresh_token(office.app, self.tenant, self.user)


def test_a_partners_token_is_redeemed_in_the_customers_tenant_and_each_new_one_is_kept(office: Office) -> None:
    partner, person = Partner(office), a_person(office)
    kept: list[SecretStr] = []
    office.graph.tokens.old_refresh_tokens_work = False
    connector = office.connect(refresh_token=partner.token, keep=kept.append)
    assert connector.may_rotate(person).allowed
    assert len(kept) == 1
    assert connector.set_password(person, SecretStr("Xk9$wortlich-Zebra"))
    office.time.passes(HOUR)
    newer = office.connect(
        refresh_token=kept[0].get_secret_value(), refresh_token_given=partner.token, keep=kept.append
    )
    assert newer.may_rotate(person).allowed
    assert len({token.get_secret_value() for token in kept} | {partner.token}) == 3


def test_a_new_token_that_cannot_be_kept_stops_everything_before_it_is_used(office: Office) -> None:
    partner, person = Partner(office), a_person(office)

    def full(_token: SecretStr) -> None:
        raise StorageError("The disk is full.")

    with pytest.raises(StorageError):
        office.connect(refresh_token=partner.token, keep=full).may_rotate(person)
    assert not any("/v1.0/" in each for each in office.requests())


def test_a_revoked_token_and_one_without_a_relationship_are_told_apart(office: Office) -> None:
    partner, person = Partner(office), a_person(office)
    connector = office.connect(refresh_token=partner.token)
    partner.relationship.status = "terminated"
    error = refused(connector, person)
    assert isinstance(error, TenantNotPermitted)
    assert "GDAP" in error.mend
    partner.relationship.status = "active"
    office.graph.tokens.revoke(partner.user)
    error = refused(connector, person)
    assert isinstance(error, SignInRefused)
    assert not isinstance(error, TenantNotPermitted)
    assert "refresh token" in error.mend


def test_a_partners_user_without_a_role_for_it_is_known_before_anything_is_sent(office: Office) -> None:
    partner, person = Partner(office, "Global Reader"), a_person(office)
    error = refused(office.connect(refresh_token=partner.token), person)
    assert isinstance(error, TenantNotPermitted)
    assert (error.cause, "User Administrator" in error.mend) == ("role-missing", True)


def test_a_partners_role_given_meanwhile_shows_without_waiting_for_the_tokens_end(office: Office) -> None:
    partner = Partner(office)
    boss = office.tenant.user("boss")
    office.tenant.assign("Global Administrator", boss)
    connector = office.connect(refresh_token=partner.token)
    assert not connector.may_rotate(boss.id).allowed
    group = partner.tenant.group("Seniors", members=[partner.user])
    office.graph.partnership(partner.tenant, office.tenant, group, "Privileged Authentication Administrator")
    office.time.passes(timedelta(minutes=1))
    assert connector.may_rotate(boss.id).allowed
    assert connector.set_password(boss.id, SecretStr("Xk9$wortlich-Zebra"))


def test_what_a_delegated_token_lacks_is_named(office: Office) -> None:
    partner, person = Partner(office), a_person(office)
    office.tenant.withdraws(office.app, "Directory.AccessAsUser.All")
    error = refused(office.connect(refresh_token=partner.token), person)
    assert isinstance(error, TenantNotPermitted)
    assert "User-PasswordProfile.ReadWrite.All" in str(error)
