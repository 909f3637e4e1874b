"""A sync that finds 10 changes among 100,000 known accounts, against the first one: in the database, and in all."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from sqlalchemy import event

from bench._company import add_records, new_company, seen
from bot.audit import Trail
from bot.directories.base import Changes, SeenAccount
from bot.discovery import SyncResult, sync
from storage.database import Database
from storage.sealing import KeyRing, new_key_line

COUNT, CHANGES = 100_000, 10
PERCENT = 2


@dataclass
class _Listing:
    """A directory that only lists: what it shows next time is put there beforehand."""

    shows: list[SeenAccount]
    complete: bool = True
    overlap: int = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def accounts(self, since: str | None) -> Changes:
        return Changes(self.shows, cursor=f"{since}.", complete=self.complete, domain_names=("corp",))


class _Stopwatch:
    """How long the database was at work: statements, and the commits that wait for the disk."""

    def __init__(self, database: Database) -> None:
        self.seconds = 0.0
        self._started = 0.0
        event.listen(database.engine, "before_cursor_execute", self._start)
        event.listen(database.engine, "after_cursor_execute", self._stop)
        dialect: Any = database.engine.dialect
        commit = dialect.do_commit

        def timed(connection: object) -> None:
            with self._timed():
                commit(connection)

        dialect.do_commit = timed

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start

    def _start(self, *_: object) -> None:
        self._started = time.perf_counter()

    def _stop(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def run() -> list[str]:
    """The first sync, one that finds a few changes, and the ratio of the two."""
    with new_company() as (database, folder, directory_id):
        add_records(database, COUNT)
        trail = Trail(KeyRing.parse(new_key_line()), folder)
        watch = _Stopwatch(database)
        lines, spent = [], []
        everybody = [seen(number) for number in range(COUNT)]
        few = [replace(account, username=f"{account.username}x") for account in everybody[:: COUNT // CHANGES]]
        for name, directory in (("first", _Listing(everybody)), ("changes", _Listing(few, complete=False))):
            before, start = watch.seconds, time.perf_counter()
            result = sync(database, trail, directory_id, directory)  # type: ignore[arg-type]
            spent.append((watch.seconds - before, time.perf_counter() - start))
            lines.append(f"{name}: {spent[-1][0]:.3f} s in the database, {spent[-1][1]:.3f} s in all; {_told(result)}")
    in_database, in_all = (100 * few_spent / first_spent for first_spent, few_spent in zip(*spent, strict=True))
    return [
        *lines,
        f"{CHANGES} changes among {COUNT:,} cost {in_database:.2f} % of the first one's time in the database "
        f"(limit {PERCENT} %), {in_all:.2f} % of its whole time",
    ]


def _told(result: SyncResult) -> str:
    return f"{result.added:,} added, {result.changed:,} changed, {result.suggested:,} suggested"
