"""Rotating in Slack, as people do it: previews, the one card, its buttons, a second administrator, stop and start."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot import app as composition
from bot.demo.practice_faults import Fault
from bot.demo.slack.driver import Card, Member
from storage.matches import get_matches
from storage.models import Notice, Rotation
from storage.notices import ROTATION
from tests.handlers.office import Office, open_office


@pytest.fixture
def office(office: Office) -> Office:
    """Everything exact of Acme Dental is approved."""
    office.approve_all("acme")
    return office


def rotates(member: Member, names: str, where: str = "#acme") -> None:
    """Type it, look at the preview, confirm it."""
    member.types(f"/rotate {names}", in_=where)
    member.modal().says("would get a new password").submit()
    member.modal().says("Started")


def posts_once(office: Office) -> None:
    """What is owed goes out now, while no lane runs."""
    outbox = composition.notices(office.services)
    outbox.drain()
    outbox.let_go()


def kept(office: Office, card: Card) -> Card:
    """The card, once Rekey knows where Slack put it: nobody presses faster than that."""

    def stored() -> bool | None:
        with office.services.database.reading() as session:
            return session.exec(select(Notice.id).where(Notice.ts == card.ts)).first() is not None or None

    office.alice.until(stored, "the card to be kept")
    return card


def asks_for_tom(office: Office) -> Card:
    """Alice asks for the Domain Admin, and Bob has the card."""
    office.alice.types("/rotate now tom.baker", in_="#acme")
    office.alice.modal().says("A second administrator must agree").submit()
    office.alice.modal().says("The other administrators are asked")
    return kept(office, office.bob.sees("A second administrator is needed", in_="@rekey"))


def holds(office: Office, username: str, number: int) -> bool:
    """Whether the account still has the password it had in the beginning."""
    return office.domains["acme-ad"].holds(username, f"Old-ACME-{number:02}-Pa55!")


def rotations(office: Office) -> list[Rotation]:
    with office.services.database.reading() as session:
        return list(session.exec(select(Rotation)).all())


def test_one_password_from_the_preview_to_the_direct_message(office: Office) -> None:
    with office.at_work():
        office.tina.types("/rotate now alice.obrien", in_="#acme")
        preview = office.tina.modal("Rotate a password")
        for words in (
            "1 record",
            "ACME\\alice.obrien",
            "at least 20 characters",
            "60 minutes",
            "Nobody is sent a password",
        ):
            preview.says(words)
        assert holds(office, "alice.obrien", 0), "a preview rotated"
        preview.submit()
        office.tina.modal().says("Started")
        office.tina.sees("Rotated one password", in_="#acme").says("60 minutes")
        result = office.tina.sees("Rotated one password", in_="@rekey")

    assert "Open the record" in result.buttons
    assert not holds(office, "alice.obrien", 0)
    assert not [password for password in every_password(office) if password in office.everything_slack_saw()]


def every_password(office: Office) -> list[str]:
    """Those of the beginning, and those the directory holds now."""
    return office.passwords + [each.password for each in office.domains["acme-ad"].all_accounts()]


def test_all_says_beforehand_who_is_refused_and_left_out_and_rotates_the_rest_on_one_card(office: Office) -> None:
    with office.at_work():
        office.tina.types("/rotate all", in_="#acme")
        preview = office.tina.modal("Rotate passwords")
        preview.says("3 records")
        preview.says("Ask an administrator")
        preview.says("Service accounts are not part of")
        preview.submit()
        card = office.tina.sees("Rotated 3 of 4 passwords", in_="#acme")
        card.says("Admin Not Permitted")

    assert holds(office, "tom.baker", 3)
    assert holds(office, "svc-backup", 4)
    with office.services.database.reading() as session:
        assert len(session.exec(select(Notice).where(Notice.kind == ROTATION)).all()) == 1


def test_several_names_at_once_and_a_name_that_fits_nobody(office: Office) -> None:
    with office.at_work():
        rotates(office.tina, "now alice.obrien, Priya Patel")
        office.tina.sees("Rotated 2 passwords", in_="#acme")
        office.tina.types("/rotate now nobody.here, alice.obrien", in_="#acme")
        office.tina.sees("No record is called “nobody.here”", in_="#acme")


def test_a_name_that_fits_several_asks_which(office: Office) -> None:
    office.tina.types("/rotate now sam", in_="#acme")
    choice = office.tina.modal("Which one?").says("Sam Okafor")
    choice.press("Choose Sam Okafor (copy)")
    office.tina.modal("Rotate passwords").says("No account is approved for this record")


def test_outside_a_channel_names_are_found_across_all_of_mine(office: Office) -> None:
    office.alice.types("/rotate now hank.scorpio", in_="#general")
    office.alice.modal("Rotate a password").says("Globex")
    office.tina.types("/rotate now hank.scorpio", in_="#general")
    office.tina.sees("No record is called", in_="#general")


def test_a_confirmation_is_answered_with_its_outcome_so_that_nothing_can_arrive_after_it(office: Office) -> None:
    rotates(office.alice, "now alice.obrien")
    traffic = office.running.slack.traffic
    office.last("view_submission")  # waits until it was answered
    answered = office.call(lambda: traffic.named("view_submission")[-1])
    later = office.call(lambda: [each for each in traffic.named("views.update") if each.number > answered.number])
    assert answered.answer["payload"]["response_action"] == "update"
    assert "Started" in str(answered.answer["payload"]["view"])
    assert not later


def test_the_same_confirmation_delivered_twice_rotates_once(office: Office) -> None:
    with office.at_work():
        rotates(office.tina, "now alice.obrien")
        office.deliver(office.last("view_submission"))
        again = office.last("view_submission") | {"trigger_id": "1.2.another"}
        office.deliver(again)
        office.tina.sees("Rotated one password", in_="#acme")

    assert len(rotations(office)) == 1
    assert office.domains["acme-ad"].account("alice.obrien").times_set == 2


def test_what_changed_since_the_preview_is_shown_again(office: Office) -> None:
    office.tina.types("/rotate all", in_="#acme")
    preview = office.tina.modal("Rotate passwords").says("3 records")
    with office.services.database.writing() as session:
        acme = session.merge(office.organization("acme"))
        acme.bulk = ["shared", "service"]
    preview.submit()

    office.tina.modal().says("Something changed since this was shown")
    assert rotations(office) == []


# ---- the card's buttons ----------------------------------------------------------------------------------------------


def test_failures_come_grouped_by_cause_and_are_retried_on_the_same_card(office: Office) -> None:
    domain = office.domains["acme-ad"]
    domain.fails("set_password", with_=Fault.POLICY, times=None)
    with office.at_work():
        rotates(office.tina, "now alice.obrien, priya.patel")
        card = kept(office, office.tina.sees("Not rotated: 2 passwords", in_="#acme"))
        domain.heals()
        kept(office, office.vic.sees("Not rotated: 2 passwords", in_="#acme")).press("Retry all 2", confirming="Retry")
        is_refused(office, "A viewer may not rotate")
        card.press("Retry all 2", confirming="Retry")
        card.says("Rotated 2 passwords")

    assert not holds(office, "alice.obrien", 0)


def test_a_missing_right_is_mended_with_the_doctor_and_then_retried(office: Office) -> None:
    domain = office.domains["acme-ad"]
    domain.fails("set_password", with_=Fault.RIGHT_MISSING, times=None)
    with office.at_work():
        rotates(office.tina, "now alice.obrien")
        card = kept(office, office.tina.sees("Not rotated: one password", in_="#acme"))
        assert "Doctor" in card.buttons
        domain.heals()
        card.press("Retry what failed", confirming="Retry")
        card.says("Rotated one password")


def test_what_has_not_begun_is_cancelled_from_the_card(office: Office) -> None:
    rotates(office.tina, "now alice.obrien, priya.patel")
    posts_once(office)
    card = office.tina.sees("Rotating 2 passwords", in_="#acme")
    card.press("Cancel what has not begun (2)", confirming="Cancel the rest")
    with office.at_work():
        card.says("Not rotated: 2 passwords")

    assert holds(office, "alice.obrien", 0)
    assert {each.state for each in rotations(office)} == {"cancelled"}


def test_stop_holds_everything_and_start_lets_it_go_on(office: Office) -> None:
    office.tina.types("/rotate stop", in_="#acme")
    office.tina.sees("Rotations are stopped in Acme Dental", in_="#acme")
    with office.at_work():
        stopped = kept(office, office.alice.sees("Rotations are stopped here", in_="#acme"))
        office.tina.types("/rotate now alice.obrien", in_="#acme")
        office.tina.modal().says("Rotations are stopped in Acme Dental")
        office.tina.modal().close()
        stopped.press("Start again")
        office.alice.sees("Rotations go on", in_="#acme")
        rotates(office.tina, "now alice.obrien")
        office.tina.sees("Rotated one password", in_="#acme")


def test_a_technician_may_stop_and_may_not_start(office: Office) -> None:
    office.tina.types("/rotate stop", in_="#acme")
    office.tina.sees("Rotations are stopped in", in_="#acme")
    office.tina.types("/rotate start", in_="#acme")
    office.tina.sees("Ask an administrator", in_="#acme")
    assert office.organization("acme").frozen_at is not None


def test_status_and_history_say_how_things_stand(office: Office) -> None:
    with office.at_work():
        rotates(office.tina, "now alice.obrien")
        office.tina.sees("Rotated one password", in_="#acme")
    office.vic.types("/rotate status", in_="#acme")
    office.vic.modal("Status").says("never rotated").says("Alice O'Brien")
    office.vic.types("/rotate history alice.obrien", in_="#acme")
    seen = office.vic.modal("Record").says("Successful").says("Holds now")
    assert "Rotate now" not in seen.buttons
    assert office.audit("record.history_seen")


# ---- a second administrator ------------------------------------------------------------------------------------------


def test_a_domain_admin_is_rotated_with_two_administrators(office: Office) -> None:
    with office.at_work():
        card = asks_for_tom(office)
        card.says("ACME\\tom.baker privileged")
        office.alice.sees("Waiting for a second administrator", in_="#acme")
        office.alice.does_not_see("A second administrator is needed", in_="@rekey")
        assert holds(office, "tom.baker", 3)
        card.press("Agree", confirming="Agree")
        card.says("Agreed to by @bob")
        office.alice.sees("Rotated one password", in_="#acme")

    assert not holds(office, "tom.baker", 3)


def test_a_refusal_by_the_second_administrator_is_said_on_the_card(office: Office) -> None:
    with office.at_work():
        asks_for_tom(office).press("Refuse")
        office.alice.sees("Not rotated: one password", in_="#acme").says("Another administrator refused it")
        office.alice.sees("Not rotated: one password", in_="@rekey").says("Another administrator refused it")

    assert holds(office, "tom.baker", 3)


def test_a_one_person_shop_rotates_alone_and_the_trail_says_so(tmp_path: Path) -> None:
    with open_office(tmp_path, second_administrator=False) as relaxed:
        relaxed.approve_all("acme")
        with relaxed.at_work():
            rotates(relaxed.alice, "now tom.baker")
            relaxed.alice.sees("Rotated one password", in_="#acme")
        assert "REKEY_SECOND_ADMINISTRATOR is off" in str([each.details for each in relaxed.audit("request.started")])


# ---- attacks ---------------------------------------------------------------------------------------------------------


def is_refused(office: Office, reason: str) -> None:
    """It is on record that somebody tried, and why not."""

    def on_record() -> bool | None:
        return any(reason in str(line.details) for line in office.audit("slack.refused")) or None

    office.alice.until(on_record, f"a refusal on record: {reason}")


def test_a_viewer_and_somebody_without_a_role_start_nothing(office: Office) -> None:
    for member in (office.vic, office.sid, office.gus):
        before = len(office.audit("slack.refused"))
        member.types("/rotate all", in_="#acme")
        member.until(lambda before=before: len(office.audit("slack.refused")) > before or None, "the refusal")  # type: ignore[misc]
    assert rotations(office) == []


def test_somebody_deactivated_starts_nothing_with_what_they_had_open(office: Office) -> None:
    office.alice.types("/rotate all", in_="#acme")
    office.alice.modal("Rotate passwords").says("A second administrator must agree").submit()
    office.alice.modal().says("The other administrators are asked")
    forged = office.last("view_submission") | {"trigger_id": "forged"}
    forged["user"] = {**forged["user"], "id": office.member("dora").id}
    forged["view"]["private_metadata"] = forged["view"]["private_metadata"].replace(
        office.alice.id, office.member("dora").id
    )
    office.deliver(forged)

    is_refused(office, "deactivated")


def test_from_the_direct_message_the_record_opens_and_the_password_is_shown_once(office: Office) -> None:
    with office.at_work():
        rotates(office.tina, "now alice.obrien")
        result = kept(office, office.tina.sees("Rotated one password", in_="@rekey"))
        office.tina.modal().close()
        result.press("Open the record")
        office.tina.modal("Record").says("Successful").close()
        result.press("Show password once")
        office.tina.until(lambda: office.audit("reveal.asked") or None, "a link")


def test_a_technician_is_shown_that_a_domain_admin_is_not_for_him(office: Office) -> None:
    office.tina.types("/rotate now tom.baker", in_="#acme")
    office.tina.modal().says("Nothing would be rotated").says("Ask an administrator")
    assert [line.result for line in office.audit("rotation.refused")] == ["Admin Not Permitted"]
    with pytest.raises(AssertionError):
        office.tina.modal().submit()


def test_a_preview_made_for_one_is_not_confirmed_by_another(office: Office) -> None:
    with office.at_work():
        rotates(office.tina, "now alice.obrien")
        office.tina.sees("Rotated one password", in_="#acme")
    office.alice.types("/rotate now priya.patel", in_="#acme")
    office.alice.modal("Rotate a password").says("Priya Patel")
    forged = office.last("view_submission")
    with office.services.database.reading() as session:
        highest = max(session.exec(select(Rotation.id)).all())
    # Tina's own view, made to speak of Alice's preview.
    forged["trigger_id"] = "forged"
    forged["view"]["private_metadata"] = forged["view"]["private_metadata"].replace('"request":1', '"request":2')
    office.deliver(forged)

    is_refused(office, "made for somebody else")
    assert max(each.id for each in rotations(office)) == highest


def test_a_card_of_one_organization_says_nothing_about_another(office: Office) -> None:
    with office.at_work():
        rotates(office.alice, "now hank.scorpio", where="#globex")
        kept(office, office.alice.sees("Rotated one password", in_="#globex")).press("All records")
        office.alice.modal("Status").says("Hank Scorpio")
        office.tina.types("/rotate history alice.obrien", in_="#acme")
        office.tina.modal("Record").says("Alice O'Brien").press("Rotate now")
        office.tina.modal("Rotate a password").says("Alice O'Brien")
    forged = office.last("block_actions")
    forged["trigger_id"] = "forged"
    forged["actions"][0]["value"] = f"{_record_of(office, 'hank.scorpio')}.0"
    office.deliver(forged)

    is_refused(office, "another organization")


def _record_of(office: Office, username: str) -> int:
    match_id = office.match_id(username)
    with office.services.database.reading() as session:
        row = get_matches(session, [match_id])[match_id]
        assert row.record is not None
        return row.record.id


def test_a_card_rekey_does_not_keep_and_a_value_it_did_not_put_there_count_for_nothing(office: Office) -> None:
    rotates(office.tina, "now alice.obrien, priya.patel")
    posts_once(office)
    card = office.tina.sees("Rotating 2 passwords", in_="#acme")
    with office.at_work():
        card.press("Cancel what has not begun (2)", confirming="Cancel the rest")
        card.says("Not rotated: 2 passwords")
    forgeries: list[tuple[Callable[[dict[str, Any]], None], str]] = [
        (lambda body: body["container"].update(message_ts="1.000001"), "not a card that Rekey keeps"),
        (lambda body: body["actions"][0].update(value="99.1"), "another request than the card"),
        (lambda body: body["actions"][0].update(value="all"), "did not put there"),
        (lambda body: body["user"].update(id=office.vic.id), "may not stop"),
    ]
    for forge, reason in forgeries:
        forged = office.last("block_actions") | {"trigger_id": reason}
        forge(forged)
        office.deliver(forged)
        is_refused(office, reason)


def test_nobody_agrees_to_what_they_asked_for_themselves(office: Office) -> None:
    with office.at_work():
        asks_for_tom(office).press("Agree", confirming="Agree")
        office.alice.sees("Rotated one password", in_="#acme")
        pressed = office.last("block_actions")
        office.alice.modal().close()
        office.alice.types("/rotate now tom.baker", in_="#acme")
        office.alice.modal().says("A second administrator must agree").submit()
        office.alice.modal().says("The other administrators are asked")
    for who in (office.alice, office.tina, office.vic):
        forged = pressed | {"trigger_id": who.id}
        forged["user"] = {**forged["user"], "id": who.id}
        forged["actions"] = [{**forged["actions"][0], "value": "2.0"}]
        office.deliver(forged)
        is_refused(office, "made for somebody else")
    # Even from Bob's own hand the button of one card does not agree to what another asks.
    forged = pressed | {"trigger_id": "bob"}
    forged["actions"] = [{**forged["actions"][0], "value": "2.0"}]
    office.deliver(forged)
    is_refused(office, "card of that approval only")
    assert office.domains["acme-ad"].account("tom.baker").times_set == 2


def test_pressing_agree_twice_says_who_was_first_and_starts_nothing_more(office: Office) -> None:
    with office.at_work():
        asks_for_tom(office).press("Agree", confirming="Agree")
        office.alice.sees("Rotated one password", in_="#acme")
        office.deliver(office.last("block_actions"))
        office.deliver(office.last("block_actions") | {"trigger_id": "another"})
        office.alice.does_not_see("Rotating", in_="#acme")
    assert office.domains["acme-ad"].account("tom.baker").times_set == 2


def test_somebody_made_domain_admin_between_preview_and_apply_is_left_alone(office: Office) -> None:
    for member in (office.tina, office.alice):
        rotates(member, "now alice.obrien" if member.id == office.tina.id else "now priya.patel")
    for username in ("alice.obrien", "priya.patel"):
        office.domains["acme-ad"].account(username).groups = ("Domain Admins",)
    with office.at_work():
        office.alice.sees("no second administrator agreed", in_="#acme")
        office.alice.sees("A technician may not rotate privileged accounts", in_="#acme")

    assert holds(office, "alice.obrien", 0)
    assert holds(office, "priya.patel", 2)
