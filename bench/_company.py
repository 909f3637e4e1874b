"""A company of a hundred thousand accounts and records, stored without anything being matched yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import insert

from bot.directories.base import SeenAccount
from storage.database import Database
from storage.models import Connection, Organization, Record, Tier, new_uid, now
from storage.names import fold, parse_username

DOMAIN = "corp.example.test"


@contextmanager
def new_company() -> Iterator[tuple[Database, Path, int]]:
    """An organization with an empty directory and vault, in a migrated SQLite file; its folder; the directory's id."""
    with TemporaryDirectory(prefix="rekey-bench-") as folder:
        database = Database(f"sqlite:///{folder}/rekey.db")
        database.migrate()
        with database.writing() as session:
            organization = Organization(name="Company", name_key="company")
            session.add(organization)
            session.flush()
            sides = [
                Connection(
                    organization_id=organization.id,
                    name=side,
                    name_key=side,
                    side=side,
                    kind=kind,
                    domain_names=["corp", DOMAIN],
                )
                for side, kind in (("directory", "active-directory"), ("vault", "embedded"))
            ]
            session.add_all(sides)
            session.flush()
            directory_id = sides[0].id
        yield database, Path(folder), directory_id
        database.dispose()


def seen(number: int) -> SeenAccount:
    """An account as the directory lists it."""
    return SeenAccount(
        object_id=f"00000000-0000-0000-0000-{number:012}",
        username=f"user{number}",
        domain="CORP",
        upn=f"first.last{number}@{DOMAIN}",
        mail=f"first.last{number}@mail.{DOMAIN}",
        display_name=f"First Last {number}",
        ou="OU=People",
        enabled=True,
        locked=False,
        password_set_at=now(),
        tier=Tier.PERSON,
        guard=None,
    )


def add_records(database: Database, count: int) -> None:
    """Records of every kind: most fit one account, some two, some nobody's, some are other sites'."""
    rows = []
    for number in range(count):
        username = (
            f"user{number}",
            f"CORP\\user{number}",
            f"first.last{number}@{DOMAIN}",
            f"USER{number}",
            f"somebody{number}",
            f"user{number - 1}",
        )[number % 6]
        name = f"Record {number}"
        rows.append(
            {
                "uid": new_uid(),
                "organization_id": 1,
                "connection_id": 2,
                "name": name,
                "name_key": fold(name),
                "username": username,
                "username_key": parse_username(username).name,
                "url": (None, f"https://{DOMAIN}/", f"https://site{number % 1000}.example/login")[number % 3],
                "created_at": now(),
            }
        )
    with database.writing() as session:
        session.execute(insert(Record), rows)
