"""The Vault port: the minimum a vault must offer, and what each method promises when the reply is lost.

Records are named by the vault's own immutable id, as text. A connector connects when first used and is a context
manager: leaving it closes its connections. Every method may be called from up to `overlap` threads at the same time,
as long as no two of them write the same record.

Every method raises `bot.errors.OutsideError` subclasses and nothing else for what happens outside, and their classes
say what the vault looks like now:

- `Throttled`, `Unreachable`, `Refused` and its kinds: the vault holds what it held before this call.
- `NoAnswer`: unknown, of `write` and `create` only in the sense that ours may be there; never that anything was lost.
  `read` tells, and calling the same method again with the same arguments is safe.
- `NotFound`: the record is not there (any more), or is another organization's now: its sentence says which.
- `RightMissing`: our key may not do this to any record (no access to passwords, no right to write): it concerns the
  whole vault. `SignInRefused`: the key is not taken at all (deleted, paused, refused from this address).

Passwords come and go as `SecretStr` and are asked of the vault by `read` and the proof within `write` alone: nothing
else makes it hand one out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from pydantic import SecretStr

from bot.findings import Finding
from storage.models import Status


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record as the vault shows it: everything Rekey keeps of it but its password. `guard` and `restricted` are the
    vault's own word.
    """

    external_id: str
    name: str
    username: str
    url: str | None = None
    notes: str | None = None
    category: str | None = None
    embedded_in: str | None = None
    """What it is embedded in ("Configuration FW-01"); None for a record that stands on its own."""
    link: str | None = None
    """Its page in the vault, for people; None where the vault has none."""
    guard: str | None = None
    """Why Rekey never writes its password, in a sentence (vaulted); None when it may."""
    restricted: bool = False
    """The vault shows it to chosen people only: here it counts as privileged."""
    password_updated_at: datetime | None = None
    """When its password was last changed, by the vault's own clock, never to be compared with ours. Two changes within
    one tick of it (IT Glue: a second) look the same."""
    mark: str = ""
    """The `NewRecord.mark` it was made with, where Rekey made it."""


@dataclass(slots=True)
class RecordChanges:
    """What `records` found. `records` is read once, lazily, page by page; the other fields are final after that.

    `complete`: these are all the records there are, so any other one known before is gone (deleted, moved, archived).
    Otherwise only `removed` are, and those that are neither are as they were.
    """

    records: Iterable[SeenRecord]
    cursor: str | None
    """What to ask with the next time; None: everything, again."""
    complete: bool
    removed: set[str] = field(default_factory=set)
    """Records that are there and not for us (any more): archived, or somebody's own."""
    place: str | None = None
    """The vault's own id for this organization, once it is known: kept, so that a rename there leads nowhere else."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What holds for one record right now, read from the vault itself."""

    record: SeenRecord
    """As it is at this moment: it may have been renamed, restricted or changed by somebody since it was listed."""
    allowed: bool
    status: Status | None = None
    """When not allowed: the word it is shown under."""
    reason: str = ""
    """When not allowed: why, in a sentence."""
    cause: str = ""
    """When not allowed: what those that are not for the same reason have in common."""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A record and the password it holds at this moment; None when it holds none."""

    record: SeenRecord
    secret: SecretStr | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be made. `mark` is what makes it ours and only ours (`Record.uid`): it is looked for first."""

    name: str
    username: str
    mark: str
    url: str | None = None


class Vault(Protocol):
    """One vault of one organization."""

    overlap: int
    """How many threads may call it at the same time."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def check(self) -> list[Finding]:
        """Everything a technician would want to know before trusting this connection, in words, best first.

        Never raises for what is wrong outside: that is a finding. Changes nothing. A lost reply is a finding too.
        """

    def records(self, since: str | None) -> RecordChanges:
        """All records (`since` None), or what changed since that cursor; a cursor that no longer serves reads all.

        Archived ones and those that are somebody's own are left out. Reading only, without passwords: on any error,
        which reading `RecordChanges.records` may raise too, ask again with the same cursor.
        """

    def may_write(self, record: str) -> Permit:
        """Read what holds for this record right now, without its password. Reading only.

        Not allowed where it concerns this record alone (vaulted, archived); `RightMissing` where our key may not read
        and write passwords here at all: without both, neither what was there could be kept nor what we wrote be
        proved. `NotFound` when it is gone or another organization's.
        """

    def read(self, record: str) -> Held:
        """The record and the password it holds now. Reading only: on any error ask again.

        Called before the first overwrite, so that what was there is kept, and after a write that went unanswered.
        """

    def write(self, record: str, secret: SecretStr) -> SeenRecord:
        """Give the record this password, and prove it by reading it back; returns the record as it is then, with the
        new `password_updated_at`.

        `NoAnswer` when a reply is lost, that of the proof too: it may or may not hold ours, and `read` tells. Safe to
        repeat with the same password. `Refused` with the cause `vault-changed` when the vault took it and shows another
        one now: somebody else was quicker, and theirs stands. Every other error means that the vault holds what it
        held before.
        """

    def create(self, wanted: NewRecord, secret: SecretStr | None = None) -> SeenRecord:
        """Make the record, with this password or none yet; the one made before with the same `mark` where there is one.

        So a reply that was lost (`NoAnswer`) costs nothing: ask again. An existing one gets `secret` as `write` does.
        `Refused` with the cause `vault-needs-password` where this vault takes no record without one: nothing was made,
        and the first rotation makes it.
        """
