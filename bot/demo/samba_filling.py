"""Fill a new Samba domain with the demo's people, before its controller starts.

Run by Debian's Python, which has Samba's bindings: smb.conf's path and the domain's DN as arguments, what is wanted as
JSON on stdin (see `bot.demo.samba`).
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.sd_utils import SDUtils

_RELAX = "relax:0"
_SECONDS_1601_TO_1970 = 11_644_473_600
_USERS = "bf967aba-0de6-11d0-a285-00aa003049e2"  # schemaIDGUID of user
_RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"  # noqa: S105 - extended right User-Force-Change-Password
_LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"  # schemaIDGUID of lockoutTime


def main() -> None:
    """Units and accounts, Rekey's own rights, and the policy last: the old passwords are older than any policy."""
    wanted = json.load(sys.stdin)
    base = sys.argv[2]
    configuration = LoadParm()
    configuration.load(sys.argv[1])
    database = SamDB(lp=configuration, session_info=system_session(configuration))
    database.transaction_start()
    _policy(database, base, length=1, threshold=0)
    services = _unit(database, base, "Services")
    _account(database, f"CN=rekey,{services}", {"username": "rekey", "password": wanted["connector"], "enabled": True})
    database.transaction_commit()
    rekey = _sid(database, f"CN=rekey,{services}")
    units = {services}
    for account in wanted["accounts"]:
        unit = _unit(database, base, account["ou"])
        units.add(unit)
        dn = f"CN={_escaped(account['username'])},{unit}"
        _account(database, dn, account)
        if account["privileged"]:
            _change(database, f"CN=Domain Admins,CN=Users,{base}", "member", dn, ldb.FLAG_MOD_ADD)
    security = SDUtils(database)
    for unit in units:
        for right in (f"CR;{_RESET_PASSWORD}", f"RPWP;{_LOCKOUT_TIME}", "RP;"):
            security.dacl_add_ace(unit, f"(OA;CIIO;{right};{_USERS};{rekey})")
    security.dacl_add_ace(f"CN=Password Settings Container,CN=System,{base}", f"(A;CI;RPLCLORC;;;{rekey})")
    _policy(database, base, length=wanted["length"], threshold=wanted["lockout_threshold"])


def _unit(database: SamDB, base: str, path: str) -> str:
    """The DN of this unit (`Staff/Front Desk`), made with everything above it."""
    if path == "Users":
        return f"CN=Users,{base}"
    dn = base
    for name in path.split("/"):
        dn = f"OU={_escaped(name)},{dn}"
        if not database.search(base, ldb.SCOPE_SUBTREE, f"(&(objectClass=organizationalUnit)(distinguishedName={dn}))"):
            database.add({"dn": dn, "objectClass": "organizationalUnit"})
    return dn


def _account(database: SamDB, dn: str, account: Mapping[str, Any]) -> None:
    flags = 0x200 | (0 if account["enabled"] else 0x2) | (0x10000 if account["username"] == "rekey" else 0)
    attributes = {
        "dn": dn,
        "objectClass": "user",
        "sAMAccountName": account["username"],
        "userPrincipalName": f"{account['username']}@{database.domain_dns_name()}",
        "userAccountControl": str(flags),
        "unicodePwd": f'"{account["password"]}"'.encode("utf-16-le"),
        "displayName": account.get("display_name"),
        "mail": account.get("mail"),
        "servicePrincipalName": list(account.get("spns", ())),
    }
    database.add({name: value for name, value in attributes.items() if value})
    if account.get("must_change"):
        _change(database, dn, "pwdLastSet", "0")
    if account.get("locked"):
        at = str(int((time.time() + _SECONDS_1601_TO_1970) * 10_000_000))
        _change(database, dn, "lockoutTime", at, controls=[_RELAX])


def _policy(database: SamDB, base: str, length: int, threshold: int) -> None:
    for name, value in (
        ("minPwdLength", length),
        ("lockoutThreshold", threshold),
        ("minPwdAge", 0),
        ("lockoutDuration", -30 * 60 * 10_000_000),
        ("lockOutObservationWindow", -30 * 60 * 10_000_000),
    ):
        _change(database, base, name, str(value))


def _change(
    database: SamDB, dn: str, name: str, value: str, flag: int = ldb.FLAG_MOD_REPLACE, controls: Sequence[str] = ()
) -> None:
    message = ldb.Message(ldb.Dn(database, dn))
    message[name] = ldb.MessageElement(value, flag, name)
    database.modify(message, controls=list(controls))


def _sid(database: SamDB, dn: str) -> str:
    return str(
        database.schema_format_value("objectSID", database.search(dn, ldb.SCOPE_BASE)[0]["objectSid"][0]).decode()
    )


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace(",", "\\,").replace("+", "\\+")


if __name__ == "__main__":
    main()
