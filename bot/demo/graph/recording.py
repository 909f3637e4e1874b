"""What connectors asked, as far as it is no secret: methods, paths, the names of headers, the shapes of bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recorded:
    """One request. `body` shows keys, and for each value only its JSON type; None when there was no body."""

    method: str
    path: str
    """Without host and query, with `/v1.0` where it is Graph's."""
    query: Mapping[str, str]
    headers: frozenset[str]
    """Their names, in lower case."""
    body: Any
    status: int
    tenant: str | None
    batched: bool = False
    """Whether it came as an item of a `$batch`."""


def shape(value: Any) -> Any:
    """A body without its values."""
    match value:
        case dict():
            return {key: shape(item) for key, item in value.items()}
        case list():
            return [shape(item) for item in value]
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
    return None
