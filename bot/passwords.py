"""What a password must look like, making one that does, and saying where one falls short.

Pure: no clock, no database, no network; randomness comes from `secrets` alone. Generated passwords are plain ASCII
that Active Directory and Entra ID both take and that people can read out and type on any keyboard: no blank, no quote,
no backslash, no backtick.
"""

import json
import math
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Self

from pydantic import SecretStr

from bot.errors import BadInput

SHORTEST, LONGEST = 8, 127
"""How long a generated password may be: Entra ID takes no fewer, and the dialogs of Windows no more characters."""

SYMBOLS = "!#$%&()*+-./:;<=>?@[]^_{}~"
"""What counts as a symbol everywhere and stays readable; a subset of what Entra ID and Active Directory allow."""

AMBIGUOUS = "lI1|!iO0oQ" + "S5B8Z2" + ":;.,'`~_()[]{}<>/"
"""Look-alikes in one font or another; left out of unambiguous passwords."""

ENOUGH_BITS = 128.0
"""Harder to guess than this is no safer: a passphrase is as hard as the random style of its length, or this hard."""

LONGEST_PASSPHRASE = 120
"""A passphrase grows word by word, so its last one needs room below `LONGEST`."""

MOST_WORDS = 17
"""So many words of the longest kind, their separators and a number still fit."""

_SEPARATOR = "-"
_TRIES = 2_000
_NOTHING_LEFT = (
    "No password can be made that satisfies everything asked for: the words that may not appear in it leave too little."
)
_DELIMITERS = str.maketrans(dict.fromkeys(",.-_ #\t", "\n"))


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What one password has to satisfy; by default nothing."""

    length: int = 0
    """The fewest characters."""
    uppercase: bool = False
    lowercase: bool = False
    number: bool = False
    symbol: bool = False
    classes: int = 0
    """How many of Active Directory's five classes: upper case, lower case, digits, symbols, letters without case."""
    forbidden: tuple[str, ...] = ()
    """Case-folded parts that may not appear anywhere inside, such as the account's name."""
    symbols: str | None = None
    """The only symbols it may have; None allows all."""
    unambiguous: bool = False
    """No look-alikes; in a passphrase that speaks of its digits and symbols, since words are read as words."""
    words: int | None = None
    """Passphrase style with at least so many words; None for random characters. How to make one, not a demand."""
    sources: tuple[str, ...] = ()
    """Sentences that say where the demands come from, for people."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; `from_json` reads them back. Holds no password."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The policy that `to_json` wrote; `BadInput` when it is none."""
        unknown = set(value) - {field.name for field in fields(cls)}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise BadInput(f"A stored password policy has a part this Rekey does not know: {names}.")
        lists = {name: tuple(value[name]) for name in ("forbidden", "sources") if name in value}
        return cls(**{**value, **lists})


def strictest(*policies: PasswordPolicy) -> PasswordPolicy:
    """The one policy that satisfies all of them; no policies give the one that demands nothing."""
    return PasswordPolicy(
        length=max((policy.length for policy in policies), default=0),
        uppercase=any(policy.uppercase for policy in policies),
        lowercase=any(policy.lowercase for policy in policies),
        number=any(policy.number for policy in policies),
        symbol=any(policy.symbol for policy in policies),
        classes=max((policy.classes for policy in policies), default=0),
        forbidden=_each_once(part for policy in policies for part in policy.forbidden),
        symbols=_in_all([policy.symbols for policy in policies if policy.symbols is not None]),
        unambiguous=any(policy.unambiguous for policy in policies),
        words=max((policy.words for policy in policies if policy.words is not None), default=None),
        sources=_each_once(source for policy in policies for source in policy.sources),
    )


def name_parts(username: str, display_name: str | None) -> tuple[str, ...]:
    """What Windows' complexity rule refuses inside a password, case-folded: the whole username, and each part of the
    display name between commas, periods, dashes, underscores, spaces, number signs and tabs; none shorter than three
    characters. (Windows: "Password must meet complexity requirements".)
    """
    tokens = (display_name or "").translate(_DELIMITERS).split("\n")
    return _each_once(part.casefold() for part in (username, *tokens) if len(part) >= 3)


def meets(secret: SecretStr, policy: PasswordPolicy) -> bool:
    """Whether a password that is there already satisfies the policy."""
    return not shortcomings(secret.get_secret_value(), policy)


def shortcomings(password: str, policy: PasswordPolicy) -> list[str]:
    """What the password lacks, one sentence each, without quoting any of it; empty when the policy is satisfied."""
    found = []
    if len(password) < policy.length:
        found.append(f"It has fewer than {policy.length} characters.")
    classes = _classes(password)
    for demanded, name, words in (
        (policy.uppercase, "upper", "an upper-case letter"),
        (policy.lowercase, "lower", "a lower-case letter"),
        (policy.number, "digit", "a number"),
        (policy.symbol, "symbol", "a symbol"),
    ):
        if demanded and name not in classes:
            found.append(f"It has to contain {words}.")
    if len(classes) < policy.classes:
        found.append(f"It uses fewer than {policy.classes} kinds of characters.")
    folded = password.casefold()
    if any(part and part.casefold() in folded for part in policy.forbidden):
        found.append("It contains part of the account's name, or another word that is not allowed.")
    if policy.symbols is not None and any(
        _class(character) == "symbol" and character not in policy.symbols for character in password
    ):
        found.append("It contains a symbol that is not among those allowed.")
    if policy.unambiguous and any(character in _look_alikes(policy) for character in password):
        found.append("It contains a character that is easily mistaken for another one.")
    return found


def generate(policy: PasswordPolicy) -> SecretStr:
    """A new password of 8 to 127 characters that satisfies the policy.

    The random style draws every character uniformly and throws the whole away until it fits, so each password that
    fits is equally likely. The passphrase style takes words until it is at least as hard to guess as the random style
    of the same length (or 128 bits). `BadInput` says which demand cannot be met.
    """
    length = max(policy.length, SHORTEST)
    _refuse_what_cannot_be_made(policy, length)
    unwanted = _look_alikes(policy) if policy.unambiguous else ""
    allowed = SYMBOLS if policy.symbols is None else "".join(each for each in SYMBOLS if each in policy.symbols)
    characters = (each for each in string.ascii_letters + string.digits + allowed if each not in unwanted)
    alphabet = "".join(_without_forbidden(characters, policy))
    if len(alphabet) < 2:
        raise BadInput(_NOTHING_LEFT + _why(policy))
    if policy.words is None:
        candidates = (_random(alphabet, length) for _ in range(_TRIES))
    else:
        words = _without_forbidden(word_list(), policy)
        digits = "".join(each for each in string.digits if each in alphabet)
        if len(words) < 2 or len(digits) < 2:
            raise BadInput(_NOTHING_LEFT + _why(policy))
        bits = min(ENOUGH_BITS, length * math.log2(len(alphabet)))
        usable = [each for each in allowed if each not in unwanted]
        separator = _SEPARATOR if _SEPARATOR in usable else "".join(usable[:1])
        candidates = (_passphrase(policy, words, digits, separator, length, bits) for _ in range(_TRIES))
    for password in candidates:
        if len(password) <= LONGEST and not shortcomings(password, policy):
            return SecretStr(password)
    raise BadInput(_NOTHING_LEFT + _why(policy))


def _refuse_what_cannot_be_made(policy: PasswordPolicy, length: int) -> None:
    kind, longest = ("password", LONGEST) if policy.words is None else ("passphrase", LONGEST_PASSPHRASE)
    demand = None
    if length > longest:
        demand = f"A {kind} of {length} characters is asked for, and Rekey makes them up to {longest} long."
    elif policy.words is not None and policy.words > MOST_WORDS:
        demand = f"A passphrase of {policy.words} words is asked for, and {MOST_WORDS} fit into {LONGEST} characters."
    elif policy.classes > 4:
        demand = (
            f"Passwords with {policy.classes} kinds of characters are asked for, and Rekey makes them from four: "
            "upper and lower case, numbers, symbols."
        )
    elif policy.symbol and policy.symbols is not None and not set(SYMBOLS) & set(policy.symbols):
        demand = "A symbol is asked for, and none is among those allowed."
    if demand:
        raise BadInput(demand + _why(policy))


# ---- the two styles --------------------------------------------------------------------------------------------------


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _passphrase(policy: PasswordPolicy, words: list[str], digits: str, separator: str, length: int, bits: float) -> str:
    """Capitalised words, then three digits where they are demanded: `Maple-Otter-River-704`."""
    ending = []
    if policy.number or policy.classes > 3:
        ending = [_random(digits, 3)]
        bits -= 3 * math.log2(len(digits))
    count = max(policy.words or 0, math.ceil(bits / math.log2(len(words))))
    chosen = [secrets.choice(words).capitalize() for _ in range(count)]
    while len(phrase := separator.join(chosen + ending)) < length:
        chosen.append(secrets.choice(words).capitalize())
    return phrase


def _without_forbidden(choices: Iterable[str], policy: PasswordPolicy) -> list[str]:
    return [choice for choice in choices if not any(part and part in choice.casefold() for part in policy.forbidden)]


def _look_alikes(policy: PasswordPolicy) -> str:
    if policy.words is None:
        return AMBIGUOUS
    return "".join(character for character in AMBIGUOUS if not character.isalpha())


def _classes(password: str) -> set[str]:
    return {_class(character) for character in password}


def _class(character: str) -> str:
    if character.isupper():
        return "upper"
    if character.islower():
        return "lower"
    if character.isascii() and character.isdigit():
        return "digit"
    return "letter" if character.isalpha() else "symbol"


def _in_all(texts: Sequence[str]) -> str | None:
    return "".join(each for each in texts[0] if all(each in text for text in texts)) if texts else None


def _each_once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _why(policy: PasswordPolicy) -> str:
    return "".join(f" {source}" for source in policy.sources)


@cache
def word_list() -> tuple[str, ...]:
    """The words of passphrases: 2,048 plain English ones of four to six letters; the file says where they come from."""
    return tuple(json.loads(resources.files("bot").joinpath("passphrase_words.json").read_text("utf-8"))["words"])
