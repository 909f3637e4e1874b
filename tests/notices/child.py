"""The process that is killed: it empties the outbox once, and dies at the boundary it was told to.

Boundaries are each commit and each call to Slack: before it, after it, and inside (the request is out, its answer not
read yet).
"""

import http.client
from pathlib import Path
from typing import Any

from slack_sdk import WebClient
from sqlalchemy import event

from bot.notices import Notices
from bot.slack import Slack
from storage.database import Database
from tests.crash.child import Trap
from tests.notices.postroom import DRAWS

CALLS = ("shared_outside", "open_direct", "post", "edit", "delete", "find")


def run(url: str, api_url: str, token: str, target: str | None, log: str | None) -> None:
    """Send what is owed and may be sent now, unless killed before."""
    trap = Trap(target, Path(log) if log else None)
    for call in CALLS:
        trap.around(Slack, call, call)
    _inside_calls(trap)
    database = Database(url)

    def commits(connection: Any) -> None:
        if connection.get_execution_options().get("rekey_writes", False):
            trap.reached("before commit")

    event.listen(database.engine, "commit", commits)
    outbox = Notices(database, Slack(WebClient(token, base_url=api_url, timeout=10, retry_handlers=[])), DRAWS)
    outbox.drain()
    trap.reached("sent")
    outbox.let_go()


def _inside_calls(trap: Trap) -> None:
    connection: Any = http.client.HTTPConnection
    original = connection.getresponse

    def trapped(self: Any) -> http.client.HTTPResponse:
        trap.reached("inside call")
        answer: http.client.HTTPResponse = original(self)
        return answer

    connection.getresponse = trapped
