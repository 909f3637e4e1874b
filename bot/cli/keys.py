"""`rekey keys`: make the key ring, put a new key in front of it, and answer a key that got out."""

import typer

from bot.cli.console import Json, Yes, confirm, plain, print_json, say, services, settings
from bot.cli.door import REFUSED
from bot.errors import BadInput
from bot.keys import RotatedKeys, keys_init, keys_rewrap, keys_rotate
from bot.permissions import cli_operator
from bot.rotation.planning import Intent, preview, request
from bot.services import Services
from storage.connections import connections_of
from storage.organizations import organizations
from storage.records import records_of
from storage.rotations import approved_records

commands = typer.Typer(no_args_is_help=True, help="The key ring that seals every password.")


@commands.command()
def init(as_json: Json = False) -> None:
    """Make the key file and the recovery key."""
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
    """Put a new key in front of the ring.

    Everything is wrapped under it, while everything else goes on.
    """
    done = _rotate(services())
    if as_json:
        print_json({"key_id": done.key_id, "rewrapped": done.rewrapped, "broken": list(done.broken)})
    else:
        print(f"{done.rewrapped} sealed values are under the key {done.key_id} now.")
    if done.broken:
        say(f"These did not open and were left as they are: {', '.join(done.broken)}.")
        raise typer.Exit(REFUSED)


@commands.command()
def compromised(yes: Yes = False, as_json: Json = False) -> None:
    """Answer a key ring that got out.

    Puts a new key in front, and plans a new password for every record that has a match. The rotations run with
    `rekey serve`, or with the next `rekey rotate --all`. Connector credentials, and passwords of records without an
    approved match, are for people to change.
    """
    ready = services()
    ready.safe.escrow.check()
    operator = cli_operator()
    with ready.database.reading() as session:
        planned = preview(session, operator, approved_records(session), by_name=True)
        credentials = [
            f"{connection.name} of {organization.name}"
            for organization, connection in connections_of(session, "directory")
            if connection.credential is not None
        ]
        unmatched = sum(len(records_of(session, each.id)) for each in organizations(session)) - len(planned)
    say(f"A new key comes in front, and {len(planned)} records get new passwords, whatever their tier.")
    if unmatched:
        say(f"! {unmatched} records have no approved match: change those passwords yourself (`rekey records list`).")
    for name in credentials:
        say(plain(f"! Give the connector credential of {name} a new password yourself, then run `rekey apply`."))
    confirm(yes, "rekey keys compromised")
    try:
        done = _rotate(ready)
    except BadInput as error:  # the ring in REKEY_MASTER_KEY has its new key already
        say(str(error))
        done = RotatedKeys(ready.safe.keys.active_id, 0, ())
    with ready.database.writing() as session:
        previews = preview(session, operator, approved_records(session), by_name=True)
        rotations = request(session, ready.trail, operator, previews, by_name=True)
        ready.trail.append(
            session,
            event="keys.compromised",
            operator=operator.key,
            source=operator.source,
            subject=done.key_id,
            details={"rotations": len(rotations)},
        )
    refused = [each for each in previews if each.intent is Intent.REFUSE]
    for each in refused:
        say(plain(f"! {each.record.name} of {each.organization.name} cannot be rotated: {each.reason}"))
    counts = {"planned": len(rotations) - len(refused), "refused": len(refused)}
    if as_json:
        print_json({"key_id": done.key_id, "rewrapped": done.rewrapped, **counts, "credentials": credentials})
    else:
        print(f"{counts['planned']} rotations are planned. `rekey serve` runs them, or `rekey rotate --all`.")
    if refused or done.broken:
        raise typer.Exit(REFUSED)


def _rotate(ready: Services) -> RotatedKeys:
    say("Wrapping everything under a new key. It may be interrupted; running it again finishes.")
    if ready.settings.master_key is not None:
        return keys_rewrap(ready.database, ready.safe.keys, ready.trail, cli_operator())
    return keys_rotate(ready.database, ready.trail, cli_operator(), ready.settings.key_file)
