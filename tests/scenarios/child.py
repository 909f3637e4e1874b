"""Other processes of the stories: they rotate the scene's records, and something happens to them on the way."""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot.directories.active_directory import ActiveDirectory, connector
from bot.directories.active_directory.sessions import Sessions
from bot.rotation import steps
from bot.scheduler import Scheduler
from storage.models import Record
from tests.crash.scene import Scene, open_scene

SHORT_LEASE = timedelta(seconds=2)


def rotate(spec: str) -> None:
    """Ask for the rotations and run them until they have ended or wait for something outside."""
    _run(open_scene(json.loads(spec)))


def freeze_before_the_last_look(spec: str) -> None:
    """Freeze right before the rows are read a last time ahead of a write."""
    _once(steps, "hindrance", before=_freeze)
    _run(open_scene(json.loads(spec)), SHORT_LEASE)


def freeze_while_connecting(spec: str) -> None:
    """Freeze between that last look and the write: while the connection to write over is made."""
    connector.SEND_WITHIN = 1.0
    _once(Sessions, "writer", after=_freeze)
    _run(open_scene(json.loads(spec)), SHORT_LEASE)


def die_after(spec: str, method: str) -> None:
    """Die once this method of the connector has answered, before anybody can note what it said."""
    _once(ActiveDirectory, method, after=lambda: os.kill(os.getpid(), signal.SIGKILL))
    _run(open_scene(json.loads(spec)))


def overtaken_and_die_after_confirm(spec: str, theirs: str) -> None:
    """Somebody sets another password right after ours; then die each time it was found out that ours does not work."""
    scene = open_scene(json.loads(spec))
    domain = scene.world.controllers["corp"]
    original = ActiveDirectory.set_password

    def overtaken(directory: ActiveDirectory, account: str, secret: Any) -> str:
        server = original(directory, account, secret)
        domain.modify(f"<GUID={account}>", unicodePwd=f'"{theirs}"'.encode("utf-16-le"))
        return server

    setattr(ActiveDirectory, "set_password", overtaken)  # noqa: B010 - mypy lets no method be assigned
    _once(ActiveDirectory, "confirm", after=lambda: os.kill(os.getpid(), signal.SIGKILL))
    _run(scene)


def _run(scene: Scene, lease: timedelta | None = None) -> None:
    world = scene.world
    if lease is not None:
        world.lease = lease
    with world.database.reading() as session:
        records = [session.get_one(Record, record_id) for record_id in scene.record_ids]
    rotations = world.asks(*records)
    with Scheduler(world.lanes(), pool_size=4, tick_seconds=0.1) as scheduler:
        scheduler.run_rotations(rotations, lambda _waiting: None)


def _freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.5)  # a stop reaches every thread only after a moment, in which this one must not go on


def _once(
    owner: Any, name: str, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    """Have something happen before or after the first call of this function."""
    original, calls = getattr(owner, name), []

    def meddled(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        first = len(calls) == 1
        if before is not None and first:
            before()
        answer = original(*arguments, **options)
        if after is not None and first:
            after()
        return answer

    setattr(owner, name, meddled)
