"""What the import contracts (pyproject.toml, `make check`) cannot say about the house.

Each rule is one test that names every place that breaks it, as `file:line what`.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest

from bot import permissions
from bot.permissions import Decision
from storage.models import RotationState

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("bot", "handlers", "blocks", "storage") for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 400

UNWRAPS = {
    "blocks/reveal.py": "a one-time link's address, on its button",
    "blocks/setup.py": "a one-time link's address, on its button",
    "bot/app.py": "the key ring's text, the database's URL and Slack's secrets, handed to what reads them",
    "bot/certificates.py": "a private key, compared with its certificate",
    "bot/cli/operators.py": "a one-time enrolment code, printed once",
    "bot/cli/reveal.py": "what `rekey reveal` prints",
    "bot/credential_fields.py": "a day, which is no secret, typed beside one",
    "bot/directories/active_directory/connector.py": "the value of unicodePwd",
    "bot/directories/active_directory/wire.py": "the sign-in itself",
    "bot/directories/entra/onboarding.py": "how a client secret begins, which tells it from the app's others",
    "bot/directories/entra/settings.py": "the parts of a credential, read from and made into one sealed text",
    "bot/directories/entra/connector.py": "whether it is empty",
    "bot/directories/entra/graph.py": "the bearer's header line",
    "bot/directories/entra/tokens.py": "what msal proves us with",
    "bot/directories/entra/writing.py": "the value of passwordProfile",
    "bot/http_session.py": "a header line, on its way out",
    "bot/keys.py": "the recovery key, on its way into its file",
    "bot/links.py": "a link's token, hashed",
    "bot/passwords.py": "an earlier password, held against the policies of today",
    "bot/settings.py": "how a token starts, to tell one that was put in the other's place",
    "bot/smtp.py": "the mail server's password, signed in with",
    "bot/socket_mode.py": "the app-level token, handed to Slack's client",
    "bot/step_up.py": "codes compared, hashed, or shown to whom they are for",
    "bot/vaults/itglue/share.py": "the API key, hashed",
    "bot/vaults/itglue/wire.py": "the value of `password`",
    "bot/web/pages.py": "what a page shows, once",
    "storage/escrow.py": "sealing to the recovery key",
    "storage/sealing.py": "sealing",
}
"""Where a secret may be unwrapped, and for what. The pretend world, which plays the outside, is not counted."""

READ_THE_ENVIRONMENT = {"bot/settings.py", "bot/world_file/references.py"}

_IRREGULAR = {"made", "begun", "seen", "put", "withdrawn", "chosen", "set", "given", "taken", "kept"}
_NAMED_BY_NOBODY = re.compile(r"(^|_)(utils?|helpers?|misc|common|stuff|managers?)(_|$)")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _found(what: Callable[[ast.AST], str | None], *, but_not: Callable[[str], bool] = lambda _: False) -> list[str]:
    """Every place in the sources at which `what` has something to say."""
    return [
        f"{_name(path)}:{getattr(node, 'lineno', 1)} {said}"
        for path in SOURCES
        if not but_not(_name(path))
        for node in ast.walk(_tree(path))
        if (said := what(node))
    ]


def _in_demo(name: str) -> bool:
    return name.startswith("bot/demo/")


def _called(node: ast.AST) -> str | None:
    """The name of the method that is called here, if one is."""
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None


def test_everything_stands_on_a_floor() -> None:
    """The contract about floors judges only what it names."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (floors,) = (contract["layers"] for contract in contracts if contract["id"] == "floors")
    named = set(re.findall(r"[\w.]+", " ".join(floors)))
    files = {path for path in (ROOT / "bot").glob("*.py") if path.name != "__init__.py"}
    packages = {path.parent for path in (ROOT / "bot").glob("*/__init__.py")}
    assert {f"bot.{path.stem}" for path in files | packages} - named == set()


def test_sql_is_written_in_storage_only() -> None:
    def statement(node: ast.AST) -> str | None:
        if _called(node) in {"exec", "execute", "exec_driver_sql", "scalars"}:
            return f"calls .{_called(node)}()"
        if isinstance(node, ast.ImportFrom) and node.module == "sqlmodel":
            beyond = {alias.name for alias in node.names} - {"Session"}
            return f"imports {', '.join(sorted(beyond))} from sqlmodel" if beyond else None
        return None

    assert _found(statement, but_not=lambda name: name.startswith("storage/")) == []


def test_a_secret_is_unwrapped_where_it_is_used_and_nowhere_else() -> None:
    def unwrapping(node: ast.AST) -> str | None:
        return "unwraps a secret" if _called(node) == "get_secret_value" else None

    places = _found(unwrapping, but_not=_in_demo)
    assert [place for place in places if place.partition(":")[0] not in UNWRAPS] == []
    assert set(UNWRAPS) == {place.partition(":")[0] for place in places}, "the list names a place that unwraps nothing"


def test_the_environment_is_read_by_the_settings_only() -> None:
    def reading(node: ast.AST) -> str | None:
        read = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        return "reads the environment" if read else None

    assert _found(reading, but_not=lambda name: _in_demo(name) or name in READ_THE_ENVIRONMENT) == []


def test_only_the_command_line_prints() -> None:
    def printing(node: ast.AST) -> str | None:
        prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        return "prints" if prints else None

    assert _found(printing, but_not=lambda name: _in_demo(name) or name.startswith("bot/cli/")) == []


def test_everything_public_says_what_it_promises() -> None:
    missing = [place for path in SOURCES if "migrations" not in path.parts for place in _undocumented(path)]
    assert missing == []


def _undocumented(path: Path) -> Iterator[str]:
    if ast.get_docstring(_tree(path)) is None:
        yield f"{_name(path)}:1 the module"
    owners: list[ast.Module | ast.ClassDef] = [_tree(path)]
    owners += [node for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    for owner in owners:
        hidden = isinstance(owner, ast.ClassDef) and owner.name.startswith("_")
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or hidden:
                continue
            said_by_another = any("overload" in ast.unparse(each) or ".setter" in ast.unparse(each)
                                  for each in node.decorator_list)  # fmt: skip
            if not node.name.startswith("_") and not said_by_another and ast.get_docstring(node) is None:
                yield f"{_name(path)}:{node.lineno} {node.name}"


def test_no_file_or_class_is_named_for_nothing_in_particular() -> None:
    files = [_name(path) for path in SOURCES if _NAMED_BY_NOBODY.search(path.stem)]
    folders = [_name(path) for path in SOURCES if any(_NAMED_BY_NOBODY.search(part) for part in path.parent.parts)]
    assert files == folders == []

    def vague(node: ast.AST) -> str | None:
        named = isinstance(node, ast.ClassDef) and re.search(r"(Manager|Helper|Utils?)$", node.name)
        return f"is called {node.name}" if isinstance(node, ast.ClassDef) and named else None

    assert _found(vague) == []


def test_a_file_is_one_story_and_not_a_long_one() -> None:
    long = {_name(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES}
    assert long == set()


def test_audit_events_are_a_noun_and_what_was_done_to_it() -> None:
    events = set(_events())
    assert {"record.revealed", "rotation.staged", "approval.refused"} <= events
    form = re.compile(r"([a-z]+(?:_[a-z]+)*)\.([a-z]+(?:_[a-z]+)*)")
    for event in events:
        named = form.fullmatch(event)
        assert named, f"{event} is not of the form noun.past_participle"
        words = named[2].split("_")
        done = any(word.endswith("ed") or word in _IRREGULAR for word in words)
        assert done or named[2] in set(RotationState), f"{event} does not say what was done"


def _events() -> Iterator[str]:
    """Every audit event the sources write out in full: `event=` of whatever takes one, or the table it is from."""
    for path in SOURCES:
        tables = {
            target.id: node.value
            for node in _tree(path).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.keyword) and node.arg == "event":
                named = [
                    tables[each.id] for each in ast.walk(node.value) if isinstance(each, ast.Name) and each.id in tables
                ]
                yield from (
                    each.value
                    for value in (node.value, *named)
                    for each in ast.walk(value)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str) and "." in each.value
                )


def test_what_is_found_may_be_missing_and_what_is_got_is_there() -> None:
    """`find_x` returns a value or None (or as many as there are), `get_x` a value or raises."""

    def answers(node: ast.AST) -> str | None:
        if not isinstance(node, ast.FunctionDef) or node.returns is None:
            return None
        may_be_none = "None" in ast.unparse(node.returns)
        many = ast.unparse(node.returns).startswith(("dict", "list"))
        if node.name.startswith("find_") and not (may_be_none or many):
            return f"{node.name} never returns None"
        return f"{node.name} may return None" if node.name.startswith("get_") and may_be_none else None

    assert _found(answers, but_not=lambda name: not name.startswith("storage/")) == []


@pytest.mark.parametrize("name", [name for name in vars(permissions) if name.startswith("may_")])
def test_every_question_of_permission_is_answered_with_a_decision(name: str) -> None:
    assert get_type_hints(getattr(permissions, name))["return"] is Decision


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert [_name(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
