"""The pretend token endpoint: what it gives, to whom, and in which words it refuses."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bot.demo.graph import Application, GraphStandIn, Group, Tenant, User
from bot.demo.graph.permissions import VENDOR_LIST
from bot.demo.graph.tokens import IDLE
from tests.demo.graph.company import Caller, ask_token, profile, sign_in


def refused(answer: requests.Response) -> tuple[int, str, list[int]]:
    """Status, error and AADSTS codes of a refusal, which has to be whole."""
    said = answer.json()
    assert said["error_description"].startswith(f"AADSTS{said['error_codes'][0]}: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= said.keys()
    return answer.status_code, said["error"], said["error_codes"]


def msal_app(graph: GraphStandIn, tenant: Tenant, application: Application, credential: object, **more: object) -> Any:
    """Microsoft's own client, as the connector uses it."""
    http = requests.Session()
    http.verify, http.trust_env = graph.ca_file, False
    return msal.ConfidentialClientApplication(
        application.client_id,
        credential,
        authority=f"{graph.login}/{tenant.id}",
        http_client=http,
        **{"instance_discovery": False, **more},
    )


def certificate(days: int = 30) -> tuple[str, str]:
    """A self-signed certificate and its key, both PEM."""
    key = rsa.generate_private_key(65537, 2048)
    now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rekey")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def test_microsofts_own_client_signs_in_with_a_secret(
    graph: GraphStandIn, northwind: Tenant, rekey: Application
) -> None:
    for instance_discovery in (False, f"{graph.login}/common/discovery/instance"):
        client = msal_app(graph, northwind, rekey, rekey.secret(), instance_discovery=instance_discovery)
        given = client.acquire_token_for_client([f"{graph.graph}/.default"])
        assert given["token_type"] == "Bearer"
        assert 3500 < given["expires_in"] <= 3600


def test_microsofts_own_client_signs_in_with_a_certificate(
    graph: GraphStandIn, northwind: Tenant, rekey: Application
) -> None:
    pem, key = certificate()
    thumbprint = base64.b64decode(rekey.certificate(pem).identifier).hex()
    both = [{"private_key": key, "public_certificate": pem}, {"private_key": key, "thumbprint": thumbprint}]
    for credential in both:
        client = msal_app(graph, northwind, rekey, credential)
        assert "access_token" in client.acquire_token_for_client([f"{graph.graph}/.default"])


def test_an_assertion_is_verified(graph: GraphStandIn, northwind: Tenant, rekey: Application) -> None:
    pem, key = certificate()
    _, other_key = certificate()
    late_pem, late_key = certificate(days=-1)
    rekey.certificate(pem)
    rekey.certificate(late_pem)
    unknown_pem, unknown_key = certificate()
    wrong = {
        "another key than the certificate's": {"private_key": other_key, "public_certificate": pem},
        "a certificate that has expired": {"private_key": late_key, "public_certificate": late_pem},
        "a certificate that is not registered": {"private_key": unknown_key, "public_certificate": unknown_pem},
    }
    for what, credential in wrong.items():
        client = msal_app(graph, northwind, rekey, credential)
        said = client.acquire_token_for_client([f"{graph.graph}/.default"])
        assert (what, said["error"], said["error_codes"]) == (what, "invalid_client", [700027])
    graph.clock.passes(timedelta(hours=1))
    client = msal_app(graph, northwind, rekey, {"private_key": key, "public_certificate": pem})
    said = client.acquire_token_for_client([f"{graph.graph}/.default"])
    assert said["error_codes"] == [700024]


def test_a_refusal_has_microsofts_number_and_status(graph: GraphStandIn, northwind: Tenant, rekey: Application) -> None:
    secret = rekey.secret()
    lapsed = rekey.secret(ends_in=timedelta(days=-1))
    customer = graph.tenant("customer.example")
    ours = graph.application(northwind, "Only ours", multi_tenant=False)

    def ask(tenant: Tenant | str, **form: str) -> tuple[int, str, list[int]]:
        return refused(ask_token(graph, tenant, **{"client_id": rekey.client_id, "client_secret": secret, **form}))

    assert ask(northwind, client_secret="wrong") == (401, "invalid_client", [7000215])
    assert ask(northwind, client_secret=lapsed) == (401, "invalid_client", [7000222])
    assert ask(northwind, client_id="nobody") == (400, "unauthorized_client", [700016])
    assert ask(customer, client_id=ours.client_id) == (400, "unauthorized_client", [700016])
    assert ask(customer) == (401, "invalid_client", [7000229])
    assert ask("00000000-0000-4000-8000-00000000dead") == (400, "invalid_request", [90002])
    assert ask("common") == (400, "invalid_request", [9001023])
    assert ask(northwind, grant_type="password") == (400, "unsupported_grant_type", [70003])
    assert ask(northwind, scope="https://graph.microsoft.us/.default") == (400, "invalid_resource", [500011])
    assert ask(northwind, scope=f"{graph.graph}/User.Read.All") == (400, "invalid_scope", [1002012])
    principal = northwind.principal_of(rekey.client_id)
    assert principal is not None
    principal.enabled = False
    assert ask(northwind) == (400, "unauthorized_client", [7000112])
    with requests.Session() as http:
        http.verify, http.trust_env = graph.ca_file, False
        found = http.get(f"{graph.login}/nowhere.example/v2.0/.well-known/openid-configuration", timeout=10)
    assert refused(found) == (400, "invalid_tenant", [90002])


def test_a_token_says_what_was_granted_when_it_was_issued_and_loses_what_is_taken_away(
    graph: GraphStandIn, northwind: Tenant
) -> None:
    alice = northwind.user("alice")
    application = graph.application(northwind)
    northwind.consent(application, "User.Read.All")
    caller = Caller(graph, sign_in(graph, northwind, application))
    northwind.consent(application, "User-PasswordProfile.ReadWrite.All")
    assert caller("PATCH", f"/users/{alice.id}", profile()).status_code == 403
    caller.token = sign_in(graph, northwind, application)
    assert caller("PATCH", f"/users/{alice.id}", profile()).status_code == 204
    northwind.withdraws(application, "User-PasswordProfile.ReadWrite.All")
    assert caller("PATCH", f"/users/{alice.id}", profile()).status_code == 403
    assert caller("GET", "/users").status_code == 200
    graph.forgets_tokens(northwind)
    assert caller("GET", "/users").status_code == 401
    caller.token = sign_in(graph, northwind, application)
    graph.clock.passes(timedelta(hours=2))
    assert caller("GET", "/users").json()["error"]["code"] == "InvalidAuthenticationToken"
    caller.close()


def test_a_new_consent_is_heard_of_only_by_a_later_token(graph: GraphStandIn, northwind: Tenant) -> None:
    application = graph.application(northwind)
    northwind.connects(application, usable_in=timedelta(minutes=3))
    caller = Caller(graph, sign_in(graph, northwind, application))
    early = caller("GET", "/users")
    graph.clock.passes(timedelta(minutes=4))
    later = caller("GET", "/users")
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in (early, later)} == {
        (403, "Authorization_IdentityNotFound")
    }
    caller.token = sign_in(graph, northwind, application)
    assert caller("GET", "/users").status_code == 200
    caller.close()


class Partner:
    """A partner whose technician helps customers, by refresh token and GDAP."""

    def __init__(self, graph: GraphStandIn) -> None:
        self.graph = graph
        self.tenant: Tenant = graph.tenant("msp.example")
        self.application: Application = graph.application(self.tenant, "Rekey")
        self.secret = self.application.secret()
        self.tech: User = self.tenant.user("tech")
        self.helpers: Group = self.tenant.group("Helpers", members=[self.tech])
        self.token = graph.refresh_token(self.application, self.tenant, self.tech)

    def redeem(self, tenant: Tenant, token: str | None = None) -> requests.Response:
        """Exchange the refresh token for an access token to that tenant."""
        return ask_token(
            self.graph,
            tenant,
            grant_type="refresh_token",
            client_id=self.application.client_id,
            client_secret=self.secret,
            refresh_token=token or self.token,
            scope=f"{self.graph.graph}/.default offline_access openid profile",
        )


@pytest.fixture
def partner(graph: GraphStandIn) -> Partner:
    return Partner(graph)


def test_a_partner_acts_at_a_customers_with_the_roles_of_their_group(
    graph: GraphStandIn, northwind: Tenant, partner: Partner
) -> None:
    alice, gina = northwind.user("alice"), northwind.user("gina")
    northwind.assign("Global Administrator", gina)
    assert refused(partner.redeem(northwind)) == (400, "invalid_grant", [50020])
    agreed = graph.partnership(partner.tenant, northwind, partner.helpers, "User Administrator")
    assert refused(partner.redeem(northwind)) == (400, "invalid_grant", [90099])
    northwind.consent(partner.application, delegated=VENDOR_LIST)
    given = partner.redeem(northwind).json()
    assert set(given["scope"].split()) == set(VENDOR_LIST)
    assert given["refresh_token"] != partner.token
    caller = Caller(graph, given["access_token"])
    assert caller("PATCH", f"/users/{alice.id}", profile()).status_code == 204
    assert caller("PATCH", f"/users/{gina.id}", profile()).status_code == 403
    agreed.status = "terminated"
    assert caller("PATCH", f"/users/{alice.id}", profile()).status_code == 403
    caller.close()
    assert refused(partner.redeem(northwind)) == (400, "invalid_grant", [50177])


def test_someone_outside_the_mapped_group_is_refused(graph: GraphStandIn, northwind: Tenant, partner: Partner) -> None:
    graph.partnership(partner.tenant, northwind, partner.helpers, "User Administrator")
    northwind.consent(partner.application, delegated=VENDOR_LIST)
    partner.helpers.members.clear()
    assert refused(partner.redeem(northwind)) == (400, "invalid_grant", [50177])


def test_a_refresh_token_is_exchanged_for_a_newer_one_and_dies_in_known_ways(
    graph: GraphStandIn, partner: Partner
) -> None:
    home = partner.tenant
    assert refused(partner.redeem(home)) == (400, "invalid_grant", [65001])
    home.consent(partner.application, delegated=VENDOR_LIST)
    newer = partner.redeem(home).json()["refresh_token"]
    assert "access_token" in partner.redeem(home).json()
    graph.tokens.old_refresh_tokens_work = False
    assert refused(partner.redeem(home)) == (400, "invalid_grant", [70000])
    assert refused(partner.redeem(home, "made up")) == (400, "invalid_grant", [9002313])
    newest = partner.redeem(home, newer).json()["refresh_token"]
    graph.clock.passes(IDLE)
    assert refused(partner.redeem(home, newest)) == (400, "invalid_grant", [700082])
    fresh = graph.refresh_token(partner.application, home, partner.tech)
    graph.tokens.revoke(partner.tech)
    assert refused(partner.redeem(home, fresh)) == (400, "invalid_grant", [50173])


def test_microsofts_own_client_redeems_a_refresh_token_and_returns_the_newer_one(
    graph: GraphStandIn, partner: Partner
) -> None:
    partner.tenant.consent(partner.application, delegated=VENDOR_LIST)
    client = msal_app(graph, partner.tenant, partner.application, partner.secret)
    given = client.acquire_token_by_refresh_token(partner.token, [f"{graph.graph}/.default"])
    assert given["refresh_token"] != partner.token
    assert given["id_token_claims"]["preferred_username"] == "tech@msp.example"


def test_a_partner_sees_its_customers_and_what_was_agreed(
    graph: GraphStandIn, northwind: Tenant, partner: Partner
) -> None:
    agreed = graph.partnership(
        partner.tenant, northwind, partner.helpers, "User Administrator", ends_in=timedelta(days=30)
    )
    partner.tenant.consent(partner.application, delegated=["DelegatedAdminRelationship.Read.All", "Directory.Read.All"])
    caller = Caller(graph, partner.redeem(partner.tenant).json()["access_token"])
    (customer,) = caller("GET", "/tenantRelationships/delegatedAdminCustomers?$top=300").json()["value"]
    assert (customer["tenantId"], customer["displayName"]) == (northwind.id, "Northwind Traders")
    assert caller("GET", "/tenantRelationships/delegatedAdminCustomers?$top=301").status_code == 400
    where = "/tenantRelationships/delegatedAdminRelationships"
    (row,) = caller("GET", f"{where}?$filter=status eq 'active'").json()["value"]
    assert row["customer"]["tenantId"] == northwind.id
    assert row["autoExtendDuration"] == "PT0S"
    (access,) = caller("GET", f"{where}/{agreed.id}/accessAssignments").json()["value"]
    assert access["accessContainer"]["accessContainerId"] == partner.helpers.id
    (contract,) = caller("GET", "/contracts").json()["value"]
    assert contract["defaultDomainName"] == "northwind.example"
    caller.close()
    (foreign,) = [one for one in northwind.assignments if one.partner]
    assert foreign.partner == partner.tenant.id


def test_synchronization_is_shown_to_people_only(graph: GraphStandIn, partner: Partner) -> None:
    home = partner.tenant
    home.synced, home.password_writeback = True, True
    home.consent(partner.application, delegated=["OnPremDirectorySynchronization.Read.All"])
    caller = Caller(graph, partner.redeem(home).json()["access_token"])
    (shown,) = caller("GET", "/directory/onPremisesSynchronization").json()["value"]
    caller.close()
    assert shown["features"]["passwordWritebackEnabled"] is True
