"""Bringing Microsoft 365 tenants in, in Slack: described there, proved on Rekey's page, checked live, one by one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from bot import credential_ends, credentials
from bot import tenants as verbs
from bot.connections import credential_for, settings_of
from bot.credentials import Tried
from bot.demo.graph import Application, GraphStandIn, Tenant
from bot.demo.slack.validation import validate
from bot.directories.base import Finding, Level, SeenTenant
from bot.directories.entra import EntraCredential
from bot.errors import BadInput
from bot.links import Refusal
from bot.world_file.export import export_world, written
from storage.connections import connections_of
from storage.models import Connection, Organization, now
from storage.tasks import request_sync
from storage.tenants import count_tenants
from tests.handlers.office import Office, open_office
from tests.handlers.test_rotations import kept
from tests.handlers.test_setup import HOSTILE, token
from tests.leaks import Leaks
from tests.world import certificate, rsa_certificate

SECRET = "Zq7~the-client-secret-of-rekey"


@dataclass
class Cloud:
    """An office of a partner, its own tenant in the pretend Microsoft, and the app registered there."""

    office: Office
    microsoft: GraphStandIn
    own: Tenant
    app: Application

    def fills(self, tenant: Tenant, name: str = "own-entra", **fields: Any) -> None:
        """The form, from the window that is open."""
        form = self.office.alice.modal("Describe the tenant")
        wanted: dict[str, Any] = {
            "Name of the connection": name,
            "Tenant ID": tenant.id,
            "Application (client) ID": self.app.client_id,
            "Cloud": "Elsewhere: the hosts below",
            "Sign-in host": self.microsoft.login,
            "Graph host": self.microsoft.graph,
            "Certificate authority (PEM)": Path(self.microsoft.ca_file).read_text("ascii"),
            **fields,
        }
        for label, value in wanted.items():
            form.fill(label, value)
        form.submit()

    def describes(self, tenant: Tenant, name: str = "own-entra", **fields: Any) -> None:
        """From `/rotate setup` to the one-time link."""
        self.office.alice.types("/rotate setup", in_="#acme")
        self.office.alice.modal("Set up").press("Add Microsoft 365")
        self.office.alice.modal("Microsoft 365").submit()
        self.fills(tenant, name, **fields)

    def enters(self, **typed: str) -> Tried:
        """On the page."""
        tried = self.attempts(**typed)
        assert isinstance(tried, Tried), tried
        return tried

    def attempts(self, **typed: str) -> Tried | Refusal:
        ready, secrets = self.office.services, {name: SecretStr(value) for name, value in typed.items()}
        return credentials.enter(
            ready.database, ready.safe, ready.trail, ready.settings, ready.extra_kinds, token(self.office), "", secrets
        )

    def connects(self, tenant: Tenant, name: str = "own-entra", **fields: Any) -> Connection:
        """All of it."""
        self.describes(tenant, name, **fields)
        self.office.alice.modal("One thing is left").says(name)
        assert self.enters(client_secret=SECRET).saved
        return self.stored(name)

    def stored(self, name: str) -> Connection:
        with self.office.services.database.reading() as session:
            return next(each for _, each in connections_of(session, "directory") if each.name == name)

    def credential(self, name: str = "own-entra") -> EntraCredential:
        return EntraCredential.parse(credential_for(self.stored(name), self.office.services.safe.keys))


@pytest.fixture(scope="module")
def microsoft() -> Iterator[GraphStandIn]:
    with GraphStandIn() as graph:
        yield graph


@pytest.fixture
def cloud(tmp_path: Path, microsoft: GraphStandIn) -> Iterator[Cloud]:
    own = microsoft.tenant("partner.example", display_name="Partner")
    app = microsoft.application(own)
    app.secret(SECRET, ends_in=timedelta(days=200))
    own.connects(app, role="Privileged Authentication Administrator")
    hosts = tuple(urlsplit(each).netloc.lower() for each in (microsoft.login, microsoft.graph))
    with open_office(tmp_path, step_up=False, extra_hosts=hosts) as office:
        yield Cloud(office, microsoft, own, app)


def test_a_tenant_is_described_in_slack_and_its_secret_is_typed_on_the_page_alone(cloud: Cloud) -> None:
    office = cloud.office
    with office.at_work():
        cloud.describes(cloud.own)
        office.alice.modal("One thing is left").says("own-entra needs the credential")
        refused = cloud.enters(client_secret="Not-the-secret-1~")
        assert not refused.saved
        assert any("client secret is wrong" in each.what for each in refused.findings)
        assert cloud.enters(client_secret=SECRET).saved
        office.alice.sees("own-entra of Acme Dental is connected", in_="@rekey")
    stored = cloud.stored("own-entra")
    assert cloud.credential().client_secret == SecretStr(SECRET)
    assert stored.off_at is None
    assert SECRET not in office.everything_slack_saw()
    database = (office.folder / "rekey.db").read_bytes() + (office.folder / "rekey.db-wal").read_bytes()
    assert SECRET.encode() not in database
    assert office.audit("connection.added")


def test_a_certificate_and_its_key_are_pasted_together_and_only_the_certificate_is_kept_in_the_open(
    cloud: Cloud,
) -> None:
    public, private = rsa_certificate()
    cloud.app.certificate(public)
    cloud.describes(cloud.own, **{"How the app proves itself": "A certificate and its private key"})
    cloud.office.alice.modal("One thing is left").says("own-entra")
    missing = cloud.attempts
    with pytest.raises(BadInput, match="no private key"):
        missing(pem=public)
    with pytest.raises(BadInput, match="not the one this certificate"):
        missing(pem=private + certificate()[0])
    with pytest.raises(BadInput, match="no RSA key"):
        missing(pem="".join(certificate()))
    found = cloud.enters(pem=f"{private}\n{public}")
    stored_settings = settings_of(found.connection)
    assert stored_settings["certificate"] == public
    assert private[40:90] not in str(found.connection.model_dump())
    assert private[40:90] not in cloud.office.everything_slack_saw()


def test_what_is_left_in_a_tenant_shows_live_marks_and_leads_to_each_mend(cloud: Cloud) -> None:
    office = cloud.office
    cloud.connects(cloud.own)
    cloud.own.withdraws(cloud.app, "User-PasswordProfile.ReadWrite.All")
    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("What is left of own-entra…")
    window = office.alice.modal("What is left")
    window.says("1 thing left to do")
    window.says("Additional API Permissions are Required: User-PasswordProfile.ReadWrite.All")
    assert f"{cloud.microsoft.login}/{cloud.own.id}/adminconsent?client_id={cloud.app.client_id}" in (
        office.everything_slack_saw()
    )
    cloud.own.consent(cloud.app, "User-PasswordProfile.ReadWrite.All")
    window.press("Check again")
    office.alice.modal("What is left").says("Ready")


def test_a_tenant_that_never_consented_is_not_kept_and_the_page_has_its_consent_link(cloud: Cloud) -> None:
    customer = cloud.microsoft.tenant("unconsented.example")
    cloud.describes(customer)
    cloud.office.alice.modal("One thing is left").says("own-entra")
    tried = cloud.enters(client_secret=SECRET)
    assert not tried.saved
    assert next(each.link for each in tried.findings if each.link).startswith(
        f"{cloud.microsoft.login}/{customer.id}/adminconsent"
    )
    customer.connects(cloud.app)
    assert cloud.enters(client_secret=SECRET).saved, "the same link is good for another try"


@pytest.mark.parametrize(
    ("fields", "on", "words"),
    [
        ({"Tenant ID": "northwind"}, "Tenant ID", "is no GUID"),
        ({"Application (client) ID": "x"}, "Application (client) ID", "is no GUID"),
        ({"Graph host": "http://graph"}, "Graph host", "https://HOST"),
        ({"Sign-in host": "https://evil.test"}, "Sign-in host", "REKEY_EXTRA_HOSTS"),
        ({"Certificate authority (PEM)": "hm"}, "Certificate authority (PEM)", "not a PEM certificate"),
        ({"Name of the connection": "acme-ad"}, "Name of the connection", "acme-ad already"),
    ],
)
def test_what_does_not_fit_is_said_on_its_field(cloud: Cloud, fields: dict[str, str], on: str, words: str) -> None:
    cloud.describes(cloud.own, **fields)
    assert words in cloud.office.alice.modal("Describe the tenant").error(on)
    assert "/credential#" not in cloud.office.everything_slack_saw()


def test_a_partner_picks_customers_from_a_list_and_lends_them_its_app(cloud: Cloud) -> None:
    office, group = cloud.office, cloud.own.group("helpers")
    customers = [cloud.microsoft.tenant(f"client{number:02}.example") for number in range(20)]
    for customer in customers:
        cloud.microsoft.partnership(cloud.own, customer, group, "User Administrator")
    cloud.own.consent(cloud.app, "DelegatedAdminRelationship.Read.All")
    cloud.connects(cloud.own)
    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("What is left of own-entra…")
    office.alice.modal("What is left").says("Ready").press("Customers…")
    window = office.alice.modal("Customers")
    window.says("lists 20 customers")
    window.press("Skip Client00")
    window.says("Client00 is skipped")
    window.says("lists 19 customers")
    window.press("More ▶")
    window.says("Page 2 of 2")
    customers[1].connects(cloud.app)
    window.press("◀ Back")
    window.says("Client01")
    assert "Client07" in window.options("Connect by name", searching="ient07")
    window.fill("Connect by name", "Client01")
    form = office.alice.modal("Describe the tenant")
    form.fill("Organization", "Globex", searching="glo").submit()
    office.alice.modal("One thing is left").says("takes a code of yours")
    assert cloud.enters().saved
    stored = cloud.stored("Client01")
    assert stored.organization_id == office.organization("globex").id
    assert settings_of(stored)["tenant_id"] == customers[1].id
    assert cloud.credential("Client01").client_secret == SecretStr(SECRET)
    assert [json.loads(each.details)["name"] for each in office.audit("tenant.skipped")] == ["Client00"]


def test_a_customer_may_be_a_new_organization(cloud: Cloud) -> None:
    customer = cloud.microsoft.tenant("initech.example")
    customer.connects(cloud.app)
    main = cloud.connects(cloud.own)
    with cloud.office.services.database.writing() as session:
        verbs.keep(session, main.id, [SeenTenant(customer.id, "Initech", "initech.example")])
    _opens_customers(cloud).press("Connect Initech")
    cloud.office.alice.modal("Describe the tenant").submit()
    cloud.office.alice.modal("One thing is left").says("Initech")
    assert cloud.enters().saved
    assert cloud.office.organization("initech").name == "Initech"


def _opens_customers(cloud: Cloud) -> Any:
    """The list as it was kept: Microsoft is asked again, and adds nobody."""
    group = cloud.own.group("helpers")
    for tenant in list(cloud.microsoft.tenants.values()):
        if tenant.name == "initech.example":
            cloud.microsoft.partnership(cloud.own, tenant, group, "User Administrator")
    cloud.own.consent(cloud.app, "DelegatedAdminRelationship.Read.All")
    cloud.office.alice.types("/rotate setup", in_="#acme")
    cloud.office.alice.modal("Set up").press("What is left of own-entra…")
    cloud.office.alice.modal("What is left").says("Ready").press("Customers…")
    return cloud.office.alice.modal("Customers").says("Initech")


def test_technicians_neither_add_nor_check_nor_skip_nor_switch(cloud: Cloud) -> None:
    office, main = cloud.office, cloud.connects(cloud.own)
    with office.services.database.writing() as session:
        verbs.keep(session, main.id, [SeenTenant(cloud.app.id, "Client", None)])
    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("What is left of own-entra…")
    office.alice.modal("What is left").says("Ready")
    forged = office.last("block_actions")
    forged["user"]["id"] = office.tina.id
    home = office.organization("acme").id
    forged["view"]["private_metadata"] = f'{{"for":"{office.tina.id}","organization":{home},"main":{main.id}}}'
    actions = ("tenant.add", "tenant.edit", "tenant.check", "tenant.customers", "tenant.skip", "tenant.connect")
    before = len(office.audit("slack.refused"))
    for number, action in enumerate((*actions, "directory.switch_off", "rotation.switch_off")):
        value = f"{home if action == 'tenant.add' else 1 if action in ('tenant.skip', 'tenant.connect') else main.id}.0"
        forged["trigger_id"] = f"forged{number}"
        forged["actions"] = [{**forged["actions"][0], "action_id": action, "value": value}]
        office.deliver(forged)
    office.tina.until(
        lambda: True if len(office.audit("slack.refused")) >= before + len(actions) else None, "the refusals"
    )
    assert not office.audit("tenant.skipped")
    assert not office.audit("directory.switched_off")
    assert not office.audit("rotation.switched_off")
    assert cloud.stored("own-entra").off_at is None


def test_directories_and_everything_are_switched_where_they_are_seen(cloud: Cloud) -> None:
    office = cloud.office
    cloud.connects(cloud.own)
    office.alice.types("/rotate setup", in_="#acme")
    window = office.alice.modal("Set up")
    window.press("Switch own-entra off", confirming="Switch off")
    window.says("“Enable Password Rotation for Microsoft Entra ID” is switched off for own-entra")
    assert cloud.stored("own-entra").off_by == office.alice.id
    window.press("Switch own-entra on")
    office.alice.modal("Set up").says("is on for own-entra")
    home = office.alice.opens_home()
    home.press("Switch off", confirming="Switch off")
    home.says("Rotation is switched off everywhere")
    office.approve("alice.obrien")
    office.alice.types("/rotate now alice.obrien", in_="#acme")
    office.alice.modal().says("“Rotation everywhere” is switched off")
    home.press("Switch on")
    home.says("Rotation is on everywhere")


def test_an_ending_secret_is_announced_three_times_once_each_and_a_new_one_is_given_on_the_page(
    cloud: Cloud,
) -> None:
    office, services = cloud.office, cloud.office.services
    stored = cloud.connects(cloud.own)
    with office.at_work():
        ends = office.alice.until(lambda: cloud.stored("own-entra").credential_ends_at, "the end, read from Graph")

    def passes(days: float) -> list[Any]:
        for _ in range(2):
            with services.database.writing() as session:
                moment = ends - timedelta(days=days)
                credential_ends.look_after(session, services.trail, services.settings.administrators, moment)
        return [json.loads(each.details)["days"] for each in office.audit("credential.end_announced")]

    assert [passes(days) for days in (31, 30, 20, 7, 6.5, 0.9, 0.5)] == [
        [],
        [30],
        [30],
        [30, 7],
        [30, 7],
        [30, 7, 1],
        [30, 7, 1],
    ]
    with office.at_work():
        card = kept(office, office.bob.sees("signs in with to own-entra of Acme Dental", in_="@rekey"))
        new = cloud.app.secret(ends_in=timedelta(days=300))
        card.press("New credential")
        office.bob.modal("Describe the tenant").submit()
        office.bob.modal("One thing is left").says("own-entra")
        assert cloud.enters(client_secret=new).saved
        with services.database.writing() as session:
            request_sync(session, session.get_one(Connection, stored.id))
        office.bob.sees("has a new credential", in_="@rekey")
    assert cloud.credential().client_secret == SecretStr(new)
    ends_at = cloud.stored("own-entra").credential_ends_at
    assert ends_at is not None
    assert ends_at > ends + timedelta(days=90), "the new one's, read from Graph"
    assert [each.name for _, each in _of(office, "own-entra")] == ["own-entra"]
    assert office.audit("connection.changed")


def _of(office: Office, name: str) -> list[tuple[Organization, Connection]]:
    with office.services.database.reading() as session:
        return [each for each in connections_of(session, "directory") if each[1].name == name]


def test_a_refreshed_partner_token_is_kept_sealed_each_time(cloud: Cloud) -> None:
    customer = cloud.microsoft.tenant("gdap.example")
    user = cloud.own.user("partner.tech")
    cloud.microsoft.partnership(cloud.own, customer, cloud.own.group("t", members=[user]), "User Administrator")
    customer.consent(cloud.app, delegated=["Directory.AccessAsUser.All", "Directory.ReadWrite.All"])
    given = cloud.microsoft.refresh_token(cloud.app, cloud.own, user)
    delegated: dict[str, Any] = {"Partners": ["Delegated, through our partner user's refresh token (GDAP)"]}
    cloud.describes(customer, **delegated)
    cloud.office.alice.modal("One thing is left").says("own-entra")
    assert cloud.enters(client_secret=SECRET, refresh_token=given).saved
    first = cloud.credential().refresh_token
    assert first is not None
    assert first != SecretStr(given), "redeeming brought a new one"
    with cloud.office.services.open_directory(cloud.stored("own-entra")) as directory:
        directory.check()
    second = cloud.credential()
    assert second.refresh_token != first
    assert second.as_given().refresh_token == second.refresh_token_given
    seen = cloud.office.everything_slack_saw()
    for each in (given, first.get_secret_value()):
        assert each not in seen
        assert each.encode() not in (cloud.office.folder / "rekey.db-wal").read_bytes()


def test_the_list_of_customers_keeps_what_was_decided_when_it_is_read_again(cloud: Cloud) -> None:
    main, services = cloud.connects(cloud.own), cloud.office.services
    seen = [SeenTenant(f"6f0c1d1e-0000-4000-8000-{number:012}", f"Client {number}") for number in range(1_000)]
    own = SeenTenant(cloud.own.id, "Partner")
    with services.database.writing() as session:
        verbs.keep(session, main.id, [*seen, own, seen[0]])
        first = verbs.customers(session, main.id, 1, 15).shown[0].tenant
        verbs.skip(session, services.trail, cloud.office.operator("alice"), first.id, skipped=True)
        verbs.keep(session, main.id, seen[:-1])
        assert count_tenants(session, main.id, skipped=False) == 998
        assert count_tenants(session, main.id, skipped=True) == 1
        last = verbs.customers(session, main.id, 999, 15)
    assert (last.page, last.pages) == (67, 67)


@pytest.mark.parametrize("many", [0, 1, 40])
def test_every_window_of_any_size_is_what_slack_takes(many: int) -> None:
    from blocks import tenants as drawing
    from storage.models import Tenant as Row

    memo = {"for": "U1", "organization": 1}
    main = Connection(id=1, organization_id=1, name=HOSTILE, name_key="x", side="directory", kind="entra")
    link = "https://login.microsoftonline.com/" + "x" * 300
    findings = [Finding(list(Level)[each % 3], HOSTILE * 3, HOSTILE, link=link, paste=HOSTILE) for each in range(many)]
    organization = Organization(id=1, name=HOSTILE, name_key="x")
    rows = [
        verbs.Listed(
            Row(id=each, connection_id=1, tenant_id="t", name=HOSTILE, name_key="x", skipped_by=HOSTILE),
            organization if each % 2 else None,
            main if each % 2 else None,
        )
        for each in range(min(many, drawing.ROWS))
    ]
    customers = verbs.Customers(main, tuple(rows), 2, 3, many, many)
    views = [
        drawing.guide(memo),
        drawing.form(drawing.Filled(), memo, elsewhere=False),
        drawing.form(
            drawing.Filled(HOSTILE, "t", "a", {"login": "x"}, False, True, HOSTILE, True, True), memo, elsewhere=True
        ),
        drawing.checked(HOSTILE, findings, 1, memo, lists=bool(many)),
        drawing.customers(customers, memo, skipped=False, told="✅"),
        drawing.customers(customers, memo, skipped=True),
    ]
    for view in views:
        assert not validate(view)
    for renewed in (True, False):
        card = drawing.ended(credential_ends.Ending(organization, main, now(), 7, renewed), now())
        assert not validate({"text": card.text, "blocks": card.blocks})


def test_no_secret_key_or_token_is_anywhere_but_sealed(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    office, (public, private) = cloud.office, rsa_certificate()
    cloud.app.certificate(public)
    user = cloud.own.user("tech.lead")
    given = cloud.microsoft.refresh_token(cloud.app, cloud.own, user)
    leaks = Leaks()
    leaks.knows("the client secret", SECRET)
    leaks.knows("the private key", private.splitlines()[1])
    leaks.knows("the refresh token", given)
    with office.at_work():
        cloud.connects(cloud.own)
        cloud.describes(cloud.own, "by-key", **{"How the app proves itself": "A certificate and its private key"})
        office.alice.modal("One thing is left").says("by-key")
        with pytest.raises(BadInput):
            cloud.attempts(pem=private)
        assert cloud.enters(pem=private + public).saved
        delegated: dict[str, Any] = {"Partners": ["Delegated, through our partner user's refresh token (GDAP)"]}
        cloud.describes(cloud.own, "by-token", **delegated)
        office.alice.modal("One thing is left").says("by-token")
        cloud.attempts(client_secret=SECRET, refresh_token=given)
        cloud.attempts(client_secret=f"{SECRET}x", refresh_token=f"{given}x")
        office.alice.sees("by-key of Acme Dental is connected", in_="@rekey")
    with office.services.database.reading() as session:
        shown = written(export_world(session))
    told = {"Slack": office.everything_slack_saw(), "the log": caplog.text, "the world file": shown}
    found = [each for where, text in told.items() for each in leaks.found_in(where, text)]
    assert [*found, *leaks.found_beneath(office.folder)] == []
