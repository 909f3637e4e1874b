"""Slack away, slow, dropping calls and replies: nothing is lost and nothing is posted twice."""

import pytest

from bot.demo.slack.content import Content
from bot.demo.slack.faults import LostReply, LostRequest, Refused, ServerError
from storage.notices import finish
from tests.notices.postroom import PostRoom
from tests.storage.databases import KINDS


def test_a_lost_reply_is_looked_up_not_posted_again(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", LostReply())
    notice = room.card("first")
    room.drain()
    assert room.texts() == ["first"]
    assert room.notice(notice).ts == room.messages()[0].ts
    assert len(room.calls("chat.postMessage")) == 1


def test_a_lost_request_is_looked_up_and_then_posted(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", LostRequest())
    room.card("first")
    room.drain()
    assert room.texts() == ["first"]
    assert len(room.calls("conversations.history")) == 1


def test_it_is_not_looked_up_before_it_can_have_arrived(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", LostReply())
    room.card("first")
    room.outbox.drain()
    room.advance(4)
    room.outbox.drain()
    assert room.calls("conversations.history") == []


def test_what_changed_while_a_reply_was_lost_is_edited_in_after_it_was_found(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", LostReply())
    room.card("first")
    room.outbox.drain()
    room.changes("second")
    room.drain()
    assert room.texts() == ["second"]


def test_it_is_found_among_the_messages_of_a_busy_channel_and_only_by_its_own_uid(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", LostReply())
    notice = room.card("the same words")
    room.outbox.drain()

    def chatter() -> None:
        channel = room.slack.workspace.channels[room.ids["#acme"]]
        another = {"event_type": "rekey_notice", "event_payload": {"uid": "another"}}
        for number in range(450):
            room.slack.post_as_bot(channel, Content(f"somebody else's {number}", metadata=another))

    room.in_slack(chatter)
    room.drain()
    assert room.notice(notice).ts == room.messages()[0].ts
    assert room.texts().count("the same words") == 1


@pytest.mark.parametrize("fault", [LostReply(), LostRequest(), ServerError(503), Refused("fatal_error")])
def test_a_direct_message_is_told_once_whatever_goes_wrong_on_the_way(room: PostRoom, fault: object) -> None:
    room.faults.on("chat.postMessage", fault)  # type: ignore[arg-type]
    room.faults.on("conversations.open", fault)  # type: ignore[arg-type]
    room.card("for vic", where="vic")
    room.drain()
    assert room.texts("vic") == ["for vic"]


@pytest.mark.parametrize("fault", [LostReply(), LostRequest(), ServerError(500), Refused("internal_error")])
def test_an_edit_that_went_wrong_is_made_again(room: PostRoom, fault: object) -> None:
    room.card("first")
    room.drain()
    room.faults.on("chat.update", fault)  # type: ignore[arg-type]
    room.changes("second")
    room.drain()
    assert room.texts() == ["second"]


@pytest.mark.parametrize("room", KINDS, indirect=True)
def test_after_an_hour_without_slack_everything_comes_as_things_stand_then(room: PostRoom) -> None:
    room.card("working")
    room.drain()
    room.running.wait_for(room.slack.go_away())
    room.changes("half done")
    room.card("asked while it was away", 2)
    room.card("told while it was away", 3, "vic")
    for minute in range(60):
        room.changes(f"minute {minute}")
        room.outbox.drain()
        room.advance(60)
    assert room.standing().failures > 50
    assert "did not answer" in room.standing().failure_reason
    room.in_slack(room.slack.come_back)
    assert room.drain() <= 90  # seconds
    assert sorted(room.texts()) == ["asked while it was away", "minute 59"]
    assert room.texts("vic") == ["told while it was away"]
    assert (room.standing().failures, room.standing().failure_reason) == (0, "")


def test_while_slack_is_away_it_is_asked_less_and_less_often(room: PostRoom) -> None:
    room.card("first")
    room.running.wait_for(room.slack.go_away())
    for _ in range(600):
        room.outbox.drain()
        room.advance(1)
    assert 10 <= room.standing().failures <= 30


def test_one_message_that_slack_chokes_on_does_not_hold_up_the_others(room: PostRoom) -> None:
    room.card("poison")
    room.faults.on("chat.postMessage", ServerError(500))
    room.outbox.drain()
    room.faults.on("conversations.history", ServerError(500), times=1000)  # it is never even found out
    for subject in range(2, 6):
        room.card(f"fine {subject}", subject, "#globex")
    room.drain(lambda: len(room.texts("#globex")) == 4, steps=30)


def test_a_token_that_is_refused_is_said_and_everything_waits(room: PostRoom) -> None:
    room.faults.on("*", Refused("invalid_auth"), times=3)
    room.card("first")
    room.outbox.drain()
    assert "refuses Rekey's bot token (invalid_auth)" in room.standing().failure_reason
    room.drain()
    assert room.texts() == ["first"]


def test_a_card_somebody_deleted_is_posted_anew_while_there_is_work(room: PostRoom) -> None:
    room.card("working")
    room.drain()
    (message,) = room.messages()
    room.in_slack(lambda: room.slack.delete(message))
    room.changes("still working")
    room.drain()
    assert room.texts() == ["still working"]


def test_a_card_somebody_deleted_is_left_deleted_when_it_is_over(room: PostRoom) -> None:
    room.card("working")
    room.drain()
    (message,) = room.messages()
    room.in_slack(lambda: room.slack.delete(message))
    room.changes("done")
    with room.database.writing() as session:
        finish(session, "card", 1)
    room.drain()
    assert room.texts() == []


def test_a_server_that_cannot_look_back_still_gets_every_message(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", LostRequest())
    room.faults.on("conversations.history", Refused("unknown_method"))
    room.faults.on("conversations.info", Refused("unknown_method"), times=5)
    room.card("first")
    room.drain()
    assert room.texts() == ["first"]
