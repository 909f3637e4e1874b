"""The log says what happened and never what is secret, whoever writes the line."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from bot import logs

SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _the_log_of_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    for ours in ("bot", "handlers", "storage"):
        logging.getLogger(ours).setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.mark.parametrize("style", ["console", "json"])
def test_no_secret_passes_whatever_its_clothes(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("debug", style)
    log = structlog.get_logger("bot.tests")
    log.info(
        "signing in", account="CORP\\jo", password=SECRET, value=SecretStr(SECRET), inner={"bind_password": SECRET}
    )
    log.info("opening", url=f"postgresql://rekey:{SECRET.replace(' ', '')}@db/rekey", several=[SecretStr(SECRET)])
    logging.getLogger("bot.elsewhere").warning("old style %s", "line", extra={"token": SECRET})
    out, err = capsys.readouterr()
    assert out == ""
    assert "CORP" in err
    assert "old style line" in err
    assert SECRET not in err
    assert SECRET.replace(" ", "") not in err


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_never_shows_local_variables(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("info", style)
    local = "-".join(["local", "value", "x"])
    try:
        raise RuntimeError("it broke" + local[:0])
    except RuntimeError:
        structlog.get_logger("bot.tests").exception("failed")
    err = capsys.readouterr().err
    assert "it broke" in err
    assert local not in err


def test_json_lines_are_json_and_libraries_speak_only_from_warning_upwards(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("debug", "json")
    structlog.get_logger("bot.tests").debug("seen", count=3)
    logging.getLogger("some.library").debug("what I send is …")
    logging.getLogger("some.library").warning("odd")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["seen", "odd"]
    assert lines[0]["count"] == 3
