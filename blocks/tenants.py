"""Bringing a Microsoft 365 tenant in: the guide, the form, what is left to do there, and a partner's customers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.models.blocks import (
    CheckboxesElement,
    ExternalDataSelectElement,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    RadioButtonsElement,
    StaticSelectElement,
)

from blocks import ids, parts
from blocks.drawn import Drawn
from blocks.parts import Block, escape
from blocks.setup import CHOSEN, NEW_NAME, ORGANIZATION, asked_for, finding
from bot.credential_ends import Ending
from bot.directories.base import Finding, Level
from bot.tenants import Customers, Listed
from storage.models import Connection

GUIDE, DESCRIBE = "tenant.guide", "tenant.describe"
"""The forms."""
ADD, EDIT, CHECK = "tenant.add", "tenant.edit", "tenant.check"
CUSTOMERS, CUSTOMERS_TURN, SKIPPED = "tenant.customers", "tenant.customers_turn", "tenant.skipped"
CONNECT, FIND, SKIP, TAKE_BACK = "tenant.connect", "tenant.find", "tenant.skip", "tenant.take_back"
"""The buttons, and the menu of customers by name."""
NAME, TENANT, APP, CLOUD, LOGIN, GRAPH, CA = "name", "tenant", "app", "cloud", "login", "graph", "ca"
PROOF, PARTNER, ROTATION = "proof", "partner", "rotation"
"""The fields."""
SECRET, CERTIFICATE, BORROWED = "secret", "certificate", "borrowed"
"""How the app proves itself."""
ON = "on"
ELSEWHERE = "elsewhere"
CLOUDS = ("global", "us-gov", "us-dod", "china")
ROWS = 15
_CA_MOST = 3000

LEFT = "What is left"
"""The title of the window with every step of a tenant."""
_TITLE = "Microsoft 365"
_CLOUD_NAMES = {
    "global": "Global, and GCC",
    "us-gov": "US Government (GCC High)",
    "us-dod": "US Department of Defense",
    "china": "China (21Vianet)",
    ELSEWHERE: "Elsewhere: the hosts below",
}
_SWITCH = "Enable Password Rotation for Microsoft Entra ID"
_NEW_APP = (
    "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/CreateApplicationBlade/quickStartType~/null/"
    "isMSAApp~/false"
)
_APPLICATION = (
    "User-PasswordProfile.ReadWrite.All",
    "User.Read.All",
    "RoleManagement.Read.Directory",
    "GroupMember.Read.All",
    "Domain.Read.All",
    "Application.Read.All",
    "User.RevokeSessions.All",
)
_DELEGATED = (
    "Directory.AccessAsUser.All",
    "Directory.ReadWrite.All",
    "User.EnableDisableAccount.All",
    "User.ManageIdentities.All",
    "User.ReadWrite.All",
)


@dataclass(frozen=True, slots=True)
class Filled:
    """What the form begins with."""

    name: str = ""
    tenant_id: str = ""
    client_id: str = ""
    cloud: str | Mapping[str, str] = "global"
    on: bool = True
    partner: bool = False
    lender: str = ""
    """The connection whose credential may be borrowed, by name."""
    asks_whose: bool = False
    """Whether the organization is to be chosen too."""
    may_found: bool = False
    proof: str = SECRET


def guide(memo: Mapping[str, object]) -> dict[str, Any]:
    """What has to be there before a tenant can be described: an app, its permissions, its proof, its role."""
    steps = [
        "*1. Register an app, in your own tenant.* Never in a customer's: whoever administers that tenant holds the "
        "app's secrets. For several tenants choose “Accounts in any organizational directory”.",
        f"*2. Give it permissions* (Microsoft Graph → *Application* permissions):\n{_listed(_APPLICATION)}\n"
        "Only for partners who work through GDAP with a refresh token, *Delegated* permissions instead:\n"
        f"{_listed(_DELEGATED)}\nTo pick customers from a list, also `DelegatedAdminRelationship.Read.All`.",
        "*3. Make a client secret, or upload a certificate* (Certificates & secrets). You type it on Rekey's own page, "
        "two steps from here, and never in Slack.",
        "*4. Describe the tenant here.* Rekey then signs in, and shows with a mark for each what is still left in that "
        "tenant: its administrator's consent, and the role: *User Administrator*, or *Privileged Authentication "
        "Administrator* (or Global Administrator) for administrators' passwords.",
    ]
    blocks = [parts.section(each) for each in steps]
    blocks.insert(1, parts.actions(parts.link("Register an app", _NEW_APP, "new_app")))
    return parts.modal(_TITLE, blocks, callback_id=GUIDE, submit="I have it", memo=memo)


def form(filled: Filled, memo: Mapping[str, object], *, elsewhere: bool) -> dict[str, Any]:
    """Describe a tenant. There is no field for a secret, on purpose. `elsewhere`: the settings name other hosts."""
    blocks: list[Block] = [
        parts.context(
            "The secret, the private key or the refresh token is typed on Rekey's own page, in the next step."
        )
    ]
    if filled.asks_whose:
        menu = ExternalDataSelectElement(
            action_id=ORGANIZATION, placeholder=PlainTextObject(text="Search the organizations"), min_query_length=0
        )
        blocks.append(asked_for(CHOSEN, "Organization", menu, optional=True))
        if filled.may_found:
            typed = PlainTextInputElement(
                action_id=NEW_NAME, max_length=100, initial_value=parts.clean(filled.name, 100) or None
            )
            blocks.append(asked_for(NEW_NAME, "Or a new one, by its name", typed, optional=True))
    blocks += [
        asked_for(NAME, "Name of the connection", _line(NAME, filled.name, 100), hint="Such as northwind-entra."),
        asked_for(TENANT, "Tenant ID", _line(TENANT, filled.tenant_id, 36), hint="Entra admin center → Overview."),
        asked_for(APP, "Application (client) ID", _line(APP, filled.client_id, 36), hint="Of the app registration."),
        asked_for(CLOUD, "Cloud", _cloud_menu(filled, elsewhere=elsewhere)),
    ]
    if elsewhere:
        place = filled.cloud if isinstance(filled.cloud, Mapping) else {}
        authority = place.get("ca", "")[:_CA_MOST] or None
        hint = "Only for “Elsewhere”. The host stands in REKEY_EXTRA_HOSTS."
        blocks += [
            asked_for(LOGIN, "Sign-in host", _line(LOGIN, place.get("login", ""), 200), optional=True, hint=hint),
            asked_for(GRAPH, "Graph host", _line(GRAPH, place.get("graph", ""), 200), optional=True, hint=hint),
            asked_for(
                CA,
                "Certificate authority (PEM)",
                PlainTextInputElement(action_id=CA, multiline=True, max_length=_CA_MOST, initial_value=authority),
                optional=True,
                hint="Where those hosts' certificates come from an authority of their own.",
            ),
        ]
    blocks += [
        asked_for(PROOF, "How the app proves itself", _proofs(filled)),
        asked_for(PARTNER, "Partners", _tick(PARTNER, _PARTNERS, filled.partner), optional=True),
        asked_for(ROTATION, "Rotation", _tick(ROTATION, _SWITCH, filled.on), optional=True),
    ]
    return parts.modal("Describe the tenant", blocks, callback_id=DESCRIBE, submit="Go on", memo=memo)


_PARTNERS = "Delegated, through our partner user's refresh token (GDAP)"


def checked(
    name: str, findings: Sequence[Finding], connection_id: int, memo: Mapping[str, object], *, lists: bool
) -> dict[str, Any]:
    """Every step of one tenant with its mark, what is left first. `lists`: it knows customers' tenants."""
    left = [each for each in findings if each.level is not Level.OK]
    done = [each for each in findings if each.level is Level.OK]
    problems = sum(each.level is Level.PROBLEM for each in findings)
    said = f"{parts.count(problems, 'thing')} left to do" if problems else "Ready"
    blocks: list[Block] = [parts.header(name), parts.section(f"*{said}.* Read from Microsoft a moment ago.")]
    for number, each in enumerate(left[:12]):
        blocks += [*finding(each, number=number)]
    if left and done:
        blocks.append(parts.divider())
    blocks += [block for each in done[:15] for block in finding(each)]
    value = ids.value(connection_id)
    buttons = [parts.button("Check again", CHECK, value, style="primary" if problems else None)]
    if lists:
        buttons.append(parts.button("Customers…", CUSTOMERS, value))
    return parts.modal(LEFT, [*blocks, parts.actions(*buttons)], memo=memo)


def customers(found: Customers, memo: Mapping[str, object], *, skipped: bool, told: str = "") -> dict[str, Any]:
    """A page of the partner's customers: connect one, or skip it."""
    main = f"*{escape(found.main.name, 100)}*"
    lists = f"{main} lists {parts.count(found.left, 'customer')}."
    passed = f"{parts.count(found.skipped, 'customer')} of {main} {'is' if found.skipped == 1 else 'are'} skipped."
    blocks: list[Block] = [parts.section(told)] if told else []
    blocks.append(parts.section(passed if skipped else lists, None if skipped else _finder()))
    for each in found.shown:
        blocks += _customer(each, skipped=skipped)
    if not found.shown:
        nobody = "None is skipped." if skipped else "Nobody is listed: this is no partner's tenant, or all are skipped."
        blocks.append(parts.section(nobody))
    blocks += parts.paging(CUSTOMERS_TURN, found.page, found.pages)
    other = "Show the customers" if skipped else f"Skipped ({found.skipped:,})"
    value = ids.value(found.main.id)
    blocks.append(
        parts.actions(
            parts.button("Read the list again", CUSTOMERS, value),
            parts.button(other, SKIPPED, ids.value(int(not skipped))),
        )
    )
    return parts.modal("Customers", blocks, memo=memo)


def ended(ending: Ending, at: datetime) -> Drawn:
    """Administrators are told that a credential is about to end, or that another one is in force."""
    where = f"*{escape(ending.connection.name, 100)}* of *{escape(ending.organization.name, 100)}*"
    if ending.renewed:
        text = f"✅ {where} has a new credential: nothing is left to do."
        return Drawn("A credential was renewed", [parts.section(text)])
    over = ending.ends_at <= at
    when = f"ended {parts.moment(ending.ends_at)}" if over else f"ends {parts.moment(ending.ends_at)}"
    days = "It is over" if over or not ending.days else f"Within {parts.count(ending.days, 'day')}"
    consequence = "Nothing can be rotated there." if over else "From then on nothing can be rotated there."
    text = (
        f"{'❌' if over else '⏳'} The secret or certificate Rekey signs in with to {where} {when}. {consequence}\n"
        "_Make a new one in the app registration (Certificates & secrets), then give it to Rekey._"
    )
    value = ids.value(ending.connection.id)
    buttons = parts.actions(
        parts.button("New credential", EDIT, value, style="primary"), parts.button("Check", CHECK, value)
    )
    return Drawn(f"{days}: a credential ends", [parts.section(text), buttons])


def name_of(connection: Connection) -> str:
    """What a connection is called, safe in mrkdwn."""
    return escape(connection.name, 100)


def _customer(each: Listed, *, skipped: bool) -> list[Block]:
    tenant = each.tenant
    about = f"*{escape(tenant.name, 120)}*\n{escape(tenant.domain or tenant.tenant_id, 120)}"
    value, name = ids.value(tenant.id), parts.clean(tenant.name, 40)
    if each.organization is not None and each.connection is not None:
        about += f"  ·  ✅ {escape(each.connection.name, 60)} of {escape(each.organization.name, 60)}"
        return [parts.section(about, parts.button(f"Check {name}", CHECK, ids.value(each.connection.id)))]
    if skipped:
        who = parts.person(tenant.skipped_by)
        return [parts.section(f"{about}  ·  skipped by {who}", parts.button(f"Take {name} back", TAKE_BACK, value))]
    return [
        parts.section(about),
        parts.actions(parts.button(f"Connect {name}", CONNECT, value), parts.button(f"Skip {name}", SKIP, value)),
    ]


def _finder() -> parts.Element:
    return ExternalDataSelectElement(
        action_id=FIND, placeholder=PlainTextObject(text="Connect by name"), min_query_length=0
    ).to_dict()


def _listed(names: Sequence[str]) -> str:
    return " · ".join(f"`{each}`" for each in names)


def _line(action_id: str, value: str, most: int) -> PlainTextInputElement:
    shown = parts.clean(value, most) if value else None
    return PlainTextInputElement(action_id=action_id, max_length=most, initial_value=shown)


def _cloud_menu(filled: Filled, *, elsewhere: bool) -> StaticSelectElement:
    names = [*CLOUDS, *([ELSEWHERE] if elsewhere else [])]
    options = {each: Option(value=each, label=_CLOUD_NAMES[each]) for each in names}
    wanted = filled.cloud if isinstance(filled.cloud, str) else ELSEWHERE
    return StaticSelectElement(
        action_id=CLOUD, options=list(options.values()), initial_option=options.get(wanted, options["global"])
    )


def _proofs(filled: Filled) -> RadioButtonsElement:
    labels = {SECRET: "A client secret", CERTIFICATE: "A certificate and its private key"}
    if filled.lender:
        labels = {BORROWED: parts.clean(f"As {filled.lender} does: the same app, nothing to type", 75)} | labels
    options = {each: Option(value=each, label=label) for each, label in labels.items()}
    initial = BORROWED if filled.lender else filled.proof
    return RadioButtonsElement(
        action_id=PROOF, options=list(options.values()), initial_option=options.get(initial, options[SECRET])
    )


def _tick(action_id: str, label: str, ticked: bool) -> CheckboxesElement:
    option = Option(value=ON, label=label)
    return CheckboxesElement(action_id=action_id, options=[option], initial_options=[option] if ticked else None)
