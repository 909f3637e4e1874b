"""What the engine does to rotations reaches the card of whoever asked, and the result their direct messages."""

from sqlmodel import select

from storage.models import Notice, Request, RequestRotation, RequestState
from storage.notices import RESULT, ROTATION, post
from tests.rotation.world import World

ALICE = "U0ALICE"


def test_a_rotation_that_ends_in_its_lane_redraws_the_card_ends_the_request_and_tells_the_requester(
    world: World,
) -> None:
    domain = world.directory("corp")
    for name in ("one", "two"):
        domain.person(name, "Old-pass-0001!")
    records = [world.matched(name, {"corp": name}) for name in ("one", "two")]
    rotations = world.asks(*records)
    with world.database.writing() as session:
        request = Request(
            organization_id=world.organization.id,
            requested_by=ALICE,
            by_name=True,
            plan="",
            state=RequestState.UNDER_WAY,
        )
        session.add(request)
        session.flush()
        session.add_all(RequestRotation(request_id=request.id, rotation_id=each) for each in rotations)
        card = post(session, kind=ROTATION, subject=request.id, address="C0ACME")
    world.drains_until_ended(*records)
    with world.database.reading() as session:
        assert session.get_one(Request, request.id).state == RequestState.ENDED
        kept = session.get_one(Notice, card.id)
        assert kept.wanted > 1
        assert kept.ended_at is not None
        result = session.exec(select(Notice).where(Notice.kind == RESULT)).one()
    assert (result.address, result.subject, result.sent) == (ALICE, request.id, 0)


def test_a_rotation_nobody_asked_for_in_slack_tells_nobody_there(world: World) -> None:
    world.directory("corp").person("one", "Old-pass-0001!")
    world.rotates(world.matched("one", {"corp": "one"}))
    with world.database.reading() as session:
        assert session.exec(select(Notice)).all() == []
