"""Matching in Slack, as people do it: the card in the channel, the windows it opens, and two people at once."""

import json

from sqlmodel import select

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_faults import Fault
from bot.demo.slack.driver import Card, Member
from bot.demo.slack.traffic import Exchange
from bot.demo.slack.workspace import Message
from bot.discovery import sync
from storage.connections import connections_of
from storage.ignore_rules import ignore_rules
from storage.matches import get_matches, match_counts
from storage.models import Match, MatchState, Notice, Task
from storage.notices import MATCH_REVIEW, open_notices
from tests.handlers.office import Office


def review(office: Office, member: Member) -> Card:
    """The card, freshly asked for, once Rekey knows that it is there."""
    member.types("/rotate match", in_="#acme")
    return member.until(lambda: kept_card(office, member), "the card kept")


def kept_card(office: Office, member: Member) -> Card | None:
    """The card that is open in Acme's channel, as this person sees it."""
    with office.services.database.reading() as session:
        cards = open_notices(session, MATCH_REVIEW, office.organization("acme").id)
    found = [message for card in cards if (message := messages(office).get(card.ts or "")) is not None]
    return Card(member, found[0]) if found else None


def messages(office: Office) -> dict[str, Message]:
    """What stands in Acme's channel, by ts."""
    channel = office.running.slack.workspace.channel_named("acme")
    assert channel is not None
    return dict(channel.messages)


def state_of(office: Office, username: str) -> tuple[str, str | None]:
    """State and record's name of an account's match."""
    match_id = office.match_id(username)
    with office.services.database.reading() as session:
        row = get_matches(session, [match_id])[match_id]
        return row.match.state, row.record.name if row.record else None


def counts(office: Office) -> dict[MatchState, int]:
    with office.services.database.reading() as session:
        return match_counts(session, office.organization("acme").id)


def read_anew(office: Office) -> None:
    """What a sync of Acme's directory does."""
    with office.services.database.reading() as session:
        ((_, directory),) = connections_of(session, "directory", [office.organization("acme").id])
    sync(office.services.database, office.services.trail, directory.id, PracticeDirectory(office.domains["acme-ad"]))


def hire(office: Office, number: int, unit: str = "Staff/Trainees") -> None:
    """So many new accounts that have no record."""
    for each in range(number):
        office.domains["acme-ad"].person(f"hire{each:03}", f"Hired-{each:03}-Pa55!", display_name=f"H {each}", ou=unit)
    read_anew(office)


def test_the_card_marks_what_is_exact_several_or_none(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        for line in ("🟢 5 exact", "🟡 1 several", "⚪ 2 no record", "Exact: Alice O'Brien", "No exact record."):
            card.says(line)


def test_approve_ignore_and_reopen_say_who_and_when(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        card.press("Approve ACME\\alice.obrien")
        card.says("approved by @alice")
        card.press("Ignore ACME\\maria.rossi")
        card.says("Ignored by @alice")
        assert state_of(office, "alice.obrien") == ("approved", "Alice O'Brien")
        assert state_of(office, "maria.rossi") == ("ignored", None)
        card.press("Reopen ACME\\alice.obrien")
        card.says("🟢 5 exact")
        assert state_of(office, "alice.obrien")[0] == "suggested"
    done = [(line.event, line.operator) for line in office.audit() if line.event.startswith("match.")]
    assert done[-3:] == [(f"match.{verb}", office.alice.id) for verb in ("approved", "ignored", "reopened")]


def test_a_card_asked_for_again_comes_at_the_end_and_the_old_one_goes(office: Office) -> None:
    with office.at_work():
        first = review(office, office.alice)
        office.bob.types("Good morning", in_="#acme")
        office.bob.types("/rotate match", in_="#acme")
        office.bob.until(lambda: True if first.ts not in messages(office) else None, "the first card gone")
        second = office.bob.until(lambda: kept_card(office, office.bob), "the second card")
        assert second.ts == max(messages(office))


def test_another_record_can_be_chosen_by_searching_all_of_them(office: Office) -> None:
    with office.at_work():
        card = review(office, office.tina)
        card.press("Choose a record for ACME\\sam.okafor")
        modal = office.tina.modal("Choose a record").says("Sam Okafor")
        offered = modal.options("Record")
        assert offered[:2] == ["Sam Okafor", "Sam Okafor (copy)"]
        assert modal.options("Record", searching="nightly")[0] == "Nightly backup"
        modal.submit()
        assert modal.error("Record") == "Please complete this required field."
        modal.fill("Record", "Sam Okafor (copy)", searching="").submit()
        modal.gone()
        card.says("→ Sam Okafor (copy)  ·  approved by @tina")
    assert state_of(office, "sam.okafor") == ("approved", "Sam Okafor (copy)")


def test_a_record_can_be_created_and_has_no_password_yet(office: Office) -> None:
    with office.at_work():
        card = review(office, office.tina)
        card.press("Create a record for ACME\\maria.rossi", confirming="Create")
        office.tina.sees("has no password until the first rotation", in_="#acme")
        card.says("approved by @tina")
    assert state_of(office, "maria.rossi")[0] == "approved"


def test_approve_all_exact_asks_first_and_takes_exactly_what_it_said(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        card.press("Approve all exact (5)", confirming="Not now")
        assert counts(office)[MatchState.SUGGESTED] == 5
        card.press("Approve all exact (5)", confirming="Approve all")
        office.alice.sees("5 matches approved.", in_="#acme")
        card.says("✅ 5 matched")
    assert state_of(office, "sam.okafor")[0] == "several"


def test_approve_all_does_nothing_when_there_is_more_than_it_said(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
    office.approve("alice.obrien")  # meanwhile, and the card is not redrawn yet
    card.press("Approve all exact (5)", confirming="Approve all")
    office.alice.sees("There are 4 exact suggestions now, not 5. Nothing was approved", in_="#acme")
    assert counts(office)[MatchState.APPROVED] == 1


def test_of_two_people_at_once_the_second_is_told_who_was_first_and_the_card_is_redrawn(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
    seen_by_bob = office.bob.sees("Matches of Acme Dental", in_="#acme")
    card.press("Approve ACME\\alice.obrien")
    office.alice.until(lambda: True if state_of(office, "alice.obrien")[0] == "approved" else None, "it approved")
    seen_by_bob.press("Ignore ACME\\alice.obrien")
    office.bob.sees("was approved meanwhile by @alice", in_="#acme")
    assert state_of(office, "alice.obrien") == ("approved", "Alice O'Brien")
    with office.at_work():
        seen_by_bob.says("approved by @alice")


def test_the_same_click_delivered_twice_decides_once(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        card.press("Approve ACME\\alice.obrien")
        card.says("approved by @alice")
        office.deliver(office.last("block_actions"))
    assert len([line for line in office.audit("match.approved") if line.operator == office.alice.id]) == 1


def test_the_card_turns_its_pages_and_loses_nothing_that_is_still_open(office: Office) -> None:
    hire(office, 20)
    with office.at_work():
        card = review(office, office.alice)
        card.says("1 to 8 of 28 to review")
        card.press("Approve ACME\\alice.obrien")
        card.says("approved by @alice")
        card.press("More ▶")
        card.says("8 to 15 of 27 to review")
        card.press("More ▶")
        card.says("16 to 23 of 27 to review")
        card.press("◀ Back")
        card.says("8 to 15 of 27 to review")


def test_the_window_filters_searches_and_pages(office: Office) -> None:
    hire(office, 25)
    with office.at_work():
        review(office, office.tina).press("All matches…")
        window = office.tina.modal("Matches").says("Page 1 of 4")
        window.press("More ▶")
        window.says("Page 2 of 4")
        window.fill("match.show", "Several possible")
        window.says("sam.okafor")
        window.fill("match.show", "All unmatched").fill("match.tier", "Privileged")
        window.says("tom.baker")
        window.fill("match.tier", "Any tier").fill("match.enabled", "Disabled")
        window.says("lee.aver")
        window.fill("match.enabled", "Enabled or not").fill("Any OU", "Staff/Trainees", searching="train")
        window.says("Page 1 of 3")
        window.fill("Search", "hire017").submit()
        window.says("hire017")
        assert "hire016" not in window.text
        window.fill("Search", "nobody at all").submit()
        window.says("Nothing fits this choice.")


def test_several_are_decided_on_at_once_and_decided_ones_are_found_again(office: Office) -> None:
    hire(office, 3)
    ids = {name: office.match_id(name) for name in ("hire000", "hire001", "hire002")}
    with office.at_work():
        office.tina.types("/rotate match hire", in_="#acme")
        window = office.tina.modal("Matches").says("hire000")
        window.press("Ignore")
        window.says("Tick the accounts first.")
        window.fill(f"match.tick:{ids['hire000']}", ["Tick"]).fill(f"match.tick:{ids['hire001']}", ["Tick"])
        window.press("Create records", confirming="Create")
        window.says("2 matches given a record of its own.")
        window.fill(f"match.tick:{ids['hire002']}", ["Tick"]).press("Ignore")
        window.says("1 match ignored.")
        window.fill("match.show", "Ignored")
        window.says("Ignored by @tina")
        window.fill(f"match.tick:{ids['hire002']}", ["Tick"]).press("Reopen")
        window.says("1 match reopened.")
    assert [state_of(office, name)[0] for name in ids] == ["approved", "approved", "none"]


def test_everything_that_fits_can_be_ticked_and_is_bound_to_the_number_shown(office: Office) -> None:
    hire(office, 15)
    with office.at_work():
        office.tina.types("/rotate match hire", in_="#acme")
        window = office.tina.modal("Matches").says("Page 1 of 2")
        window.press("Tick all 15")
        window.says("15 accounts are ticked, on every page.")
        office.domains["acme-ad"].person("hire-late", "Hired-Late-Pa55!", ou="Staff")
        read_anew(office)
        window.press("Ignore all 15", confirming="Ignore")
        window.says("16 accounts fit now, not 15. Nothing was changed")
        assert counts(office)[MatchState.IGNORED] == 0
        window.press("Tick all 16")
        window.says("16 accounts are ticked")
        window.press("Ignore all 16", confirming="Ignore")
        window.says("16 matches ignored.")
    assert counts(office)[MatchState.IGNORED] == 16


def test_a_record_chosen_from_the_window_shows_there(office: Office) -> None:
    match_id = office.match_id("sam.okafor")
    with office.at_work():
        office.alice.types("/rotate match sam", in_="#acme")
        window = office.alice.modal("Matches").says("Several possible")
        window.fill(f"match.tick:{match_id}", ["Tick"]).press("Choose a record…")
        chooser = office.alice.modal("Choose a record").says("Type part of its name")
        chooser.fill("Record", "Sam Okafor", searching="").submit()
        chooser.gone()
        window.says("→ Sam Okafor  ·  approved by @alice")


def test_an_ignore_rule_keeps_new_leavers_away_and_taken_back_brings_them_up(office: Office) -> None:
    with office.at_work():
        office.tina.types("/rotate match x", in_="#acme")
        office.tina.modal("Matches").says("Nothing fits").press("Ignore rules… (0)")
        rules = office.tina.modal("Ignore rules").says("There is none yet.")
        rules.submit()
        assert rules.error("Ignore everybody in") == "Please complete this required field."
        rules.fill("Ignore everybody in", "Leavers", searching="leav").submit()
        rules.says("1 account ignored there")
        assert state_of(office, "lee.aver") == ("ignored", None)
        hire(office, 2, "Leavers/2026")
        assert state_of(office, "hire001") == ("ignored", None)
        rules.press("Take back Leavers", confirming="Take back")
        rules.says("The rule was taken back.")
        assert state_of(office, "hire001") == ("none", None)
        rules.fill("Ignore everybody in", "Leavers/2026", searching="2026").submit()
        rules.says("2 accounts ignored there")
        rules.close()
        office.tina.modal("Matches").says("➖ 2 ignored")
    with office.services.database.reading() as session:
        assert [rule.ou for rule in ignore_rules(session, office.organization("acme").id)] == ["Leavers/2026"]


def test_a_sync_is_asked_for_in_slack_and_shows_on_the_card(office: Office) -> None:
    office.domains["acme-ad"].person("nina.new", "Newly-Hired-Pa55!", display_name="Nina New", ou="Staff")
    with office.at_work():
        card = review(office, office.tina)
        office.tina.types("/rotate sync", in_="#acme")
        office.tina.sees("acme-ad: being read now.", in_="#acme")
        card.says("⚪ 3 no record")
    with office.services.database.reading() as session:
        assert session.exec(select(Task)).all()
    assert office.audit("directory.sync_requested")[0].operator == office.tina.id


def test_elsewhere_the_window_opens_for_the_organization_that_was_named(office: Office) -> None:
    office.alice.types("/rotate match", in_="#general")
    office.alice.sees("Which one?", in_="#general").fill("Choose an organization", "Globex")
    office.alice.modal("Matches").says("Globex").says("✅ 2 matched")
    with office.services.database.reading() as session:
        assert session.exec(select(Notice)).all() == []
        assert session.exec(select(Match)).all()


def test_a_directory_that_is_away_or_refuses_says_so_on_the_card_until_it_is_back(office: Office) -> None:
    domain = office.domains["acme-ad"]
    with office.at_work():
        card = review(office, office.tina)
        domain.fails("any", with_=Fault.UNREACHABLE, times=None)
        office.tina.types("/rotate sync", in_="#acme")
        card.says("⚠️ acme-ad, last read")
        domain.heals()
        card.says("acme-ad: last read")
        domain.fails("any", with_=Fault.SIGN_IN_REFUSED, times=None)
        office.tina.types("/rotate sync", in_="#acme")
        card.says("⚠️ acme-ad, last read")


def test_windows_open_at_once_and_fill_in(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        card.press("All matches…")
        office.alice.modal("Matches").says("alice.obrien").press("Ignore rules… (0)")
        office.alice.modal("Ignore rules").says("There is none yet.").close(everything=True)
        card.press("Choose a record for ACME\\maria.rossi")
        office.alice.modal("Choose a record").says("Type part of its name")
    opened = [each.sent for name in ("views.open", "views.push") for each in traffic(office, name)]
    assert len(opened) == 3
    assert all("One moment …" in json.dumps(each, ensure_ascii=False) for each in opened)


def traffic(office: Office, name: str) -> list[Exchange]:
    return office.running.call(lambda: list(office.running.slack.traffic.named(name)))


def test_a_click_that_comes_too_late_to_open_anything_says_so_and_changes_nothing(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        card.press("All matches…")
        window = office.alice.modal("Matches").says("alice.obrien")
        window.close()
        late = office.last("block_actions")
        office.running.slack.clock.advance(10)
        office.deliver(late)
        office.alice.sees("That took longer than Slack waits. Nothing was changed; press it again.", in_="#acme")


def test_what_is_decided_while_slack_is_away_shows_on_the_card_when_it_is_back(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        office.running.wait_for(office.running.slack.go_away())
        office.approve("alice.obrien")
        office.running.call(office.running.slack.come_back)
        card.says("✅ 1 matched")
    assert len([each for each in messages(office).values() if each.blocks]) == 1


def test_of_two_people_choosing_at_once_the_second_is_told_who_was_first(office: Office) -> None:
    with office.at_work():
        card = review(office, office.alice)
        windows = {}
        for member in (office.alice, office.bob):
            Card(member, messages(office)[card.ts]).press("Choose a record for ACME\\sam.okafor")
            windows[member.id] = member.modal("Choose a record").says("Type part of its name")
        for window, record in zip(windows.values(), ("Sam Okafor", "Sam Okafor (copy)"), strict=True):
            window.fill("Record", record, searching="").submit()
            if record == "Sam Okafor":
                window.gone()
        office.bob.modal("Matches").says("was approved meanwhile by @alice")
        card.says("→ Sam Okafor  ·  approved by @alice")


def test_in_bulk_too_what_somebody_else_decided_meanwhile_stays_and_says_who(office: Office) -> None:
    box = f"match.tick:{office.match_id('alice.obrien')}"
    with office.at_work():
        card = review(office, office.alice)
        office.bob.types("/rotate match alice", in_="#acme")
        window = office.bob.modal("Matches").says("alice.obrien")
        window.fill(box, ["Tick"])
        card.press("Approve ACME\\alice.obrien")
        card.says("approved by @alice")
        window.press("Ignore")
        window.says("was approved meanwhile by @alice")
    assert state_of(office, "alice.obrien") == ("approved", "Alice O'Brien")
