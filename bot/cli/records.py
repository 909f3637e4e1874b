"""`rekey records`: fill the embedded vault from a CSV file, and list what it holds but for the passwords."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from bot import discovery
from bot.cli.console import Json, OfOrganization, plain, print_json, say, services, table
from bot.errors import BadInput
from bot.permissions import cli_operator
from bot.vaults import embedded
from bot.vaults.csv_file import EXPORTED, exported, write_csv
from storage.connections import connections_of
from storage.models import Connection, Organization
from storage.organizations import get_organization, organizations
from storage.records import records_of

commands = typer.Typer(no_args_is_help=True, help="The password records of the embedded vault.")


@commands.command("import")
def import_records(
    file: Annotated[
        Path,
        typer.Argument(help="CSV (UTF-8) whose first line is name,username,password,url,notes; or IT Glue's export."),
    ],
    organization: OfOrganization = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the file's password even where Rekey proved the present one.")
    ] = False,
    called: Annotated[
        str | None, typer.Option("--called", help="The organization's name in IT Glue's export, where it differs.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a CSV file into a vault.

    Wholly or not at all, and matches are suggested for what is new. Rotates nothing. Delete the file afterwards: it
    holds every password in clear.
    """
    ready = services()
    with ready.database.reading() as session:
        home, vault = _home(session, organization)
    done = discovery.import_records(
        ready.database, ready.safe, ready.trail, cli_operator(), vault.id, file, overwrite=overwrite, called=called
    )
    counts = done.counts()
    for why in done.skipped:
        say(plain(why))
    if as_json:
        print_json({"organization": home.name, "vault": vault.name, **counts})
    else:
        print(", ".join(f"{count} {name}" for name, count in counts.items()) + ".")
    say(f"{file} holds passwords in clear: delete it now.")


@commands.command("list")
def list_records(
    organization: OfOrganization = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, for a spreadsheet.")] = False,
    as_json: Json = False,
) -> None:
    """List every record, but for its password."""
    if as_json and csv:
        raise BadInput("--json and --csv cannot both be had. Nothing was written.")
    with services().database.reading() as session:
        homes = [get_organization(session, organization)] if organization else organizations(session)
        found = [(home, record) for home in homes for record in records_of(session, home.id)]
    if csv:
        write_csv((record for _, record in found), sys.stdout)
    elif as_json:
        print_json([{"organization": home.name, **exported(record)} for home, record in found])
    else:
        heads = ["ORGANIZATION", *(column.upper() for column in EXPORTED)]
        table(heads, [[home.name, *exported(record).values()] for home, record in found])


def _home(session: Session, name: str | None) -> tuple[Organization, Connection]:
    """The organization meant, with its vault; it need not be named while there is only one."""
    everyone = organizations(session)
    if name is None and len(everyone) != 1:
        raise BadInput("Say whose vault with --organization NAME. Nothing was imported.")
    home = get_organization(session, name) if name else everyone[0]
    vaults = [vault for _, vault in connections_of(session, "vault", [home.id]) if vault.kind == embedded.KIND]
    if not vaults:
        raise BadInput(f"{home.name} has no embedded vault. Nothing was imported. The world file gives it one.")
    return home, vaults[0]
