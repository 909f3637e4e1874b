"""The demo's second customer: Harbor Foods, with 180 employees, so that pages, bars and "all" have something to do.

Most of its people are in the vault under their own username. The rest is what makes matching work: newcomers nobody has
an entry for, people entered twice, leavers, and a shop whose accounts nobody gave Rekey the right to reset.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.sample_company import records_file

EMPLOYEES = 180

_FIRST = (
    "Amara Ben Carla Dmitri Elif Femi Greta Hugo Ines Jonas Kira Liam Maya Noor Oskar Paula Quinn Rosa Stefan Tara "
    "Uma Viktor Wanda Xavier Yara Zeno Aoife Bruno Chloe David"
)
_LAST = (
    "Adler Brandt Costa Dunn Evans Fischer Garcia Hughes Ivanov Jensen Khan Lopez Moreau Nowak Olsen Price Quist Rossi "
    "Santos Tanaka Ueda Varga Walsh Xu Young Zimmer O'Dell Petrov Reid Singh"
)
_UNITS = ("Warehouse", "Drivers", "Office", "Shops/Quayside", "Shops/Old Town", "Kitchen")
_WITHOUT_RIGHT = "Shops/Old Town"


@dataclass(frozen=True, slots=True)
class LargeCompany:
    """Its one domain, and the vault's entries as the CSV file they would be exported to."""

    domain: PracticeDomain
    records_csv: str = field(repr=False)


def large_company() -> LargeCompany:
    """Build it anew: everybody is somebody else each time only by their password's number."""
    domain = PracticeDomain("HARBOR", "harbor.example", policy=PracticePolicy(length=12, lockout_threshold=5))
    rows: list[tuple[str, str, str, str, str]] = []
    firsts, lasts = _FIRST.split(), _LAST.split()
    for number in range(EMPLOYEES):
        first = firsts[number % len(firsts)]
        last = lasts[(7 * number + number // len(firsts)) % len(lasts)]
        username = f"{first}.{last}".lower().replace("'", "")
        password, unit = f"Harbour-{number:03}-Anchor!", _UNITS[number % len(_UNITS)]
        newcomer, left, twice = number % 25 == 7, number % 45 == 21, number % 60 == 31
        domain.person(
            username,
            password,
            display_name=f"{first} {last}",
            mail=f"{username}@harbor.example",
            ou="Leavers" if left else f"Staff/{unit}",
            enabled=not left,
            set_ago=timedelta(days=200 + 9 * number),
            resettable=unit != _WITHOUT_RIGHT or number % 24 != 4,
        )
        if not newcomer and not left:
            written = f"HARBOR\\{username}" if number % 3 == 0 else username
            rows.append((f"{first} {last}", written, password, "", f"Employee {1000 + number}, {unit}"))
        if twice:
            rows.append((f"{first} {last} (old phone list)", username, f"Harbour-{number:03}-Buoy!", "", ""))
    for username, name in (("orders", "Orders mailbox"), ("loading-dock", "Loading dock tablet")):
        password = f"Shared-{username}-Crate-7"
        domain.person(username, password, display_name=name, ou="Shared", set_ago=timedelta(days=700))
        rows.append((name, username, password, "", "known to the whole shift"))
    domain.person(
        "da.reid",
        "Keel-Mast-Rudder-9",
        display_name="David Reid (domain administrator)",
        ou="Administration",
        groups=("Domain Admins",),
        set_ago=timedelta(days=400),
    )
    rows.append(("David Reid (domain administrator)", "da.reid", "Keel-Mast-Rudder-9", "", ""))
    domain.person(
        "svc-scale",
        "We1gh-And-Print",
        display_name="Label scales",
        ou="Services",
        spns=("scale/dock1.harbor.example",),
        set_ago=timedelta(days=1900),
    )
    rows.append(("Label scales", "svc-scale", "We1gh-And-Print", "", "printed on the back of scale 3"))
    return LargeCompany(domain, records_file(rows))
