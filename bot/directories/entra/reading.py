"""Listing a tenant's accounts: all of them, or what changed since the last time.

Changes come from Graph's delta, which says who changed and not reliably how: whoever it names is read anew. Roles and
groups do not touch a user, so what they make of each is compared every time. Microsoft does not say whether a password
change alone shows in a delta, and a delta's token lives for a week: so once a day everything is read.

One request carries the roles and where the next delta begins; the first page of users goes with the groups' members.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Self

from bot.directories.base import Changes, SeenAccount
from bot.directories.entra import tiers as who
from bot.directories.entra.accounts import SELECT, TRACKED, User, moment, seen
from bot.directories.entra.diagnostics import READ_USERS, read_failed
from bot.directories.entra.graph import Graph
from bot.directories.entra.standing import POLICY
from bot.directories.entra.tiers import Tiers
from bot.directories.entra.tokens import Token
from bot.http_session import Reply

_ALL = f"/users?$select={SELECT}&$top=999"
_FROM_NOW = f"/users/delta?$select={TRACKED}&$deltatoken=latest"
_WHOM = "list the tenant's users"
_FULLY = timedelta(hours=24)
_MANY = 1_000
"""More accounts than this changed: reading everything takes fewer requests than reading them one by one."""
_NO_RIGHT = frozenset({401, 403, 429})


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a listing ended, as the JSON text a connection keeps."""

    tenant: str
    delta: str
    """Where the next delta begins, without Graph's origin: that is never taken from a row."""
    read_at: str
    """When everything was read, by Graph's clock."""
    marks: Mapping[str, str]
    """What roles and groups made of whom."""

    def text(self) -> str:
        return json.dumps({"v": 1, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        try:
            value = json.loads(text or "")
            if value.pop("v") != 1 or not value["delta"].startswith("/users/delta?"):
                return None
            return cls(**{**value, "marks": dict(value["marks"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None  # written by another version: everything is read


def changes(graph: Graph, since: str | None) -> tuple[Changes, Tiers]:
    """See `Directory.accounts`; and who holds which role now. The accounts are read as they are asked for."""
    before = _Cursor.parse(since)
    if before is not None and before.tenant == graph.settings.tenant_id:
        found = _since(graph, before)
        if found is not None:
            return found
    return _everything(graph)


def _everything(graph: Graph) -> tuple[Changes, Tiers]:
    *replies, begun = graph.get_all([*who.PATHS, _FROM_NOW])
    # Read only now: whatever changes from here on is seen again by the next delta, never missed.
    tiers, (users,) = who.read(graph, replies, [_ALL])
    token = graph.token()
    link = str(graph.expect(begun, READ_USERS, _WHOM).get("@odata.deltaLink") or "")
    now = graph.time()
    cursor = _Cursor(
        graph.settings.tenant_id,
        graph.relative(link) if link else "",
        now.isoformat() if now else "",
        tiers.marks(token),
    )
    graph.expect(users, READ_USERS, _WHOM)
    listed = _Listing(graph, tiers, token).all(users)
    return Changes(listed, cursor.text(), complete=True, domain_names=tiers.domains, policies=(POLICY,)), tiers


def _since(graph: Graph, before: _Cursor) -> tuple[Changes, Tiers] | None:
    """What changed; None when that cannot be told, or it is time to read everything."""
    *replies, first = graph.get_all([*who.PATHS, before.delta])
    now, read_at = graph.time(), moment(before.read_at)
    if now is None or read_at is None or now - read_at >= _FULLY:
        return None
    if first.status != 200:
        if first.status >= 500 or first.status in _NO_RIGHT:
            raise read_failed(graph.settings, first, READ_USERS, _WHOM)
        return None  # its token has run out (410, or 40x with one of several codes)
    tiers, _ = who.read(graph, replies)
    token = graph.token()
    touched, gone, link = _named(graph, first)
    marks = tiers.marks(token)
    touched |= {each for each in {*marks, *before.marks} if marks.get(each) != before.marks.get(each)} - gone
    if link is None or len(touched) > _MANY:
        return None
    listing = _Listing(graph, tiers, token)
    accounts = listing.some(sorted(touched))
    # Somebody may be gone who was never a user: a group or an application that held a role.
    removed = tuple(sorted(gone | listing.missing))
    cursor = _Cursor(before.tenant, graph.relative(link), before.read_at, marks)
    found = Changes(
        accounts, cursor.text(), complete=False, removed=removed, domain_names=tiers.domains, policies=(POLICY,)
    )
    return found, tiers


def _named(graph: Graph, first: Reply) -> tuple[set[str], set[str], str | None]:
    """Whom a delta names as changed and as gone, and where the next one begins."""
    touched: set[str] = set()
    gone: set[str] = set()
    link: str | None = None
    for page in graph.pages(first, READ_USERS, _WHOM):
        for each in page.get("value", ()):
            user = str(each["id"])
            present, absent = (gone, touched) if "@removed" in each else (touched, gone)
            present.add(user)
            absent.discard(user)  # named twice: the later word counts
        link = page.get("@odata.deltaLink", link)
    return touched, gone, link


class _Listing:
    """Users on their way to becoming accounts."""

    def __init__(self, graph: Graph, tiers: Tiers, token: Token) -> None:
        self._graph = graph
        self._tiers = tiers
        self._token = token
        self.missing: set[str] = set()
        """Those of `some` that are not users, or not any more."""

    def all(self, first: Reply) -> Iterator[SeenAccount]:
        """Every user there is; each once, though pages may overlap."""
        shown: set[str] = set()
        for user in self._graph.listed(first, READ_USERS, _WHOM):
            if user["id"] not in shown:
                shown.add(str(user["id"]))
                yield self._seen(user)

    def some(self, ids: Sequence[str]) -> list[SeenAccount]:
        """These, as they are now."""
        found = []
        for user_id, reply in zip(ids, self._graph.get_all([user_path(each) for each in ids]), strict=True):
            if reply.status == 404:
                self.missing.add(user_id)
            else:
                found.append(self._seen(self._graph.expect(reply, READ_USERS, _WHOM)))
        return found

    def _seen(self, user: User) -> SeenAccount:
        return seen(self._graph.settings, user, self._tiers, self._token)


def user_path(account: str) -> str:
    """Where one user is read."""
    return f"/users/{account}?$select={SELECT}"
