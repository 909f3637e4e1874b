"""kill -9 while somebody in the cloud, or in Active Directory and the cloud, is rotated: one password, known anywhere.

The same promise as in `test_kill`, with the tenant of a pretend Microsoft and a practice domain, which live on.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.graph import GraphStandIn, Tenant
from bot.demo.practice_domain import PracticeDomain
from bot.demo.practice_server import PracticeServer
from storage.models import Record, RotationState
from tests.crash import entra_child
from tests.rotation.entra_world import EntraWorld
from tests.storage.databases import migrated_database

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.entra_child"])

OLD = "Old-pass-0001!"


@dataclass
class Theatre:
    """A domain and a tenant, and a new pair of people for every kill."""

    world: EntraWorld
    corp: PracticeDomain
    tenant: Tenant
    url: str
    folder: Path
    socket: str
    played: int = 0

    def scene(self) -> tuple[str, list[Record], list[str]]:
        """A record of the tenant's alone and one in both, as a child opens it and as we check it."""
        self.played += 1
        names = [f"one{self.played}", f"both{self.played}"]
        for name in names:
            self.tenant.user(name, OLD)
        self.corp.person(names[1], OLD)
        records = [
            self.world.matched(names[0], {"northwind": names[0]}, OLD),
            self.world.matched(names[1], {"corp": names[1], "northwind": names[1]}, OLD),
        ]
        spec = entra_child.described(self.world, self.url, self.folder, self.socket, [record.id for record in records])
        return spec, records, names

    def play(self, spec: str, target: str | None = None, log: Path | None = None) -> int:
        """Run the scene in a child until it dies at the target, or ends."""
        process = _processes.Process(target=entra_child.run, args=(spec, target, str(log) if log else None))
        process.start()
        process.join(60)
        assert process.exitcode is not None, "the child never ended"
        return process.exitcode

    def proves(self, when: str, records: list[Record], names: list[str]) -> None:
        """A new process goes on; then nothing is open, and one password is known and taken everywhere."""
        self.world.drains_until_ended(*records)
        for record, name in zip(records, names, strict=True):
            [stands] = self.world.status(record)
            assert stands.rotation is None or stands.rotation.state == RotationState.SUCCESSFUL, f"{when}: {stands}"
            password = self.world.password(record) or ""
            assert (password == OLD) is (stands.rotation is None), when
            assert self.tenant.signs_in(self.tenant.the(name), password), when
            if name.startswith("both"):
                assert self.corp.holds(name, password), when
            assert len(self.world.revisions(record)) <= 2, f"{when}: another password was made before it was known"
        with self.world.database.reading() as session:
            verification = self.world.trail.verify(session)
        assert verification.ok, (when, verification.problems)


@pytest.fixture
def theatre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Theatre]:
    with migrated_database("sqlite", request, tmp_path) as database, GraphStandIn() as graph:
        world = EntraWorld.build(database, tmp_path)
        assert isinstance(world, EntraWorld)
        corp, tenant = world.directory("corp"), world.tenant(graph, "northwind")
        url = database.engine.url.set(drivername="sqlite").render_as_string(hide_password=False)
        with PracticeServer({"corp": corp}) as server:
            yield Theatre(world, corp, tenant, url, tmp_path, server.socket)


def test_killed_at_every_step_in_the_cloud_no_password_is_lost(theatre: Theatre, tmp_path: Path) -> None:
    spec, records, names = theatre.scene()
    log = tmp_path / "boundaries"
    assert theatre.play(spec, log=log) == 0
    theatre.proves("undisturbed", records, names)
    boundaries = list(dict.fromkeys(log.read_text().split("\n")[:-1]))
    calls = [each for each in boundaries if "." in each]
    assert {each.partition("#")[0] for each in calls} >= {
        f"{when} {call}"
        for when in ("before", "after")
        for call in ("Entra.set_passwords", "Entra.confirm_all", "RemotePracticeDirectory.set_password")
    } | {"inside Entra.set_passwords"}, boundaries
    commits = [each for each in boundaries if each not in calls]

    killed, targets = 0, [*calls, *commits[::4]]
    for target in targets:
        spec, records, names = theatre.scene()
        killed += theatre.play(spec, target=target) == -signal.SIGKILL
        theatre.proves(f"killed at {target!r}", records, names)
    assert killed >= 0.7 * len(targets), "most boundaries were never reached again"
