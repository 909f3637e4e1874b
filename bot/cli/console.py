"""How commands speak: results on stdout, everything else on stderr, and the options they share."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlmodel import Session

from bot import app, logs
from bot.cli.door import BAD_INPUT, REFUSED
from bot.services import Services
from bot.settings import LogLevel, Settings, load
from storage.organizations import get_organization

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Act without asking.")]
OfOrganization = Annotated[
    str | None, typer.Option("--organization", "-o", help="Only this organization, by name or id.", metavar="NAME")
]


def settings() -> Settings:
    """The environment's settings; from here on the log speaks as they say, from warnings upwards unless they ask for
    more.
    """
    read = load()
    level = read.log_level if "log_level" in read.model_fields_set else LogLevel.WARNING
    logs.start(level, read.log_format)
    return read


def services() -> Services:
    """Everything a command works with, checked before it starts."""
    return app.build(settings())


def organization_id(session: Session, name: str | None) -> int | None:
    """The id of the organization that was asked for; None when none was."""
    return None if name is None else get_organization(session, name).id


_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
_LINE_SECONDS = 5.0


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr)


def confirm(yes: bool, command: str) -> None:
    """Go on only when told so: by --yes, or by whoever sits at the terminal. Ends the command otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        say(f"Nothing was changed. Without a terminal to ask at, `{command}` acts only with --yes.")
        raise typer.Exit(BAD_INPUT)
    print("Do this? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        say("Nothing was changed.")
        raise typer.Exit(REFUSED)


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how much of some long work is done: call what this yields with done and total, as often as you
    like. A bar at a terminal, elsewhere a line now and then.
    """
    console = Console(stderr=True)
    with Progress(*_COLUMNS, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown, at = -1, 0.0
        task = bar.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            nonlocal shown, at
            bar.update(task, completed=done, total=total)
            if not console.is_terminal and done != shown and (done == total or monotonic() - at > _LINE_SECONDS):
                shown, at = done, monotonic()
                say(f"{done} of {total} {what} done")

        yield told


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns for people, on stdout; on a pipe with tabs between, for `cut` and `awk`."""
    lines = [heads, *([plain(cell) for cell in row] for row in rows)]
    if not sys.stdout.isatty():
        for line in lines:
            print("\t".join(line))
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def plain(cell: object) -> str:
    """One line of harmless text: names come from outside and may hold control, bidi or zero-width characters."""
    text = "" if cell is None else str(cell)
    return "".join("\N{REPLACEMENT CHARACTER}" if _invisible(character) else character for character in text)


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
