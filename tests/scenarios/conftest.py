"""A world on SQLite for each story."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rotation.world import World
from tests.storage.databases import migrated_database


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with migrated_database("sqlite", request, tmp_path) as database:
        yield World.build(database, tmp_path)
