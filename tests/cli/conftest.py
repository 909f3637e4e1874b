"""A Rekey to run commands of."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot.settings import Settings, variable_of
from tests.cli.program import Program


@pytest.fixture(autouse=True)
def _nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting from outside, and the log as it was before."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def rekey(tmp_path: Path) -> Program:
    """A folder with fresh keys."""
    program = Program(tmp_path, {"REKEY_SECRET_ACME": "Connector-password-1"})
    program.ok("keys", "init")
    return program
