"""A small company to rotate: an organization, an embedded vault, and one practice directory or several."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import sleep

from pydantic import SecretStr
from sqlmodel import Session

from bot.audit import Trail
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.directories.base import Directory
from bot.lanes import Lanes
from bot.permissions import Operator
from bot.rotation.planning import preview, request
from bot.rotation.report import RecordStatus, report
from bot.scheduler import Scheduler
from storage.connections import add_connections
from storage.database import Database
from storage.lanes import due_lanes, retry_now
from storage.models import (
    Account,
    Connection,
    Match,
    MatchState,
    Organization,
    Record,
    Revision,
    RevisionState,
    Role,
    Status,
    Tier,
    now,
)
from storage.records import get_record
from storage.revisions import Draft, Safe, add_revisions, find_revision, open_revision, revisions_of
from storage.rotations import open_rotations
from tests.rotation.outside_vault import OutsideConnector, OutsideVault
from tests.storage.worlds import new_safe

ADMINISTRATOR = Operator("cli:tester@here", "command line", {None: Role.ADMINISTRATOR})


@dataclass
class World:
    """Everything a rotation needs, and a person's words for it."""

    database: Database
    safe: Safe
    trail: Trail
    organization: Organization
    vault: Connection
    domains: dict[str, PracticeDomain] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    longest_pause: timedelta = timedelta(seconds=0.2)
    lease: timedelta = timedelta(seconds=30)
    outside: OutsideVault = field(default_factory=OutsideVault)
    """What stands at the other end once the vault is one of its own: see `moves_its_vault_outside`."""
    connector: Callable[[PracticeDomain], Directory] = PracticeDirectory
    """How a practice domain is spoken to."""

    @classmethod
    def build(cls, database: Database, folder: Path) -> "World":
        """An empty organization, Acme Dental, with an embedded vault."""
        safe, _recovery_key = new_safe(folder)
        with database.writing() as session:
            organization = Organization(
                name="Acme Dental", name_key="acme dental", bulk=["person", "shared", "service", "privileged"]
            )
            session.add(organization)
            session.flush()
            vault = Connection(
                organization_id=organization.id, name="vault", name_key="vault", side="vault", kind="embedded"
            )
            add_connections(session, [vault])
        return cls(database, safe, Trail(safe.keys, folder / "escrow"), organization, vault)

    def directory(self, name: str, domain: PracticeDomain | None = None) -> PracticeDomain:
        """Add a directory; its domain is the test's to play with."""
        connection = Connection(
            organization_id=self.organization.id, name=name, name_key=name, side="directory", kind="practice"
        )
        with self.database.writing() as session:
            add_connections(session, [connection])
        self.connections[name] = connection
        self.domains[name] = domain or PracticeDomain(name.upper(), f"{name}.test")
        return self.domains[name]

    def moves_its_vault_outside(self) -> OutsideVault:
        """From here on records are made in a vault outside; it is the test's to play with."""
        self.vault = Connection(
            organization_id=self.organization.id, name="glue", name_key="glue", side="vault", kind="outside"
        )
        with self.database.writing() as session:
            add_connections(session, [self.vault])
        self.connections["glue"] = self.vault
        return self.outside

    def listed(self, record_name: str, accounts: Mapping[str, str], password: str, **details: object) -> Record:
        """A record of the vault outside with this password, which Rekey has never read, approved as in `matched`."""
        self.outside.has(f"id-{record_name}", record_name, password, **details)
        seen = self.outside.entries[f"id-{record_name}"].seen
        record = self.matched(record_name, accounts, password=None)
        with self.database.writing() as session:
            record = session.get_one(Record, record.id)
            record.external_id, record.password_updated_at = seen.external_id, seen.password_updated_at
            record.link, record.guard, record.restricted = seen.link, seen.guard, seen.restricted
        return record

    def matched(self, record_name: str, accounts: Mapping[str, str], password: str | None = "Old-pass-0001!") -> Record:
        """A record with this password, approved for one account per directory (`{directory: username}`)."""
        with self.database.writing() as session:
            record = Record(
                organization_id=self.organization.id,
                connection_id=self.vault.id,
                name=record_name,
                name_key=record_name.lower(),
                username=record_name,
                username_key=record_name.lower(),
            )
            session.add(record)
            session.flush()
            if password is not None:
                draft = Draft(
                    self.organization, record, SecretStr(password), RevisionState.CURRENT, "imported", "cli:tester"
                )
                add_revisions(session, self.safe, [draft])
            for directory, username in accounts.items():
                self._account(session, record, directory, username)
        return record

    def _account(self, session: Session, record: Record, directory: str, username: str) -> None:
        with self.open_directory(self.connections[directory]) as opened:
            seen = next(seen for seen in opened.accounts(None).accounts if seen.username == username)
        account = Account(
            organization_id=self.organization.id,
            connection_id=self.connections[directory].id,
            object_id=seen.object_id,
            username=seen.username,
            username_key=seen.username.lower(),
            domain=seen.domain,
            display_name=seen.display_name,
            enabled=seen.enabled,
            password_set_at=seen.password_set_at,
            directory_tier=seen.tier,
            tier=seen.tier,
            guard=seen.guard,
            guard_status=seen.guard_status,
            immutable_id=seen.immutable_id,
            sid=seen.sid,
            synced=seen.synced,
            person=seen.immutable_id,
        )
        session.add(account)
        session.flush()
        session.add(
            Match(
                organization_id=self.organization.id,
                account_id=account.id,
                record_id=record.id,
                state=MatchState.APPROVED,
                decided_by="cli:tester",
                decided_at=now(),
            )
        )

    # ---- a person's words ----------------------------------------------------------------------------------------

    def open_directory(self, connection: Connection) -> Directory:
        """The practice directory of that connection."""
        return self.connector(self.domains[connection.name])

    def lanes(self) -> Lanes:
        """Another worker's way into every lane of this world."""
        return Lanes(
            self.database,
            self.safe,
            self.trail,
            self.open_directory,
            self.lease,
            self.longest_pause,
            open_vault=lambda _connection: OutsideConnector(self.outside),
        )

    def asks(
        self, *records: Record, by: Operator = ADMINISTRATOR, by_name: bool = True, sign_out: bool = False
    ) -> list[int]:
        """Request rotations, as a person does; returns their ids."""
        with self.database.writing() as session:
            organization = session.get_one(Organization, self.organization.id)
            plan = preview(session, by, [(organization, record) for record in records], by_name=by_name)
            return request(session, self.trail, by, plan, by_name=by_name, sign_out=sign_out)

    def drains(self) -> None:
        """Drain every due lane, one after the other, until nothing is due."""
        lanes = self.lanes()
        for _ in range(50):
            with self.database.reading() as session:
                due = due_lanes(session, now())
            if not due:
                return
            for connection_id in due:
                lanes.drain(connection_id)
        raise AssertionError("the lanes never come to rest")

    def drains_once(self) -> None:
        """One look at every lane, whatever it waits for."""
        with self.database.writing() as session:
            retry_now(session, [connection.id for connection in self.connections.values()])
        for connection in self.connections.values():
            self.lanes().drain(connection.id, seconds=0.05)

    def drains_until_ended(self, *records: Record) -> None:
        """Go on, as `rekey serve` would, until the open rotations of these records have ended."""
        for _ in range(400):
            self.drains()
            with self.database.reading() as session:
                if not open_rotations(session, [record.id for record in records]):
                    return
            sleep(0.05)  # the back-off of the lane, which the world keeps short
        raise AssertionError("the rotation never ends")

    def rotates(self, *records: Record, by_name: bool = True) -> list[RecordStatus]:
        """Request and run with the real scheduler until all has ended or waits; returns how each stands."""
        ids = self.asks(*records, by_name=by_name)
        with Scheduler(self.lanes(), pool_size=4, tick_seconds=0.1) as scheduler:
            scheduler.run_rotations(ids, lambda _waiting: None)
        return self.status(*records)

    def status(self, *records: Record) -> list[RecordStatus]:
        """How the latest rotation of each stands."""
        with self.database.reading() as session:
            return report(session, [(self.organization, record) for record in records])

    def password(self, record: Record, state: RevisionState = RevisionState.CURRENT) -> str | None:
        """What the vault holds in this state."""
        with self.database.reading() as session:
            revision = find_revision(session, record.id, state)
            if revision is None:
                return None
            fresh = get_record(session, self.organization.id, record.id)
            return open_revision(self.safe, self.organization.uid, fresh.uid, revision).get_secret_value()

    def revisions(self, record: Record) -> list[Revision]:
        """Every revision, newest first."""
        with self.database.reading() as session:
            return revisions_of(session, record.id)

    def knows_what_holds(self, directory: str, username: str, record: Record) -> bool:
        """Whether the password the directory takes now can be read from the vault: the first promise."""
        domain = self.domains[directory]
        with self.database.reading() as session:
            fresh = get_record(session, self.organization.id, record.id)
            return any(
                domain.holds(
                    username, open_revision(self.safe, self.organization.uid, fresh.uid, revision).get_secret_value()
                )
                for revision in revisions_of(session, record.id)
            )


def side_by_side(*calls: Callable[[], object]) -> None:
    """Run these at the same time and raise what any of them raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


__all__ = ["ADMINISTRATOR", "Status", "Tier", "World", "side_by_side"]
