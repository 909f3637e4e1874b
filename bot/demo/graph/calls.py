"""A call to Graph as its handler sees it; a `$batch` is taken apart into such calls."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.demo.graph.errors import bad_request
from bot.demo.graph.permissions import Needs
from bot.demo.graph.tenant import Tenant
from bot.demo.graph.tokens import AccessToken, effective_permissions

if TYPE_CHECKING:
    from bot.demo.graph.world import World


@dataclass
class Call:
    """One request to `/v1.0`, whether it came alone or in a batch."""

    world: "World"
    query: dict[str, str]
    target: str
    """Path and query exactly as they were sent, for links that must come back verbatim."""
    headers: Mapping[str, str]
    """By lower-case names."""
    body: Any
    """What the JSON says; None when there was no body."""
    caller: AccessToken
    template: str
    """The route's path, with its keys in braces."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The parts of the path that the route's template names."""

    @property
    def tenant(self) -> Tenant:
        """The tenant the token is for: Graph's paths name none."""
        return self.caller.tenant

    @property
    def now(self) -> datetime:
        """The present."""
        return self.world.clock.now()

    def may(self, needs: Needs) -> bool:
        """Whether the caller has a permission that lets it do this."""
        return needs.met_by(effective_permissions(self.caller), delegated=self.caller.delegated)

    def object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        if not isinstance(self.body, dict):
            raise bad_request("Empty Payload. JSON content expected.", "BadRequest")
        return self.body

    def number(self, option: str, *, default: int, most: int) -> int:
        """A query option that is a number from 1 to `most`."""
        said = self.query.get(option)
        if said is None:
            return default
        if not said.isdecimal() or not 1 <= int(said) <= most:
            raise bad_request(f"Invalid page size specified: '{said}'. Must be between 1 and {most} inclusive.")
        return int(said)

    def context(self, what: str) -> dict[str, Any]:
        """Where the answer's type is described."""
        return {"@odata.context": f"{self.world.graph}/v1.0/$metadata#{what}"}


def read_json(body: bytes) -> Any:
    """What a request's body says; None when it is empty, GraphError when it is not JSON."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_request("Unable to read JSON request payload.", "BadRequest") from error
