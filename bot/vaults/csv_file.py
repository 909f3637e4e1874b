"""Password records as a CSV file: read whole or refused with one sentence; written without anything a spreadsheet runs.

The first line names the columns, in any order: `name,username,password,url,notes` and, where wanted, `category`. UTF-8,
with or without a byte order mark. What does not fit is named by file, line and column, and never by its content: the
cell may be a password.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from pydantic import SecretStr

from bot.errors import BadInput
from storage.connections import name_key
from storage.models import Record
from storage.names import fold

LARGEST_FILE = 20 * 1024 * 1024
MOST_ROWS = 100_000
LONGEST = {"name": 300, "username": 300, "password": 1_000, "url": 2_000, "notes": 20_000, "category": 100}
"""Column → the most characters a cell of it may have."""

REQUIRED = ("name", "username", "password", "url", "notes")
EXPORTED = ("id", "name", "username", "url", "notes", "category")

_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
NOTHING = "Nothing was imported."


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One line of the file."""

    line: int
    name: str
    username: str
    password: SecretStr = field(repr=False)
    url: str | None
    notes: str | None
    category: str | None

    def identity(self) -> tuple[str, str]:
        """What makes it the same record at the next import: its name and username, whatever their case."""
        return name_key(self.name), fold(self.username)


def read_csv(path: Path) -> list[CsvRecord]:
    """Every record of the file. `BadInput` names the first thing that does not fit; then nothing of it may be used."""
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    records: list[CsvRecord] = []
    first_lines: dict[tuple[str, str], int] = {}
    columns: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                pass
            elif columns is None:
                columns = _header(path, line, cells)
            else:
                record = record_of(path, line, columns, cells)
                if len(records) == MOST_ROWS:
                    raise BadInput(f"{path}, line {line}: more than {MOST_ROWS:,} records. {NOTHING} Split the file.")
                first = first_lines.setdefault(record.identity(), line)
                if first != line:
                    raise BadInput(f"{path}, line {line}: the same name and username as in line {first}. {NOTHING}")
                records.append(record)
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"{path}, line {line}: this is not CSV ({error}). {NOTHING}") from None
    if columns is None:
        raise BadInput(f"{path} is empty. Its first line must name the columns: {','.join(REQUIRED)}.")
    return records


def exported(record: Record) -> dict[str, object]:
    """Everything of a record but its password, by column."""
    return {column: getattr(record, column) for column in EXPORTED}


def write_csv(records: Iterable[Record], out: TextIO) -> None:
    """Everything but passwords. A cell that a spreadsheet would take for a formula starts with `'`."""
    writer = csv.writer(out)
    writer.writerow(EXPORTED)
    for record in records:
        writer.writerow([_harmless(value) for value in exported(record).values()])


def text_of(path: Path) -> str:
    """The file's text. `BadInput` when it cannot be read, is too large, or is not UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}. {NOTHING}") from error
    if len(content) > LARGEST_FILE:
        raise BadInput(f"{path} is larger than {LARGEST_FILE // 1024 // 1024} MB. {NOTHING} Split the file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    raise BadInput(f"{path}, line {line}: this is not UTF-8. {NOTHING} Save the file as “CSV UTF-8”, then try again.")


def _header(path: Path, line: int, cells: Sequence[str]) -> list[str]:
    columns = _without_blank_end([cell.strip().casefold() for cell in cells], 0)
    where = f"{path}, line {line}"
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        semicolons = " Its columns are separated by something else than commas." if len(columns) == 1 else ""
        raise BadInput(f"{where}: the column {missing[0]!r} is missing.{semicolons} {NOTHING}")
    for number, column in enumerate(columns, 1):
        if column in columns[: number - 1]:
            raise BadInput(f"{where}, column {number}: {column!r} is there twice. {NOTHING}")
        if column not in LONGEST:
            shown = column[:40]
            raise BadInput(
                f"{where}, column {number}: {shown!r} is not a column Rekey keeps. {NOTHING} Take it out, or name it "
                f"one of {', '.join(LONGEST)}."
            )
    return columns


def record_of(path: Path, line: int, columns: Sequence[str], cells: Sequence[str]) -> CsvRecord:
    """One line as a record. `BadInput` names the cell that does not fit by its place."""
    cells = _without_blank_end(cells, len(columns))
    if len(cells) != len(columns):
        raise BadInput(f"{path}, line {line}: {len(cells)} cells where the header has {len(columns)}. {NOTHING}")
    row = dict(zip(columns, cells, strict=True))
    for number, column in enumerate(columns, 1):
        cell, where = row[column], f"{path}, line {line}, column {number} ({column})"
        if len(cell) > LONGEST[column]:
            raise BadInput(f"{where}: {len(cell):,} characters, at most {LONGEST[column]:,} fit. {NOTHING}")
        if "\0" in cell:
            raise BadInput(f"{where}: it holds a zero byte. {NOTHING}")
        if column in ("name", "password") and not cell.strip():
            raise BadInput(f"{where}: it is empty. {NOTHING}")
    return CsvRecord(
        line=line,
        name=row["name"].strip(),
        username=row["username"].strip(),
        password=SecretStr(row["password"]),
        url=row["url"].strip() or None,
        notes=row["notes"].strip() or None,
        category=row.get("category", "").strip() or None,
    )


def _without_blank_end(cells: Sequence[str], least: int) -> list[str]:
    """Spreadsheets append empty columns to everything they save."""
    kept = list(cells)
    while len(kept) > least and not kept[-1].strip():
        kept.pop()
    return kept


def _harmless(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) or text.startswith(("\t", "\r")) else text
