"""The part of OData's `$filter` that Rekey's calls use: equalities, joined by `and`."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from bot.demo.graph.errors import bad_request

Item = TypeVar("Item")

_ONE = re.compile(r"([A-Za-z/]+) eq (?:'((?:[^']|'')*)'|(true|false|null))", re.ASCII)
_AND = re.compile(r" and ", re.ASCII)


def matching(said: str | None, known: Callable[[Item, str], Any], properties: frozenset[str]) -> Callable[[Item], bool]:
    """A test for items by what a `$filter` says; GraphError when it is not understood. `known` reads a property, of
    those that may be filtered by.
    """
    wanted = [] if said is None else [_read(part, properties) for part in _AND.split(said)]
    return lambda item: all(_same(known(item, name), value) for name, value in wanted)


def _read(part: str, properties: frozenset[str]) -> tuple[str, Any]:
    found = _ONE.fullmatch(part.strip())
    if found is None:
        raise bad_request(f"Invalid filter clause: {part!r}.", "BadRequest")
    name, text, word = found.groups()
    if name not in properties:
        raise bad_request(f"Unsupported or invalid query filter clause specified for property '{name}'.", "BadRequest")
    return name, text.replace("''", "'") if word is None else {"true": True, "false": False, "null": None}[word]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return bool(one == other) if not (one is None and other is False) else False
