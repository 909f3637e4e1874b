"""The published limits, batches, and whatever goes wrong on the way."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import requests

from bot.demo.graph import Application, GraphStandIn, Limits, Tenant
from bot.demo.graph.faults import Denied, Fault, Hold, LostReply, LostRequest, NotJson, Slow, Throttled, Unavailable
from tests.demo.graph.company import NEW, Caller, ask_token, profile, sign_in

OTHER = "Another-Long-Walnut-77"


def item(name: str, user: str, password: str = NEW, **more: Any) -> dict[str, Any]:
    """One PATCH of a batch."""
    headers = {"Content-Type": "application/json"}
    whole = {"id": name, "method": "PATCH", "url": f"/users/{user}", "headers": headers, "body": profile(password)}
    return {**whole, **more}


def answers(call: Caller, *items: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each item of a batch got."""
    said = call("POST", "/$batch", {"requests": list(items)})
    assert said.status_code == 200
    return {one["id"]: one for one in said.json()["responses"]}


def test_a_batch_answers_each_item_by_its_name_and_in_no_order(northwind: Tenant, call: Caller) -> None:
    users = [northwind.user(f"user{number}") for number in range(20)]
    northwind.assign("Global Administrator", users[3])
    said = call("POST", "/$batch", {"requests": [item(str(n), user.id) for n, user in enumerate(users)]}).json()
    assert [one["id"] for one in said["responses"]] != [str(number) for number in range(20)]
    statuses = {one["id"]: one["status"] for one in said["responses"]}
    assert statuses == {str(number): 403 if number == 3 else 204 for number in range(20)}
    assert all("body" not in one for one in said["responses"] if one["status"] == 204)
    assert northwind.signs_in(users[7], NEW)


def test_a_batch_that_is_not_well_formed_is_refused_whole(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    good = item("1", alice.id)
    for wrong in [
        [item(str(number), alice.id) for number in range(21)],
        [good, good],
        [{**good, "headers": {}}],
        [{**good, "url": f"https://graph.microsoft.com/v1.0/users/{alice.id}"}],
        [{**good, "dependsOn": ["2"]}],
        [{**good, "id": 1}],
        [],
    ]:
        assert call("POST", "/$batch", {"requests": wrong}).status_code == 400
    assert northwind.signs_in(alice, "Spring-2019!")


def test_what_depends_on_a_failure_is_not_done(northwind: Tenant, call: Caller) -> None:
    alice, gina = northwind.user("alice"), northwind.user("gina")
    northwind.assign("Global Administrator", gina)
    said = answers(call, item("1", gina.id), item("2", alice.id, dependsOn=["1"]), item("3", alice.id))
    assert [said[name]["status"] for name in "123"] == [403, 424, 204]


def test_writes_are_limited_for_each_application_and_tenant() -> None:
    with GraphStandIn(limits=Limits(writes=5, writes_window=timedelta(seconds=15))) as small:
        tenants = [small.tenant("one.example"), small.tenant("two.example")]
        application = small.application(tenants[0])
        callers = []
        for tenant in tenants:
            tenant.connects(application)
            callers.append(Caller(small, sign_in(small, tenant, application)))
        users = [tenant.user("alice") for tenant in tenants]
        for _ in range(5):
            told = callers[0]("PATCH", f"/users/{users[0].id}", profile())
            assert told.status_code == 204
        assert told.headers["x-ms-resource-unit"] == "1"
        assert told.headers["x-ms-throttle-limit-percentage"] == "0.80"
        over = callers[0]("PATCH", f"/users/{users[0].id}", profile())
        assert (over.status_code, over.json()["error"]["code"]) == (429, "TooManyRequests")
        assert 1 <= int(over.headers["Retry-After"]) <= 15
        assert over.headers["x-ms-throttle-information"] == "WriteLimitExceeded"
        batched = answers(callers[0], item("1", users[0].id))["1"]
        assert (batched["status"], int(batched["headers"]["Retry-After"]) > 0) == (429, True)
        assert callers[0]("GET", "/users").status_code == 200
        assert callers[1]("PATCH", f"/users/{users[1].id}", profile()).status_code == 204
        small.clock.passes(timedelta(seconds=15))
        assert callers[0]("PATCH", f"/users/{users[0].id}", profile()).status_code == 204
        for caller in callers:
            caller.close()


def test_reads_are_limited_in_units_that_options_make_dearer_or_cheaper(
    graph: GraphStandIn, northwind: Tenant, rekey: Application
) -> None:
    graph.throttling.limits = Limits(units_small=10)
    caller = Caller(graph, sign_in(graph, northwind, rekey))
    costs = [
        caller("GET", where).headers["x-ms-resource-unit"]
        for where in ("/users", "/users?$select=id", "/users?$select=id&$top=5", "/groups/x/members")
    ]
    assert costs == ["2", "1", "1", "3"]
    assert [caller("GET", "/users").status_code for _ in range(2)] == [200, 429]
    northwind.size = 600
    graph.throttling.limits = Limits(units_small=10, units_large=100)
    assert caller("GET", "/users").status_code == 200
    caller.close()


def test_a_lost_reply_leaves_the_new_password_and_a_lost_request_the_old(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    call.graph.fails("PATCH /users/{id}", LostRequest(), user=alice)
    call.graph.fails("PATCH /users/{id}", LostReply(), user=alice)
    with pytest.raises(requests.ConnectionError):
        call("PATCH", f"/users/{alice.id}", profile())
    assert northwind.signs_in(alice, "Spring-2019!")
    with pytest.raises(requests.ConnectionError):
        call("PATCH", f"/users/{alice.id}", profile())
    assert northwind.signs_in(alice, NEW)
    assert [one.status for one in call.graph.asked("PATCH")] == [0, 0]


def test_a_lost_item_loses_the_whole_batchs_reply(northwind: Tenant, call: Caller) -> None:
    alice, bob = northwind.user("alice", "Spring-2019!"), northwind.user("bob", "Spring-2019!")
    call.graph.fails("PATCH /users/{id}", LostRequest(), user=alice)
    with pytest.raises(requests.ConnectionError):
        call("POST", "/$batch", {"requests": [item("1", alice.id), item("2", bob.id)]})
    assert northwind.signs_in(alice, "Spring-2019!")
    assert northwind.signs_in(bob, NEW)


def test_whatever_goes_wrong_on_demand_leaves_everything_as_it_was(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    faults: list[tuple[Fault, int]] = [
        (Throttled(7), 429),
        (Unavailable(retry_after=3), 503),
        (Unavailable(504), 504),
        (NotJson(), 502),
        (Denied(403, "Authorization_RequestDenied"), 403),
    ]
    for fault, status in faults:
        call.graph.fails("PATCH /users/{id}", fault)
        answer = call("PATCH", f"/users/{alice.id}", profile())
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == {429: "7", 503: "3"}.get(status)
        assert answer.headers["content-type"].startswith("text/html") is (status == 502)
        assert northwind.signs_in(alice, "Spring-2019!")
    call.graph.fails("any", Throttled(1), times=None, user=alice)
    assert answers(call, item("1", alice.id))["1"]["status"] == 429
    call.graph.heals()
    call.graph.fails("PATCH /users/{id}", Slow(timedelta(milliseconds=1)))
    assert call("PATCH", f"/users/{alice.id}", profile()).status_code == 204


def test_a_call_that_is_let_go_may_still_be_lost(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    held = Hold(taken=False)
    held.let_go.set()
    call.graph.fails("PATCH /users/{id}", held)
    with pytest.raises(requests.ConnectionError):
        call("PATCH", f"/users/{alice.id}", profile())
    assert northwind.signs_in(alice, "Spring-2019!")


def test_a_call_can_be_held_and_let_go(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice", "Spring-2019!")
    held = Hold()
    call.graph.fails("PATCH /users/{id}", held)
    patching = threading.Thread(target=call, args=["PATCH", f"/users/{alice.id}", profile()])
    patching.start()
    assert held.reached.wait(10)
    assert northwind.signs_in(alice, "Spring-2019!")
    held.let_go.set()
    patching.join(10)
    assert northwind.signs_in(alice, NEW)


def test_the_token_endpoint_fails_on_demand_too(graph: GraphStandIn, northwind: Tenant, rekey: Application) -> None:
    form = {"client_id": rekey.client_id, "client_secret": rekey.secret()}
    graph.fails("POST /{tenant}/oauth2/v2.0/token", Unavailable(retry_after=2))
    answer = ask_token(graph, northwind, **form)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    graph.faults.away = True
    with pytest.raises(requests.ConnectionError):
        ask_token(graph, northwind, **form)
    graph.heals()
    assert ask_token(graph, northwind, **form).status_code == 200


def test_sessions_end_where_they_are_revoked(northwind: Tenant, call: Caller) -> None:
    alice = northwind.user("alice")
    answer = call("POST", f"/users/{alice.id}/revokeSignInSessions")
    assert (answer.status_code, answer.json()["value"]) == (200, True)
    assert alice.times_revoked == 1
    assert call("POST", f"/users/{alice.id}/revokeSignInSessions", {"force": True}).status_code == 400


def test_requests_are_kept_without_their_secrets(northwind: Tenant, rekey: Application, call: Caller) -> None:
    alice = northwind.user("alice")
    call("PATCH", f"/users/{alice.id}", profile())
    answers(call, item("1", alice.id, OTHER))
    kept = repr(list(call.graph.requests))
    secrets = [NEW, OTHER, call.token, rekey.secrets[0].value]
    assert [secret for secret in secrets if secret in kept] == []
    (alone, batched) = call.graph.asked("PATCH")
    assert alone.body == {"passwordProfile": {"password": "string", "forceChangePasswordNextSignIn": "boolean"}}
    assert (alone.batched, batched.batched, batched.body) == (False, True, alone.body)
