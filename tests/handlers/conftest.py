"""An office for every test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handlers.office import Office, closing, open_office


@pytest.fixture(scope="session", autouse=True)
def everybody_has_left() -> Iterator[None]:
    """Wait, once, for every Socket Mode client to have closed."""
    yield
    for thread in closing:
        thread.join(10)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Open, connected in Socket Mode, with nothing under way."""
    with open_office(tmp_path) as office:
        yield office
