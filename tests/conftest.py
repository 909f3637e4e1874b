"""Fixtures for every test, and the one folder in which a run's real parts live (see `tests.real`)."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.parts import close_run_folder, open_run_folder

pytest_plugins = ["tests.real.fixtures", "tests.chromium"]

_run_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that controls the run opens the folder; its workers find it in their environment."""
    if not hasattr(config, "workerinput"):
        config.stash[_run_folder] = open_run_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whoever opened the folder stops what runs in it."""
    if _run_folder in config.stash:
        close_run_folder(config.stash[_run_folder])


@pytest.fixture(autouse=True, scope="module")
def _settled_memory() -> Iterator[None]:
    """What a file leaves behind is not gone through again: late in a run that alone would take seconds each time."""
    yield
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the parts they ask for, so that `-m "not samba"` runs what needs no domain controller."""
    for item in items:
        asked_for = getattr(item, "fixturenames", ())
        if "domain_templates" in asked_for:
            item.add_marker("samba")
        if "postgres" in asked_for:
            item.add_marker("postgres")
