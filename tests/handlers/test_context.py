"""Nobody gets past the door: each try is refused, whoever tried is told why, and the audit trail has it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest
from slack_sdk import WebClient

from blocks import ids, parts
from bot.demo.slack.driver import Card, Member
from bot.demo.slack.faults import LostReply, RateLimited, Refused, ServerError
from storage.models import AuditEvent, MatchState
from storage.notices import post
from tests.handlers.office import Office
from tests.handlers.test_matches import review, state_of

_deliveries = count(1)


@pytest.fixture
def card(office: Office) -> Iterator[Card]:
    """Acme's review card, kept and in its channel: what is forged here comes from a place where clicks count."""
    with office.at_work():
        yield review(office, office.alice)


@contextmanager
def refused(office: Office, who: str, why: str) -> Iterator[None]:
    """In here exactly one thing is tried, and refused to `who` for this reason; the trail says so."""
    before = len(office.audit("slack.refused"))
    yield

    def line() -> AuditEvent | None:
        lines = office.audit("slack.refused")[before:]
        return lines[0] if lines else None

    found = office.alice.until(line, "the refusal in the audit trail")
    assert found.operator == office.member(who).id
    assert found.result == "refused"
    assert why in str(found.details)


def clicked(office: Office, who: str, card: Card, action_id: str, value: object) -> dict[str, Any]:
    """A click on a message, as Slack would deliver it, with whatever stands in it."""
    channel = {"id": card.channel, "name": "acme"}
    return {
        "type": "block_actions",
        "team": {"id": "T0PRETEND", "domain": "pretend"},
        "user": {"id": office.member(who).id, "team_id": "T0PRETEND"},
        "api_app_id": office.running.app.id,
        "trigger_id": f"forged.{next(_deliveries)}",
        "container": {"type": "message", "message_ts": card.ts, "channel_id": card.channel, "is_ephemeral": False},
        "channel": channel,
        "message": {"ts": card.ts},
        "actions": [{"type": "button", "block_id": "b", "action_id": action_id, "value": value}],
    }


def in_form(office: Office, who: str, memo: object) -> dict[str, Any]:
    """A click in a modal that remembers this."""
    view = {"id": "V1", "type": "modal", "private_metadata": memo, "blocks": [], "title": {"text": "Form"}}
    body = clicked(office, who, _Nowhere(), ids.word("status"), "0.0")  # type: ignore[arg-type]
    return {**body, "container": {"type": "view", "view_id": "V1"}, "channel": None, "message": None, "view": view}


class _Nowhere:
    channel, ts = "C0", "1.1"


def overview(member: Member) -> Card:
    """What a bare `/rotate` shows in Acme's channel."""
    member.types("/rotate", in_="#acme")
    return member.sees("Acme Dental", in_="#acme")


# ---- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "why"), [("sid", "You have no role in Rekey"), ("gus", "Guests of this workspace cannot use Rekey")]
)
def test_somebody_who_may_not_use_rekey_is_told_so(office: Office, who: str, why: str) -> None:
    with refused(office, who, why):
        office.member(who).types("/rotate", in_="#acme")
        assert office.member(who).sees(why, in_="#acme").is_ephemeral
    assert why in office.member(who).opens_home().text


def test_a_viewer_changes_nothing_with_any_word(office: Office) -> None:
    for word in ("stop", "sync", "start"):
        with refused(office, "vic", "A viewer may not"):
            office.vic.types(f"/rotate {word}", in_="#acme")
            office.vic.sees("A viewer may not", in_="#acme")
    assert office.organization("acme").frozen_at is None
    assert not [each for each in office.audit() if each.operator == office.vic.id and each.result == "ok"]


def test_a_role_in_one_organization_is_none_in_another(office: Office) -> None:
    with refused(office, "tina", "You have no role in this organization"):
        office.tina.types("/rotate", in_="#globex")
        office.tina.sees("You have no role in this organization", in_="#globex")


def test_whoever_was_deactivated_is_refused_from_that_moment(office: Office) -> None:
    card = overview(office.tina)
    person = office.running.slack.workspace.people[office.tina.id]
    office.call(lambda: office.running.slack.deactivate(person))
    heard = office.running.slack.traffic
    office.alice.until(lambda: True if heard.named("user_change") else None, "the event to be delivered")
    with refused(office, "tina", "deactivated"):
        body = clicked(office, "tina", card, ids.word("status"), "0.0")
        body["container"]["is_ephemeral"] = True
        office.deliver(body)


def test_somebody_deactivated_long_ago_is_refused_whatever_role_is_left(office: Office, card: Card) -> None:
    with refused(office, "dora", "deactivated"):
        office.deliver(clicked(office, "dora", card, "match.approve", ids.value(office.match_id("alice.obrien"))))
    assert state_of(office, "alice.obrien")[0] == MatchState.SUGGESTED


FOREIGN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a person of another team": lambda body: body["user"].update(team_id="T0STRANGER"),
    "another workspace": lambda body: body["team"].update(id="T0STRANGER"),
    "another app": lambda body: body.update(api_app_id="A0STRANGER"),
}


def test_what_comes_from_elsewhere_is_refused(office: Office, card: Card) -> None:
    for change in FOREIGN.values():
        body = clicked(office, "alice", card, "match.approve", ids.value(office.match_id("alice.obrien")))
        change(body)
        with refused(office, "alice", "Nothing was done"):
            office.deliver(body)
    assert state_of(office, "alice.obrien")[0] == MatchState.SUGGESTED


def test_nobody_is_let_in_while_slack_does_not_say_who_they_are(office: Office) -> None:
    faults: tuple[Any, ...] = (ServerError(503), RateLimited(30), LostReply())
    for fault in faults:
        office.call(partial(office.running.slack.faults.on, "users.info", fault, times=1))
        with refused(office, "alice", "Slack does not say who you are"):
            office.alice.types("/rotate", in_="#acme")
            office.alice.sees("Slack does not say who you are", in_="#acme")
    assert overview(office.alice)


# ---- from where ------------------------------------------------------------------------------------------------------


def test_a_card_rekey_does_not_keep_does_nothing(office: Office) -> None:
    bot = WebClient(office.running.app.bot_token, base_url=office.running.api_url)
    approve = parts.button("Win a prize", "match.approve", ids.value(office.match_id("alice.obrien")))
    channel = str(office.organization("acme").channel)
    bot.chat_postMessage(channel=channel, text="A prize", blocks=[parts.section("A prize"), parts.actions(approve)])
    with refused(office, "alice", "not a card that Rekey keeps"):
        office.alice.sees("A prize", in_="#acme").press("Win a prize")
        office.alice.sees("not a card that Rekey keeps", in_="#acme")
    assert state_of(office, "alice.obrien")[0] == MatchState.SUGGESTED


def test_an_answer_only_its_reader_sees_can_open_things_and_change_nothing(office: Office) -> None:
    bot = WebClient(office.running.app.bot_token, base_url=office.running.api_url)
    approve = parts.button("Win a prize", "match.approve", ids.value(office.match_id("alice.obrien")))
    channel = str(office.organization("acme").channel)
    blocks = [parts.section("A prize"), parts.actions(approve)]
    bot.chat_postEphemeral(channel=channel, user=office.alice.id, text="A prize", blocks=blocks)
    with refused(office, "alice", "not a card that Rekey keeps"):
        office.alice.sees("A prize", in_="#acme").press("Win a prize")
    assert state_of(office, "alice.obrien")[0] == MatchState.SUGGESTED


def test_a_direct_message_counts_only_for_whom_it_was_made(office: Office) -> None:
    with office.services.database.writing() as session:
        notice = post(session, kind="approval", address=office.bob.id, organization_id=office.organization("acme").id)
        notice.channel, notice.ts, notice.sent = "D0BOB", "1700000000.000001", notice.wanted
        session.add(notice)
    theirs = _Nowhere()
    theirs.channel, theirs.ts = "D0BOB", "1700000000.000001"
    with refused(office, "alice", "made for somebody else"):
        office.deliver(clicked(office, "alice", theirs, "approval.approve", "1.0"))  # type: ignore[arg-type]


def test_a_form_that_was_not_opened_for_me_counts_for_nothing(office: Office) -> None:
    for memo in ("", "{}", "[]", "not json", '{"for": "U0SOMEBODY"}'):
        with refused(office, "alice", "view"):
            office.deliver(in_form(office, "alice", memo))


def test_a_form_about_no_organization_is_refused(office: Office) -> None:
    for organization in ("999", "x", "-1"):
        memo = f'{{"for": "{office.alice.id}", "organization": "{organization}"}}'
        with refused(office, "alice", "not there (any more)"):
            office.deliver(in_form(office, "alice", memo))


# ---- with what -------------------------------------------------------------------------------------------------------


def test_a_forged_value_is_refused(office: Office, card: Card) -> None:
    for value in ("", "x", "1; DROP TABLE matches", "-1", "1.1.1", "9" * 400, "٣", None, "<!channel>", [1]):
        with refused(office, "alice", "did not put there"):
            office.deliver(clicked(office, "alice", card, ids.word("status"), value))


def test_an_organization_named_in_the_channel_of_another_is_refused(office: Office, card: Card) -> None:
    body = clicked(office, "alice", card, ids.word("status"), ids.value(office.organization("globex").id))
    with refused(office, "alice", "another organization"):
        office.deliver(body)


def test_a_match_of_another_organization_is_not_decided_from_here(office: Office, card: Card) -> None:
    match_id = office.match_id("hank.scorpio")
    tried = len(office.audit(result="refused"))
    office.deliver(clicked(office, "alice", card, "match.ignore", ids.value(match_id, 1)))
    office.alice.until(lambda: True if len(office.audit(result="refused")) > tried else None, "it on record")
    assert state_of(office, "hank.scorpio")[0] == MatchState.APPROVED


def test_a_button_that_stands_for_nothing_is_refused(office: Office, card: Card) -> None:
    with refused(office, "alice", "stands for nothing"):
        office.deliver(clicked(office, "alice", card, "rotate.everything", "0.0"))


def test_a_button_of_another_version_is_answered(office: Office, card: Card) -> None:
    with refused(office, "alice", "No Rekey of this version"):
        office.deliver(clicked(office, "alice", card, "match.bless", "1.1"))


def test_the_same_delivery_does_nothing_twice(office: Office) -> None:
    office.tina.types("/rotate settings", in_="#acme")
    window = office.tina.modal("My settings").says("Daily digest")
    window.fill("digest.choose:hour", "At 06:00")
    office.alice.until(lambda: True if office.audit("digest.chosen") else None, "the settings kept")
    again = office.last("block_actions")
    window.fill("digest.choose:hour", "At 07:00")
    office.alice.until(lambda: True if len(office.audit("digest.chosen")) == 2 else None, "the settings kept")
    for _ in range(3):
        assert office.deliver(again).status == 200
    assert len(office.audit("digest.chosen")) == 2


# ---- when something breaks -------------------------------------------------------------------------------------------


def test_a_listener_that_breaks_shows_a_reference_and_no_more(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Hunter2 is in this message")

    monkeypatch.setattr("bot.overview.health", broken)
    office.alice.types("/rotate", in_="#acme")
    card = office.alice.sees("Rekey itself failed", in_="#acme")
    assert "reference" in card.text
    assert "Hunter2" not in card.text
    assert "Traceback" not in card.text


def test_a_form_stays_when_its_listener_breaks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Hunter2 is in this message")

    monkeypatch.setattr("bot.rotation.requests.confirm", broken)
    office.alice.types("/rotate now hank.scorpio", in_="#globex")
    modal = office.alice.modal()
    modal.says("hank.scorpio").submit()
    modal.says("Rekey itself failed")
    assert "Hunter2" not in modal.text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Refused("expired_trigger_id"), "longer than Slack waits"),
        (RateLimited(30), "slow down"),
        (LostReply(), "Slack did not answer"),
    ],
)
def test_a_window_that_does_not_open_is_explained(office: Office, fault: Any, said: str) -> None:
    office.call(lambda: office.running.slack.faults.on("views.open", fault, times=1))
    office.alice.types("/rotate now hank.scorpio", in_="#globex")
    office.alice.sees(said, in_="#globex")
