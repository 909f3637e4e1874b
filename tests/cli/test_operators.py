"""`rekey operators`: roles given and taken by name, codes made for people, everything audited."""

import pytest

from tests.cli.program import Program
from tests.world import write_world


@pytest.fixture
def acme(rekey: Program) -> Program:
    """With the organization Acme Dental, its technician U0TECH and the administrator U0ADMIN."""
    rekey.ok("apply", write_world(rekey.folder), "--yes")
    return rekey


def test_a_role_is_given_replaced_and_taken_where_it_was_said(acme: Program) -> None:
    acme.ok("operators", "grant", "U0NEW", "viewer", "-o", "Acme Dental")
    acme.ok("operators", "grant", "U0NEW", "technician", "-o", "Acme Dental")
    acme.ok("operators", "grant", "U0NEW", "viewer")
    listed = {each["operator"]: each for each in acme.ok("operators", "list", "--json").json}
    assert listed["U0NEW"]["roles"] == [
        {"organization": None, "role": "viewer"},
        {"organization": "Acme Dental", "role": "technician"},
    ]
    assert listed["U0ADMIN"]["roles"] == [{"organization": None, "role": "administrator"}]
    acme.ok("operators", "revoke", "U0NEW")
    listed = {each["operator"]: each for each in acme.ok("operators", "list", "--json").json}
    assert listed["U0NEW"]["roles"] == [{"organization": "Acme Dental", "role": "technician"}]
    trail = acme.ok("audit", "export").out
    assert trail.count('"role.given"') >= 4
    assert '"role.taken"' in trail


def test_taking_a_role_from_one_leaves_the_others_theirs(acme: Program) -> None:
    acme.ok("operators", "grant", "U0SECOND", "administrator")
    acme.ok("operators", "revoke", "U0ADMIN")
    listed = {each["operator"]: each["roles"] for each in acme.ok("operators", "list", "--json").json}
    assert listed["U0SECOND"] == [{"organization": None, "role": "administrator"}]
    assert "U0ADMIN" not in listed


def test_administrators_of_the_settings_are_shown_as_such_and_cannot_be_taken_here(acme: Program) -> None:
    shown = acme.ok("operators", "list", REKEY_ADMINISTRATORS="U0BOSS").out
    assert "U0BOSS\tadministrator everywhere (REKEY_ADMINISTRATORS)\tnot enrolled" in shown
    acme.ok("operators", "grant", "U0BOSS", "administrator")
    said = acme.ok("operators", "revoke", "U0BOSS", REKEY_ADMINISTRATORS="U0BOSS").out
    assert "administrator everywhere until" in said


def test_a_name_instead_of_an_id_is_refused_with_where_to_find_the_id(acme: Program) -> None:
    for words in (("grant", "@alice", "administrator"), ("enrol", "alice")):
        result = acme("operators", *words)
        assert result.code == 2
        assert "Copy member ID" in result.err


def test_taking_what_nobody_gave_is_said(acme: Program) -> None:
    result = acme("operators", "revoke", "U0NOBODY")
    assert result.code == 2
    assert "was given no role everywhere" in result.err


def test_an_enrolment_code_is_printed_once_and_the_page_is_named(acme: Program) -> None:
    made = acme.ok("operators", "enrol", "U0TECH", REKEY_BASE_URL="https://rekey.example.test")
    assert len(made.out.strip().replace("-", "")) == 16
    assert "https://rekey.example.test/enrol" in made.err
    shown = acme.ok("operators", "list").out
    assert "U0TECH\ttechnician in Acme Dental\tnot enrolled" in shown
    assert made.out.strip() not in acme.ok("audit", "export").out


def test_a_step_up_that_is_switched_off_is_never_silent(acme: Program) -> None:
    assert "The step-up is off" in acme("doctor", REKEY_STEP_UP="off").out
    assert "The step-up is off" not in acme("doctor").out
