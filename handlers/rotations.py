"""Rotating: `/rotate now` and `all`, the preview that is confirmed, and the one card of a request."""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import cloud, ids, letters, parts, previews, records, rotations, versions
from blocks.drawn import Drawn
from bot.mail import Write
from bot.notices import Draw
from bot.permissions import may_rotate
from bot.rotation import aftermath, requests
from bot.rotation.aftermath import Retried
from bot.rotation.pending import cloud_pending
from bot.rotation.progress import progress
from bot.rotation.requests import Answer, Draft
from bot.services import Services
from handlers.context import Asked
from handlers.people import Refusal
from handlers.rotate_command import Word
from storage.models import Letter, Notice, Organization, Record, Rotation, Tier
from storage.notices import CLOUD, RESULT, ROTATION
from storage.organizations import get_organization
from storage.records import get_record, records_called
from storage.requests import failed_records, get_request

_TITLE = "Rotate passwords"
_FOUND_MOST = 21
_NAMES_MOST = 20


def register(app: App, _services: Services) -> None:
    """Listen to previews and cards."""

    @app.view(previews.CONFIRM)
    def confirm(ack: Ack, asked: Asked) -> None:
        # Answered with the outcome itself: a "loading" in between could arrive after it, and stay.
        ack(response_action="update", view=_confirm(asked, _remembered(asked, "request")))

    @app.action(ids.paging(previews.TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        with asked.services.database.reading() as session:
            drafted = requests.redraft(session, asked.services.settings, asked.operator, _remembered(asked, "request"))
        _update(asked, asked.view["id"], previews.preview(drafted, asked.memo, page=asked.row()[0]))

    @app.action(records.NAMED)
    def named(ack: Ack, asked: Asked) -> None:
        ack()
        record, organization = _record(asked)
        _preview(asked, asked.view["id"], organization, [record])

    @app.action(records.ROTATE_RECORD)
    def rotate_record(ack: Ack, asked: Asked) -> None:
        ack()
        record, organization = _record(asked)
        _open_preview(asked, organization, [record])

    @app.action(rotations.CANCEL)
    def cancel(ack: Ack, asked: Asked) -> None:
        ack()
        request_id, _ = asked.row()
        _on_its_card(asked, request_id)
        with asked.writing() as session:
            cancelled = aftermath.cancel(session, asked.services.trail, asked.operator, request_id)
            state = get_request(session, request_id).state
        if cancelled == 0 and state != "cancelled":
            asked.answer("Everything has begun or is over already, so there was nothing left to cancel.")

    @app.action(rotations.RETRY)
    def retry_all(ack: Ack, asked: Asked) -> None:
        ack()
        request_id, version = asked.row()
        _retry(asked, request_id, version, None)

    @app.action(rotations.RETRY_CAUSE)
    def retry_cause(ack: Ack, asked: Asked) -> None:
        ack()
        rotation_id, version = asked.row()
        _retry(asked, _its_card(asked), version, rotation_id)

    @app.action(rotations.FAILURES)
    def failures(ack: Ack, asked: Asked) -> None:
        ack()
        _failures(asked, _its_card(asked), asked.row()[0])

    @app.action(ids.paging(records.FAILURES_TURN))
    def failures_turn(ack: Ack, asked: Asked) -> None:
        ack()
        found = _failed(asked, _remembered(asked, "request"), _remembered(asked, "like"))
        _update(asked, asked.view["id"], records.failures(found, asked.memo, asked.row()[0]))


# ---- the preview -----------------------------------------------------------------------------------------------------


def _now(asked: Asked, rest: str) -> None:
    names = [each.strip() for each in rest.split(",") if each.strip()]
    if not names:
        asked.answer("Say whose: `/rotate now NAME`, or several with commas between. `/rotate all` is everybody.")
        return
    if len(names) > _NAMES_MOST:
        asked.answer(f"That is more than {_NAMES_MOST} names at once. Nothing was done; take fewer, or `/rotate all`.")
        return
    found = {name: _called(asked, name) for name in names}
    missing = [name for name, fitting in found.items() if not fitting]
    several = [name for name, fitting in found.items() if len(fitting) > 1]
    if missing:
        said = ", ".join(f"“{parts.escape(name, 60)}”" for name in missing)
        asked.answer(f"No record is called {said} here, nor is an approved account. Nothing was done.")
    elif several and len(names) == 1:
        _choose(asked, names[0], found[names[0]])
    elif several:
        said = ", ".join(f"“{parts.escape(name, 60)}”" for name in several)
        asked.answer(f"More than one record fits {said}. Nothing was done; type the whole name, or one at a time.")
    else:
        _open_preview_of(asked, [fitting[0] for fitting in found.values()])


def _called(asked: Asked, name: str) -> list[Record]:
    with asked.services.database.reading() as session:
        mine = [asked.organization] if asked.organization else asked.mine(session)
        return records_called(session, [each.id for each in mine], name, _FOUND_MOST)


def _choose(asked: Asked, typed: str, found: Sequence[Record]) -> None:
    memo = parts.memo_for(asked.operator.key, asked.organization.id if asked.organization else None)
    asked.opens(records.choices(typed, found[: _FOUND_MOST - 1], max(0, len(found) - _FOUND_MOST + 1), memo))


def _open_preview_of(asked: Asked, found: Sequence[Record]) -> None:
    homes = {record.organization_id for record in found}
    if len(homes) > 1:
        asked.answer("These are records of several organizations. Nothing was done; ask for each in its own channel.")
        return
    with asked.services.database.reading() as session:
        organization = get_organization(session, homes.pop())
    _open_preview(asked, organization, found)


def _all(asked: Asked, _rest: str) -> None:
    if asked.organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    _open_preview(asked, asked.organization, None)


def _open_preview(asked: Asked, organization: Organization, found: Sequence[Record] | None) -> None:
    asked.allow(may_rotate(asked.operator, organization.id, Tier.PERSON))
    opened = asked.opens(parts.loading(_TITLE, memo=parts.memo_for(asked.operator.key, organization.id)))
    _preview(asked, opened["id"], organization, found)


def _preview(asked: Asked, view_id: str, organization: Organization, found: Sequence[Record] | None) -> None:
    asked.allow(may_rotate(asked.operator, organization.id, Tier.PERSON))
    with asked.writing() as session:
        here = get_organization(session, organization.id)
        drafted = requests.draft(session, asked.services.trail, asked.services.settings, asked.operator, here, found)
    _update(asked, view_id, previews.preview(drafted, _memo(asked, drafted)))


def _confirm(asked: Asked, request_id: int) -> dict[str, Any]:
    services = asked.services
    services.safe.escrow.check()
    with asked.writing() as session:
        confirmed = requests.confirm(
            session,
            services.trail,
            services.settings,
            asked.operator,
            request_id,
            sign_out=previews.wants_sign_out(asked.view),
        )
    drafted = confirmed.draft
    if confirmed.answer is Answer.CHANGED:
        said = "Something changed since this was shown, so nothing was started. This is what it would do now."
        return previews.preview(drafted, _memo(asked, drafted), said=said)
    title = _TITLE if drafted.request.restores is None else versions.TITLE
    return parts.modal(title, [parts.section(_said(confirmed.answer, drafted))])


def _said(answer: Answer, drafted: Draft) -> str:
    where = f"in <#{drafted.organization.channel}>" if drafted.organization.channel else "in our direct messages"
    match answer:
        case Answer.STARTED:
            many = parts.count(len(drafted.going), "record")
            return f"▶️ *Started*: {many}. The card {where} shows how it goes; you are told when it is over."
        case Answer.WAITS:
            return (
                "🔑 *The other administrators are asked.* Nothing is rotated before one of them agrees; after an hour "
                f"it is over. The card {where} shows how it stands."
            )
        case _:
            return f"This was confirmed already, and was not started twice. The card {where} shows how it stands."


# ---- the card --------------------------------------------------------------------------------------------------------


def _retry(asked: Asked, request_id: int, version: int, like: int | None) -> None:
    _on_its_card(asked, request_id)
    services = asked.services
    if asked.organization is not None:
        asked.allow(may_rotate(asked.operator, asked.organization.id, Tier.PERSON))
    with asked.writing() as session:
        retried = aftermath.retry(session, services.trail, services.settings, asked.operator, request_id, version, like)
    asked.answer(_told(retried))


def _told(retried: Retried) -> str:
    if retried.first is not None:
        return f"{parts.person(retried.first)} was first: the card shows how it stands now. Nothing more was done."
    said = [f"{parts.count(retried.started, 'record is', 'records are')} tried again."] if retried.started else []
    if retried.apart is not None:
        many = parts.count(len(retried.apart.going), "record takes", "records take")
        said.append(f"{many} a second administrator: the others are asked, on a card of its own.")
    if retried.refused:
        said.append(f"{parts.count(retried.refused, 'record')} would be refused again, and stays as it is.")
    return " ".join(said) or "None of it stands like this any more. Nothing was done."


def _failures(asked: Asked, request_id: int, like: int) -> None:
    found = _failed(asked, request_id, like)
    organization_id = asked.organization.id if asked.organization else None
    memo = parts.memo_for(asked.operator.key, organization_id, request=request_id, like=like)
    asked.opens(records.failures(found, memo))


def _failed(asked: Asked, request_id: int, like: int) -> list[Record]:
    with asked.services.database.reading() as session:
        asked.here(get_request(session, request_id).organization_id)
        return failed_records(session, request_id, session.get(Rotation, like))


def _its_card(asked: Asked) -> int:
    """The request whose card, or result, was pressed. `Refusal` for anything else."""
    if asked.notice is None or asked.notice.kind not in (ROTATION, RESULT):
        raise Refusal("This button counts on the card of a rotation only.")
    return asked.notice.subject


def _on_its_card(asked: Asked, request_id: int) -> None:
    if _its_card(asked) != request_id:
        raise Refusal("This button speaks of another request than the card it was pressed on.")


def _record(asked: Asked) -> tuple[Record, Organization]:
    """The record a button names, with its organization, where it may be spoken of."""
    record_id, _ = asked.row()
    with asked.services.database.reading() as session:
        record = get_record(session, None, record_id)
        asked.here(record.organization_id)
        organization = get_organization(session, record.organization_id)
    return record, organization


def _remembered(asked: Asked, name: str) -> int:
    number = asked.memo.get(name)
    if not isinstance(number, int):
        raise Refusal("This view carries something Rekey did not put there.")
    return number


def _memo(asked: Asked, drafted: Draft) -> Mapping[str, object]:
    return parts.memo_for(asked.operator.key, drafted.organization.id, request=drafted.request.id)


def _update(asked: Asked, view_id: str, view: Mapping[str, object]) -> None:
    asked.client.views_update(view_id=view_id, view=dict(view))


def _draw_card(session: Session, notice: Notice) -> Drawn:
    return rotations.card(progress(session, get_request(session, notice.subject)))


def _draw_result(session: Session, notice: Notice) -> Drawn:
    return rotations.result(progress(session, get_request(session, notice.subject)))


def _write_result(session: Session, letter: Letter) -> letters.Written:
    return letters.result(progress(session, get_request(session, letter.subject)))


def _draw_cloud(session: Session, notice: Notice) -> Drawn:
    return cloud.not_followed(cloud_pending(session, notice.subject))


WORDS = [
    Word("now", _now, "new passwords for these, after a preview", "NAME, NAME …", asks=False),
    Word("all", _all, "new passwords for everybody “all” means here, after a preview"),
]
DRAWS: Mapping[str, Draw] = {ROTATION: _draw_card, RESULT: _draw_result, CLOUD: _draw_cloud}
WRITES: Mapping[str, Write] = {RESULT: _write_result}
