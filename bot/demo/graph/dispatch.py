"""The way of a call to Graph: token, route, limits, rights, handler; a batch is many such ways."""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from bot.demo.graph import batch
from bot.demo.graph.answers import Answer, error_answer
from bot.demo.graph.calls import Call, read_json
from bot.demo.graph.errors import GraphError, HungUp, bad_request, denied
from bot.demo.graph.faults import through
from bot.demo.graph.recording import Recorded, shape
from bot.demo.graph.routes import Route, find_route
from bot.demo.graph.throttling import reduced
from bot.demo.graph.tokens import AccessToken

if TYPE_CHECKING:
    from bot.demo.graph.world import World

_VERSION = "/v1.0"
_NO_TOKEN = {"WWW-Authenticate": "Bearer"}


class Request:
    """One request as it came, alone or in a batch. `target` is path and query as sent, with `/v1.0`."""

    def __init__(
        self, world: "World", method: str, target: str, headers: Mapping[str, str], body: Any, *, batched: bool = False
    ) -> None:
        self.world = world
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.batched = batched
        self.tenant: str | None = None

    async def answer(self) -> Answer:
        """Carry it out; whatever is refused becomes an answer too. HungUp when nothing is to come back."""
        spent: dict[str, str] = {}
        try:
            with self.world.lock:
                caller = _authenticate(self.world, self.headers)
                self.tenant = caller.tenant.id
                path = self._path()
                if f"{self.method} {path}" == batch.NAME:
                    name, act = batch.NAME, self._batch
                else:
                    route, values = find_route(self.method, path)
                    name, act = route.name, partial(self._alone, caller, route, values, spent)
                fault = self.world.faults.next(name, self.tenant, path)

            answer = await through(fault, act)
        except GraphError as error:
            client_id = self.headers.get("client-request-id") or str(uuid.uuid4())
            answer = error_answer(error, self.world.clock.now(), str(uuid.uuid4()), client_id)
        except HungUp:
            self._record(0)
            raise
        self._record(answer.status)
        return Answer(answer.status, answer.body, {**spent, **answer.headers})

    def _path(self) -> str:
        path = unquote(self.target.partition("?")[0])
        if not path.startswith(f"{_VERSION}/"):
            raise bad_request(f"Invalid version: {path.split('/')[1]}", "BadRequest")
        return path.removeprefix(_VERSION)

    async def _alone(
        self, caller: AccessToken, route: Route, values: Mapping[str, str], spent: dict[str, str]
    ) -> Answer:
        """A call that is no batch; `spent` gets the headers that tell what it cost."""
        with self.world.lock:
            return self._carry_out(caller, route, values, spent)

    def _carry_out(self, caller: AccessToken, route: Route, values: Mapping[str, str], spent: dict[str, str]) -> Answer:
        world, tenant = self.world, caller.tenant
        options = _options(self.target.partition("?")[2])
        users = len(tenant.users) if tenant.size is None else tenant.size
        who = (caller.principal.client_id, tenant.id)
        spent |= world.throttling.count(
            who, users, reduced(route.cost, options), world.clock.now(), writes=route.writes
        )
        body = self._read_body()
        call = Call(world, options, self.target, self.headers, body, caller, route.template, values)
        for option in options:
            if option not in route.options:
                raise bad_request(f"The query option '{option}' is not supported here.")
        if not call.may(route.needs):
            raise denied()
        return route.handler(call)

    def _read_body(self) -> Any:
        if not isinstance(self.body, bytes):
            return self.body
        if self.body and not self.headers.get("content-type", "").startswith("application/json"):
            raise bad_request("Write requests must contain the Content-Type header declaration.")
        self.body = read_json(self.body)
        return self.body

    async def _batch(self) -> Answer:
        """POST /$batch: each item a call of its own, answered in no order; a lost one loses the whole reply."""
        items = batch.items_of(self._read_body())
        answers: dict[str, Answer] = {}
        lost = False
        for item in items:
            try:
                answers[item["id"]] = await self._item(item, answers)
            except HungUp:
                lost = True
        if lost:
            raise HungUp
        drawn = [
            {"id": name, "status": answer.status, "headers": dict(answer.headers)}
            | ({} if answer.body is None else {"body": answer.body})
            for name, answer in answers.items()
        ]
        return Answer(body={"responses": drawn[1::2] + drawn[::2]})

    async def _item(self, item: Mapping[str, Any], earlier: Mapping[str, Answer]) -> Answer:
        needed = item.get("dependsOn") or []
        if any(name not in earlier or earlier[name].status >= 400 for name in needed):
            error = GraphError(424, "FailedDependency", "The request failed due to a failed dependency.")
            return error_answer(error, self.world.clock.now(), str(uuid.uuid4()), str(uuid.uuid4()))
        headers = {name.lower(): str(value) for name, value in (item.get("headers") or {}).items()}
        whole = {"authorization": self.headers["authorization"], **headers}
        target = f"{_VERSION}/{item['url'].removeprefix('/')}"
        return await Request(self.world, item["method"], target, whole, item.get("body"), batched=True).answer()

    def _record(self, status: int) -> None:
        path, _, query = self.target.partition("?")
        body = None if isinstance(self.body, bytes) else shape(self.body)
        recorded = Recorded(
            self.method, path, dict(parse_qsl(query)), frozenset(self.headers), body, status, self.tenant, self.batched
        )
        self.world.requests.append(recorded)


def _authenticate(world: "World", headers: Mapping[str, str]) -> AccessToken:
    """Who calls; GraphError 401 without a token that holds, 403 with one from before Graph knew the application."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not value:
        raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.", _NO_TOKEN)
    token = world.tokens.find(value)
    if token is None:
        message = "Lifetime validation failed, the token is expired."
        raise GraphError(401, "InvalidAuthenticationToken", message, _NO_TOKEN)
    if token.issued_at < token.principal.usable_at:
        message = "The identity of the calling application could not be established."
        raise GraphError(403, "Authorization_IdentityNotFound", message)
    return token


def _options(query: str) -> dict[str, str]:
    """The query options by name; Graph's own documentation writes `$skipToken` and `$deltaToken` both ways."""
    pairs = [
        (name.lower() if name.lower().endswith("token") else name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    if len({name for name, _ in pairs}) < len(pairs):
        raise bad_request("Query option was specified more than once, but it must be specified at most once.")
    return dict(pairs)
