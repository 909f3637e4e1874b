"""Adding a directory from Slack: who it is stands in a Slack form, its credential is typed on Rekey's own page.

A connector credential never passes through Slack. The form makes a draft and a one-time link; on the page the operator
steps up and types the credential; the directory itself is asked what it thinks of both; and only when it lets Rekey
sign in is the connection stored, its credential sealed for exactly that system. A link whose credential did not do may
be tried again until it is over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import SecretStr
from sqlmodel import Session

from bot import links
from bot.audit import Trail
from bot.connections import (
    DirectoryFactory,
    borrowed,
    checked_settings,
    expect_end,
    refreshed,
    seal_credential,
)
from bot.credential_fields import Field, fields, taken
from bot.directories.base import Finding, Level
from bot.errors import BadInput, NotPermitted
from bot.links import CREDENTIAL, Made, Opened, Refusal
from bot.organizations import new_connection, store, try_connection
from bot.permissions import Operator, may_administer
from bot.settings import Settings
from bot.switches import turn
from storage.connections import connections_of, get_connection, name_key
from storage.database import Database
from storage.lanes import retry_now
from storage.links import use_link
from storage.models import Connection, Organization, now
from storage.notices import finish, post
from storage.revisions import Safe
from storage.tasks import request_sync

PAGE = "credential page"
"""The source that what happens on the page is audited with."""
CONNECTED = "connected"
"""The notice to whoever typed the credential, in the doctor's words."""
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A directory as it was described in Slack."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    asks: Sequence[str] = ()
    """How it proves itself, where a kind has several ways: see `bot.credential_fields`."""
    on: bool = True
    """How its switch is to stand."""
    connection_id: int | None = None
    """The stored connection that is to be so from now on; None: a new one."""
    borrows: int | None = None
    """The connection whose credential this one has too: the same app, in another tenant."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a link asks a credential for, for whoever holds it; nothing secret."""

    organization: str
    directory: str
    facts: tuple[tuple[str, str], ...]
    """What it is, in words: a name, and what stands there."""
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What the directory itself said, and whether the connection is stored now."""

    organization: Organization
    connection: Connection
    findings: tuple[Finding, ...]

    @property
    def saved(self) -> bool:
        """The directory took the credential: it is stored, and its accounts are being read. A right that is missing in
        the domain does not stand in the way: it is granted there, and the doctor goes on naming it.
        """
        return not any(map(_stands_in_the_way, self.findings))


def ask(
    session: Session,
    trail: Trail,
    settings: Settings,
    kinds: Mapping[str, DirectoryFactory],
    operator: Operator,
    organization: Organization,
    draft: Draft,
) -> Made:
    """A one-time link on which this operator types the directory's credential.

    `NotPermitted` when they may not administer the organization; `BadInput` when the draft does not fit.
    """
    _refuse_unless_administrator(operator, organization)
    if not draft.name.strip() or len(draft.name) > _LONGEST_NAME:
        raise BadInput(f"A directory's name has 1 to {_LONGEST_NAME} characters. Nothing was stored.")
    checked = checked_settings(draft.kind, draft.settings, kinds, settings.extra_hosts)
    _refuse_taken(session, organization, draft)
    if draft.borrows is not None:
        _refuse_unless_administrator(operator, _owner(session, draft.borrows))
    stored = {**asdict(draft), "name": draft.name.strip(), "settings": checked}
    made = links.make(session, settings, operator, organization.id, CREDENTIAL, draft=stored)
    trail.append(
        session,
        event="credential.asked",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"connection {draft.name}",
    )
    return made


def describe(database: Database, trail: Trail, settings: Settings, token: SecretStr) -> Described | Refusal:
    """What the link is for. Uses nothing up."""
    with database.writing() as session:
        opened = links.follow(session, trail, settings, token, CREDENTIAL, PAGE)
        if isinstance(opened, Refusal):
            return opened
        draft = _draft_of(opened)
    asked = fields(draft.kind, draft.asks) if draft.borrows is None else ()
    return Described(opened.organization.name, draft.name, tuple(_facts(draft)), asked)


def enter(
    database: Database,
    safe: Safe,
    trail: Trail,
    settings: Settings,
    kinds: Mapping[str, DirectoryFactory],
    token: SecretStr,
    code: str,
    typed: Mapping[str, SecretStr],
) -> Tried | Refusal:
    """Have the directory judge the credential, and store the connection when nothing is wrong with it. `typed` is what
    stands in the page's fields, by name.

    Calls the directory, so not from a listener of Slack's. A wrong code, and a credential that does not do, leave the
    link usable.
    """
    with database.writing() as session:
        opened = _may_enter(session, trail, settings, token)
        if isinstance(opened, Refusal):
            return opened
        wrong_code = links.step_up(session, trail, safe.keys, settings, opened, code)
        if wrong_code is not None:
            return Refusal(wrong_code, again=True)
    draft, organization = _draft_of(opened), opened.organization
    with database.reading() as session:
        given, secret = _given(session, safe, opened, draft, typed)
        connection = _described(session, organization, draft, given)
    kept = [secret]

    def keep(_old: SecretStr, new: SecretStr) -> None:
        kept[0] = refreshed(kept[0], new) if kept[0] is not None else None

    findings = try_connection(connection, secret, settings.directory_networks, kinds, settings.extra_hosts, keep)
    secret = kept[0]
    tried = Tried(organization, connection, tuple(findings))
    with database.writing() as session:
        if not tried.saved:
            links.refuse(session, trail, opened, next(each.what for each in findings if _stands_in_the_way(each)))
            return tried
        again = _may_enter(session, trail, settings, token)
        if isinstance(again, Refusal):
            return again
        _refuse_taken(session, organization, draft)
        if not use_link(session, opened.link, now()):
            return Refusal("This link was used, or ended, in this very moment. Nothing was stored.")
        connection = _stored(session, organization, draft, connection)
        if secret is not None:
            seal_credential(connection, safe.keys, secret)
            expect_end(connection, given_anew=True)
        turn(connection, on=draft.on, by=opened.operator.key)
        if draft.connection_id is None:
            connection = store(session, organization, connection)
        session.add(connection)
        retry_now(session, [connection.id])
        tried = replace(tried, connection=connection)
        request_sync(session, connection)
        post(
            session,
            kind=CONNECTED,
            subject=connection.id,
            address=opened.operator.key,
            organization_id=organization.id,
            view={"findings": [asdict(each) for each in findings]},
        )
        finish(session, CONNECTED, connection.id)
        trail.append(
            session,
            event="connection.added" if draft.connection_id is None else "connection.changed",
            operator=opened.operator.key,
            source=PAGE,
            organization=organization,
            subject=connection.name,
            details={"kind": connection.kind, "link": opened.link.id, "on": draft.on},
        )
        return Tried(organization, connection, tuple(findings))


def _stands_in_the_way(finding: Finding) -> bool:
    return finding.level is Level.PROBLEM and not finding.cause.startswith("right-")


def _may_enter(session: Session, trail: Trail, settings: Settings, token: SecretStr) -> Opened | Refusal:
    opened = links.follow(session, trail, settings, token, CREDENTIAL, PAGE)
    if isinstance(opened, Refusal):
        return opened
    decision = may_administer(opened.operator, opened.organization.id)
    if not decision.allowed:
        links.refuse(session, trail, opened, decision.reason)
        return Refusal(f"{decision.reason} Nothing was stored.")
    return opened


def _refuse_unless_administrator(operator: Operator, organization: Organization) -> None:
    decision = may_administer(operator, organization.id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was stored.")


def _refuse_taken(session: Session, organization: Organization, draft: Draft) -> None:
    others = [each for _, each in connections_of(session, None, [organization.id]) if each.id != draft.connection_id]
    if name_key(draft.name) in {each.name_key for each in others}:
        raise BadInput(f"{organization.name} has a connection called {draft.name} already. Nothing was stored.")
    if draft.connection_id is not None:
        _refuse_another(get_connection(session, draft.connection_id), organization, draft)


def _refuse_another(connection: Connection, organization: Organization, draft: Draft) -> None:
    if connection.organization_id != organization.id or connection.kind != draft.kind:
        raise BadInput("This speaks of another directory than it was opened for. Nothing was stored.")


def _owner(session: Session, connection_id: int) -> Organization:
    return session.get_one(Organization, get_connection(session, connection_id).organization_id)


def _given(
    session: Session, safe: Safe, opened: Opened, draft: Draft, typed: Mapping[str, SecretStr]
) -> tuple[dict[str, Any], SecretStr | None]:
    """The settings and the credential, as typed or as the connection has it that lends its own."""
    if draft.borrows is None:
        return taken(draft.kind, draft.settings, draft.asks, typed)
    _refuse_unless_administrator(opened.operator, _owner(session, draft.borrows))
    return borrowed(get_connection(session, draft.borrows), safe.keys, draft.settings)


def _described(session: Session, organization: Organization, draft: Draft, settings: Mapping[str, Any]) -> Connection:
    """The connection as it would be, apart from what is stored."""
    described = new_connection(organization, draft.name, draft.kind, settings)
    if draft.connection_id is not None:
        described.uid = get_connection(session, draft.connection_id).uid
    return described


def _stored(session: Session, organization: Organization, draft: Draft, described: Connection) -> Connection:
    """The row that is to hold it: a new one, or the one that is there, brought up to it."""
    if draft.connection_id is None:
        return described
    connection = get_connection(session, draft.connection_id)
    _refuse_another(connection, organization, draft)
    connection.name, connection.name_key = described.name, described.name_key
    connection.settings, connection.credential_reference = described.settings, None
    connection.credential_rotated_at = None
    return connection


def _facts(draft: Draft) -> Iterator[tuple[str, str]]:
    servers = [f"{each['host']}:{each['port']}" for each in draft.settings.get("servers", ())]
    cloud = draft.settings.get("cloud", "")
    told = {
        "Servers": "\n".join(servers),
        "Address": draft.settings.get("base_url", ""),
        "Its organization there": draft.settings.get("organization", ""),
        "Signs in as": draft.settings.get("bind_dn", ""),
        "Tenant": draft.settings.get("tenant_id", ""),
        "App": draft.settings.get("client_id", ""),
        "Cloud": f"{cloud['login']}\n{cloud['graph']}" if isinstance(cloud, Mapping) else cloud,
    }
    return ((name, str(value)) for name, value in told.items() if value)


def _draft_of(opened: Opened) -> Draft:
    return Draft(**(opened.link.draft or {}))
