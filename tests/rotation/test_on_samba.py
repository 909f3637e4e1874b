"""Rotations on real domain controllers by a delegated account; OpenLDAP's client says which password signs in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.directories.active_directory import ActiveDirectory
from storage.models import Record, RevisionState, RotationState, Status
from tests.real import witness
from tests.real.domain import Account, Domain, unique_name
from tests.real.proxy import Proxy
from tests.rotation.samba_world import SambaWorld, samba_world
from tests.storage.databases import KINDS, migrated_database

OLD = "Old-pass-0001!"
WRONG = "Wrong-pass-0002!"
RESET = "00299570-246d-11d0-a768-00aa006e0529"


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SambaWorld]:
    kind = getattr(request, "param", "sqlite")
    with migrated_database(kind, request, tmp_path) as database:
        yield samba_world(database, tmp_path)


def person(world: SambaWorld, *domains: Domain, **details: Any) -> tuple[Record, list[Account]]:
    """One person with the same username in each of these domains, and a record approved for all of it."""
    name = unique_name("anna")
    accounts, guids = [], {}
    for domain in domains:
        directory = domain.netbios.lower()
        if directory not in world.controllers:
            world.controller(directory, domain)
        account = domain.create_user(name, OLD, **details)
        accounts.append(account)
        guids[directory] = {name: str(account.guid)}
    [record] = world.matched_accounts({name: OLD}, guids)
    return record, accounts


def signs_in(domain: Domain, account: Account, password: str | None) -> bool:
    """Whether the independent witness is let in."""
    return witness.signs_in(domain, account.dn, password or "")


def state_of(world: SambaWorld, record: Record) -> str:
    """Where its latest rotation is."""
    [stands] = world.status(record)
    assert stands.rotation is not None
    return stands.rotation.state


def meddle(monkeypatch: pytest.MonkeyPatch, method: str, *, before: Any = None, after: Any = None) -> list[str]:
    """Have something happen right before or after every call of a connector's method; the list grows with each call."""
    original: Callable[..., Any] = getattr(ActiveDirectory, method)
    calls: list[str] = []

    def meddled(directory: ActiveDirectory, account: str, *arguments: Any) -> Any:
        calls.append(account)
        if before is not None:
            before(*arguments)
        answer = original(directory, account, *arguments)
        if after is not None:
            after(*arguments)
        return answer

    monkeypatch.setattr(ActiveDirectory, method, meddled)
    return calls


@pytest.mark.parametrize("world", KINDS, indirect=True)
def test_the_new_password_signs_in_and_a_wrong_one_does_not(world: SambaWorld, corp: Domain) -> None:
    record, [account] = person(world, corp)

    [stands] = world.rotates(record)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert world.password(record) != OLD
    assert signs_in(corp, account, world.password(record))
    assert not signs_in(corp, account, WRONG)
    assert world.password(record, RevisionState.PREVIOUS) == OLD
    with world.database.reading() as session:
        assert world.trail.verify(session).ok


def test_a_lost_reply_after_the_controller_took_the_write_ends_successful_with_the_same_password(
    world: SambaWorld, corp: Domain, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, corp)
    world.ports["corp"] = (proxy.host, proxy.port)
    before = corp.set_at(account.dn)
    proxy.lose_reply(when=lambda: corp.set_at(account.dn) != before)
    writes = meddle(monkeypatch, "set_password")

    [stands] = world.rotates(record)

    assert proxy.lost.is_set()
    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert len(writes) == 1, "looked up, not applied again"
    assert len(world.revisions(record)) == 2
    assert signs_in(corp, account, world.password(record))


def test_a_request_lost_before_it_was_taken_is_sent_again_with_the_same_password(
    world: SambaWorld, corp: Domain, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, corp)
    world.ports["corp"] = (proxy.host, proxy.port)
    sent: list[str] = []

    def lose_the_first(secret: Any) -> None:
        if not sent:
            proxy.lose_request()
        sent.append(secret.get_secret_value())

    meddle(monkeypatch, "set_password", before=lose_the_first)

    [stands] = world.rotates(record)

    assert proxy.lost.is_set()
    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert sent == [world.password(record)] * 2
    assert signs_in(corp, account, world.password(record))


def test_a_controller_that_is_down_before_anything_was_touched_is_told_and_looked_at_again(
    world: SambaWorld, private_domain: Domain
) -> None:
    record, [account] = person(world, private_domain)
    private_domain.stop()

    [stands] = world.rotates(record)

    assert stands.status is Status.IN_PROGRESS
    assert "looked at again" in stands.reason
    assert "Nothing was changed" in stands.reason
    private_domain.start()
    world.drains_until_ended(record)
    assert world.status(record)[0].status is Status.SUCCESSFUL
    assert signs_in(private_domain, account, world.password(record))


def test_a_controller_that_dies_between_write_and_proof_is_looked_up_when_it_returns(
    world: SambaWorld, private_domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, private_domain)
    with monkeypatch.context() as patched:
        writes = meddle(patched, "set_password", after=lambda _secret: private_domain.stop())
        [stands] = world.rotates(record)
        assert len(writes) == 1
    assert stands.status is Status.IN_PROGRESS
    assert world.password(record, RevisionState.PENDING) is not None

    private_domain.start()
    writes = meddle(monkeypatch, "set_password")
    world.drains_until_ended(record)

    assert world.status(record)[0].status is Status.SUCCESSFUL
    assert writes == [], "it had been taken"
    assert signs_in(private_domain, account, world.password(record))


def test_our_refused_sign_in_is_an_api_error_and_our_account_is_not_locked_by_many_records_and_retries(
    world: SambaWorld, private_domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [person(world, private_domain)[0] for _ in range(12)]
    private_domain.set_domain_policy(lockout_threshold=5)
    with monkeypatch.context() as patched:
        patched.setattr(private_domain, "service_password", WRONG)
        for _asked in range(3):
            stands = world.rotates(*records)
            assert {each.status for each in stands} == {Status.API_ERROR}
    assert "refused the sign-in" in stands[-1].reason
    assert not private_domain.is_locked(private_domain.service_dn)
    assert int(private_domain.read(private_domain.service_dn, "badPwdCount")[0]) <= 3

    assert {each.status for each in world.rotates(*records)} == {Status.SUCCESSFUL}, "asking again goes on"


def test_a_controller_that_another_authority_vouches_for_is_an_api_error(
    world: SambaWorld, corp: Domain, branch: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, corp)
    monkeypatch.setattr(corp, "ca_file", branch.ca_file)

    [stands] = world.rotates(record)

    assert stands.status is Status.API_ERROR, stands.reason
    assert "ertificate" in stands.reason
    monkeypatch.undo()
    assert signs_in(corp, account, OLD)


def test_a_password_reset_by_somebody_else_in_between_asks_a_person(
    world: SambaWorld, corp: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, corp)
    theirs = "Somebody-else-0003!"
    with monkeypatch.context() as patched:
        meddle(patched, "set_password", after=lambda _secret: corp.set_password(account.dn, theirs))
        [stands] = world.rotates(record)

    assert stands.status is Status.FAILED
    assert state_of(world, record) == RotationState.STUCK
    assert "set" in stands.reason
    assert world.password(record) == OLD, "the vault's word changes only once it is proved"
    assert signs_in(corp, account, theirs), "theirs was not overwritten"

    [again] = world.rotates(record)
    assert again.status is Status.SUCCESSFUL, again.reason
    assert signs_in(corp, account, world.password(record))


def test_a_policy_raised_between_check_and_write_gets_another_password(
    world: SambaWorld, corp: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, corp)
    raised: list[str] = []

    def raise_it(_secret: Any) -> None:
        if not raised:
            raised.append(corp.create_pso(unique_name("pso"), applies_to=[account.dn], min_length=60))

    meddle(monkeypatch, "set_password", before=raise_it)

    [stands] = world.rotates(record)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert len(world.password(record) or "") >= 60
    assert [each.state for each in world.revisions(record)] == ["current", "discarded", "previous"]
    assert signs_in(corp, account, world.password(record))


def test_a_refused_password_is_regenerated_at_most_three_times_in_all(
    world: SambaWorld, corp: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [account] = person(world, corp)
    pso = corp.create_pso(unique_name("pso"), applies_to=[account.dn], min_length=20)

    def raise_it(secret: Any) -> None:
        corp.modify(pso, **{"msDS-MinimumPasswordLength": str(len(secret.get_secret_value()) + 10)})

    writes = meddle(monkeypatch, "set_password", before=raise_it)

    [stands] = world.rotates(record)

    assert stands.status is Status.FAILED
    assert len(writes) == 3
    assert "too short" in stands.reason
    assert signs_in(corp, account, OLD)
    assert world.password(record) == OLD


def test_an_account_outside_the_delegated_unit_is_an_api_error_that_names_the_right(
    world: SambaWorld, corp: Domain
) -> None:
    record, [account] = person(world, corp, ou=f"CN=Users,{corp.base_dn}")

    [stands] = world.rotates(record)

    assert stands.status is Status.API_ERROR, stands.reason
    assert "Reset Password" in stands.mend
    assert signs_in(corp, account, OLD)


def test_an_administrator_that_windows_protects_from_delegated_rights_is_admin_not_permitted(
    world: SambaWorld, private_domain: Domain
) -> None:
    record, [account] = person(world, private_domain)
    nested = private_domain.create_group("Helpdesk leads", members=[account.dn])
    private_domain.add_member(f"CN=Domain Admins,CN=Users,{private_domain.base_dn}", nested)
    _deny(private_domain, account)  # Samba has no process that protects administrators; Windows does it hourly

    [stands] = world.rotates(record)

    assert stands.status is Status.ADMIN_NOT_PERMITTED, stands.reason
    assert signs_in(private_domain, account, OLD)


def test_when_the_first_of_two_domains_refuses_for_good_the_second_is_never_written(
    world: SambaWorld, corp: Domain, branch: Domain
) -> None:
    record, [in_corp, in_branch] = person(world, corp, branch)
    _deny(corp, in_corp)
    before = branch.set_at(in_branch.dn)

    [stands] = world.rotates(record)

    assert stands.status is Status.API_ERROR, stands.reason
    assert signs_in(corp, in_corp, OLD)
    assert branch.set_at(in_branch.dn) == before


def test_when_the_second_of_two_domains_refuses_for_good_the_first_is_put_back(
    world: SambaWorld, corp: Domain, branch: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, [in_corp, in_branch] = person(world, corp, branch)
    _deny(branch, in_branch)
    writes = meddle(monkeypatch, "set_password")

    [stands] = world.rotates(record)

    assert state_of(world, record) == RotationState.PUT_BACK, stands.reason
    assert stands.status is Status.FAILED
    assert writes == [str(in_corp.guid), str(in_branch.guid), str(in_corp.guid)]
    assert signs_in(corp, in_corp, OLD)
    assert signs_in(branch, in_branch, OLD)
    assert world.password(record) == OLD


def test_both_of_two_domains_take_it(world: SambaWorld, corp: Domain, branch: Domain) -> None:
    record, [in_corp, in_branch] = person(world, corp, branch)

    [stands] = world.rotates(record)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert signs_in(corp, in_corp, world.password(record))
    assert signs_in(branch, in_branch, world.password(record))


def test_where_the_earlier_password_is_not_known_it_is_said_who_holds_what(
    world: SambaWorld, corp: Domain, branch: Domain
) -> None:
    record, [in_corp, in_branch] = person(world, corp, branch)
    corp.set_password(in_corp.dn, "Nobody-told-us-4!")
    branch.set_password(in_branch.dn, "Nobody-told-us-5!")
    _deny(branch, in_branch)

    [stands] = world.rotates(record)

    assert stands.status is Status.FAILED
    assert state_of(world, record) == RotationState.STUCK
    assert "corp holds the new password" in stands.reason
    assert "branch still holds what it held before" in stands.reason
    assert signs_in(corp, in_corp, world.password(record, RevisionState.PENDING))
    assert signs_in(branch, in_branch, "Nobody-told-us-5!")


def _deny(domain: Domain, account: Account) -> None:
    """Take the reset right back for one account, as an administrator's protection does."""
    domain._allow(domain.service_dn, account.dn, f"(OD;;CR;{RESET};;{{sid}})")
