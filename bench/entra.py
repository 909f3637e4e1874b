"""Whole rotations in a tenant of the pretend Microsoft, 100 ms away: at its limit, and unlimited against a plain loop.

The stand-in runs in a process of its own. The limit is a tenth of the documented one, in a tenth of its time.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import requests
from pydantic import SecretStr
from sqlmodel import Session, select

from bot.demo.graph import GraphStandIn
from bot.demo.graph.throttling import Limits
from bot.directories.entra import Entra
from bot.directories.entra.pacing import Pace
from bot.directories.entra.settings import EntraCredential, EntraSettings
from bot.discovery import sync
from bot.lanes import Lanes
from bot.matching.review import approve_all_exact
from bot.matching.suggesting import suggest
from bot.rotation.planning import preview, request
from bot.scheduler import Scheduler
from storage.database import Database
from storage.models import Connection, Organization, Rotation, RotationState
from storage.records import new_record
from storage.rotations import approved_records
from tests.rotation.world import ADMINISTRATOR, World

COUNT, FAST, PLAIN = 1200, 500, 40
LATENCY = timedelta(milliseconds=100)
WRITES, WINDOW = 300, 15.0
GOAL, TIMES = 0.95, 5


def run(count: int = COUNT, fast: int = FAST, plain: int = PLAIN) -> list[str]:
    """The rate at the limit after its first window, and how much faster than one PATCH at a time."""
    lines = []
    with _microsoft(count, Limits(writes=WRITES, writes_window=timedelta(seconds=WINDOW))) as way:
        ended = _rotations(way, count, lambda: Pace(WRITES, WINDOW))
        begun, allowed = ended[0] + WINDOW, WRITES / WINDOW
        after = [at for at in ended if at > begun]
        rate = len(after) / (ended[-1] - begun)
        lines.append(
            f"{count} rotations, {allowed:.0f} writes/s allowed: {rate:.1f}/s after the first window, "
            f"{rate / allowed:.0%} of it (goal: {GOAL:.0%} or more)"
        )
    unlimited = Limits(writes=10**9, units_small=10**9, units_medium=10**9, units_large=10**9)
    with _microsoft(fast + plain, unlimited) as way:
        started = time.time()
        ours = _rotations(way, fast, lambda: Pace(10**9, 1.0))[-1] - started
        theirs = _plain(way, plain)
        lines.append(
            f"{fast} rotations in {ours:.1f} s ({fast / ours:.0f}/s); one PATCH at a time {1 / theirs:.1f}/s: "
            f"{theirs * fast / ours:.1f} times as fast (goal: {TIMES} or more)"
        )
    return lines


def _rotations(way: dict[str, Any], count: int, pace: Any) -> list[float]:
    """Rotate so many of the tenant's users; when each ended, in order."""
    with tempfile.TemporaryDirectory(prefix="rekey-bench-") as temporary:
        folder = Path(temporary)
        database = Database(f"sqlite:///{folder}/rekey.db")
        database.migrate()
        world = World.build(database, folder)
        world.directory("tenant")
        entra = partial(
            Entra,
            EntraSettings.parse(way["settings"]),
            EntraCredential.parse(SecretStr(way["credential"])),
            pace=pace,
        )

        def opened(_connection: Connection) -> Entra:
            return entra()

        connection_id = world.connections["tenant"].id
        with entra() as directory:
            sync(database, world.trail, connection_id, directory)
        with database.writing() as session:
            session.add_all(
                new_record(world.organization.id, world.vault.id, f"user{number}", f"user{number}")
                for number in range(count)
            )
            session.flush()
            suggest(session, world.organization.id)
            approve_all_exact(session, world.trail, ADMINISTRATOR, world.organization.id)
        with database.writing() as session:
            ids = _asked(session, world)
        lanes = Lanes(database, world.safe, world.trail, opened, timedelta(seconds=60), timedelta(minutes=15))
        with Scheduler(lanes, pool_size=2, tick_seconds=1.0) as scheduler:
            scheduler.run_rotations(ids, lambda _waiting: None)
        with database.reading() as session:
            rotations = session.exec(select(Rotation)).all()
            assert {each.state for each in rotations} == {RotationState.SUCCESSFUL}, rotations[0].reason
            ended = sorted(each.ended_at.timestamp() for each in rotations if each.ended_at is not None)
        database.dispose()
    return ended


def _asked(session: Session, world: World) -> list[int]:
    organization = session.get_one(Organization, world.organization.id)
    records = approved_records(session, organization.id)
    previews = preview(session, ADMINISTRATOR, records, by_name=True)
    return request(session, world.trail, ADMINISTRATOR, previews, by_name=True)


def _plain(way: dict[str, Any], count: int) -> float:
    """Seconds for one password, by a loop that PATCHes one user at a time on one kept connection."""
    with Entra(EntraSettings.parse(way["settings"]), EntraCredential.parse(SecretStr(way["credential"]))) as entra:
        token = entra._graph.token().value.get_secret_value()  # only to sign the loop in
    with requests.Session() as http:
        http.verify, http.trust_env = way["ca_file"], False
        http.headers["Authorization"] = f"Bearer {token}"
        started = time.perf_counter()
        for user in way["users"][-count:]:
            profile = {"password": "Plain-Loop-7411-xq", "forceChangePasswordNextSignIn": False}
            reply = http.patch(f"{way['graph']}/v1.0/users/{user}", json={"passwordProfile": profile}, timeout=10)
            reply.raise_for_status()
        return (time.perf_counter() - started) / count


@contextmanager
def _microsoft(users: int, limits: Limits) -> Iterator[dict[str, Any]]:
    """A tenant of so many users in another process: how to get there."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, users, limits))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("enough")
        process.join(30)


def _serve(pipe: Pipe, users: int, limits: Limits) -> None:
    with GraphStandIn(limits=limits) as graph:
        tenant = graph.tenant("northwind.example")
        app = graph.application(tenant)
        tenant.connects(app)
        made = [tenant.user(f"user{number}") for number in range(users)]
        graph.faults.latency = LATENCY
        place = {"login": graph.login, "graph": graph.graph, "ca": Path(graph.ca_file).read_text()}
        pipe.send(
            {
                "settings": {"tenant_id": tenant.id, "client_id": app.client_id, "cloud": place},
                "credential": EntraCredential(client_secret=SecretStr(app.secret())).text().get_secret_value(),
                "ca_file": graph.ca_file,
                "graph": graph.graph,
                "users": [user.id for user in made],
            }
        )
        pipe.recv()
