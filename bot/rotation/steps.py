"""The outside calls of a rotation's steps: check, write and prove, for a group of accounts of one directory.

Writes go out one after the other; while the next one runs, the ones before are proved on other connections. What is
about to be written is committed first, for the whole group at once, and right before each call the rows are read once
more: a lane that was taken over, an organization that was stopped, or a consent withdrawn a moment ago stops it there.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import SecretStr
from sqlmodel import Session

from bot.directories.base import Directory, Proof, Standing, Verdict
from bot.errors import (
    LeaseLost,
    NoAnswer,
    OutsideError,
    Refused,
    RekeyError,
    StorageError,
)
from bot.rotation.engine import Refusal, Results, Settlement
from bot.rotation.staging import requesters_of, stage, why_not
from bot.rotation.worker import LOCKOUT_WINDOW, SYSTEMIC, Worker, defect, each
from storage.lanes import hold
from storage.models import (
    ProofTry,
    Revision,
    RevisionState,
    Status,
    Task,
    TaskState,
)
from storage.revisions import find_revisions, open_revision
from storage.tasks import Step, hindrance, settle_tries, steps_of, unproven_tries

_SETTLE_EVERY = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Writing:
    """One write that is committed as begun."""

    task_id: int
    object_id: str
    secret: SecretStr
    since: datetime | None
    times_set: int | None
    unproven: int
    possible_at: datetime | None


def check(worker: Worker, directory: Directory, tasks: Sequence[Task]) -> None:
    """First look at the accounts of rotations that span several directories: may they be written, can they be undone?

    Raises the systemic error that stopped it, after keeping what was found out before.
    """
    with worker.database.reading() as session:
        steps = steps_of(session, [task.id for task in tasks])
        currents = find_revisions(session, [step.record.id for step in steps], RevisionState.CURRENT)
        unproven = unproven_tries(session, [step.account.id for step in steps], LOCKOUT_WINDOW)
    standings = each(worker, lambda step: directory.may_rotate(step.account.object_id), steps)

    proved: dict[int, bool] = {}
    to_try: list[tuple[Step, Revision]] = []
    for step, standing in zip(steps, standings, strict=True):
        current = currents.get(step.record.id)
        if not isinstance(standing, Standing) or not standing.allowed or current is None:
            continue
        account = step.account
        known = account.proved_revision_id == current.id and account.proved_set_at == standing.password_set_at
        if known and standing.password_set_at is not None:
            proved[step.task.id] = True
        else:
            to_try.append((step, current))
    proofs = _try_current(worker, directory, to_try, unproven)
    proved |= {task_id: proof.verdict is Verdict.TAKEN for task_id, proof in proofs.items()}

    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        settlement = Settlement(session, worker.safe, worker.trail)
        fresh = steps_of(session, [step.task.id for step in steps])
        requesters = requesters_of(session, worker, fresh)
        for step, standing in zip(fresh, standings, strict=True):
            task = step.task
            if isinstance(standing, SYSTEMIC) or task.state != TaskState.WAITING:
                continue
            refusal = why_not(session, worker, requesters, step, standing)
            if refusal is not None:
                settlement.refuse(step, refusal)
            elif isinstance(standing, Standing):
                task.state, task.policy = TaskState.CHECKED, standing.policy.to_json()
                task.previous_proved = proved.get(task.id, False)
                task.set_at_before, task.times_set_before = standing.password_set_at, standing.times_set
        settle_tries(
            session,
            proved=[task_id for task_id, proof in proofs.items() if proof.verdict is Verdict.TAKEN],
            # A plain "no" was counted by the directory itself, whose count the next attempt is weighed against.
            forgotten=[task_id for task_id, proof in proofs.items() if proof.verdict is not Verdict.TAKEN],
        )
        settlement.advance({step.rotation.id for step in fresh})
    _raise_systemic(standings)


def _try_current(
    worker: Worker, directory: Directory, to_try: Sequence[tuple[Step, Revision]], unproven: dict[int, int]
) -> dict[int, Proof]:
    """Sign in with the current password of each, counted beforehand; a failed look leaves it unproved."""
    if not to_try:
        return {}
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        session.add_all(ProofTry(account_id=step.account.id, task_id=step.task.id) for step, _current in to_try)

    def sign_in(pair: tuple[Step, Revision]) -> Proof | None:
        step, current = pair
        try:
            secret = open_revision(worker.safe, step.organization.uid, step.record.uid, current)
        except StorageError as error:  # then it cannot be put back either; the new one will do
            _log.warning("revision.sealed", revision=current.uid, reason=str(error))
            return None
        return directory.works(
            step.account.object_id, secret, unproven.get(step.account.id, 0), known_since=current.created_at
        )

    answers = each(worker, sign_in, to_try)
    return {
        step.task.id: answer
        for (step, _current), answer in zip(to_try, answers, strict=True)
        if isinstance(answer, Proof)
    }


def write(worker: Worker, directory: Directory, tasks: Sequence[Task]) -> None:
    """Give each of these accounts its password (the pending one, or when putting back the current one), and prove it.

    Raises the systemic error that stopped it, after keeping everything that was found out before; `LeaseLost` when the
    lane went to another worker, after which nothing more is written here or outside.
    """
    with worker.database.reading() as session:
        steps = steps_of(session, [task.id for task in tasks])
    standings = each(worker, lambda step: directory.may_rotate(step.account.object_id), steps)
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        writings = _begin(session, worker, steps, standings)
    results, trouble = _write_all(worker, directory, writings)
    worker.settle(results)
    if trouble is not None:
        raise trouble
    _raise_systemic(standings)


def _write_all(
    worker: Worker, directory: Directory, writings: Sequence[_Writing]
) -> tuple[Results, OutsideError | None]:
    results = Results()
    proofs: list[tuple[_Writing, Future[Proof]]] = []
    trouble: OutsideError | None = None
    for index, writing in enumerate(writings):
        try:
            server = _write_one(worker, directory, writing)
        except NoAnswer as error:
            results.unanswered[writing.task_id] = trouble = error
        except SYSTEMIC as error:
            results.unsent.append(writing.task_id)
            trouble = error
        except Refused as error:
            results.refusals[writing.task_id] = Refusal(error, possible_at=writing.possible_at)
        except RekeyError:
            raise
        except Exception as error:  # it may have been written before that
            results.unknowable[writing.task_id] = defect(error)
        else:
            if server is None:
                results.unsent.append(writing.task_id)
                continue
            results.servers[writing.task_id] = server
            proofs.append((writing, worker.pool.submit(_prove, worker, directory, writing, server)))
        if trouble is not None:
            results.unsent += [later.task_id for later in writings[index + 1 :]]
            break
        if sum(future.done() for _writing, future in proofs) >= _SETTLE_EVERY:
            trouble = trouble or _collect([pair for pair in proofs if pair[1].done()], results)
            proofs = [pair for pair in proofs if not pair[1].done()]
            worker.settle(results)
            results = Results(servers={w.task_id: results.servers[w.task_id] for w, _future in proofs})
    return results, _collect(proofs, results) or trouble


def _write_one(worker: Worker, directory: Directory, writing: _Writing) -> str | None:
    """The one outside write: the server that took it, or None when it may not be written any more."""
    with worker.turn:
        worker.keep_lease()
        with worker.database.reading() as session:
            obstacle = hindrance(session, writing.task_id, worker.token)
        if obstacle == "lease":
            raise LeaseLost("Another worker took over this lane; nothing more is written here.")
        return None if obstacle else directory.set_password(writing.object_id, writing.secret)


def _prove(worker: Worker, directory: Directory, writing: _Writing, server: str) -> Proof:
    worker.keep_lease()
    return directory.confirm(
        writing.object_id, writing.secret, writing.since, server, writing.unproven, writing.times_set
    )


def _collect(proofs: Sequence[tuple[_Writing, Future[Proof]]], results: Results) -> OutsideError | None:
    trouble: OutsideError | None = None
    for writing, future in proofs:
        try:
            results.proofs[writing.task_id] = future.result()
        except SYSTEMIC as error:
            results.unanswered[writing.task_id] = trouble = error
        except OutsideError as error:  # this account alone: gone, for one
            results.unknowable[writing.task_id] = error
        except RekeyError:
            raise
        except Exception as error:
            results.unknowable[writing.task_id] = defect(error)
    return trouble


def _begin(
    session: Session, worker: Worker, seen: Sequence[Step], standings: Sequence[Standing | RekeyError]
) -> list[_Writing]:
    """Re-check everything, stage what has no password yet, and commit to the writes."""
    steps = steps_of(session, [step.task.id for step in seen])
    settlement = Settlement(session, worker.safe, worker.trail)
    requesters = requesters_of(session, worker, steps)
    going: list[tuple[Step, Standing]] = []
    for step, standing in zip(steps, standings, strict=True):
        if isinstance(standing, SYSTEMIC) or step.task.state not in (TaskState.READY, TaskState.PUT_BACK_READY):
            continue
        refusal = why_not(session, worker, requesters, step, standing)
        if refusal is not None:
            settlement.refuse(step, refusal)
        elif isinstance(standing, Standing):
            going.append((step, standing))
    staged = stage(session, worker, settlement, [pair for pair in going if pair[0].task.state == TaskState.READY])
    going = [pair for pair in going if pair[0].task.state != TaskState.REFUSED]
    currents = find_revisions(session, [step.record.id for step, _standing in going], RevisionState.CURRENT)
    unproven = unproven_tries(session, [step.account.id for step, _standing in going], LOCKOUT_WINDOW)
    writings = []
    for step, standing in going:
        task, back = step.task, step.task.state == TaskState.PUT_BACK_READY
        revision = currents[step.record.id] if back else staged[step.rotation.id]
        try:
            secret = open_revision(worker.safe, step.organization.uid, step.record.uid, revision)
        except StorageError as error:
            settlement.refuse(step, Refusal(Refused(str(error), cause="sealed"), Status.FAILED))
            continue
        if task.taken_at is None and _set_since_the_check(task, standing):
            task.previous_proved = False
        task.state = TaskState.PUTTING_BACK if back else TaskState.APPLYING
        task.set_at_before, task.times_set_before, task.server = standing.password_set_at, standing.times_set, None
        session.add(ProofTry(account_id=step.account.id, task_id=task.id))
        writings.append(
            _Writing(
                task_id=task.id,
                object_id=step.account.object_id,
                secret=secret,
                since=standing.password_set_at,
                times_set=standing.times_set,
                unproven=unproven.get(step.account.id, 0),
                possible_at=standing.possible_at,
            )
        )
    settlement.advance({step.rotation.id for step in steps})
    return writings


def _set_since_the_check(task: Task, standing: Standing) -> bool:
    """Whether this account's password was set since it was found out which one it was."""
    return (task.set_at_before, task.times_set_before) != (standing.password_set_at, standing.times_set)


def _raise_systemic(answers: Sequence[object]) -> None:
    for answer in answers:
        if isinstance(answer, SYSTEMIC):
            raise answer
