"""`rekey keys`: make the key ring, put a new key in front of it, and answer a key that got out."""

import typer

from bot.cli.console import Json, print_json, say, services, settings
from bot.errors import BadInput
from bot.keys import keys_init, keys_rewrap, keys_rotate
from bot.permissions import cli_operator

commands = typer.Typer(no_args_is_help=True, help="The key ring that seals every password.")


@commands.command()
def init(as_json: Json = False) -> None:
    """Make the key file and the recovery key. Never overwrites one."""
    read = settings()
    if read.master_key is not None:
        raise BadInput("REKEY_MASTER_KEY holds the key ring already. Nothing was made. Unset it to make a key file.")
    made = keys_init(read.key_file, read.escrow_dir)
    if as_json:
        print_json(
            {
                "key_file": str(made.key_file),
                "recovery_key": str(made.recovery_key) if made.recovery_key else None,
                "escrow_directory": str(made.escrow_directory),
            }
        )
    say(made.what_to_do())


@commands.command()
def rotate(as_json: Json = False) -> None:
    """Put a new key in front and wrap everything under it, while everything else goes on."""
    ready = services()
    say("Wrapping everything under a new key. It may be interrupted; running it again finishes.")
    if ready.settings.master_key is not None:
        done = keys_rewrap(ready.database, ready.safe.keys, ready.trail, cli_operator())
    else:
        done = keys_rotate(ready.database, ready.trail, cli_operator(), ready.settings.key_file)
    if as_json:
        print_json({"key_id": done.key_id, "rewrapped": done.rewrapped, "broken": list(done.broken)})
    else:
        print(f"{done.rewrapped} sealed values are under the key {done.key_id} now.")
    if done.broken:
        say(f"These did not open and were left as they are: {', '.join(done.broken)}.")
        raise typer.Exit(1)
