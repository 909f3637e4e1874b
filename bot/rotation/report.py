"""What people are told about rotations: one line per record, in the seven words, with the reason in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from storage.connections import connection_names
from storage.lanes import get_lane
from storage.models import Account, Organization, Record, Rotation, RotationState, Status, Task, TaskKind, TaskState
from storage.recordings import record_tasks_of
from storage.rotations import latest_rotations, matched_accounts
from storage.tasks import steps_of_rotations


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """How one account of a record fared."""

    directory: str
    account: str
    status: Status | None


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """How a record's latest rotation stands; `status` is None when it was never rotated."""

    record: Record
    organization: Organization
    rotation: Rotation | None
    status: Status | None
    reason: str
    mend: str
    accounts: tuple[AccountStatus, ...]


def report(session: Session, records: Sequence[tuple[Organization, Record]]) -> list[RecordStatus]:
    """Each record's latest rotation, in the order given."""
    ids = [record.id for _organization, record in records]
    latest = latest_rotations(session, ids)
    tasks = steps_of_rotations(session, [rotation.id for rotation in latest.values()])
    vaults = record_tasks_of(session, [rotation.id for rotation in latest.values()])
    matched = matched_accounts(session, ids)
    names = connection_names(session, {task.connection_id for steps in tasks.values() for task in steps})
    found = []
    for organization, record in records:
        rotation = latest.get(record.id)
        steps = tasks.get(rotation.id, []) if rotation is not None else []
        towards_vault = vaults.get(rotation.id) if rotation is not None else None
        if steps and rotation is not None:
            accounts = tuple(
                AccountStatus(names[task.connection_id], _username(session, task), _account_status(rotation, task))
                for task in steps
                if task.kind != TaskKind.SIGN_OUT
            )
        else:
            status = Status(rotation.status) if rotation is not None else None
            accounts = tuple(
                AccountStatus(each.connection.name, each.account.username, status) for each in matched[record.id]
            )
        found.append(
            RecordStatus(
                record=record,
                organization=organization,
                rotation=rotation,
                status=Status(rotation.status) if rotation is not None else None,
                reason=_reason(session, organization, rotation, [*([towards_vault] if towards_vault else []), *steps]),
                mend=rotation.mend if rotation is not None else "",
                accounts=accounts,
            )
        )
    return found


def _username(session: Session, task: Task) -> str:
    return session.get_one(Account, task.account_id).username


def _account_status(rotation: Rotation, task: Task) -> Status:
    match task.state:
        case TaskState.CONFIRMED | TaskState.DONE:
            return Status.SUCCESSFUL
        case TaskState.REFUSED:
            return Status(task.status or rotation.status)
        case TaskState.PUT_BACK | TaskState.UNKNOWN:
            return Status.FAILED
        case _:
            return Status(rotation.status)


def _reason(session: Session, organization: Organization, rotation: Rotation | None, steps: Sequence[Task]) -> str:
    """The rotation's own reason; while it is open, what it waits for."""
    if rotation is None:
        return ""
    if rotation.ended_at is not None:
        return rotation.reason
    if organization.frozen_at is not None:
        return (
            f"Rotations are stopped in {organization.name} by {organization.frozen_by}; it goes on after `rekey start`."
        )
    for task in steps:
        lane = get_lane(session, task.connection_id)
        if task.ended_at is None and (lane.frozen_reason or lane.failure_reason):
            if lane.frozen_reason:
                next_look = ""  # which says itself what to do
            elif lane.stopped_at is not None:
                next_look = "Nothing more is tried there until somebody asks again: rotate it by name."
            else:
                next_look = "It is looked at again by itself."
            untouched = rotation.attempts == 0 and rotation.state != RotationState.RECORDING
            touched = "Nothing was changed yet." if untouched else "Every password is kept meanwhile."
            if task.kind == TaskKind.RECORD and rotation.state == RotationState.RECORDING:
                touched = "The new password is shown by Rekey meanwhile, and no other one is begun."
            trouble = lane.frozen_reason or lane.failure_reason
            return " ".join(filter(None, [rotation.reason, trouble, next_look, touched]))
    waiting = next((task.reason for task in steps if task.reason and task.ended_at is None), "")
    return rotation.reason or waiting or "Under way."
