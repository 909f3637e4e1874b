"""The step towards a vault outside: keep what it holds, write what the directories hold by now, look up what was lost.

    waiting ─prepare─> checked ─every account proved─> ready ─commit─> recording ─proved─> done
        │ refused: nothing was touched                   ^                │ not there          │
        v                                                └────────────────┘                    v
     refused                                                                   the rotation finishes

Nothing is begun in a directory before the vault has said that it takes this record, and what it holds is sealed as a
revision. From the first write in a directory on, nothing the vault does or says undoes anything: while it is away the
pending revision stays readable in Rekey and the step is due again and again. What somebody edited there meanwhile is
kept as a revision before it is overwritten.
"""

from collections.abc import Sequence

from pydantic import SecretStr
from sqlmodel import Session

from bot.errors import LeaseLost, NoAnswer, NotFound, OutsideError, Refused, RekeyError, RightMissing, StorageError
from bot.rotation.engine import Settlement
from bot.rotation.keeping import There, ask_vault, describe, keep
from bot.rotation.states import MOST_TRIES
from bot.rotation.worker import MOST_IDENTICAL_FAILURES, SYSTEMIC, Worker, each
from bot.vaults.base import NewRecord, SeenRecord, Vault
from storage.connections import get_connection
from storage.lanes import get_lane, hold, note_failure, note_success
from storage.models import Lane, Organization, RevisionState, Status, TaskKind, TaskState, now
from storage.recordings import (
    RecordStep,
    accounts_reset_since,
    record_hindrance,
    record_steps,
    unbegun_record_tasks,
)
from storage.revisions import open_revision
from storage.tasks import due_tasks

UNREADABLE, GONE = "vault-unreadable", "record-gone"
_GROUP = 16
_AT_ONCE = 200


def work(worker: Worker, vault: Vault) -> bool:
    """One pass over the record steps that are due in this vault's lane; False when there was none.

    Raises the systemic error that ended it, after keeping everything that was found out before.
    """
    lane_id = worker.connection_id
    with worker.database.reading() as session:
        organization_id = get_connection(session, lane_id).organization_id
        frozen = session.get_one(Organization, organization_id).frozen_at is not None
        if get_lane(session, lane_id).frozen_reason is not None:
            return False
        interrupted = due_tasks(session, lane_id, TaskKind.RECORD, [TaskState.RECORDING], _GROUP)
        ready = [] if frozen else due_tasks(session, lane_id, TaskKind.RECORD, [TaskState.READY], _GROUP)
        waiting = [] if frozen else due_tasks(session, lane_id, TaskKind.RECORD, [TaskState.WAITING], _GROUP)
    if interrupted:
        _look(worker, vault, [task.id for task in interrupted])
    if ready:
        _record(worker, vault, [task.id for task in ready])
    elif waiting:  # what directories hold already goes first
        _prepare(worker, vault, [task.id for task in waiting])
    return bool(interrupted or ready or waiting)


def refuse_unbegun(worker: Worker) -> None:
    """The vault's lane has stopped: end every rotation by which nothing was written anywhere, with the lane's cause."""
    while True:
        with worker.database.reading() as session:
            if get_lane(session, worker.connection_id).stopped_at is None:
                return
        with worker.database.writing() as session:
            lane = hold(session, worker.connection_id, worker.token)
            tasks = unbegun_record_tasks(session, worker.connection_id, _AT_ONCE)
            if not tasks:
                return
            name = get_connection(session, worker.connection_id).name
            why = lane.failure_reason.removesuffix(" No password was touched.")
            mend = f"Mend the cause (rekey doctor names it), then rotate again: {name} is asked anew."
            for step in record_steps(session, [task.id for task in tasks]):
                error = Refused(f"{name}: {why} No password was touched.", cause=lane.failure_cause, mend=mend)
                _refuse(step, error, Status.API_ERROR)
            Settlement(session, worker.safe, worker.trail).advance({task.rotation_id or 0 for task in tasks})


# ---- before anything is touched --------------------------------------------------------------------------------------


def _prepare(worker: Worker, vault: Vault, task_ids: Sequence[int]) -> None:
    """Ask whether the vault takes these records, and keep what it holds before it is overwritten."""
    answers = ask_vault(worker, vault, task_ids)
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        settlement = Settlement(session, worker.safe, worker.trail)
        going: list[tuple[RecordStep, There]] = []
        fresh = record_steps(session, task_ids)
        for step, answer in zip(fresh, answers, strict=True):
            if isinstance(answer, SYSTEMIC) or step.task.state != TaskState.WAITING:
                continue
            if isinstance(answer, There) and (answer.permit is None or answer.permit.allowed):
                going.append((step, answer))
                continue
            _refuse(step, *_refusal(answer))
            _note_right(session, lane, answer)
        keep(session, worker, going, RevisionState.CURRENT)
        for step, _there in going:
            step.task.state = TaskState.CHECKED
        if going:
            note_success(session, lane)
        settlement.advance({step.rotation.id for step in fresh})
    _raise_systemic(answers)


def _refuse(step: RecordStep, error: Refused, status: Status) -> None:
    task = step.task
    task.state, task.status = TaskState.REFUSED, status
    task.reason, task.cause, task.mend = str(error), error.cause, error.mend


def _refusal(answer: There | RekeyError) -> tuple[Refused, Status]:
    """Why nothing may be begun, and the word for it. Nothing was touched."""
    if isinstance(answer, There) and answer.permit is not None:
        permit = answer.permit
        error = Refused(
            f"{permit.reason} Nothing was changed.", cause=permit.cause or "not-permitted", mend=permit.mend
        )
        return error, permit.status or Status.NOT_PERMITTED
    if isinstance(answer, NotFound):
        return Refused(str(answer), cause=GONE, mend=answer.mend or "Choose another record for this account."), (
            Status.API_ERROR
        )
    if isinstance(answer, RightMissing):
        return answer, Status.API_ERROR
    if isinstance(answer, Refused):
        lost = (
            f"What the vault holds could not be read ({answer}), so overwriting it would lose it. Nothing was changed. "
            "Is it to be kept?"
        )
        mend = answer.mend or "Let Rekey's key read this record in the vault, then rotate it by name."
        return Refused(lost, cause=UNREADABLE, mend=mend), Status.NOT_PERMITTED
    return Refused(f"{answer} Nothing was changed.", cause="defect"), Status.FAILED


def _note_right(session: Session, lane: Lane, answer: object) -> None:
    """A right our key lacks concerns every record: after a few the lane stops, with one cause."""
    if isinstance(answer, RightMissing) and (
        note_failure(session, lane, answer.cause, str(answer)) >= MOST_IDENTICAL_FAILURES
    ):
        lane.stopped_at = now()


# ---- once every directory holds it -----------------------------------------------------------------------------------


def _record(worker: Worker, vault: Vault, task_ids: Sequence[int]) -> None:
    """Write these to the vault, each proved by reading it back; look first whether somebody was there meanwhile."""
    answers = ask_vault(worker, vault, task_ids)
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        fresh = record_steps(session, task_ids)
        going: list[tuple[RecordStep, There]] = []
        for step, answer in zip(fresh, answers, strict=True):
            if isinstance(answer, SYSTEMIC) or step.task.state != TaskState.READY:
                continue
            if isinstance(answer, There) and (answer.permit is None or answer.permit.allowed):
                going.append((step, answer))
            else:
                _not_taken(session, lane, step, answer)
        keep(session, worker, going, RevisionState.OLD)
        for step, there in going:
            reset = accounts_reset_since(session, step.rotation.id) if there.held is not None else []
            if reset:
                _let_a_person_decide(step, _was_reset(step, reset[0].username), "changed-by-somebody")
            else:
                step.task.state = TaskState.RECORDING
        Settlement(session, worker.safe, worker.trail).advance({step.rotation.id for step in fresh})
    writing = [step for step, _there in going if step.task.state == TaskState.RECORDING]
    written = each(worker, lambda step: _write_one(worker, vault, step), writing)
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        fresh = record_steps(session, [step.task.id for step in writing])
        for step, outcome in zip(fresh, written, strict=True):
            _settle(session, worker, lane, step, outcome)
        Settlement(session, worker.safe, worker.trail).advance({step.rotation.id for step in fresh})
    _raise_systemic([*answers, *written])


def _write_one(worker: Worker, vault: Vault, step: RecordStep) -> SeenRecord | None:
    """The one outside write; None when it may not be made any more."""
    with worker.database.reading() as session:
        obstacle = record_hindrance(session, step.task.id, worker.token)
    if obstacle == "lease":
        raise LeaseLost("Another worker took over this lane; nothing more is written here.")
    if obstacle is not None:
        return None
    record, secret = step.record, _secret_of(worker, step)
    if record.external_id is not None:
        return vault.write(record.external_id, secret)
    return vault.create(NewRecord(record.name, record.username, record.uid, record.url), secret)


def _secret_of(worker: Worker, step: RecordStep) -> SecretStr:
    if step.revision is None:
        raise Refused(f"Rotation {step.rotation.id} has no password to record: its rows do not fit together.")
    try:
        return open_revision(worker.safe, step.organization.uid, step.record.uid, step.revision)
    except StorageError as error:
        raise Refused(str(error), cause="sealed") from error


def _settle(
    session: Session, worker: Worker, lane: Lane, step: RecordStep, outcome: SeenRecord | RekeyError | None
) -> None:
    if isinstance(outcome, SeenRecord):
        _recorded(session, worker, lane, step, outcome)
    elif isinstance(outcome, NoAnswer):
        step.task.reason, step.task.cause, step.task.mend = str(outcome), outcome.cause, outcome.mend
    elif outcome is None or isinstance(outcome, SYSTEMIC):  # nothing was sent
        step.task.state = TaskState.READY
    else:
        _not_taken(session, lane, step, outcome)


def _recorded(session: Session, worker: Worker, lane: Lane, step: RecordStep, there: SeenRecord) -> None:
    describe(step.record, there)
    step.record.kept_password_at = there.password_updated_at
    step.task.state, step.task.taken_at = TaskState.DONE, now()
    step.task.reason = step.task.cause = step.task.mend = ""
    if step.revision is not None:
        step.revision.recorded_at = now()
    note_success(session, lane)
    worker.trail.append(
        session,
        event="rotation.recorded",
        operator=step.rotation.requested_by,
        source="engine",
        organization=step.organization,
        subject=f"rotation {step.rotation.id} of record {step.record.id}",
        details={"vault": step.vault.name, "revision": step.revision.uid if step.revision else None},
    )


def _not_taken(session: Session, lane: Lane, step: RecordStep, answer: object) -> None:
    """The vault does not take it: a key that may not do this is mended and asked again, anything else is a question."""
    task = step.task
    if isinstance(answer, RightMissing):
        task.state, task.reason, task.cause, task.mend = TaskState.READY, str(answer), answer.cause, answer.mend
        note_failure(session, lane, answer.cause, str(answer))
        lane.stopped_at = now()
        return
    if isinstance(answer, Refused) and answer.cause == "vault-changed" and task.tries + 1 < MOST_TRIES:
        task.state, task.tries = TaskState.READY, task.tries + 1  # what they wrote is kept first
        return
    if isinstance(answer, There) and answer.permit is not None:
        answer = Refused(answer.permit.reason, cause=answer.permit.cause, mend=answer.permit.mend)
    cause = GONE if isinstance(answer, NotFound) else answer.cause if isinstance(answer, OutsideError) else "defect"
    mend = answer.mend if isinstance(answer, OutsideError) else ""
    _let_a_person_decide(step, f"{step.vault.name} does not take it: {answer}", cause, mend)


def _let_a_person_decide(step: RecordStep, reason: str, cause: str, mend: str = "") -> None:
    task = step.task
    task.state, task.reason, task.cause = TaskState.UNKNOWN, reason, cause
    task.mend = mend or "Look at the record in its vault, then rotate it by name: that gives everything a new password."


def _was_reset(step: RecordStep, username: str) -> str:
    return (
        f"Somebody edited the password in {step.vault.name} and reset {username} since this rotation wrote it. Theirs "
        "is kept as an earlier version and was not overwritten. Which one is to hold?"
    )


# ---- after a crash or a lost reply -----------------------------------------------------------------------------------


def _look(worker: Worker, vault: Vault, task_ids: Sequence[int]) -> None:
    """Read back what became of writes that were interrupted; what is not there is written again, the same one."""
    with worker.database.reading() as session:
        steps = record_steps(session, task_ids)

    def find_out(step: RecordStep) -> SeenRecord | None:
        if step.record.external_id is None:
            return None  # making it again finds the one that was made
        held = vault.read(step.record.external_id)
        return held.record if held.secret == _secret_of(worker, step) else None

    answers = each(worker, find_out, steps)
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        fresh = record_steps(session, task_ids)
        for step, answer in zip(fresh, answers, strict=True):
            if not isinstance(answer, SYSTEMIC) and step.task.state == TaskState.RECORDING:
                _settle(session, worker, lane, step, answer)
        Settlement(session, worker.safe, worker.trail).advance({step.rotation.id for step in fresh})
    _raise_systemic(answers)


def _raise_systemic(answers: Sequence[object]) -> None:
    for answer in answers:
        if isinstance(answer, SYSTEMIC):
            raise answer
