"""Whether a password that was sent is the one a user has now: by the time it was last set, never by signing in.

A sign-in by password would count towards lockout, is stopped by second factors and policies, and is not offered for
federated users; the set-time (`lastPasswordChangeDateTime`) is Graph's own, to the second. What it cannot say is whose
change it shows. So each write of ours is remembered with the time Graph's own clock had then: a set-time well after it
is somebody else's. Reads lag behind writes, so a set-time that has not moved yet is waited for.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.directories.base import Proof, Verdict
from bot.directories.entra.clock import GraphClock

LAG = 300.0
"""Seconds a read may lag behind a write that was answered."""
LOST = 30.0
"""Seconds after which a write that was not answered, and does not show, did not arrive."""

_SOON, _LATER = timedelta(seconds=2), timedelta(seconds=15)
_SPREAD = timedelta(seconds=30)
"""By how much the clocks of Microsoft's own servers may differ, and what a change may take."""
_QUEUED = timedelta(minutes=2)
"""How long after we gave up a request of ours may still have been carried out."""
_ONE_SECOND = timedelta(seconds=2)
"""Within so much two set-times, and the time a reply shows, may look the same: all are cut to seconds."""
_MOST = 10_000


@dataclass
class _Sent:
    """A write of ours that is not proved yet."""

    at: float
    """By this machine's clock that only runs forward."""
    until: datetime | None = None
    """The latest set-time that can be ours, by Graph's clock; None when that is not known."""
    answered: bool = False
    begun: datetime | None = None
    """When it was sent, by Graph's clock."""


class Doubts:
    """What was written to whom and is not proved yet. For several threads at once."""

    def __init__(self, clock: GraphClock, passing: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._passing = passing
        self._lock = threading.Lock()
        self._sent: OrderedDict[str, _Sent] = OrderedDict()

    def sending(self, account: str) -> None:
        """A write to this account goes out now."""
        with self._lock:
            self._keep(account, _Sent(self._passing(), begun=self._clock.now()))

    def lost(self, account: str) -> None:
        """What became of it is not known."""
        self._ended(account, _QUEUED, answered=False)

    def answered(self, account: str) -> None:
        """It was taken."""
        self._ended(account, _SPREAD, answered=True)

    def forget(self, account: str) -> None:
        """It was refused, or is proved."""
        with self._lock:
            self._sent.pop(account, None)

    def judge(self, account: str, username: str, since: datetime | None, seen: datetime | None, server: str) -> Proof:
        """What the set-time that is seen now says, held against the one read before the write."""
        with self._lock:
            sent = self._sent.get(account)
            if seen is not None and (since is None or seen > since):
                self._sent.pop(account, None)
                if sent is not None and sent.until is not None and seen > sent.until:
                    reason = f"Somebody else set another password for {username}, some time after ours was."
                    return Proof(Verdict.CHANGED, seen, server, reason, by_set_time=True)
                reason = "Judged by the time the tenant says it was set; nobody signed in with it."
                return Proof(Verdict.TAKEN, seen, server, reason, by_set_time=True)
            if sent is None:  # sent by an earlier process, or never
                sent = self._keep(account, _Sent(self._passing()))
            if sent.answered and sent.begun and since and sent.begun - since < _ONE_SECOND:
                self._sent.pop(account, None)
                reason = "The tenant took it within a second of the change before: its set-time cannot tell the two."
                return Proof(Verdict.TAKEN, seen, server, reason, by_set_time=True)
            waited = self._passing() - sent.at
            if waited < (LAG if sent.answered else LOST):
                reason = f"{server} does not show a new password for {username} yet."
                return Proof(Verdict.WAIT, seen, server, reason, wait=_SOON if waited < LOST else _LATER)
            self._sent.pop(account, None)
        reason = f"The password of {username} was not set since: nothing was written."
        return Proof(Verdict.NOT_TAKEN, seen, server, reason, by_set_time=True)

    def _ended(self, account: str, spread: timedelta, *, answered: bool) -> None:
        with self._lock:
            sent = self._sent.get(account)
            if sent is not None:
                sent.answered = answered
                now = self._clock.now()
                sent.until = None if now is None else now + spread

    def _keep(self, account: str, sent: _Sent) -> _Sent:
        self._sent[account] = sent
        self._sent.move_to_end(account)
        if len(self._sent) > _MOST:
            self._sent.popitem(last=False)
        return sent
