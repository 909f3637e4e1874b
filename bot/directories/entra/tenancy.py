"""What is known of one app in one tenant for as long as this process lives: its token, its pace, what it just wrote.

A connector comes and goes with each turn of its lane; a limit, a token and a doubt last longer.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import SecretStr

from bot.directories.entra.clock import GraphClock
from bot.directories.entra.pacing import Pace
from bot.directories.entra.proof import Doubts
from bot.directories.entra.settings import EntraCredential, EntraSettings
from bot.directories.entra.tiers import Tiers
from bot.directories.entra.tokens import Tokens

_MOST = 1_000
"""Tenants remembered; the one that was not used for longest is forgotten."""


class Kept:
    """Who holds which role, which may be a few seconds old. For several threads at once: one reads, the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tiers: Tiers | None = None
        self._read_at = 0.0

    def get(self, read: Callable[[], Tiers], oldest: float) -> Tiers:
        """Who does, read anew when it is older than so many seconds."""
        with self._lock:
            now = time.monotonic()
            if self._tiers is None or now - self._read_at > oldest:
                self._tiers, self._read_at = read(), now
            return self._tiers

    def put(self, tiers: Tiers) -> None:
        """It was read by the way, just now."""
        with self._lock:
            self._tiers, self._read_at = tiers, time.monotonic()


@dataclass
class Tenancy:
    """What connectors of one app in one tenant share."""

    tokens: Tokens
    pace: Pace
    clock: GraphClock
    doubts: Doubts
    tiers: Kept = field(default_factory=Kept)


_Key = tuple[EntraSettings, SecretStr | None, SecretStr | None, SecretStr | None]
_known: OrderedDict[_Key, Tenancy] = OrderedDict()
_looking = threading.Lock()


def tenancy_of(settings: EntraSettings, credential: EntraCredential, new: Callable[[], Tenancy]) -> Tenancy:
    """The one of this app, tenant and credential, made `new` when there is none; another credential begins anew."""
    given = credential.as_given()
    key = (settings, given.client_secret, given.private_key, given.refresh_token)
    with _looking:
        if key not in _known:
            _known[key] = new()
            if len(_known) > _MOST:
                _known.popitem(last=False)
        _known.move_to_end(key)
        return _known[key]
