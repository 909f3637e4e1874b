"""Tasks that are no step of a rotation: reading a system anew, making records in it. Done whole, or due again."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bot.errors import Refused
from bot.rotation.worker import SYSTEMIC, Worker
from storage.lanes import hold, note_success
from storage.models import Task, TaskState, now
from storage.notices import MATCH_REVIEW, touch


def run(worker: Worker, task: Task, do: Callable[[], Any]) -> None:
    """Do it, and keep what it returns (a dataclass) with the task. A refusal ends the task with its reason; an outage
    is raised, and leaves it due.
    """
    refusal: Refused | None = None
    result: Any = None
    try:
        result = do()
    except Refused as error:
        refusal = error
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        kept = session.get_one(Task, task.id)
        kept.ended_at = now()
        touch(session, MATCH_REVIEW, kept.organization_id)
        if refusal is None:
            kept.state, kept.result = TaskState.DONE, asdict(result)
            note_success(session, lane)
        else:
            kept.state = TaskState.REFUSED
            kept.reason, kept.cause, kept.mend = str(refusal), refusal.cause, refusal.mend
    if isinstance(refusal, SYSTEMIC):
        raise refusal
