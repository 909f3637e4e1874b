"""`/rotate schedule`, and the notice before a run with its two buttons."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import ids, parts
from blocks import schedule as drawing
from blocks.drawn import Drawn
from blocks.schedule import Coming
from bot.notices import Draw
from bot.permissions import may_see
from bot.rotation import announcing
from bot.rotation.announcing import Decided
from bot.rotation.timetable import forecast
from bot.rules import rule_for
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from handlers.rotate_command import Word
from storage.announcements import get_announcement
from storage.models import Notice, Organization, Rule, now
from storage.records import get_records
from storage.schedules import excluded_records, running_soon

_NAMES = 4


def register(app: App, _services: Services) -> None:
    """Listen to the notice and the window."""

    @app.action(drawing.SKIP)
    def skip(ack: Ack, asked: Asked) -> None:
        ack()
        announcement_id, version = _its_notice(asked)
        with asked.writing() as session:
            decided = announcing.skip(session, asked.services.trail, asked.operator, announcement_id, version)
        _tell_who_was_first(asked, decided)

    @app.action(drawing.LATER)
    def in_a_day(ack: Ack, asked: Asked) -> None:
        ack()
        announcement_id, version = _its_notice(asked)
        with asked.writing() as session:
            decided = announcing.in_a_day(session, asked.services.trail, asked.operator, announcement_id, version)
        _tell_who_was_first(asked, decided)

    @app.action(ids.paging(drawing.TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        asked.client.views_update(view_id=asked.view["id"], view=_view(asked, asked.row()[0]))


def _open(asked: Asked, _rest: str) -> None:
    memo = parts.memo_for(asked.operator.key, asked.organization.id if asked.organization else None)
    opened = asked.opens(parts.loading(drawing.TITLE, memo=memo))
    asked.client.views_update(view_id=opened["id"], view=_view(asked, 1))


def _view(asked: Asked, page: int) -> dict[str, Any]:
    here, at = asked.organization, now()
    with asked.services.database.reading() as session:
        if here is not None:
            asked.allow(may_see(asked.operator, here.id))
            mine = [here]
        else:
            visible = {each.id for each in asked.mine(session)}
            soon = running_soon(session, at + timedelta(days=drawing.DAYS))
            mine = [organization for organization, _ in soon if organization.id in visible]
        coming = sorted(
            (each for organization in mine for each in _coming(session, organization)),
            key=lambda each: each.begins_at,
        )
        rule: Rule | None = rule_for(session, here) if here is not None else None
        left_out = [each.name for each in excluded_records(session, here.id)] if here is not None else []
    memo = parts.memo_for(asked.operator.key, here.id if here else None)
    return drawing.upcoming(coming, memo, rule=rule, left_out=left_out, page=page)


def _coming(session: Session, organization: Organization) -> list[Coming]:
    runs = forecast(session, organization, now(), drawing.DAYS)
    records = get_records(session, list({record_id for run in runs for record_id in run.record_ids[:_NAMES]}))
    return [
        Coming(
            organization.name,
            run.opening.begin,
            run.opening.end,
            tuple(records[each].name for each in run.record_ids[:_NAMES] if each in records),
            len(run.record_ids),
        )
        for run in runs
    ]


def _its_notice(asked: Asked) -> tuple[int, int]:
    announcement_id, version = asked.row()
    if asked.notice is None or asked.notice.kind != announcing.KIND or asked.notice.subject != announcement_id:
        raise Refusal("This button counts on the notice of that run only. Nothing was changed.")
    return announcement_id, version


def _tell_who_was_first(asked: Asked, decided: Decided) -> None:
    if decided.first == "schedule":
        asked.answer("It has begun already: its card shows how it goes, and what has not begun can be cancelled there.")
    elif decided.first is not None:
        asked.answer(f"{parts.person(decided.first)} was first: the notice shows how it stands. Nothing more was done.")


def _draw(session: Session, notice: Notice) -> Drawn:
    return drawing.notice(announcing.as_it_is(session, get_announcement(session, notice.subject)))


WORDS = [Word("schedule", _open, "what rotates by itself in the next thirty days", asks=False)]
DRAWS: Mapping[str, Draw] = {announcing.KIND: _draw}
