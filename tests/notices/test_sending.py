"""What the outbox promises about sending: once, in place, at Slack's pace, by one process."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from blocks.drawn import Drawn
from bot.demo.slack.faults import RateLimited
from storage.models import Notice, Outbox, now
from storage.notices import finish, post, show, touch
from tests.notices.postroom import CARD, PostRoom, draw_card
from tests.storage.databases import KINDS


def test_a_card_is_posted_once_and_edited_in_place(room: PostRoom) -> None:
    room.card("first")
    room.drain()
    room.changes("second")
    room.drain()
    assert room.texts() == ["second"]
    assert len(room.calls("chat.postMessage")) == 1


def test_it_is_drawn_when_it_is_sent_so_changes_before_that_cost_nothing(room: PostRoom) -> None:
    room.card("old")
    for number in range(500):
        room.changes(f"{number} done")
    room.drain()
    assert room.texts() == ["499 done"]
    assert len(room.calls("chat.postMessage")) + len(room.calls("chat.update")) == 1


def test_what_changes_while_it_is_being_sent_is_sent_after_it(room: PostRoom) -> None:
    def draw_and_change(session: Session, notice: Notice) -> Drawn:
        drawn = draw_card(session, notice)
        if drawn.text == "first":
            room.changes("second")
        return drawn

    room.outbox = room.another_outbox({CARD: draw_and_change})
    room.card("first")
    room.outbox.drain()
    assert room.texts() == ["first"]
    room.drain()
    assert room.texts() == ["second"]


def test_the_same_picture_is_not_sent_again(room: PostRoom) -> None:
    room.card("as it is")
    room.drain()
    with room.database.writing() as session:
        touch(session, CARD, 1)
    room.drain()
    assert room.calls("chat.update") == []
    assert room.nothing_owed()


def test_a_card_that_changes_all_the_time_is_edited_at_most_once_a_second(room: PostRoom) -> None:
    room.card("0 done")
    room.drain()
    began = room.now()
    for number in range(1, 201):  # ten thousand accounts come to this in twenty seconds, many at each look
        room.changes(f"{number} done")
        room.outbox.drain()
        room.advance(0.1)
    seconds = (room.now() - began).total_seconds()
    assert 10 <= len(room.calls("chat.update")) <= seconds + 1
    room.drain()
    assert room.texts() == ["200 done"]


def test_a_channel_gets_at_most_one_message_a_second_and_slack_never_has_to_say_so(room: PostRoom) -> None:
    room.faults.published_limits = True
    for subject in range(1, 7):
        room.card(f"card {subject}", subject)
        room.card(f"globex {subject}", 10 + subject, "#globex")
    assert room.drain(step=0.25) >= 20
    assert sorted(room.texts()) == [f"card {subject}" for subject in range(1, 7)]
    assert sorted(room.texts("#globex")) == [f"globex {subject}" for subject in range(1, 7)]
    assert all(each.answer["ok"] for each in room.calls("chat.postMessage"))


def test_many_busy_cards_share_what_slack_allows_and_none_stands_still(room: PostRoom) -> None:
    for subject in range(1, 6):
        room.card("0", subject)
    room.drain(step=0.5)
    room.faults.published_limits = True
    for second in range(1, 61):
        for subject in range(1, 6):
            room.changes(f"{second}", subject)
        room.outbox.drain()
        room.advance(1)
    updates = room.calls("chat.update")
    assert all(each.answer["ok"] for each in updates)
    assert len(updates) >= 40
    assert all(int(text) >= 50 for text in room.texts())
    room.drain()
    assert room.texts() == ["60"] * 5


def test_retry_after_is_kept_and_other_channels_go_on(room: PostRoom) -> None:
    room.faults.on("chat.postMessage", RateLimited(retry_after=30))
    room.card("first")
    room.outbox.drain()
    room.card("elsewhere", 2, "#globex")
    room.advance(29)
    room.outbox.drain()
    assert (room.texts(), room.texts("#globex")) == ([], ["elsewhere"])
    room.advance(1)
    room.outbox.drain()
    assert room.texts() == ["first"]
    assert room.calls("conversations.history") == []  # it was known that nothing had been posted


def test_retry_after_on_an_edit_holds_back_every_edit(room: PostRoom) -> None:
    room.card("one", 1)
    room.card("two", 2, "#globex")
    room.drain()
    room.advance(2)
    room.faults.on("chat.update", RateLimited(retry_after=10))
    room.changes("one, changed", 1)
    room.changes("two, changed", 2)
    room.outbox.drain()
    room.advance(9.5)
    room.outbox.drain()
    assert room.texts() + room.texts("#globex") == ["one", "two"]
    room.advance(0.5)
    room.drain(steps=3)
    assert room.texts() + room.texts("#globex") == ["one, changed", "two, changed"]


def test_a_direct_message_is_opened_and_its_clicks_can_be_found(room: PostRoom) -> None:
    notice = room.card("for vic", where="vic")
    room.drain()
    assert room.texts("vic") == ["for vic"]
    kept = room.notice(notice)
    assert kept.channel is not None
    assert kept.channel.startswith("D")
    assert kept.ts == room.messages("vic")[0].ts


def test_a_direct_message_is_only_for_who_holds_a_role_there_now(room: PostRoom) -> None:
    notice = room.card("not for sid", where="sid")
    room.drain()
    assert room.texts("sid") == []
    assert "no role in this organization" in room.notice(notice).trouble


def test_finished_it_shows_its_last_state_and_never_changes_again(room: PostRoom) -> None:
    room.card("working")
    room.drain()
    with room.database.writing() as session:
        finish(session, CARD, 1)
    room.changes("too late")  # the card has ended, but this is what is true when its last state is drawn
    room.drain()
    room.changes("much too late")
    room.drain()
    assert room.texts() == ["too late"]


def test_posted_anew_it_moves_to_the_end_of_the_channel(room: PostRoom) -> None:
    room.card("review")
    room.drain()
    room.card("something else", 2)
    room.drain()
    with room.database.writing() as session:
        post(session, kind=CARD, subject=1, address=room.ids["#acme"], organization_id=room.acme, anew=True)
    room.drain()
    assert room.texts() == ["something else", "review"]


def test_another_page_of_it_is_shown_in_place(room: PostRoom) -> None:
    notice = room.card("page one")
    room.drain()
    with room.database.writing() as session:
        show(session, notice, {"page": 2})
    room.drain()
    assert room.notice(notice).view == {"page": 2}
    assert len(room.messages()) == 1


@pytest.mark.parametrize("room", KINDS, indirect=True)
def test_while_one_process_talks_to_slack_another_does_not(room: PostRoom) -> None:
    other = room.another_outbox()
    room.card("first")
    room.drain()
    room.card("second", 2)
    room.advance(2)
    assert other.drain() == 0
    room.outbox.let_go()
    assert other.drain() == 1
    assert room.outbox.drain() == 0
    assert room.texts() == ["first", "second"]


def test_a_process_on_another_machine_that_fell_silent_is_taken_over_when_its_lease_is_over(room: PostRoom) -> None:
    def elsewhere(lease_until: datetime) -> None:
        with room.database.writing() as session:
            session.merge(Outbox(name="slack", owner="elsewhere 1 1.00", token=7, lease_until=lease_until))

    room.card("first")
    elsewhere(now() + timedelta(minutes=1))
    assert room.outbox.drain() == 0
    elsewhere(now() - timedelta(seconds=1))
    assert room.outbox.drain() == 1
    assert room.standing().token == 8


def test_a_process_that_froze_sends_nothing_more_once_another_took_over(room: PostRoom) -> None:
    room.card("first")
    room.drain()
    with room.database.writing() as session:  # as if its lease had run out while it was frozen
        outbox = room.standing()
        outbox.owner, outbox.lease_until, outbox.token = None, None, outbox.token + 1
        session.merge(outbox)
    room.changes("an older picture by the time it wakes")
    room.advance(2)
    assert room.outbox.drain() == 0
    assert room.texts() == ["first"]
    room.outbox = room.another_outbox()  # takes over as any process would
    room.card("second", 2, "#globex")
    room.drain()
    assert (room.texts(), room.texts("#globex")) == (["an older picture by the time it wakes"], ["second"])


def test_a_picture_that_cannot_be_drawn_holds_up_no_other(room: PostRoom) -> None:
    with room.database.writing() as session:
        broken = post(session, kind="unheard of", address=room.ids["#acme"]).id
    room.card("fine", where="#globex")
    room.outbox.drain()
    assert room.texts("#globex") == ["fine"]
    assert room.notice(broken).trouble.startswith("Rekey itself failed to draw it")
    assert room.notice(broken).wanted > room.notice(broken).sent


def test_no_secret_of_ours_is_in_what_an_answer_holds(room: PostRoom) -> None:
    room.card("first")
    room.drain()
    assert room.running.app.bot_token not in str([vars(each) for each in room.calls("chat.postMessage")])
