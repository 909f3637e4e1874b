"""Nobody decides on a match they may not decide on, by any path: each try is refused, said, and on record."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from blocks import ids
from storage.ignore_rules import ignore_rules
from storage.matches import match_rows
from storage.models import Account, Match, Tier
from tests.handlers.office import Office
from tests.handlers.test_matches import review, state_of

_deliveries = count()


def everything(office: Office) -> list[tuple[int, str, int | None, int]]:
    """How every match of every organization stands."""
    with office.services.database.reading() as session:
        return [(row.match.id, row.match.state, row.match.record_id, row.match.version) for row in match_rows(session)]


@contextmanager
def refused(office: Office, operator: str, *, tries: int = 1) -> Iterator[None]:
    """Nothing changes in here, and each try is on record as refused to this operator."""
    before = everything(office)
    recorded = len(office.audit(result="refused"))
    yield
    member = office.member(operator)
    lines = member.until(
        lambda: found if len(found := office.audit(result="refused")[recorded:]) >= tries else None, "it on record"
    )
    assert [line.operator for line in lines] == [member.id] * tries
    assert everything(office) == before


def value_of(office: Office, username: str) -> str:
    """What a button of this account carries just now."""
    with office.services.database.reading() as session:
        match = session.get_one(Match, office.match_id(username))
        return ids.value(match.id, match.version)


def record_of(office: Office, name: str) -> str:
    with office.services.database.reading() as session:
        found = [row.record.id for row in match_rows(session) if row.record is not None and row.record.name == name]
        return ids.value(found[0])


def pressed(office: Office, who: str, action_id: str, value: str, **changes: Any) -> dict[str, Any]:
    """A click as no client would send it: on the card that stands in the channel, by anybody, with any value."""
    body = office.last("block_actions")
    body["user"]["id"] = office.member(who).id
    body["actions"] = [{**body["actions"][0], "action_id": action_id, "value": value, "type": "button"}]
    body["trigger_id"] = f"forged.{next(_deliveries)}"
    return {**body, **changes}


def submitted(
    office: Office, who: str, callback_id: str, memo: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """A form as no client would send it."""
    member = office.member(who)
    body = office.last("block_actions")
    for key in ("actions", "container", "message", "channel", "response_url", "state"):
        body.pop(key, None)
    body["user"]["id"] = member.id
    memo = {"for": member.id, "organization": office.organization("acme").id, **memo}
    view: dict[str, Any] = {
        "id": "V0FORGED",
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": json.dumps(memo),
    }
    view |= {"state": {"values": values}, "title": {"type": "plain_text", "text": "x"}, "blocks": [], "hash": "1"}
    return {**body, "type": "view_submission", "trigger_id": f"forged.{next(_deliveries)}", "view": view}


def choosing(office: Office, who: str, username: str, record: str) -> dict[str, Any]:
    """Choosing this record for this account, as the window for it would send it."""
    match_id, version = ids.read_value(value_of(office, username))
    chosen = {"record": {"match.record": {"type": "external_select", "selected_option": {"value": record}}}}
    memo = {"matches": [[match_id, version]], "window": None}
    return submitted(office, who, "match.choosing", memo, chosen)


@pytest.fixture
def at_the_card(office: Office) -> Iterator[Office]:
    """The card stands in the channel, one click was made on it, and notices go out."""
    with office.at_work():
        card = review(office, office.alice)
        card.press("Ignore ACME\\lee.aver")
        card.says("Ignored by @alice")
        yield office


def test_a_technician_decides_nothing_about_a_domain_administrator(at_the_card: Office) -> None:
    office, tina = at_the_card, at_the_card.tina
    card = tina.sees("Matches of Acme Dental", in_="#acme")
    with refused(office, "tina"):
        card.press("Approve ACME\\tom.baker")
        tina.sees("A technician may not match privileged accounts here. Ask an administrator.", in_="#acme")
    with refused(office, "tina"):
        card.press("Ignore ACME\\tom.baker")
    with refused(office, "tina"):
        card.press("Choose another record for ACME\\tom.baker")
    with refused(office, "tina", tries=3):
        for command in ("match.create_record", "match.reopen", "match.choose"):
            office.deliver(pressed(office, "tina", command, value_of(office, "tom.baker")))
    with refused(office, "tina"):
        answer = office.deliver(choosing(office, "tina", "tom.baker", record_of(office, "Alice O'Brien")))
        assert "A technician may not match privileged accounts" in answer.body
    card.press("Approve all exact (5)", confirming="Approve all")
    tina.sees("4 matches approved.", in_="#acme")
    assert state_of(office, "tom.baker")[0] == "suggested"


def test_a_technician_reaches_no_administrators_record_by_way_of_another_account(at_the_card: Office) -> None:
    """Choosing the record of an administrator for an account of one's own would show its password."""
    office, tina = at_the_card, at_the_card.tina
    toms = record_of(office, "Tom Baker")
    card = tina.sees("Matches of Acme Dental", in_="#acme")
    card.press("Choose a record for ACME\\maria.rossi")
    chooser = tina.modal("Choose a record").says("maria.rossi")
    with refused(office, "tina"):
        chooser.fill("Record", "Tom Baker").submit()
        assert "privileged accounts" in chooser.error("Record")
    chooser.close()
    office.approve("tom.baker")
    with refused(office, "tina"):
        office.deliver(choosing(office, "tina", "maria.rossi", toms))


def test_a_technician_adds_no_second_account_to_a_record_they_read(at_the_card: Office) -> None:
    office = at_the_card
    alices = record_of(office, "Alice O'Brien")
    office.approve("alice.obrien")
    with refused(office, "tina"):
        answer = office.deliver(choosing(office, "tina", "maria.rossi", alices))
        assert "already belongs to another person's account" in answer.body
    with refused(office, "tina"):  # nor a privileged one, which would then have a password they know
        office.deliver(choosing(office, "tina", "tom.baker", alices))


def test_of_two_accounts_at_once_a_technician_gives_a_record_to_one(at_the_card: Office) -> None:
    office = at_the_card
    pair = [list(ids.read_value(value_of(office, each))) for each in ("maria.rossi", "svc-backup")]
    chosen = {"record": {"match.record": {"selected_option": {"value": record_of(office, "Jürgen Müller")}}}}
    office.deliver(submitted(office, "tina", "match.choosing", {"matches": pair, "window": None}, chosen))
    assert state_of(office, "maria.rossi") == ("approved", "Jürgen Müller")
    assert state_of(office, "svc-backup") == ("suggested", "Nightly backup")
    (line,) = office.audit("match.chosen", "refused")
    assert (line.operator, line.subject) == (office.tina.id, "ACME\\svc-backup")


def test_what_became_privileged_meanwhile_is_out_of_reach(at_the_card: Office) -> None:
    office, tina = at_the_card, at_the_card.tina
    tina.sees("Matches of Acme Dental", in_="#acme").press("Choose a record for ACME\\maria.rossi")
    chooser = tina.modal("Choose a record").says("maria.rossi")
    with office.services.database.writing() as session:
        for row in match_rows(session):
            if row.account.username == "maria.rossi":
                session.get_one(Account, row.account.id).tier = Tier.PRIVILEGED
    with refused(office, "tina"):
        assert chooser.options("Record") == []
    with refused(office, "tina"):
        chosen = office.deliver(choosing(office, "tina", "maria.rossi", record_of(office, "Alice O'Brien")))
        assert "privileged" in chosen.body
    with refused(office, "tina"):
        office.deliver(pressed(office, "tina", "match.create_record", value_of(office, "maria.rossi")))


def test_in_bulk_a_technician_moves_no_privileged_account_either(at_the_card: Office) -> None:
    office, tina = at_the_card, at_the_card.tina
    tina.types("/rotate match tom", in_="#acme")
    window = tina.modal("Matches").says("tom.baker")
    box = f"match.tick:{office.match_id('tom.baker')}"
    for verb, confirming in (("Approve", None), ("Ignore", None), ("Create records", "Create")):
        with refused(office, "tina"):
            window.fill(box, ["Tick"]).press(verb, confirming=confirming)
            window.says("A technician may not match privileged accounts here.")
        window.close()
        window.gone()
        tina.types("/rotate match tom", in_="#acme")
        window = tina.modal("Matches").says("tom.baker")
    with refused(office, "tina"):
        window.fill(box, ["Tick"]).press("Choose a record…")


def test_an_ignore_rule_of_a_technician_hides_no_administrator(at_the_card: Office) -> None:
    office = at_the_card
    unit = f"{account_id(office, 'tom.baker')}.1"
    values = {"unit": {"ignore_rule.unit": {"selected_option": {"value": unit}}}}
    office.deliver(submitted(office, "tina", "match.rules", {}, values))
    assert state_of(office, "tom.baker")[0] == "suggested"
    with office.services.database.reading() as session:
        assert [rule.ou for rule in ignore_rules(session, office.organization("acme").id)] == ["IT"]


def account_id(office: Office, username: str) -> int:
    with office.services.database.reading() as session:
        return next(row.account.id for row in match_rows(session) if row.account.username == username)


def test_viewers_guests_strangers_and_people_who_left_decide_nothing(at_the_card: Office) -> None:
    office = at_the_card
    value, acme = value_of(office, "alice.obrien"), office.organization("acme").id
    unit = f"{account_id(office, 'lee.aver')}.1"
    commands = ("match.approve", "match.ignore", "match.reopen", "match.create_record", "match.choose")
    for who in ("vic", "gus", "sid", "dora"):
        with refused(office, who, tries=len(commands)):
            for command in commands:
                office.deliver(pressed(office, who, command, value))
        with refused(office, who):
            office.deliver(choosing(office, who, "maria.rossi", record_of(office, "Alice O'Brien")))
        with refused(office, who):
            values = {"unit": {"ignore_rule.unit": {"selected_option": {"value": unit}}}}
            office.deliver(submitted(office, who, "match.rules", {}, values))
        before = everything(office)
        office.deliver(pressed(office, who, "match.approve_all", ids.value(acme, 5)))
        if who != "dora":  # whom Slack does not let in any more
            office.member(who).types("/rotate sync", in_="#acme")
            office.member(who).sees(re.compile("may not sync|Guests of this workspace|no role"), in_="#acme")
        assert everything(office) == before
    assert not office.audit("directory.sync_requested")
    with office.services.database.reading() as session:
        assert ignore_rules(session, acme) == []


def test_a_forged_value_does_nothing(at_the_card: Office) -> None:
    for value in ("", "x", "1; DROP TABLE matches", "999999.1", "-1.1", "1.1.1", "9" * 30):
        with refused(at_the_card, "alice"):
            at_the_card.deliver(pressed(at_the_card, "alice", "match.approve", value))


def test_a_value_without_its_version_is_stale(at_the_card: Office) -> None:
    office = at_the_card
    before = everything(office)
    office.deliver(pressed(office, "alice", "match.approve", str(office.match_id("alice.obrien"))))
    office.alice.sees("changed meanwhile. Nothing was changed; look at it again.", in_="#acme")
    assert everything(office) == before


def test_what_belongs_to_another_organization_does_nothing_here(at_the_card: Office) -> None:
    """Alice may decide on both, and still not in the one's channel about the other."""
    office, hank = at_the_card, value_of(at_the_card, "hank.scorpio")
    with refused(office, "alice", tries=2):
        office.deliver(pressed(office, "alice", "match.reopen", hank))
        office.deliver(pressed(office, "alice", "match.ignore", hank))
    with refused(office, "alice"):
        office.deliver(pressed(office, "alice", "match.choose", hank))
    with refused(office, "alice"):
        office.deliver(pressed(office, "alice", "match.approve_all", ids.value(office.organization("globex").id, 0)))
    with refused(office, "alice"):
        office.deliver(choosing(office, "alice", "hank.scorpio", record_of(office, "Alice O'Brien")))
    before = everything(office)
    office.deliver(choosing(office, "alice", "maria.rossi", record_of(office, "Hank Scorpio")))
    for unit in (f"{account_id(office, 'hank.scorpio')}.1", "0.0", "x"):
        values = {"unit": {"ignore_rule.unit": {"selected_option": {"value": unit}}}}
        answer = office.deliver(submitted(office, "alice", "match.rules", {}, values))
        assert "Choose the OU whose accounts are to be left alone." in answer.body
    assert everything(office) == before


def test_a_card_rekey_does_not_keep_and_a_window_of_somebody_else_do_nothing(at_the_card: Office) -> None:
    office = at_the_card
    body = pressed(office, "alice", "match.approve", value_of(office, "alice.obrien"))
    body["container"] = {**body["container"], "message_ts": "1111111111.000001"}
    with refused(office, "alice"):
        office.deliver(body)
    with refused(office, "bob"):
        stolen = choosing(office, "bob", "maria.rossi", record_of(office, "Alice O'Brien"))
        stolen["view"]["private_metadata"] = stolen["view"]["private_metadata"].replace(office.bob.id, office.alice.id)
        office.deliver(stolen)


def test_of_all_this_slack_never_saw_a_password(at_the_card: Office) -> None:
    office = at_the_card
    office.tina.sees("Matches of Acme Dental", in_="#acme").press("All matches…")
    office.tina.modal("Matches").says("Ignore rules")
    seen = office.everything_slack_saw()
    assert "Matches of Acme Dental" in seen
    assert not [password for password in office.passwords if password in seen]
