"""What Entra asks of a cloud password.

Source: Microsoft's concept-sspr-policy.md (length, classes, allowed characters) and concept-password-ban-bad.md (how
banned words are scored). The global banned list is secret; the one here stands for it.
"""

import string
from collections.abc import Iterable

SYMBOLS = " @#$%^&*-_!+=[]{}|\\:',.?/`~\"();<>"
SHORTEST, LONGEST = 8, 256
ENOUGH_POINTS = 5
GLOBALLY_BANNED = ("password", "contoso", "microsoft", "welcome", "qwerty", "summer", "winter", "monday", "admin")

_LEET = str.maketrans({"0": "o", "1": "l", "$": "s", "@": "a"})
_NAME_PART = 4


def complies(password: str, *, banned: Iterable[str] = (), names: Iterable[str] = ()) -> bool:
    """Whether Entra would take it: `banned` are the tenant's own words, `names` the user's and the tenant's."""
    classes = [string.ascii_lowercase, string.ascii_uppercase, string.digits, SYMBOLS]
    if not SHORTEST <= len(password) <= LONGEST or any(each not in "".join(classes) for each in password):
        return False
    if sum(any(each in one for each in password) for one in classes) < 3:
        return False
    words = [*GLOBALLY_BANNED, *banned]
    return _earns_enough(password, words, [name for name in names if len(name) >= _NAME_PART])


def _earns_enough(password: str, banned: list[str], names: list[str]) -> bool:
    """One point for each banned word, one for each other character: five are needed. A password within one edit of a
    banned word, or with a name in it, counts as that word.
    """
    plain = password.lower().translate(_LEET)
    if any(_within_one_edit(plain, word.lower()) for word in banned):
        return False
    hits = 0
    for word in sorted({*(word.lower() for word in banned), *(name.lower() for name in names)}, key=len, reverse=True):
        found = plain.count(word)
        if found:
            hits += found
            plain = plain.replace(word, "")
    return hits + len(plain) >= ENOUGH_POINTS


def _within_one_edit(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    at = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at + 1 :] == long[at + 1 :] or short[at:] == long[at + 1 :]
