"""Ending the sessions of accounts that have their new password: asked for besides, and never a reason to fail."""

from collections.abc import Sequence

from bot.audit import Line
from bot.directories.base import Directory, SignsOut
from bot.errors import Refused, RekeyError
from bot.rotation.calls import worst
from bot.rotation.engine import Settlement
from bot.rotation.worker import SYSTEMIC, Worker, each
from storage.lanes import hold
from storage.models import Task, TaskState, now
from storage.tasks import Step, hindrance_to_signing_out, steps_of


def sign_out(worker: Worker, directory: Directory, tasks: Sequence[Task]) -> None:
    """End the sessions of each; a refusal ends the task with its reason, an outage leaves it due.

    Ending them twice does no harm, so a lost reply is asked again. Raises the systemic error that stopped it.
    """
    with worker.database.reading() as session:
        steps = steps_of(session, [task.id for task in tasks])

    def end(step: Step) -> bool:
        if not isinstance(directory, SignsOut):
            raise Refused("This directory cannot end sessions.", cause="sign-out-not-offered")
        with worker.database.reading() as session:
            if hindrance_to_signing_out(session, step.task.id, worker.token):
                return False
        directory.sign_out(step.account.object_id)
        return True

    answers = each(worker, end, steps)
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        settlement = Settlement(session, worker.safe, worker.trail)
        moved = set()
        for step, answer in zip(steps_of(session, [step.task.id for step in steps]), answers, strict=True):
            if isinstance(answer, SYSTEMIC) or answer is False:
                continue
            _keep(settlement, step, answer)
            moved.add(step.rotation.id)
        settlement.advance(moved)
    trouble = worst(answers)
    if trouble is not None:
        raise trouble


def _keep(settlement: Settlement, step: Step, answer: bool | RekeyError) -> None:
    task, account = step.task, step.account
    task.ended_at = now()
    task.state = TaskState.DONE
    if isinstance(answer, RekeyError):
        task.state, task.reason = TaskState.REFUSED, str(answer)
        task.cause, task.mend = getattr(answer, "cause", ""), getattr(answer, "mend", "")
    settlement.lines.append(
        Line(
            event="account.signed_out",
            operator=step.rotation.requested_by,
            source="engine",
            organization=step.organization,
            subject=f"rotation {step.rotation.id} of record {step.rotation.record_id}",
            result="ok" if task.state == TaskState.DONE else "failed",
            details={"account": f"{account.domain}\\{account.username}", "reason": task.reason},
        )
    )
