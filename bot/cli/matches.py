"""`rekey matches`: which account goes with which record, and deciding on it."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from sqlmodel import Session

from bot.audit import Trail
from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, say, services, table
from bot.cli.door import REFUSED
from bot.errors import BadInput, RowNotFound
from bot.matching import linking, review
from bot.matching.review import Outcome
from bot.matching.suggesting import Candidate, candidates, closest, search
from bot.permissions import Decision, Operator, cli_operator
from bot.services import Services
from storage.accounts import get_account
from storage.matches import MatchRow, get_matches, match_of, match_rows
from storage.models import MatchState
from storage.organizations import organizations
from storage.records import get_record

commands = typer.Typer(no_args_is_help=True, help="Which account goes with which password record.")

_MOST_SEARCHES = 50
"""Each is compared with every record of its organization."""

Accounts = Annotated[
    list[str] | None,
    typer.Argument(help="Matches by their id, or accounts by name (DOMAIN\\user, user).", metavar="MATCH…"),
]
State = Annotated[list[MatchState] | None, typer.Option("--state", help="Only matches in this state; may be repeated.")]


@commands.command("list")
def list_matches(organization: OfOrganization = None, state: State = None, as_json: Json = False) -> None:
    """List the match of every account.

    Where nobody has decided yet, with the records that could be its own.
    """
    ready = services()
    with ready.database.reading() as session:
        rows = match_rows(session, organization_id=organization_id(session, organization), states=state)
        found = _candidates(session, rows)
    if as_json:
        print_json(
            [
                {
                    "id": row.match.id,
                    "organization": row.organization.name,
                    "directory": row.connection.name,
                    "account": row.account.username,
                    "tier": row.account.tier,
                    "record": row.record.name if row.record else None,
                    "link": row.record.link if row.record else None,
                    "vaulted": row.record is not None and row.record.guard is not None,
                    "state": row.match.state,
                    "candidates": [{"id": each.record_id, "name": each.name} for each in found[row.match.id]],
                }
                for row in rows
            ]
        )
        return
    table(
        ["ID", "ORGANIZATION", "ACCOUNT", "TIER", "STATE", "RECORD", "CANDIDATES"],
        [
            [
                row.match.id,
                row.organization.name,
                _shown(row),
                row.account.tier,
                row.match.state,
                row.record.name if row.record else "",
                ", ".join(f"{each.name} ({each.record_id})" for each in found[row.match.id]),
            ]
            for row in rows
        ],
    )


def _candidates(session: Session, rows: Sequence[MatchRow]) -> dict[int, list[Candidate]]:
    """Exact records; for accounts that have none, those that come closest, as long as there are few such accounts."""
    found = candidates(session, rows)
    without = [row for row in rows if row.match.state == MatchState.NONE]
    if len(without) > _MOST_SEARCHES:
        say(f"{len(without)} accounts have no exact record; `rekey matches search ACCOUNT` finds what comes closest.")
        return found
    return found | closest(session, without)


@commands.command("search")
def search_records(
    account: Annotated[str, typer.Argument(help="A match by its id, or an account by name.", metavar="MATCH")],
    text: Annotated[str, typer.Argument(help="What to look for; by default the account's own names.")] = "",
    organization: OfOrganization = None,
    as_json: Json = False,
) -> None:
    """Find the closest records, best first."""
    ready = services()
    with ready.database.reading() as session:
        found = search(session, _named(session, [account], organization)[0], text)
    if as_json:
        print_json([{"id": each.record_id, "name": each.name, "username": each.username} for each in found])
        return
    rows = [[each.record_id, each.name, each.username, round(each.score), each.note] for each in found]
    table(["ID", "RECORD", "USERNAME", "SCORE", "NOTE"], rows)


@commands.command()
def approve(
    accounts: Accounts = None,
    all_exact: Annotated[bool, typer.Option("--all-exact", "--all", help="Everything that is suggested.")] = False,
    organization: OfOrganization = None,
    as_json: Json = False,
) -> None:
    """Approve what is suggested.

    That is the consent to rotate; by itself it changes no password.
    """
    if all_exact == bool(accounts):
        raise BadInput("Name the matches to approve, or --all-exact for everything suggested. Nothing was changed.")
    ready = services()
    if accounts:
        _decide(ready, accounts, organization, as_json, review.approve)
        return
    with ready.database.writing() as session:
        wanted = organization_id(session, organization)
        ids = [wanted] if wanted is not None else [each.id for each in organizations(session)]
        outcomes = [
            outcome for each in ids for outcome in review.approve_all_exact(session, ready.trail, cli_operator(), each)
        ]
    _report(outcomes, as_json)


@commands.command()
def ignore(accounts: Accounts = None, organization: OfOrganization = None, as_json: Json = False) -> None:
    """Leave these accounts alone.

    They are not rotated, not suggested again, and not counted as unmatched.
    """
    _decide(services(), accounts, organization, as_json, review.ignore)


@commands.command()
def reopen(accounts: Accounts = None, organization: OfOrganization = None, as_json: Json = False) -> None:
    """Take decisions back."""
    _decide(services(), accounts, organization, as_json, review.reopen)


@commands.command()
def choose(
    accounts: Accounts = None,
    record: Annotated[
        str, typer.Option("--record", "-r", help="The record, by name or id; the last argument where left out.")
    ] = "",
    organization: OfOrganization = None,
    as_json: Json = False,
) -> None:
    """Approve a record of your choice.

    For one account or several, whatever was suggested.
    """
    named = list(accounts or ())
    if not record and len(named) > 1:
        record = named.pop()
    if not record:
        raise BadInput("Name the match, then the record it is to have. Nothing was changed.")
    ready = services()
    with ready.database.writing() as session:
        rows = _named(session, named, organization)
        home = rows[0].organization.id
        chosen = get_record(session, home, record)
        ids = [row.match.id for row in rows]
        outcomes = review.choose(session, ready.trail, cli_operator(), ids, chosen.id)
    _report(outcomes, as_json)


@commands.command("create-record")
def create_record(accounts: Accounts = None, organization: OfOrganization = None, as_json: Json = False) -> None:
    """Create a record for each account.

    In the embedded vault, and approved; it has no password until the first rotation.
    """
    _decide(services(), accounts, organization, as_json, review.create_record)


@commands.command()
def link(accounts: Accounts = None, organization: OfOrganization = None) -> None:
    """Say that accounts are the same person's.

    For those whose directories do not say it themselves: they may share a record then.
    """
    _link(accounts, organization, linking.link)


@commands.command()
def unlink(accounts: Accounts = None, organization: OfOrganization = None) -> None:
    """Take that back, for each of these accounts."""

    def each(session: Session, trail: Trail, operator: Operator, account_ids: Sequence[int]) -> Decision:
        return [linking.unlink(session, trail, operator, account_id) for account_id in account_ids][-1]

    _link(accounts, organization, each)


def _link(
    accounts: Sequence[str] | None,
    organization: str | None,
    verb: Callable[[Session, Trail, Operator, Sequence[int]], Decision],
) -> None:
    ready = services()
    with ready.database.writing() as session:
        rows = _named(session, accounts, organization)
        decision = verb(session, ready.trail, cli_operator(), [row.account.id for row in rows])
    print(decision.reason or f"Done, for {', '.join(map(_shown, rows))}. `rekey matches list` shows what became of it.")
    if not decision.allowed:
        raise typer.Exit(REFUSED)


Verb = Callable[..., list[Outcome]]


def _decide(
    ready: Services, accounts: Sequence[str] | None, organization: str | None, as_json: bool, verb: Verb
) -> None:
    with ready.database.writing() as session:
        ids = [row.match.id for row in _named(session, accounts, organization)]
        outcomes = verb(session, ready.trail, cli_operator(), ids)
    _report(outcomes, as_json)


def _named(session: Session, accounts: Sequence[str] | None, organization: str | None) -> list[MatchRow]:
    """The matches meant: a number is a match's id, anything else an account's name."""
    if not accounts:
        raise BadInput("Name at least one match by its id, or an account. `rekey matches list` shows them.")
    home = organization_id(session, organization)
    ids = [int(each) if each.isdecimal() else _match_id(session, home, each) for each in accounts]
    rows = get_matches(session, ids)
    for match_id in ids:
        if match_id not in rows or home not in (None, rows[match_id].organization.id):
            raise RowNotFound(f"There is no match {match_id} here. Nothing was changed.")
    return [rows[match_id] for match_id in ids]


def _match_id(session: Session, home: int | None, name: str) -> int:
    account = get_account(session, home, name)
    match = match_of(session, account.id)
    if match is None:
        raise RowNotFound(f"{name} was never looked for in the vault. `rekey sync` does that.")
    return match.id


def _report(outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        print_json([{"id": each.match_id, "done": each.done, "reason": each.reason} for each in outcomes])
    for outcome in outcomes:
        if outcome.reason:
            say(plain(f"{outcome.match_id}: {outcome.reason}"))
    done = sum(outcome.done for outcome in outcomes)
    if not as_json:
        print(f"{done} done, {len(outcomes) - done} left as they were.")
    if done < len(outcomes):
        raise typer.Exit(REFUSED)


def _shown(row: MatchRow) -> str:
    return f"{row.account.domain}\\{row.account.username}"
