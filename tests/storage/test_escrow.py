"""What the escrow file promises: what was appended can be read back with the offline key, whatever died meanwhile."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import SecretStr

from bot.errors import EscrowProblem
from storage.escrow import (
    Damaged,
    Entry,
    Escrow,
    Proved,
    new_recovery_key,
    put_recovery_public_key,
    read_recovery_key,
    recovery_key_text,
)
from storage.models import RevisionState
from tests.storage.worlds import AT

APPENDER = """
import sys
from pathlib import Path
from tests.storage.test_escrow import entry
from storage.escrow import Escrow
directory, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
number = 0
while number != count:
    Escrow(directory).append([entry(f"{name}-{number}"), entry(f"{name}-{number}b")])
    print(number, flush=True)
    number += 1
"""


def entry(password: str) -> Entry:
    return Entry(
        organization="Acme – Dental",
        organization_uid="o1",
        vault="acme-vault",
        record="Front desk",
        record_uid="r1",
        username="desk",
        url=None,
        revision_uid=f"revision {password[::-1]}",
        state=RevisionState.PENDING,
        origin="generated",
        created_at=AT,
        password=SecretStr(password),
    )


def passwords(escrow: Escrow, key: X25519PrivateKey) -> list[str]:
    return [line.password.get_secret_value() for line in escrow.read(key) if isinstance(line, Entry)]


@pytest.fixture
def recovery_key() -> X25519PrivateKey:
    return new_recovery_key()


@pytest.fixture
def escrow(tmp_path: Path, recovery_key: X25519PrivateKey) -> Escrow:
    put_recovery_public_key(tmp_path / "escrow", recovery_key)
    return Escrow(tmp_path / "escrow")


def _appender(escrow: Escrow, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", APPENDER, str(escrow.directory), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_every_entry_comes_back_as_it_was_appended(escrow: Escrow, recovery_key: X25519PrivateKey) -> None:
    written: list[Entry | Proved] = [entry("one"), Proved("revision eno", AT), entry("zwei ✓")]
    escrow.append(written[:1])
    escrow.append(written[1:])
    assert list(escrow.read(recovery_key)) == written


def test_the_file_is_ours_alone_and_shows_nothing(escrow: Escrow) -> None:
    escrow.append([entry("very secret")])
    content = escrow.path.read_text()
    assert escrow.path.stat().st_mode & 0o777 == 0o600
    for clear in ("very secret", "Front desk", "desk", "Dental"):
        assert clear not in content
    assert "very secret" not in repr(entry("very secret"))


def test_another_key_opens_nothing_and_says_so(escrow: Escrow) -> None:
    escrow.append([entry("one")])
    lines = list(escrow.read(new_recovery_key()))
    assert [type(line) for line in lines] == [Damaged]
    assert "another recovery key" in repr(lines[0])


def test_an_edited_line_is_reported_and_the_others_are_read(escrow: Escrow, recovery_key: X25519PrivateKey) -> None:
    escrow.append([entry("one"), entry("two"), entry("three")])
    lines = escrow.path.read_text().splitlines()
    outer = json.loads(lines[1])
    outer["once"] = json.loads(lines[0])["once"]
    lines[1] = json.dumps(outer)
    escrow.path.write_text("\n".join(lines) + "\n")
    read = list(escrow.read(recovery_key))
    assert [type(line) for line in read] == [Entry, Damaged, Entry]
    assert isinstance(read[1], Damaged)
    assert read[1].line == 2


@pytest.mark.parametrize("left_over", [1, 30, 200])
def test_a_torn_last_line_loses_nothing_else_and_is_repaired_by_the_next_append(
    escrow: Escrow, recovery_key: X25519PrivateKey, left_over: int
) -> None:
    escrow.append([entry("one"), entry("two")])
    whole = escrow.path.read_bytes()
    first_line = whole.index(b"\n") + 1
    escrow.path.write_bytes(whole[: first_line + left_over])
    assert passwords(escrow, recovery_key) == ["one"]
    escrow.append([entry("three")])
    assert passwords(escrow, recovery_key) == ["one", "three"]


def test_a_line_without_its_line_end_still_counts(escrow: Escrow, recovery_key: X25519PrivateKey) -> None:
    escrow.append([entry("one")])
    os.truncate(escrow.path, escrow.path.stat().st_size - 1)
    escrow.append([entry("two")])
    assert passwords(escrow, recovery_key) == ["one", "two"]


def test_two_processes_appending_at_once_lose_nothing(escrow: Escrow, recovery_key: X25519PrivateKey) -> None:
    appenders = [_appender(escrow, name, 60) for name in ("a", "b", "c")]
    assert [appender.communicate()[0].count("\n") for appender in appenders] == [60, 60, 60]
    read = list(escrow.read(recovery_key))
    assert not [line for line in read if isinstance(line, Damaged)]
    expected = {f"{name}-{number}{half}" for name in "abc" for number in range(60) for half in ("", "b")}
    assert set(passwords(escrow, recovery_key)) == expected
    assert len(read) == 360


def test_kill_9_while_appending_loses_no_entry_that_was_reported_kept(
    escrow: Escrow, recovery_key: X25519PrivateKey
) -> None:
    kept: list[str] = []
    for round_ in range(3):
        appender = _appender(escrow, f"round{round_}", -1)
        assert appender.stdout is not None
        for _ in range(20):
            number = appender.stdout.readline().strip()
            kept += [f"round{round_}-{number}", f"round{round_}-{number}b"]
        appender.send_signal(signal.SIGKILL)
        appender.communicate()
    assert set(kept) <= set(passwords(escrow, recovery_key))
    escrow.append([entry("after")])
    assert passwords(escrow, recovery_key)[-1] == "after"


def test_an_escrow_directory_that_is_not_mounted_stops_new_passwords(tmp_path: Path) -> None:
    (tmp_path / "mountpoint").mkdir()
    escrow = Escrow(tmp_path / "mountpoint")
    for action in (escrow.check, lambda: escrow.append([entry("one")])):
        with pytest.raises(EscrowProblem, match="mounted"):
            action()
    assert not escrow.path.exists()


def test_a_full_escrow_disk_is_an_error_with_a_sentence(tmp_path: Path, recovery_key: X25519PrivateKey) -> None:
    put_recovery_public_key(tmp_path, recovery_key)
    escrow = Escrow(tmp_path)
    os.symlink("/dev/full", escrow.path)
    with pytest.raises(EscrowProblem, match=r"No space left.*No new password was kept"):
        escrow.append([entry("one")])


def test_the_recovery_key_survives_its_file(tmp_path: Path, escrow: Escrow, recovery_key: X25519PrivateKey) -> None:
    escrow.append([entry("one")])
    path = tmp_path / "recovery.key"
    path.write_text(recovery_key_text(recovery_key).get_secret_value())
    assert passwords(escrow, read_recovery_key(path)) == ["one"]


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe"])
def test_what_is_no_recovery_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recovery.key"
    path.write_bytes(content)
    with pytest.raises(EscrowProblem, match="not a Rekey recovery key"):
        read_recovery_key(path)


def test_a_recovery_key_is_never_overwritten(escrow: Escrow) -> None:
    before = (escrow.directory / "recovery.pub").read_bytes()
    with pytest.raises(EscrowProblem, match="already"):
        put_recovery_public_key(escrow.directory, new_recovery_key())
    assert (escrow.directory / "recovery.pub").read_bytes() == before
