"""Provision, start and stop one real Active Directory domain controller: Samba, on a loopback address of its own.

Samba needs root (it changes its own identity while it works) and Debian's packages. It runs here as a single process
and without fsync: a test kills processes, not the machine. Whoever measures asks for the ordinary way.
"""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.real.parts import stop_server, wait_until

PACKAGES = "samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind"
PORT = 636
ADMIN_PASSWORD = "Adm1n-of-a-test-domain!"
_CLAIM_PORT = 635

_CONFIGURATION = """\
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


@dataclass(frozen=True)
class Realm:
    """What a test domain is called, and which certificate its controller shows.

    `windows_certificate`: one of a company's authority that names the host in subjectAltName, RSA 2048, as a Windows
    controller has it; otherwise the one Samba makes for itself (own authority, common name only, RSA 4096).
    """

    name: str
    netbios: str
    windows_certificate: bool

    @property
    def tls_name(self) -> str:
        """The controller's host name in full, as its certificate gives it."""
        return f"dc1.{self.name.lower()}"


CORP = Realm("CORP.EXAMPLE.TEST", "CORP", windows_certificate=True)
BRANCH = Realm("BRANCH.EXAMPLE.TEST", "BRANCH", windows_certificate=False)
REALMS = (CORP, BRANCH)


def why_not() -> str | None:
    """What this machine lacks for a domain controller, as a sentence; None if nothing."""
    if os.geteuid() != 0:
        return "a Samba domain controller needs root: run the tests as root"
    if not (shutil.which("samba") and shutil.which("samba-tool") and Path("/usr/share/samba/setup").exists()):
        return f"Samba is not installed: apt-get install --no-install-recommends {PACKAGES}"
    return None


def provision(folder: Path, realm: Realm) -> None:
    """Make an empty domain in the folder: its databases and, for a Windows-like one, its certificate."""
    subprocess.run(
        [
            *("samba-tool", "domain", "provision", "--server-role=dc", "--dns-backend=NONE", "-d0"),
            *(f"--realm={realm.name}", f"--domain={realm.netbios}", "--host-name=dc1", "--host-ip=127.0.0.11"),
            *("--option=interfaces=127.0.0.11/8", "--option=bind interfaces only=yes"),
            *(f"--adminpass={ADMIN_PASSWORD}", f"--targetdir={folder}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    if realm.windows_certificate:
        authority = trustme.CA(organization_name=f"{realm.netbios} Company CA", key_type=trustme.KeyType.RSA)
        show_certificate(
            folder,
            authority,
            authority.issue_cert(realm.tls_name, common_name=realm.tls_name, key_type=trustme.KeyType.RSA),
        )


def show_certificate(folder: Path, authority: trustme.CA, certificate: trustme.LeafCert) -> None:
    """Make the controller show this certificate from its next start on."""
    tls = folder / "private" / "tls"
    tls.mkdir(mode=0o700, exist_ok=True)
    authority.cert_pem.write_to_path(tls / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(tls / "cert.pem")
    key = tls / "key.pem"
    key.touch(mode=0o600)  # Samba refuses a key that others may read
    certificate.private_key_pem.write_to_path(key)


def claim_address() -> socket.socket:
    """A loopback address without a controller, claimed until the returned socket is closed or this process ends.

    Claiming is binding a port beside the one LDAPS uses, so that several checkouts can run at once on one machine.
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


def start(folder: Path, realm: Realm, host: str, *, measured: bool = False) -> None:
    """Start the controller and return when it takes connections; `measured`: with fsync and Samba's usual processes."""
    configuration = folder / "etc" / "smb.conf"
    configuration.write_text(_CONFIGURATION.format(netbios=realm.netbios, realm=realm.name, host=host, folder=folder))
    model = [] if measured else ["--model=single"]
    environment = os.environ if measured else {**os.environ, "TDB_NO_FSYNC": "1"}
    subprocess.run(["samba", f"--configfile={configuration}", "--daemon", *model], env=environment, check=True)
    try:
        wait_until(lambda: answers(host), f"the controller {host} to take connections")
    except TimeoutError as error:
        raise RuntimeError(f"{error}\n{(folder / 'samba.log').read_text()}") from error


def stop(folder: Path) -> None:
    """Stop the controller as a power cut would."""
    stop_server(folder / "samba.pid")


def answers(host: str) -> bool:
    """Whether anything takes connections on the controller's port."""
    try:
        with socket.create_connection((host, PORT), timeout=1):
            return True
    except OSError:
        return False
