"""Adding a directory from Slack: who it is stands in a Slack form, its credential is typed on Rekey's own page.

A connector credential never passes through Slack. The form makes a draft and a one-time link; on the page the operator
steps up and types the credential; the directory itself is asked what it thinks of both; and only when it lets Rekey
sign in is the connection stored, its credential sealed for exactly that system. A link whose credential did not do may
be tried again until it is over.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import SecretStr
from sqlmodel import Session

from bot import links
from bot.audit import Trail
from bot.connections import DirectoryFactory, checked_settings, needs_credential, seal_credential
from bot.directories.base import Finding, Level
from bot.errors import BadInput, NotPermitted
from bot.links import CREDENTIAL, Made, Opened, Refusal
from bot.organizations import new_connection, store, try_connection
from bot.permissions import Operator, may_administer
from bot.settings import Settings
from storage.connections import connections_of, name_key
from storage.database import Database
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


@dataclass(frozen=True, slots=True)
class Described:
    """What a link asks a credential for, for whoever holds it; nothing secret."""

    organization: str
    directory: str
    servers: tuple[str, ...]
    signs_in_as: str
    needs_credential: bool


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
    _refuse_taken(session, organization, draft.name)
    stored = {"name": draft.name.strip(), "kind": draft.kind, "settings": checked}
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


def describe(
    database: Database, trail: Trail, settings: Settings, kinds: Mapping[str, DirectoryFactory], token: SecretStr
) -> Described | Refusal:
    """What the link is for. Uses nothing up."""
    with database.writing() as session:
        opened = links.follow(session, trail, settings, token, CREDENTIAL, PAGE)
        if isinstance(opened, Refusal):
            return opened
        draft = _draft_of(opened)
    servers = tuple(f"{each['host']}:{each['port']}" for each in draft.settings.get("servers", ()))
    there = draft.settings.get("organization")
    return Described(
        opened.organization.name,
        draft.name,
        servers or tuple(filter(None, [draft.settings.get("base_url")])),
        f"an API key, for the organization {there}" if there else str(draft.settings.get("bind_dn", "")),
        needs_credential(draft.kind, kinds),
    )


def enter(
    database: Database,
    safe: Safe,
    trail: Trail,
    settings: Settings,
    kinds: Mapping[str, DirectoryFactory],
    token: SecretStr,
    code: str,
    credential: SecretStr,
) -> Tried | Refusal:
    """Have the directory judge the credential, and store the connection when nothing is wrong with it.

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
    draft = _draft_of(opened)
    organization = opened.organization
    connection = new_connection(organization, draft.name, draft.kind, draft.settings)
    secret = credential if needs_credential(draft.kind, kinds) else None
    findings = try_connection(connection, secret, settings.directory_networks, kinds, settings.extra_hosts)
    tried = Tried(organization, connection, tuple(findings))
    with database.writing() as session:
        if not tried.saved:
            links.refuse(session, trail, opened, next(each.what for each in findings if _stands_in_the_way(each)))
            return tried
        again = _may_enter(session, trail, settings, token)
        if isinstance(again, Refusal):
            return again
        _refuse_taken(session, organization, draft.name)
        if not use_link(session, opened.link, now()):
            return Refusal("This link was used, or ended, in this very moment. Nothing was stored.")
        if secret is not None:
            seal_credential(connection, safe.keys, secret)
        connection = store(session, organization, connection)
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
            event="connection.added",
            operator=opened.operator.key,
            source=PAGE,
            organization=organization,
            subject=connection.name,
            details={"kind": connection.kind, "link": opened.link.id},
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


def _refuse_taken(session: Session, organization: Organization, name: str) -> None:
    taken = {connection.name_key for _, connection in connections_of(session, None, [organization.id])}
    if name_key(name) in taken:
        raise BadInput(f"{organization.name} has a connection called {name} already. Nothing was stored.")


def _draft_of(opened: Opened) -> Draft:
    return Draft(**(opened.link.draft or {}))
