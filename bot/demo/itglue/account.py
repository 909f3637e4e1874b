"""What a pretend IT Glue account holds, and what people do there with their own hands."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count
from threading import RLock

KINDS = {
    "Configuration": "configurations",
    "Contact": "contacts",
    "Document": "documents",
    "Domain": "domains",
    "Flexible Asset": "flexible_assets",
    "Location": "locations",
}
"""What a password can be embedded in: the type as it is written in requests, and the part of an address it has. Any
other text makes a general one, without a word.
"""

_FIRST_ORGANIZATION, _FIRST_PASSWORD, _FIRST_VERSION = 5_100_000, 9_007_199_254_000_001, 31_000_000


class NoAccess(StrEnum):
    """How a password's value is kept from a key without password access: nobody outside knows which."""

    LEFT_OUT = "left out"
    FORBIDDEN = "forbidden"


@dataclass(slots=True)
class Key:
    """An API key."""

    secret: str = field(repr=False)
    reads_passwords: bool = True
    writes_passwords: bool = True
    no_access: NoAccess = NoAccess.LEFT_OUT
    paused: bool = False


@dataclass(slots=True)
class Organization:
    """A customer as IT Glue knows it."""

    id: int
    name: str


@dataclass(slots=True)
class Version:
    """One version of a password."""

    id: int
    password: str = field(repr=False)
    at: datetime
    by: str


@dataclass(slots=True)
class Password:
    """A password record. `embedded` is the type, id and name of what it is embedded in."""

    id: int
    organization_id: int
    name: str
    created_at: datetime
    updated_at: datetime
    username: str | None = None
    url: str | None = None
    notes: str | None = None
    category: str | None = None
    embedded: tuple[str, int, str] | None = None
    vault_id: int | None = None
    restricted: bool = False
    archived: bool = False
    personal: bool = False
    my_glue: bool = False
    password_updated_at: datetime | None = None
    updated_by: str = ""
    versions: list[Version] = field(default_factory=list)

    @property
    def password(self) -> str | None:
        """The present value; None when it never had one."""
        return self.versions[-1].password if self.versions else None


class Account:
    """One IT Glue account. Safe to reach into from any thread: whatever is done takes its lock."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.web = "https://northwind.itglue.com"
        self.begins_anew()

    def begins_anew(self) -> None:
        """Nothing is in it, and nothing is unusual about it."""
        with self.lock:
            self.organizations: dict[int, Organization] = {}
            self.passwords: dict[int, Password] = {}
            self.keys: dict[str, Key] = {}
            self.limit, self.window = 3000, timedelta(minutes=5)
            """How many requests all keys together may make in so long."""
            self.asked_at: deque[float] = deque()
            """When they did, of late."""
            self.addresses: set[str] | None = None
            """Where requests may come from; None is anywhere."""
            self.needs_password = False
            """A password record cannot be made without a password."""
            self.says_retry_after = False
            """A 429 names the seconds to wait."""
            self.ahead = timedelta()
            """How far its clock is ahead of this machine's."""
            self._organization_ids, self._password_ids = count(_FIRST_ORGANIZATION), count(_FIRST_PASSWORD)
            self._version_ids = count(_FIRST_VERSION)

    def now(self) -> datetime:
        """The time there; IT Glue shows whole seconds."""
        return (datetime.now(UTC) + self.ahead).replace(microsecond=0)

    def key(self, secret: str, **details: object) -> Key:
        """An administrator makes a key."""
        made = Key(secret, **details)  # type: ignore[arg-type] # Key's own fields, named by the caller
        with self.lock:
            self.keys[secret] = made
        return made

    def organization(self, name: str) -> Organization:
        """Somebody adds an organization."""
        with self.lock:
            made = Organization(next(self._organization_ids), name)
            self.organizations[made.id] = made
            return made

    def add(
        self, organization: Organization | int, name: str, password: str | None = None, **details: object
    ) -> Password:
        """Somebody adds a password record; `details` are the fields of `Password`."""
        with self.lock:
            at = self.now()
            home = organization if isinstance(organization, int) else organization.id
            made = Password(next(self._password_ids), home, name, at, at, **details)  # type: ignore[arg-type]
            self.passwords[made.id] = made
            if password is not None:
                self._give(made, password, "A. Technician")
            return made

    def edits(
        self, record: int | Password, password: str | None = None, by: str = "A. Technician", **to: object
    ) -> None:
        """Somebody changes a record: its password, or what `to` names."""
        with self.lock:
            row = self.passwords[record] if isinstance(record, int) else record
            if password is not None:
                self._give(row, password, by)
            for name, value in to.items():
                setattr(row, name, value)
            row.updated_at, row.updated_by = self.now(), by

    def deletes(self, record: int | Password) -> None:
        """Somebody deletes a record."""
        with self.lock:
            del self.passwords[record if isinstance(record, int) else record.id]

    def holds(self, record: int | Password) -> str | None:
        """What a record's password is now, as a person looking at it would see."""
        with self.lock:
            return self.passwords[record if isinstance(record, int) else record.id].password

    def _give(self, row: Password, password: str, by: str) -> None:
        if row.password == password:
            return  # what is the same is no new revision
        row.versions.append(Version(next(self._version_ids), password, self.now(), by))
        row.password_updated_at = row.updated_at = self.now()
        row.updated_by = by
