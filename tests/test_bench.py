"""The benches are found by name, and a name that is none is told."""

import pytest

from bench.__main__ import main


def test_a_bench_that_is_not_there_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("There is no bench nonsense. There are: ")
    assert {"matching", "sync"} <= set(said.rstrip(".\n").partition("There are: ")[2].split(", "))
