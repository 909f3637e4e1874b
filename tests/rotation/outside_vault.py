"""A vault outside, as simple as one can be: for the engine's own promises. IT Glue has a stand-in of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from bot.demo.practice_faults import FallibleServer
from bot.errors import NotFound, Refused
from bot.findings import Finding
from bot.vaults.base import Held, NewRecord, Permit, RecordChanges, SeenRecord
from storage.models import Status


@dataclass
class Entry:
    """One entry of the vault, with every password it ever had, the present one last."""

    seen: SeenRecord
    passwords: list[str] = field(repr=False)
    mark: str = ""


class OutsideVault(FallibleServer):
    """The vault's own side; its clock runs by itself, years away from ours."""

    def __init__(self) -> None:
        super().__init__(server="vault.test")
        self.entries: dict[str, Entry] = {}
        self._clock = datetime(2011, 1, 1, tzinfo=UTC)

    def has(self, external_id: str, name: str, password: str, **details: object) -> None:
        """An entry somebody made by hand."""
        seen = SeenRecord(external_id, name, name, link=f"https://vault.test/{external_id}", **details)  # type: ignore[arg-type]
        self.entries[external_id] = Entry(replace(seen, password_updated_at=self.tick()), [password])

    def edited(self, external_id: str, password: str) -> None:
        """Somebody changes the password there."""
        entry = self.entries[external_id]
        entry.passwords.append(password)
        entry.seen = replace(entry.seen, password_updated_at=self.tick())

    def holds(self, external_id: str) -> str:
        """What people read there now."""
        return self.entries[external_id].passwords[-1]

    def tick(self) -> datetime:
        """Its present: no two readings are the same."""
        self._clock += timedelta(seconds=1)
        return self._clock

    @contextmanager
    def call(self, operation: str, external_id: str) -> Iterator[Entry]:
        """One call of a connector, with whatever is to go wrong with it."""

        def overtake() -> None:
            self.edited(external_id, f"somebody-else-{len(self.entries[external_id].passwords)}")

        with self.answering(operation, external_id, overtake):
            entry = self.entries.get(external_id)
            if entry is None:
                raise NotFound("The record is not in the vault any more. Nothing was changed.", cause="record-gone")
            yield entry


class OutsideConnector:
    """The Vault port on it."""

    overlap = 4

    def __init__(self, vault: OutsideVault) -> None:
        self._vault = vault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def check(self) -> list[Finding]:
        """See `Vault.check`."""
        return []

    def records(self, since: str | None) -> RecordChanges:  # noqa: ARG002 - it keeps no cursor
        """See `Vault.records`."""
        return RecordChanges([entry.seen for entry in self._vault.entries.values()], None, complete=True)

    def may_write(self, record: str) -> Permit:
        """See `Vault.may_write`."""
        with self._vault.call("may_write", record) as entry:
            guard = entry.seen.guard
            return Permit(entry.seen, guard is None, Status.NOT_PERMITTED if guard else None, guard or "", "vaulted")

    def read(self, record: str) -> Held:
        """See `Vault.read`."""
        with self._vault.call("read", record) as entry:
            return Held(entry.seen, SecretStr(entry.passwords[-1]))

    def write(self, record: str, secret: SecretStr) -> SeenRecord:
        """See `Vault.write`."""
        with self._vault.call("write", record) as entry:
            self._vault.edited(record, secret.get_secret_value())
        if entry.passwords[-1] != secret.get_secret_value():
            raise Refused("Somebody was quicker.", cause="vault-changed")
        return entry.seen

    def create(self, wanted: NewRecord, secret: SecretStr | None = None) -> SeenRecord:
        """See `Vault.create`."""
        known = next((key for key, entry in self._vault.entries.items() if entry.mark == wanted.mark), None)
        with self._vault.answering("create", known, lambda: None):
            key = known or f"made-{len(self._vault.entries)}"
            if known is None:
                self._vault.has(key, wanted.name, "")
                self._vault.entries[key].mark = wanted.mark
            if secret is not None:
                self._vault.edited(key, secret.get_secret_value())
        return self._vault.entries[key].seen

    def link(self, record: str) -> str | None:
        """See `Vault.link`."""
        return self._vault.entries[record].seen.link
