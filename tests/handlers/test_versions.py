"""The versions of a password in Slack: who made each and why, and bringing an earlier one back, here or everywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.slack.driver import Member, Modal
from storage.models import Record, RevisionState
from storage.records import records_of
from storage.revisions import find_revision, open_revision, revisions_of
from tests.handlers.office import Office, open_office
from tests.handlers.test_matches_attacks import submitted
from tests.handlers.test_rotations import kept

ALICES = "Old-ACME-00-Pa55!"
TOMS = "Old-ACME-03-Pa55!"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        office.approve_all("acme")
        with office.at_work():
            yield office


def record_of(office: Office, name: str) -> Record:
    with office.services.database.reading() as session:
        return next(each for each in records_of(session, office.organization("acme").id) if each.name == name)


def vault_holds(office: Office, name: str) -> str:
    record, safe = record_of(office, name), office.services.safe
    with office.services.database.reading() as session:
        current = find_revision(session, record.id, RevisionState.CURRENT)
        assert current is not None
        return open_revision(safe, office.organization("acme").uid, record.uid, current).get_secret_value()


def rotated(who: Member, name: str) -> None:
    who.types(f"/rotate now {name}", in_="#acme")
    who.modal().says("would get a new password").submit()
    who.sees("Rotated one password", in_="#acme")
    who.modal().close(everything=True)


def looks_back(who: Member, name: str) -> Modal:
    """Their window with the first version chosen, asking where it is to hold again."""
    who.types(f"/rotate history {name}", in_="#acme")
    who.modal("Record").says("Imported from a file").press("Bring back version 1")
    return who.modal("Bring back a password").says("where is it to hold again?")


def test_everywhere_is_a_rotation_to_the_earlier_password(office: Office) -> None:
    rotated(office.tina, "alice.obrien")
    assert not office.domains["acme-ad"].holds("alice.obrien", ALICES)

    looks_back(office.tina, "alice.obrien").fill("Bring it back", "Everywhere").submit()
    office.tina.modal().says("Every account would get the password of").submit()
    office.tina.modal("Bring back a password").says("Started")
    office.tina.sees("Brought back an earlier password", in_="#acme")

    assert office.domains["acme-ad"].holds("alice.obrien", ALICES)
    assert vault_holds(office, "Alice O'Brien") == ALICES


def test_in_the_vault_only_leaves_the_directory_alone_and_says_so(office: Office) -> None:
    rotated(office.tina, "alice.obrien")
    sets = office.domains["acme-ad"].account("alice.obrien").times_set

    looks_back(office.tina, "alice.obrien").fill("Bring it back", "In the vault only").submit()
    office.tina.modal().says("The vault would hold the password of").submit()
    office.tina.sees("Brought back an earlier password", in_="#acme").says("Only the vault was changed")

    assert vault_holds(office, "Alice O'Brien") == ALICES
    assert office.domains["acme-ad"].account("alice.obrien").times_set == sets
    with office.services.database.reading() as session:
        assert len(revisions_of(session, record_of(office, "Alice O'Brien").id)) == 2, (
            "nothing is lost, nothing doubled"
        )


def test_saying_neither_changes_nothing(office: Office) -> None:
    rotated(office.tina, "alice.obrien")

    form = looks_back(office.tina, "alice.obrien")
    form.submit()

    assert "is required" in form.error("Bring it back").lower()


@pytest.mark.parametrize("where", ["vault", "everywhere"])
def test_a_technician_brings_no_administrators_password_back(office: Office, where: str) -> None:
    tom = record_of(office, "Tom Baker")
    with office.services.database.reading() as session:
        [version] = revisions_of(session, tom.id)
    office.tina.types("/rotate history tom.baker", in_="#acme")
    window = office.tina.modal("Record").says("Imported from a file")
    assert not [text for text in window.buttons if text.startswith("Bring back")]
    office.alice.types("/rotate history alice.obrien", in_="#acme")
    office.alice.modal("Record").press("Bring back version 1")

    chosen = {"where": {"where": {"selected_option": {"value": where}}}}
    answer = office.deliver(submitted(office, "tina", "version.restore", {"version": version.id}, chosen))

    assert "may not restore privileged accounts" in answer.body
    [line] = office.audit("restore.refused")
    assert (line.operator, line.result) == (office.tina.id, "Admin Not Permitted")
    assert office.domains["acme-ad"].holds("tom.baker", TOMS)


def test_an_administrators_password_takes_a_second_administrator(office: Office) -> None:
    office.alice.types("/rotate now tom.baker", in_="#acme")
    office.alice.modal().says("A second administrator must agree").submit()
    card = kept(office, office.bob.sees("A second administrator is needed", in_="@rekey"))
    card.press("Agree", confirming="Agree")
    office.alice.sees("Rotated one password", in_="#acme")
    office.alice.modal().close(everything=True)
    assert not office.domains["acme-ad"].holds("tom.baker", TOMS)

    looks_back(office.alice, "tom.baker").fill("Bring it back", "Everywhere").submit()
    office.alice.modal().says("A second administrator must agree").submit()
    asked = kept(office, office.bob.sees("wants to bring back an earlier password", in_="@rekey"))
    assert not office.domains["acme-ad"].holds("tom.baker", TOMS)
    asked.press("Agree", confirming="Agree")
    office.alice.sees("Brought back an earlier password", in_="#acme")

    assert office.domains["acme-ad"].holds("tom.baker", TOMS)


def test_what_was_refused_in_the_past_is_said_to_be_too_weak_today(office: Office) -> None:
    rotated(office.tina, "alice.obrien")
    office.domains["acme-ad"].policy = type(office.domains["acme-ad"].policy)(length=40)

    looks_back(office.tina, "alice.obrien").fill("Bring it back", "Everywhere").submit()
    office.tina.modal().says("Every account would get").submit()
    office.tina.sees("Not brought back: an earlier password", in_="#acme").says("does not meet what the directory asks")

    assert not office.domains["acme-ad"].holds("alice.obrien", ALICES)
