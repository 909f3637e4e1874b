"""JSON:API as IT Glue writes it: what is shown of an organization and a password, and the bodies of its errors."""

from datetime import datetime
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from .account import KINDS, Account, Organization, Password, Version

MEDIA_TYPE = "application/vnd.api+json"

Document = dict[str, Any]


def organization(row: Organization) -> Document:
    """An organization's resource."""
    return {"id": str(row.id), "type": "organizations", "attributes": {"name": row.name}}


def password(account: Account, row: Password, *, value: Version | None = None, shows: bool = False) -> Document:
    """A password's resource; with its value where `shows`, that of a version where one is given."""
    kind, resource_id, resource_name = row.embedded or (None, None, None)
    home = account.organizations[row.organization_id]
    attributes: Document = {
        "organization-id": row.organization_id,
        "organization-name": home.name,
        "resource-url": f"{account.web}/{home.id}/passwords/{row.id}",
        "restricted": row.restricted,
        "my-glue": row.my_glue,
        "name": row.name,
        "autofill-selectors": None,
        "username": row.username,
        "url": row.url,
        "notes": row.notes,
        "password-updated-at": stamp(row.password_updated_at),
        "updated-by": row.updated_by or None,
        "updated-by-type": "User",
        "resource-id": resource_id,
        "resource-type": kind,
        "cached-resource-type-name": kind,
        "cached-resource-name": resource_name,
        "parent-url": f"{account.web}/{home.id}/{KINDS[kind]}/{resource_id}" if kind else None,
        "password-category-id": abs(hash(row.category)) % 10_000 if row.category else None,
        "password-category-name": row.category,
        "password-folder-id": None,
        "otp-enabled": False,
        "vault-id": row.vault_id,
        "archived": row.archived,
        "personal": row.personal,
        "created-at": stamp(row.created_at),
        "updated-at": stamp(row.updated_at),
    }
    if shows:
        attributes["password"] = None if row.vault_id is not None else value.password if value else row.password
    return {"id": str(row.id), "type": "passwords", "attributes": attributes}


def version(row: Version) -> Document:
    """A version, as `include=recent_versions` lists it: without its value."""
    return {
        "id": str(row.id),
        "type": "versions",
        "attributes": {"created-at": stamp(row.at), "updated-by": row.by},
    }


def stamp(at: datetime | None) -> str | None:
    """A time as IT Glue writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z") if at else None


def found(data: object, status: int = 200, **more: object) -> Response:
    """An answer."""
    return JSONResponse({"data": data, **more}, status, media_type=MEDIA_TYPE)


def unauthorized() -> Response:
    """A key that is not taken, or may not do this."""
    return JSONResponse({"errors": [{"title": "Unauthorized resource access", "status": 401}]}, 401)


def forbidden(title: str | None = None) -> Response:
    """Refused at the gate (no title), or for what was asked."""
    body = {"errors": [{"title": title, "status": 403}]} if title else {"message": "Forbidden"}
    return JSONResponse(body, 403)


def not_found() -> Response:
    """A record that is not there."""
    return JSONResponse({"errors": [{"title": "Record not found", "status": "404"}]}, 404)


def no_such_page() -> Response:
    """An address nothing answers to: not JSON."""
    return HTMLResponse("<!DOCTYPE html><html><body><h1>The page you were looking for doesn't exist.</h1></body>", 404)


def unprocessable(title: str, pointer: str, detail: str | None = None) -> Response:
    """What does not fit, with where it stands."""
    error: Document = {"status": 422, "title": title, "source": {"pointer": pointer}}
    return JSONResponse({"errors": [error | ({"detail": detail} if detail else {})]}, 422)


def too_many(seconds: int | None) -> Response:
    """Over the limit; how long to wait only where the account says so."""
    return Response("Retry later\n", 429, {"Retry-After": str(seconds)} if seconds is not None else {})
