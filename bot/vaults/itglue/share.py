"""Keeping to our share of IT Glue's request limit: 3,000 in any five minutes, for the whole account and all its tools.

Every organization of one account draws on the same share, whichever lane its work is done in, so the count is one per
key and process. (Several processes each keep to the share: run `rekey` commands that read a lot while nothing else is
busy, or give a smaller one.) IT Glue says neither how much is left nor, always, how long to wait; so we count for
ourselves, and back off longer each time it complains.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from pydantic import SecretStr

from bot.errors import Throttled

LIMIT, WINDOW = 3000, 300.0
_WAITS_INLINE = 2.0
"""Seconds that are waited in place; for longer, the lane turns to nothing else and comes back."""
_FIRST_BACK_OFF, _LONGEST_BACK_OFF = 15.0, 300.0


class Share:
    """What was asked of one account lately. Safe to use from several threads."""

    def __init__(
        self,
        limit: int = LIMIT,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._window, self._clock, self._sleep = limit, window, clock, sleep
        self._lock = Lock()
        self._asked: deque[float] = deque()
        self._shut_until = 0.0
        self._complaints = 0

    def take(self, share: float, requests: int = 1) -> None:
        """Count these requests before they are made, all or none. `Throttled` when our share is used up for longer than
        a moment: then nothing may be sent.
        """
        while True:
            with self._lock:
                wait = self._wait(max(requests, int(share * self._limit)), requests)
                if wait <= 0:
                    self._asked.extend([self._clock()] * requests)
                    return
            if wait > _WAITS_INLINE:
                raise Throttled(
                    f"Rekey keeps to {share:.0%} of the requests IT Glue allows in five minutes, and those are used "
                    f"up. It goes on by itself in {wait:.0f} seconds. Nothing was changed.",
                    retry_after=wait,
                    cause="itglue-share",
                )
            self._sleep(wait)

    def complained(self, asked: float) -> float:
        """IT Glue says it is too much, and perhaps for how many seconds: how long nothing is sent now."""
        with self._lock:
            self._complaints += 1
            pause = max(asked, min(_FIRST_BACK_OFF * 2.0 ** (self._complaints - 1), _LONGEST_BACK_OFF))
            self._shut_until = max(self._shut_until, self._clock() + pause)
            return pause

    def answered(self) -> None:
        """It answers again: forget how often it complained."""
        self._complaints = 0

    def _wait(self, allowed: int, requests: int) -> float:
        now = self._clock()
        while self._asked and self._asked[0] <= now - self._window:
            self._asked.popleft()
        over = len(self._asked) + requests - allowed
        full = self._asked[over - 1] + self._window - now if over > 0 else 0.0
        return max(full, self._shut_until - now)


_shares: dict[str, Share] = {}
_shares_lock = Lock()


def share_of(base_url: str, key: SecretStr) -> Share:
    """The one count for this account in this process, which outlives every connector; keys of one account that differ
    are counted apart.
    """
    name = hashlib.sha256(f"{base_url} {key.get_secret_value()}".encode()).hexdigest()
    with _shares_lock:
        found = _shares.get(name)
        if found is None:
            found = _shares[name] = Share()
        return found
