"""Errors leave the command line through one door: a sentence on stderr, an exit code, no traceback, no secret."""

from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from bot.cli import app
from bot.cli.door import Door
from bot.errors import (
    BadInput,
    CertificateRefused,
    EscrowProblem,
    KeyProblem,
    NoAnswer,
    NotPermitted,
    RowNotFound,
    SchemaProblem,
    SealBroken,
    SignInRefused,
    Throttled,
    Unreachable,
)

SECRET = "hunter2-hunter2"
COMMANDS = [
    *("apply", "export", "sync", "records", "matches", "rotate", "status", "history", "reveal", "doctor", "stop"),
    *("start", "audit", "keys", "backup", "restore", "recover", "migrate", "serve", "demo"),
]


def run(command: Callable[[], None]) -> tuple[int, str, str]:
    program = typer.Typer(cls=Door, pretty_exceptions_enable=False)
    program.command()(command)
    program.command("other")(lambda: None)
    result = CliRunner().invoke(program, ["command"])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("It is so."), 2),
        (RowNotFound("It is so."), 2),
        (NotPermitted("It is so."), 1),
        (KeyProblem("It is so."), 1),
        (SealBroken("It is so."), 1),
        (SchemaProblem("It is so."), 1),
        (EscrowProblem("It is so."), 1),
        (SignInRefused("It is so."), 1),
        (CertificateRefused("It is so."), 1),
        (Unreachable("It is so."), 3),
        (NoAnswer("It is so."), 3),
        (Throttled("It is so.", retry_after=3), 3),
    ],
)
def test_every_error_is_its_sentence_and_the_code_of_its_class(error: Exception, code: int) -> None:
    def command() -> None:
        raise error

    assert run(command) == (code, "", "It is so.\n")


def test_what_to_do_follows_what_happened() -> None:
    def command() -> None:
        raise Unreachable("dc1 is away.", mend="Check the network.")

    assert run(command)[2] == "dc1 is away. Check the network.\n"


def test_a_defect_is_a_sentence_with_a_reference_and_never_shows_what_it_held() -> None:
    def command() -> None:
        password = SECRET
        raise RuntimeError(f"could not use {password}")

    code, out, err = run(command)
    assert (code, out) == (1, "")
    assert "RuntimeError, reference " in err
    assert SECRET not in err
    assert "Traceback" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["no-such-command"], ["rotate", "--no-such-option"], ["apply"], ["status", "extra"]])
def test_bad_usage_exits_2_and_says_so_on_stderr(words: list[str]) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_every_command_explains_itself() -> None:
    overview = CliRunner().invoke(app, ["-h"]).stdout
    for name in COMMANDS:
        assert name in overview
        result = CliRunner().invoke(app, [name, "-h"])
        assert result.exit_code == 0
        assert "Usage" in result.stdout
