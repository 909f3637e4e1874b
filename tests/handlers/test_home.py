"""App Home: what is shown to whom, and My Settings."""

from bot.organizations import bring_in
from storage.models import Tell
from storage.profiles import find_profile
from tests.handlers.office import Office


def test_home_shows_my_organizations_and_nobody_elses(office: Office) -> None:
    alices, tinas = office.alice.opens_home(), office.tina.opens_home()
    assert "Acme Dental" in alices.text
    assert "Globex" in alices.text
    assert "Acme Dental" in tinas.text
    assert "Globex" not in tinas.text


def test_what_i_want_to_be_told_is_kept(office: Office) -> None:
    home = office.tina.opens_home()
    home.fill("profile.tell", "Failures only")
    home.fill("profile.follow", ["Acme Dental"], searching="acme")
    home.says("Acme Dental")
    office.tina.until(lambda: True if office.audit("profile.followed") else None, "the line in the audit trail")
    with office.services.database.reading() as session:
        profile = find_profile(session, office.tina.id)
    assert profile is not None
    assert (profile.tell, profile.follows) == (Tell.FAILURES, [office.organization("acme").id])


def test_nobody_follows_an_organization_that_is_not_theirs(office: Office) -> None:
    home = office.tina.opens_home()
    home.fill("profile.follow", ["Acme Dental"], searching="")
    office.tina.until(lambda: True if office.audit("profile.followed") else None, "the line in the audit trail")
    forged = office.last("block_actions")
    forged["trigger_id"] = "forged"
    forged["actions"][0]["selected_options"][0]["value"] = f"{office.organization('globex').id}.0"
    office.deliver(forged)
    with office.services.database.reading() as session:
        profile = find_profile(session, office.tina.id)
    assert profile is not None
    assert profile.follows == [office.organization("acme").id]
    office.tina.until(lambda: True if office.audit("slack.refused") else None, "the refusal in the audit trail")


def test_administrators_see_what_waits_for_a_second_one_of_them(office: Office) -> None:
    office.approve("tom.baker")
    office.alice.types("/rotate now tom.baker", in_="#acme")
    office.alice.modal().says("A second administrator must agree").submit()
    office.alice.modal().says("The other administrators are asked")
    assert "Waiting for you" in office.bob.opens_home().text
    assert "to rotate privileged or break-glass accounts" in office.bob.opens_home().text
    assert "Waiting for you" not in office.alice.opens_home().text
    assert "waits for a second administrator" in office.alice.opens_home().text
    assert "Waiting for you" not in office.tina.opens_home().text


def test_administrators_see_which_organizations_are_to_be_set_up(office: Office) -> None:
    with office.services.database.writing() as session:
        bring_in(session, "Initech", channel=None, timezone="UTC")
    home = office.alice.opens_home()
    home.says("To set up").says("It has no channel yet.")
    home.says("It has no directory yet.")
    assert "Initech" not in office.tina.opens_home().text


def test_home_shows_how_each_organization_stands(office: Office) -> None:
    home = office.alice.opens_home()
    home.says("5 exact matches to approve.")
    home.says("3 accounts without an exact record.")
    home.says("2 accounts are matched, and nothing waits for you.")
    office.alice.types("/rotate stop", in_="#acme")
    office.alice.until(lambda: True if office.organization("acme").frozen_at else None, "the stop")
    home.press("Look again")
    home.says("Stopped by")


def test_what_a_word_answers_on_home_stands_in_a_window_of_its_own(office: Office) -> None:
    home = office.tina.opens_home()
    home.press("Status")
    office.tina.modal()


def test_a_thousand_organizations_are_paged(office: Office) -> None:
    with office.services.database.writing() as session:
        for number in range(1000):
            bring_in(session, f"Customer {number:04}", channel=None, timezone="UTC")
    home = office.alice.opens_home()
    home.says("Page 1 of 126").press("More ▶")
    home.says("Page 2 of 126")
    assert "Customer 0007" in home.text
    home.fill("profile.follow", ["Customer 0990"], searching="0990")
    home.says("Customer 0990")


def test_somebody_unknown_is_told_on_home_how_to_get_in(office: Office) -> None:
    office.sid.opens_home().says("Ask one of its administrators for one.")
