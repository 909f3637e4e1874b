"""GET /users/delta: everybody once, then only what has changed since.

Tokens live seven days. Microsoft says that changes may be replayed and repeated; `Tenant.delta_repeats` makes it so.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.demo.graph.answers import Answer
from bot.demo.graph.calls import Call
from bot.demo.graph.errors import GraphError, bad_request
from bot.demo.graph.paging import DEFAULT_PAGE, LARGEST_PAGE
from bot.demo.graph.people import User
from bot.demo.graph.user_shape import ONE_AT_A_TIME, UNASKED, drawer, selected

LIFETIME = timedelta(days=7)
LATEST = "latest"

_MOST_IDS = 50
_BY_ID = re.compile(r"id eq '([^']+)'")
_PREFERRED = re.compile(r"odata\.maxpagesize=(\d+)")


@dataclass
class _Position:
    """Where a link goes on: through the rest of a round, or from a number of change on."""

    target: str
    tenant: str
    given_at: datetime
    since: int
    rest: Sequence[User] | None
    """What is left of this round; None begins the next one."""
    resync: bool = False


class Deltas:
    """The links that were given out."""

    def __init__(self) -> None:
        self._positions: dict[str, _Position] = {}

    def resync(self) -> None:
        """Every link given out until now is answered with 410 and the place to begin again."""
        for position in self._positions.values():
            position.resync = True

    def answer(self, call: Call) -> Answer:
        """One page of a round; GraphError 410 or 400 when its link does not hold any more."""
        names = _names(call)
        token = call.query.get("$skiptoken") or call.query.get("$deltatoken")
        if token == LATEST:
            return self._page(call, names, [], call.tenant.changes)
        if not token:
            return self._page(call, names, _everybody(call), call.tenant.changes)
        position = self._position(call, token)
        if position.rest is not None:
            return self._page(call, names, position.rest, position.since)
        tenant = call.tenant
        changed = [user for user in tenant.users.values() if user.touched > position.since]
        if tenant.delta_repeats:
            changed = [*changed, *changed, *_everybody(call)[:1]]
        return self._page(call, names, changed, tenant.changes)

    def _page(self, call: Call, names: Sequence[str], users: Sequence[User], upto: int) -> Answer:
        size = _page_size(call)
        rest = users[size:]
        body = call.context("users/$delta")
        draw = drawer(call, [*names, "id"])
        body["value"] = [draw(user) if user.deleted_at is None else _removed(user) for user in users[:size]]
        if rest:
            body["@odata.nextLink"] = self._link(call, "$skiptoken", upto, rest)
        else:
            body["@odata.deltaLink"] = self._link(call, "$deltatoken", upto, None)
        return Answer(body=body)

    def _link(self, call: Call, option: str, since: int, rest: Sequence[User] | None) -> str:
        token = secrets.token_urlsafe(32)
        target = f"{_without_token(call.target)}{option}={token}"
        self._positions[token] = _Position(target, call.tenant.id, call.now, since, rest)
        return call.world.graph + target

    def _position(self, call: Call, token: str) -> _Position:
        position = self._positions.get(token)
        if position is None or position.target != call.target or position.tenant != call.tenant.id:
            raise bad_request("The delta token is not one that was given out, or its link was changed.", "BadRequest")
        if position.resync:
            again = f"{call.world.graph}{_without_token(call.target)}$deltatoken="
            message = "The delta token is no longer valid, and the application must reset the sync state."
            raise GraphError(410, "resyncRequired", message, {"Location": again})
        if position.given_at + LIFETIME <= call.now:
            raise bad_request("The sync state generation is not found; continuing is impossible.", "syncStateNotFound")
        return position


def list_changes(call: Call) -> Answer:
    """GET /users/delta."""
    return call.world.deltas.answer(call)


def _names(call: Call) -> Sequence[str]:
    names = selected(call, collection=False, unasked=UNASKED)
    refused = [name for name in names if name in ONE_AT_A_TIME | {"signInActivity"}]
    if refused:
        raise bad_request(f"$select is not supported for these properties: {', '.join(refused)}.")
    return [name for name in names if name != "id"]


def _everybody(call: Call) -> list[User]:
    there = [user for user in call.tenant.users.values() if user.deleted_at is None]
    said = call.query.get("$filter")
    if said is None:
        return there
    parts = [_BY_ID.fullmatch(part.strip()) for part in said.split(" or ")]
    ids = {found[1] for found in parts if found}
    if len(ids) < len(parts) or len(ids) > _MOST_IDS:
        raise bad_request(f"A delta is filtered by at most {_MOST_IDS} ids, and by nothing else.")
    return [user for user in there if user.id in ids]


def _page_size(call: Call) -> int:
    preferred = _PREFERRED.search(call.headers.get("prefer", ""))
    return min(LARGEST_PAGE, int(preferred[1])) if preferred else DEFAULT_PAGE


def _removed(user: User) -> dict[str, Any]:
    return {"id": user.id, "@removed": {"reason": "deleted" if user.purged else "changed"}}


def _without_token(target: str) -> str:
    begun, _, query = target.partition("?")
    tokens = ("$skiptoken=", "$deltatoken=", "%24skiptoken=", "%24deltatoken=")
    kept = [part for part in query.split("&") if part and not part.lower().startswith(tokens)]
    return f"{begun}?{''.join(f'{part}&' for part in kept)}"
