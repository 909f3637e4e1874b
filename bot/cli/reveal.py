"""`rekey reveal`: print a record's password. No audit row, no reveal."""

from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import SecretStr
from sqlmodel import Session

from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, say, services
from bot.cli.door import REFUSED
from bot.errors import NotPermitted
from bot.permissions import Operator, cli_operator, may_read
from bot.services import Services
from storage.models import Record, Revision, RevisionState, Tier
from storage.organizations import get_organization
from storage.records import get_record
from storage.revisions import open_revision, possibly_held
from storage.rotations import matched_accounts


@dataclass(frozen=True, slots=True)
class Revealed:
    """A record's proved password, and the others that a directory might hold."""

    record: Record
    current: Revision | None
    password: SecretStr | None
    alternatives: tuple[SecretStr, ...]


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
        found = _open(
            session, ready, cli_operator(), get_record(session, organization_id(session, organization), record)
        )
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


def _open(session: Session, ready: Services, operator: Operator, record: Record) -> Revealed:
    """Open what is asked for and write down that it was; nothing may be shown before that is committed."""
    home = get_organization(session, record.organization_id)
    accounts = [matched.account for matched in matched_accounts(session, [record.id])[record.id]]
    for account in accounts:
        decision = may_read(operator, home.id, Tier(account.tier))
        if not decision.allowed:
            raise NotPermitted(f"{decision.reason} Nothing was shown.")
    shown = possibly_held(session, record.id)
    current = next((each for each in shown if each.state == RevisionState.CURRENT), None)
    secrets = {each.id: open_revision(ready.safe, home.uid, record.uid, each) for each in shown}
    ready.trail.append(
        session,
        event="record.revealed",
        operator=operator.key,
        source=operator.source,
        organization=home,
        subject=f"record {record.id}",
        details={"record": record.name, "revisions": [each.uid for each in shown]},
    )
    alternatives = tuple(secrets[each.id] for each in shown if each is not current)
    return Revealed(record, current, secrets[current.id] if current else None, alternatives)
