"""Every storage test gets a migrated database, and a safe to seal into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.revisions import Safe
from tests.storage.worlds import new_safe


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/rekey.db")
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return new_safe(tmp_path)[0]
