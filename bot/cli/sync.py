"""`rekey sync`: read the directories and the vaults outside anew."""

from typing import Any

import typer

from bot.app import scheduler
from bot.cli.console import Json, OfOrganization, organization_id, plain, print_json, progress, say, services, table
from bot.cli.door import REFUSED, UNREACHABLE
from bot.errors import BadInput
from bot.switches import is_read, why_off
from storage.connections import outside_connections
from storage.lanes import retry_now
from storage.models import Connection, Task, TaskState
from storage.tasks import request_sync


def sync(organization: OfOrganization = None, as_json: Json = False) -> None:
    """Read the directories and the vaults outside anew.

    Takes in what changed there, and suggests a record for every account that nobody has decided on.

    Exits 3 when one could not be reached; what the others said is kept.
    """
    ready = services()
    with ready.database.writing() as session:
        home = organization_id(session, organization)
        found = outside_connections(session, None if home is None else [home])
        if not found:
            raise BadInput("There is no directory to read. Name one in the world file and run `rekey apply`.")
        for owner, connection in found:
            if not is_read(connection):
                say(plain(f"! {connection.name} of {owner.name} is left out. {why_off(session, [connection])}"))
        found = [(owner, connection) for owner, connection in found if is_read(connection)]
        tasks = {request_sync(session, connection).id: connection for _owner, connection in found}
        retry_now(session, [connection.id for _owner, connection in found])
    with progress("connections") as told, scheduler(ready) as running:
        waiting = running.run_syncs(list(tasks), lambda waiting: told(len(tasks) - waiting.open, len(tasks)))
    with ready.database.reading() as session:
        ended = [session.get_one(Task, task_id) for task_id in tasks]
    done = [_document(tasks[task.id], task) for task in ended if task.state == TaskState.DONE]
    if as_json:
        print_json(done)
    else:
        for heads in _HEADS.values():
            rows = [[each[head] for head in heads] for each in done if heads[0] in each]
            if rows:
                table([head.upper() for head in heads], rows)
    for note in (note for task in ended for note in (task.result or {}).get("notes", [])):
        say(plain(note))
    refused = [task for task in ended if task.state == TaskState.REFUSED]
    for task in refused:
        say(plain(f"{tasks[task.id].name}: {task.reason} {task.mend}".rstrip()))
    for reason in waiting.reasons:
        say(plain(reason))
    if waiting.open:
        raise typer.Exit(UNREACHABLE)
    if refused:
        raise typer.Exit(REFUSED)


_HEADS = {
    "directory": ("directory", "accounts", "added", "changed", "removed", "suggested"),
    "vault": ("vault", "records", "added", "changed", "removed"),
}


def _document(connection: Connection, task: Task) -> dict[str, Any]:
    counts, (side, *heads) = task.result or {}, _HEADS[connection.side]
    return {side: connection.name, **{head: counts.get(head, 0) for head in heads}}
