"""`rekey audit`: prove that the trail is whole, and hand it out."""

import io
import json
import sys
from typing import Annotated

import typer

from bot.audit import export_csv, export_json
from bot.cli.console import Json, print_json, say, services
from bot.errors import BadInput

commands = typer.Typer(no_args_is_help=True, help="The audit trail: who did what, provably.")


@commands.command()
def verify(as_json: Json = False) -> None:
    """Prove that the trail is whole.

    Finds any edit, gap, reordering or cut tail; exits 1 when there is one.
    """
    ready = services()
    with ready.database.reading() as session:
        found = ready.trail.verify(session)
    if as_json:
        print_json({"ok": found.ok, "lines": found.lines, "problems": list(found.problems)})
    elif found.ok:
        print(f"The audit trail is whole: {found.lines} lines.")
    for problem in found.problems:
        say(problem)
    if not found.ok:
        say("Keep a copy of the database and of the escrow directory for whoever investigates.")
        raise typer.Exit(1)


@commands.command()
def export(
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
) -> None:
    """Write every line to stdout.

    As one JSON object a line, as one JSON list (--json), or as CSV (--csv).
    """
    if as_json and csv:
        raise BadInput("--json and --csv cannot both be had. Nothing was written.")
    ready = services()
    with ready.database.reading() as session:
        if csv:
            count = export_csv(session, sys.stdout)
        elif as_json:
            lines = io.StringIO()
            count = export_json(session, lines)
            print_json([json.loads(line) for line in lines.getvalue().splitlines()])
        else:
            count = export_json(session, sys.stdout)
    say(f"{count} lines.")
