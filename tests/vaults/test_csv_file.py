"""A CSV file is read whole or refused with a sentence that names the place; what is written runs in no spreadsheet."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInput
from bot.vaults import csv_file
from bot.vaults.csv_file import read_csv, write_csv
from storage.models import Record

HEADER = "name,username,password,url,notes\n"
JANE = "Jane Doe,CORP\\jane,S3cret-of-Jane,https://corp.example.test,\n"


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "records.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read_csv(path)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, mark: str) -> None:
    (record,) = read_csv(written(tmp_path, mark + HEADER + JANE))
    assert (record.line, record.name, record.username, record.url, record.notes, record.category) == (
        2,
        "Jane Doe",
        "CORP\\jane",
        "https://corp.example.test",
        None,
        None,
    )
    assert record.password.get_secret_value() == "S3cret-of-Jane"
    assert "S3cret" not in repr(record)


def test_columns_come_in_any_order_with_a_category_and_the_blank_ends_of_spreadsheets(tmp_path: Path) -> None:
    content = (
        'Password, NOTES ,category,Name,username,url,,\r\n" p w ","two\r\nlines",AD,Jürgen,j,,,\r\n\r\n,,,,,,,\r\n'
    )
    (record,) = read_csv(written(tmp_path, content))
    assert record.password.get_secret_value() == " p w "
    assert (record.notes, record.category, record.name) == ("two\r\nlines", "AD", "Jürgen")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "FILE is empty. Its first line must name the columns"),
        ("name,username,password,url\n", "FILE, line 1: the column 'notes' is missing."),
        ("name;username;password;url;notes\n", "separated by something else than commas"),
        ("name,username,password,url,notes,Name\n", "FILE, line 1, column 6: 'name' is there twice."),
        ("name,username,password,url,notes,otp\n", "FILE, line 1, column 6: 'otp' is not a column Rekey keeps."),
        (HEADER + JANE + ",bob,S3cret,,\n", "FILE, line 3, column 1 (name): it is empty."),
        (HEADER + JANE + "Bob,bob, ,,\n", "FILE, line 3, column 3 (password): it is empty."),
        (HEADER + 'A,a,p,,"two\nlines"\nBob,bob,,,\n', "FILE, line 4, column 3 (password): it is empty."),
        (HEADER + "Bob,bob,S3cret\n", "FILE, line 2: 3 cells where the header has 5."),
        (HEADER + "Bob,bob,S3cret,,,more\n", "FILE, line 2: 6 cells where the header has 5."),
        (HEADER + 'Bob,bob,"S3cret"x,,\n', "FILE, line 2: this is not CSV"),
        (HEADER + JANE + "jane doe,corp\\JANE,S3cret,,\n", "FILE, line 3: the same name and username as in line 2."),
        (HEADER + "Bob,bob,S3\0cret,,\n", "FILE, line 2, column 3 (password): it holds a zero byte."),
        (HEADER + f"Bob,bob,{'p' * 1001},,\n", "FILE, line 2, column 3 (password): 1,001 characters, at most 1,000"),
        (HEADER + f"Bob,bob,{'p' * 200_000},,\n", "FILE, line 2: this is not CSV"),
        ((HEADER + JANE).encode("utf-16"), "FILE, line 1: this is not UTF-8."),
        ((HEADER + JANE + "Jörg,j,S3cret,,\n").encode("cp1252"), "FILE, line 3: this is not UTF-8."),
    ],
)
def test_what_does_not_fit_is_named_by_its_place_and_never_by_its_content(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    said = refusal(written(tmp_path, content))
    assert said.startswith(sentence) or sentence in said
    assert "S3" not in said
    if content:
        assert "Nothing was imported." in said


def test_a_file_without_a_header_line_does_not_get_its_passwords_told(tmp_path: Path) -> None:
    assert "S3cret" not in refusal(written(tmp_path, JANE))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    said = refusal(tmp_path / "none.csv")
    assert said == "FILE cannot be read: No such file or directory. Nothing was imported."


def test_too_much_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, HEADER + "".join(f"n{number},u{number},p,,\n" for number in range(4)))
    monkeypatch.setattr(csv_file, "MOST_ROWS", 3)
    assert refusal(path) == "FILE, line 5: more than 3 records. Nothing was imported. Split the file."
    monkeypatch.setattr(csv_file, "LARGEST_FILE", 20)
    assert "FILE is larger than" in refusal(path)


def record(name: str, **columns: str | None) -> Record:
    return Record(id=7, organization_id=1, connection_id=1, name=name, name_key=name, **columns)  # type: ignore[arg-type]


def test_an_export_says_everything_but_the_password() -> None:
    out = io.StringIO()
    write_csv([record("Jane", username="jane", url=None, notes="two\nlines", category="AD")], out)
    assert list(csv.DictReader(io.StringIO(out.getvalue()))) == [
        {"id": "7", "name": "Jane", "username": "jane", "url": "", "notes": "two\nlines", "category": "AD"}
    ]


@given(st.sampled_from(["=", "+", "-", "@", " =", "\t", "\r", "＝"]), st.text(max_size=10))
def test_no_cell_of_an_export_starts_a_formula(start: str, rest: str) -> None:
    out = io.StringIO(newline="")
    write_csv([record(start + rest, username=start + rest, url=start + rest, notes=start + rest)], out)
    _, cells = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert cells[1:5] == [f"'{start}{rest}"] * 4


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=12))
def test_whatever_a_file_holds_it_is_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(HEADER + "\n".join(lines), encoding="utf-8")
    records, said = [], str(path)
    try:
        records = read_csv(path)
    except BadInput as error:
        said = str(error)
    assert str(path) in said
    assert all(record.name and record.password.get_secret_value().strip() for record in records)
