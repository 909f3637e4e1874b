"""`rekey stop` and `rekey start`: freeze an organization, durably, and lift that again."""

from typing import Annotated

import typer

from bot.cli.console import Json, print_json, services
from bot.organizations import freeze, lift
from bot.permissions import cli_operator
from storage.organizations import get_organization

Named = Annotated[str, typer.Argument(help="The organization, by name or id.", metavar="ORGANIZATION")]


def stop(organization: Named, as_json: Json = False) -> None:
    """Freeze an organization: no password is written there any more until `rekey start`.

    What was already sent to a directory is still looked at, so that every password is known.
    """
    _switch(organization, as_json, frozen=True)


def start(organization: Named, as_json: Json = False) -> None:
    """Lift a freeze: what waited goes on."""
    _switch(organization, as_json, frozen=False)


def _switch(name: str, as_json: bool, *, frozen: bool) -> None:
    ready = services()
    with ready.database.writing() as session:
        organization = get_organization(session, name)
        sentence = (freeze if frozen else lift)(session, ready.trail, cli_operator(), organization)
    if as_json:
        print_json({"organization": organization.name, "stopped": frozen})
    else:
        print(sentence)
