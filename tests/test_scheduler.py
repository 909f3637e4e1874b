"""The clock: closing it waits for nothing that waits for it."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from bot.scheduler import Scheduler
from storage.lanes import wake
from tests.rotation.world import World
from tests.storage.databases import migrated_database


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with migrated_database("sqlite", request, tmp_path) as database:
        yield World.build(database, tmp_path)


def test_closing_while_a_lane_is_handed_out_does_not_hang(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.directory("corp")
    with world.database.writing() as session:
        wake(session, world.connections["corp"].id)
    scheduler = Scheduler(world.lanes(), pool_size=1, tick_seconds=0.05)
    inner = scheduler._scheduler
    handing_out, add_job = Event(), inner.add_job

    def add_job_late(*arguments: Any, **options: Any) -> Any:
        handing_out.set()
        deadline = Event()
        for _ in range(50):  # until closing has begun, where that is possible at all
            if not inner.running:
                break
            deadline.wait(0.01)
        return add_job(*arguments, **options)

    monkeypatch.setattr(inner, "add_job", add_job_late)
    with scheduler:
        assert handing_out.wait(30)
