"""Sealed values: AES-256-GCM with a fresh data key per value, wrapped by a master key from the key ring.

A sealed value is text: `s1:<key id>:<place>:<wrapped data key>:<sealed value>`, the last three in base64. `place` is
the SHA-256 of the associated data: it is bound into both ciphertexts, so a value copied to another row does not open
there, and a data key can be wrapped again under a new master key without opening the value or knowing where it belongs.

The key ring is a file of lines `id:base64` of 32 random bytes each; the first is active, the others open and verify.
"""

import hashlib
import json
import os
import re
import secrets
import stat
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from bot.errors import KeyProblem, SealBroken
from storage.models import now

_VERSION = "s1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOW_TO_MAKE_ONE = "`rekey keys init` makes a key file."


def new_key_line() -> str:
    """One line of a key ring with a key never used before, without line end. It IS the secret: for a 0600 file only."""
    key_id = f"{now():%Y%m%d}-{secrets.token_hex(4)}"
    return f"{key_id}:{b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def sealed_with(key_id: str) -> str:
    """How every value sealed (or wrapped again) with this key starts."""
    return f"{_VERSION}:{key_id}:"


class _Stamp(NamedTuple):
    """What tells that the key file was replaced or edited."""

    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class _Ring:
    active_id: str
    keys: Mapping[str, bytes] = field(repr=False)
    stamp: _Stamp | None = None


class KeyRing:
    """The master keys. Safe to share between threads; follows its file when `keys rotate` puts a new key in front.

    Neither `repr()` nor any error shows key material.
    """

    def __init__(self, ring: _Ring, path: Path | None = None) -> None:
        self._ring = ring
        self._path = path

    @classmethod
    def load(cls, path: Path) -> Self:
        """The ring in a key file; `KeyProblem` when it is missing, malformed, not ours, or readable by others."""
        return cls(_read(path), path)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The ring in `REKEY_MASTER_KEY`: the same `id:base64` lines, separated by any white space."""
        return cls(_parse(text, "REKEY_MASTER_KEY"))

    def __repr__(self) -> str:
        return f"KeyRing(active_id={self.active_id!r}, {len(self._ring.keys)} keys)"

    @property
    def active_id(self) -> str:
        """The id of the key that seals new values."""
        return self._current().active_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Every key id of the ring, the active one first."""
        return tuple(self._current().keys)

    def seal(self, secret: SecretStr, associated: tuple[str, ...]) -> str:
        """Seal a secret for one place. `associated` names that place and must be the same when it is opened."""
        ring = self._current()
        place = _place(associated)
        data_key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        value = _encrypt(data_key, secret.get_secret_value().encode(), b"value:" + place)
        return _written(ring.active_id, place, _wrap(ring, data_key, place), value)

    def open(self, sealed: str, associated: tuple[str, ...]) -> SecretStr:
        """What was sealed. `SealBroken` when it was moved or edited, `KeyProblem` when its key is not in the ring."""
        key_id, place, wrapped, value = _read_sealed(sealed)
        if place != _place(associated):
            raise SealBroken(
                "A sealed value does not belong where it was found: it was sealed for another place, or the place was "
                "changed since. It was not opened. Put it back where it came from, or enter it again."
            )
        data_key = self._unwrap(key_id, place, wrapped)
        return SecretStr(_decrypt(data_key, value, b"value:" + place).decode())

    def rewrap(self, sealed: str) -> str:
        """The same value wrapped by the active key, without opening it; the text itself when that is so already."""
        ring = self._current()
        key_id, place, wrapped, value = _read_sealed(sealed)
        if key_id == ring.active_id:
            return sealed
        return _written(ring.active_id, place, _wrap(ring, self._unwrap(key_id, place, wrapped), place), value)

    def derive(self, key_id: str, purpose: str) -> bytes:
        """32 bytes derived (HKDF-SHA256) from one key of the ring for one purpose; `KeyProblem` for an unknown id."""
        kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"rekey:" + purpose.encode())
        return kdf.derive(self._key(key_id))

    def fingerprint(self, key_id: str) -> str:
        """What the database remembers a key by: tells two keys apart and gives neither away."""
        return self.derive(key_id, "fingerprint").hex()[:32]

    def _unwrap(self, key_id: str, place: bytes, wrapped: bytes) -> bytes:
        return _decrypt(self._key(key_id), wrapped, _wrap_label(key_id, place))

    def _key(self, key_id: str) -> bytes:
        key = self._ring.keys.get(key_id) or self._current().keys.get(key_id)
        if key is None:
            where = self._path or "REKEY_MASTER_KEY"
            raise KeyProblem(
                f"The key {key_id!r} is needed, and the key ring in {where} does not hold it. Nothing was opened or "
                "changed. Put that key's line back into the ring, below the active one."
            )
        return key

    def _current(self) -> _Ring:
        """The ring as its file says now: another process may have rotated the key while this one runs."""
        if self._path is not None:
            try:
                stamp = _stamp(os.stat(self._path))
            except OSError:
                return self._ring  # taken away while running: what was loaded goes on, the next start asks for it
            if stamp != self._ring.stamp:
                self._ring = _read(self._path)
        return self._ring


def _read(path: Path) -> _Ring:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            _refuse_others(path, status)
            text = file.read(65_536).decode("ascii")
    except FileNotFoundError as error:
        raise KeyProblem(f"There is no key file {path}. Nothing was done. {_HOW_TO_MAKE_ONE}") from error
    except OSError as error:
        raise KeyProblem(f"The key file {path} cannot be read: {error.strerror}. Nothing was done.") from error
    except UnicodeDecodeError:
        raise KeyProblem(f"{path} is not a key file: it should hold lines `id:base64`. Nothing was done.") from None
    ring = _parse(text, str(path))
    return _Ring(ring.active_id, ring.keys, _stamp(status))


def _refuse_others(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyProblem(f"The key file {path} is not a regular file. Nothing was done. {_HOW_TO_MAKE_ONE}")
    if status.st_uid != os.geteuid():
        raise KeyProblem(
            f"The key file {path} belongs to user {status.st_uid}, and Rekey runs as user {os.geteuid()}. Nothing was "
            f"done. Run Rekey as the file's owner, or `chown {os.geteuid()} {path}`."
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyProblem(
            f"The key file {path} can be used by others (mode {stat.S_IMODE(status.st_mode):04o}). Nothing was done. "
            f"Run `chmod 600 {path}`; if somebody may have read it, run `rekey keys rotate` too."
        )


def _parse(text: str, where: str) -> _Ring:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.split(), start=1):
        key_id, _, encoded = line.partition(":")
        try:
            key = b64decode(encoded, validate=True)
        except (NotBase64, ValueError):
            key = b""
        if not _KEY_ID.fullmatch(key_id) or len(key) != _KEY_BYTES:
            raise KeyProblem(
                f"Key {number} in {where} is not of the form `id:base64` with {_KEY_BYTES} bytes. Nothing was done. "
                f"{_HOW_TO_MAKE_ONE}"
            )
        if key_id in keys:
            raise KeyProblem(f"{where} holds the key id {key_id!r} twice. Nothing was done. Keep the right one.")
        keys[key_id] = key
    if not keys:
        raise KeyProblem(f"There is no key in {where}. Nothing was done. {_HOW_TO_MAKE_ONE}")
    return _Ring(next(iter(keys)), keys)


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def _place(associated: tuple[str, ...]) -> bytes:
    """JSON, not a joined string: ("a", "bc") and ("ab", "c") are different places."""
    return hashlib.sha256(json.dumps(associated).encode()).digest()


def _wrap_label(key_id: str, place: bytes) -> bytes:
    return f"wrap:{_VERSION}:{key_id}:".encode() + place


def _wrap(ring: _Ring, data_key: bytes, place: bytes) -> bytes:
    return _encrypt(ring.keys[ring.active_id], data_key, _wrap_label(ring.active_id, place))


def _written(key_id: str, place: bytes, wrapped: bytes, value: bytes) -> str:
    return sealed_with(key_id) + ":".join(b64encode(part).decode() for part in (place, wrapped, value))


def _read_sealed(sealed: str) -> tuple[str, bytes, bytes, bytes]:
    version, *rest = sealed.split(":")
    if version != _VERSION or len(rest) != 4:
        raise SealBroken(
            "A sealed value is not in a form this Rekey knows: it was edited, or a newer Rekey sealed it. "
            "It was not opened."
        )
    try:
        place, wrapped, value = (b64decode(part, validate=True) for part in rest[1:])
    except (NotBase64, ValueError):
        raise _edited() from None
    return rest[0], place, wrapped, value


def _encrypt(key: bytes, plain: bytes, label: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, label)


def _decrypt(key: bytes, sealed: bytes, label: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label)
    except (InvalidTag, ValueError):
        raise _edited() from None


def _edited() -> SealBroken:
    return SealBroken(
        "A sealed value does not open: it was edited, or sealed with another key of the same name. It was left as it "
        "is. Restore the row from a backup, or read the password back with `rekey recover`."
    )
