"""App Home: my organizations, open work, recent results, My Settings."""

from typing import Any

from slack_bolt import App
from slack_sdk import WebClient

from blocks import parts
from bot.services import Services
from handlers.context import Asked


def register(app: App, _services: Services) -> None:
    """Listen to Home being opened and used."""

    @app.event("app_home_opened")
    def opened(asked: Asked, event: dict[str, Any], client: WebClient) -> None:
        if event.get("tab") == "home":
            client.views_publish(user_id=asked.operator.key, view=parts.home([parts.header("Rekey")]))
