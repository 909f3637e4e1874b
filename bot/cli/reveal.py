"""`rekey reveal`: print a record's password. No audit row, no reveal."""

from typing import Annotated

import typer

from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, say, services
from bot.cli.door import REFUSED
from bot.permissions import cli_operator
from bot.reveal import read
from storage.records import get_record


def reveal(
    record: Annotated[str, typer.Argument(help="The record, by name or id.", metavar="RECORD")],
    organization: OfOrganization = None,
    as_json: Json = False,
) -> None:
    """Print a record's password.

    To stdout, once the audit trail says so. While a rotation is undecided a directory may hold another one: --json
    lists those as well, under "alternatives".
    """
    ready = services()
    with ready.database.writing() as session:
        wanted = get_record(session, organization_id(session, organization), record)
        found = read(session, ready.safe, ready.trail, cli_operator(), wanted)
    if as_json:
        print_json(
            {
                "record": found.record.name,
                "username": found.record.username,
                "password": found.password.get_secret_value() if found.password else None,
                "revision": found.current.id if found.current else None,
                "alternatives": [each.get_secret_value() for each in found.alternatives],
            }
        )
    elif found.password is not None:
        print(found.password.get_secret_value())
    if found.alternatives:
        say(
            f"A rotation of this record is undecided: a directory may hold one of {len(found.alternatives)} other "
            "passwords. --json lists them; rotating the record by name settles it."
        )
    if found.password is None:
        say(plain(f"{found.record.name} has no password that was proved yet."))
        raise typer.Exit(REFUSED)
