"""The seven statuses: each has its meaning, every cause the code can produce has a row, and the page says the same."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.statuses import meaning
from bot.demo.slack.validation import validate
from bot.directories.active_directory import diagnostics
from bot.statuses import MEANINGS, as_markdown, causes_of, find_meaning
from storage.models import Status

ROOT = Path(__file__).parents[1]
ELSEWHERE = (
    "bot/demo",
    "bot/slack.py",
    "bot/socket_mode.py",
    "bot/doctor.py",
    "bot/credentials.py",
    "bot/notices.py",
    "bot/smtp.py",
)
"""What is refused there never becomes the status of a record."""
REFUSALS = {"_refusal", "_account_refusal"}


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts an expression may be; what varies in one is a `*`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    elif isinstance(node, ast.BoolOp | ast.IfExp):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _texts(child)


def _causes() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "bot").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                texts = [text for each in node.keywords if each.arg == "cause" for text in _texts(each.value)]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".cause"):
                texts = list(_texts(node.value))
            elif isinstance(node, ast.FunctionDef) and node.name in REFUSALS and "rotation" in name:
                returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
                texts = [text for each in returned if isinstance(each, ast.Tuple) for text in _texts(each.elts[-1])]
            elif isinstance(node, ast.Assign) and "UNREADABLE" in ast.unparse(node.targets[0]):
                texts = [text for each in getattr(node.value, "elts", []) for text in _texts(each)]
            else:
                continue
            for text in texts:
                yield name, text


FOUND = sorted(set(_causes()))


def test_causes_are_found_in_the_source() -> None:
    known = {cause for _, cause in FOUND}
    assert {"unmatched", "vaulted", "vault-unreadable", "policy", "account-gone", "own-account-in-bulk"} <= known
    assert len(FOUND) > 50


@pytest.mark.parametrize(("where", "cause"), FOUND)
def test_every_cause_the_code_can_produce_has_a_row(where: str, cause: str) -> None:
    assert list(causes_of(cause)), f"{where} gives the cause {cause!r}, which bot/statuses.py does not explain"


@pytest.mark.parametrize("outcome", diagnostics.SignIn)
def test_every_refused_sign_in_has_a_row(outcome: diagnostics.SignIn) -> None:
    [(found, _)] = causes_of(f"sign-in-{outcome}")
    assert found.status is Status.API_ERROR


def test_each_of_the_seven_has_one_meaning() -> None:
    assert [each.status for each in MEANINGS] == list(Status)
    assert all(each.causes for each in MEANINGS if each.status is not Status.SUCCESSFUL)


def test_no_two_rows_explain_the_same_cause() -> None:
    rows = [key for each in MEANINGS for cause in each.causes for key in cause.keys]
    assert len(rows) == len(set(rows))


def test_the_page_says_what_the_source_says() -> None:
    assert (ROOT / "docs" / "statuses.md").read_text(encoding="utf-8") == as_markdown(), "run `make docs`"


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("failed", Status.FAILED),
        ("API Error", Status.API_ERROR),
        ("api-error", Status.API_ERROR),
        ("admin not permited", Status.ADMIN_NOT_PERMITTED),
        ("not permitted", Status.NOT_PERMITTED),
    ],
)
def test_a_status_is_found_by_what_people_type(typed: str, status: Status) -> None:
    found = find_meaning(typed)
    assert found is not None
    assert found.status is status


def test_nothing_is_found_for_a_word_that_is_none() -> None:
    assert find_meaning("banana") is None


@pytest.mark.parametrize("each", MEANINGS, ids=lambda each: each.status)
def test_what_slack_shows_fits(each: object) -> None:
    _text, blocks = meaning(each)  # type: ignore[arg-type]
    assert validate(blocks) == []
