"""Domains as good as new in half a second: a domain is provisioned once a week, and every controller is a copy.

Provisioning takes about 4 seconds and is always the same; what it made is kept, stopped, in a cache folder (pytest's
own, `--cache-clear` empties it). A week, because passwords in it grow old like everywhere.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from bot.demo import samba as recipe
from tests.real import domain, samba
from tests.real.domain import Domain


@contextmanager
def private_copy(realm: samba.Realm, cache: Path, folder: Path, *, measured: bool = False) -> Iterator[Domain]:
    """A domain of one's own in the folder, running on an address of its own; stopped and removed at the end."""
    _copy(template(realm, cache), folder)
    with samba.claim_address() as claim:
        copy = Domain(folder, realm, claim.getsockname()[0])
        try:
            copy.start(measured=measured)
            yield copy
        finally:
            copy.stop()
            shutil.rmtree(folder)


def start_shared(realm: samba.Realm, cache: Path, folder: Path) -> None:
    """Start a copy beneath the folder that outlives this process; `shared` finds it."""
    _copy(template(realm, cache), folder / realm.netbios)
    with samba.claim_address() as claim:
        host: str = claim.getsockname()[0]
        Domain(folder / realm.netbios, realm, host).start()
    (folder / f"{realm.netbios}.host").write_text(host)


def shared(realm: samba.Realm, folder: Path) -> Domain:
    """The domain that `start_shared` started beneath the folder."""
    return Domain(folder / realm.netbios, realm, (folder / f"{realm.netbios}.host").read_text())


def template(realm: samba.Realm, cache: Path) -> Path:
    """The stopped domain to copy, with `OU=Staff` and the delegated account `rekey`; made unless the cache has it."""
    version = hashlib.sha256(subprocess.run(["samba", "--version"], check=True, capture_output=True).stdout)
    for source in (recipe.__file__, samba.__file__, domain.__file__, __file__):
        version.update(Path(source).read_bytes())
    year, week, _ = datetime.now(UTC).isocalendar()
    made = cache / f"{realm.netbios}-{year}-{week}-{version.hexdigest()[:12]}"
    with FileLock(cache / f"{realm.netbios}.lock"):
        if not made.exists():
            for old in cache.glob(f"{realm.netbios}-*"):
                shutil.rmtree(old)
            # Made under /tmp, for Samba's sockets need short paths; moved in one step, for a run may be killed.
            with tempfile.TemporaryDirectory(dir=cache) as staging, tempfile.TemporaryDirectory() as workshop:
                _make(realm, Path(workshop) / "domain")
                _copy(Path(workshop) / "domain", Path(staging) / "domain")
                (Path(staging) / "domain").rename(made)
    return made


def _make(realm: samba.Realm, folder: Path) -> None:
    samba.provision(folder, realm)
    shutil.rmtree(folder / "state" / "sysvol")  # group policies, which nothing here serves
    with samba.claim_address() as claim:
        new = Domain(folder, realm, claim.getsockname()[0])
        try:
            new.start()
            new.create_staff()
        finally:
            new.stop()


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--archive", str(source), str(target)], check=True)
