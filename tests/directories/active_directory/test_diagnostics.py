"""Every refusal in the tables, in Windows' words and in Samba's, means what the tables say."""

from typing import Any

import pytest

from bot.directories.active_directory.diagnostics import (
    DISPROVES,
    PROVES,
    SignIn,
    connector_refused,
    read_refused,
    sign_in_of,
    windows_code,
    write_refused,
)
from bot.errors import (
    AdminNotPermitted,
    NotFound,
    OutsideError,
    PasswordRefused,
    Refused,
    RightMissing,
    SignInRefused,
    Throttled,
)


def answer(result: int, message: str = "", description: str = "refused") -> dict[str, Any]:
    return {"result": result, "description": description, "message": message}


def bind(data: str) -> dict[str, Any]:
    text = f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v4f7c\x00"
    return answer(49, text, "invalidCredentials")


@pytest.mark.parametrize("data", ["773", "533"])
def test_must_change_and_disabled_prove_that_the_password_matched(data: str) -> None:
    assert sign_in_of(bind(data)) in PROVES


@pytest.mark.parametrize("data", ["52e", "525"])
def test_bad_credentials_and_an_unknown_user_prove_that_it_did_not(data: str) -> None:
    assert sign_in_of(bind(data)) in DISPROVES


@pytest.mark.parametrize("data", ["530", "531", "532", "701", "775", "80090346", "52f"])
def test_what_is_not_about_the_password_tells_nothing_about_it(data: str) -> None:
    assert sign_in_of(bind(data)) not in PROVES | DISPROVES


@pytest.mark.parametrize(
    "result",
    [
        answer(49, "NT_STATUS_ACCESS_DENIED"),
        answer(1, "00002020: Operation unavailable without authentication"),
        answer(8, "BindSimple: Transport encryption required."),
        answer(51),
    ],
)
def test_an_answer_without_a_reason_tells_nothing(result: dict[str, Any]) -> None:
    assert sign_in_of(result) is SignIn.UNCLEAR


def test_success_proves() -> None:
    assert sign_in_of(answer(0, "", "success")) in PROVES


CASES = [
    (
        answer(19, "0000052D: AtrErr: DSID-03191083, #1:\n\t0: 0000052D: DSID-03191083, problem 1005 "),
        PasswordRefused,
        "policy",
    ),
    (
        answer(53, "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\x00"),
        PasswordRefused,
        "policy",
    ),
    (answer(19, "0000052D: Constraint violation - check_password_restrictions: too short."), PasswordRefused, "policy"),
    (answer(50, "00000005: SecErr: DSID-031A11EF, problem 4003 (INSUFF_ACCESS_RIGHTS)"), RightMissing, "right-reset"),
    (answer(50, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS)"), RightMissing, "right-reset"),
    (answer(50, "error in module acl: insufficient access rights during LDB_MODIFY (50)"), RightMissing, "right-reset"),
    (answer(32, "0000208D: NameErr: DSID-03100241, problem 2001 (NO_OBJECT), data 0"), NotFound, "account-gone"),
    (answer(32, "00002030: No such Base DN: <GUID=…>"), NotFound, "account-gone"),
    (answer(53, "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0"), Refused, "not-encrypted"),
    (answer(53, "00002035: setup_io: it's not allowed to set the NT hash"), Refused, "refused-00002035"),
    (answer(10, "0000202B: RefErr: DSID-0310082F, data 0, 1 access points"), Refused, "read-only-server"),
    (answer(80, "00000057: problem"), Refused, "refused-00000057"),
    (answer(1), Refused, "refused-1"),
    (answer(51), Throttled, "busy"),
    (answer(52, "00000000: LdapErr"), Throttled, "busy"),
]


@pytest.mark.parametrize(("result", "kind", "cause"), CASES)
def test_a_refused_write_is_the_error_the_tables_say(
    result: dict[str, Any], kind: type[OutsideError], cause: str
) -> None:
    error = write_refused("dc1.example.test", "alice", result, privileged=False)
    assert (type(error), error.cause) == (kind, cause)
    assert "dc1.example.test" in str(error)


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("the password is too short. It should be equal or longer than 7 characters!", "too short"),
        ("the password does not meet the complexity criteria!", "complexity"),
        ("the password was already used (in history)!", "used before"),
        ("password is too young to change!", "minimum age"),
        ("", "Windows does not say which"),
    ],
)
def test_the_rule_that_was_broken_is_named_where_the_server_names_it(said: str, rule: str) -> None:
    message = f"0000052D: Constraint violation - check_password_restrictions: {said}"
    assert rule in str(write_refused("dc1", "alice", answer(19, message), privileged=False))


def test_a_missing_right_over_an_administrators_account_says_so() -> None:
    error = write_refused("dc1", "boss", answer(50, "00000005: SecErr"), privileged=True)
    assert (type(error), error.cause) == (AdminNotPermitted, "right-reset-administrator")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("52e", "password is wrong"),
        ("525", "no such account"),
        ("530", "hour"),
        ("531", "this machine"),
        ("532", "password has expired"),
        ("533", "disabled"),
        ("701", "expired"),
        ("773", "must change"),
        ("775", "locked"),
    ],
)
def test_why_our_own_sign_in_was_refused_is_said_with_what_to_do(data: str, said: str) -> None:
    error = connector_refused("dc1", "CN=rekey", bind(data))
    assert (type(error), error.cause) == (SignInRefused, f"sign-in-{data}")
    assert said in str(error)
    assert error.mend


def test_other_refusals_of_our_sign_in_are_told_apart() -> None:
    assert "encrypted" in str(connector_refused("dc1", "CN=rekey", answer(8, "00002028: LdapErr")))
    assert "no account of that name" in str(connector_refused("dc1", "CN=rekey", answer(34)))
    assert isinstance(connector_refused("dc1", "CN=rekey", answer(51)), Throttled)
    assert "80090346" in str(connector_refused("dc1", "CN=rekey", bind("80090346")))


def test_a_search_that_was_refused_is_told_apart_from_a_busy_server() -> None:
    assert isinstance(read_refused("dc1", answer(50)), RightMissing)
    assert isinstance(read_refused("dc1", answer(3)), Throttled)
    assert type(read_refused("dc1", answer(12, "00002080"))) is Refused


def test_only_eight_leading_digits_are_a_windows_code() -> None:
    assert windows_code("0000052d: AtrErr") == "0000052D"
    assert windows_code("error in module acl: 00000005:") is None
    assert windows_code("80090308 LdapErr") is None
