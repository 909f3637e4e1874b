"""A post room for every test that asks for one; on SQLite, but for those that ask for both kinds of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notices.postroom import PostRoom, open_post_room
from tests.storage.databases import migrated_database


@pytest.fixture
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PostRoom]:
    kind = getattr(request, "param", "sqlite")
    with migrated_database(kind, request, tmp_path) as database, open_post_room(database) as room:
        yield room
