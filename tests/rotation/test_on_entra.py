"""Rotations in Microsoft Entra ID, by the real connector on the pretend Microsoft; and of a person in both worlds."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot.demo.graph import GraphStandIn, Tenant
from bot.demo.graph.faults import Denied, LostReply, LostRequest, Throttled
from bot.demo.graph.people import User
from bot.demo.practice_faults import Fault
from bot.directories.entra import Entra, connector
from bot.discovery import sync
from bot.errors import OutsideError
from bot.rotation.planning import preview
from storage.models import Account, Record, RotationState, Status
from tests.rotation.entra_world import EntraWorld
from tests.rotation.world import ADMINISTRATOR
from tests.storage.databases import migrated_database

OLD = "Old-pass-0001!"
PATCH, REVOKE = "PATCH /users/{id}", "POST /users/{id}/revokeSignInSessions"


@pytest.fixture(scope="module")
def graph() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        yield running


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, graph: GraphStandIn) -> Iterator[EntraWorld]:
    graph.heals()
    graph.requests.clear()
    with migrated_database("sqlite", request, tmp_path) as database:
        yield cast(EntraWorld, EntraWorld.build(database, tmp_path))


@pytest.fixture
def northwind(world: EntraWorld, graph: GraphStandIn) -> Tenant:
    return world.tenant(graph, "northwind")


def patched(graph: GraphStandIn, user: User) -> int:
    """How often somebody asked to change this user."""
    return len(graph.asked("PATCH", user.id))


def people(world: EntraWorld, tenant: Tenant, many: int) -> tuple[list[User], list[Record]]:
    users = [tenant.user(f"user{number}", OLD) for number in range(many)]
    return users, [world.matched(f"user{number}", {"northwind": f"user{number}"}) for number in range(many)]


def test_a_cloud_user_gets_the_password_that_the_vault_holds(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    [jane], [record] = people(world, northwind, 1)
    world.asks(record)
    world.drains_until_ended(record)
    assert world.status(record)[0].status is Status.SUCCESSFUL, world.status(record)[0].reason
    assert northwind.signs_in(jane, world.password(record) or "")
    assert not jane.must_change
    assert patched(graph, jane) == 1


@pytest.mark.parametrize("fault", [LostReply(), LostRequest()], ids=["reply", "request"])
def test_what_was_lost_on_the_way_is_looked_up_and_never_a_second_password(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant, fault: LostReply | LostRequest
) -> None:
    [jane], [record] = people(world, northwind, 1)
    graph.fails("POST /$batch", fault)
    graph.fails(PATCH, fault)
    world.asks(record)
    world.drains_until_ended(record)
    assert world.status(record)[0].status is Status.SUCCESSFUL
    assert len(world.revisions(record)) == 2
    assert northwind.signs_in(jane, world.password(record) or "")


def test_an_item_that_is_throttled_is_sent_later_and_the_others_of_its_batch_are_not_sent_again(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    users, records = people(world, northwind, 6)
    graph.fails(PATCH, Throttled(retry_after=1), user=users[2])
    world.asks(*records)
    world.drains_until_ended(*records)
    assert {each.status for each in world.status(*records)} == {Status.SUCCESSFUL}
    assert all(northwind.signs_in(user, world.password(r) or "") for user, r in zip(users, records, strict=True))
    assert [patched(graph, user) for user in users] == [1, 1, 2, 1, 1, 1]


def test_an_administrator_our_role_may_not_reset_is_said_beforehand_and_never_written(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    [boss], [record] = people(world, northwind, 1)
    northwind.assign("Global Administrator", boss)
    connection = world.connections["northwind"]
    with world.open_directory(connection) as directory:
        sync(world.database, world.trail, connection.id, directory)
    with world.database.reading() as session:
        [plan] = preview(session, ADMINISTRATOR, [(world.organization, record)], by_name=True)
    assert plan.status is Status.ADMIN_NOT_PERMITTED
    assert "Privileged Authentication Administrator" in plan.reason
    assert world.rotates(record)[0].status is Status.ADMIN_NOT_PERMITTED
    assert patched(graph, boss) == 0


def test_whoever_became_an_administrator_since_is_found_out_before_anything_is_written(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "_KNOWN_FOR", 0.0)
    [boss], [record] = people(world, northwind, 1)
    northwind.assign("Global Administrator", boss)
    [stands] = world.rotates(record)
    assert stands.status is Status.ADMIN_NOT_PERMITTED
    assert patched(graph, boss) == 0
    assert len(world.revisions(record)) == 1, "a password was made for nothing"


def test_without_the_permission_nothing_is_written_and_it_is_named_with_what_mends_it(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    northwind.withdraws(world.apps["northwind"], "User-PasswordProfile.ReadWrite.All")
    users, records = people(world, northwind, 3)
    stands = world.rotates(*records)
    assert {each.status for each in stands} == {Status.MULTI_TENANT_NOT_PERMITTED}
    assert "Additional API Permissions are Required: User-PasswordProfile.ReadWrite.All" in stands[0].reason
    assert "adminconsent" in stands[0].mend
    assert [patched(graph, user) for user in users] == [0, 0, 0]


def test_an_expired_secret_is_an_api_error_and_no_password_was_touched(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    _users, [record] = people(world, northwind, 1)
    world.ways["northwind"]["credential"] = '{"client_secret": "wrong"}'
    [stands] = world.rotates(record)
    assert stands.status is Status.API_ERROR
    assert "No password was touched" in stands.reason
    assert graph.asked("PATCH") == []


def test_consent_withdrawn_in_the_middle_leaves_the_rest_alone(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, records = people(world, northwind, 45)

    original = Entra.set_passwords

    def consent_ends(entra: Entra, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        if graph.asked("PATCH"):
            northwind.withdraws(world.apps["northwind"], "User-PasswordProfile.ReadWrite.All")
        return original(entra, writes)

    monkeypatch.setattr(Entra, "set_passwords", consent_ends)
    stands = world.rotates(*records)

    done = [each.status is Status.SUCCESSFUL for each in stands]
    assert 0 < sum(done) < 45
    refused = [each for each in stands if each.status is not Status.SUCCESSFUL]
    assert {each.status for each in refused} == {Status.MULTI_TENANT_NOT_PERMITTED}
    assert all("adminconsent" in each.mend for each in refused)
    for user, record, ok in zip(users, records, done, strict=True):
        assert northwind.signs_in(user, (world.password(record) or "") if ok else OLD)


# ---- in both worlds --------------------------------------------------------------------------------------------------


@pytest.fixture
def both(world: EntraWorld, northwind: Tenant) -> Record:
    """Jane in corp, and a cloud user of her own that nobody syncs: one record, two writes."""
    world.directory("corp").person("jane", OLD)
    northwind.user("jane", OLD)
    return world.matched("jane", {"corp": "jane", "northwind": "jane"})


def test_a_record_in_both_gets_one_password_in_both(world: EntraWorld, northwind: Tenant, both: Record) -> None:
    world.asks(both)
    world.drains_until_ended(both)
    assert world.status(both)[0].status is Status.SUCCESSFUL, world.status(both)[0].reason
    assert northwind.signs_in(northwind.the("jane"), world.password(both) or "")
    assert world.domains["corp"].holds("jane", world.password(both) or "")


def test_when_the_cloud_refuses_for_good_active_directory_is_put_back(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant, both: Record
) -> None:
    graph.fails(PATCH, Denied(400, "Request_BadRequest", "Refused."), times=None)
    world.asks(both)
    world.drains_until_ended(both)
    [stands] = world.status(both)
    assert stands.rotation is not None
    assert stands.rotation.state == RotationState.PUT_BACK, stands.reason
    assert world.domains["corp"].holds("jane", OLD)
    assert northwind.signs_in(northwind.the("jane"), OLD)
    assert world.password(both) == OLD


@pytest.mark.parametrize("where", ["corp", "northwind"])
@pytest.mark.parametrize("lost", ["reply", "request"])
def test_a_loss_in_either_ends_with_one_password_in_both(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant, both: Record, where: str, lost: str
) -> None:
    if where == "corp":
        world.domains["corp"].fails("set_password", with_=Fault.LOST_AFTER if lost == "reply" else Fault.LOST_BEFORE)
    else:
        graph.fails(PATCH, LostReply() if lost == "reply" else LostRequest())
    world.asks(both)
    world.drains_until_ended(both)
    assert world.status(both)[0].status is Status.SUCCESSFUL, world.status(both)[0].reason
    assert northwind.signs_in(northwind.the("jane"), world.password(both) or "")
    assert world.domains["corp"].holds("jane", world.password(both) or "")
    assert len(world.revisions(both)) == 2


def test_a_synced_user_is_never_patched_and_followed_through_hash_sync(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    jane = world.directory("corp").person("jane", OLD)
    northwind.synced = True
    user = northwind.synced_user("jane", OLD, object_guid=jane.object_id, ad_domain="corp.test", sam="jane")
    record = world.matched("jane", {"corp": "jane", "northwind": "jane"})
    with world.database.reading() as session:
        assert len({account.person for account in session.exec(select(Account))}) == 1, "one person by immutable id"

    world.asks(record)
    world.drains()
    assert "takes it over by itself" in world.status(record)[0].reason
    northwind.synchronizes(user, world.domains["corp"].account("jane").password)
    world.hastens_watches(timedelta(minutes=2))

    assert world.status(record)[0].status is Status.SUCCESSFUL
    assert "northwind has taken it over" in world.status(record)[0].reason
    assert northwind.signs_in(user, world.password(record) or "")
    assert patched(graph, user) == 0


def test_a_synced_user_of_a_federated_domain_has_no_password_to_follow_and_stops_nothing(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    jane = world.directory("corp").person("jane", OLD)
    northwind.domain("adfs.example", federated=True)
    user = northwind.synced_user(
        "jane@adfs.example", OLD, object_guid=jane.object_id, ad_domain="corp.test", sam="jane"
    )
    record = world.matched("jane", {"corp": "jane", "northwind": "jane"})
    world.asks(record)
    world.drains()
    [stands] = world.status(record)
    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert "nothing was watched there" in stands.reason
    assert patched(graph, user) == 0


def test_a_synced_user_alone_is_not_permitted(world: EntraWorld, graph: GraphStandIn, northwind: Tenant) -> None:
    guid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    user = northwind.synced_user("jane", OLD, object_guid=guid, ad_domain="corp.test", sam="jane")
    record = world.matched("jane", {"northwind": "jane"})
    [stands] = world.rotates(record)
    assert stands.status is Status.NOT_PERMITTED
    assert "connect it" in stands.reason
    assert patched(graph, user) == 0


def test_signing_out_ends_sessions_after_the_proof_and_a_refusal_fails_nothing(
    world: EntraWorld, graph: GraphStandIn, northwind: Tenant
) -> None:
    [jane, joe], records = people(world, northwind, 2)
    graph.fails(REVOKE, Denied(403, "Authorization_RequestDenied"), user=joe, times=None)
    world.asks(*records, sign_out=True)
    world.drains_until_ended(*records)
    world.drains()
    stands = world.status(*records)
    assert [each.status for each in stands] == [Status.SUCCESSFUL, Status.SUCCESSFUL]
    assert (jane.times_revoked, joe.times_revoked) == (1, 0)
    assert "nobody was signed out" in stands[1].reason
