"""Setting a password at the pretend Graph: who may, what is accepted, what is then true."""

from datetime import timedelta

import pytest

from bot.demo.graph import Application, GraphStandIn, Tenant
from bot.demo.graph.permissions import LEAST_PRIVILEGE
from bot.demo.graph.roles import ROLES, may_reset
from tests.demo.graph.company import NEW, Caller, profile, sign_in


def test_a_patched_password_is_the_one_that_signs_in(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    before = alice.changed_at
    answer = call("PATCH", f"/users/{alice.id}", profile())
    assert (answer.status_code, answer.content) == (204, b"")
    assert northwind.signs_in(alice, NEW)
    assert not northwind.signs_in(alice, "Spring-2019!")
    assert alice.changed_at > before
    assert not alice.must_change


def test_a_password_set_without_the_flag_has_to_be_changed(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice")
    assert call("PATCH", f"/users/{alice.id}", {"passwordProfile": {"password": NEW}}).status_code == 204
    assert alice.must_change


def test_a_profile_without_a_password_is_accepted_and_does_nothing(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    said = {"passwordProfile": {"forceChangePasswordNextSignIn": False}}
    assert call("PATCH", f"/users/{alice.id}", said).status_code == 204
    assert northwind.signs_in(alice, "Spring-2019!")


def test_a_weak_password_is_refused_in_graphs_words(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    for weak in ["Sh0rt!", "alllowercaseletters", "P@ssw0rd1", "Contoso1", "Alicen0rthwind", "Ümlaut-Kennwort-9"]:
        answer = call("PATCH", f"/users/{alice.id}", profile(weak))
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "Request_BadRequest"
        assert "password complexity requirements" in answer.json()["error"]["message"]
    assert northwind.signs_in(alice, "Spring-2019!")


def test_a_word_the_tenant_banned_counts_one_point(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice")
    northwind.banned_words = ("seaside",)
    assert call("PATCH", f"/users/{alice.id}", profile("Se@side12")).status_code == 400
    assert call("PATCH", f"/users/{alice.id}", profile("Se@side-12-Walnut")).status_code == 204


def test_a_missing_permission_a_missing_role_and_a_protected_user_look_the_same(
    graph: GraphStandIn, northwind: Tenant
) -> None:
    alice, gina = northwind.user("alice"), northwind.user("gina")
    northwind.assign("Global Administrator", gina)
    without = graph.application(northwind, "No permission")
    northwind.consent(without, "User.ReadWrite.All")
    roleless = graph.application(northwind, "No role")
    northwind.consent(roleless, *LEAST_PRIVILEGE)
    answers = []
    for application, user in [(without, alice), (roleless, gina)]:
        caller = Caller(graph, sign_in(graph, northwind, application))
        answers.append(caller("PATCH", f"/users/{user.id}", profile()))
        assert caller("GET", f"/users/{user.id}").status_code == 200
        caller.close()
    assert {answer.status_code for answer in answers} == {403}
    assert {(answer.json()["error"]["code"], answer.json()["error"]["message"]) for answer in answers} == {
        ("Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    }


@pytest.mark.parametrize(("needs_role", "status"), [(False, 204), (True, 403)])
def test_whether_an_application_needs_a_role_for_ordinary_users_is_a_switch(
    graph: GraphStandIn, northwind: Tenant, needs_role: bool, status: int
) -> None:
    northwind.applications_need_role = needs_role
    application = graph.application(northwind)
    northwind.connects(application, role=None)
    caller = Caller(graph, sign_in(graph, northwind, application))
    assert caller("PATCH", f"/users/{northwind.user('alice').id}", profile()).status_code == status
    caller.close()


def test_a_forbidden_password_takes_the_rest_of_its_patch_with_it(
    graph: GraphStandIn, northwind: Tenant, rekey: Application
) -> None:
    northwind.consent(rekey, "User.ReadWrite.All")
    gina = northwind.user("gina", "Spring-2019!", display_name="Gina")
    northwind.assign("Global Administrator", gina)
    caller = Caller(graph, sign_in(graph, northwind, rekey))
    answer = caller("PATCH", f"/users/{gina.id}", {**profile(), "displayName": "Regina"})
    caller.close()
    assert answer.status_code == 403
    assert gina.display_name == "Gina"
    assert northwind.signs_in(gina, "Spring-2019!")


@pytest.mark.parametrize(
    ("held", "target", "allowed"),
    [
        ("User Administrator", "Helpdesk Administrator", True),
        ("User Administrator", "Groups Administrator", True),
        ("User Administrator", "Authentication Administrator", False),
        ("User Administrator", "Global Reader", False),
        ("Helpdesk Administrator", "Helpdesk Administrator", True),
        ("Helpdesk Administrator", "Groups Administrator", False),
        ("Authentication Administrator", "Authentication Administrator", True),
        ("Authentication Administrator", "Helpdesk Administrator", False),
        ("Password Administrator", "Directory Readers", True),
        ("Password Administrator", "Reports Reader", False),
        ("Groups Administrator", "Directory Readers", False),
        ("Privileged Role Administrator", "Directory Readers", False),
        ("Privileged Authentication Administrator", "Global Administrator", True),
        ("Global Administrator", "Privileged Role Administrator", True),
    ],
)
def test_who_may_reset_whom_is_microsofts_matrix(held: str, target: str, allowed: bool) -> None:
    assert may_reset({ROLES[held]}, target={ROLES[target]}, in_assignable_group=False) is allowed


def test_one_role_out_of_reach_protects_the_whole_user() -> None:
    reached = {ROLES["Helpdesk Administrator"]}
    held = {ROLES["User Administrator"]}
    assert may_reset(held, target=reached, in_assignable_group=True)
    assert not may_reset(held, target=reached | {ROLES["Billing Administrator"]}, in_assignable_group=False)


def test_belonging_to_a_role_assignable_group_protects_without_any_role(northwind: Tenant, call: Caller) -> None:
    member, owner, free = northwind.user("member"), northwind.user("owner"), northwind.user("free")
    northwind.group("Tier 0", assignable=True, members=[member], owners=[owner])
    northwind.group("Everybody", members=[free])
    said = [call("PATCH", f"/users/{user.id}", profile()).status_code for user in (member, owner, free)]
    assert said == [403, 403, 204]


def test_a_role_for_a_unit_reaches_its_people_and_a_restricted_unit_needs_one(
    northwind: Tenant, rekey: Application, call: Caller
) -> None:
    principal = northwind.principal_of(rekey.client_id)
    assert principal is not None
    kept = northwind.user("kept", unit="vault", restricted=True)
    clerk = northwind.user("clerk", unit="office")
    northwind.assign("Helpdesk Administrator", clerk)
    said = [call("PATCH", f"/users/{user.id}", profile()).status_code for user in (kept, clerk)]
    assert said == [403, 204]
    northwind.assign("Helpdesk Administrator", principal, scope="/administrativeUnits/vault")
    northwind.takes_away("User Administrator", principal)
    call.token = sign_in(call.graph, northwind, rekey)
    said = [call("PATCH", f"/users/{user.id}", profile()).status_code for user in (kept, clerk)]
    assert said == [204, 403]


def test_a_federated_users_password_is_not_entras_to_set(northwind: Tenant, call: Caller) -> None:
    northwind.domain("old.northwind.example", federated=True)
    alice = northwind.user("alice@old.northwind.example", "Spring-2019!")
    assert call("PATCH", f"/users/{alice.id}", profile()).status_code == 400
    assert northwind.signs_in(alice, "Spring-2019!")


@pytest.mark.parametrize(("mode", "status"), [("refused", 400), ("split", 204)])
def test_a_synced_users_password_is_refused_or_split(northwind: Tenant, call: Caller, mode: str, status: int) -> None:
    northwind.synced_patch = mode
    alice = northwind.synced_user(
        "alice", "Spring-2019!", object_guid="0a1b2c3d-0000-4000-8000-000000000001", ad_domain="acme.test", sam="alice"
    )
    assert call("PATCH", f"/users/{alice.id}", profile()).status_code == status
    assert northwind.signs_in(alice, NEW) is (mode == "split")


def test_password_hash_sync_overwrites_the_cloud_without_asking_its_rules(northwind: Tenant) -> None:
    alice = northwind.synced_user(
        "alice", "Spring-2019!", object_guid="0a1b2c3d-0000-4000-8000-000000000001", ad_domain="acme.test", sam="alice"
    )
    before = alice.changed_at
    northwind.synchronizes(alice, "short")
    assert northwind.signs_in(alice, "short")
    assert alice.changed_at > before


def test_reads_may_lag_behind_a_write(graph: GraphStandIn, northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice")
    where = f"/users/{alice.id}?$select=lastPasswordChangeDateTime"
    before = call("GET", where).json()["lastPasswordChangeDateTime"]
    northwind.lag_reads = 2
    call("PATCH", f"/users/{alice.id}", profile())
    read = [call("GET", where).json()["lastPasswordChangeDateTime"] for _ in range(3)]
    assert read[:2] == [before, before]
    assert read[2] > before
    northwind.lag_reads, northwind.lag = 0, timedelta(minutes=1)
    call("PATCH", f"/users/{alice.id}", profile("Another-Long-Walnut-77"))
    assert call("GET", where).json()["lastPasswordChangeDateTime"] == read[2]
    graph.clock.passes(timedelta(minutes=2))
    assert call("GET", where).json()["lastPasswordChangeDateTime"] >= read[2]
