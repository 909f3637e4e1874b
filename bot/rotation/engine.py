"""Keeping what came of the outside calls: each step's new state, and the rotation's one next move.

Everything here happens inside the caller's writing transaction, so a step's outcome, what follows from it, the
revisions and the audit lines are kept together or not at all. Nothing here calls outside.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlmodel import Session

from bot.audit import Line, Trail
from bot.directories.base import Proof, Verdict
from bot.errors import OutsideError, PasswordRefused, Refused, RekeyError
from bot.rotation import outcomes, own_account
from bot.rotation.afterwards import WATCH_FIRST, afterwards, follow, goes_on, sign_out, still_waited_for
from bot.rotation.states import MOST_ATTEMPTS, MOST_TRIES, Move, StepView, decide, status_of
from storage.aftershocks import begin_watch
from storage.connections import connection_names, get_connection
from storage.database import after_commit
from storage.lanes import wake
from storage.models import (
    Organization,
    Record,
    Revision,
    RevisionState,
    Rotation,
    RotationState,
    Status,
    Task,
    TaskKind,
    TaskState,
    now,
)
from storage.notices import retell
from storage.recordings import record_tasks_of
from storage.results import note_moved
from storage.revisions import Safe, discard, find_revision, find_revisions, note_proved, promote, reinstate
from storage.tasks import Step, settle_tries, steps_of, steps_of_rotations

FIRST_LOOK = timedelta(minutes=5)
"""After so long a directory is asked whether something still uses the passwords before (`bot.rotation.aftershock`)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An account that refused for good, as far as this attempt goes."""

    error: Refused
    status: Status | None = None
    """The word to show, when it is not the error's own."""
    possible_at: datetime | None = None
    """When the account's minimum password age is over, where that lies ahead."""


@dataclass(slots=True)
class Results:
    """What one round of outside calls found out, by task id."""

    proofs: dict[int, Proof] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    servers: dict[int, str] = field(default_factory=dict)
    """Which server took the write."""
    unsent: list[int] = field(default_factory=list)
    """Marked as being written, but the call was never made."""
    unanswered: dict[int, OutsideError] = field(default_factory=dict)
    """Written, or perhaps written, and not proved yet."""
    unknowable: dict[int, RekeyError] = field(default_factory=dict)
    """Perhaps written, and nobody but a person can find out."""

    def __bool__(self) -> bool:
        return bool(self.proofs or self.refusals or self.unsent or self.unanswered or self.unknowable)


class Settlement:
    """One writing transaction's worth of outcomes: collects the audit lines and does each rotation's next move."""

    def __init__(self, session: Session, safe: Safe, trail: Trail) -> None:
        self.session = session
        self.safe = safe
        self.trail = trail
        self.lines: list[Line] = []
        self.promoted: list[Revision] = []
        self.vaults: dict[int, Task] = {}
        """Rotation id → its step towards a vault outside."""
        self.finished_in: set[int] = set()
        """The connections of rotations that succeeded: watched for a while."""

    def settle(self, results: Results) -> None:
        """Keep these results, move every rotation they touch, and append the audit lines."""
        session = self.session
        touched = {*results.proofs, *results.refusals, *results.unsent, *results.unanswered, *results.unknowable}
        steps = {step.task.id: step for step in steps_of(session, touched)}
        for task_id, server in results.servers.items():
            if task_id in steps:
                steps[task_id].task.server = server
        for task_id, proof in results.proofs.items():
            self._proved(steps[task_id], proof)
        for task_id, refusal in results.refusals.items():
            self.refuse(steps[task_id], refusal)
        for task_id in results.unsent:
            _not_sent(steps[task_id].task)
        for task_id, error in results.unanswered.items():
            _unanswered(steps[task_id].task, error)
        for task_id, problem in results.unknowable.items():
            _unknowable(steps[task_id].task, problem)
        settle_tries(
            session,
            proved=[task_id for task_id, proof in results.proofs.items() if proof.verdict is Verdict.TAKEN],
            forgotten=[task_id for task_id, proof in results.proofs.items() if not proof.tried] + results.unsent,
        )
        self.advance({step.rotation.id for step in steps.values()})

    def refuse(self, step: Step, refusal: Refusal) -> None:
        """An account refused: try another password where that can cure it, else the step ends here."""
        task, rotation, error = step.task, step.rotation, refusal.error
        task.reason, task.cause, task.mend = str(error), error.cause, error.mend
        if task.state in (TaskState.PUTTING_BACK, TaskState.PUT_BACK_READY):
            task.state = TaskState.UNKNOWN
            task.reason = f"The earlier password could not be put back: {error}"
        elif isinstance(error, PasswordRefused) and rotation.restores is None and rotation.attempts < MOST_ATTEMPTS:
            self._try_another(step)
        else:
            task.state = TaskState.REFUSED
            task.status = refusal.status or status_of(error)
            if isinstance(error, PasswordRefused) and refusal.possible_at is not None:
                task.reason += f" Possible again at {refusal.possible_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."

    def advance(self, rotation_ids: Iterable[int]) -> None:
        """Do the next move of each of these rotations, and append all audit lines of this settlement."""
        session = self.session
        ids = list(rotation_ids)
        session.flush()
        by_rotation = steps_of_rotations(session, ids)
        self.vaults = record_tasks_of(session, ids)
        rotations = {rotation_id: session.get_one(Rotation, rotation_id) for rotation_id in ids}
        currents = find_revisions(
            session, [rotation.record_id for rotation in rotations.values()], RevisionState.CURRENT
        )
        tasks_of_all = [*self.vaults.values(), *(task for tasks in by_rotation.values() for task in tasks)]
        self.names = connection_names(session, {task.connection_id for task in tasks_of_all})
        over = {rotation.id for rotation in rotations.values() if rotation.ended_at is not None}
        for rotation_id, tasks in by_rotation.items():
            rotation = rotations[rotation_id]
            if rotation.ended_at is None:
                self._move(rotation, tasks, currents.get(rotation.record_id))
            elif rotation.state == RotationState.SUCCESSFUL:  # what follows it has moved
                rotation.reason = self._what_holds(rotation, tasks)
        retell(session, over)
        note_moved(session, ids)
        if self.finished_in:
            begin_watch(session, self.finished_in, now() + FIRST_LOOK)
            self.finished_in = set()
        self.trail.append_all(session, self.lines)
        self.lines = []
        if self.promoted:
            promoted, self.promoted = self.promoted, []
            promote(session, promoted, now())
            after_commit(session, lambda: note_proved(self.safe, promoted))

    # ---- one step ------------------------------------------------------------------------------------------------

    def _proved(self, step: Step, proof: Proof) -> None:
        task, account = step.task, step.account
        back = task.state == TaskState.PUTTING_BACK
        task.reason = proof.reason
        match proof.verdict:
            case Verdict.TAKEN:
                task.state = TaskState.PUT_BACK if back else TaskState.CONFIRMED
                task.taken_at, task.server = task.taken_at or now(), proof.server or task.server
                task.cause = task.mend = ""
                account.password_set_at = account.proved_set_at = proof.set_at
                holds = find_revision(self.session, step.record.id, RevisionState.CURRENT) if back else step.revision
                account.proved_revision_id = holds.id if holds else None
                if account.is_connector and holds is not None:
                    self.lines += own_account.take_over(self.session, self.safe, step, holds)
            case Verdict.NOT_TAKEN:
                # Only a write that was acknowledged should have had an effect; one that never arrived is an outage.
                task.tries += task.server is not None
                if task.tries < MOST_TRIES:
                    task.state = TaskState.PUT_BACK_READY if back else TaskState.READY
                    task.due_at = now()
                    return
                task.cause = "no-effect"
                if step.revision is not None:
                    step.revision.unsure = True
                task.reason = (
                    f"{account.domain}\\{account.username}: the directory says it took the password, but its set-time "
                    f"never moved, {MOST_TRIES} times. Nothing was changed there."
                )
                task.state = TaskState.UNKNOWN if back else TaskState.REFUSED
                task.status = Status.FAILED
            case Verdict.CHANGED:
                task.state, task.cause = TaskState.UNKNOWN, "changed-by-somebody"
                task.reason = proof.reason or (
                    f"Somebody else reset the password of {account.domain}\\{account.username} meanwhile. Which one is "
                    "to hold? Rotate this record by name to give it a new one everywhere."
                )
            case Verdict.WAIT:
                if task.server is not None and not back:
                    task.state = TaskState.APPLIED
                task.due_at = now() + proof.wait

    def _try_another(self, step: Step) -> None:
        """Discard the refused password and begin anew, this account first: it is the likeliest to refuse again."""
        rotation = step.rotation
        if step.revision is not None:
            discard(self.session, step.revision)
        rotation.revision_id = None
        for task in steps_of_rotations(self.session, [rotation.id])[rotation.id]:
            if task.state == TaskState.CONFIRMED:
                task.state = TaskState.CHECKED
        step.task.state, step.task.position, step.task.due_at = TaskState.READY, -rotation.attempts, now()
        self._note("rotation.regenerated", rotation, result="refused", cause=step.task.cause)

    # ---- one rotation --------------------------------------------------------------------------------------------

    def _move(self, rotation: Rotation, tasks: Sequence[Task], current: Revision | None) -> None:
        vault = self.vaults.get(rotation.id)
        # Whoever is only watched has a say until the first write, and none in what becomes of it.
        steps = [task for task in tasks if task.kind == TaskKind.ROTATE or task.state in WATCH_FIRST]
        views = [_view(task, current) for task in steps]
        match decide(RotationState(rotation.state), views, TaskState(vault.state) if vault is not None else None):
            case Move.WAIT:
                return
            case Move.NEXT:
                self._begin_next(rotation, _written(tasks))
            case Move.RECORD if vault is not None:
                self._record(rotation, _written(tasks), vault)
            case Move.FINISH:
                self._finish(rotation, tasks)
            case Move.END_REFUSED:
                refused = next(task for task in [*tasks, vault] if task and task.state == TaskState.REFUSED)
                self._discard_pending(rotation)
                self._end(rotation, tasks, RotationState.REFUSED, Status(refused.status or Status.FAILED), refused)
            case Move.PUT_BACK:
                self._put_back(rotation, tasks)
            case Move.RETRY:
                for task in tasks:
                    if task.state == TaskState.REFUSED:
                        task.tries += 1
                        task.state, task.due_at = TaskState.READY, now() + timedelta(seconds=task.tries)
            case Move.END_PUT_BACK:
                self._discard_pending(rotation)
                rotation.reason += (
                    " Wherever the new password had been taken, the earlier one was put back and proved: nothing has "
                    "changed."
                )
                self._end(rotation, tasks, RotationState.PUT_BACK, Status.FAILED, None)
            case Move.STICK:
                self._stick(rotation, tasks)

    def _begin_next(self, rotation: Rotation, tasks: Sequence[Task]) -> None:
        if rotation.state == RotationState.PLANNED and rotation.revision_id is None:
            # Those that can be put back go first, so that a later refusal can still be undone.
            order = sorted(tasks, key=lambda task: (not task.previous_proved, task.position))
            for position, task in enumerate(order):
                task.position = position
        following = min((task for task in tasks if task.state == TaskState.CHECKED), key=lambda task: task.position)
        following.state, following.due_at = TaskState.READY, now()
        wake(self.session, following.connection_id)

    def _finish(self, rotation: Rotation, tasks: Sequence[Task]) -> None:
        revision = self.session.get_one(Revision, rotation.revision_id)
        if rotation.vault_only:
            reinstate(self.session, self.safe.escrow, revision)
        elif revision.state == RevisionState.PENDING:
            self.promoted.append(revision)
            self.finished_in |= {task.connection_id for task in _written(tasks)}
            follow(self.session, rotation, tasks)
            sign_out(self.session, rotation, _written(tasks))
            self.session.flush()
            tasks = steps_of_rotations(self.session, [rotation.id])[rotation.id]
        rotation.reason = self._what_holds(rotation, tasks)
        if not any(still_waited_for(task) for task in tasks):
            self._end(rotation, tasks, RotationState.SUCCESSFUL, Status.SUCCESSFUL, None)

    def _what_holds(self, rotation: Rotation, tasks: Sequence[Task]) -> str:
        vault = self.vaults.get(rotation.id)
        signed_out = any(task.kind == TaskKind.SIGN_OUT for task in tasks)
        where, name = self._where(_written(tasks)), self._vault_name(rotation)
        held = outcomes.finished(rotation, where, name, vault, signed_out=signed_out)
        return " ".join([held, *afterwards(tasks, self.names)])

    def _record(self, rotation: Rotation, tasks: Sequence[Task], vault: Task) -> None:
        """Every directory holds it. Whatever the vault says from here on, none of them is put back."""
        rotation.state = RotationState.RECORDING
        rotation.reason = outcomes.waits_for_vault(rotation, self._where(tasks), self._vault_name(rotation))
        vault.state, vault.due_at = TaskState.READY, now()
        wake(self.session, vault.connection_id)

    def _where(self, tasks: Sequence[Task]) -> str:
        return outcomes.joined([self.names[task.connection_id] for task in tasks])

    def _vault_name(self, rotation: Rotation) -> str:
        return get_connection(self.session, self.session.get_one(Record, rotation.record_id).connection_id).name

    def _put_back(self, rotation: Rotation, tasks: Sequence[Task]) -> None:
        refused = next(task for task in tasks if task.state == TaskState.REFUSED)
        rotation.state = RotationState.PUTTING_BACK
        rotation.reason, rotation.cause, rotation.mend = refused.reason, refused.cause, refused.mend
        for task in tasks:
            if task.taken_at is not None:  # the refused one too, where it took an earlier password of this rotation
                task.state, task.due_at, task.tries = TaskState.PUT_BACK_READY, now(), 0
                wake(self.session, task.connection_id)
        self._note("rotation.putting_back", rotation)

    def _stick(self, rotation: Rotation, tasks: Sequence[Task]) -> None:
        """End it with the question and what holds where; the pending revision stays readable."""
        vault, written = self.vaults.get(rotation.id), _written(tasks)
        everything = [*tasks, *([vault] if vault is not None else [])]
        why = min(everything, key=lambda task: (task.state != TaskState.UNKNOWN, task.state != TaskState.REFUSED))
        before = "" if rotation.state == RotationState.RECORDING else rotation.reason
        holding = " ".join(outcomes.directory_holds(task, self.names[task.connection_id]) for task in written)
        if vault is not None:
            holding = f"{holding} {outcomes.vault_holds(vault, self.names[vault.connection_id])}"
            if written and all(task.state == TaskState.CONFIRMED for task in written):
                self.promoted.append(self.session.get_one(Revision, rotation.revision_id))  # it is in force there
        why.reason = f"{before} {why.reason} {holding}".strip()
        self._end(rotation, tasks, RotationState.STUCK, Status.FAILED, why)

    def _discard_pending(self, rotation: Rotation) -> None:
        if rotation.revision_id is not None:
            discard(self.session, self.session.get_one(Revision, rotation.revision_id))

    def _end(
        self, rotation: Rotation, tasks: Sequence[Task], state: RotationState, status: Status, why: Task | None
    ) -> None:
        rotation.state, rotation.status, rotation.ended_at = state, status, now()
        if why is not None:
            rotation.reason, rotation.cause, rotation.mend = why.reason, why.cause, why.mend
        vault = self.vaults.get(rotation.id)
        for task in [*tasks, *([vault] if vault is not None else [])]:
            if state == RotationState.SUCCESSFUL and goes_on(task):
                continue
            task.ended_at = task.ended_at or rotation.ended_at
            if task.state in (TaskState.WAITING, TaskState.CHECKED, TaskState.READY):
                task.state = TaskState.CANCELLED
        self._note(f"rotation.{state}", rotation, result=status, cause=rotation.cause)

    def _note(self, event: str, rotation: Rotation, result: str = "ok", **details: object) -> None:
        self.lines.append(
            Line(
                event=event,
                operator=rotation.requested_by,
                source="engine",
                organization=self.session.get_one(Organization, rotation.organization_id),
                subject=f"rotation {rotation.id} of record {rotation.record_id}",
                result=result,
                details=details,
            )
        )


def _written(tasks: Sequence[Task]) -> list[Task]:
    return [task for task in tasks if task.kind == TaskKind.ROTATE]


def _view(task: Task, current: Revision | None) -> StepView:
    # A password brought in since it was asked for (an import) was not the one that was proved; what the vault held, and
    # was kept for this very rotation, was.
    known = current is not None and (current.created_at <= task.created_at or current.rotation_id == task.rotation_id)
    return StepView(
        state=TaskState(task.state),
        taken=task.taken_at is not None,
        can_be_put_back=known and bool(task.previous_proved),
        tries=task.tries,
    )


def _not_sent(task: Task) -> None:
    task.state = TaskState.PUT_BACK_READY if task.state == TaskState.PUTTING_BACK else TaskState.READY


def _unanswered(task: Task, error: OutsideError) -> None:
    if task.state == TaskState.APPLYING and task.server is not None:
        task.state = TaskState.APPLIED
    task.reason, task.cause, task.mend = str(error), error.cause, error.mend


def _unknowable(task: Task, problem: RekeyError) -> None:
    task.state, task.reason = TaskState.UNKNOWN, str(problem)
    if isinstance(problem, OutsideError):
        task.cause, task.mend = problem.cause, problem.mend
