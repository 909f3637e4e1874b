"""What still goes on once every directory that is written has the new password: the cloud following, people signed out.

A watch (a task of the kind WATCH, in the cloud's lane) never writes. Its states:

    waiting ──read before the first write──> checked ──all written, proved──> ready ──its set-time moved──> done
       │ not synced any more                                                    │ a day later, or account gone
       └──> refused (and the rotation with it)                                  └──> refused (the rotation succeeded)

The rotation stays open for its watches for ten minutes at most, then it is `Successful` with the cloud pending.

A sign-out (SIGN_OUT) begins `ready` once its account has the new password, and ends `done`, or `refused` with the
reason: that never fails the rotation.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from sqlmodel import Session

from bot.connections import signs_out
from storage.connections import get_connection
from storage.lanes import wake
from storage.models import Rotation, Task, TaskKind, TaskState, now
from storage.tasks import supersede_watches

WATCH_FIRST = frozenset({TaskState.WAITING, TaskState.REFUSED})
"""The states in which a watch holds back, or ends, a rotation nothing of which was written."""

OPEN_FOR = timedelta(minutes=10)
"""How long a rotation waits for the cloud."""
WATCHED_FOR = timedelta(hours=24)
"""How long the cloud is watched before people are told that it does not follow."""
FIRST_LOOK = timedelta(seconds=20)

NOT_FOLLOWED = "cloud-not-followed"


def follow(session: Session, rotation: Rotation, tasks: Sequence[Task]) -> None:
    """Everything that is written has it: from now on the cloud accounts are watched that take it over."""
    watches = [task for task in tasks if task.kind == TaskKind.WATCH and task.state == TaskState.CHECKED]
    for task in watches:
        task.state, task.taken_at, task.due_at = TaskState.READY, now(), now() + FIRST_LOOK
        task.reason = "Active Directory has the new password; the cloud takes it over by itself, within minutes."
        wake(session, task.connection_id)
    if watches:
        supersede_watches(session, rotation.id, [task.account_id for task in watches if task.account_id is not None])


def sign_out(session: Session, rotation: Rotation, tasks: Sequence[Task]) -> None:
    """The accounts of these steps have the new password: end their sessions, where that was asked for and can be."""
    if not rotation.sign_out:
        return
    for task in tasks:
        if signs_out(get_connection(session, task.connection_id)):
            session.add(
                Task(
                    organization_id=task.organization_id,
                    connection_id=task.connection_id,
                    kind=TaskKind.SIGN_OUT,
                    rotation_id=rotation.id,
                    account_id=task.account_id,
                    position=task.position,
                )
            )
            wake(session, task.connection_id)


def still_waited_for(task: Task) -> bool:
    """Whether the rotation stays open for this watch."""
    return (
        task.kind == TaskKind.WATCH and goes_on(task) and task.taken_at is not None and now() < task.taken_at + OPEN_FOR
    )


def goes_on(task: Task) -> bool:
    """Whether this outlives its rotation."""
    return task.kind != TaskKind.ROTATE and task.state == TaskState.READY and task.ended_at is None


def afterwards(tasks: Sequence[Task], names: Mapping[int, str]) -> Iterator[str]:
    """What became of it so far, in sentences."""
    for task in tasks:
        if task.kind == TaskKind.WATCH:
            yield _watched(task, names[task.connection_id])
        elif task.kind == TaskKind.SIGN_OUT:
            yield _signed_out(task, names[task.connection_id])


def _signed_out(task: Task, where: str) -> str:
    match task.state:
        case TaskState.DONE:
            return f"Whoever was signed in to {where} is signed out everywhere, within minutes."
        case TaskState.REFUSED:
            return f"The password is changed, but nobody was signed out of {where}: {task.reason}"
        case _:
            return f"Whoever is signed in to {where} is being signed out."


def _watched(task: Task, where: str) -> str:
    match task.state:
        case TaskState.DONE:
            return f"{where} has taken it over."
        case TaskState.READY if still_waited_for(task):
            return f"{where} takes it over by itself, usually within two minutes."
        case TaskState.READY:
            return (
                f"Cloud pending: {where} has not taken it over yet, so the old password may still hold there. It is "
                "watched for a day; nothing has to be rotated again."
            )
        case _:
            return task.reason
