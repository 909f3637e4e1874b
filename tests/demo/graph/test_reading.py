"""What the pretend Graph shows, how it pages, and that both sides agree with Microsoft's published description."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.demo.graph import Application, GraphStandIn, Tenant
from bot.demo.graph.delta import LIFETIME
from bot.demo.graph.faults import ForeignLink
from bot.demo.graph.permissions import APPLICATION, GRAPH_APP_ID, LEAST_PRIVILEGE
from bot.demo.graph.recording import Recorded
from bot.demo.graph.roles import ROLES
from tests.demo.graph.company import Caller, profile, sign_in
from tests.graph_description import PublishedGraph

GUID = "0a1b2c3d-0000-4000-8000-000000000001"
SELECTED = (
    "id,userPrincipalName,mail,accountEnabled,onPremisesSyncEnabled,onPremisesImmutableId,onPremisesSamAccountName,"
    "onPremisesDomainName,lastPasswordChangeDateTime,passwordPolicies,userType,assignedLicenses,isManagementRestricted"
)


def test_a_property_comes_only_when_it_is_selected(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice")
    plain = call("GET", f"/users/{alice.id}").json()
    assert {"id", "userPrincipalName", "mail"} <= plain.keys()
    assert "accountEnabled" not in plain
    (listed,) = call("GET", f"/users?$select={SELECTED}").json()["value"]
    assert listed.keys() == set(SELECTED.split(","))
    assert listed["onPremisesSyncEnabled"] is None


def test_a_synced_user_carries_its_guid_as_windows_stores_it(northwind: Tenant, call: Caller) -> None:
    alice = northwind.synced_user("alice", "Spring-2019!", object_guid=GUID, ad_domain="acme.test", sam="alice")
    shown = call("GET", f"/users/{alice.id}?$select={SELECTED}").json()
    assert shown["onPremisesImmutableId"] == "PSwbCgAAAECAAAAAAAAAAQ=="
    assert shown["onPremisesSyncEnabled"] is True
    assert shown["onPremisesDomainName"] == "acme.test"


def test_what_graph_does_not_do_is_refused(call: Caller) -> None:
    for where, status, code in [
        ("/users?$select=nickname", 400, "BadRequest"),
        ("/users?$select=aboutMe", 501, "NotImplemented"),
        ("/users?$top=1000", 400, "Request_BadRequest"),
        ("/users?$skip=10", 400, "Request_BadRequest"),
        ("/users?$orderby=displayName", 400, "Request_BadRequest"),
        ("/users/nobody@northwind.example", 404, "Request_ResourceNotFound"),
        ("/users/delta?$top=10", 400, "Request_BadRequest"),
        ("/users/delta?$select=aboutMe", 400, "Request_BadRequest"),
        (
            "/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members",
            404,
            "Request_ResourceNotFound",
        ),
        ("/me", 400, "BadRequest"),
        ("/users/delta?$deltatoken=made-up", 400, "BadRequest"),
        ("/users?$skiptoken=made-up", 400, "BadRequest"),
    ]:
        answer = call("GET", where)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert error["innerError"]["client-request-id"]


def test_a_page_has_a_hundred_users_or_as_many_as_asked_for(northwind: Tenant, call: Caller) -> None:
    names = {northwind.user(f"user{number}").name for number in range(205)}
    first = call("GET", "/users").json()
    assert len(first["value"]) == 100
    assert {user["userPrincipalName"] for user in call.everything("/users?$top=150&$select=userPrincipalName")} == names
    last = call("GET", "/users?$top=205").json()
    assert "@odata.nextLink" not in last


def test_a_page_may_be_empty_and_yet_not_the_last(northwind: Tenant, call: Caller) -> None:
    alice, bob = northwind.user("alice"), northwind.user("bob")
    northwind.empty_pages = True
    first = call("GET", "/users?$select=id").json()
    assert first["value"] == []
    assert {user["id"] for user in call.everything(first["@odata.nextLink"])} == {alice.id, bob.id}


def test_a_next_link_works_only_as_it_was_given(northwind: Tenant, call: Caller) -> None:
    for number in range(3):
        northwind.user(f"user{number}")
    link = call("GET", "/users?$top=1&$select=id").json()["@odata.nextLink"]
    assert call("GET", link.replace("$select=id&", "")).status_code == 400
    assert call("GET", link).status_code == 200
    call.graph.pages.expire()
    assert call("GET", link).json()["error"]["code"] == "Directory_ExpiredPageToken"


def test_a_link_can_be_made_to_lead_elsewhere(northwind: Tenant, call: Caller) -> None:
    northwind.user("alice"), northwind.user("bob")
    call.graph.fails("GET /users", ForeignLink("https://elsewhere.example"))
    link = call("GET", "/users?$top=1").json()["@odata.nextLink"]
    assert link.startswith("https://elsewhere.example/v1.0/users?")


def test_a_delta_shows_everybody_once_and_then_what_changed(northwind: Tenant, call: Caller) -> None:
    alice, bob = northwind.user("alice"), northwind.user("bob")
    round_one = call("GET", "/users/delta?$select=userPrincipalName").json()
    assert {user["id"] for user in round_one["value"]} == {alice.id, bob.id}
    link = round_one["@odata.deltaLink"]
    assert call("GET", link).json()["value"] == []
    northwind.renames(alice, "alicia")
    northwind.deletes(bob)
    carol = northwind.user("carol")
    changed = call("GET", link).json()["value"]
    assert changed == [
        {"id": alice.id, "userPrincipalName": alice.name},
        {"id": bob.id, "@removed": {"reason": "changed"}},
        {"id": carol.id, "userPrincipalName": carol.name},
    ]
    northwind.delta_repeats = True
    assert len(call("GET", link).json()["value"]) > 3


def test_a_delta_can_begin_with_nothing(northwind: Tenant, call: Caller) -> None:
    northwind.user("alice")
    begun = call("GET", "/users/delta?$select=id&$deltaToken=latest").json()
    assert begun["value"] == []
    bob = northwind.user("bob")
    assert [user["id"] for user in call("GET", begun["@odata.deltaLink"]).json()["value"]] == [bob.id]


def test_whether_a_delta_tells_of_a_new_password_is_a_switch(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice")
    link = call("GET", "/users/delta?$select=lastPasswordChangeDateTime").json()["@odata.deltaLink"]
    call("PATCH", f"/users/{alice.id}", profile())
    assert call("GET", link).json()["value"] == []
    northwind.delta_tracks_password_changes = True
    call("PATCH", f"/users/{alice.id}", profile("Another-Long-Walnut-77"))
    assert [user["id"] for user in call("GET", link).json()["value"]] == [alice.id]


def test_a_delta_link_of_last_week_or_after_a_reset_begins_again(
    graph: GraphStandIn, northwind: Tenant, rekey: Application, call: Caller
) -> None:
    alice = northwind.user("alice")
    link = call("GET", "/users/delta?$select=id").json()["@odata.deltaLink"]
    graph.deltas.resync()
    gone = call("GET", link)
    assert gone.status_code == 410
    again = call("GET", gone.headers["Location"]).json()
    assert [user["id"] for user in again["value"]] == [alice.id]
    graph.clock.passes(LIFETIME)
    call.token = sign_in(graph, northwind, rekey)
    assert call("GET", again["@odata.deltaLink"]).json()["error"]["code"] == "syncStateNotFound"


def test_roles_are_read_with_whoever_holds_them(northwind: Tenant, call: Caller) -> None:
    gina, petra = northwind.user("gina"), northwind.user("petra")
    admins = northwind.group("Admins", assignable=True, members=[petra])
    northwind.assign("Global Administrator", gina)
    northwind.assign("Helpdesk Administrator", admins)
    northwind.assign("Exchange Administrator", petra, eligible=True)
    rows = call("GET", "/roleManagement/directory/roleAssignments?$expand=principal").json()["value"]
    holders = {row["principalId"]: row["principal"]["@odata.type"] for row in rows}
    assert holders[gina.id] == "#microsoft.graph.user"
    assert holders[admins.id] == "#microsoft.graph.group"
    assert {row["principalOrganizationId"] for row in rows} == {northwind.id}
    role = ROLES["Global Administrator"]
    one = call("GET", f"/roleManagement/directory/roleAssignments?$filter=roleDefinitionId eq '{role}'").json()
    assert [row["principalId"] for row in one["value"]] == [gina.id]
    members = call("GET", f"/directoryRoles(roleTemplateId='{role}')/members").json()["value"]
    assert [member["id"] for member in members] == [gina.id]
    groups = call("GET", "/groups?$filter=isAssignableToRole eq true&$select=id,displayName").json()["value"]
    assert groups == [{"id": admins.id, "displayName": "Admins"}]
    assert [row["id"] for row in call("GET", f"/groups/{admins.id}/members").json()["value"]] == [petra.id]
    assert call("GET", f"/groups/{admins.id}/owners").json()["value"] == []
    (eligible,) = call("GET", "/roleManagement/directory/roleEligibilitySchedules").json()["value"]
    assert eligible["principalId"] == petra.id
    northwind.license = "P1"
    answer = call("GET", "/roleManagement/directory/roleEligibilitySchedules")
    assert answer.json()["error"]["code"] == "AadPremiumLicenseRequired"


def test_members_whom_the_caller_may_not_read_are_only_ids(graph: GraphStandIn, northwind: Tenant) -> None:
    group = northwind.group("Admins", assignable=True, members=[northwind.user("alice")])
    lesser = graph.application(northwind, "Lesser")
    northwind.consent(lesser, "GroupMember.Read.All")
    caller = Caller(graph, sign_in(graph, northwind, lesser))
    (member,) = caller("GET", f"/groups/{group.id}/members").json()["value"]
    caller.close()
    assert member["userPrincipalName"] is None
    assert member["id"]


def test_the_application_can_read_what_it_was_granted_and_when_its_secrets_end(
    graph: GraphStandIn, northwind: Tenant, rekey: Application, call: Caller
) -> None:
    principal = call("GET", f"/servicePrincipals(appId='{rekey.client_id}')?$select=id,displayName").json()
    granted = call.everything(f"/servicePrincipals/{principal['id']}/appRoleAssignments")
    assert {row["appRoleId"] for row in granted} == {APPLICATION[name] for name in LEAST_PRIVILEGE}
    microsoft = call("GET", f"/servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id,appRoles").json()
    assert {row["resourceId"] for row in granted} == {microsoft["id"]}
    northwind.consent(rekey, "Directory.Read.All", delegated=["User.Read.All"])
    call.token = sign_in(graph, northwind, rekey)
    (grant,) = call.everything(f"/servicePrincipals(appId='{rekey.client_id}')/oauth2PermissionGrants")
    assert grant["scope"] == "User.Read.All"
    rekey.secret(ends_in=timedelta(days=7))
    shown = call("GET", f"/applications(appId='{rekey.client_id}')?$select=passwordCredentials,keyCredentials").json()
    assert len(shown["passwordCredentials"]) == 2
    assert all(row["secretText"] is None for row in shown["passwordCredentials"])
    elsewhere = graph.tenant("customer.example")
    elsewhere.connects(rekey)
    call.token = sign_in(graph, elsewhere, rekey)
    assert call("GET", f"/applications(appId='{rekey.client_id}')").status_code == 404


def test_a_tenant_says_what_it_is(northwind: Tenant, call: Caller) -> None:
    northwind.domain("northwind.onmicrosoft.example", initial=True)
    northwind.domain("old.northwind.example", federated=True)
    (shown,) = call("GET", "/organization?$select=id,displayName,verifiedDomains,onPremisesSyncEnabled").json()["value"]
    assert shown["displayName"] == "Northwind Traders"
    assert [domain["name"] for domain in shown["verifiedDomains"] if domain["isDefault"]] == ["northwind.example"]
    domains = {row["id"]: row["authenticationType"] for row in call("GET", "/domains").json()["value"]}
    assert domains["old.northwind.example"] == "Federated"
    assert call("GET", "/directory/onPremisesSynchronization").status_code == 403


def test_every_call_here_agrees_with_the_published_description(
    graph: GraphStandIn, northwind: Tenant, rekey: Application, call: Caller
) -> None:
    alice = northwind.user("alice")
    call("GET", f"/users?$select={SELECTED}&$top=999")
    call("GET", "/users/delta?$select=id,displayName")
    call("PATCH", f"/users/{alice.id}", profile())
    call("POST", f"/users/{alice.id}/revokeSignInSessions")
    call("GET", "/roleManagement/directory/roleAssignments?$expand=principal")
    call("GET", "/roleManagement/directory/roleEligibilitySchedules?$expand=principal")
    call("GET", "/directoryRoles(roleTemplateId='x')/members")
    call("GET", "/groups?$filter=isAssignableToRole eq true")
    call("GET", f"/servicePrincipals(appId='{rekey.client_id}')/appRoleAssignments")
    call("GET", f"/applications(appId='{rekey.client_id}')?$select=passwordCredentials,keyCredentials")
    call("GET", "/organization?$select=verifiedDomains")
    call("GET", "/domains?$select=id,authenticationType")
    call("GET", "/contracts?$select=customerId,defaultDomainName")
    call("GET", "/directory/onPremisesSynchronization")
    call("GET", "/tenantRelationships/delegatedAdminCustomers?$select=tenantId")
    call("GET", "/tenantRelationships/delegatedAdminRelationships?$filter=status eq 'active'")
    call("GET", "/tenantRelationships/delegatedAdminRelationships/x/accessAssignments")
    patch = {"id": "1", "method": "PATCH", "url": f"/users/{alice.id}", "body": profile()}
    call("POST", "/$batch", {"requests": [{**patch, "headers": {"Content-Type": "application/json"}}]})
    PublishedGraph().check(graph.requests)
    assert len(graph.requests) > 18


SENT = Recorded(
    "PATCH", "/v1.0/users/x", {}, frozenset({"content-type"}), {"passwordProfile": {"password": "string"}}, 204, None
)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(SENT, path="/v1.0/user/x"),
        replace(SENT, path="/v1.0/users/x/passwordProfile"),
        replace(SENT, path="/v1.0/users(upn='x')"),
        replace(SENT, path="/v1.0/users"),
        replace(SENT, method="PUT"),
        replace(SENT, headers=frozenset()),
        replace(SENT, body={"passwordProfil": {}}),
        replace(SENT, body={"passwordProfile": {"pasword": "string"}}),
        replace(SENT, body={"passwordProfile": {"forceChangePasswordNextSignIn": "string"}}),
        replace(SENT, method="GET"),
        replace(SENT, method="GET", body=None, query={"$select": "sAMAccountName"}),
        replace(SENT, method="GET", body=None, query={"$expand": "roles"}),
        replace(SENT, method="GET", body=None, query={"$filter": "upn eq 'x'"}),
        replace(SENT, method="GET", body=None, path="/v1.0/users/x/revokeSignInSessions"),
        replace(SENT, method="POST", path="/v1.0/users/x/revokeSignInSessions"),
        replace(SENT, method="POST", path="/v1.0/$batch", body={"requests": [{"id": "string"}]}),
    ],
)
def test_a_request_that_is_not_published_is_found(wrong: Recorded) -> None:
    PublishedGraph().check([SENT])
    with pytest.raises(AssertionError):
        PublishedGraph().check([wrong])


def test_nothing_is_answered_without_a_token(graph: GraphStandIn) -> None:
    for token in ("", "made-up"):
        caller = Caller(graph, token)
        answer = caller("GET", "/users")
        caller.close()
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
