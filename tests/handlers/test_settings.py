"""My Settings: `/rotate settings`, kept as it is chosen."""

from pathlib import Path
from typing import Any

import trustme

from bot.settings import Settings, SmtpTls
from storage.models import Tell, Way, Wish
from storage.profiles import find_profile
from storage.wishes import wishes_of
from tests.handlers.office import Office, open_office
from tests.leaks import Leaks
from tests.test_mail import serving


def _told(office: Office, name: str) -> dict[int | None, tuple[str, str]]:
    with office.services.database.reading() as session:
        said = wishes_of(session, office.member(name).id)
    return {organization_id: (each.way, each.tell) for organization_id, each in said.items()}


def test_what_i_want_to_be_told_is_kept_as_it_is_chosen(tmp_path: Path) -> None:
    with open_office(tmp_path, smtp_host="127.0.0.1", smtp_from="rekey@msp.test", smtp_tls="none") as office:
        acme = office.organization("acme").id
        office.tina.opens_home().press("Change…")
        window = office.tina.modal().says("E-mail goes to the address in your Slack profile")
        window.fill("wish.keep:0:tell", "Failures only")
        office.tina.until(lambda: True if office.audit("wish.kept") else None, "the line in the audit trail")
        window.fill("wish.add", "Acme Dental", searching="acme")
        window.says("As elsewhere")
        window.fill(f"wish.keep:{acme}:way", "By message and e-mail")
        office.tina.until(lambda: True if len(office.audit("wish.kept")) == 3 else None, "three lines")
        assert _told(office, "tina") == {None: (Way.MESSAGE, Tell.FAILURES), acme: (Way.BOTH, Tell.ALL)}
        window.press("As elsewhere")
        office.tina.until(lambda: True if office.audit("wish.dropped") else None, "the line")
        assert acme not in _told(office, "tina")


def test_the_digest_comes_when_and_how_i_say_and_my_day_is_the_one_slack_knows(office: Office) -> None:
    office.bob.types("/rotate settings", in_="#acme")
    window = office.bob.modal().says("Europe/Berlin").says("Rekey has no mail server yet")
    window.fill("digest.choose:hour", "At 06:00")
    office.bob.until(lambda: True if office.audit("digest.chosen") else None, "the line in the audit trail")
    with office.services.database.reading() as session:
        profile = find_profile(session, office.bob.id)
    assert profile is not None
    assert (profile.digest_hour, profile.timezone) == (6, "Europe/Berlin")


def test_nobody_hears_of_an_organization_that_is_not_theirs(office: Office) -> None:
    office.tina.types("/rotate settings", in_="#acme")
    window = office.tina.modal().says("Daily digest")
    window.fill("wish.add", "Acme Dental", searching="")
    office.tina.until(lambda: True if office.audit("wish.kept") else None, "the line in the audit trail")
    forged = office.last("block_actions")
    forged["trigger_id"] = "forged"
    forged["actions"][0]["selected_option"]["value"] = f"{office.organization('globex').id}.0"
    office.deliver(forged)
    office.tina.until(lambda: True if office.audit("slack.refused") else None, "the refusal in the audit trail")
    assert set(_told(office, "tina")) == {None, office.organization("acme").id}


def test_a_result_reaches_whoever_chose_e_mail_at_the_address_slack_knows_and_holds_no_password(tmp_path: Path) -> None:
    with (
        serving(tmp_path, trustme.CA(), SmtpTls.STARTTLS) as (server, there),
        open_office(tmp_path, **_mail_settings(there)) as office,
    ):
        office.approve("alice.obrien")
        with office.services.database.writing() as session:
            session.add(Wish(operator=office.tina.id, way=Way.EMAIL))
        with office.at_work():
            office.tina.types("/rotate now alice.obrien", in_="#acme")
            office.tina.modal("Rotate a password").submit()
            office.tina.until(lambda: True if server.taken else None, "the letter")
        [letter] = server.taken
        assert letter["To"] == "tina@msp.test"
        assert letter["Subject"] == "Rotated one password at Acme Dental"
        account = office.domains["acme-ad"].account("alice.obrien")
        leaks = Leaks()
        leaks.knows("a password", account.password, *account.earlier)
        assert leaks.found_in("the letter", letter.as_bytes()) == []
        office.tina.does_not_see("Rotated one password in", in_="@rekey")


def _mail_settings(there: Settings) -> dict[str, Any]:
    return {name: getattr(there, name) for name in Settings.model_fields if name.startswith("smtp_")}
