"""Switches: each directory's own in its organization's window, and the one for everybody on Home."""

from slack_bolt import Ack, App

from blocks import ids, parts
from bot.services import Services
from bot.switches import switch_directory, switch_everywhere
from handlers.context import Asked
from handlers.home import publish
from handlers.setup import overview_of
from storage.connections import get_connection
from storage.models import Organization


def register(app: App, _services: Services) -> None:
    """Listen to the switches."""

    @app.action(ids.SWITCH_ON)
    def on(ack: Ack, asked: Asked) -> None:
        ack()
        _switch(asked, on=True)

    @app.action(ids.SWITCH_OFF)
    def off(ack: Ack, asked: Asked) -> None:
        ack()
        _switch(asked, on=False)

    @app.action(ids.ROTATION_ON)
    def rotation_on(ack: Ack, asked: Asked) -> None:
        ack()
        _switch_all(asked, on=True)

    @app.action(ids.ROTATION_OFF)
    def rotation_off(ack: Ack, asked: Asked) -> None:
        ack()
        _switch_all(asked, on=False)


def _switch(asked: Asked, *, on: bool) -> None:
    connection_id, _ = asked.row()
    with asked.writing() as session:
        connection = get_connection(session, connection_id)
        asked.here(connection.organization_id)
        organization = session.get_one(Organization, connection.organization_id)
        told = switch_directory(session, asked.services.trail, asked.operator, organization, connection, on=on)
    view = overview_of(asked, organization, parts.sentence(told))
    asked.client.views_update(view_id=asked.view["id"], view=view)


def _switch_all(asked: Asked, *, on: bool) -> None:
    with asked.writing() as session:
        told = switch_everywhere(session, asked.services.trail, asked.operator, on=on)
    publish(asked)
    asked.answer(parts.sentence(told))
