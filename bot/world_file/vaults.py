"""A vault of each kind: what may stand in the file, what its connection row is to hold, and putting it there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr
from sqlmodel import Session

from bot.connections import ITGLUE, checked_vault, credential_for, seal_credential, settings_of, still_sealed_for
from bot.errors import BadInput, Refused, SealBroken
from bot.organizations import add_vault, new_connection, put_vault, why_not_replaced
from bot.world_file.document import Document, Place
from bot.world_file.entries import Entry, Name, did_you_mean, reference
from storage.connections import EMBEDDED, RECOVERED, name_key
from storage.models import Connection, Organization
from storage.sealing import KeyRing

_PINNED = "organization_id"
_OURS = (_PINNED, RECOVERED)
"""What is not the file's business: which organization it turned out to be, and that it came back."""


class VaultEntry(Entry):
    """Who keeps the organization's passwords for people; the whole entry of the embedded vault."""

    name: Name
    kind: str


class ITGlueEntry(VaultEntry):
    """An organization of an IT Glue account, by its name or id there. `base_url` takes the place of `region` where
    REKEY_EXTRA_HOSTS names it; `share` is how much of the account's request limit is Rekey's.
    """

    kind: Literal["itglue"]
    region: str | None = None
    base_url: str | None = None
    api_key: Annotated[str, AfterValidator(reference)] | None = None
    organization: Annotated[str, Field(min_length=1, max_length=300)]
    share: Annotated[float, Field(ge=0.05, le=1)] = 0.5


VAULT_KINDS: dict[str, type[VaultEntry]] = {EMBEDDED: VaultEntry, ITGLUE: ITGlueEntry}


@dataclass(frozen=True, slots=True)
class VaultWanted:
    """A vault as the file wants it. `settings` is what its connection row holds; never a secret."""

    place: Place
    name: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    secret: SecretStr | None = None


def entry_kind(document: Document, place: Place, value: Mapping[str, Any]) -> type[VaultEntry]:
    """What an entry of this kind looks like."""
    kind = value.get("kind")
    if "kind" in value and (not isinstance(kind, str) or kind not in VAULT_KINDS):
        raise document.wrong((*place, "kind"), f"{kind} is no kind of vault{did_you_mean(str(kind), VAULT_KINDS)}")
    return VAULT_KINDS.get(str(kind), VaultEntry)


def vault_wanted(
    document: Document, place: Place, entry: VaultEntry, secret: SecretStr | None, extra_hosts: Collection[str]
) -> VaultWanted:
    """What the entry wants. `BadInput` naming file, line and field when its address or region does not do."""
    if not isinstance(entry, ITGlueEntry):
        return VaultWanted(place, entry.name, entry.kind)
    if (entry.region is None) == (entry.base_url is None):
        raise document.wrong((*place, "region"), "say either region (us, eu, au) or base_url")
    given = entry.model_dump(include={"region", "base_url", "organization", "share"}, exclude_none=True)
    try:
        settings = checked_vault(entry.kind, given, extra_hosts)
    except Refused as error:
        raise document.wrong((*place, "base_url"), f"{error} {error.mend}".removesuffix(".")) from None
    except BadInput as error:
        key = "region" if entry.region is not None else "base_url"
        raise document.wrong((*place, key), str(error).removesuffix(".")) from None
    return VaultWanted(place, entry.name, entry.kind, settings, entry.api_key, secret)


def exported(connection: Connection) -> dict[str, Any]:
    """A stored vault as the file says it. The reference to its key, never the key."""
    settings = {name: value for name, value in settings_of(connection).items() if name not in _OURS}
    key = {"api_key": connection.credential_reference} if connection.credential_reference else {}
    return {"name": connection.name, "kind": connection.kind, **settings, **key}


def put(
    document: Document,
    session: Session,
    keys: KeyRing,
    organization: Organization,
    wanted: VaultWanted,
    present: Connection | None,
) -> tuple[Connection, dict[str, Any], dict[str, Any], list[str]]:
    """Make the organization's vault what the file wants: its row, what it was and what it is in the words of the file,
    and what became of its key, in sentences. Nothing differs where nothing was done.
    """
    before = {} if present is None else _described(present)
    if present is not None and present.kind == wanted.kind:
        moved = present.settings.get("organization") != wanted.settings.get("organization")
        kept = {name: value for name, value in present.settings.items() if name != _PINNED or not moved}
        present.settings = {**kept, **wanted.settings}
        if moved:
            present.cursor = None
        present.name, present.name_key = wanted.name, name_key(wanted.name)
        said = _key(document, keys, wanted, present)
        session.add(present)
        return present, before, _described(present), said
    if present is not None and (why := why_not_replaced(session, present)):
        raise document.wrong((*wanted.place, "kind"), why)
    if wanted.kind == EMBEDDED and present is None:
        vault = add_vault(session, organization, wanted.name)
        return vault, before, _described(vault), []
    new = new_connection(organization, wanted.name, wanted.kind, wanted.settings)
    said = _key(document, keys, wanted, new)
    vault = put_vault(session, organization, new)
    return vault, before, _described(vault), said


def _described(connection: Connection) -> dict[str, Any]:
    settings = {name: value for name, value in settings_of(connection).items() if name not in _OURS}
    return {"name": connection.name, "kind": connection.kind, **settings}


def _key(document: Document, keys: KeyRing, wanted: VaultWanted, connection: Connection) -> list[str]:
    """Give the row the file's key where that is due; what changed, in words."""
    if wanted.kind == EMBEDDED:
        return []
    place = (*wanted.place, "api_key")
    if wanted.secret is None:
        if connection.credential is None:
            raise document.wrong(place, "this is missing, and Rekey has no key for this vault yet")
        if not still_sealed_for(connection):
            raise document.wrong(place, "this is missing: the vault's address has changed, so give its key again")
        return []
    changes = []
    if stored_key(keys, connection) != wanted.secret:
        changes.append(f"key {'taken anew' if connection.credential else 'taken'} from {wanted.reference}")
        seal_credential(connection, keys, wanted.secret)
    elif connection.credential_reference != wanted.reference:
        changes.append(f"key reference {connection.credential_reference or 'none'} → {wanted.reference}")
    connection.credential_reference = wanted.reference
    return changes


def stored_key(keys: KeyRing, connection: Connection) -> SecretStr | None:
    """The key the row holds; None when there is none, or none that still opens: giving it anew mends that."""
    try:
        return credential_for(connection, keys) if still_sealed_for(connection) else None
    except SealBroken:
        return None
