"""One record and many: `/rotate status` and `history`, and stopping everything in an organization."""

from collections.abc import Mapping

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import ids, parts, records, rotations
from blocks.drawn import Drawn
from bot import organizations
from bot.notices import Draw
from bot.permissions import may_read, may_restore, may_rotate, may_see
from bot.rotation.planning import tiers_of
from bot.rotation.progress import progress, standings
from bot.rotation.report import report
from bot.services import Services
from bot.tiers import tier_with
from handlers.context import Asked
from handlers.people import Refusal
from handlers.rotate_command import Word
from storage.models import Notice, Organization, Record, Tier
from storage.notices import ROTATION, finish, post, touch
from storage.organizations import get_organization
from storage.records import get_record, records_called
from storage.requests import open_requests
from storage.revisions import revisions_of
from storage.rotations import matched_accounts, rotations_of

STOPPED = "stopped"
"""The notice that everything stands still here."""
_FOUND_MOST = 21


def register(app: App, _services: Services) -> None:
    """Listen to the windows of records."""

    @app.action(records.OPEN_RECORD)
    def open_record(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.services.database.reading() as session:
            record = get_record(session, None, asked.row()[0])
        _open_history(asked, record)

    @app.action(ids.paging(records.HISTORY_TURN))
    def history_turn(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.services.database.reading() as session:
            told = _told(asked, session, get_record(session, None, int(str(asked.memo.get("record")))))
        view = records.history(told, asked.memo, asked.row()[0])
        asked.client.views_update(view_id=asked.view["id"], view=dict(view))

    @app.action(ids.paging(records.STATUS_TURN))
    def status_turn(ack: Ack, asked: Asked) -> None:
        ack()
        asked.client.views_update(view_id=asked.view["id"], view=dict(_status_view(asked, asked.row()[0])))


def _history(asked: Asked, rest: str) -> None:
    if not rest:
        asked.answer("Say whose: `/rotate history NAME`.")
        return
    with asked.services.database.reading() as session:
        mine = [asked.organization] if asked.organization else asked.mine(session)
        found = records_called(session, [each.id for each in mine], rest, _FOUND_MOST)
    if not found:
        asked.answer(f"No record is called “{parts.escape(rest, 60)}” here, nor is an approved account.")
    elif len(found) == 1:
        _open_history(asked, found[0])
    else:
        memo = parts.memo_for(asked.operator.key, asked.organization.id if asked.organization else None)
        asked.opens(records.failures(found, memo))


def _open_history(asked: Asked, record: Record) -> None:
    """Looking is on record too."""
    with asked.services.database.writing() as session:
        told = _told(asked, session, record)
        asked.services.trail.append(
            session,
            event="record.history_seen",
            operator=asked.operator.key,
            source=asked.operator.source,
            organization=told.organization,
            subject=f"record {record.id}",
        )
    asked.opens(records.history(told, parts.memo_for(asked.operator.key, told.organization.id, record=record.id)))


def _told(asked: Asked, session: Session, record: Record) -> records.History:
    asked.here(record.organization_id)
    asked.allow(may_see(asked.operator, record.organization_id))
    organization = get_organization(session, record.organization_id)
    accounts = matched_accounts(session, [record.id])[record.id]
    tiers = [tier_with(each.account.tier, record.restricted) for each in accounts] or [Tier.PERSON]
    [stands] = report(session, [(organization, record)])
    return records.History(
        record=record,
        organization=organization,
        accounts=accounts,
        stands=stands,
        rotations=rotations_of(session, record.id),
        revisions=revisions_of(session, record.id),
        may_rotate=all(may_rotate(asked.operator, organization.id, tier).allowed for tier in tiers),
        may_read=all(may_read(asked.operator, organization.id, tier).allowed for tier in tiers),
        may_restore=all(
            may_restore(asked.operator, organization.id, tier).allowed for tier in tiers_of(record, accounts)
        ),
    )


def _status(asked: Asked, _rest: str) -> None:
    asked.opens(_status_view(asked, 1))


def _status_view(asked: Asked, page: int) -> Mapping[str, object]:
    organization = _here(asked)
    asked.allow(may_see(asked.operator, organization.id))
    with asked.services.database.reading() as session:
        first = (max(1, page) - 1) * records.ROWS
        organization = get_organization(session, organization.id)
        counts, shown = standings(session, organization, first, records.ROWS)
        under_way = [progress(session, each) for each in open_requests(session, [organization.id])[:6]]
    page, pages, _ = parts.page_of(sum(counts.values()), records.ROWS, page)
    told = records.Standing(
        organization,
        counts,
        shown,
        page,
        pages,
        [(rotations.headline(each), each.done, each.total) for each in under_way],
    )
    return records.status(told, parts.memo_for(asked.operator.key, organization.id))


def _stop(asked: Asked, _rest: str) -> None:
    organization = _here(asked)
    with asked.writing() as session:
        here = get_organization(session, organization.id)
        organizations.freeze(session, asked.services.trail, asked.operator, here)
        post(
            session,
            kind=STOPPED,
            subject=here.id,
            address=here.channel or asked.operator.key,
            organization_id=here.id,
            anew=True,
        )
        _touch_cards(session, here)
    asked.answer(
        f"🛑 Rotations are stopped in {parts.escape(here.name, 100)}. Nothing new is written to any directory; what "
        "was already sent is still looked at. An administrator lifts it with `/rotate start`."
    )


def _start(asked: Asked, _rest: str) -> None:
    organization = _here(asked)
    with asked.writing() as session:
        here = get_organization(session, organization.id)
        organizations.lift(session, asked.services.trail, asked.operator, here)
        finish(session, STOPPED, here.id)
        _touch_cards(session, here)
    asked.answer(f"▶️ Rotations go on in {parts.escape(here.name, 100)}: what waited is taken up again.")


def _touch_cards(session: Session, organization: Organization) -> None:
    touch(session, ROTATION, *[each.id for each in open_requests(session, [organization.id])])


def _here(asked: Asked) -> Organization:
    if asked.organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    return asked.organization


def _draw_stopped(session: Session, notice: Notice) -> Drawn:
    return records.stopped(get_organization(session, notice.subject))


WORDS = [
    Word("status", _status, "how each record stands, failures first"),
    Word("history", _history, "what became of a record", "NAME", asks=False),
    Word("stop", _stop, "stop everything here, at once"),
    Word("start", _start, "lift a stop (administrators)"),
]
DRAWS: Mapping[str, Draw] = {STOPPED: _draw_stopped}
