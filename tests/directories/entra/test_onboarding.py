"""Bringing a tenant in: each step has its mark as Microsoft says it stands, and what is left leads to its mend."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.demo.graph import Application, GraphStandIn, Tenant
from bot.demo.graph.permissions import LEAST_PRIVILEGE
from bot.directories.base import Finding, Level
from bot.directories.entra import Entra, EntraCredential, EntraSettings
from bot.errors import TenantNotPermitted

CLIENT_SECRET = "Zq7~the-client-secret-of-rekey"


@pytest.fixture(scope="module")
def microsoft() -> Iterator[GraphStandIn]:
    with GraphStandIn() as graph:
        yield graph


@pytest.fixture
def own(microsoft: GraphStandIn) -> Tenant:
    """The partner's own tenant, with the app registered in it."""
    return microsoft.tenant("partner.example", display_name="Partner")


@pytest.fixture
def app(microsoft: GraphStandIn, own: Tenant) -> Application:
    made = microsoft.application(own)
    made.secret(CLIENT_SECRET, ends_in=timedelta(days=200))
    return made


def reaching(microsoft: GraphStandIn, tenant: Tenant, app: Application, **given: str) -> Entra:
    settings = EntraSettings.parse(
        {
            "tenant_id": tenant.id,
            "client_id": app.client_id,
            "cloud": {
                "login": microsoft.login,
                "graph": microsoft.graph,
                "ca": Path(microsoft.ca_file).read_text("utf-8"),
            },
        }
    )
    parts = {"client_secret": CLIENT_SECRET, **given}
    return Entra(settings, EntraCredential.of({name: SecretStr(value) for name, value in parts.items()}))


def walked(microsoft: GraphStandIn, tenant: Tenant, app: Application, **given: str) -> list[Finding]:
    with reaching(microsoft, tenant, app, **given) as entra:
        return entra.check()


def causes(found: list[Finding]) -> list[str]:
    return [each.cause for each in found if each.level is not Level.OK]


def the(found: list[Finding], cause: str) -> Finding:
    return next(each for each in found if each.cause == cause)


def test_a_tenant_that_never_consented_gets_its_own_consent_link_and_nothing_else_is_guessed(
    microsoft: GraphStandIn, app: Application
) -> None:
    customer = microsoft.tenant("unconsented.example")
    [left] = walked(microsoft, customer, app)
    assert left.level is Level.PROBLEM
    assert left.link == f"{microsoft.login}/{customer.id}/adminconsent?client_id={app.client_id}"
    assert "consent" in left.mend


def test_everything_done_has_a_mark_for_every_step(microsoft: GraphStandIn, own: Tenant, app: Application) -> None:
    own.connects(app, role="Privileged Authentication Administrator")
    found = walked(microsoft, own, app)
    assert causes(found) == []
    said = " ".join(each.what for each in found)
    assert "This is Partner (partner.example), where the app is registered: the main tenant" in said
    assert "administrators can be rotated too" in said
    assert "The client secret ends on" in said


def test_a_customers_tenant_says_whose_app_it_is(microsoft: GraphStandIn, own: Tenant, app: Application) -> None:
    customer = microsoft.tenant("customer.example")
    customer.connects(app)
    assert any(
        f"comes from tenant {own.id}, which must be your own" in each.what for each in walked(microsoft, customer, app)
    )


@pytest.mark.parametrize(
    "missing", ["User-PasswordProfile.ReadWrite.All", "User.Read.All", "RoleManagement.Read.Directory"]
)
def test_a_missing_permission_is_named_with_the_link_that_mends_it(
    microsoft: GraphStandIn, own: Tenant, app: Application, missing: str
) -> None:
    own.connects(app)
    own.withdraws(app, missing)
    left = the(walked(microsoft, own, app), f"permission-{missing}")
    assert left.what == f"Additional API Permissions are Required: {missing}."
    assert "adminconsent" in left.link


def test_what_is_only_useful_is_a_warning(microsoft: GraphStandIn, own: Tenant, app: Application) -> None:
    own.connects(app)
    own.withdraws(app, "User.RevokeSessions.All")
    assert the(walked(microsoft, own, app), "useful-User.RevokeSessions.All").level is Level.WARNING


@pytest.mark.parametrize(
    ("license_", "says"), [("P2", "Privileged Identity Management"), ("P1", "Entra ID P1"), ("Free", "Free")]
)
def test_the_role_is_given_by_the_route_of_the_tenants_licence(
    microsoft: GraphStandIn, own: Tenant, app: Application, license_: str, says: str
) -> None:
    own.license = license_
    principal = own.connects(app, role=None)
    left = the(walked(microsoft, own, app), "role-missing")
    assert says in left.mend
    assert "User Administrator" in left.mend
    assert principal.id in left.mend
    assert principal.id in left.link
    assert app.client_id in left.paste


def test_user_administrator_is_enough_for_people_and_says_what_is_out_of_reach(
    microsoft: GraphStandIn, own: Tenant, app: Application
) -> None:
    own.connects(app, role="User Administrator")
    left = the(walked(microsoft, own, app), "role-administrators")
    assert left.level is Level.WARNING
    assert "Privileged Authentication Administrator" in left.what


def test_a_secret_that_ends_soon_is_said_and_where_a_new_one_is_made(microsoft: GraphStandIn, own: Tenant) -> None:
    app = microsoft.application(own)
    app.secret(CLIENT_SECRET, ends_in=timedelta(days=7, hours=1))
    own.connects(app)
    left = the(walked(microsoft, own, app), "credential-ends")
    assert "in 7 days" in left.what
    assert app.client_id in left.link


def test_the_end_is_that_of_the_secret_in_use_and_unknown_when_two_begin_alike(
    microsoft: GraphStandIn, own: Tenant, app: Application
) -> None:
    own.connects(app)
    app.secret("Other-secret-of-the-same-app", ends_in=timedelta(days=3))
    with reaching(microsoft, own, app) as entra:
        at = entra.credential_ends_at()
        assert at is not None
        assert at - datetime.now(UTC) > timedelta(days=100)
        app.secret(CLIENT_SECRET[:3] + "-and-another", ends_in=timedelta(days=3))
        assert entra.credential_ends_at() is None


def test_customers_are_listed_by_delegated_administration_and_else_by_contract(
    microsoft: GraphStandIn, own: Tenant, app: Application
) -> None:
    group = own.group("helpers")
    customers = [microsoft.tenant(f"customer{number}.example") for number in range(3)]
    for customer in customers:
        microsoft.partnership(own, customer, group, "User Administrator")
    own.connects(app)
    with reaching(microsoft, own, app) as entra, pytest.raises(TenantNotPermitted, match="DelegatedAdmin"):
        list(entra.tenants())
    own.consent(app, "Directory.Read.All")
    with reaching(microsoft, own, app) as entra:
        older = list(entra.tenants())
    assert {each.domain for each in older} == {customer.name for customer in customers}
    own.consent(app, "DelegatedAdminRelationship.Read.All")
    with reaching(microsoft, own, app) as entra:
        assert {each.tenant_id for each in entra.tenants()} == {customer.id for customer in customers}


def test_through_a_partner_the_steps_speak_of_the_partners_user(
    microsoft: GraphStandIn, own: Tenant, app: Application
) -> None:
    customer = microsoft.tenant("gdap.example")
    user = own.user("partner.tech")
    group = own.group("helpers", members=[user])
    microsoft.partnership(own, customer, group, "User Administrator")
    customer.consent(app, delegated=["Directory.AccessAsUser.All", *LEAST_PRIVILEGE[1:]])
    found = walked(microsoft, customer, app, refresh_token=microsoft.refresh_token(app, own, user))
    assert any("The partner's user is User Administrator" in each.what for each in found)
    assert "Partner Center" in the(found, "role-administrators").mend
