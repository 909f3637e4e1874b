"""Microsoft's published limits on identity and access calls: resource units per 10 seconds by the tenant's size, and
writes per 150 seconds, for each application in each tenant.

Source: concepts/throttling-limits.md of Microsoft Graph's documentation.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from bot.demo.graph.errors import GraphError

_WORTH_TELLING = 0.8


@dataclass(frozen=True)
class Limits:
    """How much one application may do in one tenant; smaller numbers make a test short."""

    writes: int = 3_000
    writes_window: timedelta = timedelta(seconds=150)
    units_small: int = 3_500
    units_medium: int = 5_000
    units_large: int = 8_000
    units_window: timedelta = timedelta(seconds=10)

    def units(self, users: int) -> int:
        """Resource units for a tenant of so many users."""
        return self.units_small if users < 50 else self.units_medium if users <= 500 else self.units_large


class _Window:
    """What was used within a sliding window."""

    def __init__(self) -> None:
        self._used: deque[tuple[datetime, int]] = deque()
        self._sum = 0

    def used(self, now: datetime, window: timedelta) -> int:
        """How much of it counts now."""
        while self._used and self._used[0][0] <= now - window:
            self._sum -= self._used.popleft()[1]
        return self._sum

    def add(self, now: datetime, cost: int) -> None:
        """Count one call."""
        self._used.append((now, cost))
        self._sum += cost

    def free_at(self, cost: int, limit: int, window: timedelta) -> datetime | None:
        """When there will be room for so much; None when there is."""
        over = self._sum + cost - limit
        for at, used in self._used:
            if over <= 0:
                return None
            over -= used
            if over <= 0:
                return at + window
        return None


class Throttling:
    """Counts calls, by application and tenant."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._units: dict[tuple[str, str], _Window] = {}
        self._writes: dict[tuple[str, str], _Window] = {}

    def count(self, who: tuple[str, str], users: int, cost: int, now: datetime, *, writes: bool) -> dict[str, str]:
        """Count one call and return the headers that tell of it; GraphError 429 when there is no room for it."""
        limits, units = self.limits, self.limits.units(users)
        used = self._units.setdefault(who, _Window())
        written = self._writes.setdefault(who, _Window())
        share = max(
            used.used(now, limits.units_window) / units, written.used(now, limits.writes_window) / limits.writes
        )
        headers = {"x-ms-resource-unit": str(cost)}
        if share >= _WORTH_TELLING:
            headers["x-ms-throttle-limit-percentage"] = f"{share:.2f}"
        over = [
            (at, what)
            for at, what in (
                (used.free_at(cost, units, limits.units_window), "ResourceUnitLimitExceeded"),
                (written.free_at(1, limits.writes, limits.writes_window) if writes else None, "WriteLimitExceeded"),
            )
            if at is not None
        ]
        if over:
            raise _too_many(who, now, *max(over), headers)
        used.add(now, cost)
        if writes:
            written.add(now, 1)
        return headers


def _too_many(who: tuple[str, str], now: datetime, until: datetime, what: str, headers: dict[str, str]) -> GraphError:
    message = f"Too many requests from Identifier:{who[0]} under category:aadgraph.app.tenant. Please try again later."
    told = {
        "Retry-After": str(max(1, ceil((until - now).total_seconds()))),
        "x-ms-throttle-scope": f"Tenant_Application/{'/'.join(who)}",
        "x-ms-throttle-information": what,
    }
    return GraphError(429, "TooManyRequests", message, headers | told)


def reduced(cost: int, query: dict[str, str]) -> int:
    """What a call costs with these options: `$select` and a small `$top` make it cheaper, `$expand` dearer."""
    top = query.get("$top", "")
    small = top.isdecimal() and int(top) < 20
    return max(1, cost - ("$select" in query) - small + ("$expand" in query))
