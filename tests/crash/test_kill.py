"""kill -9 at each boundary once, on each database: afterwards nothing is open, nothing lost, and all of it proved.

`make crash` does the same at hundreds of random instants.
"""

import json
import multiprocessing
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import select

from bot.scheduler import Scheduler
from storage.models import Record, Rotation, RotationState
from storage.revisions import open_revision, revisions_of
from tests.crash import child
from tests.crash.scene import described
from tests.real import witness
from tests.real.domain import Domain
from tests.rotation.samba_world import SambaWorld, samba_world
from tests.storage.databases import KINDS, migrated_database

SHARDS = 3
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.child"])

OLD = "Old-pass-0001!"


@dataclass
class Theatre:
    """Two real domains with enough people for one scene per kill."""

    world: SambaWorld
    url: str
    folder: Path
    corp: Domain
    branch: Domain
    people: Iterator[str]

    def scene(self) -> tuple[str, list[Record], list[str]]:
        """A record in one domain and a record in both, ready to rotate; as a child opens it, and as we check it."""
        one, both = next(self.people), next(self.people)
        records = self.world.matched_accounts(
            {one: OLD, both: OLD},
            {
                "corp": {name: self._guid(self.corp, name) for name in (one, both)},
                "branch": {both: self._guid(self.branch, both)},
            },
        )
        spec = described(self.world, self.url, self.folder, [record.id for record in records])
        return json.dumps(spec), records, [one, both]

    def _guid(self, domain: Domain, name: str) -> str:
        return str(uuid.UUID(bytes_le=domain.read(f"CN={name},{domain.staff}", "objectGUID")[0]))

    def play(self, spec: str, target: str | None = None, log: Path | None = None, after: float | None = None) -> int:
        """Run the scene in a child until it dies at the target, is killed after so many seconds, or ends."""
        process = _processes.Process(target=child.run, args=(spec, target, str(log) if log else None))
        process.start()
        if after is not None:
            process.join(after)
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        assert process.exitcode is not None, "the child never ended"
        return process.exitcode

    def restart(self) -> None:
        """A new process goes on with whatever is open."""
        with self.world.database.reading() as session:
            opened = list(session.exec(select(Rotation.id).where(Rotation.ended_at.is_(None))))  # type: ignore[union-attr]
        with Scheduler(self.world.lanes(), pool_size=4, tick_seconds=0.1) as scheduler:
            waiting = scheduler.run_rotations(opened, lambda _waiting: None)
        assert waiting.open == 0, waiting.reasons

    def prove(self, records: list[Record], names: list[str]) -> None:
        """Nothing open, one password known everywhere, and a trail that verifies."""
        for stands in self.world.status(*records):
            assert stands.rotation is None or stands.rotation.state == RotationState.SUCCESSFUL, stands.reason
        for record, name in zip(records, names, strict=True):
            password = self.world.password(record)
            assert password is not None
            assert password == OLD or self._rotated(record)
            for domain in [self.corp] if record is records[0] else [self.corp, self.branch]:
                assert witness.signs_in(domain, f"{name}@{domain.realm.lower()}", password)
                assert not domain.is_locked(f"CN={name},{domain.staff}")
        with self.world.database.reading() as session:
            verification = self.world.trail.verify(session)
        assert verification.ok, verification.problems

    def _rotated(self, record: Record) -> bool:
        with self.world.database.reading() as session:
            for revision in revisions_of(session, record.id):
                open_revision(self.world.safe, self.world.organization.uid, record.uid, revision)
        return len(self.world.revisions(record)) > 1


@pytest.fixture(params=KINDS)
def theatre(
    request: pytest.FixtureRequest, tmp_path: Path, private_domain: Domain, private_branch: Domain
) -> Iterator[Theatre]:
    with migrated_database(request.param, request, tmp_path) as database:
        world = samba_world(database, tmp_path)
        world.controller("corp", private_domain)
        world.controller("branch", private_branch)
        people = [f"person{number:04}" for number in range(700)]
        for domain in (private_domain, private_branch):
            domain.create_users(dict.fromkeys(people, OLD))
        url = database.engine.url.set(drivername="sqlite" if database.is_sqlite else "postgresql").render_as_string(
            hide_password=False
        )
        yield Theatre(world, url, tmp_path, private_domain, private_branch, iter(people))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_every_boundary_no_password_is_lost(theatre: Theatre, tmp_path: Path, shard: int) -> None:
    spec, records, names = theatre.scene()
    log = tmp_path / "boundaries"
    assert theatre.play(spec, log=log) == 0
    theatre.prove(records, names)
    boundaries = list(dict.fromkeys(log.read_text().split("\n")[:-1]))
    assert len(boundaries) > 30, boundaries

    killed = 0
    for target in boundaries[shard::SHARDS]:
        spec, records, names = theatre.scene()
        killed += theatre.play(spec, target=target) == -signal.SIGKILL
        _and(theatre, f"killed at {target!r}", records, names)
    assert killed >= 0.8 * len(boundaries[shard::SHARDS]), "most boundaries were never reached again"


@pytest.mark.crash
def test_killed_at_any_instant_no_password_is_lost(theatre: Theatre) -> None:
    kills = int(os.environ.get("REKEY_CRASH_KILLS", "200"))
    killed, seed = 0, random.randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    while killed < kills:
        spec, records, names = theatre.scene()
        started = time.monotonic()
        killed += theatre.play(spec, after=chance.uniform(0.05, 1.2)) == -signal.SIGKILL
        _and(theatre, f"killed after {time.monotonic() - started:.3f} s, seed {seed}", records, names)


def _and(theatre: Theatre, when: str, records: list[Record], names: list[str]) -> None:
    check: list[Callable[[], None]] = [theatre.restart, lambda: theatre.prove(records, names)]
    for each in check:
        try:
            each()
        except AssertionError as error:
            raise AssertionError(f"{when}: {error}") from error
