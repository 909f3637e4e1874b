"""Results: when everything a request asked for is over, the request ends, and whoever wants to know is told."""

from collections.abc import Collection

from sqlmodel import Session, col, select

from storage.letters import write_letter
from storage.models import Request, RequestRotation, RequestState, Rotation, now
from storage.notices import RESULT, ROTATION, finish, post, touch_requests
from storage.requests import all_ended, failures
from storage.wishes import by_email, by_message, listeners


def note_moved(session: Session, rotation_ids: Collection[int]) -> None:
    """These rotations moved: have their cards redrawn, and end the requests that have nothing left to wait for.

    Belongs into the transaction that moved them, so that no result is ever forgotten.
    """
    touch_requests(session, rotation_ids)
    for request in all_ended(session, _ended(session, rotation_ids)):
        end(session, request)


def end(session: Session, request: Request) -> None:
    """Nothing of this request is open any more: its card gets its last state, and its result is told."""
    request.state, request.ended_at = RequestState.ENDED, now()
    finish(session, ROTATION, request.id)
    failed = bool(failures(session, request.id))
    for operator, way in listeners(session, request.organization_id, request.requested_by, failed=failed).items():
        if by_message(way):
            post(session, kind=RESULT, subject=request.id, address=operator, organization_id=request.organization_id)
        if by_email(way):
            write_letter(
                session,
                kind=RESULT,
                subject=request.id,
                operator=operator,
                organization_id=request.organization_id,
            )
    finish(session, RESULT, request.id)


def end_the_rest(session: Session) -> None:
    """End the requests whose last rotation ended without anybody saying so: those of a database that was put back."""
    still_open = (
        select(RequestRotation.request_id)
        .join(Rotation, col(Rotation.id) == col(RequestRotation.rotation_id))
        .where(RequestRotation.request_id == Request.id, col(Rotation.ended_at).is_(None))
        .exists()
    )
    for request in session.exec(select(Request).where(Request.state == RequestState.UNDER_WAY, ~still_open)).all():
        end(session, request)


def _ended(session: Session, rotation_ids: Collection[int]) -> list[int]:
    session.flush()
    ended = select(Rotation.id).where(col(Rotation.id).in_(rotation_ids), col(Rotation.ended_at).is_not(None))
    return list(session.exec(ended))
