"""My Settings: `/rotate settings`, and the same window from Home."""

import re
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from slack_bolt import Ack, App
from slack_sdk.errors import SlackClientError

from blocks import ids, parts
from blocks import settings as drawing
from bot import overview, profiles
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from handlers.rotate_command import Word

_WISH = re.compile(rf"^{re.escape(drawing.WISH)}:([0-9]{{1,18}}):(way|tell)$")
_DIGEST = re.compile(rf"^{re.escape(drawing.DIGEST)}:(way|hour)$")


def register(app: App, _services: Services) -> None:
    """Listen to the window."""

    @app.action(_WISH)
    def wish(ack: Ack, asked: Asked) -> None:
        ack()
        organization_id = int(asked.what.split(":")[1]) or None
        with asked.writing() as session:
            profiles.keep_wish(session, asked.services.trail, asked.operator, organization_id, **_said(asked))
        _redraw(asked)

    @app.action(_DIGEST)
    def digest(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.writing() as session:
            profiles.choose_digest(session, asked.services.trail, asked.operator, **_said(asked))
        _redraw(asked)

    @app.action(drawing.WISH_ADD)
    def add(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.writing() as session:
            profiles.keep_wish(session, asked.services.trail, asked.operator, asked.row()[0])
        _redraw(asked)

    @app.action(drawing.WISH_DROP)
    def drop(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.writing() as session:
            profiles.drop_wish(session, asked.services.trail, asked.operator, asked.row()[0])
        _redraw(asked)

    @app.options(drawing.WISH_ADD)
    def organizations(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        ack(options=asked.organization_options(str(body.get("value", ""))))

    @app.action(ids.paging(drawing.TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        _redraw(asked, asked.row()[0])


def _open(asked: Asked, _rest: str) -> None:
    memo = parts.memo_for(asked.operator.key)
    opened = asked.opens(parts.loading(drawing.TITLE, memo=memo))
    person = _in_slack(asked)
    if person.get("tz"):
        with asked.services.database.writing() as session:
            profiles.note_timezone(session, asked.operator, str(person["tz"]))
    email = (person.get("profile") or {}).get("email")
    asked.client.views_update(view_id=opened["id"], view=_view(asked, memo | {"email": email}, 1))


def _said(asked: Asked) -> dict[str, Any]:
    try:
        return drawing.chosen(asked.what, asked.chosen())
    except ValueError:
        raise Refusal("This is nothing Rekey offers. Your settings were left as they are.") from None


def _redraw(asked: Asked, page: int | None = None) -> None:
    page = page or int(str(asked.memo.get("page") or 1))
    asked.client.views_update(view_id=asked.view["id"], view=_view(asked, asked.memo, page))


def _view(asked: Asked, memo: Mapping[str, object], page: int) -> dict[str, Any]:
    with asked.services.database.reading() as session:
        wishes = overview.wishes(session, asked.operator, asked.mine(session))
    email = memo.get("email")
    offers = asked.services.settings.smtp_host is not None
    return drawing.modal(wishes, memo, offers_email=offers, email=str(email) if email else None, page=page)


def _in_slack(asked: Asked) -> Mapping[str, Any]:
    """What Slack says of this person; nothing where it does not say."""
    try:
        found: Mapping[str, Any] = asked.client.users_info(user=asked.operator.key)["user"]
    except (OSError, HTTPException, SlackClientError):
        return {}
    return found


WORDS = [Word("settings", _open, "what you are told, by message or e-mail, and when", asks=False)]
