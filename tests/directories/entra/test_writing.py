"""Setting passwords: what goes over the wire, what each refusal means, and what a batch says of each of its parts."""

import traceback
from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.demo.graph import User
from bot.demo.graph.faults import Denied, Fault, LostReply, LostRequest, NotJson, Throttled, Unavailable
from bot.demo.graph.permissions import LEAST_PRIVILEGE
from bot.directories.base import InBatches, KnowsItsEnd, ListsTenants, Look, SignsOut, Verdict
from bot.directories.entra import Entra, writing
from bot.errors import (
    AdminNotPermitted,
    BadInput,
    NoAnswer,
    NotFound,
    OutsideError,
    PasswordRefused,
    Refused,
    SignInRefused,
    TenantNotPermitted,
)
from bot.errors import Throttled as AskedToWait
from storage.models import Status
from tests.directories.entra.conftest import Office

NEW = SecretStr("Xk9$wortlich-Zebra")
PATCH = "PATCH /users/{id}"
BATCH = "POST /$batch"


def people(office: Office, many: int) -> list[User]:
    return [office.tenant.user(f"person{number}") for number in range(many)]


def sent(entra: Entra, users: Sequence[User], secret: SecretStr = NEW) -> list[str | OutsideError]:
    return entra.set_passwords([(user.id, secret) for user in users])


def holding(office: Office, users: Sequence[User]) -> list[bool]:
    return [office.tenant.signs_in(user, NEW.get_secret_value()) for user in users]


# ---- what is sent ----------------------------------------------------------------------------------------------------


def test_it_offers_what_the_engine_asks_for(entra: Entra) -> None:
    for offer in (InBatches, SignsOut, ListsTenants, KnowsItsEnd):
        assert isinstance(entra, offer)
    assert entra.batch == 20


@pytest.mark.parametrize("many", [1, 20])
def test_a_password_goes_alone_in_its_patch_with_the_flag_named(office: Office, entra: Entra, many: int) -> None:
    users = people(office, many)
    entra.may_rotate(users[0].id)
    before = len(office.requests())
    answers = sent(entra, users)
    assert answers == [office.graph.graph.removeprefix("https://")] * many
    assert holding(office, users) == [True] * many
    assert not any(user.must_change for user in users)
    assert len(office.requests()) - before == 1
    for asked in office.graph.asked("PATCH"):
        assert asked.body == {"passwordProfile": {"password": "string", "forceChangePasswordNextSignIn": "boolean"}}
        assert asked.batched is (many > 1)


def test_what_is_sent_is_not_shown(office: Office, entra: Entra) -> None:
    (user,) = people(office, 1)
    write = writing._password(user.id, NEW)
    assert NEW.get_secret_value() not in f"{write} {write!r}"
    office.graph.fails(PATCH, LostReply())
    (answer,) = sent(entra, [user])
    assert isinstance(answer, NoAnswer)
    shown = "".join(traceback.format_exception(answer))
    assert NEW.get_secret_value() not in shown
    assert entra._graph.token().value.get_secret_value() not in shown


def test_an_empty_password_is_never_sent(office: Office, entra: Entra) -> None:
    with pytest.raises(BadInput):
        sent(entra, people(office, 1), SecretStr(""))
    assert office.graph.asked("PATCH") == []


# ---- each part of a batch --------------------------------------------------------------------------------------------


def test_each_part_of_a_batch_has_an_answer_of_its_own(office: Office, entra: Entra) -> None:
    fine, gone, boss, locked_away, throttled = users = people(office, 5)
    office.tenant.deletes(gone)
    office.tenant.assign("Global Administrator", boss)
    locked_away.restricted = True
    office.graph.fails(PATCH, Throttled(30), user=throttled)
    answers = sent(entra, users)
    assert isinstance(answers[0], str)
    assert [type(answer) for answer in answers[1:]] == [NotFound, AdminNotPermitted, AdminNotPermitted, AskedToWait]
    assert isinstance(answers[4], AskedToWait)
    assert answers[4].retry_after == 30
    assert holding(office, users) == [True, False, False, False, False]
    assert office.tenant.signs_in(fine, NEW.get_secret_value())


def test_a_weak_password_is_refused_for_whom_it_is_weak(office: Office, entra: Entra) -> None:
    users = people(office, 2)
    answers = entra.set_passwords([(users[0].id, SecretStr("Welcome1")), (users[1].id, NEW)])
    assert isinstance(answers[0], PasswordRefused)
    assert "Welcome1" not in str(answers[0])
    assert isinstance(answers[1], str)


def test_a_lost_reply_to_a_batch_is_looked_up_for_each_and_none_is_sent_again(office: Office, entra: Entra) -> None:
    users = people(office, 3)
    standings = entra.may_rotate_all([user.id for user in users])
    office.graph.fails(PATCH, LostReply(), user=users[1])
    answers = sent(entra, users)
    assert [type(answer) for answer in answers] == [NoAnswer] * 3
    looks = [
        Look(user.id, NEW, getattr(standing, "password_set_at", None), None)
        for user, standing in zip(users, standings, strict=True)
    ]
    proofs = entra.confirm_all(looks)
    assert [getattr(proof, "verdict", proof) for proof in proofs] == [Verdict.TAKEN] * 3
    assert len(office.graph.asked("PATCH")) == 3


@pytest.mark.parametrize("fault", [NotJson(200), NotJson(502), Unavailable(504), LostRequest()])
def test_an_answer_that_does_not_say_leaves_it_open(office: Office, entra: Entra, fault: Fault) -> None:
    for route, many in ((PATCH, 1), (BATCH, 2)):
        users = people(office, many)
        entra.may_rotate(users[0].id)
        office.graph.fails(route, fault)
        answers = sent(entra, users)
        assert [type(answer) for answer in answers] == [NoAnswer] * many


@pytest.mark.parametrize("fault", [Throttled(60), Unavailable(503, 60)])
def test_a_tenant_that_asks_to_wait_is_left_alone_and_nothing_was_written(
    office: Office, entra: Entra, fault: Fault
) -> None:
    users = people(office, 2)
    entra.may_rotate(users[0].id)
    office.graph.fails(BATCH, fault)
    for _ in range(2):  # the second is not even sent
        answers = sent(entra, users)
        assert all(isinstance(answer, AskedToWait) and 55 < answer.retry_after <= 60 for answer in answers)
    assert holding(office, users) == [False, False]
    assert len([each for each in office.requests() if each.endswith("$batch") and "POST" in each]) == 3
    office.time.passes(timedelta(seconds=61))
    assert all(isinstance(answer, str) for answer in sent(entra, users))


def test_one_tenants_429_slows_only_that_tenant(office: Office, entra: Entra) -> None:
    other = Office.__new__(Office)
    other.__dict__ |= office.__dict__
    other.tenant = office.graph.tenant("fabrikam.example")
    other.tenant.connects(office.app)
    mine, theirs = people(office, 1), people(other, 1)
    office.graph.fails(PATCH, Throttled(60), tenant=office.tenant)
    assert isinstance(sent(entra, mine)[0], AskedToWait)
    assert isinstance(sent(other.connect(), theirs)[0], str)


# ---- one 403, many reasons -------------------------------------------------------------------------------------------


def test_an_administrator_out_of_reach_is_known_before_anything_is_sent(office: Office, entra: Entra) -> None:
    (boss,) = people(office, 1)
    office.tenant.assign("Global Administrator", boss)
    standing = entra.may_rotate(boss.id)
    assert (standing.allowed, standing.status, standing.cause) == (
        False,
        Status.ADMIN_NOT_PERMITTED,
        "role-administrator",
    )
    assert "Privileged Authentication Administrator" in standing.mend
    assert office.graph.asked("PATCH") == []


def test_an_administrator_within_reach_may_be_rotated(office: Office, entra: Entra) -> None:
    (helper,) = people(office, 1)
    office.tenant.assign("Helpdesk Administrator", helper)
    assert entra.may_rotate(helper.id).allowed
    assert isinstance(sent(entra, [helper])[0], str)


def test_what_a_role_for_a_part_of_the_tenant_reaches_shows_when_it_is_tried(office: Office) -> None:
    inside, outside = people(office, 2)
    principal = office.tenant.connects(office.app, role=None)
    office.tenant.assign("User Administrator", principal, scope="/administrativeUnits/sales")
    for user in (inside, outside):
        office.tenant.assign("Helpdesk Administrator", user)
    inside.unit, inside.restricted = "sales", True
    connector = office.connect()
    assert [getattr(each, "allowed", each) for each in connector.may_rotate_all([inside.id, outside.id])] == [True] * 2
    answers = sent(connector, [inside, outside])
    assert isinstance(answers[0], str)
    assert isinstance(answers[1], AdminNotPermitted)


def test_the_permission_that_is_missing_is_named_before_anything_is_sent(office: Office) -> None:
    least = [each for each in LEAST_PRIVILEGE if each != "User-PasswordProfile.ReadWrite.All"]
    office.tenant.consent(office.app, *least)
    connector, (user,) = office.connect(), people(office, 1)
    with pytest.raises(TenantNotPermitted) as caught:
        connector.may_rotate(user.id)
    assert "Additional API Permissions are Required: User-PasswordProfile.ReadWrite.All." in str(caught.value)
    (answer,) = sent(connector, [user])
    assert isinstance(answer, TenantNotPermitted)
    assert "User-PasswordProfile.ReadWrite.All" in answer.mend


def test_a_tenant_that_wants_a_role_besides_the_permission_is_told_apart(office: Office) -> None:
    office.tenant.connects(office.app, role=None)
    office.tenant.applications_need_role = True
    connector, (user,) = office.connect(), people(office, 1)
    assert connector.may_rotate(user.id).allowed, "the published texts disagree, so it is tried"
    (answer,) = sent(connector, [user])
    assert isinstance(answer, TenantNotPermitted)
    assert answer.cause == "role-missing"
    assert "User Administrator" in answer.mend
    office.tenant.applications_need_role = False
    assert isinstance(sent(connector, [user])[0], str)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Denied(401, "InvalidAuthenticationToken"), SignInRefused),
        (Denied(403, "Authorization_IdentityNotFound"), AskedToWait),
        (Denied(403, "AccessDenied", "insufficient_claims"), SignInRefused),
        (Denied(404, "Request_ResourceNotFound"), NotFound),
        (Denied(409, "Request_MultipleObjectsWithSameKeyValue"), Refused),
        (Denied(424, "FailedDependency"), AskedToWait),
        (Denied(400, "Request_BadRequest", "Something about the password."), PasswordRefused),
    ],
)
def test_other_refusals_are_what_they_are_and_the_old_password_holds(
    office: Office, entra: Entra, fault: Denied, kind: type[OutsideError]
) -> None:
    (user,) = people(office, 1)
    office.graph.fails(PATCH, fault, times=None)
    with pytest.raises(kind):
        entra.set_password(user.id, NEW)
    assert holding(office, [user]) == [False]


def test_a_synced_account_is_left_to_its_active_directory(office: Office, entra: Entra) -> None:
    guid = "6f0c1d1e-1111-4222-8333-444455556666"
    jane = office.tenant.synced_user("jane", "Corp-1!aaaaaaaa", object_guid=guid, ad_domain="corp.example", sam="jane")
    standing = entra.may_rotate(jane.id)
    assert (standing.allowed, standing.synced, standing.status) == (False, True, Status.NOT_PERMITTED)
    assert "Active Directory" in standing.reason
    (answer,) = sent(entra, [jane])
    assert isinstance(answer, Refused)
    assert (type(answer), answer.cause) == (Refused, "synced"), "and another password would not help"


def test_a_tenant_that_is_taken_from_us_halfway_stops_the_rest(office: Office, entra: Entra) -> None:
    users = people(office, 2)
    assert isinstance(sent(entra, users[:1])[0], str)
    office.app.secrets_expire()
    office.graph.tokens.forget(office.tenant)
    (answer,) = sent(entra, users[1:])
    assert isinstance(answer, SignInRefused)
    assert holding(office, users) == [True, False]


# ---- besides ---------------------------------------------------------------------------------------------------------


def test_signing_out_ends_sessions_and_may_be_repeated(office: Office, entra: Entra) -> None:
    (user,) = people(office, 1)
    entra.sign_out(user.id)
    entra.sign_out(user.id)
    assert user.times_revoked == 2
    assert [each.body for each in office.graph.asked("POST", "revokeSignInSessions")] == [None, None]


def test_signing_out_without_the_permission_names_it(office: Office, entra: Entra) -> None:
    (user,) = people(office, 1)
    office.tenant.withdraws(office.app, "User.RevokeSessions.All")
    with pytest.raises(TenantNotPermitted) as caught:
        entra.sign_out(user.id)
    assert "User.RevokeSessions.All" in caught.value.mend


def test_nobody_lifts_a_lockout_of_entras_and_it_is_said(office: Office, entra: Entra) -> None:
    (user,) = people(office, 1)
    with pytest.raises(Refused) as caught:
        entra.unlock(user.id)
    assert "by itself" in str(caught.value)
