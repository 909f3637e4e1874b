"""IT Glue's own CSV export of passwords, as a source of records for the embedded vault.

It holds every organization of the account, so the file is known by its column `organization`, and only the lines of the
one meant are taken. Its columns differ with the account's age and settings: those that Rekey keeps are found by name,
under each name they are known to have had, and all others (one-time password secrets above all) are never read. What
cannot be a record here (archived, without a password, vaulted) is left out, and said by line.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from bot.errors import BadInput
from bot.vaults.csv_file import MOST_ROWS, NOTHING, CsvRecord, record_of, text_of
from storage.connections import name_key

_NAMES = {
    "name": ("name",),
    "username": ("username", "user name", "login"),
    "password": ("password",),
    "url": ("url",),
    "notes": ("notes",),
    "category": ("category", "password_category", "password category", "password_category_name", "type"),
    "organization": ("organization", "organization_name", "organization name"),
    "archived": ("archived", "archived?"),
    "vaulted": ("vault_id", "vault", "vaulted"),
}
"""What a line says → the names its column goes by."""
_NEEDED = ("organization", "name", "password")
_YES = frozenset({"yes", "true", "1", "y"})
_NAMED_MOST = 5


def is_export(path: Path) -> bool:
    """Whether the file's first line is that of an export of IT Glue's. `BadInput` when it cannot be read."""
    try:
        header = next(csv.reader(io.StringIO(text_of(path), newline=""), strict=True), [])
    except csv.Error:
        return False
    return set(_NEEDED) <= _columns(header).keys()


def read_export(path: Path, organization: str) -> tuple[list[CsvRecord], list[str]]:
    """The organization's records, by its name in the file; and what was left out, each in a sentence.

    `BadInput` when the file is not CSV, a cell does not fit, or no line is the organization's: then it names some that
    are there.
    """
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    records: list[CsvRecord] = []
    left_out: list[str] = []
    first_lines: dict[tuple[str, str], int] = {}
    others: dict[str, str] = {}
    line = 1
    try:
        columns = _columns(next(reader))
        line = reader.line_num + 1
        for cells in reader:
            said = {name: cells[place] if place < len(cells) else "" for name, place in columns.items()}
            whose = said["organization"].strip()
            if any(said.values()) and name_key(whose) != name_key(organization):
                others.setdefault(name_key(whose), whose)
            elif any(said.values()):
                why = _why_not(said)
                record = None if why else _record(path, line, said)
                if record is not None:
                    first = first_lines.setdefault(record.identity(), line)
                    why = "" if first == line else f"line {first} has the same name and username, and came first."
                if why or record is None:
                    left_out.append(f"Line {line}, {said['name'].strip()[:100]}: {why}")
                else:
                    records.append(record)
                if len(records) > MOST_ROWS:
                    raise BadInput(f"{path}, line {line}: more than {MOST_ROWS:,} records. {NOTHING} Split the file.")
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"{path}, line {line}: this is not CSV ({error}). {NOTHING}") from None
    if not records and not left_out:
        named = ", ".join(list(others.values())[:_NAMED_MOST]) or "none"
        raise BadInput(
            f"{path} holds nothing of an organization called {organization}; there are, among others: {named}. "
            f"{NOTHING} Say which one is meant with --called."
        )
    return records, left_out


def _columns(header: list[str]) -> dict[str, int]:
    """What a line says → its place."""
    named = {cell.strip().lstrip("\ufeff").casefold(): place for place, cell in reversed(list(enumerate(header)))}
    return {
        said: next(named[name] for name in names if name in named)
        for said, names in _NAMES.items()
        if any(name in named for name in names)
    }


def _why_not(said: Mapping[str, str]) -> str:
    if said.get("archived", "").strip().casefold() in _YES:
        return "it is archived, so it was left out."
    if not said["password"].strip():
        vaulted = said.get("vaulted", "").strip().casefold() not in ("", "no", "false", "0")
        return "it is vaulted: IT Glue does not export its password." if vaulted else "it has no password."
    return ""


def _record(path: Path, line: int, said: Mapping[str, str]) -> CsvRecord:
    columns = ("name", "username", "password", "url", "notes", "category")
    return record_of(path, line, columns, [said.get(column, "") for column in columns])
