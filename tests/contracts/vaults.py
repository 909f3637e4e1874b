"""The vaults the contract runs on: each can be looked at and meddled with as its own people would."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pydantic import SecretStr
from sqlmodel import Session

from bot.demo.itglue.account import Account
from bot.demo.itglue.server import RunningITGlue
from bot.vaults.base import Vault
from bot.vaults.embedded import EmbeddedVault
from bot.vaults.itglue import ITGlue, ITGlueSettings
from bot.vaults.itglue.share import Share
from storage.database import Database
from storage.models import Record, RevisionState, new_uid, now
from storage.records import find_record, new_record
from storage.revisions import Draft, Safe, add_revisions, find_revision, open_revision
from tests.storage.worlds import Place, new_place

API_KEY = "ITG.0f-a-Test-only"


class VaultWorld(Protocol):
    """A vault from the other side."""

    def connect(self) -> Vault:
        """A new connector to it."""

    def add(self, name: str, password: str | None = None, username: str = "", category: str | None = None) -> str:
        """Somebody adds a record; its id as the port names it."""

    def renames(self, record: str, to: str) -> None:
        """Somebody gives it another name."""

    def archives(self, record: str) -> None:
        """Somebody puts it away."""

    def holds(self, record: str) -> str | None:
        """Its password, asked past Rekey."""


class EmbeddedWorld:
    """The vault in our own database."""

    def __init__(self, database: Database, safe: Safe) -> None:
        self._database, self._safe = database, safe
        with database.writing() as session:
            self._place: Place = new_place(session, f"Acme {new_uid()}")

    def connect(self) -> EmbeddedVault:
        return EmbeddedVault(self._database, self._safe, self._place.vault.id)

    def add(self, name: str, password: str | None = None, username: str = "", category: str | None = None) -> str:
        place = self._place
        with self._database.writing() as session:
            row = new_record(place.organization.id, place.vault.id, name, username, category=category)
            session.add(row)
            session.flush()
            if password is not None:
                draft = Draft(place.organization, row, SecretStr(password), RevisionState.CURRENT, "imported", "test")
                add_revisions(session, self._safe, [draft])
            return row.uid

    def renames(self, record: str, to: str) -> None:
        with self._database.writing() as session:
            self._row(session, record).name = to

    def archives(self, record: str) -> None:
        with self._database.writing() as session:
            self._row(session, record).archived_at = now()

    def holds(self, record: str) -> str | None:
        with self._database.reading() as session:
            row = self._row(session, record)
            current = find_revision(session, row.id, RevisionState.CURRENT)
            if current is None:
                return None
            return open_revision(self._safe, self._place.organization.uid, row.uid, current).get_secret_value()

    def _row(self, session: Session, record: str) -> Record:
        row = find_record(session, self._place.vault.id, record)
        assert row is not None
        return row


class ITGlueWorld:
    """An organization of a pretend IT Glue account, beside another one."""

    def __init__(self, server: RunningITGlue) -> None:
        self.server, self.account = server, server.account
        self.key = self.account.key(API_KEY)
        self.home = self.account.organization("Acme Dental")
        self.other = self.account.organization("Somebody Else, Inc.")
        self.account.add(self.other, "Not ours", "N0t-ours!")
        self.share = Share()

    def connect(self, organization: str | None = None, share: Share | None = None) -> ITGlue:
        settings = ITGlueSettings(base_url=self.server.url, organization=organization or self.home.name)
        return ITGlue(settings, SecretStr(API_KEY), share or self.share)

    def add(self, name: str, password: str | None = None, username: str = "", category: str | None = None) -> str:
        return str(self.account.add(self.home, name, password, username=username, category=category).id)

    def renames(self, record: str, to: str) -> None:
        self.account.edits(int(record), name=to)

    def archives(self, record: str) -> None:
        self.account.edits(int(record), archived=True)

    def holds(self, record: str) -> str | None:
        return self.account.holds(int(record))


@contextmanager
def running_itglue() -> Iterator[RunningITGlue]:
    """A pretend IT Glue with nothing in it."""
    with RunningITGlue(Account()) as server:
        yield server


def emptied(server: RunningITGlue) -> RunningITGlue:
    """The same server, with nothing in it and nothing wrong with it again."""
    server.faults.clear()
    server.account.begins_anew()
    return server
