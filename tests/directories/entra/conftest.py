"""A pretend Microsoft of each test's own, one tenant in it, and connectors whose time passes when the test says so."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pydantic import SecretStr

from bot.demo.graph import Application, GraphStandIn, Tenant
from bot.directories.entra import Entra, EntraCredential, EntraSettings
from bot.directories.entra.pacing import Pace
from tests.graph_description import PublishedGraph


class Time:
    """This machine's own clock, as the connector sees it; `waited` is what it was made to wait."""

    def __init__(self, graph: GraphStandIn) -> None:
        self.waited: list[float] = []
        self._graph = graph
        self._passed = 0.0

    def now(self) -> float:
        return monotonic() + self._passed

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.passes(timedelta(seconds=seconds))

    def passes(self, time: timedelta) -> None:
        """It passes here and at Microsoft's."""
        self._passed += time.total_seconds()
        self._graph.clock.passes(time)


class Office:
    """One tenant, the app in it, and whoever connects."""

    def __init__(self, graph: GraphStandIn, stack: ExitStack) -> None:
        self.graph = graph
        self.time = Time(graph)
        self.tenant: Tenant = graph.tenant("northwind.example", display_name="Northwind Traders")
        self.app: Application = graph.application(self.tenant)
        self.secret = self.app.secret()
        self._stack = stack

    def settings(self, **details: Any) -> EntraSettings:
        place = {"login": self.graph.login, "graph": self.graph.graph, "ca": Path(self.graph.ca_file).read_text()}
        return EntraSettings.parse(
            {"tenant_id": self.tenant.id, "client_id": self.app.client_id, "cloud": place} | details
        )

    def connect(self, *, keep: Callable[[SecretStr], None] | None = None, **parts: Any) -> Entra:
        """A connector by secret, or by other `parts` of a credential; those not of a credential are settings'."""
        names = EntraCredential.model_fields
        credential = {name: SecretStr(value) for name, value in parts.items() if name in names and value}
        if not {"client_secret", "private_key"} & credential.keys():
            credential["client_secret"] = SecretStr(self.secret)
        settings = self.settings(**{name: value for name, value in parts.items() if name not in names})
        connector = Entra(
            settings,
            EntraCredential.of(credential),
            keep_refresh_token=keep,
            pace=lambda: Pace(clock=self.time.now, wait=self.time.wait),
            passing=self.time.now,
            wait=self.time.wait,
        )
        return self._stack.enter_context(connector)

    def requests(self) -> list[str]:
        """What was asked, a batch as one."""
        return [f"{each.method} {each.path}" for each in self.graph.requests if not each.batched]


@pytest.fixture(scope="session")
def published() -> PublishedGraph:
    return PublishedGraph()


@pytest.fixture
def office(published: PublishedGraph) -> Iterator[Office]:
    """Whatever is done in a test was asked for as Microsoft's description of Graph has it."""
    with GraphStandIn() as graph, ExitStack() as stack:
        yield Office(graph, stack)
        # What a fault answered was not read.
        bare = ("GET", "revokeSignInSessions")
        read = (each for each in graph.requests if each.body or each.method in bare or each.path.endswith(bare))
        published.check(each for each in read if 200 <= each.status < 300)


@pytest.fixture
def entra(office: Office) -> Entra:
    """By secret, with the least that does everything."""
    office.tenant.connects(office.app)
    return office.connect()
