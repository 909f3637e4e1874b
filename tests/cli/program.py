"""Rekey as a program in a folder of its own, the way an operator runs it: in this process, or as a real child."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bot.cli import app

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What one run came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass
class Program:
    """A folder with a key, a database and an escrow directory, and the commands run on it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: object, **variables: str) -> Result:
        """Run `rekey WORDS…` in this process, without a terminal; `variables` join the environment for this run."""
        done = CliRunner().invoke(app, list(map(str, words)), input="", env=self.settings(variables))
        return Result(done.exit_code, done.stdout, done.stderr)

    def process(self, *words: object, timeout: float = 120, **variables: str) -> Result:
        """The same as a real child process."""
        done = subprocess.run(
            [sys.executable, "-m", "bot", *map(str, words)],
            cwd=self.folder,
            env=self.child_environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: object, **variables: str) -> Result:
        """The same, and it exits 0."""
        result = self(*words, **variables)
        assert result.code == 0, f"rekey {' '.join(map(str, words))} exited {result.code}: {result.err}"
        return result

    def child_environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a child process."""
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.settings(more)}

    def settings(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Rekey's variables for a run."""
        return {
            "REKEY_KEY_FILE": str(self.folder / "rekey.key"),
            "REKEY_DATABASE_URL": f"sqlite:///{self.folder / 'rekey.db'}",
            **self.environment,
            **(more or {}),
        }
