"""Redrawing a window while somebody types: each redraw shows what was entered at one moment, and the latest one stays.

Slack hands two actions of one window to two listeners at once, and takes their redraws in whatever order they arrive:
the earlier one, arriving last, would show what is no longer entered.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

_REMEMBERED = 1000


class Redraws:
    """The latest action that was drawn in each window. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._windows: OrderedDict[str, tuple[Lock, list[float]]] = OrderedDict()

    def draw(self, window: str, acted_at: float, redraw: Callable[[], object]) -> None:
        """Redraw for an action of this moment (Slack's `action_ts`), one after the other; not at all once a later
        action was drawn.
        """
        with self._lock:
            turn, latest = self._windows.setdefault(window, (Lock(), [0.0]))
            self._windows.move_to_end(window)
            while len(self._windows) > _REMEMBERED:
                self._windows.popitem(last=False)
        with turn:
            if acted_at >= latest[0]:
                latest[0] = acted_at
                redraw()
