"""/rotate show: a one-time link for whoever asks, a second person where it takes one, and nothing secret in Slack."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from blocks import ids
from blocks import reveal as drawing
from bot import reveal
from bot.demo.slack.driver import Card, Member
from bot.demo.slack.validation import validate
from bot.links import Made, Refusal
from bot.reveal import Asked, Revealed
from storage.models import Account, Approval, ApprovalState, Match, MatchState, Notice, Record, now
from storage.records import records_of
from tests.handlers.office import Office, open_office

LINK = re.compile(r"http://127\.0\.0\.1:\d+/reveal#([A-Za-z0-9_-]{43})")
ALICE = "Alice O'Brien"
ALICES = "Old-ACME-00-Pa55!"
TOMS = "Old-ACME-03-Pa55!"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Everything of Acme approved; no authenticators, so that what Slack does stands alone."""
    with open_office(tmp_path, step_up=False) as office:
        office.approve_all("acme")
        yield office


def tokens(office: Office) -> list[str]:
    """Of every link that went to Slack, oldest first."""
    return list(dict.fromkeys(LINK.findall(office.everything_slack_saw())))


def opens(office: Office, token: str) -> Revealed | Refusal:
    ready = office.services
    return reveal.open_link(ready.database, ready.safe, ready.trail, ready.settings, SecretStr(token), "")


def asks(member: Member, words: str, sees: str, in_: str = "#acme") -> Card:
    member.types(f"/rotate show {words}", in_=in_)
    return member.sees(sees, in_=in_)


def all_is_posted(office: Office) -> None:
    """Wait until Rekey knows of every message that Slack has it."""

    def none_is_owed() -> bool | None:
        with office.services.database.reading() as session:
            return None if session.exec(select(Notice).where(Notice.wanted > Notice.sent)).first() else True

    office.alice.until(none_is_owed, "the outbox to be empty")


def hears(office: Office, event: str, many: int) -> None:
    """Wait until the audit trail has so many of these."""
    office.alice.until(lambda: True if len(office.audit(event)) == many else None, f"{many} times {event}")


def record_id(office: Office, name: str) -> int:
    with office.services.database.reading() as session:
        return next(each.id for each in records_of(session, office.organization("acme").id) if each.name == name)


def test_a_technician_gets_a_link_only_they_see_and_it_shows_the_password_once(office: Office) -> None:
    card = asks(office.tina, "alice o'brien", "once, on Rekey's own page")
    assert card.is_ephemeral
    assert "Open the page" in card.buttons
    office.alice.does_not_see("once, on Rekey's own page", in_="#acme")
    (token,) = tokens(office)
    shown = opens(office, token)
    assert isinstance(shown, Revealed)
    assert shown.password == SecretStr(ALICES)
    assert isinstance(opens(office, token), Refusal)
    assert [each.event for each in office.audit() if each.operator == office.tina.id] == [
        "reveal.asked", "record.revealed", "reveal.refused"
    ]  # fmt: skip
    assert not [each for each in office.passwords if each in office.everything_slack_saw()]


def test_an_account_a_username_and_part_of_a_name_find_their_record(office: Office) -> None:
    for many, words in enumerate(("alice.obrien", "ACME\\alice.obrien", "O'Bri"), start=1):
        office.tina.types(f"/rotate show {words}", in_="#acme")
        hears(office, "reveal.asked", many)
    assert {each.subject for each in office.audit("reveal.asked")} == {f"record {record_id(office, ALICE)}"}


def test_several_that_fit_are_offered_and_the_button_means_the_one(office: Office) -> None:
    card = asks(office.alice, "a", "More than one record fits")
    card.press("Show Alice O'Brien")
    office.alice.sees("The password of Alice O'Brien", in_="#acme")
    shown = opens(office, tokens(office)[-1])
    assert isinstance(shown, Revealed)
    assert shown.record.name == "Alice O'Brien"


def test_nobody_by_that_name_and_no_name_at_all_are_said(office: Office) -> None:
    asks(office.tina, "nobody.at.all <!channel>", "Nothing was shown")
    asks(office.tina, "", "Say whose")
    assert tokens(office) == []


def test_without_an_authenticator_the_answer_says_how_to_get_one(tmp_path: Path) -> None:
    with open_office(tmp_path) as office:
        office.approve_all("acme")
        card = asks(office.tina, "alice.obrien", "no authenticator set up")
        assert card.says(f"rekey operators enrol {office.tina.id}")
        assert card.says("/enrol")


@pytest.mark.parametrize("name", ["vic", "sid", "gus", "dora"])
def test_a_viewer_a_stranger_a_guest_and_somebody_deactivated_get_no_link(office: Office, name: str) -> None:
    member = office.member(name)
    forged = {
        "command": "/rotate",
        "text": "show alice.obrien",
        "user_id": member.id,
        "channel_id": office.organization("acme").channel,
        "team_id": office.running.slack.workspace.team_id,
        "trigger_id": f"forged-{name}",
        "response_url": f"{office.running.url}/nowhere",
    }
    office.deliver(forged)
    refused = [("slack.refused", "refused"), ("reveal.refused", "refused")]
    office.alice.until(
        lambda: (
            [each for each in office.audit() if each.operator == member.id and (each.event, each.result) in refused]
            or None
        ),
        "a refusal on record",
    )
    assert tokens(office) == []


def test_a_technician_gets_no_link_to_a_domain_admins_password_by_any_name(office: Office) -> None:
    for many, words in enumerate(("tom.baker", "Tom Baker", str(record_id(office, "Tom Baker"))), start=1):
        asks(office.tina, words, "A technician may not read the passwords of privileged accounts")
        hears(office, "reveal.refused", many)
    assert tokens(office) == []


def test_nor_to_a_record_nobody_is_matched_to(office: Office) -> None:
    asks(office.tina, str(record_id(office, "Sam Okafor")), "may not read the passwords of privileged")
    assert tokens(office) == []


def test_a_technician_of_one_customer_reads_nothing_of_another(office: Office) -> None:
    asks(office.tina, "hank.scorpio", "No record is called")
    office.tina.types("/rotate show hank.scorpio", in_="#globex")
    office.tina.sees("You have no role in this organization", in_="#globex")
    asks(office.tina, "hank.scorpio", "No record is called", in_="#general")
    assert tokens(office) == []


def test_a_button_value_forged_to_another_customer_is_refused(office: Office) -> None:
    with office.services.database.reading() as session:
        hank = next(each for each in records_of(session, office.organization("globex").id) if "Hank" in each.name)
    card = asks(office.alice, "a", "More than one record fits")
    card.press("Show Alice O'Brien")
    office.alice.sees("The password of Alice O'Brien", in_="#acme")
    before = tokens(office)
    for organization, block_id in (
        (office.organization("acme").id, f"rotate.show {hank.id}"),
        (office.organization("globex").id, f"rotate.show {hank.id}"),
    ):
        forged = office.last("block_actions")
        forged["trigger_id"] = f"forged-{organization}"
        forged["user"]["id"] = office.tina.id
        forged["actions"][0] |= {"value": ids.value(organization), "block_id": block_id}
        office.deliver(forged)
    assert tokens(office) == before


def test_a_domain_admins_password_takes_a_second_administrator_who_is_asked_and_agrees(office: Office) -> None:
    with office.at_work():
        asks(office.alice, "tom.baker", "takes a second person")
        office.alice.does_not_see("A second administrator is needed", in_="@rekey")
        card = office.bob.sees("A second administrator is needed", in_="@rekey")
        assert card.says("wants to read the password of Tom Baker")
        assert tokens(office) == []
        all_is_posted(office)
        card.press("Agree", confirming="Agree")
        answer = office.alice.sees("Agreed to by", in_="@rekey")
        all_is_posted(office)
        answer.press("Show password once")
        office.alice.sees("The password of Tom Baker", in_="@rekey")
    shown = opens(office, tokens(office)[-1])
    assert isinstance(shown, Revealed)
    assert shown.password == SecretStr(TOMS)
    line = office.audit("record.revealed")[0]
    assert "approval" in json.loads(line.details)


def test_the_one_who_asked_cannot_agree_even_with_a_forged_click(office: Office) -> None:
    with office.at_work():
        asks(office.alice, "tom.baker", "takes a second person")
        card = office.bob.sees("A second administrator is needed", in_="@rekey")
        all_is_posted(office)
        card.press("Refuse")
        office.alice.sees("Refused by", in_="@rekey")
        forged = office.last("block_actions")
        forged["user"]["id"] = office.alice.id
        forged["trigger_id"] = "forged"
        forged["actions"][0]["action_id"] = "approval.approve"
        office.deliver(forged)
        asks(office.alice, "tom.baker", "takes a second person")
    assert tokens(office) == []


def test_above_the_ceiling_an_administrator_is_asked(tmp_path: Path) -> None:
    with open_office(tmp_path, step_up=False, reveals_per_hour=1) as office, office.at_work():
        office.approve_all("acme")
        asks(office.tina, "alice.obrien", "once, on Rekey's own page")
        opens(office, tokens(office)[-1])
        asks(office.tina, "alice.obrien", "You were shown as many passwords in this hour")
        card = office.alice.sees("A second administrator is needed", in_="@rekey")
        assert card.says("wants to read the password of Alice O'Brien")


def test_the_same_delivery_twice_makes_one_link(office: Office) -> None:
    asks(office.tina, "alice.obrien", "once, on Rekey's own page")
    office.deliver(office.last("/rotate"))
    assert len(office.audit("reveal.asked")) == 1


def test_pressing_the_links_button_does_nothing_but_open_the_page(office: Office) -> None:
    before = asks(office.tina, "alice.obrien", "once, on Rekey's own page")
    before.press("Open the page")
    office.tina.types("/rotate help", in_="#acme")
    office.tina.sees("What Rekey does", in_="#acme")
    assert not office.audit("slack.refused")


def test_everything_said_about_a_password_is_what_slack_takes() -> None:
    hostile = "<!channel> *b* _i_ \u202e\u200b😀 & <https://evil.test|x> " + "x" * 300
    record = Record(id=1, organization_id=1, connection_id=1, name=hostile, name_key="x", username=hostile)
    made = Made(SecretStr("https://rekey.example.test/reveal#" + "A" * 43), now() + timedelta(minutes=5))
    approval = Approval(
        id=1,
        organization_id=1,
        what="reveal",
        requested_by="U1",
        plan="",
        state=ApprovalState.WAITING,
        expires_at=now(),
    )
    missing = drawing.NotEnrolled("U012345", "https://rekey.example.test/enrol")
    said = [drawing.link(Asked(record, made), made.address, each) for each in (None, missing)]
    said += [drawing.waits(record, approval)]
    said += [
        drawing.choices(hostile, [record.model_copy(update={"id": each}) for each in range(many)], more)
        for many, more in ((2, False), (11, False), (20, True))
    ]
    for text, blocks in said:
        assert not validate({"text": text, "blocks": blocks})
        assert "<!channel>" not in " ".join(written(blocks))


def written(blocks: object) -> Iterator[str]:
    """Every piece of mrkdwn in these blocks: where Slack would act on what it reads."""
    if isinstance(blocks, dict):
        if blocks.get("type") == "mrkdwn":
            yield blocks["text"]
        for each in blocks.values():
            yield from written(each)
    elif isinstance(blocks, list):
        for each in blocks:
            yield from written(each)


def test_records_of_an_ignored_match_are_not_offered_to_a_technician(office: Office) -> None:
    """Taking the match of a Domain Admin away does not make his password anybody's."""
    with office.services.database.writing() as session:
        tom = session.exec(select(Account).where(Account.username == "tom.baker")).one()
        match = session.exec(select(Match).where(Match.account_id == tom.id)).one()
        match.state = MatchState.IGNORED
        session.add(match)
    asks(office.tina, "Tom Baker", "may not read the passwords of privileged")
    assert tokens(office) == []
