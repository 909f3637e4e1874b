"""All of the pretend Microsoft: its tenants and applications, what it has issued, how much it lets through."""

import threading
import uuid
from datetime import timedelta

from bot.demo.graph.applications import Application
from bot.demo.graph.clock import Clock
from bot.demo.graph.delta import Deltas
from bot.demo.graph.faults import Fault, Faults
from bot.demo.graph.paging import Pages
from bot.demo.graph.partners import Relationship
from bot.demo.graph.people import Group, User
from bot.demo.graph.recording import Recorded, Requests
from bot.demo.graph.roles import role_id
from bot.demo.graph.tenant import Tenant
from bot.demo.graph.throttling import Limits, Throttling
from bot.demo.graph.tokens import Tokens

_NO_SKEW = timedelta()
_TWO_YEARS = timedelta(days=730)


class World:
    """What is true at Microsoft's, apart from the wire. Everything is shared between threads under `lock`."""

    def __init__(self, *, limits: Limits | None = None, skew: timedelta = _NO_SKEW) -> None:
        self.lock = threading.RLock()
        self.clock = Clock(skew)
        self.tenants: dict[str, Tenant] = {}
        self.applications: dict[str, Application] = {}
        self.tokens = Tokens(self.clock)
        self.pages = Pages()
        self.deltas = Deltas()
        self.throttling = Throttling(limits or Limits())
        self.faults = Faults()
        self.requests = Requests(self.lock)
        """What was asked, newest last, without secrets."""
        self.login = self.graph = "https://localhost"

    def tenant(self, name: str, *, display_name: str | None = None, tenant_id: str | None = None) -> Tenant:
        """Create a tenant with that default domain name."""
        with self.lock:
            made_id = (tenant_id or str(uuid.uuid4())).lower()
            shown = display_name or name.partition(".")[0].title()
            self.tenants[made_id] = Tenant(self.clock, self.lock, made_id, name, shown)
            return self.tenants[made_id]

    def find_tenant(self, name: str) -> Tenant | None:
        """The tenant of that id or domain name."""
        return self.tenants.get(name.lower()) or next(
            (one for one in self.tenants.values() if any(domain.name == name.lower() for domain in one.domains)), None
        )

    def application(
        self, home: Tenant, display_name: str = "Rekey", *, client_id: str | None = None, multi_tenant: bool = True
    ) -> Application:
        """Register an application in a tenant; that alone grants it nothing, there or anywhere."""
        with self.lock:
            made = Application(self.clock, home.id, display_name, client_id, multi_tenant=multi_tenant)
            self.applications[made.client_id.lower()] = made
            return made

    def partnership(
        self, partner: Tenant, customer: Tenant, group: Group, *roles: str, ends_in: timedelta = _TWO_YEARS
    ) -> Relationship:
        """A customer lets a partner's security group act in its tenant, with these roles by name, for a while."""
        with self.lock:
            now, ids = self.clock.now(), tuple(role_id(role) for role in roles)
            made = Relationship(
                customer.id, customer.display_name, f"{partner.display_name} - support", now, now + ends_in, ids
            )
            made.maps(group, *ids)
            partner.relationships.append(made)
            for role in roles:
                customer.assign(role, group, partner=partner.id)
            return made

    def refresh_token(self, application: Application, home: Tenant, user: User) -> str:
        """What a person's browser sign-in and consent gives an application, to be redeemed later."""
        with self.lock:
            return self.tokens.refresh(application, home, user).value

    def fails(
        self, route: str, with_: Fault, *, times: int | None = 1, user: User | None = None, tenant: Tenant | None = None
    ) -> None:
        """Let the next calls of a route go wrong (see `faults`)."""
        with self.lock:
            self.faults.plan(route, with_, times=times, user=user, tenant=tenant.id if tenant else None)

    def forgets_tokens(self, tenant: Tenant) -> None:
        """Access tokens for that tenant stop working at once, however long they were given for."""
        with self.lock:
            self.tokens.forget(tenant)

    def heals(self) -> None:
        """Nothing goes wrong any more."""
        with self.lock:
            self.faults.heal()

    def asked(self, method: str | None = None, path: str = "") -> list[Recorded]:
        """The recorded requests with this method, and with these words in their path."""
        return [one for one in self.requests if method in (None, one.method) and path in one.path]
