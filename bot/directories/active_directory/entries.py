"""One entry of a domain as it came over the wire: raw values in, Python values out."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from ldap3.protocol.formatters.formatters import format_sid

_1601 = datetime(1601, 1, 1, tzinfo=UTC)
_NEVER = 0x7FFFFFFFFFFFFFFF
_CENTURY = timedelta(days=36_525)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry's name and raw attribute values, by lower-case attribute name; absent and empty are the same."""

    dn: str
    values: Mapping[str, Sequence[bytes]]

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> Self:
        """Read one `searchResEntry` of ldap3."""
        return cls(response["dn"], {name.lower(): values for name, values in response["raw_attributes"].items()})

    def all(self, name: str) -> Sequence[bytes]:
        """Every value."""
        return self.values.get(name.lower(), ())

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value as text."""
        return tuple(value.decode("utf-8", "replace") for value in self.all(name))

    def text(self, name: str) -> str | None:
        """The first value as text; None when there is none or it is empty."""
        values = self.all(name)
        return values[0].decode("utf-8", "replace") or None if values else None

    def integer(self, name: str, default: int = 0) -> int:
        """The first value as a number."""
        values = self.all(name)
        return int(values[0]) if values else default

    def moment(self, name: str) -> datetime | None:
        """A FILETIME as aware UTC; None for zero, never, or absent."""
        ticks = self.integer(name)
        return _1601 + timedelta(microseconds=ticks // 10) if 0 < ticks < _NEVER else None

    def span(self, name: str) -> timedelta:
        """A negative interval of 100 ns ticks; zero when absent, and a century for "for ever"."""
        return min(timedelta(microseconds=min(-self.integer(name), _NEVER) // 10), _CENTURY)

    def guid(self) -> str:
        """The objectGUID in its canonical form."""
        return str(uuid.UUID(bytes_le=self.all("objectGUID")[0]))

    def sid(self) -> str:
        """The objectSid as text; empty when there is none."""
        values = self.all("objectSid")
        return sid_text(values[0]) if values else ""


def sid_text(raw: bytes) -> str:
    """A binary SID as `S-1-…`."""
    return str(format_sid(raw))


def rid(sid: str) -> int:
    """The last part of a SID."""
    return int(sid.rpartition("-")[2] or 0)


def by_guid(account: str) -> str:
    """A search base that finds an account by its objectGUID wherever it was moved; `ValueError` when it is none."""
    return f"<GUID={uuid.UUID(account)}>"
