"""Setting an organization up: its channel, its directories, and what the doctor says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from slack_sdk.models.blocks import (
    ExternalDataSelectElement,
    InputBlock,
    InputInteractiveElement,
    PlainTextInputElement,
    PlainTextObject,
    StaticSelectElement,
)

from blocks import ids, parts, vaults
from blocks.drawn import Drawn
from blocks.parts import Block, escape
from bot.directories.base import Finding, Level
from bot.links import Made
from storage.models import Connection, Organization

OWN_ACCOUNT, OWN_RECORD = "setup.own_account", "setup.own_record"
"""The button at a directory, and the form it opens."""
RECORD = "record"
BIND, DIRECTORY = "setup.bind", "setup.directory"
"""The forms."""
ADD, ORGANIZATION = "setup.add", "setup.organization"
"""The button that opens the second form, and the menu of organizations in the first."""
ADD_TENANT, CHECK, EDIT = "tenant.add", "tenant.check", "tenant.edit"
"""What `blocks.tenants` goes on with."""
CHOSEN, NEW_NAME, TIMEZONE = "organization", "new_name", "timezone"
NAME, KIND, SERVERS, SIGN_IN, CA = "name", "kind", "servers", "sign_in", "ca"
"""The fields."""

_TITLE = "Set up"
_MARKS = {Level.OK: "✅", Level.WARNING: "⚠️", Level.PROBLEM: "❌"}
_SHOWN_MOST = 15
_FINDINGS_MOST = 30
_TOLD_MOST = 10


@dataclass(frozen=True, slots=True)
class DirectoryShown:
    """One directory of the organization."""

    id: int
    name: str
    kind: str
    synced_at: datetime | None
    switch: str
    """What its switch is called."""
    signs_in: bool = True
    off_at: datetime | None = None
    off_by: str | None = None
    own_record: str | None = None
    """The record of the account Rekey signs in with there."""


def overview(
    organization: Organization,
    directories: Sequence[DirectoryShown],
    memo: Mapping[str, object],
    told: str = "",
    vault: Connection | None = None,
    vault_empty: bool = True,
) -> dict[str, Any]:
    """What the organization has already, and what it lacks."""
    blocks: list[Block] = [parts.section(told)] if told else []
    blocks.append(parts.section(f"*{escape(organization.name, 150)}*"))
    channel = (
        f"Its channel is <#{organization.channel}>. To move it, type `/rotate setup` in the other channel."
        if organization.channel
        else "It has no channel yet. Type `/rotate setup` in the channel that is to be its own."
    )
    blocks.append(parts.section(channel))
    for each in directories[:_SHOWN_MOST]:
        blocks += _directory(each)
    if len(directories) > _SHOWN_MOST:
        blocks.append(parts.context(f"and {len(directories) - _SHOWN_MOST:,} more"))
    if not directories:
        blocks.append(parts.section("It has no directory yet, so there is nobody to match or rotate."))
    blocks.append(vaults.line(vault))
    value = ids.value(organization.id)
    buttons = [
        parts.button("Add Active Directory", ADD, value, style=None if directories else "primary"),
        parts.button("Add Microsoft 365", ADD_TENANT, value),
    ]
    if vault_empty:
        buttons.append(vaults.connect_button(organization))
    if directories:
        buttons.append(parts.button("Doctor", ids.word("doctor"), value))
    blocks.append(parts.actions(*buttons))
    return parts.modal(_TITLE, blocks, memo=memo)


def _directory(each: DirectoryShown) -> list[Block]:
    is_tenant = each.kind == "entra"
    kind = "Microsoft 365" if is_tenant else escape(each.kind, 60)
    read = f"read {parts.moment(each.synced_at)}" if each.synced_at else "not read yet"
    text = f"*{escape(each.name, 100)}*  ·  {kind}  ·  {read}"
    if each.off_at is not None:
        text += (
            f"\n⏸️ _{escape(each.switch, 80)}_ is off since {parts.moment(each.off_at)} by {parts.person(each.off_by)}"
        )
    if each.own_record:
        text += f"\nRekey's own account there: *{escape(each.own_record, 100)}*"
    value, name = ids.value(each.id), parts.clean(each.name, 40)
    buttons = [parts.button(f"What is left of {name}…", CHECK, value)] if is_tenant else []
    if each.signs_in:
        buttons.append(parts.button(f"Change {name}…" if is_tenant else f"New credential for {name}", EDIT, value))
    if not is_tenant:
        buttons.append(parts.button(f"Own account of {name}…", OWN_ACCOUNT, value))
    if each.off_at is not None:
        buttons.append(parts.button(f"Switch {name} on", ids.SWITCH_ON, value, style="primary"))
    else:
        sure = parts.confirm(
            "Switch it off?", f"“{parts.clean(each.switch, 80)}” off: no password is changed there.", "Switch off"
        )
        buttons.append(parts.button(f"Switch {name} off", ids.SWITCH_OFF, value, confirm=sure))
    return [parts.section(text), parts.actions(*buttons)]


def bind(channel: str, memo: Mapping[str, object], *, may_found: bool) -> dict[str, Any]:
    """Which organization's is this channel to be?"""
    menu = ExternalDataSelectElement(
        action_id=ORGANIZATION, placeholder=PlainTextObject(text="Search the organizations"), min_query_length=0
    )
    blocks: list[Block] = [
        parts.section(
            f"<#{channel}> is to be the channel of one organization: its cards go there, and what is typed there is "
            "about it. It cannot be a channel that people of other companies read."
        ),
        asked_for(CHOSEN, "Organization", menu, optional=True),
    ]
    if may_found:
        typed = PlainTextInputElement(action_id=NEW_NAME, max_length=100)
        zone = PlainTextInputElement(action_id=TIMEZONE, max_length=60, initial_value="UTC")
        blocks.append(asked_for(NEW_NAME, "Or a new one, by its name", typed, optional=True))
        hint = "Such as Europe/London. Only a new organization takes it from here."
        blocks.append(asked_for(TIMEZONE, "Its time zone", zone, optional=True, hint=hint))
    return parts.modal("Whose channel is this?", blocks, callback_id=BIND, submit="Bind the channel", memo=memo)


def directory(organization: Organization, kinds: Sequence[str], memo: Mapping[str, object]) -> dict[str, Any]:
    """Describe a directory. There is no field for its password, on purpose."""
    several = len(kinds) > 1
    blocks: list[Block] = [
        parts.section(
            f"A directory of *{escape(organization.name, 150)}*. The password Rekey signs in with is typed on Rekey's "
            "own page, in the next step, and never in Slack."
        ),
        asked_for(NAME, "Name", PlainTextInputElement(action_id=NAME, max_length=100), hint="Such as head-office."),
    ]
    if several:
        options = [parts.option(each, each) for each in kinds]
        menu = StaticSelectElement(action_id=KIND, options=options, initial_option=options[0])
        blocks.append(asked_for(KIND, "Kind", menu))
    blocks += [
        asked_for(
            SERVERS,
            "Domain controllers",
            PlainTextInputElement(action_id=SERVERS, multiline=True, max_length=3000),
            optional=several,
            hint="One a line, in the order to try them: dc1.corp.example.com, or 10.0.0.5:636 as dc1.corp.example.com "
            "where the certificate names another host.",
        ),
        asked_for(
            SIGN_IN,
            "Rekey signs in as",
            PlainTextInputElement(action_id=SIGN_IN, max_length=512),
            optional=several,
            hint="A DN, or name@domain.",
        ),
        asked_for(
            CA,
            "Certificate authority (PEM)",
            PlainTextInputElement(action_id=CA, multiline=True, max_length=3000),
            optional=True,
            hint="Paste it where the controllers' certificates come from the domain's own authority. A certificate is "
            "no secret.",
        ),
    ]
    return parts.modal("Add a directory", blocks, callback_id=DIRECTORY, submit="Go on", memo=memo)


def own_account(name: str, known: str, memo: Mapping[str, object]) -> dict[str, Any]:
    """Which record belongs to the account Rekey itself signs in with in this directory?"""
    typed = PlainTextInputElement(action_id=RECORD, max_length=300, initial_value=known or None)
    return parts.modal(
        "Rekey's own account",
        [
            parts.section(
                f"Rekey signs in to *{escape(name, 100)}* with an account of its own. Matched to its record it can be "
                "rotated like any other, by its name alone: directory, vault and Rekey's credential change together."
            ),
            asked_for(RECORD, "Its record", typed, hint="The record's name, as it stands in the vault."),
            parts.context("Only administrators rotate it or are shown its password. Nothing is rotated now."),
        ],
        callback_id=OWN_RECORD,
        submit="Match",
        memo=memo,
    )


def credential_link(
    name: str, made: Made, address: SecretStr, memo: Mapping[str, object], *, types: bool = True
) -> dict[str, Any]:
    """The one-time link to where the credential is typed; or, unless it `types`, where only a code is asked for."""
    needs = "needs the credential Rekey signs in with. Type it" if types else "takes a code of yours. Type it"
    return parts.modal(
        "One thing is left",
        [
            parts.section(
                f"*{escape(name, 100)}* {needs} on Rekey's own page; the directory is asked first, and stored only if "
                "it agrees."
            ),
            parts.actions(parts.link("Open the page", address.get_secret_value(), "credential")),
            parts.context(
                f"The link is for you alone and lasts until {parts.moment(made.expires_at)}. Have your authenticator "
                "app at hand. You hear from Rekey here once the directory is connected."
            ),
        ],
        memo=memo,
    )


def doctor(examined: Sequence[tuple[str, Sequence[Finding]]], memo: Mapping[str, object]) -> dict[str, Any]:
    """What was looked at, and what was found; what is wrong comes first."""
    blocks: list[Block] = []
    left = _FINDINGS_MOST
    for subject, findings in examined:
        shown = sorted(findings, key=lambda each: list(_MARKS).index(each.level), reverse=True)[:left]
        left -= len(shown)
        blocks.append(parts.header(subject))
        blocks += [block for number, each in enumerate(shown) for block in finding(each, number=number)]
        if len(shown) < len(findings):
            blocks.append(parts.context(f"and {len(findings) - len(shown):,} more: `rekey doctor` shows everything"))
    if not blocks:
        blocks.append(parts.section("There is nothing to look at yet: `/rotate setup` adds a directory."))
    return parts.modal("Doctor", blocks[: parts.VIEW_BLOCKS_MOST], memo=memo)


def connected(organization: Organization, connection: Connection, findings: Sequence[Finding]) -> Drawn:
    """Whoever typed the credential hears that the directory or vault is connected, in the doctor's words."""
    what = "records" if connection.side == "vault" else "accounts"
    name = f"*{escape(connection.name, 100)}* of *{escape(organization.name, 100)}*"
    text = f"✅ {name} is connected; its {what} are being read."
    lines = [block for number, each in enumerate(findings[:_TOLD_MOST]) for block in finding(each, 400, number)]
    if len(findings) > _TOLD_MOST:
        lines.append(parts.context(f"and {len(findings) - _TOLD_MOST:,} more: `/rotate doctor` shows them"))
    review = parts.button("Review matches", ids.word("match"), ids.value(organization.id))
    return Drawn(f"A {connection.side} is connected", [parts.section(text), *lines, parts.actions(review)])


def entered(view: Mapping[str, Any], field: str) -> str:
    """What was typed, chosen or ticked in a field; empty when nothing was."""
    states: Mapping[str, Any] = view.get("state", {}).get("values", {}).get(field, {})
    for state in states.values():
        option: Mapping[str, Any] = state.get("selected_option") or next(iter(state.get("selected_options") or ()), {})
        return str(state.get("value") or option.get("value") or "").strip()
    return ""


def finding(each: Finding, most: int = 1200, number: int = 0) -> list[Block]:
    """One finding with its mark; what is to be done leads to the page for it, with the text to paste there."""
    mend = f"\n_{escape(each.mend, most)}_" if each.mend else ""
    paste = f"\nTo paste there: `{escape(each.paste, 500)}`" if each.paste else ""
    page = parts.link("Open", each.link, f"mend{chr(97 + number % 26)}") if each.link.startswith("https://") else None
    return [parts.section(f"{_MARKS[each.level]} {escape(each.what, most)}{mend}{paste}", page)]


def asked_for(
    block_id: str, label: str, element: InputInteractiveElement, *, optional: bool = False, hint: str | None = None
) -> Block:
    """One field of a form."""
    return InputBlock(
        block_id=block_id,
        label=PlainTextObject(text=label),
        element=element,
        optional=optional,
        hint=PlainTextObject(text=hint) if hint else None,
    ).to_dict()
