"""People in: everything Rekey hears from Slack, one file per noun.

A listener acknowledges within three seconds, reads the form, asks for permission, makes one call into `bot`, and draws.
It never calls a directory or a vault.
"""

from collections.abc import Mapping
from types import ModuleType

from slack_bolt import App

from bot.mail import Write
from bot.notices import Draw
from bot.services import Services
from handlers import (
    aftershocks,
    approvals,
    attention,
    channels,
    errors,
    home,
    matches,
    people,
    records,
    reveal,
    rotate_command,
    rotations,
    rules,
    schedule,
    settings,
    setup,
    switches,
    tenants,
    vaults,
    versions,
)
from handlers.context import Doorkeeper
from handlers.people import People

SLICES: tuple[ModuleType, ...] = (
    home,
    matches,
    rotations,
    records,
    versions,
    reveal,
    rules,
    schedule,
    settings,
    setup,
    vaults,
    tenants,
    switches,
    approvals,
    aftershocks,
    attention,
    channels,
)
"""Each has `register(app, services)`, `WORDS` where it answers to words of /rotate, `DRAWS` where it has notices (or
`draws(services)`, where their pictures depend on the settings), `WRITES` where it has letters."""


def register(app: App, services: Services, known: People) -> None:
    """Have this app listen to everything."""
    app.middleware(Doorkeeper(services, known))
    errors.register(app, services)
    people.register(app, known)
    rotate_command.register(app, [word for each in SLICES for word in getattr(each, "WORDS", ())])
    for each in SLICES:
        each.register(app, services)
    rotate_command.register_rest(app)


def writes(services: Services) -> Mapping[str, Write]:
    """How each kind of letter is written."""
    found: dict[str, Write] = {}
    for each in SLICES:
        found |= getattr(each, "WRITES", {})
        found |= each.writes(services) if hasattr(each, "writes") else {}
    return found


def draws(services: Services) -> Mapping[str, Draw]:
    """How each kind of notice is drawn."""
    found: dict[str, Draw] = {}
    for each in SLICES:
        found |= getattr(each, "DRAWS", {})
        found |= each.draws(services) if hasattr(each, "draws") else {}
    return found
