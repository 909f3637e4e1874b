"""Notices as rows: one card per piece of work, and nothing that changed meanwhile is forgotten."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from bot.errors import RowNotFound
from storage.database import Database
from storage.models import Notice, Record, Request, RequestRotation, RequestState, Rotation, now
from storage.notices import (
    ROTATION,
    find_notice,
    finish,
    get_notice,
    note_sent,
    note_trouble,
    open_notices,
    owed,
    post,
    show,
    touch,
    touch_requests,
    try_again,
    undelivered,
)
from tests.storage.worlds import Place, new_place, new_record

ACME = "C0ACME"
SECOND = timedelta(seconds=1)


def everything(database: Database) -> list[Notice]:
    with database.reading() as session:
        return list(session.exec(select(Notice).order_by(Notice.id)))  # type: ignore[arg-type]


def sent(session: Session, notice: Notice) -> None:
    """Slack has it as it is now."""
    note_sent(session, notice.id, notice.wanted, now() - SECOND, shown="picture", apart=SECOND)


def test_one_piece_of_work_has_one_card_in_a_channel(database: Database) -> None:
    with database.writing() as session:
        first = post(session, kind="match_review", address=ACME, view={"page": 1})
        again = post(session, kind="match_review", address=ACME)
        elsewhere = post(session, kind="match_review", address="C0OTHER")
    assert first.id == again.id != elsewhere.id
    assert [(each.wanted, each.view) for each in everything(database)] == [(2, {"page": 1}), (1, {})]


def test_posted_anew_the_old_card_is_taken_away(database: Database) -> None:
    with database.writing() as session:
        old = post(session, kind="match_review", address=ACME)
        sent(session, old)
        new = post(session, kind="match_review", address=ACME, anew=True)
    before, after = everything(database)
    assert (before.id, after.id) == (old.id, new.id)
    assert before.withdrawn
    assert before.ended_at is not None
    assert before.wanted > before.sent
    assert not after.withdrawn


def test_a_touch_while_it_is_being_sent_is_still_owed(database: Database) -> None:
    with database.writing() as session:
        notice = post(session, kind=ROTATION, subject=7, address=ACME)
    drawn_at = get(database, notice.id).wanted
    with database.writing() as session:
        touch(session, ROTATION, 7)
    with database.writing() as session:
        note_sent(session, notice.id, drawn_at, now() - SECOND, shown="picture", apart=SECOND)
    with database.reading() as session:
        assert [each.id for each in owed(session, now(), 10)] == [notice.id]


def test_any_number_of_touches_are_one_debt(database: Database) -> None:
    with database.writing() as session:
        notice = post(session, kind=ROTATION, subject=7, address=ACME)
        for _ in range(50):
            touch(session, ROTATION, 7)
    with database.writing() as session:
        sent(session, get_notice(session, notice.id))
    with database.reading() as session:
        assert owed(session, now(), 10) == []


def test_no_sooner_than_apart_it_is_sent_again(database: Database) -> None:
    with database.writing() as session:
        notice = post(session, kind=ROTATION, subject=7, address=ACME)
        note_sent(session, notice.id, notice.wanted, now(), shown="picture", apart=timedelta(hours=1))
        touch(session, ROTATION, 7)
    with database.reading() as session:
        assert owed(session, now(), 10) == []
        assert len(owed(session, now() + timedelta(hours=1), 10)) == 1


def test_finished_its_last_state_is_owed_and_nothing_touches_it_any_more(database: Database) -> None:
    with database.writing() as session:
        notice = post(session, kind=ROTATION, subject=7, address=ACME)
        sent(session, notice)
        finish(session, ROTATION, 7)
        touch(session, ROTATION, 7)
    kept = get(database, notice.id)
    assert (kept.wanted - kept.sent, kept.ended_at is not None) == (1, True)
    with database.writing() as session:
        assert post(session, kind=ROTATION, subject=7, address=ACME).id != notice.id


def test_showing_another_page_is_owed(database: Database) -> None:
    with database.writing() as session:
        notice = post(session, kind="match_review", address=ACME, view={"page": 1})
        sent(session, notice)
    with database.writing() as session:
        show(session, notice.id, {"page": 2})
    kept = get(database, notice.id)
    assert (kept.view, kept.wanted > kept.sent) == ({"page": 2}, True)


def test_a_click_finds_the_notice_by_its_message_even_after_it_ended(database: Database) -> None:
    with database.writing() as session:
        notice = post(session, kind=ROTATION, subject=7, address=ACME)
        notice.channel, notice.ts = ACME, "1700000000.000100"
        finish(session, ROTATION, 7)
    with database.reading() as session:
        found = find_notice(session, ACME, "1700000000.000100")
        assert found is not None
        assert found.id == notice.id
        assert find_notice(session, "C0OTHER", "1700000000.000100") is None


def test_rotations_touch_the_cards_of_every_request_that_asked_for_them_and_no_other(database: Database) -> None:
    with database.writing() as session:
        place = new_place(session)
        rotations = [new_rotation(session, place, new_record(session, place, f"user{n}")) for n in range(3)]
        asked = {name: new_request(session, place) for name in ("first", "joined", "other")}
        for name, wanted in {"first": rotations[:2], "joined": rotations[1:2], "other": rotations[2:]}.items():
            session.add_all(RequestRotation(request_id=asked[name].id, rotation_id=each.id) for each in wanted)
            post(session, kind=ROTATION, subject=asked[name].id, address=ACME)
        session.flush()
        for notice in open_notices(session, ROTATION, *(each.id for each in asked.values())):
            sent(session, notice)
    with database.writing() as session:
        touch_requests(session, [rotations[1].id])
    with database.reading() as session:
        assert {each.subject for each in owed(session, now(), 10)} == {asked["first"].id, asked["joined"].id}


def test_what_cannot_be_delivered_is_told_with_its_organization_and_tried_when_its_channel_changes(
    database: Database,
) -> None:
    with database.writing() as session:
        place = new_place(session)
        notice = post(session, kind=ROTATION, subject=7, address=ACME, organization_id=place.organization.id)
        note_trouble(session, notice.id, "The channel was archived.", now() + timedelta(hours=1))
    with database.reading() as session:
        assert [each.trouble for each in undelivered(session, [place.organization.id])] == ["The channel was archived."]
        assert undelivered(session, [place.organization.id + 1]) == []
        assert owed(session, now(), 10) == []
    with database.writing() as session:
        try_again(session, ACME)
    with database.reading() as session:
        assert [each.id for each in owed(session, now(), 10)] == [notice.id]


def test_a_notice_that_is_not_there_is_said_so(database: Database) -> None:
    with database.reading() as session, pytest.raises(RowNotFound, match="no notice 77"):
        get_notice(session, 77)


def get(database: Database, notice_id: int) -> Notice:
    with database.reading() as session:
        return get_notice(session, notice_id)


def new_rotation(session: Session, place: Place, record: Record) -> Rotation:
    rotation = Rotation(organization_id=place.organization.id, record_id=record.id, requested_by="U0ALICE")
    session.add(rotation)
    session.flush()
    return rotation


def new_request(session: Session, place: Place) -> Request:
    request = Request(
        organization_id=place.organization.id,
        requested_by="U0ALICE",
        by_name=False,
        plan="",
        state=RequestState.UNDER_WAY,
    )
    session.add(request)
    session.flush()
    return request
