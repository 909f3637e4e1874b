"""What the handbook says is what the program does."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.settings import Settings, variable_of
from bot.world_file.reading import read_world
from tests.cli.program import ROOT
from tests.world import write_world

DOCS = ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_world_file_of_the_handbook_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKEY_SECRET_ACME", "x")
    (text,) = blocks("world-file.md", "yaml")
    world = read_world(write_world(tmp_path, text), Settings(key_file=tmp_path / "rekey.key"))
    assert world.organizations[0].entry.viewers == ["U0BOSS"]


def test_every_command_line_of_the_handbook_is_one() -> None:
    texts = blocks("command-line.md", "sh")
    assert len(texts) > 1
    for line in "".join(texts).splitlines():
        words = re.sub(r"\s#.*|\"[^\"]*\"", "", line).split()[1:]
        named = [word for word in words if not word.endswith((".yaml", ".csv"))]
        shown = CliRunner().invoke(app, [*[word for word in named if not word.startswith("-")], "-h"])
        assert shown.exit_code == 0, line
        for option in (word for word in named if word.startswith("--")):
            assert option in shown.stdout, line


def test_every_setting_is_in_the_example() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert {variable_of(field) for field in Settings.model_fields} <= named
