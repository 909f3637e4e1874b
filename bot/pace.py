"""How fast Slack may be called: evenly, so that many cards share what there is and none stands still.

The tiers are calls a minute, method and workspace, with bursts "of a reasonable size": docs.slack.dev/apis/web-api
/rate-limits; each method's page names its tier.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.errors import Throttled

_PER_MINUTE, _BURST = 40, 10
"""Together the 50 a minute of tier 3, in which every method here is, but posting."""
_INTERVAL = timedelta(minutes=1) / _PER_MINUTE
_POSTING = "chat.postMessage"  # one a second and channel: kept by the rows, which outlive a process


class Pace:
    """What was called when, by this process. Not for several threads at once."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._used_until: dict[tuple[str, str], datetime] = {}
        """When all calls made so far would have been, had they come evenly."""
        self._held_until: dict[tuple[str, str], datetime] = {}
        self._latest = ("", "")

    def ready_at(self, method: str, where: str = "") -> datetime:
        """When this may be called next; now or earlier: at once."""
        start = datetime.min.replace(tzinfo=self._clock().tzinfo)
        key = (method, where)
        held = self._held_until.get(key, start)
        if method == _POSTING or key not in self._used_until:
            return held
        return max(held, self._used_until[key] - (_BURST - 1) * _INTERVAL)

    def take(self, method: str, where: str = "") -> None:
        """This is called now. `Throttled`, and it must not be, when it is too soon."""
        self._latest = key = (method, where)
        early = (self.ready_at(method, where) - self._clock()).total_seconds()
        if early > 0:
            raise Throttled("Slack's own pace.", retry_after=early)
        self._used_until[key] = max(self._clock(), self._used_until.get(key, self._clock())) + _INTERVAL

    def hold_back(self, until: datetime) -> None:
        """What was called last is not to be called again before then."""
        self._held_until[self._latest] = until
