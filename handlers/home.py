"""App Home, and the overview that a bare `/rotate` shows."""

from typing import Any

from slack_bolt import Ack, App

from blocks import home as drawing
from blocks import ids
from bot import overview
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from handlers.rotate_command import OVERVIEW, Word


def register(app: App, _services: Services) -> None:
    """Listen to Home being opened and used."""

    @app.event("app_home_opened")
    def opened(asked: Asked, event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            publish(asked)

    @app.action(ids.HOME_LOOK)
    def look(ack: Ack, asked: Asked) -> None:
        ack()
        publish(asked)

    @app.action(ids.paging(ids.HOME_PAGE))
    def page(ack: Ack, asked: Asked) -> None:
        ack()
        publish(asked, asked.row()[0])


def publish(asked: Asked, page: int = 1) -> None:
    """Draw this person's Home anew."""
    with asked.services.database.reading() as session:
        shown = overview.home(session, asked.operator, asked.mine(session), page)
    asked.client.views_publish(user_id=asked.operator.key, view=drawing.home(shown))


def _overview(asked: Asked, _rest: str) -> None:
    if asked.organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    with asked.services.database.reading() as session:
        (health,) = overview.health(session, [asked.organization])
    asked.answer(*drawing.overview(health))


WORDS = [Word(OVERVIEW, _overview, "how this organization stands, and what waits")]
