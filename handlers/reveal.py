"""`/rotate show NAME`: a one-time link to Rekey's own page, where the password is shown once."""

from slack_bolt import App

from blocks import parts
from blocks import reveal as drawing
from bot import reveal
from bot.services import Services
from bot.step_up import is_enrolled
from handlers.context import Asked
from handlers.rotate_command import Word
from storage.models import Record
from storage.profiles import find_profile
from storage.records import records_called

_TITLE = "Show a password"
_FOUND_MOST = 21


def register(_app: App, _services: Services) -> None:
    """There is nothing to listen to but the word: what is pressed here is a link, or the word as a button."""


def _show(asked: Asked, rest: str) -> None:
    if not rest:
        asked.answer("Say whose: `/rotate show NAME`.", title=_TITLE)
        return
    with asked.services.database.reading() as session:
        mine = [asked.organization] if asked.organization else asked.mine(session)
        found = records_called(session, [each.id for each in mine], rest, _FOUND_MOST)
    if not found:
        said = f"No record is called “{parts.escape(rest, 60)}” here, nor is an approved account. Nothing was shown."
        asked.answer(said, title=_TITLE)
    elif len(found) > 1:
        asked.answer(*drawing.choices(rest, found[: _FOUND_MOST - 1], len(found) == _FOUND_MOST), title=_TITLE)
    else:
        _answer(asked, found[0])


def _answer(asked: Asked, record: Record) -> None:
    services = asked.services
    with asked.writing() as session:  # one delivery makes one link
        profile = find_profile(session, asked.operator.key)
    answer = reveal.ask(services.database, services.trail, services.settings, asked.operator, record)
    if answer.link is not None:
        lacks = services.settings.step_up and not is_enrolled(profile)
        page = f"{services.settings.pages_url}/enrol"
        missing = drawing.NotEnrolled(asked.operator.key, page) if lacks else None
        asked.answer(*drawing.link(answer, answer.link.address, missing), title=_TITLE)
    elif answer.elsewhere is not None:
        asked.answer(*drawing.elsewhere(answer, answer.elsewhere), title=_TITLE)
    elif answer.waits_for is not None:
        asked.answer(*drawing.waits(answer.record, answer.waits_for), title=_TITLE)


WORDS = [Word("show", _show, "one password, once, on Rekey's own page", "NAME", asks=False)]
