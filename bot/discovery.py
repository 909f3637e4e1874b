"""Bringing in what others know: the accounts of a directory, the records of a CSV file, and what they suggest.

A directory is read page by page with no transaction open; every thousand accounts are taken in by a short one of their
own. Its cursor is stored last: a read that breaks off has lost nothing, marks nothing as removed, and the next one
starts from the same place and finds again what was taken in already.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlmodel import Session

from bot import credential_ends
from bot.audit import Trail
from bot.directories.base import Directory, SeenAccount
from bot.errors import BadInput, NotPermitted, Refused
from bot.matching.suggesting import names_of, suggest
from bot.permissions import Operator, may_administer, may_sync
from bot.switches import is_read, why_off
from bot.tiers import tier_of
from bot.vaults import embedded
from bot.vaults.csv_file import read_csv
from bot.vaults.embedded import ImportResult
from bot.vaults.itglue_export import is_export, read_export
from storage.accounts import (
    add_accounts,
    count_accounts,
    known_accounts,
    mark_removed,
    present_object_ids,
)
from storage.connections import connections_of, get_connection, outside_connections, unread_connections
from storage.database import Database
from storage.lanes import retry_now
from storage.matches import approved_matches, count_suggested, forget_undecided
from storage.models import Connection, Organization, now
from storage.names import fold
from storage.notices import MATCH_REVIEW, touch
from storage.persons import concerned, settle_persons
from storage.policies import keep_policies
from storage.portions import PORTION
from storage.revisions import Safe
from storage.tasks import request_sync

_OPERATOR, _SOURCE = "rekey", "sync"
_MATTERING = ("username_key", "upn_key", "mail_key", "domain", "ou", "tier")
"""What suggesting goes by."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync found. `accounts` and `suggested` count what the directory has now, the others what changed."""

    accounts: int
    added: int
    changed: int
    """Among them accounts that were gone and are back."""
    removed: int
    suggested: int
    """Accounts whose match is suggested and waits for somebody to approve it."""
    notes: tuple[str, ...] = ()
    """What somebody should know, each in a sentence: approved accounts that are gone."""


_DAILY = timedelta(days=1)


def look_after(session: Session, at: datetime) -> None:
    """Have every directory, and every vault outside, read again that nobody had read for a day.

    Truth is the rows: whoever does this twice asks once, and a system that is away is asked once a day.
    """
    for connection in unread_connections(session, at - _DAILY):
        request_sync(session, connection)


def sync(
    database: Database,
    trail: Trail,
    connection_id: int,
    directory: Directory,
    meanwhile: Callable[[], None] = lambda: None,
) -> SyncResult:
    """Read what the directory has, or what changed since the last time, and bring accounts and suggestions up to it.

    `meanwhile` is called again and again while it is read: a lane keeps its lease by it, however long the list.

    Raises what `directory.accounts` raises, at any page; then nothing is lost, and asking again goes on. Raises
    `Refused` when a directory that had accounts shows none at all: that is a lost right, not an empty company.
    """
    with database.reading() as session:
        since = get_connection(session, connection_id).cursor
    changes = directory.accounts(since)
    added = changed = 0
    seen: set[str] = set()
    for page in _pages(changes.accounts, meanwhile):
        with database.writing() as session:
            new, differing = _take_in(session, connection_id, page, look_again=since is not None)
        added, changed = added + new, changed + differing
        seen.update(account.object_id for account in page)
    ends_at = credential_ends.read(directory)
    with database.writing() as session:
        connection = get_connection(session, connection_id)
        if changes.complete:
            gone = present_object_ids(session, connection_id) - seen
            if gone and not seen:
                raise Refused(
                    f"{connection.name} answered, but showed no account at all, where {len(gone)} are known. Nothing "
                    "was marked as removed: most likely Rekey's sign-in there may not read them any more.",
                    cause="directory-empty",
                    mend="Give it back the right to read accounts, or correct the connection's search base; then sync.",
                )
        else:
            gone = set(changes.removed) - seen
        removed, notes = _remove(session, connection, gone)
        renamed = set(connection.domain_names) != set(changes.domain_names)
        connection.domain_names = sorted(changes.domain_names)
        connection.cursor, connection.synced_at = changes.cursor, now()
        credential_ends.keep(session, connection, ends_at, now())
        policies = [policy.to_json() for policy in changes.policies]
        keep_policies(session, connection_id, policies, changes.policies_trouble, now())
        session.add(connection)
        session.flush()
        whom = None if changes.complete else concerned(session, connection.id, seen | gone)
        moved = settle_persons(session, connection.organization_id, whom)
        if changes.complete or renamed:
            suggest(session, connection.organization_id)
        elif moved:
            suggest(session, connection.organization_id, {name for names in moved for name in names_of(*names)})
        result = SyncResult(
            accounts=count_accounts(session, connection_id),
            added=added,
            changed=changed,
            removed=removed,
            suggested=_count_suggested(session, connection),
            notes=notes,
        )
        _tell(session, trail, connection, result, complete=changes.complete)
    return result


def ask_sync(session: Session, trail: Trail, operator: Operator, organization_id: int) -> list[str]:
    """Have every directory of the organization, and its vault outside, read anew, in its lane; returns their names.

    `NotPermitted` unless the operator may, and while the organization is stopped; `BadInput` when it has none.
    """
    organization = session.get_one(Organization, organization_id)
    decision = may_sync(operator, organization.id)
    if not decision.allowed:
        raise NotPermitted(decision.reason)
    if organization.frozen_at is not None:
        raise NotPermitted(
            f"{organization.name} is stopped, so its directories are not read. `/rotate start` lifts it."
        )
    known = [connection for _, connection in outside_connections(session, [organization.id])]
    if not known:
        raise BadInput(f"{organization.name} has no directory to read yet. An administrator adds one: `/rotate setup`.")
    directories = [connection for connection in known if is_read(connection)]
    if not directories:
        raise NotPermitted(f"{why_off(session, known)} It is not read either.")
    for directory in directories:
        request_sync(session, directory)
    retry_now(session, [directory.id for directory in directories])
    names = [directory.name for directory in directories]
    touch(session, MATCH_REVIEW, organization.id)
    trail.append(
        session,
        event="directory.sync_requested",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=", ".join(names),
    )
    return names


def import_records(
    database: Database,
    safe: Safe,
    trail: Trail,
    operator: Operator,
    vault_id: int,
    path: Path,
    *,
    overwrite: bool = False,
    called: str | None = None,
) -> ImportResult:
    """Import a CSV file into an embedded vault, all of it or nothing, and look again for matches. Rotates nothing.

    An export of IT Glue's holds many organizations: only the lines of this one are taken, by its name here or as it is
    `called` there.

    `BadInput` names the first thing in the file that does not fit; `EscrowProblem` when the escrow file cannot be
    written; `NotPermitted` unless the operator administers the organization. `overwrite`: the file's passwords count
    even where Rekey proved another one since.
    """
    if is_export(path):
        with database.reading() as session:
            home = session.get_one(Organization, get_connection(session, vault_id).organization_id).name
        rows, left_out = read_export(path, called or home)
    else:
        rows, left_out = read_csv(path), []
    safe.escrow.check()
    with database.writing() as session:
        vault = get_connection(session, vault_id)
        if vault.kind != embedded.KIND:
            raise BadInput(f"{vault.name} is not an embedded vault, so nothing can be imported into it.")
        decision = may_administer(operator, vault.organization_id)
        if not decision.allowed:
            raise NotPermitted(f"{decision.reason} Nothing was imported.")
        organization = session.get_one(Organization, vault.organization_id)
        result = embedded.import_records(session, safe, organization, vault, rows, operator.key, overwrite=overwrite)
        result.skipped += left_out
        session.flush()
        suggest(session, organization.id, result.usernames)
        trail.append(
            session,
            event="records.imported",
            operator=operator.key,
            source=operator.source,
            organization=organization,
            subject=vault.name,
            details={"file": path.name, "overwrite": overwrite, **result.counts()},
        )
    return result


def _take_in(session: Session, connection_id: int, page: Sequence[SeenAccount], *, look_again: bool) -> tuple[int, int]:
    """Store what these accounts are now; returns how many are new and how many differ from what was known."""
    connection = get_connection(session, connection_id)
    organization = session.get_one(Organization, connection.organization_id)
    latest = {account.object_id: account for account in page}
    known = known_accounts(session, connection_id, latest)
    concerned: set[str] = set()
    rows, changed, at = [], 0, now()
    for object_id, account in latest.items():
        columns = _columns(account, organization)
        before = known.get(object_id)
        if before is None:
            rows.append(_new_row(connection, columns, at))
            concerned |= _names(columns)
            continue
        differing = {name: value for name, value in columns.items() if getattr(before, name) != value}
        if not differing and before.removed_at is None:
            continue
        if before.removed_at is not None or not differing.keys().isdisjoint(_MATTERING):
            concerned |= _names(columns) | names_of(before.username_key, before.upn_key, before.mail_key)
        before.sqlmodel_update({**differing, "removed_at": None})
        changed += 1
    add_accounts(session, rows)
    session.flush()
    if look_again and concerned:
        suggest(session, connection.organization_id, concerned)
    return len(rows), changed


def _columns(seen: SeenAccount, organization: Organization) -> dict[str, Any]:
    return {
        "object_id": seen.object_id,
        "username": seen.username,
        "username_key": fold(seen.username),
        "domain": seen.domain,
        "upn": seen.upn,
        "upn_key": fold(seen.upn) if seen.upn else None,
        "mail": seen.mail,
        "mail_key": fold(seen.mail) if seen.mail else None,
        "display_name": seen.display_name,
        "ou": seen.ou,
        "enabled": seen.enabled,
        "locked": seen.locked,
        "password_set_at": seen.password_set_at,
        "directory_tier": seen.tier,
        "tier": tier_of(seen.tier, organization.marks, seen.username, seen.domain, seen.upn),
        "guard": seen.guard,
        "guard_status": seen.guard_status,
        "immutable_id": seen.immutable_id,
        "sid": seen.sid,
        "synced": seen.synced,
        "is_connector": seen.is_connector,
    }


def _new_row(connection: Connection, columns: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {
        **columns,
        "organization_id": connection.organization_id,
        "connection_id": connection.id,
        "person": None if columns["synced"] else columns["immutable_id"],
        "first_seen_at": at,
    }


def _names(columns: dict[str, Any]) -> set[str]:
    return names_of(columns["username_key"], columns["upn_key"], columns["mail_key"])


def _remove(session: Session, connection: Connection, object_ids: set[str]) -> tuple[int, tuple[str, ...]]:
    """Mark these accounts as gone; returns how many were there until now, and what to say about the approved ones."""
    if not object_ids:
        return 0, ()
    names = {
        name
        for account in known_accounts(session, connection.id, object_ids).values()
        for name in names_of(account.username_key, account.upn_key, account.mail_key)
    }
    removed = mark_removed(session, connection.id, object_ids, now())
    forget_undecided(session, removed)
    suggest(session, connection.organization_id, names)
    return len(removed), tuple(
        f"{row.account.domain}\\{row.account.username} is gone from {connection.name}. Its match to "
        f"{row.record.name if row.record else 'a record'} is kept, but it cannot be rotated: reopen or ignore it."
        for row in approved_matches(session, removed)
    )


def _count_suggested(session: Session, connection: Connection) -> int:
    """Of the only directory's accounts without looking at the accounts: an index knows."""
    only = len(connections_of(session, "directory", [connection.organization_id])) == 1
    return count_suggested(session, connection.organization_id, None if only else connection.id)


def _tell(session: Session, trail: Trail, connection: Connection, result: SyncResult, *, complete: bool) -> None:
    trail.append(
        session,
        event="directory.synced",
        operator=_OPERATOR,
        source=_SOURCE,
        organization=session.get_one(Organization, connection.organization_id),
        subject=connection.name,
        details={
            "complete": complete,
            "accounts": result.accounts,
            "added": result.added,
            "changed": result.changed,
            "removed": result.removed,
            "approved_and_gone": list(result.notes),
        },
    )


def _pages(accounts: Iterable[SeenAccount], meanwhile: Callable[[], None]) -> Iterator[list[SeenAccount]]:
    def read() -> Iterator[SeenAccount]:
        for account in accounts:
            meanwhile()
            yield account

    iterator = read()
    while page := list(islice(iterator, PORTION)):
        yield page
