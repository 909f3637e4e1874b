"""A pretend directory's clock, which tests and the tour move as they like."""

from datetime import UTC, datetime, timedelta

_NO_TIME = timedelta()


class PracticeClock:
    """The directory's own clock: it may be ahead of ours or behind, jump, or stand still."""

    def __init__(self, skew: timedelta = _NO_TIME) -> None:
        self._skew = skew
        self._stands_at: datetime | None = None
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Its present: no two readings are the same unless it stands still."""
        if self._stands_at is None:
            self._last = max(self._last + timedelta(microseconds=1), datetime.now(UTC) + self._skew)
        return self._stands_at or self._last

    def passes(self, time: timedelta) -> None:
        """Let so much time go by at once."""
        self._skew += time
        if self._stands_at is not None:
            self._stands_at += time

    def stands_still(self) -> None:
        """Show the same time from now on, until `runs`."""
        self._stands_at = self.now()

    def runs(self) -> None:
        """Go on."""
        self._stands_at = None
