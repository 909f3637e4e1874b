"""Real processes on real domain controllers: two at once, one frozen, many killed, and the database gone."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlmodel import select

from bot.escrow import recover
from storage.database import Database
from storage.models import Record, Status
from storage.revisions import open_revision, revisions_of
from tests.crash.scene import described
from tests.real import witness
from tests.real.domain import Account, Domain, unique_name
from tests.rotation import world as worlds
from tests.rotation.samba_world import SambaWorld, samba_world
from tests.rotation.world import ADMINISTRATOR
from tests.scenarios import child
from tests.storage import worlds as stored_worlds
from tests.storage.databases import KINDS, migrated_database

OLD = "Old-pass-0001!"
THEIRS = "Somebody-else-0003!"

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.scenarios.child"])


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SambaWorld]:
    kind = getattr(request, "param", "sqlite")
    with migrated_database(kind, request, tmp_path) as database:
        yield samba_world(database, tmp_path)


def people(world: SambaWorld, domain: Domain, count: int = 1, vault: str = OLD) -> tuple[list[Record], list[Account]]:
    """Some people of this domain, with records approved for them."""
    if domain.netbios.lower() not in world.controllers:
        world.controller(domain.netbios.lower(), domain)
    accounts = [domain.create_user(unique_name("paul"), OLD) for _ in range(count)]
    guids = {domain.netbios.lower(): {account.name: str(account.guid) for account in accounts}}
    return world.matched_accounts({account.name: vault for account in accounts}, guids), accounts


def spec_of(world: SambaWorld, tmp_path: Path, records: list[Record]) -> str:
    url = world.database.engine.url.set(drivername="sqlite" if world.database.is_sqlite else "postgresql")
    text = url.render_as_string(hide_password=False)
    return json.dumps(described(world, text, tmp_path, [record.id for record in records]))


def start(target: Callable[..., None], *arguments: str) -> Any:
    """A process of its own."""
    process = _processes.Process(target=target, args=arguments)
    process.start()
    return process


def signs_in(domain: Domain, account: Account, password: str | None) -> bool:
    return witness.signs_in(domain, account.dn, password or "")


@pytest.mark.parametrize("world", KINDS, indirect=True)
def test_two_processes_asked_at_once_give_each_record_one_rotation(
    world: SambaWorld, corp: Domain, tmp_path: Path
) -> None:
    records, accounts = people(world, corp, 12)
    spec = spec_of(world, tmp_path, records)

    both = [start(child.rotate, spec), start(child.rotate, spec)]
    for process in both:
        process.join(60)

    assert [process.exitcode for process in both] == [0, 0]
    for record, account in zip(records, accounts, strict=True):
        assert world.status(record)[0].status is Status.SUCCESSFUL
        assert len(world.revisions(record)) == 2
        assert signs_in(corp, account, world.password(record))


@pytest.mark.parametrize("frozen", [child.freeze_before_the_last_look, child.freeze_while_connecting])
def test_a_frozen_process_that_wakes_after_others_went_on_writes_nothing(
    world: SambaWorld, corp: Domain, tmp_path: Path, frozen: Callable[[str], None]
) -> None:
    [record], [account] = people(world, corp)
    process = start(frozen, spec_of(world, tmp_path, [record]))
    _until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    try:
        world.lease = child.SHORT_LEASE
        for _rotation in range(2):  # the one it began, and a later one
            [stands] = world.rotates(record)
            assert stands.status is Status.SUCCESSFUL, stands.reason
        settled = corp.set_at(account.dn)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    process.join(60)

    assert process.exitcode == 0
    assert corp.set_at(account.dn) == settled
    assert signs_in(corp, account, world.password(record))
    assert world.status(record)[0].status is Status.SUCCESSFUL


def test_twenty_kills_while_proving_never_lock_an_account(
    world: SambaWorld, private_domain: Domain, tmp_path: Path
) -> None:
    private_domain.set_domain_policy(lockout_threshold=3)
    [record], [account] = people(world, private_domain)
    spec = spec_of(world, tmp_path, [record])

    for _restart in range(20):
        process = start(child.overtaken_and_die_after_confirm, spec, THEIRS)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL

    assert not private_domain.is_locked(account.dn)
    assert signs_in(private_domain, account, THEIRS)
    [stands] = world.rotates(record)
    assert stands.status in (Status.IN_PROGRESS, Status.FAILED), "nobody took theirs for ours"
    assert not private_domain.is_locked(account.dn)


def test_ten_kills_while_trying_the_present_password_never_lock_an_account(
    world: SambaWorld, private_domain: Domain, branch: Domain, tmp_path: Path
) -> None:
    private_domain.set_domain_policy(lockout_threshold=3)
    name = unique_name("twice")
    world.controller("corp", private_domain)
    world.controller("branch", branch)
    accounts = {each.netbios.lower(): each.create_user(name, OLD) for each in (private_domain, branch)}
    guids = {directory: {name: str(account.guid)} for directory, account in accounts.items()}
    [record] = world.matched_accounts({name: "Not-what-it-is-9!"}, guids)
    spec = spec_of(world, tmp_path, [record])

    for _restart in range(10):
        process = start(child.die_after, spec, "works")
        process.join(60)
        if process.exitcode != -signal.SIGKILL:
            break  # nothing was tried any more

    assert not private_domain.is_locked(accounts["corp"].dn)
    [stands] = world.rotates(record)
    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert signs_in(private_domain, accounts["corp"], world.password(record))


def test_the_database_gone_in_the_middle_recover_gives_back_every_password(
    request: pytest.FixtureRequest, tmp_path: Path, corp: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[X25519PrivateKey] = []

    def keeping_the_key(folder: Path) -> Any:
        safe, recovery_key = stored_worlds.new_safe(folder)
        kept.append(recovery_key)
        return safe, recovery_key

    monkeypatch.setattr(worlds, "new_safe", keeping_the_key)
    with migrated_database("sqlite", request, tmp_path) as database:
        world = samba_world(database, tmp_path)
        records, accounts = people(world, corp, 3)
        assert world.rotates(records[0])[0].status is Status.SUCCESSFUL
        process = start(child.die_after, spec_of(world, tmp_path, records), "set_password")
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        known = _passwords(world, database)
    for file in tmp_path.glob("rekey.db*"):
        file.unlink()

    again = Database(f"sqlite:///{tmp_path}/rekey.db")
    again.migrate()
    recover(again, world.safe, world.trail, ADMINISTRATOR, kept[0])

    recovered = _passwords(world, again)
    assert recovered == known
    for account in accounts:
        assert any(signs_in(corp, account, each) for each in recovered[account.name]), account.name
    again.dispose()


def _passwords(world: SambaWorld, database: Database) -> dict[str, set[str]]:
    """Every password of every record, by its username."""
    with database.reading() as session:
        return {
            record.username: {
                open_revision(world.safe, world.organization.uid, record.uid, each).get_secret_value()
                for each in revisions_of(session, record.id)
            }
            for record in session.exec(select(Record))
        }


def _until(what: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.05)):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")
