"""Each kind of account on a real domain: what a sync says of it, and what becomes of it when it is rotated."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot.directories.active_directory import ActiveDirectory
from bot.discovery import sync
from bot.permissions import Operator
from bot.rotation.planning import Intent, preview
from bot.rotation.report import RecordStatus
from storage.models import (
    Account,
    Grant,
    Match,
    MatchState,
    Organization,
    Record,
    RevisionState,
    Role,
    Status,
    Tier,
)
from storage.revisions import Draft, add_revisions
from tests.real import witness
from tests.real.domain import Domain
from tests.rotation.samba_world import SambaWorld, samba_world
from tests.rotation.world import ADMINISTRATOR
from tests.storage.databases import migrated_database

OLD = "Old-pass-0001!"
WRONG = "Wrong-pass-0002!"
TECHNICIAN = Operator("cli:technician@here", "command line", {None: Role.TECHNICIAN})


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, private_domain: Domain) -> Iterator[SambaWorld]:
    with migrated_database("sqlite", request, tmp_path) as database:
        world = samba_world(database, tmp_path)
        world.controller("corp", private_domain)
        yield world


def read_in(world: SambaWorld, **marks: list[str]) -> dict[str, Record]:
    """Read the domain as it is, and approve a record for everybody in it; by lower-case username."""
    with world.database.writing() as session:
        organization = session.get_one(Organization, world.organization.id)
        organization.marks = marks
    connection = world.connections["corp"]
    with world.open_directory(connection) as directory:
        sync(world.database, world.trail, connection.id, directory)
    records: dict[str, Record] = {}
    with world.database.writing() as session:
        matches = {match.account_id: match for match in session.exec(select(Match))}
        for account in session.exec(select(Account)).all():
            name = account.username.lower()
            record = records[name] = Record(
                organization_id=world.organization.id,
                connection_id=world.vault.id,
                name=account.username,
                name_key=name,
                username=account.username,
                username_key=name,
            )
            session.add(record)
            session.flush()
            draft = Draft(world.organization, record, SecretStr(OLD), RevisionState.CURRENT, "imported", "cli:t")
            add_revisions(session, world.safe, [draft])
            match = matches.get(account.id) or Match(
                organization_id=world.organization.id, account_id=account.id, state=MatchState.NONE
            )
            match.state, match.record_id = MatchState.APPROVED, record.id
            session.add(match)
    return records


def by_name(world: SambaWorld, records: Mapping[str, Record], *names: str) -> dict[str, RecordStatus]:
    """Rotate these by name."""
    stands = world.rotates(*[records[name] for name in names])
    return dict(zip(names, stands, strict=True))


def in_bulk(world: SambaWorld, records: Mapping[str, Record], *names: str) -> dict[str, Intent]:
    """What "all" would do to these."""
    with world.database.reading() as session:
        organization = session.get_one(Organization, world.organization.id)
        plan = preview(session, ADMINISTRATOR, [(organization, records[name]) for name in names], by_name=False)
    return {name: each.intent for name, each in zip(names, plan, strict=True)}


def test_what_is_never_rotated_is_not_permitted_and_says_why(world: SambaWorld, private_domain: Domain) -> None:
    domain = private_domain
    domain.create_user("off", OLD, userAccountControl=str(0x200 | 0x2))
    domain.create_user("card", OLD, userAccountControl=str(0x200 | 0x40000))
    domain.create_user("MSOL_1a2b3c", OLD)
    domain.create_user("AAD_1a2b3c", OLD)
    domain.create_user("FOREST2$", OLD)
    connection = domain.connection()
    connection.add(
        f"CN=gmsa,CN=Users,{domain.base_dn}",
        ["msDS-GroupManagedServiceAccount"],
        {"sAMAccountName": "gmsa$", "userAccountControl": "4096", "msDS-ManagedPasswordInterval": "30"},
    )
    connection.unbind()
    said = {
        "off": "disabled",
        "card": "smart card",
        "krbtgt": "Kerberos",
        "gmsa$": "managed service account",
        "forest2$": "trust",
        "msol_1a2b3c": "Entra Connect",
        "aad_1a2b3c": "Entra Connect",
        "rekey": "Rekey itself signs in with",
    }
    records = read_in(world)
    set_at = {name: domain.set_at(f"CN={cn},{ou}") for name, cn, ou in _places(domain)}

    stands = by_name(world, records, *said)

    assert {name: each.status for name, each in stands.items()} == dict.fromkeys(said, Status.NOT_PERMITTED)
    for name, word in said.items():
        assert word in stands[name].reason, name
    assert {name: domain.set_at(f"CN={cn},{ou}") for name, cn, ou in _places(domain)} == set_at


def _places(domain: Domain) -> list[tuple[str, str, str]]:
    users = f"CN=Users,{domain.base_dn}"
    return [("off", "off", domain.staff), ("krbtgt", "krbtgt", users), ("rekey", "rekey", users)]


def test_an_account_switched_off_after_the_last_sync_is_found_out_before_it_is_written(
    world: SambaWorld, private_domain: Domain
) -> None:
    account = private_domain.create_user("leaver", OLD)
    records = read_in(world)
    private_domain.modify(account.dn, userAccountControl=str(0x200 | 0x2))
    before = private_domain.set_at(account.dn)

    stands = by_name(world, records, "leaver")

    assert stands["leaver"].status is Status.NOT_PERMITTED
    assert private_domain.set_at(account.dn) == before


def test_the_connectors_own_account_is_admin_not_permitted_in_bulk(world: SambaWorld) -> None:
    records = read_in(world)

    [own] = world.rotates(records["rekey"], by_name=False)

    assert own.status is Status.ADMIN_NOT_PERMITTED
    assert "Rekey itself" in own.reason


def test_locked_expired_and_protected_accounts_are_rotated_judged_by_the_set_time(
    world: SambaWorld, private_domain: Domain
) -> None:
    domain = private_domain
    locked = domain.create_user("locked", OLD)
    expired = domain.create_user("expired", OLD, accountExpires="132000000000000000")
    shielded = domain.create_user("shielded", OLD)
    domain.add_member(f"CN=Protected Users,CN=Users,{domain.base_dn}", shielded.dn)
    domain.set_domain_policy(lockout_threshold=3)
    for _slip in range(3):
        assert not witness.signs_in(domain, locked.dn, WRONG)
    assert domain.is_locked(locked.dn)
    records = read_in(world)
    before = {each.name: domain.set_at(each.dn) for each in (locked, expired, shielded)}

    stands = by_name(world, records, "locked", "expired", "shielded")

    assert {each.status for each in stands.values()} == {Status.SUCCESSFUL}, stands
    assert all(domain.set_at(each.dn) > before[each.name] for each in (locked, expired, shielded))
    assert domain.is_locked(locked.dn), "unlocking is offered, not done silently"
    domain.unlock(locked.dn)
    assert witness.signs_in(domain, locked.dn, world.password(records["locked"]) or "")
    assert witness.refusal(domain, expired.dn, world.password(records["expired"]) or "") == "701"


def test_must_change_at_next_logon_is_rotated_and_proved(world: SambaWorld, private_domain: Domain) -> None:
    domain = private_domain
    new = domain.create_user("new", OLD)
    domain.modify(new.dn, pwdLastSet="0")
    assert witness.refusal(domain, new.dn, OLD) == "773"
    records = read_in(world)

    stands = by_name(world, records, "new")

    assert stands["new"].status is Status.SUCCESSFUL, stands["new"].reason
    assert witness.refusal(domain, new.dn, world.password(records["new"]) or "") in (None, "773")
    assert not witness.signs_in(domain, new.dn, WRONG)


def test_tiers_decide_who_is_in_all_and_who_may_ask(world: SambaWorld, private_domain: Domain) -> None:
    domain = private_domain
    boss = domain.create_user("boss", OLD)
    domain.add_member(f"CN=Domain Admins,CN=Users,{domain.base_dn}", domain.create_group("Leads", members=[boss.dn]))
    domain.create_user("backup", OLD, servicePrincipalName=["http/backup.corp.example.test"])
    domain.create_user("jane", OLD)
    domain.create_user("reception", OLD)
    domain.create_user("emergency", OLD)
    records = read_in(world, **{"break-glass": ["emergency"], "shared": ["reception"]})
    names = ("boss", "backup", "jane", "reception", "emergency")
    with world.database.writing() as session:
        session.get_one(Organization, world.organization.id).bulk = ["shared", "privileged"]
        tiers = {account.username: account.tier for account in session.exec(select(Account))}

    assert [tiers[name] for name in names] == [
        Tier.PRIVILEGED, Tier.SERVICE, Tier.PERSON, Tier.SHARED, Tier.BREAK_GLASS
    ]  # fmt: skip
    assert in_bulk(world, records, *names) == {
        "boss": Intent.ROTATE,
        "backup": Intent.LEAVE_OUT,
        "jane": Intent.LEAVE_OUT,
        "reception": Intent.ROTATE,
        "emergency": Intent.LEAVE_OUT,
    }
    stands = by_name(world, records, *names)
    assert {each.status for each in stands.values()} == {Status.SUCCESSFUL}, stands
    for name in names:
        assert witness.signs_in(domain, f"CN={name},{domain.staff}", world.password(records[name]) or "")

    for name in ("boss", "emergency"):
        [rotation_id] = world.asks(records[name], by=TECHNICIAN)
        assert rotation_id
        assert world.status(records[name])[0].status is Status.ADMIN_NOT_PERMITTED


def test_who_became_an_administrator_since_the_last_sync_is_judged_as_one(
    world: SambaWorld, private_domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = private_domain
    jane = domain.create_user("jane", OLD)
    records = read_in(world)
    with world.database.writing() as session:
        session.add(Grant(operator="U0TECH", role=Role.TECHNICIAN))
    [_rotation] = world.asks(records["jane"], by=Operator("U0TECH", "Slack", {None: Role.TECHNICIAN}))
    domain.add_member(f"CN=Domain Admins,CN=Users,{domain.base_dn}", jane.dn)
    writes: list[str] = []
    monkeypatch.setattr(ActiveDirectory, "set_password", lambda *arguments: writes.append(arguments[1]))

    world.drains()

    assert world.status(records["jane"])[0].status is Status.ADMIN_NOT_PERMITTED
    assert writes == []


def test_who_lost_the_right_to_ask_meanwhile_changes_nothing(world: SambaWorld, private_domain: Domain) -> None:
    jane = private_domain.create_user("jane", OLD)
    records = read_in(world)
    world.asks(records["jane"], by=Operator("U0FORMER", "Slack", {None: Role.TECHNICIAN}))
    before = private_domain.set_at(jane.dn)

    world.drains()

    assert world.status(records["jane"])[0].status is Status.NOT_PERMITTED, "it is no administrator's account"
    assert private_domain.set_at(jane.dn) == before


NAMES = [
    "o'brien",
    'say "hi"',
    "comma, inc",
    "(paren)thesis",
    "star*s",
    "back\\slash",
    "plus+equals=",
    "#hash ends ",
    "żółw ÄÖÜ ß",
    "李小龍",
    "emoji 🦷🔑",
]


def test_names_as_people_have_them_are_read_rotated_and_proved(world: SambaWorld, private_domain: Domain) -> None:
    domain = private_domain
    unit = domain.create_ou('Front "desk", (new)* #1 Zahnärzte 🦷')
    accounts = {}
    for number, cn in enumerate(NAMES):
        taken = "".join(" " if each in '"\\/[]:;|=,+*?<>@' else each for each in cn).strip()  # what Windows lets in
        name = f"{number}{taken}"[:20].strip()
        accounts[name.lower()] = domain.create_user(
            name, OLD, ou=unit, cn=cn, displayName=cn, userPrincipalName=f"user{number}@{domain.realm.lower()}"
        )
    records = read_in(world)

    stands = by_name(world, records, *accounts)

    assert {name: each.status for name, each in stands.items()} == dict.fromkeys(accounts, Status.SUCCESSFUL)
    for number, name in enumerate(accounts):
        password = world.password(records[name]) or ""
        assert witness.signs_in(domain, f"user{number}@{domain.realm.lower()}", password), name
