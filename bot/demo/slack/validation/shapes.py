"""Small checks that compose into the shape of a Block Kit payload.

A check takes a value and the JSON pointer where it stands and yields every offence it finds; the wording of the
messages is the one Slack puts into `response_metadata.messages`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Offence:
    """One broken rule: where (`pointer`, a JSON pointer such as `/blocks/0/text/text`), which kind, and in words."""

    pointer: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} [json-pointer:{self.pointer}]"


Check = Callable[[object, str], Iterator[Offence]]
Rule = Callable[[Mapping[str, object], str], Iterator[Offence]]


def failed(pointer: str, message: str) -> Offence:
    """An offence of the commonest kind: the value is of the right type but breaks a limit."""
    return Offence(pointer, "failed_constraint", message)


def string(most: int | None = None, least: int = 1) -> Check:
    """A string of `least` to `most` characters."""

    def check(value: object, at: str) -> Iterator[Offence]:
        if not isinstance(value, str):
            yield Offence(at, "invalid_type", "must provide a string")
        elif len(value) < least:
            yield failed(at, f"must be more than {least - 1} characters")
        elif most is not None and len(value) > most:
            yield failed(at, f"must be less than {most + 1} characters")

    return check


def matching(pattern: Callable[[str], bool], wanted: str) -> Check:
    """A string for which `pattern` holds; `wanted` completes the sentence "must be …"."""

    def check(value: object, at: str) -> Iterator[Offence]:
        if not isinstance(value, str):
            yield Offence(at, "invalid_type", "must provide a string")
        elif not pattern(value):
            yield failed(at, f"must be {wanted}")

    return check


def url(most: int = 3000) -> Check:
    """An absolute http(s) address of at most `most` characters."""

    def absolute(text: str) -> bool:
        try:
            parts = urlsplit(text)
        except ValueError:
            return False
        return parts.scheme in ("http", "https", "mailto", "slack") and bool(parts.netloc or parts.path)

    return both(string(most), matching(absolute, "a valid URL"))


def enum(*allowed: str) -> Check:
    """One of a fixed set of words."""

    def check(value: object, at: str) -> Iterator[Offence]:
        if value not in allowed:
            yield failed(at, f"must be a valid enum value (one of {', '.join(allowed)})")

    return check


def boolean(value: object, at: str) -> Iterator[Offence]:
    """True or false, and nothing that merely looks like it."""
    if not isinstance(value, bool):
        yield Offence(at, "invalid_type", "must provide a boolean")


def integer(least: int | None = None, most: int | None = None) -> Check:
    """A whole number between two bounds, both allowed."""

    def check(value: object, at: str) -> Iterator[Offence]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield Offence(at, "invalid_type", "must provide an integer")
        elif least is not None and value < least:
            yield failed(at, f"must be greater than or equal to {least}")
        elif most is not None and value > most:
            yield failed(at, f"must be less than or equal to {most}")

    return check


def array(item: Check, least: int = 0, most: int | None = None) -> Check:
    """A list of `least` to `most` items, each passing `item`."""

    def check(value: object, at: str) -> Iterator[Offence]:
        if not isinstance(value, list):
            yield Offence(at, "invalid_type", "must provide an array")
            return
        if len(value) < least:
            yield failed(at, f"no fewer than {least} items required")
        if most is not None and len(value) > most:
            yield failed(at, f"no more than {most} items allowed")
        for index, entry in enumerate(value):
            yield from item(entry, f"{at}/{index}")

    return check


def record(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    rules: Sequence[Rule] = (),
) -> Check:
    """An object with exactly these fields; `rules` look at several fields together, after each passed on its own."""
    required, optional = required or {}, optional or {}
    known = {**required, **optional}

    def check(value: object, at: str) -> Iterator[Offence]:
        if not isinstance(value, dict):
            yield Offence(at, "invalid_type", "must provide an object")
            return
        clean = True
        for name in required:
            if name not in value:
                clean = False
                yield Offence(at, "missing_field", f"missing required field: {name}")
        for name, entry in value.items():
            field_check = known.get(name)
            if field_check is None:
                clean = False
                yield Offence(at, "unknown_field", f"invalid additional property: {name}")
                continue
            for offence in field_check(entry, f"{at}/{name}"):
                clean = False
                yield offence
        if clean:
            for rule in rules:
                yield from rule(value, at)

    return check


def by_type(shapes: Mapping[str, Check]) -> Check:
    """An object whose `type` picks its shape; a type not in `shapes` is not allowed here."""

    def check(value: object, at: str) -> Iterator[Offence]:
        if not isinstance(value, dict):
            yield Offence(at, "invalid_type", "must provide an object")
        elif "type" not in value:
            yield Offence(at, "missing_field", "missing required field: type")
        elif not isinstance(value["type"], str) or value["type"] not in shapes:
            yield Offence(f"{at}/type", "unsupported_type", f"unsupported type: {value['type']}")
        else:
            yield from shapes[value["type"]](value, at)

    return check


def both(*checks: Check) -> Check:
    """The first check that finds something speaks; the later ones may then assume what it ensured."""

    def check(value: object, at: str) -> Iterator[Offence]:
        for one in checks:
            found = list(one(value, at))
            yield from found
            if found:
                return

    return check


def exactly_one(*names: str) -> Rule:
    """Exactly one of these fields is present."""

    def rule(value: Mapping[str, object], at: str) -> Iterator[Offence]:
        present = [name for name in names if name in value]
        if not present:
            yield Offence(at, "missing_field", f"missing required field: {' or '.join(names)}")
        elif len(present) > 1:
            yield failed(at, f"only one of {', '.join(names)} may be provided")

    return rule


def at_least_one(*names: str) -> Rule:
    """At least one of these fields is present."""

    def rule(value: Mapping[str, object], at: str) -> Iterator[Offence]:
        if not any(name in value for name in names):
            yield Offence(at, "missing_field", f"missing required field: {' or '.join(names)}")

    return rule
