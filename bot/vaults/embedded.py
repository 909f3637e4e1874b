"""The embedded vault: password records in our own database, brought in from a CSV file or created for an account."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pydantic import SecretStr
from sqlmodel import Session

from bot.errors import NotFound
from bot.findings import Finding, Level
from bot.vaults.base import Held, NewRecord, Permit, RecordChanges, SeenRecord
from bot.vaults.csv_file import CsvRecord
from storage.connections import EMBEDDED, get_connection, name_key
from storage.database import Database
from storage.models import Account, Connection, Organization, Record, Revision, RevisionState, Status
from storage.names import fold
from storage.portions import portions
from storage.records import find_record, new_record, records_named, records_of
from storage.revisions import Draft, Safe, add_revisions, find_revision, find_revisions, open_revision

KIND = EMBEDDED
ORIGIN = "imported"


@dataclass(slots=True)
class ImportResult:
    """What an import did: how many records were added, described anew or left alone, and got another password."""

    added: int = 0
    changed: int = 0
    """Records whose URL, notes or category are new; their password may be, too."""
    passwords: int = 0
    """Known records whose password in the file is another one, which is current now."""
    unchanged: int = 0
    skipped: list[str] = field(default_factory=list)
    """Passwords that were left out, each with the reason in a sentence."""
    usernames: set[str] = field(default_factory=set)
    """The bare usernames of the records that are new or described anew: what to look at again for matches."""

    def counts(self) -> dict[str, int]:
        """How many of each, in words."""
        return {
            "added": self.added,
            "changed": self.changed,
            "passwords": self.passwords,
            "unchanged": self.unchanged,
            "skipped": len(self.skipped),
        }


def import_records(
    session: Session,
    safe: Safe,
    organization: Organization,
    vault: Connection,
    rows: Sequence[CsvRecord],
    operator: str,
    *,
    overwrite: bool = False,
) -> ImportResult:
    """Take these records in, inside the caller's transaction; each portion costs one flush of the escrow file.

    A record of the same name and username is described anew. Its password is left alone where it is the same, where a
    rotation is under way, and where Rekey itself proved the current one: then the file's is older, unless `overwrite`.
    """
    result = ImportResult()
    for portion in portions(rows):
        names = {name_key(row.name) for row in portion}
        known = {(record.name_key, fold(record.username)): record for record in records_named(session, vault.id, names)}
        ids = [record.id for record in known.values()]
        current = find_revisions(session, ids, RevisionState.CURRENT)
        pending = find_revisions(session, ids, RevisionState.PENDING)
        taken: list[tuple[Record, CsvRecord]] = []
        for row in portion:
            record = known.get(row.identity())
            if record is None:
                record = new_record(
                    organization.id,
                    vault.id,
                    row.name,
                    row.username,
                    url=row.url,
                    notes=row.notes,
                    category=row.category,
                )
                session.add(record)
                taken.append((record, row))
                result.added += 1
                result.usernames.add(record.username_key)
                continue
            described = _describe(record, row)
            if described:
                result.changed += 1
                result.usernames.add(record.username_key)
            before = current.get(record.id)
            if before is not None and _is_same(safe, organization, record, before, row):
                result.unchanged += not described
                continue
            reason = _why_not(before, pending.get(record.id), overwrite=overwrite)
            if reason:
                result.skipped.append(f"Line {row.line}, {row.name}: {reason}")
            else:
                taken.append((record, row))
                result.passwords += 1
        session.flush()
        drafts = [
            Draft(organization, record, row.password, RevisionState.CURRENT, ORIGIN, operator) for record, row in taken
        ]
        for revision in add_revisions(session, safe, drafts):
            session.expunge(revision)
    return result


def create_records(session: Session, vault: Connection, accounts: Sequence[Account]) -> list[Record]:
    """A record for each account, stored and in the same order, named `DOMAIN\\username`; none has a password yet."""
    wanted = [f"{account.domain}\\{account.username}" for account in accounts]
    taken = {record.name_key for record in records_named(session, vault.id, [name_key(name) for name in wanted])}
    created = []
    for account, username in zip(accounts, wanted, strict=True):
        name, number = username, 1
        while name_key(name) in taken:
            number += 1
            name = f"{username} ({number})"
        taken.add(name_key(name))
        created.append(new_record(account.organization_id, vault.id, name, username))
    session.add_all(created)
    session.flush()
    return created


def _describe(record: Record, row: CsvRecord) -> bool:
    """Bring what the file says about the record into it; whether that changes anything."""
    told = {"url": row.url, "notes": row.notes, "category": row.category}
    differing = {column: value for column, value in told.items() if getattr(record, column) != value}
    record.sqlmodel_update(differing)
    return bool(differing)


def _is_same(safe: Safe, organization: Organization, record: Record, revision: Revision, row: CsvRecord) -> bool:
    return open_revision(safe, organization.uid, record.uid, revision) == row.password


def _why_not(current: Revision | None, pending: Revision | None, *, overwrite: bool) -> str:
    if pending is not None:
        return "its password is being rotated right now, so the file's was left out. Import it again later if need be."
    if current is not None and current.proved_at is not None and not overwrite:
        return (
            f"Rekey proved its present password on {current.proved_at:%Y-%m-%d}, so the file's older one was left out. "
            "Import with overwrite if the file is right."
        )
    return ""


class EmbeddedVault:
    """The embedded vault behind the Vault port. It is our own database: nothing is sent, and no reply can be lost.

    What the engine itself records goes into its own transactions instead; this is for whoever works with any vault.
    """

    overlap = 1

    def __init__(self, database: Database, safe: Safe, connection_id: int, operator: str = "rekey") -> None:
        self._database, self._safe, self._connection_id, self._operator = database, safe, connection_id, operator

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def check(self) -> list[Finding]:
        """See `Vault.check`."""
        with self._database.reading() as session:
            vault = get_connection(session, self._connection_id)
            count = len(records_of(session, vault.organization_id, vault.id))
        return [Finding(Level.OK, f"The embedded vault {vault.name} holds {count:,} records, in Rekey's own database.")]

    def records(self, since: str | None) -> RecordChanges:
        """See `Vault.records`. There is no cursor: it is all here."""
        del since
        with self._database.reading() as session:
            vault = get_connection(session, self._connection_id)
            rows = [_seen(row) for row in records_of(session, vault.organization_id, vault.id)]
        return RecordChanges(rows, None, complete=True)

    def may_write(self, record: str) -> Permit:
        """See `Vault.may_write`."""
        with self._database.reading() as session:
            row = self._row(session, record)
            if row.archived_at is not None:
                why = f"{row.name} is archived. Choose another record."
                return Permit(_seen(row), False, Status.NOT_PERMITTED, why, "vault-archived")
            return Permit(_seen(row), True)

    def read(self, record: str) -> Held:
        """See `Vault.read`."""
        with self._database.reading() as session:
            row = self._row(session, record)
            current = find_revision(session, row.id, RevisionState.CURRENT)
            home = session.get_one(Organization, row.organization_id)
            secret = None if current is None else open_revision(self._safe, home.uid, row.uid, current)
            return Held(_seen(row), secret)

    def write(self, record: str, secret: SecretStr) -> SeenRecord:
        """See `Vault.write`. The same password again is no new revision."""
        held = self.read(record)
        if held.secret == secret:
            return held.record
        with self._database.writing() as session:
            row = self._row(session, record)
            home = session.get_one(Organization, row.organization_id)
            draft = Draft(home, row, secret, RevisionState.CURRENT, "written", self._operator)
            row.password_updated_at = add_revisions(session, self._safe, [draft])[0].created_at
            return _seen(row)

    def create(self, wanted: NewRecord, secret: SecretStr | None = None) -> SeenRecord:
        """See `Vault.create`."""
        with self._database.writing() as session:
            row = find_record(session, self._connection_id, wanted.mark)
            if row is None:
                vault = get_connection(session, self._connection_id)
                row = new_record(vault.organization_id, vault.id, wanted.name, wanted.username, url=wanted.url)
                row.uid = wanted.mark
                session.add(row)
                session.flush()
            seen = _seen(row)
        return seen if secret is None else self.write(seen.external_id, secret)

    def _row(self, session: Session, record: str) -> Record:
        row = find_record(session, self._connection_id, record)
        if row is None:
            raise NotFound(
                f"The embedded vault has no record {record}. Nothing was changed.", cause="vault-record-gone"
            )
        return row


def _seen(row: Record) -> SeenRecord:
    return SeenRecord(
        external_id=row.uid,
        name=row.name,
        username=row.username,
        url=row.url,
        notes=row.notes,
        category=row.category,
        password_updated_at=row.password_updated_at,
    )
