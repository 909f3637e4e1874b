"""Looks for secrets in whatever was written, in every form that careless code would give them."""

import json
import zipfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy import MetaData, create_engine, select

AWKWARD = 'Ol"d \\ pässwörd/%20+1='
"""A password that looks different in every encoding there is."""

_SHORTEST = 8
"""Bytes; a shorter form would be found by chance."""


class Leaks:
    """Knows secrets, and finds them in bytes. Each is forgotten by nobody: what was once secret stays so."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}

    def knows(self, what: str, *secrets: str | bytes) -> None:
        """Look for these from now on; `what` is how a finding calls them."""
        for secret in secrets:
            for encoding, form in forms(secret):
                if len(form) >= _SHORTEST:
                    self._forms.setdefault(form, f"{what}, {encoding}")

    def __len__(self) -> int:
        return len(self._forms)

    def found_in(self, where: str, content: str | bytes) -> list[str]:
        """What of it this content shows, in words that do not show it again."""
        searched = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        return [f"{where} shows {what}" for form, what in self._forms.items() if form in searched]

    def found_beneath(self, folder: Path, but_for: Iterable[str] = ()) -> list[str]:
        """The same for every file beneath a folder, what archives hold and what databases' columns hold included."""
        spared = set(but_for)
        return [
            finding
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in spared
            for where, content in _contents(path)
            for finding in self.found_in(where, content)
        ]


def forms(secret: str | bytes) -> Iterator[tuple[str, bytes]]:
    """A secret as it may stand in a file, each with the name of its encoding."""
    if isinstance(secret, bytes):
        yield from _of_bytes("bytes", secret)
        return
    yield from _of_bytes("UTF-8", secret.encode())
    yield from _of_bytes("UTF-16LE", secret.encode("utf-16-le"))
    for safe in ("", "/", "!'()*~"):
        yield "URL", quote(secret, safe=safe).encode()
        yield "URL", quote_plus(secret, safe=safe).encode()
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield "JSON", once.encode()
        yield "JSON in JSON", json.dumps(once, ensure_ascii=ascii_only)[1:-1].encode()
    yield "Python", repr(secret)[1:-1].encode()
    yield "CSV", secret.replace('"', '""').encode()


def _of_bytes(name: str, secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, secret
    yield f"{name} as Python bytes", repr(secret)[2:-1].encode()
    yield f"{name} in hexadecimal", secret.hex().encode()
    yield f"{name} in hexadecimal", secret.hex().upper().encode()
    for shift in range(3):  # the secret may stand anywhere in what was encoded
        first, last = -(-shift * 8 // 6), (shift + len(secret)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield f"{name} in base64", encode(bytes(shift) + secret)[first:last]


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield path.name, content
    if zipfile.is_zipfile(BytesIO(content)):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for name in archive.namelist():
                yield f"{path.name}/{name}", archive.read(name)
    if content.startswith(b"SQLite format 3"):
        for column, value in columns(f"sqlite:///{path}"):
            yield f"{path.name}, {column}", value


def columns(url: str) -> Iterator[tuple[str, bytes]]:
    """Every value of every column of every table of a database, as bytes."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for column, value in row.items():
                    if value is not None:
                        yield f"{table.name}.{column}", _as_bytes(value)
    engine.dispose()


def _as_bytes(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text.encode()
