"""`/rotate setup` and `/rotate doctor`: an organization gets its channel and its directories; how those are."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from slack_bolt import Ack, App
from slack_sdk.errors import SlackApiError
from sqlmodel import Session

from blocks import ids, parts
from blocks import setup as drawing
from blocks.drawn import Drawn
from bot import channels, credentials, organizations
from bot.connections import ACTIVE_DIRECTORY, needs_credential
from bot.credentials import CONNECTED, Draft
from bot.directories.base import Finding, Level
from bot.doctor import examine
from bot.errors import BadInput, NotPermitted, OutsideError, Refused, RekeyError
from bot.matching.own_account import match_own
from bot.notices import Draw
from bot.permissions import may_administer, may_sync
from bot.services import Services
from bot.slack import Slack
from bot.switches import switch_of
from handlers.context import Asked
from handlers.errors import WrongFields
from handlers.people import Refusal
from handlers.rotate_command import Word
from storage.connections import EMBEDDED, connections_of, get_connection
from storage.models import Notice, Organization
from storage.organizations import get_organization
from storage.organizations import organizations as all_organizations
from storage.records import count_records, find_named, get_records

_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:]+\]|[^\s:]+)(?::(?P<port>\d{1,5}))?(?:\s+as\s+(?P<tls_name>\S+))?")
_DOCTORS = ThreadPoolExecutor(2, thread_name_prefix="doctor")
"""Directories are slow and may be away: they are asked here, never in a listener."""

_log = structlog.get_logger(__name__)


def register(app: App, _services: Services) -> None:
    """Listen to the forms."""

    @app.options(drawing.ORGANIZATION)
    def offered(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        typed = str(body.get("value", "")).casefold()
        with asked.services.database.reading() as session:
            mine = [each for each in all_organizations(session) if may_administer(asked.operator, each.id).allowed]
        ack(
            options=[parts.option(each.name, ids.value(each.id)) for each in mine if typed in each.name.casefold()][
                :100
            ]
        )

    @app.view(drawing.BIND)
    def bind(ack: Ack, asked: Asked) -> None:
        # Answered with the outcome itself: a "loading" in between could arrive after it, and stay.
        ack(response_action="update", view=_bind(asked, _wanted_organization(asked)))

    @app.action(drawing.ADD)
    def add(ack: Ack, asked: Asked) -> None:
        ack()
        organization = administered(asked, asked.row()[0])
        kinds = [ACTIVE_DIRECTORY, *asked.services.extra_kinds]
        asked.opens(drawing.directory(organization, kinds, parts.memo_for(asked.operator.key, organization.id)))

    @app.action(drawing.OWN_ACCOUNT)
    def own_account(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.services.database.reading() as session:
            connection = get_connection(session, asked.row()[0])
            record = get_records(session, [connection.own_record_id or 0]).get(connection.own_record_id or 0)
        organization = administered(asked, connection.organization_id)
        memo = parts.memo_for(asked.operator.key, organization.id, directory=connection.id)
        asked.opens(drawing.own_account(connection.name, record.name if record else "", memo))

    @app.view(drawing.OWN_RECORD)
    def own_record(ack: Ack, asked: Asked) -> None:
        ack(response_action="update", view=_own_record(asked))

    @app.view(drawing.DIRECTORY)
    def directory(ack: Ack, asked: Asked) -> None:
        if asked.organization is None:
            raise Refusal("This form belongs to no organization. Open it again with `/rotate setup`.")
        ack(response_action="update", view=credential_link(asked, asked.organization, _draft(asked), _FIELDS))


def _setup(asked: Asked, _rest: str) -> None:
    channel = asked.channel or ""
    if asked.organization is not None:
        asked.opens(overview_of(asked, administered(asked, asked.organization.id)))
    elif channel[:1] in ("C", "G"):
        _ask_whose(asked, channel)
    else:
        asked.answer("Type `/rotate setup` in the channel that is, or is to be, the organization's.")


def _ask_whose(asked: Asked, channel: str) -> None:
    may_found = may_administer(asked.operator, None)
    with asked.services.database.reading() as session:
        administers = any(may_administer(asked.operator, each.id).allowed for each in all_organizations(session))
    if not administers:
        asked.allow(may_found)
    memo = parts.memo_for(asked.operator.key, None, channel=channel)
    asked.opens(drawing.bind(channel, memo, may_found=may_found.allowed))


def _wanted_organization(asked: Asked) -> int | str:
    """The id of the one that was chosen, or the name of a new one."""
    chosen = drawing.entered(asked.view, drawing.CHOSEN)
    name = drawing.entered(asked.view, drawing.NEW_NAME)
    if bool(chosen) == bool(name):
        raise WrongFields({drawing.CHOSEN: "Choose an organization, or name a new one below: one of the two."})
    if chosen:
        return asked.read(chosen)[0]
    with asked.services.database.reading() as session:
        wrong = organizations.why_not_found(session, name, drawing.entered(asked.view, drawing.TIMEZONE) or "UTC")
    if wrong is not None:
        field, sentence = wrong
        raise WrongFields({drawing.NEW_NAME if field == "name" else drawing.TIMEZONE: sentence})
    return name


def _bind(asked: Asked, wanted: int | str) -> dict[str, Any]:
    services, channel = asked.services, str(asked.memo.get("channel", ""))
    try:
        shared = Slack(asked.client).shared_outside(channel)
    except OutsideError as error:
        raise BadInput(
            f"Slack does not show Rekey this channel ({error.cause}). Nothing was changed. If it is private, type "
            "`/invite` there, choose Rekey, and try again."
        ) from error
    with asked.writing() as session:
        if shared:
            organizations.refuse_shared(session, services.trail, asked.operator, channel)
        else:
            organization = (
                get_organization(session, wanted)
                if isinstance(wanted, int)
                else organizations.found(
                    session,
                    services.trail,
                    asked.operator,
                    wanted,
                    drawing.entered(asked.view, drawing.TIMEZONE) or "UTC",
                )
            )
            organizations.bind(session, services.trail, asked.operator, organization, channel)
            channels.mended(session, channel)
    if shared:
        raise NotPermitted(
            "People of another company read this channel, or are invited to, so Rekey does not work in it. Nothing was "
            "changed. Take a channel of your own."
        )
    told = f"✅ <#{channel}> is the channel of *{parts.escape(organization.name, 100)}* now."
    return overview_of(asked, organization, told)


def overview_of(asked: Asked, organization: Organization, told: str = "") -> dict[str, Any]:
    """The window of what an organization has, and lacks."""
    with asked.services.database.reading() as session:
        found = connections_of(session, "directory", [organization.id])
        vault = next((each for _, each in connections_of(session, "vault", [organization.id])), None)
        empty = vault is None or (vault.kind == EMBEDDED and not count_records(session, vault.id))
        own = get_records(session, [each.own_record_id for _, each in found if each.own_record_id is not None])
    names = {record_id: record.name for record_id, record in own.items()}
    directories = [
        drawing.DirectoryShown(
            each.id,
            each.name,
            each.kind,
            each.synced_at,
            switch_of(each.kind).name,
            needs_credential(each.kind, asked.services.extra_kinds),
            each.off_at,
            each.off_by,
            names.get(each.own_record_id or 0),
        )
        for _, each in found
    ]
    memo = parts.memo_for(asked.operator.key, organization.id)
    return drawing.overview(organization, directories, memo, told, vault, vault_empty=empty)


def _own_record(asked: Asked) -> dict[str, Any]:
    typed, directory = drawing.entered(asked.view, drawing.RECORD), asked.memo.get("directory")
    if asked.organization is None or not isinstance(directory, int):
        raise Refusal("This form belongs to no directory. Open it again with `/rotate setup`.")
    organization = administered(asked, asked.organization.id)
    with asked.writing() as session:
        connection = get_connection(session, directory)
        asked.here(connection.organization_id)
        found = find_named(session, organization.id, typed)
        if len(found) != 1:
            said = "No record is called that here." if not found else "Several records are called that: rename one."
            raise WrongFields({drawing.RECORD: said})
        try:
            told = match_own(session, asked.services.trail, asked.operator, connection, found[0])
        except BadInput as error:
            raise WrongFields({drawing.RECORD: str(error)}) from None
    return overview_of(asked, organization, f"✅ {parts.sentence(told)}")


def administered(asked: Asked, organization_id: int) -> Organization:
    """The organization, for whoever administers it."""
    asked.here(organization_id)
    asked.allow(may_administer(asked.operator, organization_id))
    with asked.services.database.reading() as session:
        return get_organization(session, organization_id)


# ---- a directory -----------------------------------------------------------------------------------------------------


def credential_link(
    asked: Asked, organization: Organization, draft: Draft, fields: Mapping[str, str]
) -> dict[str, Any]:
    """The window with the one-time link for this draft. `WrongFields` on the field its sentence speaks of: `fields` are
    the forms' by words of such sentences, in the order to look for them.
    """
    services = asked.services
    with asked.writing() as session:
        here = session.get_one(Organization, organization.id)
        try:
            made = credentials.ask(
                session, services.trail, services.settings, services.extra_kinds, asked.operator, here, draft
            )
        except (BadInput, Refused) as error:
            said = f"{error} {error.mend}" if isinstance(error, Refused) else str(error)
            field = next((each for words, each in fields.items() if words in said), drawing.NAME)
            raise WrongFields({field: said}) from None
    memo = parts.memo_for(asked.operator.key, organization.id)
    return drawing.credential_link(draft.name, made, made.address, memo, types=draft.borrows is None)


_FIELDS = {"ca:": drawing.CA, "bind_dn": drawing.SIGN_IN, "servers": drawing.SERVERS}
"""The field that a sentence about a draft speaks of."""


def _draft(asked: Asked) -> Draft:
    view = asked.view
    kind = drawing.entered(view, drawing.KIND) or ACTIVE_DIRECTORY
    name = drawing.entered(view, drawing.NAME)
    if kind != ACTIVE_DIRECTORY:
        return Draft(name, kind, {})
    settings: dict[str, Any] = {
        "servers": _servers(drawing.entered(view, drawing.SERVERS)),
        "bind_dn": drawing.entered(view, drawing.SIGN_IN),
    }
    if not settings["bind_dn"]:
        raise WrongFields({drawing.SIGN_IN: "Say who Rekey signs in as: a DN, or name@domain."})
    authority = drawing.entered(view, drawing.CA)
    return Draft(name, kind, {**settings, "ca": authority} if authority else settings)


def _servers(text: str) -> list[dict[str, Any]]:
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        server = _SERVER.fullmatch(line)
        if server is None or not 0 < int(server["port"] or 636) < 65_536:
            sentence = (
                f"“{parts.clean(line, 80)}” is no server. Write dc1.corp.example.com, or 10.0.0.5:636 as dc1.corp…"
            )
            raise WrongFields({drawing.SERVERS: sentence})
        named = {"tls_name": server["tls_name"]} if server["tls_name"] else {}
        found.append({"host": server["host"].strip("[]"), "port": int(server["port"] or 636), **named})
    if not found:
        raise WrongFields({drawing.SERVERS: "Name at least one domain controller."})
    return found


def _draw_connected(session: Session, notice: Notice) -> Drawn:
    connection = get_connection(session, notice.subject)
    organization = session.get_one(Organization, connection.organization_id)
    findings = [Finding(**{**each, "level": Level(each["level"])}) for each in notice.view.get("findings", [])]
    return drawing.connected(organization, connection, findings)


# ---- the doctor ------------------------------------------------------------------------------------------------------


def _doctor(asked: Asked, _rest: str) -> None:
    organization = asked.organization
    if organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    asked.allow(may_sync(asked.operator, organization.id))
    memo = parts.memo_for(asked.operator.key, organization.id)
    opened = asked.opens(parts.loading("Doctor", memo=memo))
    _DOCTORS.submit(_examine, asked, organization, str(opened["id"]), memo)


def _examine(asked: Asked, organization: Organization, view_id: str, memo: Mapping[str, object]) -> None:
    everything = may_administer(asked.operator, None).allowed
    try:
        found = examine(asked.services, asked.operator, organization.id)
        shown = [(each.subject, each.findings) for each in found if each.organization is not None or everything]
        view = drawing.doctor(shown, memo)
    except RekeyError as error:
        view = parts.modal("Doctor", [parts.section(parts.sentence(str(error)))], memo=memo)
    except Exception:
        _log.exception("doctor.broken")
        view = parts.modal("Doctor", [parts.section("Rekey itself failed here; the log says more.")], memo=memo)
    try:
        asked.client.views_update(view_id=view_id, view=view)
    except (SlackApiError, OSError) as error:
        _log.info("doctor.unseen", reason=str(error))  # the window was closed meanwhile


WORDS = [
    Word("setup", _setup, "gives an organization its channel and its directories", asks=False),
    Word("doctor", _doctor, "what is wrong with the directories, and how to mend it"),
]
DRAWS: Mapping[str, Draw] = {CONNECTED: _draw_connected}
