"""Add many accounts to a domain's own database in one transaction, beside the running controller.

Run by Debian's Python, which has Samba's bindings: smb.conf's path as the argument, on stdin a JSON list of
`{"dn", "password", "attributes"}`. Only the NT hash is stored, as after a migration: a sign-in over LDAP uses no more,
and hashing for Kerberos too would take ten times as long.
"""

import json
import sys
import time

from samba.auth import system_session
from samba.credentials import Credentials
from samba.param import LoadParm
from samba.samdb import SamDB

_STORE_THE_HASH_AS_GIVEN = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"  # DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID
_SECONDS_1601_TO_1970 = 11_644_473_600


def main() -> None:
    configuration = LoadParm()
    configuration.load(sys.argv[1])
    database = SamDB(lp=configuration, session_info=system_session())
    database.transaction_start()
    for account in json.load(sys.stdin):
        hashed = Credentials()
        hashed.set_password(account["password"])
        database.add(
            {
                "dn": account["dn"],
                "objectClass": "user",
                "userAccountControl": "512",
                **account["attributes"],
                "unicodePwd": hashed.get_nt_hash(),
                "pwdLastSet": str(int((time.time() + _SECONDS_1601_TO_1970) * 10_000_000)),
            },
            controls=[_STORE_THE_HASH_AS_GIVEN],
        )
    database.transaction_commit()


if __name__ == "__main__":
    main()
