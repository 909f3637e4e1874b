"""What goes back over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.demo.graph.errors import GraphError


@dataclass(frozen=True)
class Answer:
    """A status, a body and headers. A body of None is empty, text is a page of HTML, anything else is JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def error_answer(error: GraphError, now: datetime, request_id: str, client_request_id: str) -> Answer:
    """An error as Graph words it."""
    inner = {"date": f"{now:%Y-%m-%dT%H:%M:%S}", "request-id": request_id, "client-request-id": client_request_id}
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return Answer(error.status, body, error.headers)
