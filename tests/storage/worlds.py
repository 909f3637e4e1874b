"""A small world to store things in: a ring, a safe with its offline recovery key, an organization with one vault."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import SecretStr
from sqlmodel import Session

from storage.database import Database
from storage.escrow import Escrow, new_recovery_key, put_recovery_public_key
from storage.models import Connection, Organization, Record, Revision, RevisionState
from storage.revisions import Draft, Safe, add_revisions
from storage.sealing import KeyRing, new_key_line

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def key_file(path: Path, *lines: str) -> Path:
    """A key file as `rekey keys init` writes it, with these lines or one new one."""
    path.write_text("".join(line + "\n" for line in lines or (new_key_line(),)))
    path.chmod(0o600)
    return path


def new_safe(directory: Path) -> tuple[Safe, X25519PrivateKey]:
    """A safe whose ring is `directory/key` and whose escrow is `directory/escrow`, and the key to read the escrow."""
    recovery_key = new_recovery_key()
    put_recovery_public_key(directory / "escrow", recovery_key)
    return Safe(KeyRing.load(key_file(directory / "key")), Escrow(directory / "escrow")), recovery_key


@dataclass
class Place:
    """An organization and its embedded vault."""

    organization: Organization
    vault: Connection


def new_place(session: Session, name: str = "Acme Dental") -> Place:
    """An organization with an embedded vault `<name> vault`."""
    organization = Organization(name=name, name_key=name.lower())
    session.add(organization)
    session.flush()
    assert organization.id is not None
    vault_name = f"{name} vault"
    vault = Connection(
        organization_id=organization.id, name=vault_name, name_key=vault_name.lower(), side="vault", kind="embedded"
    )
    session.add(vault)
    session.flush()
    return Place(organization, vault)


def new_record(session: Session, place: Place, name: str) -> Record:
    """A record whose username is its name."""
    assert place.organization.id is not None
    assert place.vault.id is not None
    record = Record(
        organization_id=place.organization.id,
        connection_id=place.vault.id,
        name=name,
        name_key=name.lower(),
        username=name,
        username_key=name.lower(),
    )
    session.add(record)
    session.flush()
    return record


def add_password(
    session: Session,
    safe: Safe,
    place: Place,
    record: Record,
    password: str,
    state: RevisionState = RevisionState.CURRENT,
) -> Revision:
    """One revision of a record with this password."""
    draft = Draft(place.organization, record, SecretStr(password), state, "imported", "cli:test")
    return add_revisions(session, safe, [draft])[0]


def stored(database: Database, safe: Safe, *passwords: str) -> list[tuple[Place, Record, Revision]]:
    """A new organization with one record per password, committed."""
    with database.writing() as session:
        place = new_place(session)
        rows = []
        for number, password in enumerate(passwords):
            record = new_record(session, place, f"user{number}")
            rows.append((place, record, add_password(session, safe, place, record, password)))
        return rows
