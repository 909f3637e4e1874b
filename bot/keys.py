"""The key ring's life: made once, rotated without stopping anything. Key material is written to key files only."""

from dataclasses import dataclass
from pathlib import Path

from bot.audit import Trail
from bot.errors import BadInput, KeyProblem
from bot.permissions import Operator
from storage.database import Database
from storage.escrow import (
    Escrow,
    new_recovery_key,
    put_recovery_public_key,
    read_recovery_key,
    recovery_key_text,
)
from storage.facts import check_fingerprint
from storage.files import whole_file
from storage.keys import Rewrapping, rewrap_some
from storage.sealing import KeyRing, new_key_line


@dataclass(frozen=True, slots=True)
class MadeKeys:
    """What `keys_init` made and where."""

    key_file: Path
    is_new: bool
    """Whether the key file was made now; otherwise there was one, and only the escrow directory lacked its key."""
    recovery_key: Path | None
    """The private recovery key, to be moved offline now; None when the escrow directory had its own already."""
    escrow_directory: Path

    def what_to_do(self) -> str:
        """What a person does next, in sentences."""
        keep = f"The key ring is {self.key_file}. Keep a copy of it apart from the backups."
        if not self.is_new:
            keep = (
                f"The key file {self.key_file} was left as it is. Run `rekey recover --key {self.recovery_key}` once, "
                "so that the escrow file holds what the database has."
            )
        if self.recovery_key is None:
            return f"{keep} The escrow directory {self.escrow_directory} keeps the recovery key it had."
        return (
            f"{keep} MOVE {self.recovery_key} OFFLINE NOW (a safe, two USB sticks): it is the only way to read "
            f"{self.escrow_directory} if the database is lost, and whoever has both reads every password."
        )


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """What `keys_rotate` did."""

    key_id: str
    rewrapped: int
    broken: tuple[str, ...]
    """Values that did not open and were left as they are, as `table id`."""


def keys_init(key_file: Path, escrow_directory: Path) -> MadeKeys:
    """Make what is missing: a key ring of one new key, and a recovery key pair for the escrow directory.

    Never overwrites one. `KeyProblem` when nothing is missing. Killed half-way, it may simply be run again.
    """
    is_new = not key_file.exists()
    made_recovery_key = not Escrow(escrow_directory).has_recovery_key()
    if not is_new and not made_recovery_key:
        raise KeyProblem(
            f"There is a key file {key_file} already, and a recovery key in {escrow_directory}. Both were left as they "
            "are: without them nothing sealed so far could be read. `rekey keys rotate` puts a new key in front."
        )
    recovery_path = key_file.with_name("recovery.key")
    if made_recovery_key:
        if recovery_path.exists():  # killed before the public half was written
            recovery_key = read_recovery_key(recovery_path)
        else:
            recovery_key = new_recovery_key()
            _write(recovery_path, recovery_key_text(recovery_key).get_secret_value(), over=False)
        put_recovery_public_key(escrow_directory, recovery_key)
    if is_new:
        _write(key_file, new_key_line() + "\n", over=False)
    return MadeKeys(key_file, is_new, recovery_path if made_recovery_key else None, escrow_directory)


def keys_rotate(database: Database, trail: Trail, operator: Operator, key_file: Path) -> RotatedKeys:
    """Put a new key in front of the ring and wrap everything under it, while everything else goes on.

    Earlier keys stay in the file: they verify the audit trail, and open what an earlier backup holds. Killed half-way,
    everything opens as before, and running it again finishes (with yet another key).
    """
    with database.writing() as session:  # one at a time: the line somebody else puts in front must not be lost
        check_fingerprint(session, KeyRing.load(key_file))
        _write(key_file, new_key_line() + "\n" + key_file.read_text(encoding="ascii"), over=True)
        check_fingerprint(session, KeyRing.load(key_file))
    return _rewrap(database, KeyRing.load(key_file), trail, operator)


def keys_rewrap(database: Database, keys: KeyRing, trail: Trail, operator: Operator) -> RotatedKeys:
    """Wrap everything under the active key of a ring that Rekey cannot write (`REKEY_MASTER_KEY`).

    `BadInput` when all of it is so already: a person has to put a new line in front first.
    """
    done = _rewrap(database, keys, trail, operator)
    if not done.rewrapped and not done.broken:
        raise BadInput(
            f"Everything is sealed with the key {keys.active_id!r} already, so nothing was done. Rekey cannot write "
            "REKEY_MASTER_KEY: put a new line in front of the ones in it (`rekey keys init` makes one, with "
            "REKEY_KEY_FILE set instead), restart every Rekey process, then run this again."
        )
    return done


def _rewrap(database: Database, keys: KeyRing, trail: Trail, operator: Operator) -> RotatedKeys:
    with database.writing() as session:
        check_fingerprint(session, keys)
    so_far = Rewrapping()
    while not so_far.finished:
        with database.writing() as session:
            rewrap_some(session, keys, so_far)
    with database.writing() as session:
        trail.append(
            session,
            event="keys.rotated",
            operator=operator.key,
            source=operator.source,
            subject=keys.active_id,
            result="broken values left" if so_far.broken else "ok",
            details={"rewrapped": so_far.done, "broken": so_far.broken},
        )
    return RotatedKeys(keys.active_id, so_far.done, so_far.broken)


def _write(path: Path, text: str, *, over: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path, over=over) as file:
            file.write(text.encode("ascii"))
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}. It was left as it is.") from error
