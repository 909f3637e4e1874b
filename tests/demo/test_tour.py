"""Promises of `rekey demo`: it runs by itself where nobody can press Enter, proves what it says, and leaves nothing."""

import csv
import io
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.sample_company import sample_company
from bot.demo.tour_world import TourWorld
from bot.errors import RekeyError

COMMAND = [sys.executable, "-m", "bot", "demo", "--tour"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), "COLUMNS": "100", **more}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TourWorld]:
    world = TourWorld(tmp_path, sample_company())
    with world.server:
        world.makes_keys()
        world.applies()
        world.imports()
        world.syncs()
        world.approves_all_exact()
        yield world


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], list[Path]]:
    """One whole tour where nobody can press Enter and the environment is somebody else's; and what it left behind."""
    folder = tmp_path_factory.mktemp("tour")
    hostile = {"REKEY_POOL_SIZE": "many", "REKEY_KEY_FILE": "/nowhere", "REKEY_MASTER_KEY": "not a key"}
    done = subprocess.run(
        COMMAND,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(folder, **hostile),
        check=False,
    )
    return done, list(folder.iterdir())


def test_without_a_terminal_it_runs_through_and_leaves_nothing_behind(
    tour: tuple[subprocess.CompletedProcess[str], list[Path]],
) -> None:
    done, left = tour
    assert (done.returncode, done.stderr, left) == (0, "", [])
    shown = " ".join(done.stdout.split())
    assert "\x1b" not in shown
    for promised in (
        "it was sent once",
        "Tom Baker (admin) API Error",
        "Reset Password",
        "the earlier one was put back and proved",
        "Li Wei In progress Under way.",
        "The audit trail is whole",
        "Each is the one it was",
    ):
        assert promised in shown
    assert len(re.findall("Li Wei Successful", shown)) == 2, "with the others, and again after the kill"


def test_no_password_is_shown_but_the_one_that_is_revealed(
    tour: tuple[subprocess.CompletedProcess[str], list[Path]],
) -> None:
    done, _left = tour
    made_up = [row["password"] for row in csv.DictReader(io.StringIO(sample_company().records_csv))]
    assert len(made_up) == 11
    assert not [password for password in made_up if password in done.stdout + done.stderr]
    revealed = done.stdout.split("rekey reveal", 1)[1].splitlines()[1].strip()
    assert len(revealed) == 20
    assert done.stdout.count(revealed) == 1


def test_at_a_terminal_it_waits_between_chapters_and_may_be_left_at_any(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(tmp_path, TERM="xterm-256color")
    ) as tour:
        os.close(theirs)
        seen = read_until(ours, "Ctrl-C ends the tour")
        assert "Bring a company in" not in seen
        os.write(ours, b"\n")
        assert "Bring a company in" in read_until(ours, "Ctrl-C ends the tour")
        tour.send_signal(signal.SIGINT)
        assert tour.wait(60) == 0
    os.close(ours)
    assert list(tmp_path.iterdir()) == []


def read_until(terminal: int, words: str) -> str:
    seen = ""
    while words not in seen:
        seen += os.read(terminal, 4096).decode("utf-8", "replace")
    return seen


def test_a_password_that_is_not_what_the_vault_holds_is_no_success(world: TourWorld) -> None:
    world.rotates("Alice O'Brien")
    assert world.accounts_in_step() > 0
    world.company.head_office.resets("alice.obrien", "Somebody-Was-Here-1")
    with pytest.raises(RekeyError, match="does not take what the vault holds"):
        world.accounts_in_step()


def test_a_process_killed_while_it_writes_is_finished_by_the_next_one(world: TourWorld) -> None:
    head_office = world.company.head_office
    pid, rotations = world.is_killed_while_writing("wei.li", "Li Wei")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert [row.status for row in world.statuses("Li Wei")] == ["In progress"]
    world.works(rotations)
    assert [row.status for row in world.statuses("Li Wei")] == ["Successful"]
    assert head_office.count("set_password", "wei.li") == 1
    assert head_office.holds("wei.li", world.passwords()["Li Wei"].get_secret_value())
