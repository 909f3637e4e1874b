"""Lanes beside each other: a second directory costs no time, and a hundred idle ones next to none."""

import tempfile
import time
from datetime import timedelta
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median

from bot.demo.practice_faults import Slow
from bot.scheduler import Scheduler
from storage.database import Database
from storage.models import Record
from tests.rotation.world import World

COUNT = 150
LATENCY = timedelta(milliseconds=25)
"""How long a write takes at the pretend directories: about what a real controller takes."""
IDLE_LANES = 100
IDLE_SECONDS = 20.0


def run() -> list[str]:
    """Two directories at once against the slower one alone; and the share of a core that idle lanes take."""
    return [_together(), _idle()]


def _world(folder: Path) -> World:
    database = Database(f"sqlite:///{folder}/rekey.db")
    database.migrate()
    return World.build(database, folder)


def _together() -> str:
    with tempfile.TemporaryDirectory(prefix="rekey-bench-") as temporary:
        world = _world(Path(temporary))
        records: dict[str, list[Record]] = {}
        for name in ("one", "two"):
            domain = world.directory(name)
            for number in range(COUNT):
                domain.person(f"{name}{number}", "F1rst-password")
            domain.fails("set_password", with_=Slow(LATENCY), times=None)
            records[name] = [
                world.matched(f"{name}{number}", {name: f"{name}{number}"}, "F1rst-password") for number in range(COUNT)
            ]
        ratios = []
        for _ in range(3):
            alone = max(_seconds(world, records["one"]), _seconds(world, records["two"]))
            ratios.append(_seconds(world, records["one"] + records["two"]) / alone)
        return f"two directories at once over the slower one alone: {median(ratios):.2f} (goal: 1.15 or less)"


def _seconds(world: World, records: list[Record]) -> float:
    began = time.perf_counter()
    world.rotates(*records)
    return time.perf_counter() - began


def _idle() -> str:
    with tempfile.TemporaryDirectory(prefix="rekey-bench-") as temporary:
        world = _world(Path(temporary))
        for number in range(IDLE_LANES):
            world.directory(f"directory{number}")
        with Scheduler(world.lanes(), pool_size=8, tick_seconds=1.0):
            time.sleep(2.0)
            before = _cpu()
            time.sleep(IDLE_SECONDS)
            share = (_cpu() - before) / IDLE_SECONDS
        return f"{IDLE_LANES} idle lanes, looked at every second: {share:.2%} of a core (goal: 2 % or less)"


def _cpu() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
