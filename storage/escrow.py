"""The escrow file: every password once more, outside the database, sealed to a recovery key that is kept offline.

`escrow.jsonl` grows by one JSON line per entry; each is sealed to `recovery.pub` with an X25519 key used once
(X25519 → HKDF-SHA256 → AES-256-GCM). What writes here can therefore not read it back: only `recovery.key` can. Lines
are flushed to the disk before the database commits what they tell of: the file may know more than the database, never
less.

A crash may tear the last line; the next append starts on a fresh one, and reading reports the torn one and goes on.
"""

import fcntl
import hashlib
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import SecretStr

from bot.errors import EscrowProblem
from storage.files import flush_directory, whole_file

_FILE = "escrow.jsonl"
_PUBLIC = "recovery.pub"
_NONCE_BYTES = 12
_CARRIED_OVER = b'"carried_over":true'


@dataclass(frozen=True, slots=True)
class Entry:
    """One revision of a record's password, with enough around it to rebuild the record where the database is gone."""

    organization: str
    organization_uid: str
    vault: str
    record: str
    record_uid: str
    username: str
    url: str | None
    revision_uid: str
    state: str
    """The revision's state when it was written: `current` (imported, taken from a vault) or `pending`."""
    origin: str
    created_at: datetime
    password: SecretStr


@dataclass(frozen=True, slots=True)
class Proved:
    """A revision written earlier has become the current one: every directory was proved to take it."""

    revision_uid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that cannot be read, and why, in a sentence; a crash while appending leaves one."""

    line: int
    why: str


class Escrow:
    """The escrow file in one directory. Safe for several threads and processes appending at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"Escrow({str(self.directory)!r})"

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.directory / _FILE

    def has_recovery_key(self) -> bool:
        """Whether the directory holds a recovery public key."""
        return (self.directory / _PUBLIC).exists()

    def seals_to(self, recovery_key: X25519PrivateKey) -> bool:
        """Whether what is appended now opens with this key; `EscrowProblem` when nothing can be appended."""
        return self.recovery_key_name() == _key_name(recovery_key.public_key())

    def recovery_key_name(self) -> str:
        """What tells the recovery key of the directory from any other; `EscrowProblem` when there is none."""
        return _key_name(self._recovery_key())

    def check(self) -> None:
        """`EscrowProblem` unless entries could be appended right now; appends none."""
        self._recovery_key()
        with self._opened():
            pass

    def append(self, entries: Iterable[Entry | Proved], *, carried_over: bool = False) -> None:
        """Seal the entries, append them and flush them to the disk, once for all. None is lost after this returns.

        `carried_over`: they are older than what was sealed to this recovery key so far, and come from an earlier one.
        Raises `EscrowProblem`; then the caller must not commit what the entries tell of.
        """
        # Read anew each time: an escrow disk that is not mounted any more shows as a missing key, not as an empty file.
        recovery_key = self._recovery_key()
        lines = b"".join(_seal(recovery_key, entry, carried_over) for entry in entries)
        if not lines:
            return
        with self._opened() as descriptor:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            _write_all(descriptor, b"\n" + lines if torn else lines)
            os.fsync(descriptor)
            if size == 0:
                flush_directory(self.directory)

    def read(self, recovery_key: X25519PrivateKey) -> Iterator[Entry | Proved | Damaged]:
        """Every entry in the order of what they tell; unreadable lines as `Damaged`, never silently.

        That is the order they were appended in, after those carried over from an earlier recovery key. Read line by
        line. Raises `EscrowProblem` when there is no file.
        """
        try:
            with open(self.path, "rb") as file:
                for carried_over in (True, False):
                    file.seek(0)
                    for number, line in enumerate(file, start=1):
                        if line.strip() and (_CARRIED_OVER in line) == carried_over:
                            yield _open(recovery_key, number, line)
        except OSError as error:
            raise EscrowProblem(
                f"The escrow file {self.path} cannot be read: {error.strerror}. Nothing was changed. "
                "REKEY_ESCROW_DIR must name the directory it is in."
            ) from error

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EscrowProblem(
                f"The escrow file {self.path} cannot be written: {error.strerror}. No new password was kept or used. "
                "Make room or give Rekey's user the right to write there, then try again."
            ) from error

    def _recovery_key(self) -> X25519PublicKey:
        path = self.directory / _PUBLIC
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise EscrowProblem(
                f"The recovery public key {path} cannot be read, so no password can be written to the escrow file. No "
                "new password was kept or used. If the escrow directory is another disk, see that it is mounted; "
                "`rekey keys init` makes the key where there never was one."
            ) from error
        if not isinstance(key, X25519PublicKey):
            raise EscrowProblem(f"{path} is not a Rekey recovery key (X25519). No new password was kept or used.")
        return key


def new_recovery_key() -> X25519PrivateKey:
    """A recovery key never used before."""
    return X25519PrivateKey.generate()


def recovery_key_text(key: X25519PrivateKey) -> SecretStr:
    """The content of `recovery.key` (PEM)."""
    return SecretStr(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def read_recovery_key(path: Path) -> X25519PrivateKey:
    """The private key in a `recovery.key` file; `EscrowProblem` when it is not one."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise EscrowProblem(
            f"The recovery key {path} cannot be read: {error.strerror}. Nothing was changed."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_recovery_key(path) from error
    if not isinstance(key, X25519PrivateKey):
        raise _not_a_recovery_key(path)
    return key


def _not_a_recovery_key(path: Path) -> EscrowProblem:
    return EscrowProblem(
        f"{path} is not a Rekey recovery key. Nothing was changed. Use the `recovery.key` that `rekey keys init` made."
    )


def public_key_text(key: X25519PrivateKey) -> str:
    """The content of `recovery.pub` (PEM)."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def put_recovery_public_key(directory: Path, key: X25519PrivateKey) -> None:
    """Write `recovery.pub` into the escrow directory; never over another one (`EscrowProblem`)."""
    path = directory / _PUBLIC
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path, over=False) as file:
            file.write(public_key_text(key).encode())
    except FileExistsError:
        raise EscrowProblem(f"There is a recovery key at {path} already. It was left as it is.") from None
    except OSError as error:
        raise EscrowProblem(f"{path} cannot be written: {error.strerror}. Nothing was changed.") from error


def _seal(recovery_key: X25519PublicKey, entry: Entry | Proved, carried_over: bool) -> bytes:
    once = X25519PrivateKey.generate()
    public = once.public_key().public_bytes_raw()
    nonce = os.urandom(_NONCE_BYTES)
    key = _agreed_key(once.exchange(recovery_key), public, recovery_key)
    sealed = AESGCM(key).encrypt(nonce, json.dumps(_plain(entry)).encode(), _label(public, carried_over))
    line = {
        "v": 1,
        **({"carried_over": True} if carried_over else {}),
        "to": _key_name(recovery_key),
        "once": b64encode(public).decode(),
        "sealed": b64encode(nonce + sealed).decode(),
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _open(recovery_key: X25519PrivateKey, number: int, line: bytes) -> Entry | Proved | Damaged:
    try:
        outer = json.loads(line)
        name = str(outer["to"])
        public, sealed = (b64decode(outer[part], validate=True) for part in ("once", "sealed"))
        shared = recovery_key.exchange(X25519PublicKey.from_public_bytes(public))
    except (ValueError, KeyError, TypeError):
        return Damaged(number, f"Line {number} is torn or is not an escrow entry.")
    if name != _key_name(recovery_key.public_key()):
        return Damaged(number, f"Line {number} is sealed to another recovery key ({name}).")
    key = _agreed_key(shared, public, recovery_key.public_key())
    try:
        label = _label(public, _CARRIED_OVER in line)
        plain = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label)
        return _entry(json.loads(plain))
    except (InvalidTag, ValueError, KeyError, TypeError):
        return Damaged(number, f"Line {number} does not open: it was edited.")


def _key_name(recovery_key: X25519PublicKey) -> str:
    return hashlib.sha256(recovery_key.public_bytes_raw()).hexdigest()[:16]


def _label(once: bytes, carried_over: bool) -> bytes:
    return once + (_CARRIED_OVER if carried_over else b"")


def _agreed_key(shared: bytes, once: bytes, recovery_key: X25519PublicKey) -> bytes:
    salt = once + recovery_key.public_bytes_raw()
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"rekey:escrow:1").derive(shared)


def _plain(entry: Entry | Proved) -> dict[str, Any]:
    if isinstance(entry, Proved):
        return {"kind": "proved", "revision_uid": entry.revision_uid, "at": entry.at.isoformat()}
    return {
        **asdict(entry),
        "kind": "revision",
        "created_at": entry.created_at.isoformat(),
        "password": entry.password.get_secret_value(),
    }


def _entry(plain: Mapping[str, Any]) -> Entry | Proved:
    if plain["kind"] == "proved":
        return Proved(plain["revision_uid"], datetime.fromisoformat(plain["at"]))
    fields = {name: value for name, value in plain.items() if name != "kind"}
    fields["created_at"] = datetime.fromisoformat(plain["created_at"])
    fields["password"] = SecretStr(plain["password"])
    return Entry(**fields)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
