"""`/rotate setup` for a vault outside: described in Slack, its key typed on Rekey's own page."""

from typing import Any

from slack_bolt import Ack, App

from blocks import parts
from blocks import setup as setup_drawing
from blocks import vaults as drawing
from bot import credentials
from bot.connections import ITGLUE
from bot.credentials import Draft
from bot.errors import BadInput, Refused
from bot.permissions import may_administer
from bot.services import Services
from bot.settings import Settings, is_loopback
from handlers.context import Asked
from handlers.errors import WrongFields
from handlers.people import Refusal
from storage.models import Organization
from storage.organizations import get_organization


def register(app: App, _services: Services) -> None:
    """Listen to the button and the form."""

    @app.action(drawing.CONNECT)
    def connect(ack: Ack, asked: Asked) -> None:
        ack()
        organization_id = asked.row()[0]
        asked.here(organization_id)
        asked.allow(may_administer(asked.operator, organization_id))
        with asked.services.database.reading() as session:
            organization = get_organization(session, organization_id)
        memo = parts.memo_for(asked.operator.key, organization.id)
        asked.opens(drawing.form(organization, _addresses(asked.services.settings), memo))

    @app.view(drawing.ITGLUE)
    def described(ack: Ack, asked: Asked) -> None:
        if asked.organization is None:
            raise Refusal("This form belongs to no organization. Open it again with `/rotate setup`.")
        ack(response_action="update", view=_key_link(asked, asked.organization))


def _addresses(settings: Settings) -> list[str]:
    """The hosts the settings allow besides the vendor's own, as addresses."""
    return [f"{'http' if is_loopback(host.rpartition(':')[0]) else 'https'}://{host}" for host in settings.extra_hosts]


def _key_link(asked: Asked, organization: Organization) -> dict[str, Any]:
    services = asked.services
    name, region, there = (
        setup_drawing.entered(asked.view, field) for field in (drawing.NAME, drawing.REGION, drawing.THERE)
    )
    place = "base_url" if "://" in region else "region"
    draft = Draft(name, ITGLUE, {place: region, "organization": there})
    with asked.writing() as session:
        here = session.get_one(Organization, organization.id)
        try:
            made = credentials.ask(
                session, services.trail, services.settings, services.extra_kinds, asked.operator, here, draft
            )
        except (BadInput, Refused) as error:
            field = drawing.THERE if "organization:" in str(error) else drawing.NAME
            raise WrongFields({field: str(error)}) from None
    memo = parts.memo_for(asked.operator.key, organization.id)
    return setup_drawing.credential_link(draft.name, made, made.address, memo)
