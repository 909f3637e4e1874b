"""Filters, sorting and pages of the pretend IT Glue's lists."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.datastructures import QueryParams

Row = TypeVar("Row")

LARGEST_PAGE, USUAL_PAGE = 1000, 50
_FILTER = re.compile(r"filter\[(\w+)\]")


class UnknownFilter(Exception):
    """A filter or order that this list does not have."""


def filtered(rows: Sequence[Row], query: QueryParams, fields: Mapping[str, Callable[[Row], object]]) -> list[Row]:
    """The rows that fit every filter. A filter is exact; a comma separates values unless a backslash escapes it."""
    kept = list(rows)
    for name, text in query.multi_items():
        if not name.startswith("filter["):
            continue
        match = _FILTER.fullmatch(name)
        if match is None or match[1] not in fields:
            raise UnknownFilter(name)
        field, wanted = fields[match[1]], [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", text)]
        kept = [row for row in kept if any(_fits(field(row), each) for each in wanted)]
    return kept


def _fits(value: object, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted in (("true", "1") if value else ("false", "0"))
    return value is not None and str(value).casefold() == wanted.casefold()


def ordered(rows: Sequence[Row], query: QueryParams, fields: Mapping[str, Callable[[Row], Any]]) -> list[Row]:
    """The rows in the order asked for; `-` before the name turns it round. By id, where none is."""
    asked = query.get("sort", "id")
    name = asked.removeprefix("-").replace("-", "_")
    if name not in fields:
        raise UnknownFilter(f"sort={asked}")
    by_id = sorted(rows, key=fields["id"])
    return sorted(by_id, key=lambda row: fields[name](row) or "", reverse=asked.startswith("-")) if name != "id" else (
        by_id[::-1] if asked.startswith("-") else by_id
    )  # fmt: skip


def page(rows: Sequence[Row], query: QueryParams) -> tuple[list[Row], dict[str, int | None]]:
    """One page, and what `meta` says of it. A size beyond the largest is cut to it."""
    size = min(max(_number(query.get("page[size]"), USUAL_PAGE), 1), LARGEST_PAGE)
    number = max(_number(query.get("page[number]"), 1), 1)
    pages = max(1, -(-len(rows) // size))
    meta: dict[str, int | None] = {
        "current-page": number,
        "next-page": number + 1 if number < pages else None,
        "prev-page": number - 1 if number > 1 else None,
        "total-pages": pages,
        "total-count": len(rows),
    }
    return list(rows[(number - 1) * size : number * size]), meta


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise
