"""What a `$batch` has to look like."""

from collections.abc import Mapping
from typing import Any

from bot.demo.graph.errors import bad_request

NAME = "POST /$batch"
LARGEST = 20


def items_of(body: Any) -> list[dict[str, Any]]:
    """The requests of a batch; GraphError, for all of them, when one is not as it has to be."""
    items = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise bad_request("Invalid batch payload format.", "BadRequest")
    if len(items) > LARGEST:
        raise bad_request(f"Number of batch request steps exceeds the maximum value of {LARGEST}.", "BadRequest")
    names = [item.get("id") for item in items]
    if not all(isinstance(name, str) and name for name in names) or len({*names}) < len(names):
        raise bad_request("Request id has to be specified, and unique within the batch.", "BadRequest")
    for item in items:
        _check(item, {str(name) for name in names} - {item["id"]})
    return items


def _check(item: Mapping[str, Any], others: set[str]) -> None:
    name = item["id"]
    unknown = item.keys() - {"id", "method", "url", "headers", "body", "dependsOn"}
    if unknown:
        raise bad_request(f"Invalid batch payload format: {', '.join(sorted(unknown))}.", "BadRequest")
    if item.get("method") not in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        raise bad_request(f"Request {name}: the method is missing or not supported.", "BadRequest")
    url = item.get("url")
    if not isinstance(url, str) or "://" in url or url.removeprefix("/").startswith(("v1.0/", "$batch")):
        raise bad_request(f"Request {name}: the url has to be relative to the version.", "BadRequest")
    headers = {str(header).lower() for header in (item.get("headers") or {})}
    if item.get("body") is not None and "content-type" not in headers:
        raise bad_request(f"Write request id : {name} does not contain Content-Type header or body.", "BadRequest")
    if not set(item.get("dependsOn") or []) <= others:
        raise bad_request(f"Request {name} depends on one that does not exist.", "BadRequest")
