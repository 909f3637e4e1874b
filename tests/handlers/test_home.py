"""App Home: what is shown to whom."""

from bot.organizations import bring_in
from tests.handlers.office import Office


def test_home_shows_my_organizations_and_nobody_elses(office: Office) -> None:
    alices, tinas = office.alice.opens_home(), office.tina.opens_home()
    assert "Acme Dental" in alices.text
    assert "Globex" in alices.text
    assert "Acme Dental" in tinas.text
    assert "Globex" not in tinas.text


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


def test_somebody_unknown_is_told_on_home_how_to_get_in(office: Office) -> None:
    office.sid.opens_home().says("Ask one of its administrators for one.")
