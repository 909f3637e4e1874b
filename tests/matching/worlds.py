"""A small world to match in: an organization with two directories and an embedded vault, filled as a test asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import select

from bot.audit import Trail
from bot.matching.suggesting import suggest
from bot.permissions import Operator
from storage.accounts import get_account
from storage.database import Database
from storage.matches import match_of
from storage.models import Account, AuditEvent, Connection, Match, Organization, Record, Role, Tier
from storage.names import fold
from storage.records import get_record, new_record
from tests.storage.worlds import new_place

ADMINISTRATOR = Operator("U0ADMIN", "test", {None: Role.ADMINISTRATOR})


@dataclass
class World:
    """What tests ask of it, by names; nothing is kept between calls but the ids."""

    database: Database
    trail: Trail
    organization: Organization
    vault: Connection
    directories: dict[str, Connection]

    def technician(self) -> Operator:
        """Somebody who may match here, but nobody privileged."""
        return Operator("U0TECH", "test", {self.organization.id: Role.TECHNICIAN})

    def accounts(self, *usernames: str, **columns: Any) -> list[int]:
        """Accounts `DOMAIN\\username`, looked at for suggestions; their ids."""
        with self.database.writing() as session:
            rows = []
            for username in usernames:
                domain, _, name = username.rpartition("\\")
                rows.append(new_account(self.directories[domain or "CORP"], name, **columns))
            session.add_all(rows)
            session.flush()
            suggest(session, self.organization.id)
            return [row.id for row in rows]

    def records(self, *usernames: str, **columns: Any) -> list[int]:
        """Records with these usernames, which are also their names; their ids."""
        with self.database.writing() as session:
            rows = [
                new_record(self.organization.id, self.vault.id, columns.get("name", username), username)
                for username in usernames
            ]
            for row in rows:
                row.sqlmodel_update({key: value for key, value in columns.items() if key != "name"})
            session.add_all(rows)
            session.flush()
            suggest(session, self.organization.id)
            return [row.id for row in rows]

    def match(self, username: str) -> Match:
        """The account's match as it is now."""
        with self.database.reading() as session:
            match = match_of(session, get_account(session, self.organization.id, username).id)
            assert match is not None
            return match

    def stands(self, *usernames: str) -> list[tuple[str, str | None]]:
        """State and record's name of each account's match."""
        found = []
        with self.database.reading() as session:
            for username in usernames:
                match = match_of(session, get_account(session, self.organization.id, username).id)
                assert match is not None
                record = session.get(Record, match.record_id) if match.record_id else None
                found.append((str(match.state), record.name if record else None))
        return found

    def record_id(self, name: str) -> int:
        """The id of the record with this name."""
        with self.database.reading() as session:
            return get_record(session, self.organization.id, name).id

    def events(self) -> Sequence[AuditEvent]:
        """The audit trail."""
        with self.database.reading() as session:
            return session.exec(select(AuditEvent).order_by(AuditEvent.id)).all()  # type: ignore[arg-type]


def new_world(database: Database, trail: Trail, name: str = "Acme Dental") -> World:
    """An organization with the directories CORP and LAB and an embedded vault."""
    with database.writing() as session:
        place = new_place(session, name)
        directories = {
            domain: Connection(
                organization_id=place.organization.id,
                name=domain,
                name_key=domain.lower(),
                side="directory",
                kind="active-directory",
                domain_names=[domain.lower(), f"{domain.lower()}.example.test"],
            )
            for domain in ("CORP", "LAB")
        }
        session.add_all(directories.values())
        session.flush()
        return World(database, trail, place.organization, place.vault, directories)


def new_account(directory: Connection, name: str, **columns: Any) -> Account:
    """An account of this directory with its keys set, not stored yet."""
    upn, mail = columns.pop("upn", None), columns.pop("mail", None)
    return Account(
        organization_id=directory.organization_id,
        connection_id=directory.id,
        object_id=f"{directory.name}-{name}",
        username=name,
        username_key=fold(name),
        upn=upn,
        upn_key=upn and fold(upn),
        mail=mail,
        mail_key=mail and fold(mail),
        domain=directory.name,
        **{"tier": Tier.PERSON, **columns},
    )
