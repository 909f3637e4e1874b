"""Provision, start and stop one real Active Directory domain controller: Samba, on a loopback address of its own.

Samba needs root (it changes its own identity while it works) and Debian's packages. It runs here as a single process
and without fsync: a test kills processes, not the machine. Whoever measures asks for the ordinary way.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trustme

from bot.demo import samba as recipe
from bot.demo.samba import CONFIGURATION, NO_FSYNC, PORT, answers, claim_address, why_not
from tests.real.parts import stop_server, wait_until

__all__ = ["ADMIN_PASSWORD", "BRANCH", "CORP", "PORT", "REALMS", "Realm", "answers", "claim_address", "why_not"]

ADMIN_PASSWORD = "Adm1n-of-a-test-domain!"


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


def provision(folder: Path, realm: Realm) -> None:
    """Make an empty domain in the folder: its databases and, for a Windows-like one, its certificate."""
    recipe.provision(folder, realm.name, realm.netbios, ADMIN_PASSWORD)
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


def start(folder: Path, realm: Realm, host: str, *, measured: bool = False) -> None:
    """Start the controller and return when it takes connections; `measured`: with fsync and Samba's usual processes."""
    configuration = folder / "etc" / "smb.conf"
    configuration.write_text(CONFIGURATION.format(netbios=realm.netbios, realm=realm.name, host=host, folder=folder))
    model = [] if measured else ["--model=single"]
    environment = os.environ if measured else NO_FSYNC
    subprocess.run(["samba", f"--configfile={configuration}", "--daemon", *model], env=environment, check=True)
    try:
        wait_until(lambda: answers(host), f"the controller {host} to take connections")
    except TimeoutError as error:
        raise RuntimeError(f"{error}\n{(folder / 'samba.log').read_text()}") from error


def stop(folder: Path) -> None:
    """Stop the controller as a power cut would."""
    stop_server(folder / "samba.pid")
