"""A request ends with its last rotation, in the transaction that moved it, and tells whoever wants to know."""

from sqlmodel import Session, select

from storage.database import Database
from storage.models import (
    Letter,
    Notice,
    Request,
    RequestRotation,
    RequestState,
    Rotation,
    RotationState,
    Status,
    Tell,
    Way,
    Wish,
    now,
)
from storage.notices import RESULT, ROTATION, post
from storage.results import end_the_rest, note_moved
from tests.storage.worlds import new_place, new_record

ALICE, BOB, CAROL, DAVE = "U0ALICE", "U0BOB", "U0CAROL", "U0DAVE"


def asked(session: Session, by: str = ALICE, count: int = 2) -> tuple[Request, list[Rotation]]:
    """A request under way with its card and so many open rotations."""
    place = new_place(session, f"Customer of {by}")
    request = Request(
        organization_id=place.organization.id, requested_by=by, by_name=False, plan="", state=RequestState.UNDER_WAY
    )
    session.add(request)
    rotations = [
        Rotation(
            organization_id=place.organization.id,
            record_id=new_record(session, place, f"user{number}").id,
            requested_by=by,
        )
        for number in range(count)
    ]
    session.add_all(rotations)
    session.flush()
    session.add_all(RequestRotation(request_id=request.id, rotation_id=each.id) for each in rotations)
    post(session, kind=ROTATION, subject=request.id, address="C0ACME", organization_id=place.organization.id)
    session.flush()
    return request, rotations


def over(rotation: Rotation, state: RotationState = RotationState.SUCCESSFUL) -> None:
    rotation.state, rotation.ended_at = state, now()
    rotation.status = Status.SUCCESSFUL if state is RotationState.SUCCESSFUL else Status.FAILED


def told(database: Database) -> list[str]:
    """Who gets the result by direct message."""
    with database.reading() as session:
        return sorted(each.address for each in session.exec(select(Notice).where(Notice.kind == RESULT)))


def card(database: Database) -> Notice:
    with database.reading() as session:
        return session.exec(select(Notice).where(Notice.kind == ROTATION)).one()


def test_while_one_rotation_is_open_the_card_is_redrawn_and_nobody_is_told(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session)
        over(rotations[0])
        note_moved(session, [rotations[0].id])
        assert request.state == RequestState.UNDER_WAY
    assert told(database) == []
    assert (card(database).wanted, card(database).ended_at) == (2, None)


def test_the_last_one_ends_the_request_and_its_card_and_tells_the_requester_once(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session)
        for rotation in rotations:
            over(rotation)
            note_moved(session, [rotation.id])
        note_moved(session, [rotation.id for rotation in rotations])
        assert request.state == RequestState.ENDED
        assert request.ended_at is not None
    assert told(database) == [ALICE]
    assert card(database).ended_at is not None
    assert card(database).wanted > card(database).sent


def test_results_are_told_as_the_requester_and_the_followers_wish(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session)
        here = request.organization_id
        session.add_all(
            [
                Wish(operator=ALICE, organization_id=here, way=Way.NONE),
                Wish(operator=BOB, organization_id=here),
                Wish(operator=CAROL, organization_id=here, tell=Tell.FAILURES),
                Wish(operator=DAVE),
            ]
        )
        for rotation in rotations:
            over(rotation)
        note_moved(session, [each.id for each in rotations])
    assert told(database) == [BOB]


def test_who_wants_them_by_e_mail_gets_a_letter_and_who_wants_both_gets_both(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session)
        here = request.organization_id
        session.add(Wish(operator=ALICE, way=Way.EMAIL))
        session.add(Wish(operator=BOB, organization_id=here, way=Way.BOTH))
        session.add(Wish(operator=CAROL, organization_id=here, way=Way.EMAIL, tell=Tell.FAILURES))
        for rotation in rotations:
            over(rotation)
        note_moved(session, [each.id for each in rotations])
        note_moved(session, [each.id for each in rotations])
    assert told(database) == [BOB]
    with database.reading() as session:
        letters = session.exec(select(Letter)).all()
    assert sorted(each.operator for each in letters) == [ALICE, BOB]


def test_what_is_said_about_an_organization_holds_there_for_what_one_asks_for_too(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session)
        session.add(Wish(operator=ALICE, way=Way.NONE))
        session.add(Wish(operator=ALICE, organization_id=request.organization_id))
        for rotation in rotations:
            over(rotation)
        note_moved(session, [each.id for each in rotations])
    assert told(database) == [ALICE]


def test_whoever_wants_failures_only_hears_of_one_failure_among_many(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session, count=5)
        session.add(Wish(operator=ALICE, tell=Tell.FAILURES))
        session.add(Wish(operator=CAROL, organization_id=request.organization_id, tell=Tell.FAILURES))
        for rotation in rotations[1:]:
            over(rotation)
        over(rotations[0], RotationState.REFUSED)
        note_moved(session, [each.id for each in rotations])
    assert told(database) == [ALICE, CAROL]


def test_cancelled_is_no_failure(database: Database) -> None:
    with database.writing() as session:
        _, rotations = asked(session)
        session.add(Wish(operator=ALICE, tell=Tell.FAILURES))
        for rotation in rotations:
            over(rotation, RotationState.CANCELLED)
        note_moved(session, [each.id for each in rotations])
    assert told(database) == []


def test_a_rotation_two_people_asked_for_ends_both_requests(database: Database) -> None:
    with database.writing() as session:
        first, rotations = asked(session, count=1)
        joined, _ = asked(session, by=BOB, count=0)
        session.add(RequestRotation(request_id=joined.id, rotation_id=rotations[0].id))
        session.flush()
        over(rotations[0])
        note_moved(session, [rotations[0].id])
        assert (first.state, joined.state) == (RequestState.ENDED, RequestState.ENDED)
    assert told(database) == [ALICE, BOB]


def test_who_asked_on_the_command_line_has_no_direct_messages(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session, by="cli:root@box", count=1)
        over(rotations[0])
        note_moved(session, [rotations[0].id])
        assert request.state == RequestState.ENDED
    assert told(database) == []


def test_a_request_whose_rotations_ended_unseen_is_ended_by_the_clock(database: Database) -> None:
    with database.writing() as session:
        request, rotations = asked(session)
        still_open, _ = asked(session, by=BOB)
        for rotation in rotations:
            over(rotation, RotationState.STUCK)
        session.flush()
        end_the_rest(session)
        assert (request.state, still_open.state) == (RequestState.ENDED, RequestState.UNDER_WAY)
    assert told(database) == [ALICE]
