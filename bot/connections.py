"""Stored connections → live connectors: the only table of vendors.

Two guards stand here. The connector credential is sealed for the system it was given for (kind, servers, CA, sign-in
name): point the row elsewhere and it does not open any more. And a directory server must lie in the networks the
settings allow; names are looked up once, judged by every address they have, and the connector gets those addresses
rather than the name, so that a second look-up cannot send it elsewhere.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.certificates import certificate_ends
from bot.directories.active_directory import ActiveDirectory
from bot.directories.active_directory.settings import ActiveDirectorySettings, Server
from bot.directories.base import Directory
from bot.directories.entra import Entra, EntraCredential, EntraSettings
from bot.directories.entra.settings import HOSTS
from bot.errors import BadInput, Refused, SealBroken, SignInRefused, Unreachable
from bot.networks import addresses_of
from bot.sealed_for import as_texts, what_changed
from bot.settings import Network
from bot.vaults.base import Vault
from bot.vaults.itglue import ITGlue, ITGlueSettings
from bot.vaults.itglue.settings import REGIONS
from storage.connections import get_connection
from storage.database import Database
from storage.models import Connection
from storage.sealing import KeyRing

ACTIVE_DIRECTORY, ENTRA = "active-directory", "entra"
"""The kinds of directories there are."""
ITGLUE = "itglue"
"""The kind of vaults outside there is."""

Keep = Callable[[SecretStr, SecretStr], None]
"""Keeps what a vendor gave in place of a part of the credential: the old value, and the new one."""

DirectoryFactory = Callable[[Connection], Directory]
"""Makes the connector of a kind that needs no credential, such as the practice directory."""

_SEALED_FOR = "sealed_for"


def open_directory(
    connection: Connection,
    keys: KeyRing,
    networks: Sequence[Network],
    extra_kinds: Mapping[str, DirectoryFactory],
    extra_hosts: Collection[str] = (),
    database: Database | None = None,
) -> Directory:
    """The live connector of a stored directory connection; connects when first used. `extra_kinds` join the table.

    What the vendor gives in place of the credential is kept in the `database`, where there is one.

    Raises `SealBroken` or `KeyProblem` when the credential does not open, `SignInRefused` when there is none, `Refused`
    when a server lies outside `networks`, `Unreachable` when no server's name has an address. Nothing was sent then.
    """
    secret = credential_for(connection, keys) if connection.kind in _DIRECTORIES else None
    keep = partial(_keep_refreshed, database, keys, connection.id) if database is not None else None
    return connect(connection, secret, networks, extra_kinds, extra_hosts, keep)


def connect(
    connection: Connection,
    secret: SecretStr | None,
    networks: Sequence[Network],
    extra_kinds: Mapping[str, DirectoryFactory],
    extra_hosts: Collection[str] = (),
    keep: Keep | None = None,
) -> Directory:
    """The live connector with a credential that need not be stored yet; raises as `open_directory` does. `keep` takes
    what the vendor gives in place of the credential.
    """
    if connection.kind in extra_kinds:
        return extra_kinds[connection.kind](connection)
    if connection.kind not in _DIRECTORIES:
        raise Refused(
            f"{connection.name} is a directory of the kind {connection.kind!r}, which this Rekey cannot work with. "
            "Nothing was done there."
        )
    if secret is None:
        raise _no_credential(connection)
    return _DIRECTORIES[connection.kind](connection, secret, _Reach(networks, extra_hosts, keep))


# ---- the table of vendors --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reach:
    """Where the settings let connections lead, and who keeps what comes back."""

    networks: Sequence[Network]
    hosts: Collection[str]
    keep: Keep | None


def _entra(connection: Connection, secret: SecretStr, reach: _Reach) -> Directory:
    settings = EntraSettings.parse(settings_of(connection))
    _refuse_strange_hosts(settings, reach.hosts)
    credential = EntraCredential.parse(secret)
    in_force = credential.refresh_token

    def kept(new: SecretStr) -> None:
        nonlocal in_force
        if reach.keep is not None and in_force is not None:
            reach.keep(in_force, new)
        in_force = new

    return Entra(settings, credential, keep_refresh_token=kept)


def _refuse_strange_hosts(settings: EntraSettings, extra_hosts: Collection[str]) -> None:
    for host in settings.place.hosts:
        if host not in HOSTS and host not in extra_hosts:
            raise Refused(
                f"{host} is no host of Microsoft's that Rekey knows. Nothing was sent.",
                cause="strange-host",
                mend=f"If it is meant, name it in REKEY_EXTRA_HOSTS: {host}.",
            )


def _active_directory(connection: Connection, secret: SecretStr, reach: _Reach) -> Directory:
    settings = ActiveDirectorySettings.parse(settings_of(connection))
    servers = tuple(_placed(settings.servers, reach.networks))
    return ActiveDirectory(settings.model_copy(update={"servers": servers}), secret)


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


_DIRECTORIES: Mapping[str, Callable[[Connection, SecretStr, _Reach], Directory]] = {
    ACTIVE_DIRECTORY: _active_directory,
    ENTRA: _entra,
}


def signs_out(connection: Connection) -> bool:
    """Whether directories of this kind can end the sessions of an account (`SignsOut`)."""
    return connection.kind in _SIGNING_OUT


_SIGNING_OUT = frozenset({"entra"})


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
    if kind == ENTRA:
        _refuse_strange_hosts(EntraSettings.parse(given), extra_hosts)
    return _SETTINGS[kind](given)


def needs_credential(kind: str, extra_kinds: Mapping[str, DirectoryFactory]) -> bool:
    """Whether Rekey signs in to directories of this kind."""
    return kind not in extra_kinds


_SETTINGS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "active-directory": lambda given: ActiveDirectorySettings.parse(given).model_dump(
        mode="json", exclude={"connect_timeout", "receive_timeout"}, exclude_none=True
    ),
    ENTRA: lambda given: EntraSettings.parse(given).model_dump(mode="json", exclude_none=True),
}


# ---- credentials of several parts ------------------------------------------------------------------------------------


def credential_of(kind: str, parts: Mapping[str, SecretStr]) -> SecretStr:
    """One text of a credential's parts, by their names in the world file. `BadInput` when one is missing."""
    if kind == ENTRA:
        return EntraCredential.of(parts).text()
    (only,) = parts.values()
    return only


def as_given(kind: str, secret: SecretStr) -> SecretStr:
    """The credential as a person gave it, before the vendor gave another one in place of a part."""
    return EntraCredential.parse(secret).as_given().text() if kind == ENTRA else secret


def carried_over(kind: str, stored: SecretStr, given: SecretStr) -> SecretStr:
    """A credential that is given anew, with what the vendor gave in place of the parts that are the same."""
    if kind != ENTRA:
        return given
    old, new = EntraCredential.parse(stored), EntraCredential.parse(given)
    same = old.refresh_token is not None and old.as_given().refresh_token == new.refresh_token
    return new.refreshed(old.refresh_token).text() if same and old.refresh_token else given


def refreshed(credential: SecretStr, token: SecretStr) -> SecretStr:
    """An Entra credential with the refresh token that is in force from now on."""
    return EntraCredential.parse(credential).refreshed(token).text()


def borrowed(lender: Connection, keys: KeyRing, settings: Mapping[str, Any]) -> tuple[dict[str, Any], SecretStr]:
    """Settings and credential for another tenant in which the same app works: its proof, at the same hosts.

    `BadInput` when these settings are another app's, or lead to another cloud; raises as `credential_for` does.
    """
    own, other = EntraSettings.parse(settings_of(lender)), EntraSettings.parse(settings)
    if (own.client_id, own.place) != (other.client_id, other.place):
        raise BadInput(f"This is not the app of {lender.name}, so its credential does not do. Nothing was stored.")
    kept = {name: value for name, value in settings_of(lender).items() if name in ("certificate", "client_secret_ends")}
    return {**settings, **kept}, credential_for(lender, keys)


def expect_end(connection: Connection, *, given_anew: bool) -> None:
    """Note in the row when its credential ends, by what was entered; announcements begin anew with another day."""
    entered = _entered_end(connection.kind, settings_of(connection))
    if entered is None and not given_anew:
        return
    if entered != connection.credential_ends_at:
        connection.credential_ends_at, connection.credential_told = entered, None
    connection.credential_looked_at = None


def _entered_end(kind: str, settings: Mapping[str, Any]) -> datetime | None:
    if kind != ENTRA:
        return None
    parsed = EntraSettings.parse(settings)
    if parsed.certificate is not None:
        return certificate_ends(parsed.certificate)
    day = parsed.client_secret_ends
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC)


def _keep_refreshed(database: Database, keys: KeyRing, connection_id: int, old: SecretStr, new: SecretStr) -> None:
    """Seal the new refresh token in place of the old one, unless a person has given another credential meanwhile."""
    with database.writing() as session:
        connection = get_connection(session, connection_id)
        if not still_sealed_for(connection):
            return
        credential = EntraCredential.parse(credential_for(connection, keys))
        if credential.refresh_token == old:
            seal_credential(connection, keys, refreshed(credential_for(connection, keys), new))
            session.add(connection)


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
        why = what_changed(connection.settings.get(_SEALED_FOR) or {}, identity)
        raise SealBroken(
            f"The credential of {connection.name} does not open: {why}. It was not "
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
    settings = settings_of(connection)
    if connection.kind == ENTRA:
        place = EntraSettings.parse(settings).place
        settings = {name: settings[name] for name in ("tenant_id", "client_id", "certificate") if settings.get(name)}
        settings |= {"login": place.login, "graph": place.graph, **({"ca": place.ca} if place.ca else {})}
    if connection.kind == ITGLUE:  # one key opens the whole account: whose records, and how many requests, is not of it
        settings = {"base_url": settings.get("base_url", "")}
    return {"kind": connection.kind, **as_texts(settings)}


def _place(connection: Connection, identity: Mapping[str, str]) -> tuple[str, ...]:
    return ("connector", connection.uid, connection.side, json.dumps(identity, sort_keys=True))
