"""The pretend Microsoft's own clock, which a test may push forward instead of waiting."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Ours, plus whatever `passes` has added: it may be ahead of ours or behind."""

    def __init__(self, skew: timedelta = timedelta()) -> None:
        self._skew = skew

    def now(self) -> datetime:
        """Its present, aware UTC."""
        return datetime.now(UTC) + self._skew

    def passes(self, time: timedelta) -> None:
        """Let so much time go by at once."""
        self._skew += time


def stamp(moment: datetime | None) -> str | None:
    """A moment as Graph writes it, which shows whole seconds: two changes within one of them look like one."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
