"""From the file to a `World`: every value checked, every reference followed, every server's place judged.

Whatever does not fit is one `BadInput` that names file, line and field. The database is not looked at.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.errors import BadInput, Refused, Unreachable
from bot.networks import addresses_of
from bot.rules import checked
from bot.settings import Settings
from bot.world_file.document import Document, Place, read
from bot.world_file.entries import (
    DIRECTORY_KINDS,
    ActiveDirectoryEntry,
    DirectoryEntry,
    Entry,
    OrganizationEntry,
    WorldEntry,
    did_you_mean,
)
from bot.world_file.kinds import DirectoryWanted, directory_wanted
from bot.world_file.references import secret_of
from bot.world_file.vaults import ITGlueEntry, VaultWanted, entry_kind, vault_wanted
from storage.connections import name_key

AnyEntry = TypeVar("AnyEntry", bound=Entry)


@dataclass(frozen=True, slots=True)
class OrganizationWanted:
    """An organization as the file wants it; None in its entry means: leave as it is."""

    place: Place
    entry: OrganizationEntry
    directories: tuple[DirectoryWanted, ...]
    vault: VaultWanted
    rule: Mapping[str, object] | None = None
    """Its own rule, where the entry has one."""


@dataclass(frozen=True, slots=True)
class World:
    """A whole file that holds together. `notes` are sentences about what could not be judged yet."""

    document: Document
    administrators: tuple[str, ...] | None
    rotation: bool | None
    rule: Mapping[str, object] | None
    organizations: tuple[OrganizationWanted, ...]
    notes: tuple[str, ...]


def read_world(path: Path, settings: Settings, extra_kinds: Collection[str] = ()) -> World:
    """Read and judge a world file. `extra_kinds` are directory kinds that need a name and nothing else."""
    document = read(path)
    entry = _fitted(document, (), WorldEntry, {} if document.value is None else document.value)
    rule = None if entry.rule is None else _rule(document, ("rule",), entry.rule)
    organizations = tuple(
        _organization(document, ("organizations", number), organization, settings, extra_kinds)
        for number, organization in enumerate(entry.organizations)
    )
    _refuse_twins(document, [((*wanted.place, "name"), wanted.entry.name) for wanted in organizations])
    channels = [((*wanted.place, "channel"), wanted.entry.channel or "") for wanted in organizations]
    _refuse_twins(document, [(place, channel) for place, channel in channels if channel])
    administrators = None if entry.administrators is None else tuple(dict.fromkeys(entry.administrators))
    notes = _judge_servers(document, organizations, settings)
    return World(document, administrators, entry.rotation, rule, organizations, notes)


def _organization(
    document: Document, place: Place, entry: OrganizationEntry, settings: Settings, extra_kinds: Collection[str]
) -> OrganizationWanted:
    directories = tuple(
        _directory(document, (*place, "directories", number), value, settings, extra_kinds)
        for number, value in enumerate(entry.directories)
    )
    vault = _vault(document, (*place, "vault"), entry.vault, settings)
    names = [((*wanted.place, "name"), wanted.name) for wanted in directories]
    _refuse_twins(document, [((*vault.place, "name"), vault.name), *names])
    both = set(entry.technicians or ()) & set(entry.viewers or ())
    if both:
        raise document.wrong((*place, "viewers"), f"{min(both)} is a technician here too: one person has one role")
    marked: dict[str, str] = {}
    for tier, usernames in (entry.tiers or {}).items():
        for number, username in enumerate(usernames):
            earlier = marked.setdefault(username.casefold(), tier)
            if earlier != tier:
                raise document.wrong((*place, "tiers", tier, number), f"{username} is marked {earlier} already")
    rule = None if entry.rule is None else _rule(document, (*place, "rule"), entry.rule)
    return OrganizationWanted(place, entry, directories, vault, rule)


def _vault(document: Document, place: Place, value: Mapping[str, Any], settings: Settings) -> VaultWanted:
    entry = _fitted(document, place, entry_kind(document, place, value), value)
    key = entry.api_key if isinstance(entry, ITGlueEntry) else None
    secret = None if key is None else secret_of(document, (*place, "api_key"), key, settings)
    return vault_wanted(document, place, entry, secret, settings.extra_hosts)


def _directory(
    document: Document, place: Place, value: Mapping[str, Any], settings: Settings, extra_kinds: Collection[str]
) -> DirectoryWanted:
    kind = value.get("kind")
    kinds: dict[str, type[DirectoryEntry]] = {**DIRECTORY_KINDS, **dict.fromkeys(extra_kinds, DirectoryEntry)}
    if "kind" in value and (not isinstance(kind, str) or kind not in kinds):
        raise document.wrong((*place, "kind"), f"{kind} is no kind of directory{did_you_mean(str(kind), kinds)}")
    entry = _fitted(document, place, kinds.get(str(kind), DirectoryEntry), value)
    if isinstance(entry, ActiveDirectoryEntry):
        proving = [f"{server.tls_name or server.host}:{server.port}" for server in entry.servers]
        _refuse_twins(document, [((*place, "servers", number, "host"), name) for number, name in enumerate(proving)])
    return directory_wanted(document, place, entry, settings)


# ---- what does not fit -----------------------------------------------------------------------------------------------


def _fitted(document: Document, place: Place, kind: type[AnyEntry], value: Any) -> AnyEntry:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problems = [_problem(document, place, details) for details in error.errors(include_url=False)]
        _, where, what = min(problems, key=lambda problem: problem[0])
        raise document.wrong(where, what) from None


def _problem(document: Document, start: Place, details: ErrorDetails) -> tuple[int, Place, str]:
    place = (*start, *(part for part in details["loc"] if part != "[key]"))
    context, value = details.get("ctx", {}), details["input"]
    what = details["msg"][0].lower() + details["msg"][1:]
    match details["type"]:
        case "unknown_key":
            place, what = (*place, context["key"]), context["message"]
        case "world":
            what = context["message"]
        case "missing":
            what = "this is missing"
        case "string_type" if isinstance(value, bool | int | float):
            what = "this should be text, and YAML reads something else: put it in quotes"
        case "string_type":
            what = "this should be text"
        case "model_type" | "dict_type" | "model_attributes_type":
            what = "this should be a mapping (key: value)"
        case "list_type":
            what = "this should be a list"
    while place and place not in document.lines and details["type"] not in {"missing"}:
        place = place[:-1]
    known = place if place in document.lines else place[:-1]
    return document.lines.get(known, 1), place, what


def _rule(document: Document, place: Place, values: Mapping[str, object]) -> Mapping[str, object]:
    try:
        return checked(values)
    except BadInput as error:
        field, _, what = str(error).partition(": ")
        raise document.wrong((*place, field.partition(".")[2]), what.removesuffix(".")) from None


def _refuse_twins(document: Document, named: Collection[tuple[Place, str]]) -> None:
    seen: dict[str, Place] = {}
    for place, name in named:
        earlier = seen.setdefault(name_key(name), place)
        if earlier != place:
            raise document.wrong(place, f"{name} stands on line {document.lines[earlier]} already")


def _judge_servers(
    document: Document, organizations: tuple[OrganizationWanted, ...], settings: Settings
) -> tuple[str, ...]:
    """Look every server's name up, many at once; a name without an address is a note: it is judged when connecting."""
    servers = [
        ((*directory.place, "servers", number, "host"), server)
        for organization in organizations
        for directory in organization.directories
        for number, server in enumerate(directory.settings.get("servers", []))
    ]

    def judge(server: Mapping[str, Any]) -> Refused | Unreachable | None:
        try:
            addresses_of(server["host"], server["port"], settings.directory_networks)
        except (Refused, Unreachable) as error:
            return error
        return None

    with ThreadPoolExecutor(max_workers=16) as pool:
        verdicts = list(pool.map(judge, (server for _, server in servers)))
    for (place, _), verdict in zip(servers, verdicts, strict=True):
        if isinstance(verdict, Refused):
            raise document.wrong(place, f"{verdict} {verdict.mend}".removesuffix("."))
    return tuple(f"{verdict} {verdict.mend}" for verdict in verdicts if verdict is not None)
