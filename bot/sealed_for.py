"""What a connector credential may be used for, as texts people can compare: which system, known by what."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_WORDS = {
    "ca": "CA",
    "bind_dn": "sign-in name",
    "tenant_id": "tenant",
    "client_id": "app",
    "login": "sign-in host",
    "graph": "Graph host",
    "base_url": "address",
}


def as_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Each setting as one text; a certificate by its fingerprint."""
    return {name: _text(name, value) for name, value in settings.items()}


def what_changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What is not as it was when the credential was given, in words."""
    changed = [
        f"its {_WORDS.get(name, name)} changed from {before.get(name, 'nothing')} to {after.get(name, 'nothing')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    return " and ".join(changed) or "it was edited, or moved here from another connection"


def _text(name: str, value: Any) -> str:
    if name in ("ca", "certificate"):
        return "SHA-256 " + hashlib.sha256(str(value).encode()).hexdigest()
    if name == "servers":
        return ", ".join(_server(server) for server in value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _server(server: Mapping[str, Any]) -> str:
    name = f" as {server['tls_name']}" if server.get("tls_name") else ""
    return f"{server['host']}:{server['port']}{name}"
