"""`rekey doctor`: what is well, what is wrong and how to mend it, of Rekey itself and of every directory.

After a restore it does one thing more: it compares what each directory says of its accounts with what this database
knows, names those whose password was changed since, and lets the frozen lanes go on.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.directories.base import Directory, Finding, Level
from bot.errors import OutsideError, RekeyError
from bot.permissions import Operator
from bot.services import Services
from storage.connections import connections_of
from storage.lanes import get_lane, wake
from storage.matches import MatchRow, match_rows
from storage.models import Connection, Lane, MatchState, Organization, now

_AT_ONCE = 8
_MOST_NAMED = 100
"""Changed accounts that are named one by one; the others are counted."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at, and what was found."""

    subject: str
    findings: tuple[Finding, ...]
    organization: str | None = None

    @property
    def away(self) -> bool:
        """None of its servers could be reached."""
        return any(each.away for each in self.findings) and not any(each.level is Level.OK for each in self.findings)

    @property
    def ok(self) -> bool:
        """Nothing needs mending; warnings may."""
        return all(each.level is not Level.PROBLEM for each in self.findings)


def examine(services: Services, operator: Operator, organization_id: int | None = None) -> list[Examined]:
    """Look at Rekey itself and at every directory (of one organization where given), several at once.

    Changes nothing outside. Nothing wrong is raised: it is a finding.
    """
    with services.database.reading() as session:
        found = connections_of(session, "directory", None if organization_id is None else [organization_id])
        lanes = {connection.id: get_lane(session, connection.id) for _, connection in found}

    def one(place: tuple[Organization, Connection]) -> Examined:
        organization, connection = place
        findings = _directory(services, operator, organization, connection, lanes[connection.id])
        return Examined(f"directory {connection.name}", tuple(findings), organization.name)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        directories = list(pool.map(one, found))
    frozen = {organization.name: organization for organization, _ in found if organization.frozen_at is not None}
    stopped = [
        Examined("rotations", (Finding(Level.WARNING, _stopped(each), "`rekey start` lifts it."),), each.name)
        for each in frozen.values()
    ]
    return [_ourselves(services), *stopped, *directories]


def _ourselves(services: Services) -> Examined:
    found = [
        Finding(Level.OK, f"The database is at schema {services.database.schema_revision()}, and its key is here.")
    ]
    try:
        services.safe.escrow.check()
    except RekeyError as error:
        found.append(Finding(Level.PROBLEM, str(error), cause="escrow"))
    else:
        found.append(Finding(Level.OK, f"The escrow file in {services.settings.escrow_dir} can be written."))
    if services.settings.key_file.with_name("recovery.key").exists():
        found.append(
            Finding(
                Level.WARNING,
                f"recovery.key still lies beside the key file, in {services.settings.key_file.parent}: whoever has it "
                "and the escrow file reads every password.",
                "Move it offline now.",
                "recovery-key-online",
            )
        )
    with services.database.reading() as session:
        trail = services.trail.verify(session)
    found.append(
        Finding(Level.OK, f"The audit trail is whole ({trail.lines} lines).")
        if trail.ok
        else Finding(Level.PROBLEM, trail.problems[0], "`rekey audit verify` names everything.", "audit")
    )
    return Examined("rekey", tuple(found))


def _directory(
    services: Services, operator: Operator, organization: Organization, connection: Connection, lane: Lane
) -> list[Finding]:
    found: list[Finding] = []
    try:
        with services.open_directory(connection) as directory:
            found += directory.check()
            if lane.frozen_reason is not None and all(each.level is not Level.PROBLEM for each in found):
                found += _compare(services, operator, organization, connection, directory)
                lane.frozen_reason = None
    except OutsideError as error:
        found.append(Finding.problem(error))
    except RekeyError as error:
        found.append(Finding(Level.PROBLEM, str(error), cause=type(error).__name__))
    if lane.frozen_reason is not None:
        found.append(
            Finding(Level.PROBLEM, lane.frozen_reason, "Mend what is wrong above; then run it again.", "frozen")
        )
    if lane.stopped_at is not None:
        what = f"Work towards it stopped at {lane.stopped_at:%Y-%m-%d %H:%M} UTC: {lane.failure_reason}"
        found.append(Finding(Level.WARNING, what, "The next `rekey rotate` or `rekey sync` asks it anew.", "stopped"))
    elif lane.backoff_until is not None and lane.backoff_until > now():
        what = f"It is looked at again at {lane.backoff_until:%H:%M:%S} UTC: {lane.failure_reason}"
        found.append(Finding(Level.WARNING, what, cause="waiting"))
    if connection.synced_at is None:
        found.append(Finding(Level.WARNING, "It was never read.", "Run `rekey sync`.", "never-read"))
    return found


def _stopped(organization: Organization) -> str:
    return f"Rotations are stopped since {organization.frozen_at:%Y-%m-%d %H:%M} UTC by {organization.frozen_by}."


# ---- after a restore -------------------------------------------------------------------------------------------------


def _compare(
    services: Services, operator: Operator, organization: Organization, connection: Connection, directory: Directory
) -> list[Finding]:
    """Name the accounts whose password was changed later than this database knows of, then let the lane go on."""
    with services.database.reading() as session:
        rows = match_rows(session, connection_id=connection.id, states=[MatchState.APPROVED])
    by_object = {row.account.object_id: row for row in rows}
    changed: list[Finding] = []
    for seen in directory.accounts(None).accounts:
        row = by_object.pop(seen.object_id, None)
        known = (row.account.proved_set_at or row.account.password_set_at) if row else None
        if row is not None and seen.password_set_at != known:
            changed.append(
                _changed(row, f"{seen.password_set_at:%Y-%m-%d %H:%M} UTC" if seen.password_set_at else None)
            )
    gone = [
        Finding(Level.PROBLEM, f"{_shown(row)} is gone from {connection.name} since the backup.", "", "account-gone")
        for row in by_object.values()
    ]
    with services.database.writing() as session:
        lane = get_lane(session, connection.id)
        lane.frozen_reason = None
        session.add(lane)
        wake(session, connection.id)
        services.trail.append(
            session,
            event="lane.thawed",
            operator=operator.key,
            source=operator.source,
            organization=organization,
            subject=f"connection {connection.name}",
            details={"compared": len(rows), "changed_since": len(changed), "gone_since": len(gone)},
        )
    compared = f"{len(rows)} matched accounts were compared after the restore; work towards {connection.name} goes on."
    return [Finding(Level.OK, compared), *_few(changed), *_few(gone)]


def _changed(row: MatchRow, at: str | None) -> Finding:
    when = f"on {at}" if at else "to one that must be changed at the next sign-in"
    record = row.record.name if row.record else "its record"
    return Finding(
        Level.PROBLEM,
        f"The password of {_shown(row)} was changed {when}, which this database knows nothing of: what the vault holds "
        f"for {record} may not be what signs in.",
        f'`rekey rotate --record "{record}"` gives it a new one; `rekey recover` helps if the escrow file is newer.',
        "changed-since-backup",
    )


def _few(findings: Sequence[Finding]) -> list[Finding]:
    more = len(findings) - _MOST_NAMED
    rest = [Finding(Level.PROBLEM, f"So it is for {more} more.", "", findings[0].cause)] if more > 0 else []
    return [*findings[:_MOST_NAMED], *rest]


def _shown(row: MatchRow) -> str:
    return f"{row.account.domain}\\{row.account.username}"
