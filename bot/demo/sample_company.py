"""A company to practise on: Bright Smile Dental, with a head office and a branch, and a vault somebody kept by hand.

It has what real ones have: names with apostrophes and umlauts, administrators, a service account nobody dares to touch,
a shared mailbox at both sites, a locked colleague, one that left, and vault entries that are almost right.
"""

import csv
import io
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from bot.demo.practice_domain import PracticeDomain, PracticePolicy

WORLD_FILE = """\
rule: {length: 20, uppercase: true, lowercase: true, number: true, symbol: true}
organizations:
  - name: Bright Smile Dental
    timezone: Europe/London
    bulk: [person, shared, service, privileged]
    tiers: {shared: [frontdesk], break-glass: [emergency]}
    directories:
      - {name: head-office, kind: practice}
      - {name: branch, kind: practice}
    vault: {name: vault, kind: embedded}
"""


@dataclass(frozen=True, slots=True)
class SampleCompany:
    """Two domains, and the vault's entries as the CSV file they would be exported to."""

    head_office: PracticeDomain
    branch: PracticeDomain
    """Served under the names `head-office` and `branch`."""
    records_csv: str = field(repr=False)


def sample_company() -> SampleCompany:
    """Build it anew; every call gives other passwords."""
    head_office = PracticeDomain("BRIGHT", "bright.example", policy=PracticePolicy(length=12, lockout_threshold=5))
    branch = PracticeDomain("BRANCH", "branch.example", policy=PracticePolicy(length=14, lockout_threshold=3))
    head_office.group("IT", inside="Domain Admins")

    rows: list[tuple[str, str, str, str, str]] = []

    def kept(name: str, username: str, password: str, url: str = "", notes: str = "") -> str:
        """A password that the vault has an entry for."""
        rows.append((name, username, password, url, notes))
        return password

    def unknown() -> str:
        """A password that only its owner knows."""
        return secrets.token_urlsafe(16)

    def years(count: float) -> timedelta:
        return timedelta(days=round(365 * count))

    head_office.person(
        "alice.obrien",
        kept("Alice O'Brien", "alice.obrien", "Spring2019!"),
        display_name="Alice O'Brien",
        mail="alice@bright.example",
        ou="Staff/Front Desk",
        set_ago=years(6),
    )
    head_office.person(
        "j.müller",
        kept("Jürgen Müller", "BRIGHT\\j.müller", "Kaffeepause-77"),
        display_name="Jürgen Müller",
        ou="Staff/Hygiene",
        set_ago=years(2),
    )
    head_office.person(
        "priya.patel",
        kept("Priya Patel", "priya.patel@bright.example", "Molar#Canine8"),
        display_name="Priya Patel (locked out again)",
        ou="Staff/Dentists",
        set_ago=years(1),
    )
    head_office.person(
        "wei.li",
        kept("Li Wei", "wei.li", "Jasmine.Tea.4"),
        display_name="李伟",
        ou="Staff/Dentists",
        set_ago=years(0.5),
    )
    head_office.person(
        "tom.baker",
        kept("Tom Baker (admin)", "tom.baker", "Tardis-1974-Scarf"),
        display_name="Tom Baker",
        ou="Administration",
        groups=("IT",),
        set_ago=years(3),
    )
    head_office.person(
        "svc-backup",
        kept("Backup service", "BRIGHT\\svc-backup", "B4ckup-f0r-ever"),
        display_name="Nightly backup",
        ou="Services",
        spns=("backup/nas.bright.example",),
        set_ago=years(8),
    )
    shared = kept("Front desk", "frontdesk", "Welcome-2-Bright", notes="the shared mailbox; same at the branch")
    head_office.person("frontdesk", shared, display_name="Front desk", mail="hello@bright.example", set_ago=years(4))
    branch.person("frontdesk", shared, display_name="Front desk (branch)", set_ago=years(4))
    head_office.person(
        "emergency",
        kept("Break-glass", "emergency", "In-Case-0f-Fire"),
        display_name="Emergency access",
        groups=("Domain Admins",),
        ou="Administration",
        set_ago=years(5),
    )
    sam = kept("Sam Okafor", "sam.okafor", "Old-But-Gold-9")
    kept("Sam Okafor (copy of old laptop)", "sam.okafor", "Old-But-Gold-8")
    branch.person("sam.okafor", sam, display_name="Sam Okafor", ou="Staff", set_ago=years(1))
    branch.person("maria.rossi", unknown(), display_name="Maria Rossi", ou="Staff", set_ago=years(1))
    branch.person(
        "new.starter", unknown(), display_name="New Starter", ou="Staff", must_change=True, set_ago=timedelta(days=1)
    )
    kept("Router of the branch", "admin", "admin-admin-1", url="https://192.168.1.1/", notes="the device's own page")

    head_office.person("leaver", unknown(), display_name="Somebody Who Left", enabled=False, set_ago=years(2))
    head_office.person("rekey", unknown(), display_name="Rekey", ou="Services", connector=True)
    head_office.person(
        "krbtgt", unknown(), guard="It is the domain's Kerberos key account: resetting it is a procedure of its own."
    )
    head_office.locks("priya.patel")
    return SampleCompany(head_office, branch, records_file(rows))


def records_file(rows: list[tuple[str, str, str, str, str]]) -> str:
    """A vault's entries (name, username, password, URL, notes) as the CSV file they would be exported to."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("name", "username", "password", "url", "notes"))
    writer.writerows(rows)
    return text.getvalue()
