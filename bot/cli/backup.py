"""`rekey backup`, `restore` and `recover`: three ways back, for three kinds of loss."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bot import backup as backups
from bot import escrow
from bot.cli.console import Json, print_json, say, services
from bot.permissions import cli_operator
from storage.escrow import read_recovery_key


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it, in place of an earlier one.")],
    as_json: Json = False,
) -> None:
    """Write a consistent copy to a file.

    Of everything but the key ring, while work goes on.
    """
    ready = services()
    manifest = backups.backup(ready.database, ready.safe.keys, ready.trail, cli_operator(), file)
    if as_json:
        print_json({"file": str(file), **asdict(manifest)})
    else:
        print(f"{file} holds {sum(manifest.rows.values())} rows as of {manifest.made_at}.")
    say("The key ring is not in it: keep a copy of that apart.")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup that `rekey backup` made.")], as_json: Json = False
) -> None:
    """Fill an empty database from a backup. Every lane is frozen until `rekey doctor` has compared the directories."""
    ready = services()
    manifest = backups.restore(ready.database, ready.safe.keys, ready.trail, cli_operator(), file)
    if as_json:
        print_json({"file": str(file), **asdict(manifest)})
    else:
        print(f"Restored {sum(manifest.rows.values())} rows as of {manifest.made_at}.")
    say(
        "Nothing is rotated until the directories were compared. Run `rekey recover` if the escrow file is newer than "
        "the backup, then `rekey doctor`."
    )


def recover(
    key: Annotated[Path, typer.Option("--key", help="The recovery.key that was moved offline.")], as_json: Json = False
) -> None:
    """Bring passwords back from escrow.

    Every password in the escrow file comes back into a database that was lost, or restored from yesterday.
    """
    ready = services()
    done = escrow.recover(ready.database, ready.safe, ready.trail, cli_operator(), read_recovery_key(key))
    if as_json:
        print_json(asdict(done))
    else:
        where = f"{done.records} new records in {done.organizations} new organizations"
        print(f"Recovered {done.revisions} passwords; {where}.")
    for why in done.damaged:
        say(why)
    say("Run `rekey apply` to bring the directories back, then `rekey sync` and `rekey matches list`.")
