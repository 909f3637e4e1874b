"""The pretend Slack stands alone: it could be lifted out of Rekey as it is."""

import ast
from pathlib import Path

import bot.demo.slack

HOME = Path(bot.demo.slack.__file__).parent


def test_it_imports_nothing_of_the_bot() -> None:
    strangers = []
    for file in HOME.rglob("*.py"):
        depth = len(file.relative_to(HOME).parts)
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = ["bot" if node.level > depth else node.module or ""]
                names = [] if node.level and node.level <= depth else names
            own = {"bot", "handlers", "blocks", "storage", "tests"}
            strangers += [f"{file.name}: {name}" for name in names if name.split(".")[0] in own]
    assert strangers == []
