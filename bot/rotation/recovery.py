"""Repair first: look at what was interrupted, and wait for a system that is away without giving anything up.

Refusals are bounded, outages are not. A system that does not answer is looked at again with growing pauses, and its
rotations stay in progress. One that refuses our own sign-in, or cannot prove who it is, is not asked again until a
person says so: every rotation of its lane by which nothing was touched ends at once, with that one cause.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta

from bot.audit import Line
from bot.directories.base import Directory, Look, Proof
from bot.errors import (
    NoAnswer,
    OutsideError,
    Refused,
    RekeyError,
    StorageError,
    Throttled,
)
from bot.rotation.calls import proofs, worst
from bot.rotation.engine import Refusal, Results, Settlement
from bot.rotation.recording import refuse_unbegun
from bot.rotation.worker import LOCKOUT_WINDOW, STOPPING, SYSTEMIC, Worker, note_stopped
from storage.connections import get_connection
from storage.lanes import hold, note_failure
from storage.models import Organization, ProofTry, Revision, RevisionState, Status, Task, TaskState, now
from storage.revisions import find_revisions, open_revision
from storage.tasks import Step, steps_of, unproven_tries, untouched_of_lane

_FIRST_PAUSE = timedelta(seconds=1)
_AT_ONCE = 200
_DOCTOR = "Mend the cause (rekey doctor names it)."


def look(worker: Worker, directory: Directory, tasks: Sequence[Task]) -> None:
    """Ask the directory what became of writes that were interrupted, before anything else is written.

    Each look is at most one sign-in attempt, counted before it is made. Raises the systemic error that stopped it.
    """
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        steps = steps_of(session, [task.id for task in tasks])
        unproven = unproven_tries(session, [step.account.id for step in steps], LOCKOUT_WINDOW)
        currents = find_revisions(session, [step.record.id for step in steps], RevisionState.CURRENT)
        session.add_all(ProofTry(account_id=step.account.id, task_id=step.task.id) for step in steps)
        for step in steps:
            if step.task.state == TaskState.APPLYING and step.revision is not None:
                # Not answered for. Even when it is not found now, its request may lie in a queue and arrive later.
                step.revision.unsure = True

    looks: list[Look | RekeyError] = [_to_look_for(worker, step, currents, unproven) for step in steps]
    found = iter(proofs(worker, directory, [each for each in looks if isinstance(each, Look)]))
    answers = [next(found) if isinstance(each, Look) else each for each in looks]
    results = Results()
    for step, answer in zip(steps, answers, strict=True):
        if isinstance(answer, Proof):
            results.proofs[step.task.id] = answer
        elif isinstance(answer, SYSTEMIC):
            results.unanswered[step.task.id] = answer
        else:
            results.unknowable[step.task.id] = answer
    worker.settle(results)
    trouble = worst(answers)
    if trouble is not None:
        raise trouble


def _to_look_for(
    worker: Worker, step: Step, currents: Mapping[int, Revision], unproven: Mapping[int, int]
) -> Look | RekeyError:
    back, task = step.task.state == TaskState.PUTTING_BACK, step.task
    revision = currents.get(step.record.id) if back else step.revision
    if revision is None:
        return RekeyError(f"Rotation {step.rotation.id} has no password to look for; its rows do not fit together.")
    try:
        secret = open_revision(worker.safe, step.organization.uid, step.record.uid, revision)
    except StorageError as error:
        return error
    tries = unproven.get(step.account.id, 0)
    return Look(step.account.object_id, secret, task.set_at_before, task.server, tries, task.times_set_before)


def note_trouble(worker: Worker, error: OutsideError, longest_pause: timedelta) -> None:
    """A system is away, slows us down, or refuses us altogether: decide when its lane is looked at again."""
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        # Away is away, whether the port is closed or nothing answers: pauses grow all the same.
        failures = note_failure(session, lane, error.cause, str(error), identical=False)
        if isinstance(error, STOPPING):
            note_stopped(lane, error)
        elif isinstance(error, Throttled):
            lane.backoff_until = now() + timedelta(seconds=error.retry_after)
        elif not (isinstance(error, NoAnswer) and failures == 1):  # the first lost reply is looked up at once
            pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 20), longest_pause)
            lane.backoff_until = now() + pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, keeps no secret
        if failures == 1 or lane.stopped_at is not None:
            connection = get_connection(session, worker.connection_id)
            worker.trail.append_all(
                session,
                [
                    Line(
                        event="lane.stopped" if lane.stopped_at is not None else "lane.failed",
                        operator="rekey",
                        source="engine",
                        organization=session.get_one(Organization, connection.organization_id),
                        subject=f"connection {connection.name}",
                        result=error.cause,
                        details={"reason": str(error)},
                    )
                ],
            )


def refuse_rest(worker: Worker) -> None:
    """A lane has stopped: end every rotation waiting for it by which nothing was touched, with the lane's one cause.

    Rotations that may have been written stay in progress: they are looked at when the lane is asked for again.
    """
    refuse_unbegun(worker)
    while True:
        with worker.database.writing() as session:
            lane = hold(session, worker.connection_id, worker.token)
            steps = steps_of(session, [task.id for task in untouched_of_lane(session, worker.connection_id, _AT_ONCE)])
            if lane.stopped_at is None or not steps:
                return
            name = get_connection(session, worker.connection_id).name
            why = lane.failure_reason.removesuffix(" No password was touched.")
            settlement = Settlement(session, worker.safe, worker.trail)
            for step in steps:
                error = Refused(
                    f"{name} was not asked: {why} No password was touched.",
                    cause=lane.failure_cause,
                    mend=f"{lane.failure_mend or _DOCTOR} Then rotate again: {name} is asked anew.",
                )
                settlement.refuse(step, Refusal(error, Status(lane.failure_status or Status.API_ERROR)))
            settlement.advance({step.rotation.id for step in steps})
