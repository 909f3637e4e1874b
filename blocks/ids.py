"""The names of what people press, and what a button carries.

An action id is a command, `noun.verb` (`match.approve`); its audit event is the past tense (`match.approved`). A value
holds the id of a row and the version that was shown, and nothing else: whatever else is needed is read from the row.
"""

import re

from bot.errors import BadInput

COMMAND = "/rotate"

# One button for every word of /rotate. Its value is an organization's id, or 0 where there is none yet.
WORD = re.compile(r"^rotate\.([a-z]+)$")

# Buttons that lead to a page: Slack opens it, and tells the app of the click all the same.
LINK = re.compile(r"^link\.([a-z_]+)$")

HOME_PAGE = "home.page"
HOME_LOOK = "home.look"

SWITCH_ON, SWITCH_OFF = "directory.switch_on", "directory.switch_off"
ROTATION_ON, ROTATION_OFF = "rotation.switch_on", "rotation.switch_off"

OPENING = frozenset({HOME_PAGE, HOME_LOOK})
"""Actions that only open or redraw something. They alone count from an answer that nobody but its reader sees, which
is not kept; everything else counts only from a card that is, from Home, or from a modal."""

_VALUE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?")


def word(name: str) -> str:
    """The action id of the button that does what `/rotate name` does."""
    return f"rotate.{name}"


def is_opening(action_id: str) -> bool:
    """Whether this action may come from an answer that is not kept: it opens something (see `OPENING`), or says a word
    of /rotate, which the same person could as well have typed.
    """
    stands_for_word_or_page = WORD.fullmatch(action_id) or LINK.fullmatch(action_id)
    return stands_for_word_or_page is not None or action_id.partition(":")[0] in OPENING


def paging(action_id: str) -> re.Pattern[str]:
    """The action ids of the buttons of `parts.paging`."""
    return re.compile(rf"^{re.escape(action_id)}:(back|on)$")


def value(row_id: int, version: int = 0) -> str:
    """What a button carries."""
    return f"{row_id}.{version}"


def read_value(text: str | None) -> tuple[int, int]:
    """The row id and the version a button carries; `BadInput` for anything else."""
    found = _VALUE.fullmatch(text or "")
    if found is None:
        raise BadInput("This button carries something Rekey did not put there. Nothing was changed.")
    return int(found[1]), int(found[2] or 0)
