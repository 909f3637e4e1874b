"""Bringing Microsoft 365 tenants in: guide and form, what is left in each, a partner's customers, ending secrets."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from slack_bolt import Ack, App
from slack_sdk.errors import SlackApiError
from sqlmodel import Session

from blocks import ids, parts, setup, tenants
from blocks.drawn import Drawn
from blocks.setup import entered
from bot import credential_ends, organizations
from bot import tenants as verbs
from bot.connections import ENTRA, settings_of
from bot.credential_fields import CERTIFICATE, PARTNER, SECRET
from bot.credentials import Draft
from bot.directories.base import Finding, ListsTenants
from bot.errors import OutsideError, RekeyError
from bot.notices import Draw
from bot.permissions import may_administer
from bot.services import Services
from handlers.context import Asked
from handlers.errors import WrongFields
from handlers.people import Refusal
from handlers.setup import administered, credential_link
from storage.connections import get_connection
from storage.models import Connection, Notice, Organization, now
from storage.organizations import get_organization
from storage.tenants import get_tenant, tenants_called

_ASKING = ThreadPoolExecutor(2, thread_name_prefix="tenants")
"""Microsoft is asked here, never in a listener."""

_OFFERED_MOST = 100
"""As many as Slack takes."""

_log = structlog.get_logger(__name__)


def register(app: App, _services: Services) -> None:
    """Listen to the guide, the form and the windows."""

    @app.action(tenants.ADD)
    def add(ack: Ack, asked: Asked) -> None:
        ack()
        organization = administered(asked, asked.row()[0])
        asked.opens(tenants.guide(parts.memo_for(asked.operator.key, organization.id)))

    @app.view(tenants.GUIDE)
    def guided(ack: Ack, asked: Asked) -> None:
        administered(asked, _home(asked).id)
        view = tenants.form(tenants.Filled(), asked.memo, elsewhere=_elsewhere(asked))
        ack(response_action="update", view=view)

    @app.action(tenants.EDIT)
    def edit(ack: Ack, asked: Asked) -> None:
        ack()
        connection, organization = _connection(asked)
        memo = parts.memo_for(asked.operator.key, organization.id, connection=connection.id)
        if connection.kind != ENTRA:
            draft = Draft(connection.name, connection.kind, settings_of(connection), connection_id=connection.id)
            asked.opens(credential_link(asked, organization, draft, {}))
            return
        asked.opens(tenants.form(_filled(connection), memo, elsewhere=_elsewhere(asked)))

    @app.view(tenants.DESCRIBE)
    def described(ack: Ack, asked: Asked) -> None:
        ack(response_action="update", view=_described(asked))

    @app.action(tenants.CHECK)
    def check(ack: Ack, asked: Asked) -> None:
        ack()
        connection, organization = _connection(asked)
        memo = parts.memo_for(asked.operator.key, organization.id, connection=connection.id)
        if asked.where == "modal" and asked.memo.get("connection") == connection.id:
            view_id = str(asked.view["id"])
            asked.client.views_update(view_id=view_id, view=parts.loading(tenants.LEFT, memo=memo))
        else:
            view_id = str(asked.opens(parts.loading(tenants.LEFT, memo=memo))["id"])
        _ASKING.submit(_filled_in, asked, view_id, memo, lambda: _checked(asked.services, connection, memo))

    @app.action(tenants.CUSTOMERS)
    def customers(ack: Ack, asked: Asked) -> None:
        ack()
        connection, organization = _connection(asked)
        memo = parts.memo_for(asked.operator.key, organization.id, main=connection.id, skipped=0)
        if asked.where == "modal":  # in its place: Slack stacks three windows and no more
            view_id = str(asked.view["id"])
            asked.client.views_update(view_id=view_id, view=parts.loading("Customers", memo=memo))
        else:
            view_id = str(asked.opens(parts.loading("Customers", memo=memo))["id"])
        _ASKING.submit(_filled_in, asked, view_id, memo, lambda: _read_customers(asked.services, connection, memo))

    @app.action(ids.paging(tenants.CUSTOMERS_TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        _redraw_customers(asked, page=asked.row()[0])

    @app.action(tenants.SKIPPED)
    def skipped(ack: Ack, asked: Asked) -> None:
        ack()
        _redraw_customers(asked, skipped=asked.row()[0])

    @app.action(tenants.SKIP)
    def skip(ack: Ack, asked: Asked) -> None:
        ack()
        _decide(asked, skipped=True)

    @app.action(tenants.TAKE_BACK)
    def take_back(ack: Ack, asked: Asked) -> None:
        ack()
        _decide(asked, skipped=False)

    @app.options(tenants.FIND)
    def offered(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        main, _ = _main(asked)
        with asked.services.database.reading() as session:
            found = tenants_called(session, main.id, str(body.get("value", "")), _OFFERED_MOST)
        ack(options=[parts.option(each.name, ids.value(each.id), each.domain) for each in found])

    @app.action(tenants.FIND)
    def picked(ack: Ack, asked: Asked) -> None:
        ack()
        _connect(asked)

    @app.action(tenants.CONNECT)
    def connect(ack: Ack, asked: Asked) -> None:
        ack()
        _connect(asked)


def _connect(asked: Asked) -> None:
    main, _ = _main(asked)
    with asked.services.database.reading() as session:
        tenant = get_tenant(session, asked.row()[0])
    if tenant.connection_id != main.id:
        raise Refusal("This tenant is on another list than the one it was pressed in.")
    own = settings_of(main)
    filled = tenants.Filled(
        name=tenant.name,
        tenant_id=tenant.tenant_id,
        client_id=str(own["client_id"]),
        cloud=own.get("cloud", "global"),
        lender=main.name,
        asks_whose=True,
        may_found=may_administer(asked.operator, None).allowed,
    )
    memo = parts.memo_for(asked.operator.key, main.organization_id, lender=main.id)
    asked.opens(tenants.form(filled, memo, elsewhere=_elsewhere(asked)))


# ---- the form --------------------------------------------------------------------------------------------------------


def _described(asked: Asked) -> dict[str, Any]:
    lender, connection_id = asked.memo.get("lender"), asked.memo.get("connection")
    home = administered(asked, _home(asked).id)
    organization = home if lender is None else _chosen_organization(asked)
    proof = entered(asked.view, tenants.PROOF) or tenants.SECRET
    asks = [CERTIFICATE if proof == tenants.CERTIFICATE else SECRET]
    if entered(asked.view, tenants.PARTNER):
        asks.append(PARTNER)
    draft = Draft(
        name=entered(asked.view, tenants.NAME),
        kind=ENTRA,
        settings={
            "tenant_id": entered(asked.view, tenants.TENANT),
            "client_id": entered(asked.view, tenants.APP),
            "cloud": _cloud(asked),
        },
        asks=asks,
        on=bool(entered(asked.view, tenants.ROTATION)),
        connection_id=connection_id,
        borrows=lender if proof == tenants.BORROWED else None,
    )
    return credential_link(asked, organization, draft, _FIELDS)


_FIELDS = {
    "tenant_id:": tenants.TENANT,
    "client_id:": tenants.APP,
    "cloud.ca": tenants.CA,
    "cloud.login": tenants.LOGIN,
    "cloud.graph": tenants.GRAPH,
    "no host of": tenants.LOGIN,
    "cloud:": tenants.CLOUD,
}
"""The field that a sentence about a draft speaks of."""


def _cloud(asked: Asked) -> str | dict[str, str]:
    cloud = entered(asked.view, tenants.CLOUD) or "global"
    if cloud != tenants.ELSEWHERE:
        return cloud
    place = {name: entered(asked.view, name) for name in (tenants.LOGIN, tenants.GRAPH, tenants.CA)}
    return {name: value for name, value in place.items() if value}


def _chosen_organization(asked: Asked) -> Organization:
    """Whose tenant it is: the one that was chosen, or a new one by its name, for whoever administers everything."""
    chosen, name = entered(asked.view, setup.CHOSEN), entered(asked.view, setup.NEW_NAME)
    if chosen:
        organization_id, _ = asked.read(chosen)
        asked.allow(may_administer(asked.operator, organization_id))
        with asked.services.database.reading() as session:
            return get_organization(session, organization_id)
    if not name:
        raise WrongFields({setup.CHOSEN: "Choose an organization, or name a new one below."})
    asked.allow(may_administer(asked.operator, None))
    with asked.services.database.writing() as session:
        wrong = organizations.why_not_found(session, name, "UTC")
        if wrong is not None:
            raise WrongFields({setup.NEW_NAME: wrong[1]})
        return organizations.found(session, asked.services.trail, asked.operator, name, "UTC")


def _filled(connection: Connection) -> tenants.Filled:
    settings = settings_of(connection)
    return tenants.Filled(
        name=connection.name,
        tenant_id=str(settings.get("tenant_id", "")),
        client_id=str(settings.get("client_id", "")),
        cloud=settings.get("cloud", "global"),
        on=connection.off_at is None,
        proof=tenants.CERTIFICATE if settings.get("certificate") else tenants.SECRET,
    )


def _elsewhere(asked: Asked) -> bool:
    return bool(asked.services.settings.extra_hosts)


# ---- what is left in a tenant, and customers -------------------------------------------------------------------------


def _filled_in(asked: Asked, view_id: str, memo: Mapping[str, object], draw: Callable[[], dict[str, Any]]) -> None:
    """Fill in a window that shows "One moment": what Microsoft says comes when it comes."""
    try:
        view = draw()
    except RekeyError as error:
        mend = f"\n_{parts.sentence(error.mend, 1000)}_" if isinstance(error, OutsideError) and error.mend else ""
        view = parts.modal(tenants.LEFT, [parts.section(f"❌ {parts.sentence(str(error), 1500)}{mend}")], memo=memo)
    except Exception:
        _log.exception("tenants.broken")
        view = parts.modal(tenants.LEFT, [parts.section("Rekey itself failed here; the log says more.")], memo=memo)
    try:
        asked.client.views_update(view_id=view_id, view=view)
    except (SlackApiError, OSError) as error:
        _log.info("tenants.unseen", reason=str(error))  # the window was closed meanwhile


def _checked(services: Services, connection: Connection, memo: Mapping[str, object]) -> dict[str, Any]:
    lists = False
    try:
        with services.open_directory(connection) as directory:
            findings = directory.check()
            lists = isinstance(directory, ListsTenants)
    except OutsideError as error:
        findings = [Finding.problem(error)]
    return tenants.checked(connection.name, findings, connection.id, memo, lists=lists)


def _read_customers(services: Services, connection: Connection, memo: Mapping[str, object]) -> dict[str, Any]:
    with services.open_directory(connection) as directory:
        seen = verbs.read(directory)
    with services.database.writing() as session:
        verbs.keep(session, connection.id, seen or ())
        found = verbs.customers(session, connection.id, 1, tenants.ROWS)
    return tenants.customers(found, memo, skipped=False)


def _redraw_customers(asked: Asked, *, page: int = 1, skipped: int | None = None, told: str = "") -> None:
    main, organization = _main(asked)
    hidden = bool(asked.memo.get("skipped") if skipped is None else skipped)
    memo = parts.memo_for(asked.operator.key, organization.id, main=main.id, skipped=int(hidden))
    with asked.services.database.reading() as session:
        found = verbs.customers(session, main.id, page, tenants.ROWS, skipped=hidden)
    view = tenants.customers(found, memo, skipped=hidden, told=told)
    asked.client.views_update(view_id=asked.view["id"], view=view)


def _decide(asked: Asked, *, skipped: bool) -> None:
    main, _ = _main(asked)
    with asked.writing() as session:
        if get_tenant(session, asked.row()[0]).connection_id != main.id:
            raise Refusal("This tenant is on another list than the one it was pressed in.")
        tenant = verbs.skip(session, asked.services.trail, asked.operator, asked.row()[0], skipped=skipped)
    name = parts.escape(tenant.name, 100)
    _redraw_customers(asked, told=f"*{name}* is {'skipped' if skipped else 'listed again'}.")


def _main(asked: Asked) -> tuple[Connection, Organization]:
    """The partner's tenant whose customers a window lists, for whoever administers it."""
    main = asked.memo.get("main")
    if not isinstance(main, int):
        raise Refusal("This window lists nobody's customers. Open it anew with `/rotate setup`.")
    return _by_id(asked, main)


def _connection(asked: Asked) -> tuple[Connection, Organization]:
    """The connection a button names, for whoever administers it; a customer's also in its partner's list."""
    return _by_id(asked, asked.row()[0])


def _by_id(asked: Asked, connection_id: int) -> tuple[Connection, Organization]:
    with asked.services.database.reading() as session:
        connection = get_connection(session, connection_id)
        organization = session.get_one(Organization, connection.organization_id)
    if "main" not in asked.memo:
        asked.here(organization.id)
    asked.allow(may_administer(asked.operator, organization.id))
    return connection, organization


def _home(asked: Asked) -> Organization:
    if asked.organization is None:
        raise Refusal("This form belongs to no organization. Open it again with `/rotate setup`.")
    return asked.organization


def _draw_ending(session: Session, notice: Notice) -> Drawn:
    return tenants.ended(credential_ends.ending(session, notice), now())


DRAWS: Mapping[str, Draw] = {credential_ends.KIND: _draw_ending}
