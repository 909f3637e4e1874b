"""Values off the wire are read as they are meant, and what cannot be read makes us careful, never careless."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.directories.active_directory.entries import Entry
from bot.directories.active_directory.policy import domain_rules
from bot.directories.active_directory.proof import times_set
from bot.directories.active_directory.session import Session


def entry(**values: bytes) -> Entry:
    return Entry("CN=x", {name.lower(): [value] for name, value in values.items()})


@pytest.mark.parametrize(
    ("ticks", "moment"),
    [
        (b"0", None),
        (b"9223372036854775807", None),
        (b"116444736000000000", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"134398186035163610", datetime(2026, 11, 22, 10, 56, 43, 516361, tzinfo=UTC)),
    ],
)
def test_a_filetime_is_a_time_and_never_is_none(ticks: bytes, moment: datetime | None) -> None:
    assert entry(pwdLastSet=ticks).moment("pwdLastSet") == moment
    assert entry().moment("pwdLastSet") is None


@pytest.mark.parametrize(
    ("ticks", "span"),
    [
        (b"-864000000000", timedelta(days=1)),
        (b"-18000000000", timedelta(minutes=30)),
        (b"0", timedelta()),
        (b"-9223372036854775808", timedelta(days=36_525)),
    ],
)
def test_an_interval_is_a_length_of_time_that_can_still_be_added_to_a_date(ticks: bytes, span: timedelta) -> None:
    read = entry(minPwdAge=ticks).span("minPwdAge")
    assert read == span
    assert datetime(2026, 1, 1, tzinfo=UTC) + read


def metadata(*lines: tuple[int, int]) -> bytes:
    body = b"".join(struct.pack("<II40x", attribute, version) for attribute, version in lines)
    return struct.pack("<IIII", 1, 0, len(lines), 0) + body


def test_how_often_a_password_was_set_is_read_from_the_replication_metadata() -> None:
    blob = metadata((0, 1), (0x90008, 7), (0x9005A, 42), (0x90060, 43))
    assert times_set(entry(replPropertyMetaData=blob)) == 42


@pytest.mark.parametrize("blob", [b"", b"\x01", metadata((0x90008, 7)), metadata((0x9005A, 42))[:-1]])
def test_metadata_that_does_not_say_is_not_guessed_at(blob: bytes) -> None:
    assert times_set(entry(replPropertyMetaData=blob)) is None
    assert times_set(entry()) is None


@pytest.mark.parametrize("shown", [{}, {"minPwdLength": b"7"}, {"lockoutThreshold": b"0"}])
def test_a_domain_policy_that_is_hidden_is_not_taken_for_none(shown: dict[str, Any]) -> None:
    class Hidden:
        head = entry(**shown)

    rules = domain_rules(cast(Session, Hidden()))
    assert (rules.length, rules.complexity, rules.threshold) == (20, True, 3)
    assert rules.window >= timedelta(hours=1)
    assert "careful assumption" in rules.source
