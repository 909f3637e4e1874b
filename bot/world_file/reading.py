"""From the file to a `World`: every value checked, every reference followed, every server's place judged.

Whatever does not fit is one `BadInput` that names file, line and field. The database is not looked at.
"""

import os
import re
import ssl
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from bot.connections import addresses_of
from bot.errors import BadInput, Refused, Unreachable
from bot.rules import checked
from bot.settings import SECRET_PREFIX, Settings
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
from bot.world_file.vaults import ITGlueEntry, VaultWanted, entry_kind, vault_wanted
from storage.connections import name_key

_LARGEST_CA = 1_000_000
_LARGEST_SECRET = 4_096

AnyEntry = TypeVar("AnyEntry", bound=Entry)


@dataclass(frozen=True, slots=True)
class DirectoryWanted:
    """A directory as the file wants it. `settings` is what its connection row holds; never a secret."""

    place: Place
    name: str
    kind: str
    settings: dict[str, Any]
    reference: str | None
    secret: SecretStr | None
    own_record: str | None = None
    """The record of the account Rekey signs in with there."""


@dataclass(frozen=True, slots=True)
class OrganizationWanted:
    """An organization as the file wants it; None in its entry means: leave as it is."""

    place: Place
    entry: OrganizationEntry
    directories: tuple[DirectoryWanted, ...]
    vault: VaultWanted


@dataclass(frozen=True, slots=True)
class World:
    """A whole file that holds together. `notes` are sentences about what could not be judged yet."""

    document: Document
    administrators: tuple[str, ...] | None
    rule: Mapping[str, object] | None
    organizations: tuple[OrganizationWanted, ...]
    notes: tuple[str, ...]


def read_world(path: Path, settings: Settings, extra_kinds: Collection[str] = ()) -> World:
    """Read and judge a world file. `extra_kinds` are directory kinds that need a name and nothing else."""
    document = read(path)
    entry = _fitted(document, (), WorldEntry, {} if document.value is None else document.value)
    rule = None if entry.rule is None else _rule(document, entry.rule)
    organizations = tuple(
        _organization(document, ("organizations", number), organization, settings, extra_kinds)
        for number, organization in enumerate(entry.organizations)
    )
    _refuse_twins(document, [((*wanted.place, "name"), wanted.entry.name) for wanted in organizations])
    channels = [((*wanted.place, "channel"), wanted.entry.channel or "") for wanted in organizations]
    _refuse_twins(document, [(place, channel) for place, channel in channels if channel])
    administrators = None if entry.administrators is None else tuple(dict.fromkeys(entry.administrators))
    return World(document, administrators, rule, organizations, _judge_servers(document, organizations, settings))


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
    return OrganizationWanted(place, entry, directories, vault)


def _vault(document: Document, place: Place, value: Mapping[str, Any], settings: Settings) -> VaultWanted:
    entry = _fitted(document, place, entry_kind(document, place, value), value)
    key = entry.api_key if isinstance(entry, ITGlueEntry) else None
    secret = None if key is None else _secret(document, (*place, "api_key"), key, settings)
    return vault_wanted(document, place, entry, secret, settings.extra_hosts)


def _directory(
    document: Document, place: Place, value: Mapping[str, Any], settings: Settings, extra_kinds: Collection[str]
) -> DirectoryWanted:
    kind = value.get("kind")
    kinds: dict[str, type[DirectoryEntry]] = {**DIRECTORY_KINDS, **dict.fromkeys(extra_kinds, DirectoryEntry)}
    if "kind" in value and (not isinstance(kind, str) or kind not in kinds):
        raise document.wrong((*place, "kind"), f"{kind} is no kind of directory{did_you_mean(str(kind), kinds)}")
    entry = _fitted(document, place, kinds.get(str(kind), DirectoryEntry), value)
    if not isinstance(entry, ActiveDirectoryEntry):
        return DirectoryWanted(place, entry.name, entry.kind, {}, None, None, entry.own_record)
    proving = [f"{server.tls_name or server.host}:{server.port}" for server in entry.servers]
    _refuse_twins(document, [((*place, "servers", number, "host"), name) for number, name in enumerate(proving)])
    secret = None
    if entry.bind_password is not None:
        secret = _secret(document, (*place, "bind_password"), entry.bind_password, settings)
    stored = {
        "servers": [server.model_dump(exclude_none=True) for server in entry.servers],
        "ca": _ca(document, place, entry),
        "bind_dn": entry.bind_dn,
    }
    return DirectoryWanted(place, entry.name, entry.kind, stored, entry.bind_password, secret, entry.own_record)


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


def _rule(document: Document, values: Mapping[str, object]) -> Mapping[str, object]:
    try:
        return checked(values)
    except BadInput as error:
        field, _, what = str(error).partition(": ")
        raise document.wrong(tuple(field.split(".")), what.removesuffix(".")) from None


def _refuse_twins(document: Document, named: Collection[tuple[Place, str]]) -> None:
    seen: dict[str, Place] = {}
    for place, name in named:
        earlier = seen.setdefault(name_key(name), place)
        if earlier != place:
            raise document.wrong(place, f"{name} stands on line {document.lines[earlier]} already")


# ---- what the file points at -----------------------------------------------------------------------------------------


def _secret(document: Document, place: Place, reference: str, settings: Settings) -> SecretStr:
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if not rest.startswith(SECRET_PREFIX):
            named = rest if re.fullmatch("[A-Z_][A-Z0-9_]*", rest) else "this"  # which may be the password itself
            raise document.wrong(place, f"env: may only name variables that start with {SECRET_PREFIX}, not {named}")
        text = os.environ.get(rest)
        if not text:
            raise document.wrong(place, f"the environment variable {rest} is {'empty' if text == '' else 'not set'}")
        return SecretStr(text)
    if settings.secrets_dir is None:
        raise document.wrong(place, "file: works once REKEY_SECRETS_DIR names the folder such files are in")
    folder = settings.secrets_dir.resolve()
    path = (folder / rest).resolve()
    if not path.is_relative_to(folder):
        raise document.wrong(place, f"the file {rest} is not inside REKEY_SECRETS_DIR ({settings.secrets_dir})")
    raw = _content(document, place, path, _LARGEST_SECRET)
    text = raw.removesuffix("\n").removesuffix("\r")
    if not text:
        raise document.wrong(place, f"{path} is empty")
    return SecretStr(text)


def _ca(document: Document, place: Place, entry: ActiveDirectoryEntry) -> str | None:
    if entry.ca is not None and entry.ca_file is not None:
        raise document.wrong((*place, "ca_file"), "ca stands here too: keep one of them")
    if entry.ca is None and entry.ca_file is None:
        return None
    if entry.ca is not None:
        where, text, name = (*place, "ca"), entry.ca, "this"
    else:
        path = Path(os.path.normpath(document.path.absolute().parent / str(entry.ca_file)))
        where, name = (*place, "ca_file"), str(path)
        text = _content(document, where, path, _LARGEST_CA)
    if "PRIVATE KEY" in text:
        raise document.wrong(where, f"{name} holds a private key: give only the certificate")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise document.wrong(where, f"{name} is not a certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None
    return text.strip() + "\n"


def _content(document: Document, place: Place, path: Path, largest: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(largest + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise document.wrong(place, f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise document.wrong(place, f"{path} is not a text file") from None
    if len(raw) > largest:
        raise document.wrong(place, f"{path} is larger than {largest} bytes")
    return text


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
