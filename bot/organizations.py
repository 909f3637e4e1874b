"""Bringing an organization in: its row, its vault, its directories; testing a connection before it is saved; stopping
everything in an organization, and lifting that again.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from zoneinfo import available_timezones

from pydantic import SecretStr
from sqlmodel import Session

from bot.audit import Trail
from bot.connections import ITGLUE, DirectoryFactory, Keep, connect, connect_vault
from bot.directories.base import Finding
from bot.errors import BadInput, NotPermitted, OutsideError
from bot.matching.suggesting import suggest
from bot.permissions import DEFAULT_BULK, Decision, Operator, may_administer, may_start, may_stop
from bot.settings import Network
from bot.tiers import tier_of
from storage.accounts import accounts_of
from storage.connections import (
    EMBEDDED,
    RECOVERED,
    add_connections,
    connections_of,
    give_lane,
    name_key,
    outside_connections,
)
from storage.lanes import wake
from storage.models import Connection, Organization, now
from storage.organizations import find_organization, organization_of
from storage.records import count_records

_LONGEST_NAME = 100


def bring_in(
    session: Session, name: str, *, channel: str | None, timezone: str, bulk: Sequence[str] | None = None
) -> Organization:
    """Store a new organization; its id is set. What its "all" includes is the default unless `bulk` says otherwise."""
    organization = Organization(
        name=name,
        name_key=name_key(name),
        channel=channel,
        timezone=timezone,
        bulk=list(DEFAULT_BULK if bulk is None else bulk),
    )
    session.add(organization)
    session.flush()
    return organization


def add_vault(session: Session, organization: Organization, name: str) -> Connection:
    """Give the organization an embedded vault."""
    vault = Connection(
        organization_id=organization.id, name=name, name_key=name_key(name), side="vault", kind="embedded"
    )
    add_connections(session, [vault])
    return vault


def why_not_found(session: Session, name: str, timezone: str) -> tuple[str, str] | None:
    """Which of the two, `name` or `timezone`, does not do for a new organization, and why; None when both do."""
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME or _has_invisible(name):
        return "name", f"A name has 1 to {_LONGEST_NAME} characters, none of them invisible, and no blanks around it."
    if find_organization(session, name) is not None:
        return "name", f"There is an organization called {name} already. Choose it above."
    if timezone not in available_timezones():
        return "timezone", f"{timezone[:60]} is not a time zone. Write it as Europe/London."
    return None


def found(session: Session, trail: Trail, operator: Operator, name: str, timezone: str) -> Organization:
    """A new organization with an empty embedded vault. `NotPermitted` for whoever does not administer everything;
    `BadInput` when name or time zone do not do.
    """
    _refuse_unless(may_administer(operator, None))
    wrong = why_not_found(session, name, timezone)
    if wrong is not None:
        raise BadInput(f"{wrong[1]} Nothing was changed.")
    organization = bring_in(session, name, channel=None, timezone=timezone)
    add_vault(session, organization, "vault")
    _write_down(session, trail, operator, "organization.added", organization)
    return organization


def bind(session: Session, trail: Trail, operator: Operator, organization: Organization, channel: str) -> None:
    """Make this channel the organization's; whoever calls has made sure that nobody outside reads it.

    `NotPermitted` when the operator does not administer it; `BadInput` when the channel is another organization's.
    """
    _refuse_unless(may_administer(operator, organization.id))
    holder = organization_of(session, channel)
    if holder is not None and holder.id != organization.id:
        raise BadInput(
            f"This is the channel of {holder.name} already, and a channel is one organization's. Nothing was changed."
        )
    before, organization.channel = organization.channel, channel
    session.add(organization)
    session.flush()
    details = {"channel": channel, "before": before}
    _write_down(session, trail, operator, "organization.channel_bound", organization, details=details)


def refuse_shared(session: Session, trail: Trail, operator: Operator, channel: str) -> None:
    """Write down that somebody wanted to bind a channel that people outside read."""
    trail.append(
        session,
        event="organization.channel_refused",
        operator=operator.key,
        source=operator.source,
        subject=f"channel {channel}",
        result="refused",
        details={"reason": "shared outside"},
    )


def _write_down(
    session: Session,
    trail: Trail,
    operator: Operator,
    event: str,
    organization: Organization,
    details: Mapping[str, object] | None = None,
) -> None:
    trail.append(
        session,
        event=event,
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=organization.name,
        details=details,
    )


def new_connection(organization: Organization, name: str, kind: str, settings: Mapping[str, object]) -> Connection:
    """A connection to a directory, or to a vault, that is not stored yet, so that it can be tested first."""
    return Connection(
        organization_id=organization.id,
        name=name,
        name_key=name_key(name),
        side="vault" if kind in (EMBEDDED, ITGLUE) else "directory",
        kind=kind,
        settings=dict(settings),
    )


def store(session: Session, organization: Organization, connection: Connection) -> Connection:
    """Store a new connection; the stored row. A vault takes the place of an empty one: see `put_vault`."""
    if connection.side == "vault":
        return put_vault(session, organization, connection)
    add_connections(session, [connection])
    return connection


def why_not_replaced(session: Session, vault: Connection) -> str:
    """Why the organization's vault cannot become one of another kind, in a sentence; empty when it can: it has no
    record yet, or came back from the escrow file, and its records find theirs when the vault is read.
    """
    count = 0 if vault.settings.get(RECOVERED) else count_records(session, vault.id)
    return f"{vault.name} has records already ({count:,}), and records do not move between vaults" if count else ""


def put_vault(session: Session, organization: Organization, connection: Connection) -> Connection:
    """Make this the organization's vault, in the place of an empty one; the stored row. `BadInput` when the present one
    has records.
    """
    present = next((each for _, each in connections_of(session, "vault", [organization.id])), None)
    if present is None:
        add_connections(session, [connection])
        return connection
    why = why_not_replaced(session, present)
    if why:
        raise BadInput(f"{why}. Nothing was stored.")
    for name in ("name", "name_key", "kind", "settings", "uid", "credential", "credential_reference"):
        setattr(present, name, getattr(connection, name))
    present.cursor = present.synced_at = None
    give_lane(session, present)
    session.add(present)
    session.flush()
    return present


def try_connection(
    connection: Connection,
    secret: SecretStr | None,
    networks: Sequence[Network],
    extra_kinds: Mapping[str, DirectoryFactory],
    extra_hosts: Collection[str] = (),
    keep: Keep | None = None,
) -> list[Finding]:
    """What the system itself says to this connection and credential, neither of which need be stored.

    Changes nothing. Whatever is wrong outside is a finding; nothing is raised for it.
    """
    try:
        if connection.side == "vault":
            with connect_vault(connection, secret, extra_hosts) as vault:
                return vault.check()
        with connect(connection, secret, networks, extra_kinds, extra_hosts, keep) as directory:
            return directory.check()
    except OutsideError as error:
        return [Finding.problem(error)]


def freeze(session: Session, trail: Trail, operator: Operator, organization: Organization) -> str:
    """Have nothing new written outside for this organization; says in a sentence what is true now.

    `NotPermitted` when the operator may not. Freezing twice keeps the first one's name.
    """
    _refuse_unless(may_stop(operator, organization.id))
    if organization.frozen_at is None:
        organization.frozen_at, organization.frozen_by = now(), operator.key
        session.add(organization)
        trail.append(
            session,
            event="organization.stopped",
            operator=operator.key,
            source=operator.source,
            organization=organization,
        )
    return (
        f"Rotations are stopped in {organization.name} by {organization.frozen_by}. What was already sent is still "
        "looked at. `rekey start` lifts it."
    )


def lift(session: Session, trail: Trail, operator: Operator, organization: Organization) -> str:
    """Lift a freeze; says in a sentence what is true now. `NotPermitted` when the operator may not."""
    _refuse_unless(may_start(operator, organization.id))
    if organization.frozen_at is not None:
        organization.frozen_at = organization.frozen_by = None
        session.add(organization)
        for _, connection in outside_connections(session, [organization.id]):
            wake(session, connection.id)
        trail.append(
            session,
            event="organization.started",
            operator=operator.key,
            source=operator.source,
            organization=organization,
        )
    return f"Rotations go on in {organization.name}."


def _refuse_unless(decision: Decision) -> None:
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")


def _has_invisible(name: str) -> bool:
    """Control, zero-width and bidi characters make one name look like another."""
    return any(unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"} for each in name)


def mark(session: Session, organization: Organization, marks: Mapping[str, Sequence[str]]) -> int:
    """Mark accounts, by username, as shared, service or break-glass; returns how many change their tier."""
    organization.marks = {tier: list(usernames) for tier, usernames in marks.items()}
    session.add(organization)
    changed = 0
    for account in accounts_of(session, organization.id):
        tier = tier_of(account.directory_tier, organization.marks, account.username, account.domain, account.upn)
        if account.tier != tier:
            account.tier = tier
            session.add(account)
            changed += 1
    session.flush()
    if changed:
        suggest(session, organization.id)  # ignore rules go by the tier
    return changed
