"""One folder per test run, in which every real part is started once and by which it is found again to be stopped.

The folder belongs to the process that controls the run (under pytest-xdist its workers inherit the name in
`REKEY_REAL_PARTS`). A run that was killed cannot clean up: the next one does it instead.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock

_VARIABLE = "REKEY_REAL_PARTS"
_PREFIX = "rekey-real-"
_STOPPED_BY = {
    "samba.pid": signal.SIGKILL,
    "postmaster.pid": signal.SIGQUIT,  # PostgreSQL's immediate shutdown, which frees its shared memory
}


def missing(what: str) -> NoReturn:
    """Say that this machine lacks a real part: a skip on a developer's machine, a failure under `CI=true`."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} (a missing real part is a failure under CI=true)", pytrace=False)
    pytest.skip(what)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Return as soon as the condition holds; raise TimeoutError naming `what` when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)


def open_run_folder() -> Path:
    """Make this run's folder, owned by this process, after removing what runs that were killed left behind."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not _owner_lives(left):
            close_run_folder(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / "owner").write_text(f"{os.getpid()} {_started(os.getpid())}")
    folder.chmod(0o711)  # PostgreSQL runs as somebody else and has to walk through it
    os.environ[_VARIABLE] = str(folder)
    return folder


def close_run_folder(folder: Path) -> None:
    """Stop every server that was started in the folder, then remove it."""
    for name, how in _STOPPED_BY.items():
        for pid_file in folder.rglob(name):
            stop_server(pid_file, how)
    shutil.rmtree(folder, ignore_errors=True)


def run_folder() -> Path:
    """The folder of the run that this process belongs to."""
    return Path(os.environ[_VARIABLE])


def once(name: str, start: Callable[[Path], None]) -> Path:
    """Start a part in the run's folder unless another worker has; return the part's own folder."""
    part = run_folder() / name
    with FileLock(run_folder() / f"{name}.lock"):
        if not (part / "ready").exists():
            shutil.rmtree(part, ignore_errors=True)  # what a start that failed in another worker left
            part.mkdir(mode=0o711)
            start(part)
            (part / "ready").touch()
    return part


def stop_server(pid_file: Path, how: signal.Signals = signal.SIGKILL) -> None:
    """Signal the server that the pid file names, with its whole process group, and wait until it is gone.

    It is signalled only if it works in the file's folder: its pid may have been given to somebody else since.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return
    if _works_in(pid, pid_file.parent):
        os.killpg(pid, how)
        wait_until(lambda: _started(pid) == "", f"process {pid} of {pid_file} to end")
    pid_file.unlink(missing_ok=True)


def _owner_lives(folder: Path) -> bool:
    try:
        pid, started = (folder / "owner").read_text().split()
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime < 60  # perhaps just being made
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), stat, field 22); empty when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _works_in(pid: int, folder: Path) -> bool:
    for link in [Path(f"/proc/{pid}/cwd"), *Path(f"/proc/{pid}/fd").glob("*")]:
        try:
            if Path(os.readlink(link)).is_relative_to(folder):
                return True
        except OSError:
            continue  # closed while we looked, or the process has ended
    return False
