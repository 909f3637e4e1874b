"""The calls on passwords: list, show, make, change, delete; each as the key that asks may."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from .account import KINDS, Account, Key, NoAccess, Password
from .asking import UnknownFilter, filtered, ordered, page
from .documents import Document, forbidden, found, not_found, password, unauthorized, unprocessable, version

_FILTERS = {
    "id": lambda row: row.id,
    "name": lambda row: row.name,
    "organization_id": lambda row: row.organization_id,
    "password_category_id": lambda _row: None,
    "url": lambda row: row.url,
    "cached_resource_name": lambda row: row.embedded[2] if row.embedded else None,
    "archived": lambda row: row.archived,
}
_ORDERS = {
    "id": lambda row: row.id,
    "name": lambda row: row.name,
    "username": lambda row: row.username,
    "url": lambda row: row.url,
    "created_at": lambda row: row.created_at.isoformat(),
    "updated_at": lambda row: row.updated_at.isoformat(),
}
_PLAIN = ("name", "username", "url", "notes", "archived", "restricted")
"""What a request may change besides the password."""
_BY = "API"


def listed(account: Account, organization_id: int | None, query: QueryParams) -> Response:
    """A page of passwords, never with their values. Beneath an organization, filters are taken and ignored."""
    rows = [row for row in account.passwords.values() if organization_id in (None, row.organization_id)]
    try:
        kept = filtered(rows, query, _FILTERS)
        here, meta = page(ordered(kept if organization_id is None else rows, query, _ORDERS), query)
    except UnknownFilter as error:
        return unprocessable("Invalid parameter", f"/{error}")
    return found([password(account, row) for row in here], meta=meta, links={})


def shown(account: Account, key: Key, row: Password | None, query: QueryParams) -> Response:
    """One password; its value unless `show_password=false`, that of a version with `version_id`."""
    if row is None:
        return not_found()
    shows = query.get("show_password", "true") == "true"
    if shows and not key.reads_passwords:
        if key.no_access is NoAccess.FORBIDDEN:
            return forbidden("You do not have access to this resource")
        shows = False
    value = None
    if "version_id" in query:
        value = next((each for each in row.versions if str(each.id) == query["version_id"]), None)
        if value is None:
            return not_found()
    resource = password(account, row, value=value, shows=shows)
    if "recent_versions" in query.get("include", "").split(","):
        return found(resource, included=[version(each) for each in reversed(row.versions)])
    return found(resource)


def made(account: Account, key: Key, organization_id: int | None, document: Document, query: QueryParams) -> Response:
    """A new password."""
    attributes = _attributes(document)
    home = organization_id if organization_id is not None else attributes.get("organization-id")
    if not isinstance(home, int) or home not in account.organizations:
        return unprocessable("Valid organization_id is required", "data/attributes/organization_id")
    if not attributes.get("name"):
        return unprocessable("Unprocessable Entity", "/data/attributes/name", "can't be blank")
    value = attributes.get("password")
    if account.needs_password and not value:
        return unprocessable("Unprocessable Entity", "/data/attributes/password", "can't be blank")
    if value and not key.writes_passwords:
        return unauthorized()
    row = account.add(home, str(attributes["name"]), updated_by=_BY)
    _change(account, row, attributes)
    kind, resource = attributes.get("resource-type"), attributes.get("resource-id")
    if kind in KINDS and isinstance(resource, int):
        row.embedded = (str(kind), resource, f"{kind} {resource}")
    return found(password(account, row, shows=_asks_for_it(query) and key.reads_passwords), 201)


def changed(account: Account, key: Key, row: Password | None, document: Document, query: QueryParams) -> Response:
    """A password, of which only what is named is changed."""
    if row is None:
        return not_found()
    attributes = _attributes(document)
    if "password" in attributes:
        if not key.writes_passwords:
            return unauthorized()
        if row.vault_id is not None:
            return unprocessable("Unprocessable Entity", "/data/attributes/password", "is vaulted")
    _change(account, row, attributes)
    return found(password(account, row, shows=_asks_for_it(query) and key.reads_passwords))


def changed_in_bulk(account: Account, key: Key, document: Document) -> Response:
    """Several passwords at once, each by the `id` among its attributes."""
    entries = document.get("data")
    if not isinstance(entries, list):
        return unprocessable("Unprocessable Entity", "/data", "must be a list")
    if not key.reads_passwords or not key.writes_passwords:
        return forbidden("Cannot PATCH Password in bulk")
    rows = []
    for entry in entries:
        attributes = _attributes({"data": entry})
        row = account.passwords.get(int(attributes.get("id") or 0))
        if row is None:
            return not_found()
        _change(account, row, attributes)
        rows.append(password(account, row))
    return found(rows)


def deleted(account: Account, row: Password | None) -> Response:
    """One password less."""
    if row is None:
        return not_found()
    account.deletes(row)
    return found(password(account, row))


def _attributes(document: Document) -> Mapping[str, Any]:
    data = document.get("data")
    attributes = data.get("attributes") if isinstance(data, dict) and data.get("type") == "passwords" else None
    given = attributes if isinstance(attributes, dict) else {}
    return {name.replace("_", "-"): value for name, value in given.items()}


def _change(account: Account, row: Password, attributes: Mapping[str, Any]) -> None:
    to = {name: attributes[name] for name in _PLAIN if name in attributes}
    value = attributes.get("password")
    if to or value is not None:
        account.edits(row, None if value is None else str(value), _BY, **to)


def _asks_for_it(query: QueryParams) -> bool:
    """Whoever writes gets the value back only when asking for it."""
    return query.get("show_password", "false") == "true"
