"""The demo's customer whose passwords are in IT Glue: Finch Legal, solicitors, on the pretend IT Glue.

A dozen people, and one of everything a vault outside brings: a vaulted record, a restricted one, one embedded in a
firewall, somebody's personal ones, a record that is missing, and another customer of the same account.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr

from bot.demo.itglue.account import Organization
from bot.demo.itglue.server import RunningITGlue
from bot.demo.practice_domain import PracticeDomain, PracticePolicy

NAME = "Finch Legal"
DIRECTORY = "finch"
KEY_FILE = "itglue-key"

_PEOPLE = (
    "Ada Finch",
    "Boris Cedar",
    "Cleo Marsh",
    "Dario Vance",
    "Edie Holt",
    "Farid Noor",
    "Gwen Ortiz",
    "Hal Brook",
)


@dataclass(frozen=True, slots=True)
class ITGlueCompany:
    """Its domain, and the pretend IT Glue with its records; the server is not started yet."""

    domain: PracticeDomain
    server: RunningITGlue
    key: SecretStr = field(repr=False)

    def entry(self, channel: str, technician: str) -> str:
        """The organization as the world file has it, in one line."""
        return json.dumps(
            {
                "name": NAME,
                "channel": channel,
                "timezone": "Europe/London",
                "technicians": [technician],
                "directories": [{"name": DIRECTORY, "kind": "practice"}],
                "vault": {
                    "name": "it-glue",
                    "kind": "itglue",
                    "base_url": self.server.url,
                    "api_key": f"file:{KEY_FILE}",
                    "organization": NAME,
                },
            }
        )


def itglue_company() -> ITGlueCompany:
    """Build it anew, with its server listening on a free port."""
    domain = PracticeDomain("FINCH", "finch.example", policy=PracticePolicy(length=12, lockout_threshold=5))
    server = RunningITGlue()
    account = server.account
    key = SecretStr("ITG.demo-0f-the-pretend-IT-Glue")
    account.key(key.get_secret_value())
    home = account.organization(NAME)
    account.add(account.organization("Harbor Foods"), "Not Finch's", "N0t-Finchs-at-all")
    for number, name in enumerate(_PEOPLE):
        _employs(domain, server, home, name, f"Finch-{number:02}-Branch!")
    _employs(domain, server, home, "Ines Pratt", "Passphrase-0nly", vault_id=31, password=None)
    _employs(domain, server, home, "Jon Sable", "Partners-0nly-please", restricted=True)
    _employs(domain, server, home, "Kit Lowe", "F1rewall-or-Kit", embedded=("Configuration", 4711, "FW-01"))
    domain.person("lena.moss", "Nobody-wrote-th1s-down", display_name="Lena Moss", ou="Staff")
    account.add(home, "Ada's own", "Not-for-t0ols", personal=True)
    return ITGlueCompany(domain, server, key)


def _employs(
    domain: PracticeDomain, server: RunningITGlue, home: Organization, name: str, signs_in: str, **record: object
) -> None:
    """An account, and its record; `record` says what is unusual about that."""
    username = name.lower().replace(" ", ".")
    domain.person(username, signs_in, display_name=name, ou="Staff", set_ago=timedelta(days=500))
    details = {"password": signs_in, "username": username, "category": "Active Directory", **record}
    server.account.add(home, name, **details)  # type: ignore[arg-type] # the fields of a record
