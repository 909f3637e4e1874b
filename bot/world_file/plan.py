"""What the file would change, and changing it: one piece of code for both, so that plan and deed cannot differ.

The plan is made by doing everything in a writing transaction that is rolled back. Applying does it again, for good, and
refuses when the outcome is no longer the one that was shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr
from sqlmodel import Session

from bot.audit import Line, Trail
from bot.connections import (
    as_given,
    carried_over,
    credential_for,
    expect_end,
    seal_credential,
    settings_of,
    still_sealed_for,
)
from bot.errors import BadInput, SealBroken
from bot.organizations import bring_in, mark, new_connection
from bot.permissions import BULK_TIERS, DEFAULT_BULK, Operator
from bot.switches import switch_of, turn
from bot.world_file import own_records, vaults
from bot.world_file.document import Place
from bot.world_file.kinds import CREDENTIALS, DirectoryWanted, references
from bot.world_file.reading import OrganizationWanted, World
from bot.world_file.rules import Changes, set_global, set_own, set_unscheduled
from bot.world_file.words import differences, shown
from storage.connections import EMBEDDED, add_connections, connections_of, name_key
from storage.database import Database
from storage.grants import operators_with, set_operators
from storage.models import Connection, Organization, Role, now
from storage.organizations import organizations
from storage.sealing import KeyRing
from storage.switches import keep_off_everywhere, keep_on_everywhere, off_everywhere

_BY = "rekey apply"


@dataclass(frozen=True, slots=True)
class NewDirectory:
    """A connection as it would be stored, to be tested before it is."""

    organization: str
    connection: Connection
    secret: SecretStr | None


@dataclass(slots=True)
class Plan:
    """What applying would do, a line each (`+` new, `~` changed, `-` a role taken away), and what to know besides."""

    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    directories: list[NewDirectory] = field(default_factory=list)
    """New and changed ones, vaults outside among them."""
    audit: list[Line] = field(default_factory=list)

    def add(self, line: str, event: str, organization: Organization | None = None, subject: str = "") -> None:
        """A change, and the audit line it will be known by."""
        self.changes.append(line)
        self.audit.append(Line(event, "", "", organization, subject, details={"change": line}))


def preview(database: Database, keys: KeyRing, world: World, *, overwrite_credentials: bool = False) -> Plan:
    """What `apply` would do. Changes nothing; `BadInput` when the file does not fit what is stored."""
    with database.writing() as session:
        plan = _carry_out(session, keys, world, overwrite_credentials)
        session.rollback()
    return plan


def apply(
    database: Database,
    keys: KeyRing,
    trail: Trail,
    operator: Operator,
    world: World,
    shown: Plan,
    *,
    overwrite_credentials: bool = False,
) -> Plan:
    """Bring the database up to the file, all or nothing, and write it down in the audit trail.

    `BadInput`, and nothing is changed, when that is no longer the plan that was shown.
    """
    with database.writing() as session:
        plan = _carry_out(session, keys, world, overwrite_credentials)
        if plan.changes != shown.changes:
            raise BadInput(
                "Somebody changed the settings since this plan was made, so it no longer holds. Nothing was changed. "
                "Run `rekey apply` again to see the new plan."
            )
        done = {"file": world.document.path.name, "changes": len(plan.changes)}
        trail.append_all(
            session,
            [
                Line(line.event, operator.key, operator.source, line.organization, line.subject, "ok", line.details)
                for line in [*plan.audit, Line("world.applied", "", "", details=done)]
            ],
        )
    return plan


def _carry_out(session: Session, keys: KeyRing, world: World, overwrite_credentials: bool) -> Plan:
    plan = Plan(notes=list(world.notes))
    if world.administrators is not None:
        _roles(session, plan, Role.ADMINISTRATOR, None, world.administrators)
    if world.rotation is not None:
        _rotation(session, plan, on=world.rotation)
    if world.rule is not None:
        _keep(plan, set_global(session, world.rule, _BY))
    stored = {organization.name_key: organization for organization in organizations(session)}
    released = _release_channels(session, world, stored)
    connections: dict[int, list[Connection]] = {}
    for organization, connection in connections_of(session):
        connections.setdefault(organization.id, []).append(connection)
    for wanted in world.organizations:
        key = name_key(wanted.entry.name)
        organization = _organization(session, plan, wanted, stored.get(key), released.get(key))
        if "rule" in wanted.entry.model_fields_set:
            _keep(plan, set_own(session, organization, wanted.rule, _BY), organization)
        if wanted.entry.unscheduled is not None:
            _keep(plan, set_unscheduled(session, organization, wanted.entry.unscheduled, _BY), organization)
        known = connections.get(organization.id, [])
        _vault(session, plan, world, keys, wanted, organization, known)
        for directory in wanted.directories:
            found = _same_name(world, (*directory.place, "name"), directory.name, "directory", known)
            _directory(session, plan, world, keys, organization, directory, found, overwrite_credentials)
        for role, keys_wanted in ((Role.TECHNICIAN, wanted.entry.technicians), (Role.VIEWER, wanted.entry.viewers)):
            if keys_wanted is not None:
                _roles(session, plan, role, organization, keys_wanted)
        named = {name_key(directory.name) for directory in wanted.directories}
        plan.notes += [
            f"Directory {connection.name} of {organization.name} is not in the file. It stays as it is."
            for connection in known
            if connection.side == "directory" and connection.name_key not in named
        ]
    in_file = {name_key(wanted.entry.name) for wanted in world.organizations}
    plan.notes += [
        f"Organization {organization.name} is not in the file. It stays as it is."
        for key, organization in stored.items()
        if key not in in_file
    ]
    return plan


# ---- people and rule -------------------------------------------------------------------------------------------------


def _roles(session: Session, plan: Plan, role: Role, organization: Organization | None, wanted: Sequence[str]) -> None:
    place = organization.id if organization else None
    where = f"of {organization.name}" if organization else "everywhere"
    before = set(operators_with(session, role, place))
    if before == set(wanted):
        return
    for operator in set_operators(session, role, place, wanted):
        if operator in before:
            plan.add(f"- {role} {where}: {operator}", "role.taken", organization, operator)
        else:
            plan.add(f"+ {role} {where}: {operator}", "role.given", organization, operator)


def _rotation(session: Session, plan: Plan, *, on: bool) -> None:
    if on is (off_everywhere(session) is None):
        return
    if on:
        keep_on_everywhere(session)
        plan.add("~ rotation everywhere: no → yes", "rotation.switched_on")
    else:
        keep_off_everywhere(session, now(), _BY)
        plan.add("~ rotation everywhere: yes → no", "rotation.switched_off")


def _keep(plan: Plan, changes: Changes, organization: Organization | None = None) -> None:
    """Rules that were changed become part of the plan."""
    plan.notes += changes.notes
    for line, event in changes.lines:
        plan.add(line, event, organization)


# ---- organizations ---------------------------------------------------------------------------------------------------


def _release_channels(session: Session, world: World, stored: dict[str, Organization]) -> dict[str, str]:
    """A channel is one organization's. Those that change hands are let go first, so that two may swap theirs; returns
    what each gave up.
    """
    wanted = {name_key(each.entry.name): each.entry.channel for each in world.organizations}
    holders = {organization.channel: organization for organization in stored.values() if organization.channel}
    released = {}
    for each in world.organizations:
        holder = holders.get(each.entry.channel or "")
        if holder is None or holder.name_key == name_key(each.entry.name):
            continue
        if wanted.get(holder.name_key) is None:
            taken = f"{each.entry.channel} is the channel of {holder.name} already"
            raise world.document.wrong((*each.place, "channel"), taken)
        released[holder.name_key] = str(holder.channel)
        holder.channel = None
        session.add(holder)
    session.flush()
    return released


def _organization(
    session: Session, plan: Plan, wanted: OrganizationWanted, organization: Organization | None, released: str | None
) -> Organization:
    entry = wanted.entry
    bulk = None if entry.bulk is None else [str(tier) for tier in BULK_TIERS if tier in entry.bulk]
    if organization is None:
        zone = entry.timezone or "UTC"
        organization = bring_in(session, entry.name, channel=entry.channel, timezone=zone, bulk=bulk)
        channel = f"channel {entry.channel}, " if entry.channel else ""
        plan.add(f"+ organization {entry.name} ({channel}{zone})", "organization.added", organization)
    wishes = {"name": entry.name, "channel": entry.channel, "timezone": entry.timezone, "bulk": bulk}
    if not organization.bulk and bulk is None:  # recovered from the escrow file, which does not know it
        wishes["bulk"] = [str(tier) for tier in DEFAULT_BULK]
    wishes = {name: value for name, value in wishes.items() if value is not None}
    before = {name: getattr(organization, name) for name in wishes}
    if released is not None:
        before["channel"] = released
    if before != wishes:
        plan.add(
            f"~ organization {organization.name}: {differences(before, wishes)}", "organization.changed", organization
        )
        for name, value in wishes.items():
            setattr(organization, name, value)
    if entry.tiers is not None:
        marks = {tier: sorted(set(usernames), key=str.casefold) for tier, usernames in entry.tiers.items() if usernames}
        if marks != organization.marks:
            moved = differences(organization.marks, marks)
            changed = mark(session, organization, marks)
            line = f"~ tiers of {organization.name}: {moved} ({changed} known accounts change tier)"
            plan.add(line, "organization.marked", organization)
    session.add(organization)
    return organization


def _vault(
    session: Session,
    plan: Plan,
    world: World,
    keys: KeyRing,
    wanted: OrganizationWanted,
    organization: Organization,
    known: Iterable[Connection],
) -> None:
    vault = wanted.vault
    _same_name(world, (*vault.place, "name"), vault.name, "vault", known)
    present = next((connection for connection in known if connection.side == "vault"), None)
    named = present.name if present is not None else ""
    row, before, after, said = vaults.put(world.document, session, keys, organization, vault, present)
    if not before:
        where = f", {after['organization']}" if "organization" in after else ""
        line = f"+ vault {vault.name} of {organization.name} ({vault.kind}{where})"
        plan.add(line, "connection.added", organization, vault.name)
    elif before != after or said:
        changes = ([differences(before, after)] if before != after else []) + said
        line = f"~ vault {named} of {organization.name}: {'; '.join(changes)}"
        plan.add(line, "connection.changed", organization, vault.name)
    else:
        return
    if row.kind != EMBEDDED:
        detached = Connection(**row.model_dump())
        plan.directories.append(NewDirectory(organization.name, detached, vaults.stored_key(keys, row)))


# ---- directories -----------------------------------------------------------------------------------------------------


def _directory(
    session: Session,
    plan: Plan,
    world: World,
    keys: KeyRing,
    organization: Organization,
    wanted: DirectoryWanted,
    connection: Connection | None,
    overwrite_credentials: bool,
) -> None:
    if connection is None:
        connection = new_connection(organization, wanted.name, wanted.kind, wanted.settings)
        _credential(world, keys, wanted, connection, overwrite_credentials)
        off = _switch(wanted, connection)
        add_connections(session, [connection])
        where = [f", {shown(key, wanted.settings[key])}" for key in ("servers", "tenant_id") if key in wanted.settings]
        line = f"+ directory {wanted.name} of {organization.name} ({wanted.kind}{''.join([*where, *off])})"
        plan.add(line, "connection.added", organization, wanted.name)
        plan.notes += filter(None, [own_records.settle(session, organization, connection, wanted)[1]])
    else:
        if connection.kind != wanted.kind:
            what = f"{wanted.name} is a {connection.kind} directory: one of another kind needs another name"
            raise world.document.wrong((*wanted.place, "kind"), what)
        before = {"name": connection.name, **settings_of(connection)}
        wishes = {**before, "name": wanted.name, **wanted.settings}
        connection.settings = {**connection.settings, **wanted.settings}
        connection.name = wanted.name
        changes = [differences(before, wishes)] if _said(before) != _said(wishes) else []
        expect_end(connection, given_anew=False)
        changes += _credential(world, keys, wanted, connection, overwrite_credentials)
        changes += [each.removeprefix(", ") for each in _switch(wanted, connection)]
        own, note = own_records.settle(session, organization, connection, wanted)
        changes, plan.notes = [*changes, *filter(None, [own])], [*plan.notes, *filter(None, [note])]
        if not changes:
            return
        session.add(connection)
        line = f"~ directory {wanted.name} of {organization.name}: {'; '.join(changes)}"
        plan.add(line, "connection.changed", organization, wanted.name)
    detached = Connection(**connection.model_dump())
    plan.directories.append(NewDirectory(organization.name, detached, _stored(keys, connection)))


def _credential(
    world: World, keys: KeyRing, wanted: DirectoryWanted, connection: Connection, overwrite: bool
) -> list[str]:
    """Give the row the file's credential where that is due; what changed, in words."""
    if wanted.kind not in CREDENTIALS:
        return []
    place: Place = (*wanted.place, CREDENTIALS[wanted.kind][0])
    if wanted.secret is None:
        if connection.credential is None:
            raise world.document.wrong(place, "this is missing, and Rekey has no credential for this directory yet")
        if not still_sealed_for(connection):
            what = "this is missing: what the credential was given for has changed, so it has to be given again"
            raise world.document.wrong(place, what)
        return []
    if connection.credential_rotated_at is not None and not overwrite:
        if not still_sealed_for(connection):
            what = (
                "what the credential was given for has changed, and Rekey has given it a new password since: put the "
                "present one where this points, and run `rekey apply --overwrite-credentials`"
            )
            raise world.document.wrong(place, what)
        return []
    changes = []
    stored = _stored(keys, connection)
    if stored is None or as_given(connection.kind, stored) != wanted.secret:
        taken = "taken anew" if connection.credential else "taken"
        changes.append(f"credential {taken} from {_pointing(wanted.kind, wanted.reference)}")
        secret = wanted.secret if stored is None else carried_over(connection.kind, stored, wanted.secret)
        seal_credential(connection, keys, secret)
        connection.credential_rotated_at = None
        expect_end(connection, given_anew=True)
    elif connection.credential_reference != wanted.reference:
        before = _pointing(wanted.kind, connection.credential_reference)
        changes.append(f"credential reference {before} → {_pointing(wanted.kind, wanted.reference)}")
    connection.credential_reference = wanted.reference
    return changes


def _switch(wanted: DirectoryWanted, connection: Connection) -> list[str]:
    """Put the row's switch as the file wants it; what changed, in words."""
    was_on = connection.off_at is None
    if wanted.on is None or wanted.on is was_on:
        return []
    turn(connection, on=wanted.on, by=_BY)
    return [f", {switch_of(wanted.kind).field} {shown('', was_on)} → {shown('', wanted.on)}"]


def _stored(keys: KeyRing, connection: Connection) -> SecretStr | None:
    """The credential the row holds; None when there is none, or none that still opens: giving it anew mends that."""
    try:
        return credential_for(connection, keys) if still_sealed_for(connection) else None
    except SealBroken:
        return None


def _same_name(world: World, place: Place, name: str, side: str, known: Iterable[Connection]) -> Connection | None:
    found = next((connection for connection in known if connection.name_key == name_key(name)), None)
    if found is not None and found.side != side:
        raise world.document.wrong(place, f"{name} is the name of a {found.side} of this organization already")
    return found


def _pointing(kind: str, reference: str | None) -> str:
    return " and ".join(references(kind, reference).values()) or "none"


def _said(values: Mapping[str, object]) -> dict[str, object]:
    """What stands there; that something does not is the same as that it is left out."""
    return {name: value for name, value in values.items() if value is not None}
