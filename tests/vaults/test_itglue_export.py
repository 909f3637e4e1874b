"""IT Glue's own export: the organization's lines only, what it cannot give is said, and nothing else is read."""

from pathlib import Path

import pytest

from bot.errors import BadInput
from bot.vaults.csv_file import read_csv
from bot.vaults.itglue_export import is_export, read_export

EXPORT = """\
id,organization,name,username,password,otp_secret,url,notes,resource_type,resource_id,password_category,archived,vault_id
1,Acme Dental,Jane Doe,CORP\\jane,S3cret-of-Jane,JBSWY3DP,https://corp.example.test,"a
note",,,Active Directory,No,
2,Somebody Else,Theirs,theirs,S3cret-of-Theirs,,,,,,,No,
3,acme  DENTAL,Old,old,S3cret-of-Old,,,,,,,Yes,
4,Acme Dental,Vaulted,v,,,,,,,,No,12
5,Acme Dental,Empty,e,,,,,,,,No,
6,Acme Dental,jane doe,corp\\JANE,S3cret-again,,,,,,,No,
"""


def written(tmp_path: Path, text: str = EXPORT) -> Path:
    path = tmp_path / "passwords.csv"
    path.write_text(text, "utf-8-sig")
    return path


def test_only_the_organizations_lines_are_taken_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert is_export(path)
    (jane,), left_out = read_export(path, "Acme Dental")
    assert (jane.line, jane.name, jane.username, jane.notes, jane.category) == (
        2,
        "Jane Doe",
        "CORP\\jane",
        "a\nnote",
        "Active Directory",
    )
    assert jane.password.get_secret_value() == "S3cret-of-Jane"
    assert left_out == [
        "Line 5, Old: it is archived, so it was left out.",
        "Line 6, Vaulted: it is vaulted: IT Glue does not export its password.",
        "Line 7, Empty: it has no password.",
        "Line 8, jane doe: line 2 has the same name and username, and came first.",
    ]
    assert "S3cret" not in repr(left_out)
    assert "JBSWY3DP" not in repr(jane)


def test_an_organization_that_is_not_in_it_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read_export(written(tmp_path), "Acme")
    assert "Acme Dental, Somebody Else" in str(caught.value)
    assert "--called" in str(caught.value)


def test_a_file_of_rekeys_own_is_no_export(tmp_path: Path) -> None:
    path = written(tmp_path, "name,username,password,url,notes\nJane,jane,S3cret,,\n")
    assert not is_export(path)
    assert len(read_csv(path)) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('organization,name,password\nAcme,Jane,"S3cret"x\n', "line 2: this is not CSV"),
        (f"organization,name,password\nAcme,Jane,{'S3' * 501}\n", "line 2, column 3 (password): 1,002 characters"),
        ("organization,name,password\nAcme,,S3cret\n", "line 2, column 1 (name): it is empty"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place_and_never_by_its_content(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read_export(written(tmp_path, text), "Acme")
    assert sentence in str(caught.value)
    assert "S3" not in str(caught.value)
