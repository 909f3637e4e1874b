"""`rekey operators …`: who may do what, and how they prove themselves outside Slack."""

import re
from typing import Annotated

import typer

from bot.cli.console import Json, OfOrganization, plain, print_json, say, services, table
from bot.errors import BadInput
from bot.operators import grant as give
from bot.operators import listed
from bot.operators import revoke as take
from bot.permissions import cli_operator
from bot.step_up import new_code
from storage.models import Role
from storage.organizations import get_organization

commands = typer.Typer(help="Operators: roles, and the authenticator they step up with.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The operator's Slack user id, such as U012AB3CD.", metavar="OPERATOR")]


@commands.command("list")
def list_(as_json: Json = False) -> None:
    """Show who holds which role where, and who has enrolled an authenticator."""
    ready = services()
    with ready.database.reading() as session:
        found = listed(session, ready.settings.administrators)
    if as_json:
        print_json(
            [
                {
                    "operator": each.key,
                    "roles": [{"organization": place, "role": role} for place, role in each.roles],
                    "from_settings": each.from_settings,
                    "enrolled": each.enrolled,
                    "blocked": each.blocked,
                }
                for each in found
            ]
        )
        return
    rows = []
    for each in found:
        roles = [f"{role} in {place}" if place else f"{role} everywhere" for place, role in each.roles]
        if each.from_settings:
            roles.insert(0, "administrator everywhere (REKEY_ADMINISTRATORS)")
        standing = "blocked after wrong codes" if each.blocked else "enrolled" if each.enrolled else "not enrolled"
        rows.append((each.key, ", ".join(roles) or "none", standing))
    table(("operator", "roles", "authenticator"), rows)


@commands.command()
def enrol(operator: Key, as_json: Json = False) -> None:
    """Make a one-time code with which an operator sets up their authenticator app.

    Hand it to them in person or by telephone, never in Slack. It lasts a day. An authenticator they set up before goes
    on working until the new one does.
    """
    ready = services()
    with ready.database.writing() as session:
        code, until = new_code(session, ready.trail, cli_operator(), _user_id(operator))
    page = f"{ready.settings.pages_url}/enrol"
    if as_json:
        print_json({"operator": operator, "code": code.get_secret_value(), "until": until.isoformat(), "page": page})
        return
    print(code.get_secret_value())
    say(
        f"{operator} types it at {page} before {until:%Y-%m-%d %H:%M} UTC. It works once. Hand it over outside Slack: "
        "whoever holds it sets up the authenticator that stands for them."
    )


@commands.command()
def grant(
    operator: Key,
    role: Annotated[Role, typer.Argument(help="What they may be.")],
    organization: OfOrganization = None,
    as_json: Json = False,
) -> None:
    """Give an operator a role, in one organization or everywhere; it replaces another one held there."""
    ready = services()
    with ready.database.writing() as session:
        where = get_organization(session, organization) if organization else None
        sentence = give(session, ready.trail, cli_operator(), _user_id(operator), role, where)
    _answer(as_json, operator, where.name if where else None, role, sentence)


@commands.command()
def revoke(operator: Key, organization: OfOrganization = None, as_json: Json = False) -> None:
    """Take the role an operator holds in one organization, or everywhere."""
    ready = services()
    with ready.database.writing() as session:
        where = get_organization(session, organization) if organization else None
        sentence = take(session, ready.trail, cli_operator(), operator, where)
    if operator in ready.settings.administrators:
        sentence += (
            " REKEY_ADMINISTRATORS names them all the same: they are administrator everywhere until it does not."
        )
    _answer(as_json, operator, where.name if where else None, None, sentence)


def _answer(as_json: bool, operator: str, organization: str | None, role: Role | None, sentence: str) -> None:
    if as_json:
        print_json({"operator": operator, "organization": organization, "role": role})
    else:
        print(plain(sentence))


def _user_id(text: str) -> str:
    """Roles are bound to Slack's ids, never to names people can give themselves."""
    if not re.fullmatch(r"[UW][A-Z0-9]{2,}", text):
        raise BadInput(
            f"{text!r} is not a Slack user id, such as U012AB3CD (in Slack: the person's profile, ⋮, Copy member ID). "
            "Nothing was changed."
        )
    return text
