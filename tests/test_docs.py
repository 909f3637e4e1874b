"""What the documents say is so: commands, options, settings, files, statuses, the world files in them, the tree."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from bot.cli import app
from bot.settings import Settings, variable_of
from bot.world_file.reading import read_world
from storage.models import Status
from tests.world import write_world

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SPOKEN = [
    *PAGES,
    *sorted((ROOT / "bot").rglob("*.py")),
    *sorted((ROOT / "storage").rglob("*.py")),
    ROOT / ".env.example",
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def _ids(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def _fences(page: Path, *languages: str) -> Iterator[str]:
    for language, content in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield content


def _said(path: Path) -> Iterator[list[str]]:
    """Every `rekey …` that a page or a message tells somebody to type, as words."""
    text = path.read_text(encoding="utf-8")
    lines = [span for span in _SPAN.findall(text) if span.startswith("rekey ")]
    if path.suffix == ".md":
        typed = [line for content in _fences(path, "sh", "console") for line in content.splitlines()]
        lines += [each.strip() for line in typed for each in re.split(r"&&|\|", line.removeprefix("$ "))]
    for line in lines:
        line = re.sub(r"^(?:[A-Z_]+=\S+ )*", "", line)
        if line.startswith("rekey ") and "{" not in line:
            yield shlex.split(line, comments=True)[1:]


def _commands() -> dict[tuple[str, ...], set[str]]:
    """Every command with its options."""

    def options(command: typer.core.TyperCommand) -> set[str]:
        return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}

    known: dict[tuple[str, ...], set[str]] = {}
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        known[(name,)] = options(command)
        for inner, each in getattr(command, "commands", {}).items():
            known[name, inner] = options(each)
    return known


@pytest.mark.parametrize("path", SPOKEN, ids=_ids(SPOKEN))
def test_every_command_and_option_that_is_named_exists(path: Path) -> None:
    known = _commands()
    for words in _said(path):
        if words[0].isupper() or words[0] in {"…", "-h", "--help"}:
            continue
        alternatives = words[1].split("|") if len(words) > 1 and "|" in words[1] else words[1:2]
        for name in words[0].split("|"):
            assert (name,) in known, f"rekey {' '.join(words)}"
            inner = {key[1] for key in known if len(key) == 2 and key[0] == name}
            command: tuple[str, ...] = (name,)
            for each in alternatives if inner else []:
                assert each in inner or each in {"…", "-h"}, f"rekey {' '.join(words)}"
                command = (name, each) if each in inner else command
            for option in (word.partition("=")[0] for word in words if word.startswith("-")):
                assert option in known[command] | {"-h", "--help"}, f"rekey {' '.join(words)}"


def test_every_command_is_explained_somewhere() -> None:
    named = {tuple(words[:length]) for page in PAGES for words in _said(page) for length in (1, 2)}
    missing = [command for command in _commands() if command not in named]
    assert missing == []


def test_every_setting_that_is_named_exists() -> None:
    settings = {variable_of(field) for field in Settings.model_fields} | {"REKEY_CRASH_KILLS", "REKEY_REAL_PARTS"}
    for page in PAGES:
        for name in re.findall(r"\bREKEY_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")):
            assert name in settings or name.startswith("REKEY_SECRET"), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in _LINK.findall(_FENCE.sub("", text)):
        assert target.startswith("http") or (page.parent / target).exists(), target
    for span in _SPAN.findall(_FENCE.sub("", text)):
        if re.fullmatch(r"(bot|storage|tests|docs|bench)/[\w/.-]+", span):
            assert (ROOT / span).exists(), span
        made = re.fullmatch(r"make (\w+)", span)
        if made:
            assert re.search(rf"^{made[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), span


_WORLDS = [
    pytest.param(content, id=f"{page.name}-{number}")
    for page in PAGES
    for number, content in enumerate(_fences(page, "yaml"))
    if "organizations:" in content
]


@pytest.mark.parametrize("content", _WORLDS)
def test_every_world_file_in_a_page_is_one(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(re.findall(r"env:(\w+)", content)):
        monkeypatch.setenv(name, "a password")
    world = read_world(write_world(tmp_path, content), Settings())
    assert [each.entry.name for each in world.organizations] == ["Acme Dental"]


def test_the_readme_has_a_world_file_and_every_status() -> None:
    readme = ROOT / "README.md"
    assert any("organizations:" in content for content in _fences(readme, "yaml"))
    explained = re.findall(r"^\| `([A-Za-z ]+)` \|", readme.read_text(encoding="utf-8"), re.MULTILINE)
    assert explained == [str(status) for status in Status]


def test_the_tree_in_the_architecture_is_what_the_sources_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "tree.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
