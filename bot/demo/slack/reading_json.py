"""JSON as Slack reads it: nothing but JSON, and nothing that has no bottom."""

import json
from typing import Any, NoReturn


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError for anything else, for NaN and Infinity, and for endless nesting."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
