"""Every matching test gets a migrated database of each kind, and a world of accounts and records in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bot.audit import Trail
from storage.database import Database
from storage.revisions import Safe
from tests.matching.worlds import World, new_world
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import new_safe


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Safe, X25519PrivateKey]:
    """A safe and the offline key to read its escrow file with."""
    return new_safe(tmp_path)


@pytest.fixture
def safe(kept: tuple[Safe, X25519PrivateKey]) -> Safe:
    return kept[0]


@pytest.fixture
def world(database: Database, safe: Safe, tmp_path: Path) -> World:
    return new_world(database, Trail(safe.keys, tmp_path / "escrow"))
