"""The embedded vault: password records in our own database, brought in from a CSV file or created for an account."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from bot.vaults.csv_file import CsvRecord
from storage.connections import EMBEDDED, name_key
from storage.models import Account, Connection, Organization, Record, Revision, RevisionState
from storage.names import fold
from storage.portions import portions
from storage.records import new_record, records_named
from storage.revisions import Draft, Safe, add_revisions, find_revisions, open_revision

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
