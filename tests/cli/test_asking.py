"""At a terminal `rekey apply` asks before it acts, and takes no for an answer."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.program import Program
from tests.world import write_world


@pytest.mark.parametrize(("answer", "code", "organizations"), [("n", 1, 0), ("y", 0, 1)])
def test_only_a_yes_at_the_terminal_lets_it_act(rekey: Program, answer: str, code: int, organizations: int) -> None:
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "bot", "apply", str(write_world(rekey.folder)), "--json"],
            env=rekey.child_environment(),
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert done.returncode == code, done.stderr
    assert "+ organization Acme Dental" in done.stderr
    assert bool(done.stdout) == (code == 0)
    assert len(rekey.ok("export", "--json").json["organizations"]) == organizations
