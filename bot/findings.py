"""What looking at a connection finds, in words: one sentence for what is true, one for what a technician can do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from bot.errors import NoAnswer, OutsideError, Throttled, Unreachable


class Level(StrEnum):
    """How a finding of `check` reads."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of `check`: what is true, and what a technician can do about it (empty when all is well)."""

    level: Level
    what: str
    mend: str = ""
    cause: str = ""
    away: bool = False
    """This server could not be reached at all, so nothing more is known of it."""
    detail: str = ""
    """What only whoever has the shell is shown: places on Rekey's own machine."""
    link: str = ""
    """The https address of the page on which it is mended."""
    paste: str = ""
    """What that page wants to be told: a text to paste there."""

    @classmethod
    def problem(cls, error: OutsideError) -> Self:
        """What an error of the outside says, as a finding."""
        away = isinstance(error, Unreachable | NoAnswer | Throttled)
        return cls(Level.PROBLEM, str(error), error.mend, error.cause, away)
