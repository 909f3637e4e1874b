"""Every storage test gets a migrated database of each kind, and a safe to seal into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.revisions import Safe
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import new_safe


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return new_safe(tmp_path)[0]
