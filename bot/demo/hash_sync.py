"""Password hash synchronization: what is set in a practice domain arrives in a pretend tenant a while later."""

import threading
from datetime import timedelta
from types import TracebackType
from typing import Self

from bot.demo.graph import Tenant
from bot.demo.practice_domain import PracticeDomain


class HashSync:
    """Carries new passwords over, again and again while it is open; a context manager. Entra Connect does so every two
    minutes.
    """

    def __init__(self, domain: PracticeDomain, tenant: Tenant, *, every: timedelta) -> None:
        self._domain = domain
        self._tenant = tenant
        self._every = every.total_seconds()
        self._turn = threading.Lock()
        self._carried = self._times_set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hash-sync", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

    def carry(self) -> None:
        """Carry over what was set since the last time."""
        with self._turn:
            before, self._carried = self._carried, self._times_set()
            changed = {object_id for object_id, times in self._carried.items() if times != before.get(object_id)}
            linked = {user.immutable_id: user for user in self._tenant.users.values() if user.synced}
            for account in self._domain.all_accounts():
                user = linked.get(account.immutable_id)
                if user is not None and account.object_id in changed:
                    self._tenant.synchronizes(user, account.password)

    def _times_set(self) -> dict[str, int]:
        return {account.object_id: account.times_set for account in self._domain.all_accounts()}

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            self.carry()
