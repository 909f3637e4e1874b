"""Pages: links that are opaque, that come back verbatim or not at all, and that can be told to expire."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.demo.graph.calls import Call
from bot.demo.graph.errors import GraphError, bad_request

Item = TypeVar("Item")

DEFAULT_PAGE, LARGEST_PAGE = 100, 999


@dataclass
class Page(Generic[Item]):
    """A listing, kept between two pages."""

    target: str
    tenant: str
    items: Sequence[Item]
    at: int
    """How many of them were shown."""
    size: int
    expired: bool = False


class Pages:
    """The links that were given out."""

    def __init__(self) -> None:
        self._kept: dict[str, Page[Any]] = {}

    def expire(self) -> None:
        """No link given out until now works any more."""
        for page in self._kept.values():
            page.expired = True

    def listed(
        self,
        call: Call,
        items: Callable[[], Sequence[Item]],
        drawn: Callable[[Item], dict[str, Any]],
        what: str,
        *,
        largest: int = LARGEST_PAGE,
    ) -> dict[str, Any]:
        """One page of a listing: the first, or the one that the call's `$skiptoken` stands for."""
        token = call.query.get("$skiptoken")
        page = self._continued(call, token) if token else self._begun(call, items(), largest)
        body = call.context(what)
        if not token and call.query.get("$count") == "true" and call.headers.get("consistencylevel") == "eventual":
            body["@odata.count"] = len(page.items)
        after = page.at if call.tenant.empty_pages and not token else page.at + page.size
        if after < len(page.items):
            body["@odata.nextLink"] = self._link(call, page, after)
        body["value"] = [drawn(item) for item in page.items[page.at : after]]
        return body

    def _begun(self, call: Call, items: Sequence[Item], largest: int) -> Page[Item]:
        size = call.number("$top", default=min(DEFAULT_PAGE, largest), most=largest)
        return Page(call.target, call.tenant.id, items, 0, size)

    def _continued(self, call: Call, token: str) -> Page[Any]:
        page = self._kept.get(token)
        if page is None or page.target != call.target or page.tenant != call.tenant.id:
            raise bad_request("The skip token is not one that was given out, or its link was changed.", "BadRequest")
        if page.expired:
            raise GraphError(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")
        return page

    def _link(self, call: Call, page: Page[Any], after: int) -> str:
        token = secrets.token_urlsafe(24)
        begun, _, query = call.target.partition("?")
        tokens = ("$skiptoken=", "%24skiptoken=")
        kept = [part for part in query.split("&") if part and not part.lower().startswith(tokens)]
        target = f"{begun}?{'&'.join([*kept, f'$skiptoken={token}'])}"
        self._kept[token] = Page(target, call.tenant.id, page.items, after, page.size)
        return call.world.graph + target
