"""What time it is at Graph: what its replies show, and what has passed since. Our own clock may be wrong."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from bot.http_session import Reply


class GraphClock:
    """Set by every reply. For several threads at once."""

    def __init__(self, passing: Callable[[], float] = time.monotonic) -> None:
        self._passing = passing
        self._heard: tuple[datetime, float] | None = None

    def hear(self, reply: Reply) -> None:
        """A reply shows the time."""
        try:
            said = parsedate_to_datetime(reply.headers["Date"])
        except (KeyError, ValueError):
            return
        if said.tzinfo is not None:
            self._heard = (said, self._passing())

    def now(self) -> datetime | None:
        """Its present, to a second or so; None before the first reply."""
        heard = self._heard
        return None if heard is None else heard[0] + timedelta(seconds=self._passing() - heard[1])
