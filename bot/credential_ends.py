"""Secrets and certificates that are about to end: administrators are told 30, 7 and 1 days ahead, once each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from bot.audit import Line, Trail
from bot.connections import ENTRA
from bot.directories.base import Directory, KnowsItsEnd
from bot.errors import OutsideError
from storage.connections import ending_credentials, get_connection, unlooked_credentials
from storage.grants import operators_with
from storage.models import Connection, Notice, Organization, Role
from storage.notices import finish, post
from storage.tasks import request_sync

KIND = "credential_ends"
"""The notice; its subject is the connection."""
DAYS = (30, 7, 1, 0)
"""How far ahead it is said; 0: it is over."""
_LOOKED_AT = timedelta(days=1)
"""How often the outside system is asked when it ends."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a notice shows."""

    organization: Organization
    connection: Connection
    ends_at: datetime
    days: int
    renewed: bool
    """Another one is in force by now."""


def look_after(session: Session, trail: Trail, administrators: Collection[str], at: datetime) -> None:
    """Announce what is due and was not announced yet, and have systems asked again that were not asked for a day.

    `administrators` are those of the settings. Truth is the row: whoever does this twice announces once.
    """
    for organization, connection in ending_credentials(session, at + timedelta(days=DAYS[0])):
        _announce(session, trail, administrators, organization, connection, at)
    for connection in unlooked_credentials(session, ENTRA, at - _LOOKED_AT):
        connection.credential_looked_at = at
        session.add(connection)
        request_sync(session, connection)


def read(directory: Directory) -> datetime | None:
    """When the credential ends, as the outside system says; None where it does not, or not now. Calls outside."""
    try:
        return directory.credential_ends_at() if isinstance(directory, KnowsItsEnd) else None
    except OutsideError:
        return None


def keep(session: Session, connection: Connection, ends_at: datetime | None, at: datetime) -> None:
    """Note what was read; announcements begin anew with another end, and what was announced is said to be mended."""
    connection.credential_looked_at = at
    if ends_at is not None and ends_at != connection.credential_ends_at:
        connection.credential_ends_at, connection.credential_told = ends_at, None
        finish(session, KIND, connection.id)
    session.add(connection)


def ending(session: Session, notice: Notice) -> Ending:
    """What a notice of this kind shows."""
    connection = get_connection(session, notice.subject)
    ends_at = datetime.fromisoformat(str(notice.view["ends_at"]))
    return Ending(
        session.get_one(Organization, connection.organization_id),
        connection,
        ends_at,
        int(notice.view["days"]),
        renewed=connection.credential_ends_at != ends_at,
    )


def _announce(
    session: Session,
    trail: Trail,
    administrators: Collection[str],
    organization: Organization,
    connection: Connection,
    at: datetime,
) -> None:
    ends_at = connection.credential_ends_at
    if ends_at is None:
        return
    days = min(each for each in DAYS if ends_at - at <= timedelta(days=each) or each == DAYS[0])
    if connection.credential_told is not None and connection.credential_told <= days:
        return
    connection.credential_told = days
    session.add(connection)
    everybody = {
        *administrators,
        *operators_with(session, Role.ADMINISTRATOR, None),
        *operators_with(session, Role.ADMINISTRATOR, organization.id),
    }
    for operator in sorted(each for each in everybody if not each.startswith("cli:")):
        post(
            session,
            kind=KIND,
            subject=connection.id,
            address=operator,
            organization_id=organization.id,
            view={"ends_at": ends_at.isoformat(), "days": days},
            anew=True,
        )
    line = Line(
        event="credential.end_announced",
        operator="rekey",
        source="clock",
        organization=organization,
        subject=f"connection {connection.name}",
        details={"ends_at": ends_at.isoformat(), "days": days},
    )
    trail.append_all(session, [line])
