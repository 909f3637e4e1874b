"""`rekey schedule`: what rotates by itself in the next days, and putting off or leaving out some of it."""

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlmodel import Session

from bot.cli.console import Json, OfOrganization, plain, print_json, say, services, table
from bot.errors import BadInput
from bot.permissions import cli_operator
from bot.rotation.timetable import forecast, leave_out, put_off
from storage.models import Organization, Record, now
from storage.organizations import get_organization, organizations
from storage.records import get_record, get_records
from storage.schedules import excluded_records

commands = typer.Typer(help="The schedule: what rotates when, and putting it off.", invoke_without_command=True)

_NAMED = 5

OneRecord = Annotated[
    str | None, typer.Option("--record", "-r", help="Only this record, by name or id.", metavar="RECORD")
]
Name = Annotated[str, typer.Argument(help="The organization, by name or id.", metavar="ORGANIZATION")]
Day = Annotated[
    str | None, typer.Option("--day", help="What falls due up to this day, as 2026-11-22; today unless said.")
]


@commands.callback()
def schedule(
    context: typer.Context,
    organization: OfOrganization = None,
    days: Annotated[int, typer.Option("--days", help="How far to look ahead.", min=1, max=366)] = 30,
    as_json: Json = False,
) -> None:
    """Show what rotates by the schedule in the next 30 days, in each organization's own time."""
    if context.invoked_subcommand is not None:
        return
    ready = services()
    with ready.database.reading() as session:
        meant = [get_organization(session, organization)] if organization else organizations(session)
        found = sorted(
            (run for each in meant for run in forecast(session, each, now(), days)), key=lambda run: run.opening.begin
        )
        names = {
            record.id: record.name
            for record in get_records(session, [each for run in found for each in run.record_ids]).values()
        }
        left_out = {each.name: [record.name for record in excluded_records(session, each.id)] for each in meant}
    if as_json:
        print_json(
            [
                {
                    "organization": run.organization.name,
                    "begins_at": run.opening.begin.isoformat(),
                    "ends_at": run.opening.end.isoformat(),
                    "local": _local(run.opening.begin, run.organization),
                    "due": run.due.day.isoformat(),
                    "records": [names[each] for each in run.record_ids],
                }
                for run in found
            ]
        )
        return
    rows = []
    for run in found:
        some = ", ".join(names[each] for each in run.record_ids[:_NAMED])
        more = len(run.record_ids) - _NAMED
        until = run.opening.end.astimezone(ZoneInfo(run.organization.timezone))
        rows.append(
            (
                run.organization.name,
                _local(run.opening.begin, run.organization),
                f"{until:%H:%M}",
                len(run.record_ids),
                some + (f" and {more} more" if more > 0 else ""),
            )
        )
    table(("ORGANIZATION", "BEGINS", "UNTIL", "RECORDS", "NAMES"), rows)
    if not found:
        say("Nothing rotates by itself in this time: `rekey rules show` says what the rules are.")
    for name, records in left_out.items():
        if records:
            say(plain(f"Left out in {name}: {', '.join(records)}"))


@commands.command()
def skip(organization: Name, record: OneRecord = None, day: Day = None) -> None:
    """Skip what falls due: the next time is the one after it."""
    _put_off(organization, record, day, None)


@commands.command()
def later(
    organization: Name,
    until: Annotated[str, typer.Argument(help="Not before then, local time: 2026-11-23T22:00.", metavar="UNTIL")],
    record: OneRecord = None,
    day: Day = None,
) -> None:
    """Put off what falls due: it rotates in the first window after then."""
    _put_off(organization, record, day, until)


@commands.command()
def exclude(organization: Name, record: Annotated[str, typer.Argument(help="The record, by name or id.")]) -> None:
    """Leave a record out of schedules. Rotating it by name goes on."""
    _leave_out(organization, record, out=True)


@commands.command()
def include(organization: Name, record: Annotated[str, typer.Argument(help="The record, by name or id.")]) -> None:
    """Have schedules take a record again."""
    _leave_out(organization, record, out=False)


def _put_off(name: str, record_name: str | None, day: str | None, until: str | None) -> None:
    ready = services()
    with ready.database.writing() as session:
        organization, record = _found(session, name, record_name)
        zone = ZoneInfo(organization.timezone)
        try:
            through = date.fromisoformat(day) if day else now().astimezone(zone).date()
            moment = datetime.fromisoformat(until).replace(tzinfo=zone).astimezone(UTC) if until else None
        except ValueError:
            raise BadInput("Write days as 2026-11-22, and moments as 2026-11-23T22:00. Nothing was changed.") from None
        put_off(session, ready.trail, cli_operator(), organization, through, moment, record)
    what = f"{record.name} of {organization.name}" if record else f"Everything of {organization.name}"
    when = f"rotates not before {until} ({organization.timezone})" if until else "is skipped this time"
    print(plain(f"{what} that falls due up to {through} {when}."))


def _leave_out(name: str, record_name: str, *, out: bool) -> None:
    ready = services()
    with ready.database.writing() as session:
        organization, record = _found(session, name, record_name)
        if record is None:
            raise BadInput("Say which record.")
        changed = leave_out(session, ready.trail, cli_operator(), record, out=out)
    state = "left out of schedules" if out else "scheduled"
    print(plain(f"{record.name} of {organization.name} is {state}{'' if changed else ' already'}."))


def _found(session: Session, name: str, record_name: str | None) -> tuple[Organization, Record | None]:
    organization = get_organization(session, name)
    return organization, get_record(session, organization.id, record_name) if record_name else None


def _local(moment: datetime, organization: Organization) -> str:
    return f"{moment.astimezone(ZoneInfo(organization.timezone)):%a %Y-%m-%d %H:%M} {organization.timezone}"
