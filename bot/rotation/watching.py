"""Watching the cloud take a password over from Active Directory: reading only, never a second reset.

Before the first write the set-time of each watched account is read; once every directory that is written was proved to
have the new password, it is looked at with growing pauses until it moved. What only time brings about, the clock does:
a lane that is away or stopped holds no rotation back.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session

from bot.audit import Line, Trail
from bot.directories.base import Directory, Standing
from bot.errors import NotFound, OutsideError, Refused, RekeyError
from bot.rotation.afterwards import FIRST_LOOK, NOT_FOLLOWED, OPEN_FOR, WATCHED_FOR, sign_out
from bot.rotation.calls import standings, worst
from bot.rotation.engine import Refusal, Settlement
from bot.rotation.staging import requesters_of, why_not
from bot.rotation.worker import SYSTEMIC, Worker
from storage.connections import connection_names
from storage.lanes import hold
from storage.models import Organization, Rotation, Status, Task, TaskState, now
from storage.notices import CLOUD, post
from storage.revisions import Safe
from storage.tasks import Step, steps_of, watches_not_begun, watches_since, watches_that_hold_back

_LONGEST_PAUSE = timedelta(minutes=15)
_HELD_BACK_FOR = timedelta(minutes=1)
"""How long a rotation waits for a cloud that is away to be read first."""


def watch(worker: Worker, directory: Directory, tasks: Sequence[Task]) -> None:
    """Read these accounts once. Raises the systemic error that stopped it, after keeping what was found out before."""
    with worker.database.reading() as session:
        steps = steps_of(session, [task.id for task in tasks])
    seen = standings(worker, directory, [step.account.object_id for step in steps])
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        settlement = Settlement(session, worker.safe, worker.trail)
        moved = set()
        for step, standing in zip(steps_of(session, [step.task.id for step in steps]), seen, strict=True):
            if isinstance(standing, SYSTEMIC) or step.task.ended_at is not None:
                continue
            if step.task.state == TaskState.WAITING:
                _read_first(session, worker, settlement, step, standing)
                moved.add(step.rotation.id)
            elif step.task.state == TaskState.READY and _look(settlement, step, standing):
                moved.add(step.rotation.id)
        settlement.advance(moved)
    trouble = worst(seen)
    if trouble is not None:
        raise trouble


def _read_first(
    session: Session, worker: Worker, settlement: Settlement, step: Step, standing: Standing | RekeyError
) -> None:
    """Note how things were before, or refuse the rotation while nothing of it was written."""
    task, account = step.task, step.account
    if isinstance(standing, NotFound):
        _end(task, TaskState.CANCELLED, f"{_whose(step)} is gone from the cloud, so nothing was watched there.")
        return
    if isinstance(standing, Standing) and standing.allowed:
        refusal: Refusal | None = Refusal(
            Refused(
                f"{_whose(step)} is not synced from Active Directory any more. Nothing was changed.",
                cause="synced-no-longer",
                mend="Sync, then rotate again: the account has a password of its own now.",
            ),
            Status.NOT_PERMITTED,
        )
    else:
        # Nothing is written there, but whoever may not rotate an administrator of the cloud may not do it this way.
        judged = replace(standing, allowed=True) if isinstance(standing, Standing) else standing
        refusal = why_not(session, worker, requesters_of(session, worker, [step]), step, judged)
    if refusal is not None:
        settlement.refuse(step, refusal)
    elif isinstance(standing, Standing) and not standing.synced:  # federated, for one: it holds no password at all
        _end(task, TaskState.CANCELLED, f"{standing.reason} So nothing was watched there.")
    elif isinstance(standing, Standing):
        task.state, task.set_at_before = TaskState.CHECKED, standing.password_set_at
        account.password_set_at = standing.password_set_at


def _look(settlement: Settlement, step: Step, standing: Standing | RekeyError) -> bool:
    """Whether what is known has changed: it followed, or there is nothing to follow any more."""
    task = step.task
    if isinstance(standing, Standing):
        set_at = standing.password_set_at
        if set_at is not None and (task.set_at_before is None or set_at > task.set_at_before):
            _end(task, TaskState.DONE, "")
            step.account.password_set_at = step.account.proved_set_at = set_at
            step.account.proved_revision_id = step.rotation.revision_id
            settlement.lines.append(_line(step, "rotation.cloud_followed"))
            sign_out(settlement.session, step.rotation, [task])
            return True
        task.tries += 1
        task.due_at = now() + min(FIRST_LOOK * 2 ** min(task.tries, 10), _LONGEST_PAUSE)
        return False
    _end(task, TaskState.REFUSED, f"Whether the cloud took it over could not be seen: {standing}")
    if isinstance(standing, OutsideError):
        task.cause, task.mend = standing.cause, standing.mend
    settlement.lines.append(_line(step, "rotation.cloud_unwatched", result=task.cause or "failed"))
    return True


def look_after(session: Session, safe: Safe, trail: Trail, at: datetime) -> None:
    """The clock's part: no rotation waits for the cloud too long, and after a day people are told that it is amiss."""
    settlement = Settlement(session, safe, trail)
    moved: set[int] = set()
    for step in _steps(session, watches_not_begun(session, at - _HELD_BACK_FOR)):
        # What the last read of the directory said is the best there is; it was no later than now.
        step.task.state, step.task.set_at_before = TaskState.CHECKED, step.account.password_set_at
        moved.add(step.rotation.id)
    for step in _steps(session, watches_since(session, at - WATCHED_FOR)):
        _give_up(session, settlement, step)
        moved.add(step.rotation.id)
    for step in _steps(session, watches_that_hold_back(session, at - OPEN_FOR)):
        settlement.lines.append(_line(step, "rotation.cloud_pending"))
        moved.add(step.rotation.id)
    if moved:
        settlement.advance(moved)


def _steps(session: Session, tasks: Sequence[Task]) -> list[Step]:
    return steps_of(session, [task.id for task in tasks])


def _give_up(session: Session, settlement: Settlement, step: Step) -> None:
    task, name = step.task, connection_names(session, [step.task.connection_id])[step.task.connection_id]
    _end(
        task,
        TaskState.REFUSED,
        f"{name} has not taken it over for a day: the old password may still hold there. Nothing was reset again. Look "
        "whether password hash synchronization runs in Microsoft Entra Connect; once it does, the cloud follows.",
    )
    task.cause = NOT_FOLLOWED
    settlement.lines.append(_line(step, "rotation.cloud_not_followed", result="failed"))
    address = step.organization.channel or step.rotation.requested_by
    if not address.startswith("cli:"):
        post(session, kind=CLOUD, subject=task.connection_id, address=address, organization_id=step.organization.id)


def _end(task: Task, state: TaskState, reason: str) -> None:
    task.state, task.reason, task.ended_at = state, reason, now()


def _whose(step: Step) -> str:
    return f"{step.account.domain}\\{step.account.username}"


def _line(step: Step, event: str, result: str = "ok") -> Line:
    rotation: Rotation = step.rotation
    organization: Organization = step.organization
    return Line(
        event=event,
        operator="rekey",
        source="engine",
        organization=organization,
        subject=f"rotation {rotation.id} of record {rotation.record_id}",
        result=result,
        details={"account": _whose(step)},
    )
