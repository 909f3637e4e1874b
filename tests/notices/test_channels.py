"""A channel Rekey may not post in: what was for it is kept, and its administrators are told, once, what to do."""

from collections.abc import Callable

import pytest

from bot import channels
from storage.models import Organization
from storage.notices import undelivered
from tests.notices.postroom import CARD, PostRoom

Change = Callable[[PostRoom], object]


def bot_leaves(room: PostRoom) -> object:
    return room.in_slack(lambda: room.slack.leave(channel(room), room.running.app.bot_user_id))


def bot_joins(room: PostRoom) -> object:
    return room.in_slack(lambda: room.slack.join(channel(room), room.running.app.bot_user_id))


def archived(room: PostRoom) -> object:
    return room.in_slack(lambda: room.slack.archive(channel(room), room.ids["alice"]))


def unarchived(room: PostRoom) -> object:
    return room.in_slack(lambda: room.slack.unarchive(channel(room), room.ids["alice"]))


def shared(room: PostRoom) -> object:
    return room.in_slack(lambda: room.slack.share_outside(channel(room)))


def unshared(room: PostRoom) -> object:
    return room.in_slack(lambda: setattr(channel(room), "shared_outside", False))


def hidden(room: PostRoom) -> object:
    room.in_slack(lambda: setattr(channel(room), "kind", "private"))
    return bot_leaves(room)


def shown(room: PostRoom) -> object:
    return bot_joins(room)


def channel(room: PostRoom):  # type: ignore[no-untyped-def]
    return room.slack.workspace.channels[room.ids["#acme"]]


@pytest.mark.parametrize(
    ("breaks", "mends", "says"),
    [
        pytest.param(bot_leaves, bot_joins, "Rekey is not in the channel", id="left"),
        pytest.param(archived, unarchived, "The channel was archived", id="archived"),
        pytest.param(shared, unshared, "another company", id="shared outside"),
        pytest.param(hidden, shown, "deleted, or it is private", id="private or gone"),
    ],
)
def test_what_is_for_the_channel_is_kept_told_to_administrators_once_and_delivered_later(
    room: PostRoom, breaks: Change, mends: Change, says: str
) -> None:
    breaks(room)
    room.card("first", 1)
    room.card("second", 2)
    for _ in range(30):
        room.outbox.drain()
        room.advance(60)
    assert room.texts() == []
    with room.database.reading() as session:
        assert [says in each.trouble for each in undelivered(session, [room.acme])] == [True, True]
    (told,) = room.messages("alice")
    assert says in str(told.blocks)
    assert "/rotate setup" in str(told.blocks)
    assert "Nothing is lost" in str(told.blocks)
    assert room.messages("vic") == []
    mends(room)
    room.drain(step=30)
    assert sorted(room.texts()) == ["first", "second"]
    assert len(room.messages("alice")) == 1
    assert "Rekey can post in" in str(room.messages("alice")[0].blocks)


def test_one_channel_that_cannot_be_posted_in_holds_up_no_other(room: PostRoom) -> None:
    archived(room)
    for subject in range(1, 20):
        room.card("kept", subject)
    room.card("elsewhere", 30, "#globex")
    room.drain(lambda: room.texts("#globex") == ["elsewhere"], steps=25)


def test_a_card_in_a_channel_that_is_shared_later_is_not_edited_any_more(room: PostRoom) -> None:
    room.card("inside")
    room.drain()
    shared(room)
    room.advance(600)
    room.changes("not for outsiders")
    room.outbox.drain()
    assert room.texts() == ["inside"]
    assert "another company" in room.notices()[0].trouble


def test_told_of_it_by_an_event_the_channel_is_asked_about_before_anything_else_goes_there(room: PostRoom) -> None:
    room.card("inside")
    room.drain()
    shared(room)
    with room.database.writing() as session:  # what the listener of `channel_shared` does
        acme = session.get_one(Organization, room.acme)
        channels.tell(session, acme, channels.SHARED_OUTSIDE, ())
    room.changes("not for outsiders")
    room.outbox.drain()
    assert room.texts() == ["inside"]


def test_nothing_is_said_to_be_mended_before_something_arrived_there(room: PostRoom) -> None:
    room.card("as it is", 1)
    room.drain()
    archived(room)
    room.card("waits", 2)
    room.advance(2)
    room.outbox.drain()
    room.advance(2)
    room.changes("as it is", 1)  # touched, but nothing there is to be changed
    room.outbox.drain()
    room.advance(2)
    room.outbox.drain()
    assert "Rekey cannot post" in str(room.messages("alice")[0].blocks)


def test_renamed_it_goes_on_by_its_id_and_administrators_are_told_that_there_is_nothing_to_do(room: PostRoom) -> None:
    room.card("before")
    room.drain()
    room.in_slack(lambda: room.slack.rename(channel(room), "acme-dental"))
    with room.database.writing() as session:
        channels.tell(session, session.get_one(Organization, room.acme), channels.RENAMED, ())
    room.changes("after")
    room.drain()
    assert room.texts() == ["after"]
    assert "nothing to do" in str(room.messages("alice")[0].blocks)


def test_bound_to_another_channel_what_waited_for_the_old_one_goes_there(room: PostRoom) -> None:
    room.card("stands in the old one", 1)
    room.drain()
    archived(room)
    room.changes("moved", 1)
    room.card("waits", 2)
    room.advance(2)
    room.outbox.drain()
    assert all(each.trouble for each in room.notices() if each.kind == CARD)
    with room.database.writing() as session:
        session.get_one(Organization, room.acme).channel = room.ids["#globex"]
    room.drain(step=30)
    assert sorted(room.texts("#globex")) == ["moved", "waits"]


def test_somebody_who_left_the_company_is_not_written_to_for_ever(room: PostRoom) -> None:
    room.card("for vic", where="vic")
    room.in_slack(lambda: room.slack.deactivate(room.slack.workspace.people[room.ids["vic"]]))
    room.outbox.drain()
    (notice,) = room.notices()
    assert notice.trouble == "This person cannot be reached in Slack any more."
    assert room.nothing_owed()
