"""Switches: rotating everywhere, and each directory's own. Off means that nothing is written there, whoever asks.

A switch is a setting, a stop (`bot.organizations.freeze`) an emergency: what a stop holds goes on once it is lifted,
what a switch refuses is refused for good and has to be asked for again. Whatever was begun is still looked at and put
right, so that every password stays known.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import NotPermitted
from bot.permissions import Decision, Operator, may_administer
from storage.models import Connection, Organization, now
from storage.switches import keep_off_everywhere, keep_on_everywhere, off_everywhere

SWITCHED_OFF = "switched-off"
"""The cause of every refusal for want of a switch."""
EVERYWHERE = "Rotation everywhere"
"""What people know the switch for everybody by."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The switch a directory of this kind has, by the name it has in the field."""

    name: str
    field: str
    """Its key in the world file."""
    reads: bool
    """Whether the directory is not even read while it is off."""


_USERS_SYNC = Switch("AD users sync", "users_sync", reads=True)
_ROTATION = Switch("Enable Password Rotation for Microsoft Entra ID", "rotation", reads=False)


def switch_of(kind: str) -> Switch:
    """The switch of a directory of this kind."""
    return _ROTATION if kind == "entra" else _USERS_SYNC


def why_off(session: Session, connections: Collection[Connection] = ()) -> str | None:
    """Why nothing is rotated in these directories, in sentences; None while every switch that counts is on."""
    everywhere = off_everywhere(session)
    if everywhere is not None:
        return _sentence(EVERYWHERE, "", *everywhere)
    for each in connections:
        if each.off_at is not None:
            return _sentence(switch_of(each.kind).name, f" for {each.name}", each.off_at, each.off_by or "somebody")
    return None


def is_read(connection: Connection) -> bool:
    """Whether the directory's accounts are read."""
    return connection.off_at is None or not switch_of(connection.kind).reads


def switch_everywhere(session: Session, trail: Trail, operator: Operator, *, on: bool) -> str:
    """Switch rotating on or off for everybody; says in a sentence what is true now.

    `NotPermitted` unless the operator administers everything. Doing it twice keeps the first one's name.
    """
    _refuse_unless(may_administer(operator, None))
    if on is (off_everywhere(session) is None):
        return why_off(session) or "Rotation is on everywhere already. Nothing was changed."
    if on:
        keep_on_everywhere(session)
    else:
        keep_off_everywhere(session, now(), operator.key)
    trail.append(
        session,
        event="rotation.switched_on" if on else "rotation.switched_off",
        operator=operator.key,
        source=operator.source,
        subject=EVERYWHERE,
    )
    return why_off(session) or "Rotation is on everywhere again. What was refused meanwhile has to be asked for anew."


def switch_directory(
    session: Session, trail: Trail, operator: Operator, organization: Organization, connection: Connection, *, on: bool
) -> str:
    """Switch one directory on or off; says in a sentence what is true now. `NotPermitted` when the operator may not."""
    _refuse_unless(may_administer(operator, organization.id))
    name = switch_of(connection.kind).name
    if on is (connection.off_at is None):
        return why_off(session, [connection]) or f"“{name}” is on for {connection.name} already. Nothing was changed."
    turn(connection, on=on, by=operator.key)
    session.add(connection)
    trail.append(
        session,
        event="directory.switched_on" if on else "directory.switched_off",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"connection {connection.name}",
        details={"switch": name},
    )
    return why_off(session, [connection]) or f"“{name}” is on for {connection.name}."


def turn(connection: Connection, *, on: bool, by: str) -> None:
    """Put the switch into the row, whoever it was that asked for permission and keeps the audit line."""
    if on:
        connection.off_at = connection.off_by = None
    elif connection.off_at is None:
        connection.off_at, connection.off_by = now(), by


def _sentence(name: str, where: str, at: datetime, by: str) -> str:
    return (
        f"“{name}” is switched off{where} since {at:%Y-%m-%d %H:%M} UTC by {by}, so no password is changed there. An "
        "administrator switches it on: `/rotate setup` in Slack, the world file, or `rekey switches on`."
    )


def _refuse_unless(decision: Decision) -> None:
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
