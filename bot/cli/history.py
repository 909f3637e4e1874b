"""`rekey history`: what became of a record, from its rotations and its revisions."""

from typing import Annotated

import typer

from bot.cli.console import Json, OfOrganization, organization_id, print_json, services, table
from bot.permissions import cli_operator
from storage.organizations import get_organization
from storage.records import get_record
from storage.revisions import revisions_of
from storage.rotations import rotations_of


def history(
    record: Annotated[str, typer.Argument(help="The record, by name or id.", metavar="RECORD")],
    organization: OfOrganization = None,
    as_json: Json = False,
) -> None:
    """Show what became of a record.

    Its rotations and the versions of its password, newest first; never a password. Looking is audited. A version is
    brought back with `rekey rotate --record RECORD --restore VERSION`.
    """
    ready = services()
    operator = cli_operator()
    with ready.database.writing() as session:
        found = get_record(session, organization_id(session, organization), record)
        home = get_organization(session, found.organization_id)
        rotations, revisions = rotations_of(session, found.id), revisions_of(session, found.id)
        ready.trail.append(
            session,
            event="record.history_seen",
            operator=operator.key,
            source=operator.source,
            organization=home,
            subject=f"record {found.id}",
        )
    if as_json:
        print_json(
            {
                "record": found.name,
                "organization": home.name,
                "rotations": [
                    {
                        "id": each.id,
                        "status": each.status,
                        "reason": f"{each.reason} {each.mend}".strip(),
                        "requested_by": each.requested_by,
                        "requested_at": each.requested_at.isoformat(),
                        "ended_at": each.ended_at.isoformat() if each.ended_at else None,
                    }
                    for each in rotations
                ],
                "revisions": [
                    {
                        "id": each.id,
                        "state": each.state,
                        "origin": each.origin,
                        "created_at": each.created_at.isoformat(),
                        "created_by": each.created_by,
                        "proved_at": each.proved_at.isoformat() if each.proved_at else None,
                        "recorded_at": each.recorded_at.isoformat() if each.recorded_at else None,
                    }
                    for each in revisions
                ],
            }
        )
        return
    table(
        ["WHEN", "STATUS", "BY", "WHY"],
        [[f"{each.requested_at:%Y-%m-%d %H:%M}", each.status, each.requested_by, each.reason] for each in rotations],
    )
    print()
    table(
        ["VERSION", "STATE", "FROM", "BY", "WHEN", "PROVED", "IN THE VAULT"],
        [
            [
                each.id,
                each.state,
                each.origin,
                each.created_by,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                f"{each.proved_at:%Y-%m-%d %H:%M}" if each.proved_at else "",
                f"{each.recorded_at:%Y-%m-%d %H:%M}" if each.recorded_at else "",
            ]
            for each in revisions
        ],
    )
