"""A real Active Directory domain for the demo: Samba's domain controller, on a loopback address of its own.

It needs root (Samba changes its own identity while it works) and Debian's packages. It runs as a single process and
without fsync, in a folder that is thrown away.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from bot.demo.live import RealDirectory
from bot.demo.practice_domain import PracticeAccount, PracticeDomain
from bot.errors import RekeyError

PACKAGES = "samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind"
PORT = 636
NO_FSYNC = {**os.environ, "TDB_NO_FSYNC": "1"}
_CLAIM_PORT = 635
_START_SECONDS = 30
_FILLING = Path(__file__).with_name("samba_filling.py")

CONFIGURATION = """\
[global]
    netbios name = DC1
    workgroup = {netbios}
    realm = {realm}
    server role = active directory domain controller
    server services = ldap
    dcerpc endpoint servers = -dnsserver
    interfaces = {host}/8
    bind interfaces only = yes
    private dir = {folder}/private
    state directory = {folder}/state
    cache directory = {folder}/cache
    lock directory = {folder}
    pid directory = {folder}
    ncalrpc dir = {folder}/ncalrpc
    binddns dir = {folder}/bind-dns
    log file = {folder}/samba.log
    logging = file
    log level = 0
"""


def why_not() -> str | None:
    """What this machine lacks for a domain controller, as a sentence; None if nothing."""
    if os.geteuid() != 0:
        return "a Samba domain controller needs root"
    if not (shutil.which("samba") and shutil.which("samba-tool") and Path("/usr/share/samba/setup").exists()):
        return f"Samba is not installed: apt-get install --no-install-recommends {PACKAGES}"
    return None


def provision(folder: Path, realm: str, netbios: str, admin_password: str) -> None:
    """Make an empty domain in the folder, with a certificate of Samba's own making once it starts."""
    subprocess.run(
        [
            *("samba-tool", "domain", "provision", "--server-role=dc", "--dns-backend=NONE", "-d0"),
            *(f"--realm={realm}", f"--domain={netbios}", "--host-name=dc1", "--host-ip=127.0.0.11"),
            *("--option=interfaces=127.0.0.11/8", "--option=bind interfaces only=yes"),
            *(f"--adminpass={admin_password}", f"--targetdir={folder}"),
        ],
        env=NO_FSYNC,
        check=True,
        capture_output=True,
        text=True,
    )


def claim_address() -> socket.socket:
    """A loopback address without a controller, claimed until the returned socket is closed or this process ends.

    Claiming is binding a port beside the one LDAPS uses, so that several can start at once on one machine.
    """
    for last in range(11, 255):
        claim = socket.socket()
        try:
            claim.bind((f"127.0.0.{last}", _CLAIM_PORT))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((f"127.0.0.{last}", PORT))
        except OSError:
            claim.close()
        else:
            return claim
    raise RuntimeError(f"no loopback address from 127.0.0.11 on has its port {PORT} free")


def answers(host: str) -> bool:
    """Whether anything takes connections on the controller's port."""
    try:
        with socket.create_connection((host, PORT), timeout=1):
            return True
    except OSError:
        return False


class SambaDomain:
    """A domain with the accounts of a practice domain, in this folder, while it is open; a context manager.

    Entering raises `RekeyError` when this machine cannot run one. Rekey's account in it, `rekey`, may reset and unlock
    everybody but administrators.
    """

    def __init__(self, folder: Path, people: PracticeDomain) -> None:
        self._folder = folder / "domain"  # which Samba wants to make itself
        self._people = people
        self._password = SecretStr(f"Conn3ctor-{secrets.token_urlsafe(12)}")
        self._controller: subprocess.Popen[bytes] | None = None
        self.host = ""

    @property
    def realm(self) -> str:
        """What follows the @ of everybody's sign-in name."""
        return self._people.dns_name

    @property
    def tls_name(self) -> str:
        """The controller's name in its certificate."""
        return f"dc1.{self._people.dns_name}"

    @property
    def ca_file(self) -> Path:
        """The authority of its certificate."""
        return self._folder / "private" / "tls" / "ca.pem"

    @property
    def base_dn(self) -> str:
        """The domain's distinguished name."""
        return ",".join(f"DC={part}" for part in self._people.dns_name.split("."))

    def as_directory(self) -> RealDirectory:
        """What a world file says of it, and the password of Rekey's account."""
        entry: dict[str, Any] = {
            "kind": "active-directory",
            "servers": [{"host": self.host, "tls_name": self.tls_name}],
            "ca": self.ca_file.read_text("utf-8"),
            "bind_dn": f"CN=rekey,OU=Services,{self.base_dn}",
        }
        return RealDirectory(entry, self._password)

    def __enter__(self) -> Self:
        lacking = why_not()
        if lacking:
            raise RekeyError(f"The demo cannot have a real domain here: {lacking}. Without AD=samba it needs neither.")
        provision(self._folder, self._people.dns_name.upper(), self._people.name, f"Adm1n-{secrets.token_urlsafe(12)}")
        with claim_address() as claim:
            self.host = claim.getsockname()[0]
            self._configure()
            self._fill()
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._controller is not None:
            os.killpg(self._controller.pid, signal.SIGKILL)
            self._controller.communicate()

    def _configure(self) -> None:
        people, configuration = self._people, self._folder / "etc" / "smb.conf"
        configuration.write_text(
            CONFIGURATION.format(
                netbios=people.name, realm=people.dns_name.upper(), host=self.host, folder=self._folder
            )
        )

    def _fill(self) -> None:
        """Everybody, by Debian's Python, which has Samba's bindings."""
        policy = self._people.policy
        wanted = {
            "length": policy.length,
            "lockout_threshold": policy.lockout_threshold,
            "connector": self._password.get_secret_value(),
            "accounts": [self._described(each) for each in self._people.all_accounts() if not self._is_there(each)],
        }
        done = subprocess.run(
            ["/usr/bin/python3", "-I", str(_FILLING), str(self._folder / "etc" / "smb.conf"), self.base_dn],
            input=json.dumps(wanted),
            text=True,
            env=NO_FSYNC,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RekeyError(f"The real domain could not be filled: {done.stderr.strip().splitlines()[-1]}")

    def _is_there(self, account: PracticeAccount) -> bool:
        return account.connector or account.username == "krbtgt"

    def _described(self, account: PracticeAccount) -> dict[str, object]:
        return {
            "username": account.username,
            "password": account.password,
            "display_name": account.display_name,
            "mail": account.mail,
            "ou": account.ou,
            "privileged": bool(account.groups),
            "spns": account.spns,
            "enabled": account.enabled,
            "must_change": account.must_change,
            "locked": self._people.is_locked(account),
        }

    def _start(self) -> None:
        self._controller = subprocess.Popen(
            ["samba", f"--configfile={self._folder / 'etc' / 'smb.conf'}", "--foreground", "--model=single"],
            env=NO_FSYNC,
            stdin=subprocess.PIPE,  # Samba takes the end of its input for the end of its parent
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the demo, which ends this itself
        )
        until = time.monotonic() + _START_SECONDS
        while not answers(self.host):
            if self._controller.poll() is not None or time.monotonic() > until:
                log = (self._folder / "samba.log").read_text("utf-8", "replace").strip().splitlines()
                raise RekeyError(f"Samba did not start: {log[-1] if log else 'it says nothing'}")
            time.sleep(0.05)
