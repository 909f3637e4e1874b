"""What followed a rotation: hearing of it, and having a locked account unlocked."""

from collections.abc import Mapping

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import aftershocks as drawing
from blocks import letters
from blocks.drawn import Drawn
from bot.mail import Write
from bot.notices import Draw
from bot.rotation import aftershock
from bot.rotation.progress import progress
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from storage.aftershocks import get_shock
from storage.models import Letter, Notice
from storage.notices import AFTERSHOCK, ROTATION
from storage.requests import get_request


def register(app: App, _services: Services) -> None:
    """Listen to the button."""

    @app.action(drawing.UNLOCK)
    def unlock(ack: Ack, asked: Asked) -> None:
        ack()
        shock_id, _ = asked.row()
        if asked.notice is None or asked.notice.kind not in (ROTATION, AFTERSHOCK):
            raise Refusal("This button counts on the card of a rotation only. Nothing was changed.")
        with asked.writing() as session:
            asked.here(get_shock(session, shock_id).aftershock.organization_id)
            known = aftershock.ask_unlock(session, asked.services.trail, asked.operator, shock_id)
        if known.locked_at is None:
            asked.answer("It is not locked any more. Nothing was done.")


def _draw(session: Session, notice: Notice) -> Drawn:
    return drawing.news(progress(session, get_request(session, notice.subject)))


def _write(session: Session, letter: Letter) -> letters.Written:
    return letters.aftershock(progress(session, get_request(session, letter.subject)))


DRAWS: Mapping[str, Draw] = {AFTERSHOCK: _draw}
WRITES: Mapping[str, Write] = {AFTERSHOCK: _write}
