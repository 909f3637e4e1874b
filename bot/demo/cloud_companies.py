"""The demo's cloud: the tenant of Northwind MSP itself, and Cedar Clinic's, whose people come from Active Directory.

Both trust one app registration, Northwind's, as an MSP's customers do; two more have agreed to be looked after and are
not brought in yet: one has consented to the app, the other not even that. In the tenants is what real ones have:
administrators beyond our role and within it, somebody who only could become one, a guest, people that are synced and a
few that are not.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.demo.graph import Application, GraphStandIn, Tenant, User
from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.sample_company import records_file

SECRET_ENDS_IN = timedelta(days=21)
"""Soon enough for the announcement of it."""

_Rows = list[tuple[str, str, str, str, str]]


@dataclass(frozen=True, slots=True)
class CloudCompanies:
    """The tenants, the clinic's domain, the app they trust with its secret, and both vaults' entries as CSV files."""

    northwind: Tenant
    cedar: Tenant
    clinic: PracticeDomain
    application: Application
    secret: str = field(repr=False)
    northwind_csv: str = field(repr=False)
    cedar_csv: str = field(repr=False)


def cloud_companies(graph: GraphStandIn) -> CloudCompanies:
    """Build them anew, in that pretend Microsoft."""
    northwind = graph.tenant("northwind.example", display_name="Northwind MSP")
    northwind.domain("northwind.onmicrosoft.example", initial=True)
    application = graph.application(northwind, "Rekey")
    secret = application.secret(ends_in=SECRET_ENDS_IN)
    northwind.connects(application)
    northwind.consent(application, "DelegatedAdminRelationship.Read.All")
    northwind_csv = _fill_northwind(northwind)
    cedar = graph.tenant("cedarclinic.example", display_name="Cedar Clinic")
    cedar.connects(application)
    clinic, cedar_csv = _fill_cedar(cedar)
    helpers = northwind.group("Customer support", members=[northwind.the("hugo.lang")])
    juniper = graph.tenant("juniper.example", display_name="Juniper Legal")
    juniper.connects(application, role=None)
    for username in ("edith.marsh", "farid.aziz", "partners-office"):
        juniper.user(username, secrets.token_urlsafe(16), set_ago=timedelta(days=600))
    quill = graph.tenant("quillpress.example", display_name="Quill Press")
    for customer in (cedar, juniper, quill):
        graph.partnership(northwind, customer, helpers, "User Administrator", ends_in=timedelta(days=700))
    return CloudCompanies(northwind, cedar, clinic, application, secret, northwind_csv, cedar_csv)


def _fill_northwind(tenant: Tenant) -> str:
    rows: _Rows = []

    def person(username: str, name: str, password: str | None = None, years: float = 1, **details: Any) -> User:
        """One with an entry in the vault where the password is given."""
        if password is not None:
            rows.append((name, f"{username}@{tenant.name}", password, "", ""))
        made = password or secrets.token_urlsafe(16)
        ago = timedelta(days=round(365 * years))
        return tenant.user(username, made, display_name=name, set_ago=ago, **details)

    person("hugo.lang", "Hugo Lang", "Fjord-Kayak-31", 2)
    person("pia.oberg", "Pia Öberg", "Lingon+Saft-8", 3)
    person("ruth.odonnell", "Ruth O'Donnell", "Peat.Smoke.55", 0.5)
    person("accounts", "Accounts mailbox", "Ledger-Green-12", 4, licenses=())
    person("svc-scanner", "Scan to mail", "Sc4n-2-M4il-OK", 5)
    helpdesk = person("mika.salo", "Mika Salo (helpdesk)", "Sauna-And-Snow-4", 1)
    tenant.assign("Helpdesk Administrator", helpdesk)
    owner = person("ines.duarte", "Inês Duarte (global administrator)", "Azulejo_Blue_77", 2)
    tenant.assign("Global Administrator", owner)
    emergency = person("emergency", "Emergency access", "Break-Glass-0nly!", 3)
    tenant.assign("Global Administrator", emergency)
    grouped = person("noa.weiss", "Noa Weiss", "Linden-Tree-90", 1)
    tenant.group("Tier 0 operators", assignable=True, members=[grouped])
    eligible = person("omar.haddad", "Omar Haddad", "Saffron-Rice-63", 1)
    tenant.assign("Exchange Administrator", eligible, eligible=True)
    person("new.starter", "New Starter", years=0)
    person("leaver", "Somebody Who Left", years=2, enabled=False)
    tenant.user("dana_supplier.example#EXT#", display_name="Dana (supplier)", user_type="Guest")
    return records_file(rows)


def _fill_cedar(tenant: Tenant) -> tuple[PracticeDomain, str]:
    domain = PracticeDomain("CEDAR", "ad.cedarclinic.example", policy=PracticePolicy(length=12, lockout_threshold=5))
    rows: _Rows = []
    for username, name, password, ou in (
        ("anna.kowalski", "Anna Kowalski", "Stethoscope-7!", "Staff/Nurses"),
        ("ben.achebe", "Ben Achebe", "Thermometer-4?", "Staff/Doctors"),
        ("carol.ng", "Carol Ng", "Blood_Pressure_9", "Staff/Doctors"),
        ("dylan.reyes", "Dylan Reyes", "Waiting-Room-12", "Staff/Reception"),
        ("reception", "Reception desk", "Please-Wait-Here-1", "Shared"),
    ):
        account = domain.person(
            username,
            password,
            display_name=name,
            mail=f"{username}@{tenant.name}",
            ou=ou,
            set_ago=timedelta(days=500),
        )
        tenant.synced_user(
            username,
            password,
            object_guid=account.object_id,
            security_identifier=account.sid,
            ad_domain=domain.dns_name,
            sam=username,
            display_name=name,
            set_ago=timedelta(days=500),
        )
        rows.append((name, username, password, "", "the same at the PC and in Microsoft 365"))
    tenant.assign("Directory Synchronization Accounts", tenant.user("Sync_DC1_0a1b2c3d", display_name="Entra Connect"))
    cloud_only = tenant.user("website", "Cloud-Only-Page-3", display_name="Website forms", set_ago=timedelta(days=900))
    rows.append((cloud_only.display_name, cloud_only.name, "Cloud-Only-Page-3", "", "no account in the clinic itself"))
    namesake = tenant.user("carol.ng2", "Second-Carol-5", display_name="Carol Ng", set_ago=timedelta(days=90))
    rows.append((f"{namesake.display_name} (Microsoft 365 only)", namesake.name, "Second-Carol-5", "", ""))
    domain.person("rekey", secrets.token_urlsafe(16), display_name="Rekey", ou="Services", connector=True)
    return domain, records_file(rows)
