"""Listing a real domain: who is what, by SID and nesting, and what changed since."""

import json
import uuid

import pytest

from bot.directories.active_directory import ActiveDirectory
from bot.directories.active_directory.accounts import guard_of, is_privileged_group, unit_of
from bot.directories.active_directory.entries import Entry, by_guid
from bot.directories.active_directory.wire import PAGE
from bot.directories.base import Changes, SeenAccount
from storage.models import Status, Tier
from tests.directories.active_directory.conftest import Connect
from tests.real.domain import Domain, unique_name

DOMAIN_SID = "S-1-5-21-1-2-3"


def by_name(changes: Changes) -> dict[str, SeenAccount]:
    return {account.username: account for account in changes.accounts}


# ---- without a server ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rid", [512, 516, 518, 519, 520, 521, 526, 527])
def test_a_domains_powerful_groups_are_known_by_sid_in_any_domain(rid: int) -> None:
    assert is_privileged_group(f"{DOMAIN_SID}-{rid}")


@pytest.mark.parametrize("rid", [544, 548, 549, 550, 551, 552])
def test_the_builtin_operators_are_known_by_sid(rid: int) -> None:
    assert is_privileged_group(f"S-1-5-32-{rid}")


@pytest.mark.parametrize(
    "sid",
    [f"{DOMAIN_SID}-513", f"{DOMAIN_SID}-525", f"{DOMAIN_SID}-1512", f"{DOMAIN_SID}-544", "S-1-5-32-545", "S-1-1-0"],
)
def test_ordinary_groups_make_no_administrator(sid: str) -> None:
    assert not is_privileged_group(sid)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"samaccountname": [b"krbtgt_1234"]}, "Kerberos"),
        (
            {"samaccountname": [b"web01$"], "objectclass": [b"user", b"msDS-GroupManagedServiceAccount"]},
            "managed service",
        ),
        ({"samaccountname": [b"web01$"], "objectclass": [b"user", b"msDS-DelegatedManagedServiceAccount"]}, "managed"),
        ({"samaccountname": [b"OTHER$"], "useraccountcontrol": [b"2080"]}, "trust"),
        ({"samaccountname": [b"msol_0123456789ab"]}, "Entra Connect"),
        ({"samaccountname": [b"AAD_0123456789ab"]}, "Entra Connect"),
        ({"samaccountname": [b"card"], "useraccountcontrol": [b"262656"]}, "smart card"),
        ({"samaccountname": [b"off"], "useraccountcontrol": [b"514"]}, "disabled"),
    ],
)
def test_who_is_never_rotated_and_why(values: dict[str, list[bytes]], said: str) -> None:
    assert said in (guard_of(Entry("CN=x", values), tokens=()) or "")


def test_a_person_may_be_rotated() -> None:
    values = {"samaccountname": [b"alice"], "useraccountcontrol": [b"512"], "objectclass": [b"top", b"user"]}
    assert guard_of(Entry("CN=x", values), tokens=()) is None


@pytest.mark.parametrize(
    ("dn", "unit"),
    [
        ("CN=a,OU=London,OU=Staff,DC=x,DC=y", "Staff/London"),
        ("CN=Doe\\, Jane,OU=R\\, D,DC=x", "R, D"),
        ("CN=ends in \\\\,OU=Staff,DC=x", "Staff"),
        ("CN=a,OU=R\\2C D\\C3\\A9,DC=x", "R, Dé"),
        ("CN=a,OU=back\\\\2C,DC=x", "back\\2C"),
        ("CN=a,DC=x", None),
    ],
)
def test_where_an_account_lives_is_read_from_the_top(dn: str, unit: str | None) -> None:
    assert unit_of(dn) == unit


def test_what_is_no_id_never_becomes_a_search_base() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        by_guid("x>,DC=evil")


# ---- on a real domain ------------------------------------------------------------------------------------------------


@pytest.mark.samba
def test_administrators_are_found_through_nesting_and_primary_group(corp: Domain, staff: ActiveDirectory) -> None:
    direct, nested, primary, looks = (corp.create_user(unique_name(name)) for name in ("di", "ne", "pr", "looks"))
    corp.add_member(f"CN=Account Operators,CN=Builtin,{corp.base_dn}", direct.dn)
    inner = corp.create_group(unique_name("in(n)er"), members=[nested.dn])
    outer = corp.create_group(unique_name("outer"), members=[inner])
    corp.add_member(f"CN=Backup Operators,CN=Builtin,{corp.base_dn}", outer)
    corp.add_member(f"CN=Domain Admins,CN=Users,{corp.base_dn}", primary.dn)
    corp.modify(primary.dn, primaryGroupID="512")
    decoy = corp.create_group(unique_name("Administrators"), members=[looks.dn])
    corp.modify(decoy, description="Domain Admins")
    corp.modify(looks.dn, adminCount="1")
    seen = by_name(staff.accounts(None))
    for account, tier in (
        (direct, Tier.PRIVILEGED),
        (nested, Tier.PRIVILEGED),
        (primary, Tier.PRIVILEGED),
        (looks, Tier.PERSON),
    ):
        assert seen[account.name].tier is tier, account.name
        assert staff.may_rotate(str(account.guid)).tier is tier, account.name
    assert seen["Administrator"].tier is Tier.PRIVILEGED


@pytest.mark.samba
def test_computers_are_not_listed_and_what_is_never_rotated_says_why(corp: Domain, staff: ActiveDirectory) -> None:
    connection = corp.connection()
    computer, managed, sync = unique_name("PC"), unique_name("gmsa"), unique_name("MSOL_")
    connection.add(
        f"CN={computer},CN=Computers,{corp.base_dn}",
        ["computer"],
        {"sAMAccountName": f"{computer}$", "userAccountControl": "4096"},
    )
    connection.add(
        f"CN={managed},CN=Users,{corp.base_dn}",
        ["msDS-GroupManagedServiceAccount"],
        {"sAMAccountName": f"{managed}$", "userAccountControl": "4096", "msDS-ManagedPasswordInterval": "30"},
    )
    connection.unbind()
    corp.create_user(sync)
    card = corp.create_user(unique_name("card"), userAccountControl=str(0x200 | 0x40000))
    seen = by_name(staff.accounts(None))
    assert f"{computer}$" not in seen
    assert "dc1$" not in {name.lower() for name in seen}
    guards = {name: seen[name].guard or "" for name in ("krbtgt", f"{managed}$", sync, card.name, "rekey")}
    for name, said in zip(
        guards, ("Kerberos", "managed service", "Entra Connect", "smart card", "Rekey itself"), strict=True
    ):
        assert said in guards[name], name
        standing = staff.may_rotate(seen[name].object_id)
        assert (standing.allowed, standing.status) == (False, Status.NOT_PERMITTED)
        assert said in standing.reason
    assert [account.username for account in seen.values() if account.is_connector] == ["rekey"]


@pytest.mark.samba
def test_usernames_may_be_qualified_by_every_name_of_the_domain(private_domain: Domain, connect: Connect) -> None:
    partitions = f"CN=Partitions,CN=Configuration,{private_domain.base_dn}"
    private_domain.modify(partitions, uPNSuffixes=["Acme.example", "acme.test"])
    names = connect(private_domain).accounts(None).domain_names
    assert names[:2] == ("corp", "corp.example.test")
    assert set(names[2:]) == {"acme.example", "acme.test"}


@pytest.mark.samba
def test_a_domain_larger_than_a_page_is_read_whole_and_deletions_are_noticed_with_and_without_the_right_to_see_them(
    private_domain: Domain, connect: Connect
) -> None:
    domain = private_domain
    many = {f"many{number:04}": "F1rst-of-a-Test!" for number in range(PAGE + 50)}
    dns = domain.create_users(many)
    delegated = connect(domain)
    admin = connect(domain, bind_dn=domain.admin_dn, password=domain.admin_password)
    first = delegated.accounts(None)
    seen = by_name(first)
    assert set(many) <= set(seen)
    assert len(seen) == json.loads(first.cursor)["count"]

    nothing = delegated.accounts(first.cursor)
    assert (nothing.complete, nothing.removed, list(nothing.accounts)) == (False, (), [])

    domain.delete(dns["many0007"])
    domain.rename(dns["many0008"], "Maiden Name")
    told = admin.accounts(first.cursor)
    assert (told.complete, told.removed) == (False, (seen["many0007"].object_id,))
    assert [account.username for account in told.accounts] == ["many0008"]

    untold = delegated.accounts(first.cursor)
    assert untold.complete
    assert set(seen) - {account.username for account in untold.accounts} == {"many0007"}


@pytest.mark.samba
def test_a_membership_that_ends_is_noticed_too(corp: Domain, staff: ActiveDirectory) -> None:
    account = corp.create_user(unique_name("former"))
    group = corp.create_group(unique_name("inner"), members=[account.dn])
    corp.add_member(f"CN=Server Operators,CN=Builtin,{corp.base_dn}", group)
    first = staff.accounts(None)
    assert by_name(first)[account.name].tier is Tier.PRIVILEGED
    corp.modify(group, member=[])
    assert by_name(staff.accounts(first.cursor))[account.name].tier is Tier.PERSON


@pytest.mark.samba
def test_a_cursor_of_another_controllers_database_reads_everything(corp: Domain, staff: ActiveDirectory) -> None:
    first = staff.accounts(None)
    list(first.accounts)
    cursor = json.loads(first.cursor)
    for foreign in (
        {**cursor, "invocation": uuid.uuid4().hex},
        {**cursor, "usn": cursor["usn"] + 10**9},  # restored from an old backup
        {**cursor, "v": 2},
    ):
        assert staff.accounts(json.dumps(foreign)).complete
    assert corp.netbios == "CORP"


@pytest.mark.samba
def test_an_account_moved_to_another_unit_is_the_same_account(corp: Domain, staff: ActiveDirectory) -> None:
    account = corp.create_user(unique_name("mover"))
    first = staff.accounts(None)
    assert by_name(first)[account.name].ou == "Staff"
    unit = corp.create_ou("Moved")
    connection = corp.connection()
    connection.modify_dn(account.dn, account.dn.partition(",")[0], new_superior=unit)
    connection.unbind()
    moved = by_name(staff.accounts(first.cursor))[account.name]
    assert moved.object_id == str(account.guid)
    assert (moved.ou or "").startswith("Staff/Moved")
    assert staff.may_rotate(str(account.guid)).username == account.name
