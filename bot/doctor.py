"""`rekey doctor`: what is well, what is wrong and how to mend it, of Rekey itself, every directory and vault.

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
from bot.smtp import Smtp
from bot.vaults.base import Vault
from storage.backup import ChangedLater, changed_later, thaw
from storage.connections import outside_connections
from storage.lanes import get_lane
from storage.models import Connection, Lane, Organization, now
from storage.records import records_of

_AT_ONCE = 8
_MOST_NAMED, _NAMED_AT_ONCE = 100, 10
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
    """Look at Rekey itself and at every directory and vault outside (of one organization where given), several at
    once.

    Changes nothing outside. Nothing wrong is raised: it is a finding.
    """
    with services.database.reading() as session:
        found = outside_connections(session, None if organization_id is None else [organization_id])
        lanes = {connection.id: get_lane(session, connection.id) for _, connection in found}

    def one(place: tuple[Organization, Connection]) -> Examined:
        organization, connection = place
        findings = _connection(services, operator, organization, connection, lanes[connection.id])
        return Examined(f"{connection.side} {connection.name}", tuple(findings), organization.name)

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
        broken = "The escrow file cannot be written, so no new password is made."
        mend = "`rekey doctor`, on the machine itself, says where and why."
        found.append(Finding(Level.PROBLEM, broken, mend, "escrow", detail=str(error)))
    else:
        where = str(services.settings.escrow_dir)
        found.append(Finding(Level.OK, "The escrow file can be written.", detail=where))
    if services.settings.key_file.with_name("recovery.key").exists():
        found.append(
            Finding(
                Level.WARNING,
                "recovery.key still lies beside the key file: whoever has it and the escrow file reads every password.",
                "Move it offline now.",
                "recovery-key-online",
                detail=str(services.settings.key_file.parent),
            )
        )
    if not services.settings.step_up:
        found.append(
            Finding(
                Level.WARNING,
                "The step-up is off: whoever takes over an operator's Slack account reads the passwords they may read.",
                "Leave REKEY_STEP_UP out, and give everybody an enrolment code with `rekey operators enrol`.",
                "step-up-off",
            )
        )
    if not services.settings.second_administrator:
        found.append(
            Finding(
                Level.WARNING,
                "One administrator alone may rotate and read privileged and break-glass accounts from Slack.",
                "Leave REKEY_SECOND_ADMINISTRATOR out once there are two of you.",
                "second-administrator-off",
            )
        )
    found += _mail(services)
    with services.database.reading() as session:
        trail = services.trail.verify(session)
    found.append(
        Finding(Level.OK, f"The audit trail is whole ({trail.lines} lines).")
        if trail.ok
        else Finding(
            Level.PROBLEM,
            "The audit trail is not whole: lines were edited, dropped or cut off, or its anchor is not there.",
            "`rekey audit verify`, on the machine itself, names everything.",
            "audit",
            detail=trail.problems[0],
        )
    )
    return Examined("rekey", tuple(found))


def _mail(services: Services) -> list[Finding]:
    """Whether the mail server lets Rekey in, where there is one; sends nothing."""
    settings = services.settings
    if settings.smtp_host is None:
        return []
    try:
        with Smtp(settings):
            return [Finding(Level.OK, f"The mail server {settings.smtp_host}:{settings.mail_port} lets Rekey in.")]
    except OutsideError as error:
        return [Finding(Level.WARNING, str(error), error.mend, f"mail-{error.cause}")]


def _connection(
    services: Services, operator: Operator, organization: Organization, connection: Connection, lane: Lane
) -> list[Finding]:
    found: list[Finding] = []
    try:
        if connection.side == "vault":
            with services.open_vault(connection) as vault:
                found += vault.check()
                if _may_thaw(lane, found):
                    found += _compare_records(services, operator, organization, connection, vault)
                    lane.frozen_reason = None
        else:
            with services.open_directory(connection) as directory:
                found += directory.check()
                if _may_thaw(lane, found):
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


def _may_thaw(lane: Lane, found: Sequence[Finding]) -> bool:
    return lane.frozen_reason is not None and all(each.level is not Level.PROBLEM for each in found)


def _stopped(organization: Organization) -> str:
    return f"Rotations are stopped since {organization.frozen_at:%Y-%m-%d %H:%M} UTC by {organization.frozen_by}."


# ---- after a restore -------------------------------------------------------------------------------------------------


def _compare(
    services: Services, operator: Operator, organization: Organization, connection: Connection, directory: Directory
) -> list[Finding]:
    """Name the accounts whose password was changed later than this database knows of, then let the lane go on."""
    set_times = {seen.object_id: seen.password_set_at for seen in directory.accounts(None).accounts}
    with services.database.writing() as session:
        changed = changed_later(session, connection.id, set_times)
        thaw(session, connection.id)
        services.trail.append(
            session,
            event="lane.thawed",
            operator=operator.key,
            source=operator.source,
            organization=organization,
            subject=f"connection {connection.name}",
            details={"compared": len(set_times), "changed_since": [each.account.object_id for each in changed]},
        )
    compared = f"{len(set_times)} accounts were compared after the restore; work towards {connection.name} goes on."
    found = [Finding(Level.OK, compared), *map(_changed, changed[:_MOST_NAMED])]
    if len(changed) > _MOST_NAMED:
        found.append(Finding(Level.PROBLEM, f"So it is for {len(changed) - _MOST_NAMED} more."))
    return found


def _compare_records(
    services: Services, operator: Operator, organization: Organization, connection: Connection, vault: Vault
) -> list[Finding]:
    """Name the records whose password was changed there later than this database knows of, then let the lane go on."""
    times = {seen.external_id: seen.password_updated_at for seen in vault.records(None).records}
    with services.database.writing() as session:
        changed = [
            row.name
            for row in records_of(session, organization.id, connection.id)
            if row.kept_password_at is not None and times.get(row.external_id or "") not in (None, row.kept_password_at)
        ]
        thaw(session, connection.id)
        services.trail.append(
            session,
            event="lane.thawed",
            operator=operator.key,
            source=operator.source,
            organization=organization,
            subject=f"connection {connection.name}",
            details={"compared": len(times), "changed_since": changed},
        )
    found = [Finding(Level.OK, f"{len(times)} records were compared; work towards {connection.name} goes on.")]
    if changed:
        named = ", ".join(changed[:_NAMED_AT_ONCE]) + (" …" if len(changed) > _NAMED_AT_ONCE else "")
        what = f"{connection.name} holds another password than this database knows of for {len(changed)}: {named}."
        mend = "What it holds is read and kept before Rekey writes there again."
        found.append(Finding(Level.WARNING, what, mend, "changed-since-backup"))
    return found


def _changed(change: ChangedLater) -> Finding:
    account, record = change.account, change.record
    when = f"on {change.set_at:%Y-%m-%d %H:%M} UTC" if change.set_at else "to one to be changed at the next sign-in"
    return Finding(
        Level.PROBLEM,
        f"The password of {account.domain}\\{account.username} was changed {when}, which this database knows nothing "
        f"of: what the vault holds for {record.name} may not be what signs in.",
        f'`rekey rotate --record "{record.name}"` gives it a new one; `rekey recover` helps if the escrow is newer.',
        "changed-since-backup",
    )
