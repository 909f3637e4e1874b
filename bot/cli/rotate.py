"""`rekey rotate`: give records, and every account matched to them, a new password each."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from sqlmodel import Session

from bot.app import scheduler
from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, progress, say, services, table
from bot.cli.door import REFUSED, UNREACHABLE
from bot.cli.status import documents, rows
from bot.errors import BadInput
from bot.permissions import cli_operator
from bot.rotation import restoring
from bot.rotation.planning import Intent, Preview, preview, request
from bot.rotation.report import RecordStatus, report
from bot.services import Services
from storage.lanes import Waiting
from storage.models import Organization, Record, Status
from storage.organizations import get_organization
from storage.records import get_record
from storage.rotations import approved_records

Names = Annotated[
    list[str] | None,
    typer.Option("--record", "-r", help="This record, by name or id; may be repeated.", metavar="RECORD"),
]


def rotate(
    record: Names = None,
    everything: Annotated[
        bool, typer.Option("--all", help='Every record with an approved match whose tier is part of "all".')
    ] = False,
    restore: Annotated[
        int | None,
        typer.Option(
            help="Bring this earlier version of the one record back (`rekey history` has the numbers), instead of "
            "making a new password.",
            metavar="VERSION",
        ),
    ] = None,
    vault_only: Annotated[
        bool, typer.Option("--vault-only", help="With --restore: in the vault alone. No directory is touched.")
    ] = False,
    organization: OfOrganization = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what each account would get and why; do nothing.")
    ] = False,
    sign_out: Annotated[
        bool, typer.Option("--sign-out", help="Then end open sessions everywhere, where a directory can do that.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give records a new password.

    It reaches every directory and the vault, or none. Joins and resumes what is open already. Returns when every
    rotation has ended (exit 0, or 1 when one did not succeed), or when all that are left wait for a system that is
    away (exit 3: they go on with `rekey serve`, or with the next `rekey rotate`). With --restore an earlier password
    is brought back instead.
    """
    if everything == bool(record):
        raise BadInput("Say which: --record NAME (may be repeated), or --all. Nothing was rotated.")
    if (restore is None and vault_only) or (restore is not None and len(record or ()) != 1):
        raise BadInput("--restore takes one record, and --vault-only goes with it. Nothing was changed.")
    ready = services()
    operator = cli_operator()

    def wanted(session: Session) -> list[Preview]:
        asked = _asked(session, record, organization)
        if restore is None:
            return preview(session, operator, asked, by_name=bool(record))
        return [restoring.preview(session, operator, *each, restoring.Restore(restore, vault_only)) for each in asked]

    if dry_run:
        with ready.database.reading() as session:
            previews = wanted(session)
        _say_left_out(previews)
        _show_previews(previews, as_json)
        return
    ready.safe.escrow.check()
    with ready.database.writing() as session:
        previews = wanted(session)
        rotation_ids = request(session, ready.trail, operator, previews, by_name=bool(record), sign_out=sign_out)
        restoring.finish_here(session, ready.safe.escrow, rotation_ids)
    _say_left_out(previews)
    if not previews:
        say("No record has an approved match yet: `rekey matches list` shows what could be approved.")
    asked = [(each.organization, each.record) for each in previews if each.intent is not Intent.LEAVE_OUT]
    waiting = _run(ready, rotation_ids)
    with ready.database.reading() as session:
        found = report(session, asked)
    _show(found, as_json)
    still_open = any(each.status is Status.IN_PROGRESS for each in found)  # what waited may have ended since
    for reason in waiting.reasons if still_open else ():
        say(plain(f"Waiting: {reason}"))
    raise typer.Exit(_exit_code(found))


def _asked(
    session: Session, names: Sequence[str] | None, organization: str | None
) -> list[tuple[Organization, Record]]:
    home = organization_id(session, organization)
    if not names:
        return approved_records(session, home)
    records = {each.id: each for each in (get_record(session, home, name) for name in names)}
    return [(get_organization(session, each.organization_id), each) for each in records.values()]


def _run(ready: Services, rotation_ids: Sequence[int]) -> Waiting:
    with progress("rotations") as told, scheduler(ready) as running:
        return running.run_rotations(
            rotation_ids, lambda waiting: told(len(rotation_ids) - waiting.open, len(rotation_ids))
        )


def _say_left_out(previews: Sequence[Preview]) -> None:
    """Count what "all" does not include, once per reason."""
    left_out = Counter(
        each.reason.partition(": ")[2] or each.reason for each in previews if each.intent is Intent.LEAVE_OUT
    )
    for reason, count in left_out.items():
        say(plain(f"{count} left out: {reason}"))


def _show_previews(previews: Sequence[Preview], as_json: bool) -> None:
    shown = [each for each in previews if each.intent is not Intent.LEAVE_OUT]
    if as_json:
        print_json(
            [
                {
                    "record": each.record.name,
                    "organization": each.organization.name,
                    "intent": each.intent,
                    "status": each.status,
                    "reason": each.reason,
                    "accounts": [
                        {"directory": matched.connection.name, "account": matched.account.username}
                        for matched in each.accounts
                    ],
                }
                for each in shown
            ]
        )
        return
    table(
        ["ORGANIZATION", "RECORD", "WOULD", "ACCOUNTS", "WHY"],
        [
            [
                each.organization.name,
                each.record.name,
                f"{each.intent}: {each.status}" if each.status else each.intent,
                ", ".join(f"{matched.account.domain}\\{matched.account.username}" for matched in each.accounts),
                each.reason,
            ]
            for each in shown
        ],
    )


def _show(found: Sequence[RecordStatus], as_json: bool) -> None:
    if as_json:
        print_json(documents(found))
    else:
        table(*rows(found))


def _exit_code(found: Sequence[RecordStatus]) -> int:
    if any(each.status is Status.IN_PROGRESS for each in found):
        return UNREACHABLE
    return 0 if all(each.status is Status.SUCCESSFUL for each in found) else REFUSED
