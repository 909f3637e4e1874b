"""`rekey switches …`: rotating on or off, everywhere or in one directory."""

from typing import Annotated

import typer

from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, services, table
from bot.errors import BadInput
from bot.permissions import cli_operator
from bot.switches import EVERYWHERE, switch_directory, switch_everywhere, switch_of
from storage.connections import connections_of, name_key
from storage.models import Connection, Organization
from storage.switches import off_everywhere

commands = typer.Typer(help="Switches: rotation on or off, everywhere and by directory.", no_args_is_help=True)

Named = Annotated[str | None, typer.Argument(help="The directory, by name.", metavar="DIRECTORY", show_default=False)]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="Rotating as a whole, for every organization.")]


@commands.command("list")
def list_(organization: OfOrganization = None, as_json: Json = False) -> None:
    """Show every switch, and who switched it off."""
    ready = services()
    with ready.database.reading() as session:
        home = organization_id(session, organization)
        found = connections_of(session, "directory", None if home is None else [home])
        off = off_everywhere(session)
    everywhere = (EVERYWHERE, None, None, *(off or (None, None)))
    rows = [everywhere, *((switch_of(c.kind).name, o.name, c.name, c.off_at, c.off_by) for o, c in found)]
    if as_json:
        print_json(
            [
                {
                    "switch": name,
                    "organization": owner,
                    "directory": directory,
                    "on": at is None,
                    "by": by,
                    "at": at.isoformat() if at else None,
                }
                for name, owner, directory, at, by in rows
            ]
        )
        return
    table(
        ("switch", "organization", "directory", "stands"),
        [
            (name, owner, directory, "on" if at is None else f"off since {at:%Y-%m-%d %H:%M} UTC by {by}")
            for name, owner, directory, at, by in rows
        ],
    )


@commands.command("on")
def on(
    directory: Named = None, organization: OfOrganization = None, everywhere: Everywhere = False, as_json: Json = False
) -> None:
    """Switch it on."""
    _switch(directory, organization, everywhere, as_json, on=True)


@commands.command("off")
def off(
    directory: Named = None, organization: OfOrganization = None, everywhere: Everywhere = False, as_json: Json = False
) -> None:
    """Switch it off: what is asked for there is refused from now on, and says why."""
    _switch(directory, organization, everywhere, as_json, on=False)


def _switch(directory: str | None, organization: str | None, everywhere: bool, as_json: bool, *, on: bool) -> None:
    if everywhere is (directory is not None):
        raise BadInput("Say which directory, or --everywhere. Nothing was changed.")
    ready, operator = services(), cli_operator()
    with ready.database.writing() as session:
        if directory is None:
            said = switch_everywhere(session, ready.trail, operator, on=on)
        else:
            home = organization_id(session, organization)
            owner, found = _named(connections_of(session, "directory", None if home is None else [home]), directory)
            said = switch_directory(session, ready.trail, operator, owner, found, on=on)
    if as_json:
        print_json({"on": on, "directory": directory, "told": said})
    else:
        print(plain(said))


def _named(found: list[tuple[Organization, Connection]], name: str) -> tuple[Organization, Connection]:
    fitting = [(owner, each) for owner, each in found if each.name_key == name_key(name)]
    if len(fitting) != 1:
        what = "There is no directory" if not fitting else "More than one organization has a directory"
        raise BadInput(f"{what} called {name}. Nothing was changed. Say whose with --organization.")
    return fitting[0]
