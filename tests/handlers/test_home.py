"""App Home: what is shown to whom, and My Settings."""

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
