"""The process that is killed: it asks for rotations and runs them, and dies at the boundary it was told to.

Boundaries are everything that leaves a trace outside this process's memory: each commit, each append to the escrow
file, and each call to a directory that is more than reading, before it, after it, and inside (a request is out, its
answer not read yet). What lies between two of them leaves no trace, so dying there is dying at the next one.
"""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ldap3.strategy.sync
from sqlalchemy import event

from bot.directories.active_directory import ActiveDirectory
from bot.scheduler import Scheduler
from storage.database import Database
from storage.escrow import Escrow
from storage.models import Record
from tests.crash.scene import Scene, open_scene

CALLS = ("works", "set_password", "confirm")


class Trap:
    """Counts boundaries of each kind, writes them down, and kills this process at the chosen one."""

    def __init__(self, target: str | None, log: Path | None) -> None:
        self._target = target
        self._log = log
        self._counts: dict[str, int] = {}
        self._call = threading.local()

    def reached(self, kind: str) -> None:
        """Die here if this is the one."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        name = f"{kind}#{self._counts[kind]}"
        if self._log is not None:
            with self._log.open("a") as log:
                log.write(name + "\n")
        if name == self._target:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, method: str, kind: str) -> None:
        """Boundaries before and after this method."""
        original: Callable[..., Any] = getattr(owner, method)

        def trapped(*arguments: Any, **options: Any) -> Any:
            self.reached(f"before {kind}")
            self._call.name = kind
            try:
                answer = original(*arguments, **options)
            finally:
                self._call.name = None
            self.reached(f"after {kind}")
            return answer

        setattr(owner, method, trapped)

    def calling(self) -> str | None:
        """The call this thread is in."""
        name: str | None = getattr(self._call, "name", None)
        return name

    def inside_calls(self) -> None:
        """A boundary between sending a request to a directory and reading its answer."""
        owner = ldap3.strategy.sync.SyncStrategy
        original = owner.get_response

        def trapped(strategy: Any, *arguments: Any, **options: Any) -> Any:
            name = self.calling()
            if name is not None:
                self.reached(f"inside {name}")
            return original(strategy, *arguments, **options)

        setattr(owner, "get_response", trapped)  # noqa: B010 - a method of a library, replaced in this process only


def run(spec: str, target: str | None, log: str | None) -> None:
    """Ask for the rotations of the scene's records and run them until they have ended, unless killed before."""
    scene: Scene = open_scene(json.loads(spec))
    trap = Trap(target, Path(log) if log else None)
    for call in CALLS:
        trap.around(ActiveDirectory, call, call)
    trap.inside_calls()
    trap.around(Escrow, "append", "escrow")
    before_commits(scene.world.database, trap)
    with scene.world.database.reading() as session:
        records = [session.get_one(Record, record_id) for record_id in scene.record_ids]
    rotations = scene.world.asks(*records)
    with Scheduler(scene.world.lanes(), pool_size=4, tick_seconds=0.1) as scheduler:
        scheduler.run_rotations(rotations, lambda _waiting: None)


def before_commits(database: Database, trap: Trap) -> None:
    """A boundary before each commit of this database."""

    def commits(connection: Any) -> None:
        if connection.get_execution_options().get("rekey_writes", False):
            trap.reached("before commit")

    event.listen(database.engine, "commit", commits)
