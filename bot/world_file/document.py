"""YAML in, plain values out, with the line of every value; without the parts of YAML that surprise people.

Refused: aliases and anchors (a few lines can unfold into gigabytes), tags (they name Python types), the same key twice
(YAML keeps the last one silently), several documents, deep nesting, and files too large to have been written by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.constructor import SafeConstructor

from bot.errors import BadInput

Place = tuple[str | int, ...]

LARGEST = 4_000_000
_DEEPEST = 12
_NOTHING_CHANGED = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its plain value, and where each part of it stands."""

    path: Path
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)

    def wrong(self, place: Place, what: str) -> BadInput:
        """The error that names file, line and field; `what` is a sentence without its full stop."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        where = f"line {self.lines.get(known, 1)}"
        return BadInput(f"{self.path}, {where}, {written(place)}: {what}. {_NOTHING_CHANGED}")


def written(place: Place) -> str:
    """`organizations[0].directories[1].name`; list items count from 0."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the whole file"


def read(path: Path) -> Document:
    """The file's content; `BadInput` naming file, line and field."""
    text = _text(path)
    try:
        _refuse_clever_parts(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = Document(path)
        value = _value(document, root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise BadInput(
            f"{path}, line {mark.line + 1 if mark else 1}, column {mark.column + 1 if mark else 1}: "
            f"this is not valid YAML: {what}. {_NOTHING_CHANGED}"
        ) from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: this is not valid YAML: {str(error).splitlines()[0]}. {_NOTHING_CHANGED}") from None
    return Document(path, value, document.lines)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}. {_NOTHING_CHANGED}") from None
    if len(raw) > LARGEST:
        raise BadInput(f"{path} is larger than {LARGEST // 1_000_000} MB: that is no world file. {_NOTHING_CHANGED}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}, line {line}: this is not UTF-8 text; save it as UTF-8. {_NOTHING_CHANGED}") from None


def _refuse_clever_parts(path: Path, text: str) -> None:
    """Works on the parser's events, before anything is unfolded or nested."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        what = None
        if isinstance(event, yaml.AliasEvent):
            what = f"the alias *{event.anchor} is not allowed here: write the value out"
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            if event.anchor is not None:
                what = f"the anchor &{event.anchor} is not allowed here: leave it out"
            elif event.tag is not None:
                what = f"the tag {event.tag} is not allowed here: leave it out"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                what = f"lists and mappings are nested more than {_DEEPEST} deep here"
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if what:
            mark = cast(yaml.Mark, event.start_mark)
            raise BadInput(f"{path}, line {mark.line + 1}, column {mark.column + 1}: {what}. {_NOTHING_CHANGED}")


def _value(document: Document, node: yaml.Node, place: Place) -> Any:
    document.lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return dict(_pairs(document, node, place))
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, item, (*place, number)) for number, item in enumerate(node.value)]
    try:
        return SafeConstructor().construct_object(node)
    except ValueError:
        raise document.wrong(place, f"{node.value} cannot be read: put it in quotes") from None


def _pairs(document: Document, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
            document.lines[place] = line
            raise document.wrong(place, "a key that is not a plain word stands here: put it in quotes if it is meant")
        key = key_node.value
        if key in seen:
            document.lines[*place, key] = line
            raise document.wrong((*place, key), f"this key stands here twice; the first one is on line {seen[key]}")
        seen[key] = line
        value = _value(document, value_node, (*place, key))
        document.lines[*place, key] = line
        yield key, value
