"""How names are compared, taken apart and looked up, so that what is stored and what is asked agree."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from bot.errors import RowNotFound

Row = TypeVar("Row")


def fold(text: str) -> str:
    """The form in which two usernames are equal exactly when a directory that ignores case takes them for the same.

    Case folds letter by letter (Unicode's simple folding): unlike `str.casefold`, no letter turns into two, so `ß` is
    not `ss`, and the Turkish dotless `ı` is not `i`. Composed and decomposed accents are the same; blanks around it go.
    """
    text = text.strip()
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", "".join(map(_fold_letter, unicodedata.normalize("NFC", text))))


class Username(NamedTuple):
    """A username as people write it down: `jane`, `CORP\\jane`, `jane@corp.example`; every part folded."""

    whole: str
    name: str
    """Without its qualifier; empty when there is none."""
    qualifier: str | None
    """The domain or suffix it names; None when it names none."""


def parse_username(text: str) -> Username:
    """Take a username apart. Anything is a username; one that names nobody has an empty `name`."""
    whole = fold(text)
    domain, backslash, name = whole.partition("\\")
    if backslash:
        return Username(whole, name.strip(), domain.strip())
    name, at, suffix = whole.rpartition("@")
    return Username(whole, name.strip(), suffix.strip()) if at else Username(whole, whole, None)


def row_id(name_or_id: str | int) -> int | None:
    """The id somebody may mean by this; None when it cannot be one."""
    text = str(name_or_id).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def the_only(found: Sequence[tuple[int, str, Row]], noun: str, asked: str | int) -> Row:
    """The one row that was found, each given as its id, how to show it, and itself; else `RowNotFound` saying why."""
    if len(found) == 1:
        return found[0][2]
    if not found:
        raise RowNotFound(
            f"There is no {noun} {str(asked)!r} here. A name must be whole, but its case does not matter."
        )
    which = ", ".join(f"{number} ({shown})" for number, shown, _ in found)
    raise RowNotFound(f"{str(asked)!r} fits {len(found)} {noun}s: {which}. Name the one you mean by its id.")


def _fold_letter(letter: str) -> str:
    for folded in (letter.casefold(), letter.lower()):
        if len(folded) == 1:
            return folded
    return letter
