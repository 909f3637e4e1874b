"""Long lists in portions that fit into one statement on either database."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Value = TypeVar("Value")

PORTION = 1000
"""Far below what either database takes in one statement."""


def portions(values: Sequence[Value], size: int = PORTION) -> Iterator[Sequence[Value]]:
    """The values in their order, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
