"""Who may reset whom, held against Microsoft's table row by row, and against what follows from it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.directories.entra import roles
from bot.directories.entra.roles import NAMES, is_privileged, least_role, may_reset

BY_NAME = {name: role for role, name in NAMES.items()}
CUSTOM = "11111111-2222-3333-4444-555555555555"

ROWS = {
    "Password Administrator": "Directory Readers, Guest Inviter, Password Administrator",
    "Helpdesk Administrator": "Directory Readers, Guest Inviter, Password Administrator, Helpdesk Administrator, "
    "Message Center Reader, Reports Reader, Usage Summary Reports Reader, User Experience Success Manager",
    "Authentication Administrator": "Directory Readers, Guest Inviter, Password Administrator, "
    "Authentication Administrator, Message Center Reader, Reports Reader, Usage Summary Reports Reader, "
    "User Experience Success Manager",
    "User Administrator": "Directory Readers, Guest Inviter, Password Administrator, Helpdesk Administrator, "
    "Message Center Reader, Reports Reader, Usage Summary Reports Reader, User Experience Success Manager, "
    "Groups Administrator, User Administrator",
}
"""As the published table has it: the role of whoever resets, and whom besides people without a role."""

ANY_ROLE = st.sampled_from([*NAMES, CUSTOM])
SOME_ROLES = st.frozensets(ANY_ROLE, max_size=4)


@pytest.mark.parametrize("ours", ROWS)
@pytest.mark.parametrize("theirs", [*NAMES.values(), "a custom role"])
def test_each_role_resets_whom_the_table_says_and_nobody_else(ours: str, theirs: str) -> None:
    allowed = may_reset({BY_NAME[ours]}, {BY_NAME.get(theirs, CUSTOM)}, in_assignable_group=False)
    assert allowed is (theirs in ROWS[ours].split(", "))


@pytest.mark.parametrize("ours", NAMES.values())
def test_people_without_a_role_are_reset_by_those_six_roles_only(ours: str) -> None:
    allowed = may_reset({BY_NAME[ours]}, frozenset(), in_assignable_group=False)
    assert allowed is (ours in {*ROWS, "Global Administrator", "Privileged Authentication Administrator"})


@given(SOME_ROLES, st.booleans())
def test_two_roles_reset_whomever_there_is(theirs: frozenset[str], grouped: bool) -> None:
    for ours in roles.EVERYBODY:
        assert may_reset({ours}, theirs, in_assignable_group=grouped)


@given(SOME_ROLES, SOME_ROLES, ANY_ROLE, st.booleans())
def test_one_role_more_never_makes_a_person_easier_to_reset_but_for_leaving_the_roleless(
    ours: frozenset[str], theirs: frozenset[str], more: str, grouped: bool
) -> None:
    if theirs and may_reset(ours, theirs | {more}, in_assignable_group=grouped):
        assert may_reset(ours, theirs, in_assignable_group=grouped)


@given(SOME_ROLES, SOME_ROLES, ANY_ROLE, st.booleans())
def test_one_role_more_of_ours_never_takes_anything_away(
    ours: frozenset[str], theirs: frozenset[str], more: str, grouped: bool
) -> None:
    if may_reset(ours, theirs, in_assignable_group=grouped):
        assert may_reset(ours | {more}, theirs, in_assignable_group=grouped)


@given(SOME_ROLES)
def test_without_one_of_the_two_nobody_in_a_role_assignable_group_without_a_role_is_reset(ours: frozenset[str]) -> None:
    assert may_reset(ours, frozenset(), in_assignable_group=True) is bool(ours & roles.EVERYBODY)


@settings(max_examples=50)
@given(SOME_ROLES, st.booleans())
def test_the_role_that_is_asked_for_is_enough(theirs: frozenset[str], grouped: bool) -> None:
    asked = BY_NAME[least_role(theirs, in_assignable_group=grouped)]
    assert may_reset({asked}, theirs, in_assignable_group=grouped)


def test_roles_that_only_read_make_no_administrator_and_belonging_to_a_role_assignable_group_does() -> None:
    assert not is_privileged({BY_NAME["Reports Reader"], BY_NAME["Directory Readers"]}, in_assignable_group=False)
    assert is_privileged({BY_NAME["Password Administrator"]}, in_assignable_group=False)
    assert is_privileged({CUSTOM}, in_assignable_group=False)
    assert is_privileged(frozenset(), in_assignable_group=True)
