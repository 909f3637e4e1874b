"""One stand-in for each test: it starts in a few hundredths of a second."""

from collections.abc import Iterator

import pytest

from bot.demo.graph import Application, GraphStandIn, Tenant
from tests.demo.graph.company import Caller, sign_in


@pytest.fixture
def graph() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        yield running


@pytest.fixture
def northwind(graph: GraphStandIn) -> Tenant:
    return graph.tenant("northwind.example", display_name="Northwind Traders")


@pytest.fixture
def rekey(graph: GraphStandIn, northwind: Tenant) -> Application:
    """Rekey's registration, with all it needs in Northwind."""
    application = graph.application(northwind)
    northwind.connects(application)
    return application


@pytest.fixture
def call(graph: GraphStandIn, northwind: Tenant, rekey: Application) -> Iterator[Caller]:
    caller = Caller(graph, sign_in(graph, northwind, rekey))
    yield caller
    caller.close()
