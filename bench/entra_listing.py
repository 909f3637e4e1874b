"""Listing a tenant of 100,000 users, and what changed in it since, counted in requests."""

from pathlib import Path
from time import perf_counter

from pydantic import SecretStr

from bot.demo.graph import GraphStandIn
from bot.directories.entra import Entra, EntraCredential, EntraSettings

USERS = 100_000
PAGE = 999
CHANGES = 10


def run(users: int = USERS) -> list[str]:
    """The requests of a full listing (goal: one for each 999 users, and one more) and of ten changes (goal: three)."""
    with GraphStandIn() as graph:
        tenant = graph.tenant("northwind.example")
        app = graph.application(tenant)
        tenant.connects(app)
        tenant.size = users
        people = [tenant.user(f"person{number}") for number in range(users)]
        tenant.assign("Helpdesk Administrator", tenant.group("Helpdesk", assignable=True, members=people[:10]))
        place = {"login": graph.login, "graph": graph.graph, "ca": Path(graph.ca_file).read_text()}
        settings = EntraSettings.parse({"tenant_id": tenant.id, "client_id": app.client_id, "cloud": place})
        with Entra(settings, EntraCredential(client_secret=SecretStr(app.secret()))) as entra:
            entra.may_rotate(people[0].id)  # signed in
            graph.requests.clear()
            began = perf_counter()
            changes = entra.accounts(None)
            listed = sum(1 for _ in changes.accounts)
            full, took = _requests(graph), perf_counter() - began
            assert listed == users
            for person in people[:CHANGES]:
                tenant.renames(person, f"{person.name.partition('@')[0]}-renamed")
            graph.requests.clear()
            began = perf_counter()
            changed = len(list(entra.accounts(changes.cursor).accounts))
            delta, delta_took = _requests(graph), perf_counter() - began
            assert changed == CHANGES
    return [
        f"{users} users: {full} requests in {took:.1f} s (goal: {-(-users // PAGE) + 1} or fewer)",
        f"{CHANGES} changes: {delta} requests in {delta_took:.2f} s (goal: 3 or fewer)",
    ]


def _requests(graph: GraphStandIn) -> int:
    return sum(not asked.batched for asked in graph.requests)
