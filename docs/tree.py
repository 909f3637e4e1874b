"""Draw the tree in docs/architecture.md from the first line of every module's docstring.

`make docs` runs this; `--check` changes nothing and exits 1 when the page is not what the sources say.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree: written by `make docs` -->\n", "<!-- end of tree -->\n"
DEEPEST = 3
"""Packages below this depth are one line: their own pages tell what is inside."""


def main() -> int:
    """Write the tree into the page, or check it; the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        print(f"{PAGE} has lost the lines between which the tree stands: {BEGIN}{END}", file=sys.stderr)
        return 1
    drawn = f"{before}{BEGIN}\n```\n{tree()}\n```\n\n{END}{after}"
    if drawn == page:
        return 0
    if "--check" in sys.argv[1:]:
        print("The tree in docs/architecture.md is not what the sources say: run `make docs`.", file=sys.stderr)
        return 1
    PAGE.write_text(drawn, encoding="utf-8")
    return 0


def tree() -> str:
    """Every package and module with the first line of its docstring."""
    lines = [line for name in ("bot", "handlers", "blocks", "storage") for line in _beneath(ROOT / name, 1)]
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name:{width}}{says}".rstrip() for name, says in lines)


def _beneath(folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    if not (folder / "__init__.py").exists():
        return
    indent = "  " * (depth - 1)
    yield f"{indent}{folder.name}/", _says(folder / "__init__.py")
    if depth >= DEEPEST and folder.name != "active_directory":
        return
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir():
            yield from _beneath(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            yield f"{indent}  {path.name}", _says(path)


def _says(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = docstring.partition("\n")[0]
    return first if first.endswith((".", ":")) else f"{first} …"


if __name__ == "__main__":
    sys.exit(main())
