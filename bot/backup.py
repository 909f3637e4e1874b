"""Back up the whole database into one file, and put it back into an empty one, of either kind.

A backup is a zip of one file of JSON lines per table, and a manifest that is sealed with a key of the ring: an edited
backup is refused. Passwords in it are as sealed as they are in the database; the key ring is never in it, and must be
kept apart. Names and usernames are in clear.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, SealBroken, StorageError
from bot.permissions import Operator
from storage.audit import audit_head
from storage.backup import (
    clear_fresh_tables,
    end_open_rotations,
    fill_table,
    finish_filling,
    freeze_every_lane,
    read_table,
    table_names,
    tables_in_use,
)
from storage.database import Database
from storage.facts import check_fingerprint, forget_recovery_key
from storage.files import whole_file
from storage.models import now
from storage.sealing import KeyRing

_FORMAT = 1
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says about itself: when it was made, from which schema, and how much of what is in it."""

    format: int
    made_at: str
    schema: str
    rows: dict[str, int]
    """By table."""
    digests: dict[str, str]
    """SHA-256 of each table's lines."""
    audit_head: tuple[int, str] | None
    key_id: str
    """The ring key that sealed this manifest."""


def backup(database: Database, keys: KeyRing, trail: Trail, operator: Operator, path: Path) -> Manifest:
    """Write one consistent copy of everything to `path` (mode 0600), in place of an earlier one only once it is whole.

    Work goes on meanwhile. Raises `StorageError` when the file cannot be written; then nothing is left at `path`.
    """
    database.check_schema()
    try:
        schema = str(database.schema_revision())
        with (
            database.reading() as session,
            whole_file(path, over=True) as file,
            ZipFile(file, "w", ZIP_DEFLATED) as archive,
        ):
            manifest = _write(session, archive, keys, schema)
    except OSError as error:
        raise StorageError(
            f"The backup {path} cannot be written: {error.strerror}. No backup was made; an earlier one there is as it "
            "was. Make room or name another place."
        ) from error
    with database.writing() as session:
        trail.append(
            session,
            event="backup.made",
            operator=operator.key,
            source=operator.source,
            subject=path.name,
            details={"rows": sum(manifest.rows.values())},
        )
    return manifest


def restore(database: Database, keys: KeyRing, trail: Trail, operator: Operator, path: Path) -> Manifest:
    """Fill an empty, migrated database from a backup, all or nothing; then every lane is frozen.

    What was under way when the backup was made ends for a person to look at: directories may have moved on since.
    Raises `BadInput` when the file is no backup, does not fit this schema, or the database is not empty; `KeyProblem`
    when the ring lacks its key; `SealBroken` when it was edited.
    """
    database.check_schema()
    with _archive(path) as archive:
        manifest = _read_manifest(archive, keys, path)
        _check_tables(archive, manifest, path)
        with database.writing() as session:
            _refuse_misfit(session, database, manifest, path)
            clear_fresh_tables(session)
            for name in table_names():
                with archive.open(_member(name)) as member:
                    for lines in _portions(member):
                        fill_table(session, name, [json.loads(line) for line in lines])
            finish_filling(session)
            check_fingerprint(session, keys)
            forget_recovery_key(session)
            _settle(session, trail, operator, manifest, path)
    return manifest


def _write(session: Session, archive: ZipFile, keys: KeyRing, schema: str) -> Manifest:
    rows, digests = {}, {}
    for name in table_names():
        digest, count = hashlib.sha256(), 0
        with archive.open(_member(name), "w", force_zip64=True) as member:
            for row in read_table(session, name):
                line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
                member.write(line)
                digest.update(line)
                count += 1
        rows[name], digests[name] = count, digest.hexdigest()
    made_at = now().isoformat(timespec="seconds")
    manifest = Manifest(_FORMAT, made_at, schema, rows, digests, audit_head(session), keys.active_id)
    sealed = {**asdict(manifest), "mac": _mac(keys, manifest)}
    archive.writestr(_MANIFEST, json.dumps(sealed, indent=2))
    return manifest


@contextmanager
def _archive(path: Path) -> Iterator[ZipFile]:
    try:
        with ZipFile(path) as archive:
            yield archive
    except BadZipFile as error:
        raise BadInput(f"{path} is not a backup made by Rekey, or only a part of one. Nothing was restored.") from error
    except OSError as error:
        raise BadInput(f"The backup {path} cannot be read: {error.strerror}. Nothing was restored.") from error


def _read_manifest(archive: ZipFile, keys: KeyRing, path: Path) -> Manifest:
    try:
        content: dict[str, Any] = json.loads(archive.read(_MANIFEST))
        mac = str(content.pop("mac"))
        head = content.pop("audit_head")
        manifest = Manifest(**content, audit_head=tuple(head) if head else None)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is not a backup made by Rekey. Nothing was restored.") from error
    if manifest.format != _FORMAT:
        raise BadInput(f"{path} is a backup of form {manifest.format}, which a newer Rekey made. Nothing was restored.")
    if not hmac.compare_digest(_mac(keys, manifest), mac):
        raise _edited(path)
    return manifest


def _check_tables(archive: ZipFile, manifest: Manifest, path: Path) -> None:
    """Read everything once before a row is stored: what is stored is then exactly what was sealed."""
    if set(archive.namelist()) != {_MANIFEST, *map(_member, manifest.rows)}:
        raise _edited(path)
    for name, expected in manifest.digests.items():
        with archive.open(_member(name)) as member:
            if hashlib.file_digest(member, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                raise _edited(path)


def _edited(path: Path) -> SealBroken:
    return SealBroken(
        f"The backup {path} was edited after it was made, or sealed by another key of the same name. Nothing was "
        "restored. Use another backup, and find out who could write to this one."
    )


def _refuse_misfit(session: Session, database: Database, manifest: Manifest, path: Path) -> None:
    if manifest.schema != database.schema_revision():
        raise BadInput(
            f"{path} was made at schema {manifest.schema}, and this database is at {database.schema_revision()}. "
            "Nothing was restored. Restore it with the Rekey version that made it, then upgrade."
        )
    in_use = tables_in_use(session)
    if in_use:
        raise BadInput(
            f"This database is not empty (there are {', '.join(in_use)}), and a backup is never mixed into another. "
            "Nothing was restored. Set REKEY_DATABASE_URL to a new database, run `rekey migrate`, then restore there."
        )


def _settle(session: Session, trail: Trail, operator: Operator, manifest: Manifest, path: Path) -> None:
    made_at = datetime.fromisoformat(manifest.made_at).astimezone(UTC)
    reason = (
        f"This database was restored from a backup of {made_at:%Y-%m-%d %H:%M} UTC. Nothing runs until what the "
        "directories hold was compared with it: run `rekey recover` if the escrow file is newer, then `rekey doctor`."
    )
    frozen = freeze_every_lane(session, reason)
    ended = end_open_rotations(
        session,
        f"This rotation was under way when the backup of {made_at:%Y-%m-%d %H:%M} UTC was made, and how it went on is "
        "not in it. Every password it knew is kept. `rekey doctor` says whether the directory changed since; rotating "
        "this record by name settles it.",
    )
    anchor = trail.anchored()
    trail.append(
        session,
        event="backup.restored",
        operator=operator.key,
        source=operator.source,
        subject=path.name,
        details={
            "made_at": manifest.made_at,
            "lanes_frozen": frozen,
            "rotations_ended": ended,
            "anchored_line_before": anchor.id if anchor else None,
        },
    )
    trail.anchor_anew(session)


def _portions(file: IO[bytes]) -> Iterator[list[bytes]]:
    """The lines of a file, a thousand at a time."""
    portion: list[bytes] = []
    for line in file:
        portion.append(line)
        if len(portion) == 1000:
            yield portion
            portion = []
    if portion:
        yield portion


def _mac(keys: KeyRing, manifest: Manifest) -> str:
    content = json.dumps(asdict(manifest), sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(keys.derive(manifest.key_id, "backup"), content, hashlib.sha256).hexdigest()


def _member(table: str) -> str:
    return f"{table}.jsonl"
