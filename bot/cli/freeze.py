"""`rekey stop` and `rekey start`: freeze an organization, durably, and lift that again."""

from collections.abc import Callable
from typing import Annotated

import typer
from sqlmodel import Session

from bot.audit import Trail
from bot.cli.console import Json, OfOrganization, plain, print_json, services
from bot.errors import BadInput
from bot.organizations import freeze, lift
from bot.permissions import Operator, cli_operator
from storage.models import Organization
from storage.organizations import get_organization, organizations

Named = Annotated[
    str | None,
    typer.Argument(help="The organization, by name or id; not needed while there is one.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="Every organization.")]


def stop(
    organization: Named = None, named: OfOrganization = None, everyone: All = False, as_json: Json = False
) -> None:
    """Freeze an organization.

    No password is written there any more until `rekey start`. What was already sent to a directory is still looked
    at, so that every password is known.
    """
    _switch(organization or named, everyone, as_json, freeze)


def start(
    organization: Named = None, named: OfOrganization = None, everyone: All = False, as_json: Json = False
) -> None:
    """Lift a freeze: what waited goes on."""
    _switch(organization or named, everyone, as_json, lift)


Verb = Callable[[Session, Trail, Operator, Organization], str]


def _switch(name: str | None, everyone: bool, as_json: bool, verb: Verb) -> None:
    ready = services()
    with ready.database.writing() as session:
        known = organizations(session)
        if everyone == bool(name) and (everyone or len(known) != 1):
            raise BadInput("Say which organization, or --all. Nothing was changed.")
        meant = [get_organization(session, name)] if name else known
        sentences = [verb(session, ready.trail, cli_operator(), each) for each in meant]
    if as_json:
        print_json([{"organization": each.name, "stopped": each.frozen_at is not None} for each in meant])
    else:
        for sentence in sentences:
            print(plain(sentence))
