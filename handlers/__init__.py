"""People in: everything Rekey hears from Slack, one file per noun.

A listener acknowledges within three seconds, reads the form, asks for permission, makes one call into `bot`, and draws.
It never calls a directory or a vault.
"""

from collections.abc import Mapping
from types import ModuleType

from slack_bolt import App

from bot.notices import Draw
from bot.services import Services
from handlers import channels, errors, home, matches, rotate_command
from handlers.context import Doorkeeper
from handlers.people import People

SLICES: tuple[ModuleType, ...] = (home, matches, channels)
"""Each has `register(app, services)`, `WORDS` where it answers to words of /rotate, `DRAWS` where it has notices."""


def register(app: App, services: Services, people: People) -> None:
    """Have this app listen to everything."""
    app.middleware(Doorkeeper(services, people))
    errors.register(app, services)
    rotate_command.register(app, [word for each in SLICES for word in getattr(each, "WORDS", ())])
    for each in SLICES:
        each.register(app, services)


def draws() -> Mapping[str, Draw]:
    """How each kind of notice is drawn."""
    return {kind: draw for each in SLICES for kind, draw in getattr(each, "DRAWS", {}).items()}
