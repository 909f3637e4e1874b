"""Whether requests agree with what Microsoft publishes of Graph: paths, keys, properties and bodies.

The description is an excerpt of the CSDL (tests/data/graph, which names its source). It says what exists, not what is
allowed, so that is all this finds out: the stand-in is strict about the rest.

    PublishedGraph().check(graph.requests)    # every request a connector made; AssertionError names the first wrong one
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bot.demo.graph.recording import Recorded

EXCERPT = Path(__file__).parent / "data" / "graph" / "v1.0-excerpt.csdl"

_EDM = {"d": "http://docs.oasis-open.org/odata/ns/edm"}
_SEGMENT = re.compile(r"(?P<name>[A-Za-z]+)(?:\((?P<alias>\w+)='(?P<key>[^']+)'\))?")
_JSON_TYPES = {"Edm.Boolean": "boolean", "Edm.Int32": "number", "Edm.Int64": "number", "Edm.Double": "number"}
_BATCH = "/v1.0/$batch"
_BATCH_ITEM = {"id": "string", "method": "string", "url": "string"}


@dataclass
class _Type:
    """A type with what it inherits."""

    name: str
    properties: dict[str, str] = field(default_factory=dict)
    navigation: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)


@dataclass
class _Place:
    """Where a path has led: a type, one of them or many."""

    type: str
    many: bool
    bound: str | None = None
    """The operation it ends in, where it does."""


class PublishedGraph:
    """Microsoft Graph v1.0, as far as the excerpt goes."""

    def __init__(self, file: Path = EXCERPT) -> None:
        schema = ElementTree.parse(file).getroot().find("*/d:Schema", _EDM)  # noqa: S314 - our own file
        assert schema is not None
        self._schema = schema
        self._types: dict[str, _Type] = {}

    def check(self, requests: Iterable[Recorded]) -> None:
        """AssertionError unless every request to Graph among these is one that the description knows."""
        for request in requests:
            if request.path.startswith("/v1.0/"):
                self._check(request)

    def _check(self, request: Recorded) -> None:
        where = f"{request.method} {request.path}"
        if request.path == _BATCH:
            _check_batch(where, request)
            return
        place = self._place(where, request.path.removeprefix("/v1.0/").split("/"))
        self._check_options(where, place, request)
        self._check_body(where, place, request)

    # ---- where a path leads --------------------------------------------------------------------------------------

    def _place(self, where: str, segments: list[str]) -> _Place:
        first = _SEGMENT.fullmatch(segments[0])
        assert first, f"{where}: {segments[0]} is no path"
        assert first["name"] in self._roots, f"{where}: there is no {segments[0]}"
        place = self._keyed(where, self._roots[first["name"]], first)
        for segment in segments[1:]:
            assert place.bound is None, f"{where}: nothing comes after {place.bound}"
            place = self._next(where, place, segment)
        return place

    def _next(self, where: str, place: _Place, segment: str) -> _Place:
        bound = self._bound.get((segment, place.type, place.many))
        if bound:
            return _Place(place.type, place.many, segment)
        if place.many:
            return _Place(place.type, many=False)  # a key
        found, known = _SEGMENT.fullmatch(segment), self._type(place.type)
        assert found, f"{where}: {segment} is no path"
        assert found["name"] in known.navigation, f"{where}: {place.type} has no {segment}"
        return self._keyed(where, _read_type(known.navigation[found["name"]]), found)

    def _keyed(self, where: str, place: _Place, segment: re.Match[str]) -> _Place:
        if segment["alias"] is None:
            return place
        aliases = self._type(place.type).aliases
        assert place.many, f"{where}: there is only one {place.type}"
        assert segment["alias"] in aliases, f"{where}: {place.type} has no key {segment['alias']}"
        return _Place(place.type, many=False)

    # ---- what is asked there -------------------------------------------------------------------------------------

    def _check_options(self, where: str, place: _Place, request: Recorded) -> None:
        known = self._type(place.type)
        for name in _names(request.query.get("$select")):
            assert name in known.properties, f"{where}: {place.type} has no property {name}"
        for name in _names(request.query.get("$expand")):
            assert name in known.navigation, f"{where}: {place.type} leads to no {name}"
        for path in re.findall(r"([A-Za-z/]+) (?:eq|ne|in) ", request.query.get("$filter", "")):
            assert path.partition("/")[0] in known.properties, f"{where}: {place.type} has no property {path}"

    def _check_body(self, where: str, place: _Place, request: Recorded) -> None:
        if request.method == "GET":
            assert request.body is None, f"{where}: a GET has no body"
            assert place.bound in (None, "delta"), f"{where}: {place.bound} changes something"
            return
        if place.bound is not None:
            assert request.method == "POST", f"{where}: an action is POSTed"
            assert request.body is None, f"{where}: {place.bound} takes nothing"
            return
        assert request.method == "PATCH", f"{where}: Rekey creates and deletes nothing"
        assert not place.many, f"{where}: a collection is not patched"
        assert "content-type" in request.headers, f"{where}: a body needs a Content-Type"
        assert isinstance(request.body, dict), f"{where}: a PATCH has an object"
        self._check_object(where, place.type, request.body)

    def _check_object(self, where: str, type_name: str, body: dict[str, Any]) -> None:
        known = self._type(type_name)
        for name, shape in body.items():
            assert name in known.properties, f"{where}: {type_name} has no property {name}"
            expected = known.properties[name]
            if isinstance(shape, dict):
                self._check_object(where, expected.removeprefix("graph."), shape)
            elif shape is not None:
                assert shape == _JSON_TYPES.get(expected, "string"), f"{where}: {name} is {expected}, not a {shape}"

    # ---- what is published ---------------------------------------------------------------------------------------

    @cached_property
    def _roots(self) -> dict[str, _Place]:
        sets = self._schema.findall("d:EntityContainer/d:EntitySet", _EDM)
        singletons = self._schema.findall("d:EntityContainer/d:Singleton", _EDM)
        return {one.attrib["Name"]: _Place(_short(one.attrib["EntityType"]), many=True) for one in sets} | {
            one.attrib["Name"]: _Place(_short(one.attrib["Type"]), many=False) for one in singletons
        }

    @cached_property
    def _bound(self) -> dict[tuple[str, str, bool], bool]:
        """Actions and functions, by name and by what they are bound to."""
        found = self._schema.findall("d:Action", _EDM) + self._schema.findall("d:Function", _EDM)
        places = [(one.attrib["Name"], _read_type(one.findall("d:Parameter", _EDM)[0].attrib["Type"])) for one in found]
        return {(name, place.type, place.many): True for name, place in places}

    def _type(self, name: str) -> _Type:
        if name not in self._types:
            found = self._schema.find(f"d:EntityType[@Name='{name}']", _EDM)
            if found is None:
                found = self._schema.find(f"d:ComplexType[@Name='{name}']", _EDM)
            assert found is not None, f"the excerpt has no type {name}"
            base = self._type(_short(found.attrib["BaseType"])) if "BaseType" in found.attrib else _Type("")
            own = {one.attrib["Name"]: one.attrib["Type"] for one in found.findall("d:Property", _EDM)}
            navigation = {one.attrib["Name"]: one.attrib["Type"] for one in found.findall("d:NavigationProperty", _EDM)}
            alias = ".//d:PropertyValue[@Property='Alias']"
            aliases = {one.attrib["String"] for one in found.findall(alias, _EDM)}
            self._types[name] = _Type(name, base.properties | own, base.navigation | navigation, base.aliases | aliases)
        return self._types[name]


def _check_batch(where: str, request: Recorded) -> None:
    """A batch is OData's, not Graph's own: its shape is the protocol's. Its items are recorded one by one."""
    assert request.method == "POST", f"{where}: a batch is POSTed"
    assert isinstance(request.body, dict), f"{where}: a batch is an object"
    assert set(request.body) == {"requests"}, f"{where}: a batch has requests only"
    for item in request.body["requests"]:
        beyond = item.keys() - {*_BATCH_ITEM, "headers", "body", "dependsOn"}
        assert not beyond, f"{where}: a batch item has no {beyond}"
        assert {name: item.get(name) for name in _BATCH_ITEM} == _BATCH_ITEM, f"{where}: {item} lacks something"
        assert "body" not in item or "Content-Type" in item["headers"], f"{where}: a body needs a Content-Type"


def _read_type(said: str) -> _Place:
    many = said.startswith("Collection(")
    return _Place(_short(said.removeprefix("Collection(").removesuffix(")")), many)


def _short(name: str) -> str:
    return name.removeprefix("microsoft.").removeprefix("graph.")


def _names(said: str | None) -> list[str]:
    return [name.strip() for name in said.split(",")] if said else []
