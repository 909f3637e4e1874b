"""A directory of each kind, from its entry in the world file to what its connection row is to hold."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from bot.certificates import read_pair
from bot.connections import ACTIVE_DIRECTORY, ENTRA, checked_settings, credential_of
from bot.errors import BadInput, Refused
from bot.settings import Settings
from bot.world_file.document import Document, Place
from bot.world_file.entries import ActiveDirectoryEntry, CloudEntry, DirectoryEntry, EntraEntry
from bot.world_file.references import certificate_of, secret_of

CREDENTIALS = {ACTIVE_DIRECTORY: ("bind_password",), ENTRA: ("client_secret", "private_key", "refresh_token")}
"""The keys of the world file that point at a credential's parts, by kind; the first is the usual one."""


@dataclass(frozen=True, slots=True)
class DirectoryWanted:
    """A directory as the file wants it. `settings` is what its connection row holds; never a secret."""

    place: Place
    name: str
    kind: str
    settings: dict[str, Any]
    reference: str | None = None
    """Where the credential comes from: the reference, or of several parts each by name, as JSON."""
    secret: SecretStr | None = None
    on: bool | None = None
    """Its switch; None leaves it as it is."""
    own_record: str | None = None
    """The record of the account Rekey signs in with there."""


def directory_wanted(document: Document, place: Place, entry: DirectoryEntry, settings: Settings) -> DirectoryWanted:
    """What the entry wants. `BadInput` naming file, line and field when something it points at does not do."""
    if isinstance(entry, ActiveDirectoryEntry):
        wanted = _active_directory(document, place, entry, settings)
    elif isinstance(entry, EntraEntry):
        wanted = _entra(document, place, entry, settings)
    else:
        wanted = DirectoryWanted(place, entry.name, entry.kind, {})
    return replace(wanted, own_record=entry.own_record)


def references(kind: str, stored: str | None) -> Mapping[str, str]:
    """The references of a stored connection, by their keys in the world file."""
    if stored is None:
        return {}
    keys = CREDENTIALS[kind]
    return {keys[0]: stored} if len(keys) == 1 else json.loads(stored)


def _active_directory(
    document: Document, place: Place, entry: ActiveDirectoryEntry, settings: Settings
) -> DirectoryWanted:
    secret = None
    if entry.bind_password is not None:
        secret = secret_of(document, (*place, "bind_password"), entry.bind_password, settings)
    stored = {
        "servers": [server.model_dump(exclude_none=True) for server in entry.servers],
        "ca": certificate_of(document, place, "ca", entry.ca, entry.ca_file),
        "bind_dn": entry.bind_dn,
    }
    return DirectoryWanted(place, entry.name, entry.kind, stored, entry.bind_password, secret, entry.users_sync)


def _entra(document: Document, place: Place, entry: EntraEntry, settings: Settings) -> DirectoryWanted:
    certificate = certificate_of(document, place, "certificate", entry.certificate, entry.certificate_file)
    given: dict[str, Any] = {
        "tenant_id": entry.tenant_id,
        "client_id": entry.client_id,
        "cloud": _cloud(document, (*place, "cloud"), entry.cloud),
        "certificate": certificate,
        "client_secret_ends": entry.client_secret_ends,
    }  # what the file leaves out stays as it is; a secret takes the place of a certificate, and the other way round
    try:
        stored = checked_settings(entry.kind, given, {}, settings.extra_hosts)
    except BadInput as error:
        raise document.wrong((*place, "cloud"), str(error).removesuffix(".")) from None
    except Refused as error:
        raise document.wrong((*place, "cloud"), f"{error} {error.mend}".removesuffix(".")) from None
    named = {name: getattr(entry, name) for name in CREDENTIALS[ENTRA] if getattr(entry, name) is not None}
    parts = {name: secret_of(document, (*place, name), each, settings) for name, each in named.items()}
    _refuse_halves(document, place, certificate, parts)
    if entry.cloud is None:
        stored.pop("cloud")
    if "client_secret" in parts:
        stored = {"certificate": None, "client_secret_ends": None, **stored}
    elif certificate is not None:
        stored = {"client_secret_ends": None, **stored}
    secret = credential_of(entry.kind, parts) if parts else None
    reference = json.dumps(named, sort_keys=True) if named else None
    return DirectoryWanted(place, entry.name, entry.kind, stored, reference, secret, entry.rotation)


def _cloud(document: Document, place: Place, cloud: str | CloudEntry | None) -> Any:
    if not isinstance(cloud, CloudEntry):
        return cloud or "global"
    return {
        "login": cloud.login,
        "graph": cloud.graph,
        "ca": certificate_of(document, place, "ca", cloud.ca, cloud.ca_file),
    }


def _refuse_halves(document: Document, place: Place, certificate: str | None, parts: Mapping[str, SecretStr]) -> None:
    if "client_secret" in parts and (certificate or "private_key" in parts):
        raise document.wrong((*place, "client_secret"), "a certificate stands here too: keep one of them")
    if "private_key" in parts and certificate is None:
        raise document.wrong((*place, "private_key"), "the certificate it belongs to is missing: certificate_file")
    if "refresh_token" in parts and len(parts) == 1:
        what = "the app proves itself besides: add its client_secret, or its certificate_file and private_key"
        raise document.wrong((*place, "refresh_token"), what)
    if certificate is not None and "private_key" in parts:
        try:
            read_pair(certificate, parts["private_key"])
        except BadInput as error:
            raise document.wrong((*place, "private_key"), str(error).removesuffix(".")) from None
