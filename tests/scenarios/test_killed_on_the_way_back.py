"""kill -9 while one of two real domains is being put back: both or neither, whenever it comes."""

import json
import multiprocessing
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from bot.scheduler import Scheduler
from storage.database import Database
from storage.models import Record, Rotation, RotationState
from tests.crash import child
from tests.crash.scene import described
from tests.real import witness
from tests.real.domain import Account, Domain, unique_name
from tests.rotation.samba_world import SambaWorld, samba_world
from tests.storage.databases import migrated_database

OLD = "Old-pass-0001!"

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.child"])


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, corp: Domain, branch: Domain) -> Iterator[SambaWorld]:
    with migrated_database("sqlite", request, tmp_path) as database:
        world = samba_world(database, tmp_path)
        world.controller("corp", corp)
        world.controller("branch", branch)
        yield world


def _scene(world: SambaWorld, folder: Path) -> tuple[str, Record, dict[str, Account]]:
    """Somebody in both domains, whom the second will refuse for good."""
    name = unique_name("both")
    corp, branch = world.controllers["corp"], world.controllers["branch"]
    outside = f"CN=Users,{branch.base_dn}"  # where nothing is delegated to us
    accounts = {"corp": corp.create_user(name, OLD), "branch": branch.create_user(name, OLD, ou=outside)}
    guids = {directory: {name: str(account.guid)} for directory, account in accounts.items()}
    [record] = world.matched_accounts({name: OLD}, guids)
    url = f"sqlite:///{folder}/rekey.db"
    return json.dumps(described(world, url, folder, [record.id])), record, accounts


def _play(spec: str, target: str | None = None, log: Path | None = None) -> int:
    process = _processes.Process(target=child.run, args=(spec, target, str(log) if log else None))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def test_killed_around_every_write_of_a_put_back_both_domains_hold_the_earlier_password(
    world: SambaWorld, tmp_path: Path
) -> None:
    spec, record, accounts = _scene(world, tmp_path)
    log = tmp_path / "boundaries"
    assert _play(spec, log=log) == 0
    _prove(world, record, accounts)
    boundaries = log.read_text().splitlines()
    first_write = next(at for at, each in enumerate(boundaries) if "set_password" in each)
    after = boundaries[first_write:]
    commits = [each for each in after if "commit" in each]
    answered = [at for at, each in enumerate(after) if each.startswith("after set_password")]
    # Before each write that goes through, while its answer is on the way, and right after it.
    targets = [each for each in after if each.startswith("before set_password")]
    targets += [after[at - step] for at in answered for step in (1, 0)] + commits[::3]
    assert len(targets) >= 10, targets

    killed = 0
    for target in targets:
        spec, record, accounts = _scene(world, tmp_path)
        killed += _play(spec, target=target) == -signal.SIGKILL
        _restart(world, world.database)
        _prove(world, record, accounts)
    assert killed >= 0.8 * len(targets)


def _restart(world: SambaWorld, database: Database) -> None:
    with database.reading() as session:
        opened = list(session.exec(select(Rotation.id).where(Rotation.ended_at.is_(None))))  # type: ignore[union-attr]
    with Scheduler(world.lanes(), pool_size=4, tick_seconds=0.1) as scheduler:
        waiting = scheduler.run_rotations(opened, lambda _waiting: None)
    assert waiting.open == 0, waiting.reasons


def _prove(world: SambaWorld, record: Record, accounts: dict[str, Account]) -> None:
    [stands] = world.status(record)
    # Killed before anything was asked for there is none.
    assert stands.rotation is None or stands.rotation.state == RotationState.PUT_BACK, stands.reason
    assert world.password(record) == OLD
    for directory, account in accounts.items():
        assert witness.signs_in(world.controllers[directory], account.dn, OLD), directory
