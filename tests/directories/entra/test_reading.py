"""Listing a tenant: how many requests it takes, what a delta can and cannot say, and what everybody is."""

import json
from datetime import timedelta

import pytest

from bot.demo.graph.faults import ForeignLink, Throttled, Unavailable
from bot.directories.base import SeenAccount
from bot.directories.entra import Entra
from bot.errors import Refused, TenantNotPermitted, Unreachable
from storage.models import Status, Tier
from tests.directories.entra.conftest import Office

USERS = 2_500
PAGE = 999


def everybody(entra: Entra) -> tuple[dict[str, SeenAccount], str]:
    changes = entra.accounts(None)
    assert changes.complete
    return {each.username: each for each in changes.accounts}, changes.cursor


# ---- what it costs ---------------------------------------------------------------------------------------------------


def test_a_listing_takes_a_request_for_each_999_users_and_one_more_and_ten_changes_at_most_three(
    office: Office, entra: Entra
) -> None:
    people = [office.tenant.user(f"person{number}") for number in range(USERS)]
    managers = office.tenant.group("Managers", assignable=True, members=people[:3], owners=people[3:4])
    office.tenant.assign("Helpdesk Administrator", managers)
    entra.may_rotate(people[0].id)  # signed in
    before = len(office.requests())
    seen, cursor = everybody(entra)
    assert len(seen) == USERS
    assert len(office.requests()) - before <= -(-USERS // PAGE) + 1

    for person in people[10:20]:
        office.tenant.renames(person, f"{person.name.partition('@')[0]}-renamed")
    before = len(office.requests())
    changes = entra.accounts(cursor)
    assert len(list(changes.accounts)) == 10
    assert len(office.requests()) - before <= 3


def test_what_a_tenant_demands_of_passwords_is_shown_to_be_held_against_the_rule(office: Office, entra: Entra) -> None:
    office.tenant.user("anna")
    everything = entra.accounts(None)
    list(everything.accounts)
    for changes in (everything, entra.accounts(everything.cursor)):
        (policy,) = changes.policies
        assert (policy.length, policy.classes, changes.policies_trouble) == (8, 3, "")


# ---- what changed ----------------------------------------------------------------------------------------------------


def test_whom_a_delta_names_twice_is_shown_once_as_it_is_now(office: Office, entra: Entra) -> None:
    ada, bob = office.tenant.user("ada"), office.tenant.user("bob")
    _seen, cursor = everybody(entra)
    office.tenant.delta_repeats = True
    office.tenant.renames(ada, "ada.lovelace")
    office.tenant.deletes(bob)
    changes = entra.accounts(cursor)
    assert [each.username for each in changes.accounts] == ["ada.lovelace"]
    assert changes.removed == (bob.id,)


def test_a_role_given_and_taken_shows_though_the_user_did_not_change(office: Office, entra: Entra) -> None:
    ada, cleo = office.tenant.user("ada"), office.tenant.user("cleo")
    _seen, cursor = everybody(entra)
    office.tenant.assign("Exchange Administrator", ada)
    office.tenant.assign("Security Administrator", cleo, eligible=True)
    changes = entra.accounts(cursor)
    tiers = {each.username: (each.tier, each.guard_status) for each in changes.accounts}
    # Who could become an administrator is one to us; whom our role does not reach is known before anything is tried.
    assert tiers == {"ada": (Tier.PRIVILEGED, Status.ADMIN_NOT_PERMITTED), "cleo": (Tier.PRIVILEGED, None)}
    office.tenant.takes_away("Exchange Administrator", ada)
    changes = entra.accounts(changes.cursor)
    assert [(each.username, each.tier, each.guard) for each in changes.accounts] == [("ada", Tier.PERSON, None)]


def test_a_higher_role_of_ours_shows_on_the_accounts_it_reaches(office: Office, entra: Entra) -> None:
    boss = office.tenant.user("boss")
    office.tenant.assign("Global Administrator", boss)
    seen, cursor = everybody(entra)
    assert seen["boss"].guard_status is Status.ADMIN_NOT_PERMITTED
    principal = office.tenant.principal_of(office.app.client_id)
    assert principal is not None
    office.tenant.assign("Privileged Authentication Administrator", principal)
    assert [(each.username, each.guard) for each in entra.accounts(cursor).accounts] == [("boss", None)]


def test_once_a_day_everything_is_read_since_a_password_change_alone_may_not_show(office: Office, entra: Entra) -> None:
    ada = office.tenant.user("ada")
    _seen, cursor = everybody(entra)
    office.tenant.resets(ada, "Xk9$wortlich-Zebra")
    assert list(entra.accounts(cursor).accounts) == []
    office.time.passes(timedelta(hours=25))
    changes = entra.accounts(cursor)
    assert changes.complete
    assert [each.password_set_at for each in changes.accounts] == [ada.changed_at.replace(microsecond=0)]


@pytest.mark.parametrize("how", ["expired", "resync"])
def test_a_delta_whose_token_does_not_hold_reads_everything(office: Office, entra: Entra, how: str) -> None:
    office.tenant.user("ada")
    _seen, cursor = everybody(entra)
    if how == "resync":
        office.graph.deltas.resync()
    else:
        office.graph.clock.passes(timedelta(days=8))
    changes = entra.accounts(cursor)
    assert changes.complete
    assert len(list(changes.accounts)) == 1


@pytest.mark.parametrize(
    "link", ["/users/delta?$deltatoken=made-up", "https://evil.test/v1.0/users/delta?x=1", "/users?$select=id", ""]
)
def test_a_cursor_that_was_meddled_with_leads_nowhere_else_and_reads_everything(
    office: Office, entra: Entra, link: str
) -> None:
    office.tenant.user("ada")
    _seen, cursor = everybody(entra)
    assert office.graph.graph not in cursor
    changes = entra.accounts(json.dumps({**json.loads(cursor), "delta": link}))
    assert changes.complete
    assert len(list(changes.accounts)) == 1


# ---- links, limits, outages ------------------------------------------------------------------------------------------


def test_a_link_to_another_origin_is_not_followed(office: Office, entra: Entra) -> None:
    for number in range(1_200):
        office.tenant.user(f"person{number}")
    office.graph.fails("GET /users", ForeignLink("https://evil.test"))
    with pytest.raises(Refused) as caught:
        list(entra.accounts(None).accounts)
    assert caught.value.cause == "other-origin"


def test_a_delta_link_to_another_origin_is_not_kept(office: Office, entra: Entra) -> None:
    office.graph.fails("GET /users/delta", ForeignLink("https://evil.test"))
    with pytest.raises(Refused) as caught:
        entra.accounts(None)
    assert caught.value.cause == "other-origin"


def test_an_empty_page_is_not_the_last(office: Office, entra: Entra) -> None:
    office.tenant.empty_pages = True
    for number in range(3):
        office.tenant.user(f"person{number}")
    assert len(everybody(entra)[0]) == 3


def test_a_page_that_has_expired_ends_the_reading_and_the_next_one_begins_anew(office: Office, entra: Entra) -> None:
    for number in range(1_200):
        office.tenant.user(f"person{number}")
    accounts = iter(entra.accounts(None).accounts)
    next(accounts)
    office.graph.pages.expire()
    with pytest.raises(Refused) as caught:
        list(accounts)
    assert caught.value.cause == "read-Directory_ExpiredPageToken"
    assert len(everybody(entra)[0]) == 1_200


def test_a_part_of_a_batch_that_is_throttled_is_asked_again_when_it_may_be(office: Office, entra: Entra) -> None:
    office.tenant.user("ada")
    office.graph.fails("GET /users", Throttled(3))
    office.graph.fails("GET /domains", Unavailable(503, 2))
    seen, _cursor = everybody(entra)
    assert list(seen) == ["ada"]
    assert 3 in office.time.waited


def test_a_graph_that_is_out_of_order_is_an_outage(office: Office, entra: Entra) -> None:
    office.graph.fails("any", Unavailable(503), times=None)
    with pytest.raises(Unreachable):
        entra.accounts(None)


@pytest.mark.parametrize("permission", ["User.Read.All", "RoleManagement.Read.Directory", "GroupMember.Read.All"])
def test_without_a_permission_nothing_is_listed_and_it_is_named(office: Office, entra: Entra, permission: str) -> None:
    office.tenant.withdraws(office.app, permission)
    with pytest.raises(TenantNotPermitted) as caught:
        entra.accounts(None)
    assert f"Additional API Permissions are Required: {permission}." in str(caught.value)
    assert "/adminconsent?client_id=" in caught.value.mend


def test_what_may_be_missing_does_not_stop_a_listing(office: Office, entra: Entra) -> None:
    office.tenant.license = "Free"
    office.tenant.withdraws(office.app, "Domain.Read.All", "RoleEligibilitySchedule.Read.Directory")
    office.tenant.user("ada")
    seen, _cursor = everybody(entra)
    assert list(seen) == ["ada"]


# ---- who they are ----------------------------------------------------------------------------------------------------


def test_everybody_is_shown_as_what_they_are(office: Office, entra: Entra) -> None:
    tenant = office.tenant
    tenant.domain("fabrikam.example", federated=True)
    guid = "6f0c1d1e-1111-4222-8333-444455556666"
    tenant.user("ada", mail="ada@elsewhere.example", display_name="Ada Lovelace")
    tenant.user("off", enabled=False)
    tenant.user("eve_corp.example#EXT#", user_type="Guest")
    tenant.user("Sync_DC1_5c2a", display_name="On-Premises Directory Synchronization Service Account")
    service = tenant.user("service")
    tenant.assign("Directory Synchronization Accounts", service)
    tenant.user("finn@fabrikam.example")
    sid = "S-1-5-21-1-2-3-4"
    tenant.synced_user(
        "jane",
        "Corp-Password-2020!",
        object_guid=guid,
        ad_domain="corp.example",
        sam="jane",
        security_identifier=sid,
    )
    tenant.user("kim", restricted=True)
    tenant.user("lee", immutable_id="bm90IHN5bmNlZA==")
    seen, _cursor = everybody(entra)
    ada = seen["ada"]
    assert (ada.domain, ada.upn, ada.mail, ada.display_name) == (
        "northwind.example",
        "ada@northwind.example",
        "ada@elsewhere.example",
        "Ada Lovelace",
    )
    assert (ada.guard, ada.synced, ada.immutable_id, ada.sid, ada.tier) == (None, False, None, None, Tier.PERSON)
    for name, word in {
        "off": "disabled",
        "eve_corp.example#EXT#": "guest",
        "Sync_DC1_5c2a": "Entra Connect",
        "service": "Entra Connect",
        "finn": "federated",
        "jane": "synced from Active Directory",
        "kim": "restricted management administrative unit",
    }.items():
        assert word in (seen[name].guard or ""), name
    jane = seen["jane"]
    assert (jane.synced, jane.immutable_id, jane.sid) == (True, "Hh0MbxERIkKDM0REVVVmZg==", sid)
    assert seen["kim"].guard_status is Status.ADMIN_NOT_PERMITTED
    assert seen["lee"].immutable_id is None, "nobody's directory vouches for it"
    assert entra.accounts(None).domain_names == ("northwind.example", "fabrikam.example")


def test_a_member_and_an_owner_of_a_role_assignable_group_are_administrators_though_it_has_no_role(
    office: Office, entra: Entra
) -> None:
    member, owner, other = (office.tenant.user(name) for name in ("member", "owner", "other"))
    office.tenant.group("Later", assignable=True, members=[member], owners=[owner])
    office.tenant.group("Lunch", members=[other])
    seen, _cursor = everybody(entra)
    assert {name: each.tier for name, each in seen.items()} == {
        "member": Tier.PRIVILEGED,
        "owner": Tier.PRIVILEGED,
        "other": Tier.PERSON,
    }
    assert "Privileged Authentication Administrator" in (seen["member"].guard or "")


def test_somebody_with_a_role_that_only_reads_is_a_person(office: Office, entra: Entra) -> None:
    office.tenant.assign("Directory Readers", office.tenant.user("reader"))
    seen, _cursor = everybody(entra)
    assert (seen["reader"].tier, seen["reader"].guard) == (Tier.PERSON, None)
