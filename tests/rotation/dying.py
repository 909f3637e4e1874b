"""A process that dies at a chosen instant, without the price of one: from there on nothing it does leaves a trace.

Boundaries are, as in `tests.crash`, everything that leaves a trace outside the process: each commit, each append to the
escrow file, each call to a directory or a vault, before and after it. From the chosen one on, every boundary raises, so
that no clean-up reaches the rows either, as with `kill -9`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session

from storage.database import Database
from storage.escrow import Escrow
from storage.models import Lane
from tests.rotation.world import World


class Killed(BaseException):
    """Nothing catches it."""


class Life:
    """Counts boundaries, and ends at the target."""

    def __init__(self, target: str | None = None) -> None:
        self.reached: list[str] = []
        self.dead = False
        self._target = target
        self._counts: dict[str, int] = {}

    def passes(self, kind: str) -> None:
        """Die here if this is the one, or if it was one before."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        name = f"{kind}#{self._counts[kind]}"
        self.reached.append(name)
        self.dead = self.dead or name == self._target
        if self.dead:
            raise Killed(name)

    def around(self, call: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """This call with a boundary before and after it."""

        def trapped(*arguments: Any, **options: Any) -> Any:
            self.passes(f"before {kind}")
            answer = call(*arguments, **options)
            self.passes(f"after {kind}")
            return answer

        return trapped


@contextmanager
def living(
    world: World, monkeypatch: pytest.MonkeyPatch, calls: dict[type, tuple[str, ...]], target: str | None = None
) -> Iterator[Life]:
    """Within it, the process dies at the target; afterwards its leases are those of a dead one."""
    life = Life(target)

    writing = Database.writing

    @contextmanager
    def mortal(database: Database) -> Iterator[Session]:
        with writing(database) as session:
            yield session
            life.passes("commit")

    with monkeypatch.context() as patched, suppress(Killed):
        for owner, methods in calls.items():
            for method in methods:
                patched.setattr(owner, method, life.around(getattr(owner, method), method))
        patched.setattr(Escrow, "append", life.around(Escrow.append, "escrow"))
        patched.setattr(Database, "writing", mortal)
        yield life
    with world.database.writing() as session:
        session.execute(update(Lane).values(owner=None, lease_until=None))
