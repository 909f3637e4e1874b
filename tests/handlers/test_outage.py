"""Slack goes away in the middle of the work and comes back: the work goes on, and people hear of it, once."""

from datetime import timedelta

from sqlmodel import select

from bot.demo.practice_faults import Slow
from bot.demo.slack.faults import LostReply, RateLimited
from storage.models import Notice, Request, RequestState
from storage.notices import RESULT, ROTATION
from tests.handlers.office import Office


def rotates_everything(office: Office) -> None:
    office.approve_all("acme")
    office.domains["acme-ad"].fails("set_password", with_=Slow(timedelta(milliseconds=500)), times=None)
    office.alice.types("/rotate now priya.patel, alice.obrien, svc-backup", in_="#acme")
    office.alice.modal().says("would get a new password").submit()
    office.alice.modal().says("Started")


def ended(office: Office) -> bool | None:
    with office.services.database.reading() as session:
        request = session.exec(select(Request)).first()
    return True if request is not None and request.state == RequestState.ENDED else None


def cards(office: Office, kind: str) -> list[Notice]:
    with office.services.database.reading() as session:
        return list(session.exec(select(Notice).where(Notice.kind == kind)))


def posted(office: Office, words: str) -> int:
    """How many messages of the bot, anywhere, read so."""

    def count() -> int:
        channels = office.running.slack.workspace.channels.values()
        everything = [message for channel in channels for message in channel.messages.values()]
        return sum(words in f"{message.text} {message.blocks}" for message in everything)

    return int(office.call(count))


def test_slack_away_in_the_middle_of_the_work_loses_no_notice_and_tells_none_twice(office: Office) -> None:
    slack = office.running.slack
    office.driver.patience = 60
    with office.at_work():
        rotates_everything(office)
        office.running.wait_for(slack.go_away())
        assert not ended(office)
        office.alice.until(lambda: ended(office), "the work to go on without Slack")
        office.call(slack.come_back)
        office.alice.sees("Rotated 3 passwords", in_="#acme")
        office.alice.sees("Rotated 3 passwords", in_="@rekey")
    assert posted(office, "Rotated 3 passwords") == 2
    assert [each.address for each in cards(office, RESULT)] == [office.alice.id]
    assert len(cards(office, ROTATION)) == 1


def test_lost_replies_and_rate_limits_on_the_way_show_the_same_one_card_and_one_result(office: Office) -> None:
    faults = office.running.slack.faults
    office.driver.patience = 60
    faults.on("chat.postMessage", LostReply())
    faults.on("chat.postMessage", RateLimited(retry_after=1))
    faults.on("chat.update", RateLimited(retry_after=1))
    faults.on("chat.update", LostReply())
    with office.at_work():
        rotates_everything(office)
        office.alice.sees("Rotated 3 passwords", in_="#acme")
        office.alice.sees("Rotated 3 passwords", in_="@rekey")
    assert posted(office, "Rotated 3 passwords") == 2
