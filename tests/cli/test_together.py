"""Several processes on one database: each rotation happens once, and `rekey serve` does what others asked for."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep

import pytest

from tests.cli.program import Program
from tests.cli.test_evening import Evening
from tests.real.domain import Domain


@pytest.fixture
def evening(rekey: Program, corp: Domain) -> Evening:
    evening = Evening(rekey, corp)
    evening.set_up()
    return evening


@contextmanager
def serving(rekey: Program) -> Iterator[subprocess.Popen[bytes]]:
    """`rekey serve` as a child process, ended with the block if it has not ended before."""
    log = (rekey.folder / "serve.log").open("wb")
    child = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve"],
        cwd=rekey.folder,
        env=rekey.child_environment({"REKEY_LOG_FORMAT": "json", "REKEY_LOG_LEVEL": "debug"}),
        stdin=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        log.close()


def test_two_processes_asked_at_once_make_one_rotation(evening: Evening) -> None:
    rekey, (jane, joe) = evening.rekey, evening.staff
    records = [f"{each.name} sign-in" for each in (jane, joe)]
    words = ["rotate", "--record", records[0], "--record", records[1], "--json"]
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: rekey.process(*words), range(2))
    assert (one.code, other.code) == (0, 0), one.err + other.err
    assert {each["status"] for result in (one, other) for each in result.json} == {"Successful"}
    for account, record in zip((jane, joe), records, strict=True):
        history = rekey.ok("history", record, "--json").json
        # The slower one may have come when the first had ended: then it made one of its own, after it, never beside it.
        assert [each["status"] for each in history["rotations"]] == ["Successful"] * len(history["rotations"])
        assert evening.signs_in(account, rekey.ok("reveal", record).out.strip())


def test_serve_does_what_a_command_that_was_interrupted_left_and_ends_when_told(evening: Evening) -> None:
    rekey, jane = evening.rekey, evening.staff[0]
    record = f"{jane.name} sign-in"
    rekey.ok("keys", "compromised", "--yes")  # plans, and leaves the work to others
    with serving(rekey) as child:
        until = monotonic() + 60
        while rekey.ok("history", record, "--json").json["rotations"][0]["status"] == "In progress":
            assert monotonic() < until, "serve has not taken the work up"
            assert child.poll() is None, (rekey.folder / "serve.log").read_text()
            sleep(0.2)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 0
    password = rekey.ok("reveal", record).out.strip()
    assert evening.signs_in(jane, password)
    log = (rekey.folder / "serve.log").read_text()
    assert "serving" in log
    assert password not in log
    assert evening.domain.service_password not in log
