"""OpenLDAP's own client as a witness that knows nothing of Rekey: does this password sign in, what does the server say?

The certificate is verified, name included. A controller here is reached by address while its certificate has a host
name, so nss_wrapper tells this one process, and nobody else on the machine, where that host is.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.real.domain import Domain

PACKAGES = "ldap-utils libnss-wrapper"
_INVALID_CREDENTIALS = 49


def why_not() -> str | None:
    """What this machine lacks for the witness, as a sentence; None if nothing."""
    preloads = subprocess.run(
        ["ldd", "/bin/true"], env={"LD_PRELOAD": "libnss_wrapper.so"}, capture_output=True, text=True, check=False
    )
    if shutil.which("ldapsearch") and "libnss_wrapper.so" in preloads.stdout:
        return None
    return f"OpenLDAP's client is not installed: apt-get install --no-install-recommends {PACKAGES}"


def signs_in(domain: Domain, user: str, password: str) -> bool:
    """Whether the controller takes this password for a DN or user principal name over LDAPS.

    Raises RuntimeError with the client's words when there is no answer or it is not about the password.
    """
    return refusal(domain, user, password) is None


def refusal(domain: Domain, user: str, password: str) -> str | None:
    """Why the controller refuses the sign-in: the `data` code of its answer, such as `52e`; None when it takes it.

    Samba has no "who am I", so what `ldapwhoami` does is done with a search that asks for next to nothing.
    """
    answer = client(domain, "ldapsearch", user, password, "-s", "base", "-b", "", "supportedLDAPVersion")
    if answer.returncode == 0:
        return None
    code = re.search(r"\bdata ([0-9a-f]+)", answer.stderr)
    if answer.returncode != _INVALID_CREDENTIALS or code is None:
        raise RuntimeError(f"ldapsearch as {user} on {domain}: {answer.stderr.strip()}")
    return code[1]


def search(domain: Domain, filter_: str, *attributes: str, base: str | None = None) -> str:
    """What an administrator finds in the domain, as LDIF without folded lines."""
    where = ["-o", "ldif-wrap=no", "-LLL", "-b", base or domain.base_dn]
    answer = client(domain, "ldapsearch", domain.admin_dn, domain.admin_password, *where, filter_, *attributes)
    if answer.returncode != 0:
        raise RuntimeError(f"ldapsearch {filter_} on {domain}: {answer.stderr.strip()}")
    return answer.stdout


def client(
    domain: Domain, program: str, user: str, password: str, *arguments: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of OpenLDAP's programs (`ldapsearch`, `ldapmodify` …) signed in to the controller over LDAPS."""
    with tempfile.TemporaryDirectory() as scratch:  # readable by its owner only
        hosts, secret = Path(scratch) / "hosts", Path(scratch) / "password"
        hosts.write_text(f"{domain.host} {domain.tls_name}\n")
        secret.write_text(password)
        return subprocess.run(
            [
                *(program, "-x", "-H", f"ldaps://{domain.tls_name}:{domain.port}", "-o", "nettimeout=20"),
                *("-D", user, "-y", str(secret), *arguments),
            ],
            input=stdin,
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "LD_PRELOAD": "libnss_wrapper.so",
                "NSS_WRAPPER_HOSTS": str(hosts),
                "LDAPTLS_CACERT": str(domain.ca_file),
                "LDAPTLS_REQCERT": "demand",
            },
            capture_output=True,
            text=True,
            check=False,
        )
