"""What needs somebody: taking what is stuck, and the digest."""

from collections.abc import Mapping
from datetime import datetime

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import attention as drawing
from blocks import letters, parts
from blocks.drawn import Drawn
from bot import digest, stuck
from bot.digest import Digest
from bot.mail import Write
from bot.notices import Draw
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from storage.models import Letter, Notice


def register(app: App, _services: Services) -> None:
    """Listen to the card."""

    @app.action(drawing.TAKE)
    def take(ack: Ack, asked: Asked) -> None:
        ack()
        organization_id, newest = asked.row()
        if asked.notice is None or asked.notice.kind != stuck.KIND or asked.notice.subject != organization_id:
            raise Refusal("This button counts on the card of what is stuck only. Nothing was changed.")
        with asked.writing() as session:
            taken = stuck.take(session, asked.services.trail, asked.operator, organization_id, newest)
        if taken.many == 0:
            who = f"{parts.person(taken.first)} was first" if taken.first else "It is mended already"
            asked.answer(f"{who}: there was nothing left to take.")


def _draw_stuck(session: Session, notice: Notice) -> Drawn:
    return drawing.stuck(stuck.standing(session, notice))


DRAWS: Mapping[str, Draw] = {stuck.KIND: _draw_stuck}


def draws(services: Services) -> Mapping[str, Draw]:
    """The digest's picture: whose organizations are in it depends on the settings."""

    def draw(session: Session, notice: Notice) -> Drawn:
        return drawing.digest(_composed(session, services, notice.address, notice.view))

    return {digest.KIND: draw}


def writes(services: Services) -> Mapping[str, Write]:
    """The same as a letter."""

    def write(session: Session, letter: Letter) -> letters.Written:
        return drawing.digest_letter(_composed(session, services, letter.operator, letter.view))

    return {digest.KIND: write}


def _composed(session: Session, services: Services, operator: str, span: Mapping[str, str]) -> Digest:
    since, until = (datetime.fromisoformat(span[name]) for name in ("since", "until"))
    return digest.compose(session, services.settings, operator, since, until)
