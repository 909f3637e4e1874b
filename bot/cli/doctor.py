"""`rekey doctor`: what is well, what is wrong, and how to mend it."""

from collections.abc import Sequence

import typer

from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, services
from bot.cli.door import REFUSED, UNREACHABLE
from bot.directories.base import Level
from bot.doctor import Examined, examine
from bot.permissions import cli_operator

_MARKS = {Level.OK: "ok", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM"}


def doctor(organization: OfOrganization = None, as_json: Json = False) -> None:
    """Say what is wrong, and how to mend it.

    Examines Rekey itself and every directory. After a restore it compares the directories with the database and
    lets the work go on. Exits 1 when something is wrong, 3 when all that is wrong is that a directory cannot be
    reached.
    """
    ready = services()
    with ready.database.reading() as session:
        home = organization_id(session, organization)
    found = examine(ready, cli_operator(), home)
    if as_json:
        print_json(
            [
                {
                    "subject": each.subject,
                    "organization": each.organization,
                    "findings": [
                        {
                            "level": finding.level,
                            "what": finding.what,
                            "mend": finding.mend,
                            "cause": finding.cause,
                            "detail": finding.detail,
                            "link": finding.link,
                            "paste": finding.paste,
                        }
                        for finding in each.findings
                    ],
                }
                for each in found
            ]
        )
    else:
        _show(found)
    wrong = [each for each in found if not each.ok]
    if wrong:
        raise typer.Exit(UNREACHABLE if all(each.away for each in wrong) else REFUSED)


def _show(found: Sequence[Examined]) -> None:
    for each in found:
        print(plain(f"{each.subject} of {each.organization}" if each.organization else each.subject))
        for finding in each.findings:
            detail = f" ({finding.detail})" if finding.detail else ""
            print(plain(f"  {_MARKS[finding.level]:8}{finding.what}{detail} {finding.mend}".rstrip()))
            if finding.link:
                print(plain(f"          {finding.link}"))
            if finding.paste:
                print(plain(f"          To paste there: {finding.paste}"))
