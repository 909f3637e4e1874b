"""`rekey status`: how each record's latest rotation stands."""

from collections.abc import Sequence
from typing import Any

from bot.cli.console import Json, OfOrganization, organization_id, print_json, services, table
from bot.rotation.report import RecordStatus, report
from storage.rotations import approved_records


def status(organization: OfOrganization = None, as_json: Json = False) -> None:
    """Show how each record's rotation stands.

    Every record with an approved match, its latest rotation in one of the seven words, and why.
    """
    ready = services()
    with ready.database.reading() as session:
        found = report(session, approved_records(session, organization_id(session, organization)))
    if as_json:
        print_json(documents(found))
    else:
        table(*rows(found))


def documents(found: Sequence[RecordStatus]) -> list[dict[str, Any]]:
    """The JSON of `rotate` and `status`."""
    return [
        {
            "record": each.record.name,
            "organization": each.organization.name,
            "status": each.status,
            "reason": _reason(each),
            "accounts": [
                {"directory": account.directory, "account": account.account, "status": account.status}
                for account in each.accounts
            ],
        }
        for each in found
    ]


def rows(found: Sequence[RecordStatus]) -> tuple[list[str], list[list[object]]]:
    """The same for people."""
    heads = ["ORGANIZATION", "RECORD", "STATUS", "ACCOUNTS", "WHY"]
    return heads, [
        [
            each.organization.name,
            each.record.name,
            each.status or "never rotated",
            ", ".join(f"{account.directory}\\{account.account}" for account in each.accounts),
            _reason(each),
        ]
        for each in found
    ]


def _reason(each: RecordStatus) -> str:
    return f"{each.reason} {each.mend}".strip()
