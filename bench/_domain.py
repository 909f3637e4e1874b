"""A real domain controller full of accounts, and a Rekey set up for it, for benches of whole rotations."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real import samba, templates
from tests.real.domain import Domain

_CACHE = Path.home() / ".cache" / "rekey-bench"


@contextmanager
def domain(realm: samba.Realm, folder: Path) -> Iterator[Domain]:
    """A controller of one's own, running the ordinary way: fsync, a process per task."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with templates.private_copy(realm, _CACHE, folder, measured=True) as made:
        yield made


def passwords(count: int) -> dict[str, str]:
    """So many account names and their first passwords."""
    return {f"user{number:05}": f"F1rst-password-{number}" for number in range(count)}


def bare_resets(controller: Domain, names: Sequence[str], folder: Path) -> float:
    """Seconds that one bare `ldapmodify` run takes to reset these accounts, signed in as Rekey's own account."""
    ldif = folder / "resets.ldif"
    with ldif.open("w") as file:
        for number, name in enumerate(names):
            quoted = base64.b64encode(f'"Bare-reset-{number}-{time.time_ns()}"'.encode("utf-16-le")).decode()
            file.write(
                f"dn: CN={name},{controller.staff}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: {quoted}\n\n"
            )
    secret = folder / "service-password"
    secret.write_text(controller.service_password)
    secret.chmod(0o600)
    command = ["ldapmodify", "-H", f"ldaps://{controller.host}:{controller.port}", "-x", "-D", controller.service_dn]
    began = time.perf_counter()
    subprocess.run(
        [*command, "-y", str(secret), "-f", str(ldif)],
        # The bench's own loopback controller, reached by address: only its speed is of interest here.
        env={**os.environ, "LDAPTLS_REQCERT": "never"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


@dataclass(frozen=True)
class Company:
    """A Rekey of its own in a folder, driven by its command line as a person would."""

    folder: Path

    def rekey(self, *words: str) -> str:
        """Run one command; its stdout. Raises CalledProcessError unless it exits 0."""
        environment = {
            **os.environ,
            "REKEY_DATABASE_URL": f"sqlite:///{self.folder}/rekey.db",
            "REKEY_KEY_FILE": str(self.folder / "rekey.key"),
        }
        for name in ("corp", "branch"):
            secret = self.folder / f"{name}.secret"
            if secret.exists():
                environment[f"REKEY_SECRET_{name.upper()}"] = secret.read_text()
        return subprocess.run(
            [sys.executable, "-m", "bot", *words], env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def set_up(self, directories: dict[str, Domain], people: dict[str, dict[str, str]]) -> None:
        """One organization per directory (so that names may repeat), everybody matched and approved."""
        organizations = []
        for name, controller in directories.items():
            secret = self.folder / f"{name}.secret"
            secret.write_text(controller.service_password)
            secret.chmod(0o600)
            organizations.append(
                {
                    "name": name,
                    "bulk": ["person", "shared", "service", "privileged"],
                    "directories": [
                        {
                            "name": f"{name}-ad",
                            "kind": "active-directory",
                            "servers": [
                                {"host": controller.host, "port": controller.port, "tls_name": controller.tls_name}
                            ],
                            "ca_file": str(controller.ca_file),
                            "bind_dn": controller.service_dn,
                            "bind_password": f"env:REKEY_SECRET_{name.upper()}",
                        }
                    ],
                    "vault": {"name": f"{name}-vault", "kind": "embedded"},
                }
            )
        world = self.folder / "world.yaml"
        world.write_text(json.dumps({"organizations": organizations}))  # JSON is YAML
        self.rekey("keys", "init")
        self.rekey("apply", str(world), "--yes")
        for name, accounts in people.items():
            table = self.folder / f"{name}.csv"
            lines = [f"{account},{account},{password},," for account, password in accounts.items()]
            table.write_text("\n".join(["name,username,password,url,notes", *lines]))
            self.rekey("records", "import", str(table), "--organization", name)
        self.rekey("sync")
        self.rekey("matches", "approve", "--all-exact")

    def rotate_all(self, *organizations: str) -> float:
        """Seconds that `rekey rotate --all` takes, start-up included; raises unless every rotation succeeded."""
        scope = [word for name in organizations for word in ("--organization", name)]
        began = time.perf_counter()
        statuses = json.loads(self.rekey("rotate", "--all", "--json", *scope))
        seconds = time.perf_counter() - began
        failed = [each for each in statuses if each["status"] != "Successful"]
        if failed:
            raise RuntimeError(f"{len(failed)} of {len(statuses)} rotations failed, the first: {failed[0]}")
        return seconds
