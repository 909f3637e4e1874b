"""`rekey apply`: show what a world file would change, then change it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.console import Json, Yes, confirm, plain, print_json, say, services
from bot.directories.base import Finding, Level
from bot.organizations import try_connection
from bot.permissions import cli_operator
from bot.services import Services
from bot.world_file import plan as plans
from bot.world_file.plan import NewDirectory
from bot.world_file.reading import read_world


def apply(
    file: Annotated[Path, typer.Argument(help="The world file (YAML).")],
    yes: Yes = False,
    overwrite_credentials: Annotated[
        bool,
        typer.Option(
            "--overwrite-credentials", help="Take credentials from the file even where Rekey has rotated them itself."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring everything up to a world file.

    That is organizations, connections, people and the rule, all of it or nothing. Shows the plan first. New and
    changed connections are tried before they are saved; one that does not work yet is saved all the same, and
    `rekey doctor` goes on about it.
    """
    ready = services()
    world = read_world(file, ready.settings, ready.extra_kinds)
    shown = plans.preview(ready.database, ready.safe.keys, world, overwrite_credentials=overwrite_credentials)
    for change in shown.changes:
        say(plain(change))
    for note in shown.notes:
        say(plain(f"! {note}"))
    if shown.changes:
        _try(ready, shown.directories)
        confirm(yes, "rekey apply")
        plans.apply(
            ready.database,
            ready.safe.keys,
            ready.trail,
            cli_operator(),
            world,
            shown,
            overwrite_credentials=overwrite_credentials,
        )
    if as_json:
        print_json({"applied": bool(shown.changes), "changes": shown.changes, "notes": shown.notes})
    else:
        print(f"Done: {len(shown.changes)} changes." if shown.changes else "Nothing to do: all is as the file says.")


def _try(ready: Services, directories: Sequence[NewDirectory]) -> None:
    """Say what the directories answer to connections that are not saved yet."""
    if not directories:
        return
    say(f"Trying {len(directories)} connection{'s' if len(directories) > 1 else ''} …")

    def one(new: NewDirectory) -> list[Finding]:
        settings = ready.settings
        return try_connection(
            new.connection, new.secret, settings.directory_networks, ready.extra_kinds, settings.extra_hosts
        )

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(one, directories))
    for new, findings in zip(directories, answers, strict=True):
        wrong = [finding for finding in findings if finding.level is not Level.OK]
        for finding in wrong:
            say(plain(f"! {new.connection.name} of {new.organization}: {finding.what} {finding.mend}".rstrip()))
        if not wrong:
            say(plain(f"  {new.connection.name} of {new.organization} works."))
