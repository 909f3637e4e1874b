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

from bot.directories.base import Directory, InBatches, Look, Proof, Standing, Verdict
from bot.errors import (
    CertificateRefused,
    LeaseLost,
    NoAnswer,
    OutsideError,
    Refused,
    RekeyError,
    SignInRefused,
    StorageError,
    TenantNotPermitted,
    Throttled,
    Unreachable,
)
from bot.rotation.calls import answers_of, batch_size, confirm, standings, worst
from bot.rotation.engine import Refusal, Results, Settlement
from bot.rotation.staging import requesters_of, stage, why_not
from bot.rotation.worker import LOCKOUT_WINDOW, SYSTEMIC, Worker, each
from storage.lanes import hold
from storage.models import (
    ProofTry,
    Revision,
    RevisionState,
    Status,
    Task,
    TaskKind,
    TaskState,
)
from storage.revisions import find_revisions, open_revision
from storage.tasks import Step, hindrance, settle_tries, steps_of, steps_of_rotations, unproven_tries

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

    def look(self, server: str) -> Look:
        """What there is to look for, once this server took it."""
        return Look(self.object_id, self.secret, self.since, server, self.unproven, self.times_set)


_Proving = tuple[Sequence[tuple[_Writing, Look]], Future[list[Proof | RekeyError]]]
"""Written accounts, and the proof of them that is under way."""


def check(worker: Worker, directory: Directory, tasks: Sequence[Task]) -> None:
    """First look at the accounts of rotations that span several directories: may they be written, can they be undone?

    Raises the systemic error that stopped it, after keeping what was found out before.
    """
    with worker.database.reading() as session:
        steps = steps_of(session, [task.id for task in tasks])
        currents = find_revisions(session, [step.record.id for step in steps], RevisionState.CURRENT)
        unproven = unproven_tries(session, [step.account.id for step in steps], LOCKOUT_WINDOW)
        siblings = steps_of_rotations(session, {step.rotation.id for step in steps})
    seen = standings(worker, directory, [step.account.object_id for step in steps])

    proved: dict[int, bool] = {}
    to_try: list[tuple[Step, Revision]] = []
    for step, standing in zip(steps, seen, strict=True):
        current = currents.get(step.record.id)
        if not isinstance(standing, Standing) or not standing.allowed or current is None:
            continue
        if sum(task.kind == TaskKind.ROTATE for task in siblings[step.rotation.id]) == 1:
            continue  # nothing else is written, so nothing would ever be put back
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
        for step, standing in zip(fresh, seen, strict=True):
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
    _raise_systemic(seen)


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
    seen = standings(worker, directory, [step.account.object_id for step in steps])
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        writings = _begin(session, worker, steps, seen)
    results, trouble = _write_all(worker, directory, writings)
    worker.settle(results)
    if trouble is not None:
        raise trouble
    _raise_systemic(seen)


def _write_all(
    worker: Worker, directory: Directory, writings: Sequence[_Writing]
) -> tuple[Results, OutsideError | None]:
    results = Results()
    proving: list[_Proving] = []
    trouble: OutsideError | None = None
    size = batch_size(directory)
    for first in range(0, len(writings), size):
        batch = writings[first : first + size]
        answers = _send(worker, directory, batch)
        taken = [_keep(results, writing, answer) for writing, answer in zip(batch, answers, strict=True)]
        looks = [(writing, writing.look(server)) for writing, server in zip(batch, taken, strict=True) if server]
        if looks:
            proving.append((looks, worker.pool.submit(_prove, worker, directory, [look for _writing, look in looks])))
        trouble = worst(answers)
        if trouble is None and sum(len(looks) for looks, future in proving if future.done()) >= _SETTLE_EVERY:
            trouble = _collect([each for each in proving if each[1].done()], results)
            proving = [each for each in proving if not each[1].done()]
            worker.settle(results)
            results = Results(
                servers={w.task_id: results.servers[w.task_id] for looks, _future in proving for w, _look in looks}
            )
        if trouble is not None:
            results.unsent += [later.task_id for later in writings[first + size :]]
            break
    return results, _collect(proving, results) or trouble


def _send(worker: Worker, directory: Directory, batch: Sequence[_Writing]) -> list[str | RekeyError | None]:
    """The one outside write: the server that took each, what stood against it, or None where it may not be any more."""
    with worker.turn:
        worker.keep_lease()
        with worker.database.reading() as session:
            obstacles = [hindrance(session, writing.task_id, worker.token) for writing in batch]
        if "lease" in obstacles:
            raise LeaseLost("Another worker took over this lane; nothing more is written here.")
        going = [writing for writing, obstacle in zip(batch, obstacles, strict=True) if obstacle is None]
        answers = iter(answers_of(lambda: _set(directory, going), len(going)) if going else ())
        return [next(answers) if obstacle is None else None for obstacle in obstacles]


def _set(directory: Directory, going: Sequence[_Writing]) -> Sequence[str | RekeyError]:
    if isinstance(directory, InBatches):
        return directory.set_passwords([(writing.object_id, writing.secret) for writing in going])
    return [directory.set_password(writing.object_id, writing.secret) for writing in going]


def _keep(results: Results, writing: _Writing, answer: str | RekeyError | None) -> str | None:
    """Note what became of one write; the server that took it."""
    match answer:
        case str():
            results.servers[writing.task_id] = answer
            return answer
        case NoAnswer():
            results.unanswered[writing.task_id] = answer
        case None | SignInRefused() | CertificateRefused() | TenantNotPermitted() | Unreachable() | Throttled():
            results.unsent.append(writing.task_id)
        case Refused():
            results.refusals[writing.task_id] = Refusal(answer, possible_at=writing.possible_at)
        case _:  # a defect of ours: it may have been written before that
            results.unknowable[writing.task_id] = answer
    return None


def _prove(worker: Worker, directory: Directory, looks: Sequence[Look]) -> list[Proof | RekeyError]:
    worker.keep_lease()
    if isinstance(directory, InBatches):
        return answers_of(lambda: directory.confirm_all(looks), len(looks))
    return answers_of(lambda: [confirm(directory, look) for look in looks], len(looks))


def _collect(proving: Sequence[_Proving], results: Results) -> OutsideError | None:
    answers: list[Proof | RekeyError] = []
    for looks, future in proving:
        for (writing, _look), answer in zip(looks, future.result(), strict=True):
            answers.append(answer)
            if isinstance(answer, Proof):
                results.proofs[writing.task_id] = answer
            elif isinstance(answer, SYSTEMIC):
                results.unanswered[writing.task_id] = answer
            else:  # this account alone: gone, for one
                results.unknowable[writing.task_id] = answer
    return worst(answers)


def _begin(
    session: Session, worker: Worker, asked: Sequence[Step], seen: Sequence[Standing | RekeyError]
) -> list[_Writing]:
    """Re-check everything, stage what has no password yet, and commit to the writes."""
    steps = steps_of(session, [step.task.id for step in asked])
    settlement = Settlement(session, worker.safe, worker.trail)
    requesters = requesters_of(session, worker, steps)
    going: list[tuple[Step, Standing]] = []
    for step, standing in zip(steps, seen, strict=True):
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
    trouble = worst(answers)
    if trouble is not None:
        raise trouble
