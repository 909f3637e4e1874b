"""A post room for every test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notices.postroom import PostRoom, open_post_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[PostRoom]:
    with open_post_room(tmp_path) as room:
        yield room
