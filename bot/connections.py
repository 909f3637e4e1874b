"""Stored connections → live connectors: the only table of vendors.

Two guards stand here. The connector credential is sealed for the system it was given for (kind, servers, CA, sign-in
name): point the row elsewhere and it does not open any more. And a directory server must lie in the networks the
settings allow; names are looked up once, judged by every address they have, and the connector gets those addresses
rather than the name, so that a second look-up cannot send it elsewhere.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory
from bot.directories.active_directory.settings import ActiveDirectorySettings, Server
from bot.directories.base import Directory
from bot.errors import BadInput, Refused, SealBroken, SignInRefused, Unreachable
from bot.settings import Network
from bot.vaults.base import Vault
from bot.vaults.itglue import ITGlue, ITGlueSettings
from bot.vaults.itglue.settings import REGIONS
from storage.models import Connection
from storage.sealing import KeyRing

ITGLUE = "itglue"

DirectoryFactory = Callable[[Connection], Directory]
"""Makes the connector of a kind that needs no credential, such as the practice directory."""

NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "168.63.129.16/32",  # Azure's
            "100.100.100.200/32",  # Alibaba Cloud's
            "192.0.0.192/32",  # Oracle Cloud's
            "224.0.0.0/3",
            "::/128",
            "fe80::/10",
            "fd00:ec2::/32",  # AWS's, over IPv6
            "ff00::/8",
        ),
    )
)
"""Where no directory server ever is, whatever the settings say."""

_SEALED_FOR = "sealed_for"
_WORDS = {"kind": "kind", "servers": "servers", "ca": "CA", "bind_dn": "sign-in name", "base_url": "address"}


def open_directory(
    connection: Connection, keys: KeyRing, networks: Sequence[Network], extra_kinds: Mapping[str, DirectoryFactory]
) -> Directory:
    """The live connector of a stored directory connection; connects when first used. `extra_kinds` join the table.

    Raises `SealBroken` or `KeyProblem` when the credential does not open, `SignInRefused` when there is none, `Refused`
    when a server lies outside `networks`, `Unreachable` when no server's name has an address. Nothing was sent then.
    """
    secret = credential_for(connection, keys) if connection.kind in _DIRECTORIES else None
    return connect(connection, secret, networks, extra_kinds)


def connect(
    connection: Connection,
    secret: SecretStr | None,
    networks: Sequence[Network],
    extra_kinds: Mapping[str, DirectoryFactory],
) -> Directory:
    """The live connector with a credential that need not be stored yet; raises as `open_directory` does."""
    if connection.kind in extra_kinds:
        return extra_kinds[connection.kind](connection)
    if connection.kind not in _DIRECTORIES:
        raise Refused(
            f"{connection.name} is a directory of the kind {connection.kind!r}, which this Rekey cannot work with. "
            "Nothing was done there."
        )
    if secret is None:
        raise _no_credential(connection)
    return _DIRECTORIES[connection.kind](connection, secret, networks)


# ---- the table of vendors --------------------------------------------------------------------------------------------


def _active_directory(connection: Connection, secret: SecretStr, networks: Sequence[Network]) -> Directory:
    settings = ActiveDirectorySettings.parse(settings_of(connection))
    return ActiveDirectory(settings.model_copy(update={"servers": tuple(_placed(settings.servers, networks))}), secret)


def _placed(servers: Sequence[Server], networks: Sequence[Network]) -> Iterator[Server]:
    """The servers by address, still proving their names; those whose name has no address now are left out."""
    unknown: Unreachable | None = None
    found = False
    for server in servers:
        try:
            address = addresses_of(server.host, server.port, networks)[0]
        except Unreachable as error:
            unknown = error
            continue
        found = True
        yield server.model_copy(update={"host": address, "tls_name": server.expected_name})
    if not found and unknown is not None:
        raise unknown


_DIRECTORIES: Mapping[str, Callable[[Connection, SecretStr, Sequence[Network]], Directory]] = {
    "active-directory": _active_directory
}


# ---- vaults ----------------------------------------------------------------------------------------------------------


def open_vault(connection: Connection, keys: KeyRing, extra_hosts: Collection[str] = ()) -> Vault:
    """The live connector of a stored connection to a vault outside; connects when first used.

    Raises `SealBroken` or `KeyProblem` when its key does not open, `SignInRefused` when there is none, `Refused` when
    its address is neither the vendor's nor among the `extra_hosts`. Nothing was sent then.
    """
    return connect_vault(connection, credential_for(connection, keys), extra_hosts)


def connect_vault(connection: Connection, secret: SecretStr | None, extra_hosts: Collection[str] = ()) -> Vault:
    """The live connector with a key that need not be stored yet; raises as `open_vault` does."""
    if connection.kind != ITGLUE:
        raise Refused(f"{connection.name} is a vault of the kind {connection.kind!r}, which is not outside.")
    if secret is None:
        raise _no_credential(connection)
    settings = ITGlueSettings.parse(settings_of(connection))
    _refuse_strange_vault(settings.base_url, extra_hosts)
    return ITGlue(settings, secret)


def checked_vault(kind: str, given: Mapping[str, Any], extra_hosts: Collection[str] = ()) -> dict[str, Any]:
    """The settings as a connection to a vault outside stores them. `BadInput` names what does not fit, `Refused` an
    address that is neither the vendor's nor among the `extra_hosts`.
    """
    if kind != ITGLUE:
        raise BadInput(f"Rekey knows no vaults of the kind {kind!r}. Nothing was stored.")
    settings = ITGlueSettings.parse(given)
    _refuse_strange_vault(settings.base_url, extra_hosts)
    return settings.model_dump(mode="json", exclude_none=True)


def _refuse_strange_vault(base_url: str, extra_hosts: Collection[str]) -> None:
    parts = urlsplit(base_url)
    place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if base_url not in REGIONS.values() and place not in extra_hosts:
        raise Refused(
            f"{place} is no address of IT Glue's that Rekey knows. Nothing was sent.",
            cause="strange-host",
            mend=f"Name a region (us, eu, au). If this address is meant, name it in REKEY_EXTRA_HOSTS: {place}.",
        )


def checked_settings(
    kind: str,
    given: Mapping[str, Any],
    extra_kinds: Mapping[str, DirectoryFactory],
    extra_hosts: Collection[str] = (),
) -> dict[str, Any]:
    """The settings as a connection of this kind stores them, to a directory or a vault outside. `BadInput` names every
    field that does not fit, `Refused` an address that is neither the vendor's nor among the `extra_hosts`.
    """
    if kind in extra_kinds:
        return dict(given)
    if kind == ITGLUE:
        return checked_vault(kind, given, extra_hosts)
    if kind not in _SETTINGS:
        raise BadInput(f"Rekey knows no directories of the kind {kind!r}. Nothing was stored.")
    return _SETTINGS[kind](given)


def needs_credential(kind: str, extra_kinds: Mapping[str, DirectoryFactory]) -> bool:
    """Whether Rekey signs in to directories of this kind."""
    return kind not in extra_kinds


_SETTINGS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "active-directory": lambda given: ActiveDirectorySettings.parse(given).model_dump(
        mode="json", exclude={"connect_timeout", "receive_timeout"}, exclude_none=True
    )
}


# ---- the seal --------------------------------------------------------------------------------------------------------


def seal_credential(connection: Connection, keys: KeyRing, secret: SecretStr) -> None:
    """Put the credential into the row (not yet stored), sealed for the system the row describes now."""
    identity = _identity(connection)
    connection.settings = {**connection.settings, _SEALED_FOR: identity}
    connection.credential = keys.seal(secret, _place(connection, identity))


def credential_for(connection: Connection, keys: KeyRing) -> SecretStr:
    """The connector credential. `SealBroken` says which connection and what changed since it was given."""
    if connection.credential is None:
        raise _no_credential(connection)
    identity = _identity(connection)
    try:
        return keys.open(connection.credential, _place(connection, identity))
    except SealBroken as error:
        raise SealBroken(
            f"The credential of {connection.name} does not open: {_what_changed(connection, identity)}. It was not "
            "used, and nothing was sent there. Put that back, or give the credential again with `rekey apply`."
        ) from error


def _no_credential(connection: Connection) -> SignInRefused:
    return SignInRefused(
        f"Rekey has no credential for {connection.name}. Nothing was done there.",
        cause="no-credential",
        mend="Name it in the world file and run `rekey apply`, or type it on the page `/rotate setup` leads to.",
    )


def still_sealed_for(connection: Connection) -> bool:
    """Whether the row still describes the system its credential was given for."""
    return connection.credential is not None and _identity(connection) == connection.settings.get(_SEALED_FOR)


def settings_of(connection: Connection) -> dict[str, Any]:
    """The row's settings as they were given, without what sealing added."""
    return {name: value for name, value in connection.settings.items() if name != _SEALED_FOR}


def _identity(connection: Connection) -> dict[str, str]:
    """What the credential may be used for, as texts people can compare; a CA by its fingerprint."""
    identity, settings = {"kind": connection.kind}, settings_of(connection)
    if connection.kind == ITGLUE:  # one key opens the whole account: whose records, and how many requests, is not of it
        settings = {"base_url": settings.get("base_url", "")}
    for name, value in settings.items():
        if name == "ca":
            identity[name] = "SHA-256 " + hashlib.sha256(str(value).encode()).hexdigest()
        elif name == "servers":
            identity[name] = ", ".join(_server_text(server) for server in value)
        else:
            identity[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return identity


def _server_text(server: Mapping[str, Any]) -> str:
    name = f" as {server['tls_name']}" if server.get("tls_name") else ""
    return f"{server['host']}:{server['port']}{name}"


def _place(connection: Connection, identity: Mapping[str, str]) -> tuple[str, ...]:
    return ("connector", connection.uid, connection.side, json.dumps(identity, sort_keys=True))


def _what_changed(connection: Connection, identity: Mapping[str, str]) -> str:
    before = connection.settings.get(_SEALED_FOR) or {}
    changed = [
        f"its {_WORDS.get(name, name)} changed from {before.get(name, 'nothing')} to {identity.get(name, 'nothing')}"
        for name in sorted({*before, *identity})
        if before.get(name) != identity.get(name)
    ]
    return " and ".join(changed) or "it was edited, or moved here from another connection"


# ---- where servers may be --------------------------------------------------------------------------------------------


def addresses_of(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """Every address the host has now, all of them inside `networks`; IPv4 first, as domain controllers listen there.

    `Refused` when one lies outside or in a place no directory is ever in; `Unreachable` when the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            f"The name {host} has no address here. Nothing was sent.",
            cause="no-address",
            mend="Check the spelling, and that this machine asks a DNS server that knows the name.",
        ) from error
    by_family = sorted(found, key=lambda entry: entry[0] is not socket.AF_INET)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in by_family))
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if _within(address, NEVER) or not _within(address, networks):
            where = host if host == text else f"{host} ({text})"
            allowed = ", ".join(map(str, networks)) or "none"
            raise Refused(
                f"{where} lies outside the networks directories may be in ({allowed}). Nothing was sent.",
                cause="outside-networks",
                mend="If the server is meant, name its network in REKEY_DIRECTORY_NETWORKS; link-local and metadata "
                "addresses stay closed.",
            )
    return addresses


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
