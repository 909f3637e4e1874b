"""A test domain as its administrator sees it: make accounts and groups, delegate, set policies, pull the plug."""

import json
import ssl
import subprocess
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import ldap3
import trustme
from ldap3.protocol.formatters.formatters import format_sid
from ldap3.utils.dn import escape_rdn

from tests.real import samba

SERVICE_PASSWORD = "S3rvice-of-a-test-domain!"

_USERS = "bf967aba-0de6-11d0-a285-00aa003049e2"  # schemaIDGUID of user
_RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"  # extended right User-Force-Change-Password
_LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"  # schemaIDGUID of lockoutTime
_COMPLEXITY = 1  # pwdProperties


def unique_name(stem: str) -> str:
    """The stem with a random ending, at most 20 characters: an account name that no other test uses."""
    return f"{stem[:13]}-{uuid.uuid4().hex[:6]}"


@dataclass(frozen=True)
class Account:
    """An account as it was made; `password` is the first one."""

    dn: str
    guid: uuid.UUID
    name: str
    password: str


class Domain:
    """One Active Directory domain on one controller, and what its administrator can do to it.

    Every domain has `OU=Staff` and the account `CN=rekey,CN=Users` (`service_dn`, `service_password`), to which no more
    is delegated than `delegate_reset` on `OU=Staff` and `delegate_policies` give. Methods raise ldap3's exceptions
    and may be called from any thread.
    """

    def __init__(self, folder: Path, realm: samba.Realm, host: str) -> None:
        self.folder = folder
        self.realm = realm.name
        self.netbios = realm.netbios
        self.host = host
        self.port = samba.PORT
        self.tls_name = realm.tls_name
        self.ca_file = folder / "private" / "tls" / "ca.pem"
        self.base_dn = ",".join(f"DC={part}" for part in realm.name.lower().split("."))
        self.staff = f"OU=Staff,{self.base_dn}"
        self.admin_dn = f"CN=Administrator,CN=Users,{self.base_dn}"
        self.admin_password = samba.ADMIN_PASSWORD
        self.service_dn = f"CN=rekey,CN=Users,{self.base_dn}"
        self.service_password = SERVICE_PASSWORD
        self._realm = realm
        self._kept = threading.local()

    def __repr__(self) -> str:
        return f"<Domain {self.netbios} at {self.host}>"

    # The controller

    def start(self, *, measured: bool = False) -> None:
        """Start the controller, on the address it had; returns when it takes connections."""
        samba.start(self.folder, self._realm, self.host, measured=measured)

    def stop(self) -> None:
        """Stop the controller as a power cut would; what it has answered for stays."""
        self._kept = threading.local()
        samba.stop(self.folder)

    def show_certificate(self, authority: trustme.CA, certificate: trustme.LeafCert) -> None:
        """Restart the controller with another certificate; `ca_file` becomes its authority's. For a private domain."""
        self.stop()
        samba.show_certificate(self.folder, authority, certificate)
        self.start()

    def connection(
        self,
        dn: str | None = None,
        password: str | None = None,
        *,
        through: tuple[str, int] | None = None,
        receive_timeout: float = 30,
    ) -> ldap3.Connection:
        """A new connection signed in as the administrator, or as somebody else, its certificate verified.

        `through` is the host and port of a wire to the controller, `receive_timeout` how many seconds to wait for an
        answer. It raises on errors. Synchronous, hence for one thread; the caller unbinds it.
        """
        host, port = through or (self.host, self.port)
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(self.ca_file), valid_names=[self.tls_name])
        server = ldap3.Server(host, port, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=10)
        return ldap3.Connection(
            server,
            dn or self.admin_dn,
            password or self.admin_password,
            auto_bind=True,
            auto_referrals=False,
            raise_exceptions=True,
            receive_timeout=receive_timeout,
        )

    @property
    def _admin(self) -> ldap3.Connection:
        kept: ldap3.Connection | None = getattr(self._kept, "connection", None)
        if kept is None or kept.closed:
            kept = self._kept.connection = self.connection()
        return kept

    # Accounts and groups

    def create_staff(self) -> None:
        """Make `OU=Staff` and the account `rekey` with what is delegated to it: the beginning of every domain."""
        self._admin.add(self.staff, ["organizationalUnit"])
        self.create_service_account("rekey")
        self.delegate_reset(self.service_dn, self.staff)
        self.delegate_policies(self.service_dn)

    def create_ou(self, stem: str = "Test") -> str:
        """An organizational unit of one's own beneath `OU=Staff`, where the delegated rights reach; its DN."""
        dn = f"OU={unique_name(stem)},{self.staff}"
        self._admin.add(dn, ["organizationalUnit"])
        return dn

    def create_user(
        self,
        name: str,
        password: str = "F1rst-password",
        *,
        ou: str | None = None,
        cn: str | None = None,
        **attributes: str | bytes | Sequence[str],
    ) -> Account:
        """An enabled account in `OU=Staff` or the given unit. `name` is its sAMAccountName; attributes as in LDAP."""
        dn = f"CN={escape_rdn(cn or name)},{ou or self.staff}"
        defaults = {
            "sAMAccountName": name,
            "userPrincipalName": f"{name}@{self.realm.lower()}",
            "userAccountControl": "512",
            "unicodePwd": _quoted(password),
        }
        self._admin.add(dn, ["user"], {**defaults, **attributes})
        return Account(dn, uuid.UUID(bytes_le=self.read(dn, "objectGUID")[0]), name, password)

    def create_users(self, passwords: dict[str, str], *, ou: str | None = None) -> dict[str, str]:
        """Many accounts in one transaction (2 ms each), by sAMAccountName; returns their DNs by name."""
        dns = {name: f"CN={escape_rdn(name)},{ou or self.staff}" for name in passwords}
        accounts = [
            {
                "dn": dns[name],
                "password": password,
                "attributes": {
                    "sAMAccountName": name,
                    "userPrincipalName": f"{name}@{self.realm.lower()}",
                },
            }
            for name, password in passwords.items()
        ]
        script = Path(__file__).with_name("samba_bulk.py")
        subprocess.run(
            ["/usr/bin/python3", "-I", str(script), str(self.folder / "etc" / "smb.conf")],
            input=json.dumps(accounts),
            text=True,
            check=True,
        )
        return dns

    def create_group(self, name: str, *, ou: str | None = None, members: Iterable[str] = ()) -> str:
        """A global security group with these members' DNs; its DN."""
        dn = f"CN={escape_rdn(name)},{ou or self.staff}"
        self._admin.add(dn, ["group"], {"sAMAccountName": name})
        for member in members:
            self.add_member(dn, member)
        return dn

    def add_member(self, group_dn: str, member_dn: str) -> None:
        """Put an account or a group into a group."""
        self._admin.modify(group_dn, {"member": [(ldap3.MODIFY_ADD, [member_dn])]})

    def modify(self, dn: str, **attributes: str | bytes | Sequence[str]) -> None:
        """Replace attributes of any object; an empty list clears one."""
        self._admin.modify(
            dn,
            {
                name: [(ldap3.MODIFY_REPLACE, [value] if isinstance(value, str | bytes) else list(value))]
                for name, value in attributes.items()
            },
        )

    def delete(self, dn: str) -> None:
        """Delete an object."""
        self._admin.delete(dn)

    def rename(self, dn: str, new_cn: str) -> str:
        """Give an object another CN in the same place; its new DN."""
        rdn = f"CN={escape_rdn(new_cn)}"
        self._admin.modify_dn(dn, rdn)
        return f"{rdn},{dn.partition(',')[2]}"

    def read(self, dn: str, attribute: str) -> list[bytes]:
        """The raw values of one attribute, constructed ones too; empty when it has none."""
        self._admin.search(dn, "(objectClass=*)", ldap3.BASE, attributes=[attribute])
        (entry,) = self._admin.response or [{}]
        values: list[bytes] = entry["raw_attributes"].get(attribute, [])
        return values

    def set_password(self, dn: str, password: str, *, must_change: bool = False) -> None:
        """Reset a password as an administrator does, behind Rekey's back."""
        values: dict[str, str | bytes] = {"unicodePwd": _quoted(password)}
        if must_change:
            values["pwdLastSet"] = "0"
        self.modify(dn, **values)

    def set_at(self, dn: str) -> int:
        """An account's `pwdLastSet`: 100 ns since 1601 UTC, 0 for must change at next logon."""
        return int(self.read(dn, "pwdLastSet")[0])

    def is_locked(self, dn: str) -> bool:
        """Whether the account is locked out at this moment."""
        return bool(int(self.read(dn, "msDS-User-Account-Control-Computed")[0]) & 0x10)

    def unlock(self, dn: str) -> None:
        """End a lockout."""
        self.modify(dn, lockoutTime="0")

    # Rights and policies

    def create_service_account(self, name: str, password: str = SERVICE_PASSWORD) -> str:
        """An ordinary account without any delegated right, whose password does not expire; its DN."""
        return self.create_user(
            name, password, ou=f"CN=Users,{self.base_dn}", userAccountControl=str(0x200 | 0x10000)
        ).dn

    def delegate_reset(self, service_dn: str, ou_dn: str) -> None:
        """Let an account reset passwords, unlock, and read everything of the users beneath a unit. Nothing else."""
        self._allow(service_dn, ou_dn, f"(OA;CIIO;CR;{_RESET_PASSWORD};{_USERS};{{sid}})")
        self._allow(service_dn, ou_dn, f"(OA;CIIO;RPWP;{_LOCKOUT_TIME};{_USERS};{{sid}})")
        self._allow(service_dn, ou_dn, f"(OA;CIIO;RP;;{_USERS};{{sid}})")

    def delegate_policies(self, service_dn: str) -> None:
        """Let an account read the fine-grained password policies, which ordinary accounts cannot see."""
        container = f"CN=Password Settings Container,CN=System,{self.base_dn}"
        self._allow(service_dn, container, "(A;CI;RPLCLORC;;;{sid})")

    def create_pso(
        self,
        name: str,
        *,
        applies_to: Iterable[str],
        precedence: int = 10,
        min_length: int = 7,
        complexity: bool = True,
        history: int = 24,
        min_age: timedelta = timedelta(0),
        max_age: timedelta = timedelta(days=42),
        lockout_threshold: int = 0,
        lockout_window: timedelta = timedelta(minutes=30),
        lockout_duration: timedelta = timedelta(minutes=30),
    ) -> str:
        """A fine-grained password policy for these users' or global groups' DNs; its DN."""
        dn = f"CN={escape_rdn(name)},CN=Password Settings Container,CN=System,{self.base_dn}"
        self._admin.add(
            dn,
            ["msDS-PasswordSettings"],
            {
                "msDS-PasswordSettingsPrecedence": str(precedence),
                "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
                "msDS-PasswordHistoryLength": str(history),
                "msDS-PasswordComplexityEnabled": "TRUE" if complexity else "FALSE",
                "msDS-MinimumPasswordLength": str(min_length),
                "msDS-MinimumPasswordAge": _interval(min_age),
                "msDS-MaximumPasswordAge": _interval(max_age),
                "msDS-LockoutThreshold": str(lockout_threshold),
                "msDS-LockoutObservationWindow": _interval(lockout_window),
                "msDS-LockoutDuration": _interval(lockout_duration),
                "msDS-PSOAppliesTo": list(applies_to),
            },
        )
        return dn

    def set_domain_policy(
        self,
        *,
        min_length: int | None = None,
        complexity: bool | None = None,
        history: int | None = None,
        min_age: timedelta | None = None,
        max_age: timedelta | None = None,
        lockout_threshold: int | None = None,
        lockout_window: timedelta | None = None,
        lockout_duration: timedelta | None = None,
    ) -> None:
        """Change what is given of the domain's own password and lockout policy. Only for a private domain."""
        wanted = {
            "minPwdLength": None if min_length is None else str(min_length),
            "pwdProperties": None if complexity is None else str(_COMPLEXITY if complexity else 0),
            "pwdHistoryLength": None if history is None else str(history),
            "minPwdAge": None if min_age is None else _interval(min_age),
            "maxPwdAge": None if max_age is None else _interval(max_age),
            "lockoutThreshold": None if lockout_threshold is None else str(lockout_threshold),
            "lockOutObservationWindow": None if lockout_window is None else _interval(lockout_window),
            "lockoutDuration": None if lockout_duration is None else _interval(lockout_duration),
        }
        self.modify(self.base_dn, **{name: value for name, value in wanted.items() if value is not None})

    def _allow(self, trustee_dn: str, object_dn: str, sddl: str) -> None:
        sid = format_sid(self.read(trustee_dn, "objectSid")[0])
        subprocess.run(
            [
                *("samba-tool", "dsacl", "set", f"--configfile={self.folder}/etc/smb.conf"),
                f"--URL={self.folder}/private/sam.ldb",
                *(f"--objectdn={object_dn}", f"--sddl={sddl.format(sid=sid)}"),
            ],
            check=True,
            capture_output=True,
        )


def _quoted(password: str) -> bytes:
    """A password as unicodePwd takes it: in double quotes, UTF-16LE."""
    return f'"{password}"'.encode("utf-16-le")


def _interval(length: timedelta) -> str:
    """A length of time as Active Directory stores it: negative, in 100 ns."""
    return str(-(length // timedelta(microseconds=1)) * 10)
