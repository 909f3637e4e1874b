"""What a rotation does next, decided from the states of its steps alone (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import AdminNotPermitted, OutsideError, PasswordRefused, Refused, TenantNotPermitted
from storage.models import RotationState, Status, TaskState

MOST_ATTEMPTS = 3
"""Passwords generated for one rotation when directories refuse them, in all."""
MOST_TRIES = 3
"""Writes of one step that a directory acknowledged without effect, or refused while no way back is known."""

UNTOUCHED = frozenset({TaskState.WAITING, TaskState.CHECKED, TaskState.READY})
"""By such a step nothing was written."""
_UNDER_WAY = frozenset(
    {TaskState.WAITING, TaskState.READY, TaskState.APPLYING, TaskState.APPLIED, TaskState.PUTTING_BACK,
     TaskState.PUT_BACK_READY}
)  # fmt: skip
_WRITING = frozenset({TaskState.APPLYING, TaskState.APPLIED, TaskState.PUTTING_BACK, TaskState.PUT_BACK_READY})


class Move(StrEnum):
    """What to do with a rotation now."""

    WAIT = "wait"
    """Some step is under way or due; it will come back here."""
    NEXT = "next"
    """Every step so far is done: the first checked one may be applied."""
    RECORD = "record"
    """Every account was proved to take the new password: its vault outside is next."""
    FINISH = "finish"
    """Every account was proved to take the new password, and so was the vault outside."""
    END_REFUSED = "end_refused"
    """Refused before any account took it."""
    PUT_BACK = "put_back"
    """Some account refused for good, others took it, and all of those can be put back."""
    RETRY = "retry"
    """Some account refused, others took it and cannot all be put back: try forward."""
    END_PUT_BACK = "end_put_back"
    """Every account that took it was put back."""
    STICK = "stick"
    """A person must look."""


@dataclass(frozen=True, slots=True)
class StepView:
    """As much of a step as the decision needs."""

    state: TaskState
    taken: bool = False
    """Its directory took a password of this rotation."""
    can_be_put_back: bool = False
    tries: int = 0


def decide(state: RotationState, steps: Sequence[StepView], vault: TaskState | None = None) -> Move:
    """The one next move of an open rotation. Total: every combination of step states has an answer.

    `vault` is the state of its step towards a vault outside; None where the vault is embedded. It is refused only while
    nothing was written anywhere, and never has a directory put back.
    """
    states = {step.state for step in steps}
    if vault == TaskState.REFUSED and not any(step.taken for step in steps) and not states & _WRITING:
        return Move.END_REFUSED
    if TaskState.UNKNOWN in states:
        return Move.WAIT if states & _WRITING else Move.STICK
    if state == RotationState.PUTTING_BACK:
        if states & _UNDER_WAY:
            return Move.WAIT
        undone = all(step.state == TaskState.PUT_BACK for step in steps if step.taken)
        return Move.END_PUT_BACK if undone else Move.STICK
    if TaskState.REFUSED in states:
        if states & _WRITING:
            return Move.WAIT
        taken = [step for step in steps if step.taken]
        if not taken:
            return Move.END_REFUSED
        if all(step.can_be_put_back for step in taken):
            return Move.PUT_BACK
        refused = [step for step in steps if step.state == TaskState.REFUSED]
        return Move.RETRY if all(step.tries + 1 < MOST_TRIES for step in refused) else Move.STICK
    if states & _UNDER_WAY:
        return Move.WAIT
    if states == {TaskState.CONFIRMED} or (not states and vault is not None):  # none: a restore in the vault alone
        return _towards_the_vault(vault)
    return Move.NEXT if TaskState.CHECKED in states else Move.STICK


def _towards_the_vault(vault: TaskState | None) -> Move:
    match vault:
        case None | TaskState.DONE:
            return Move.FINISH
        case TaskState.WAITING | TaskState.CHECKED:
            return Move.RECORD
        case TaskState.READY | TaskState.RECORDING:
            return Move.WAIT
        case _:
            return Move.STICK


def status_of(error: OutsideError) -> Status:
    """The word people see for a refusal by which no password was touched."""
    match error:
        case AdminNotPermitted():
            return Status.ADMIN_NOT_PERMITTED
        case TenantNotPermitted():
            return Status.MULTI_TENANT_NOT_PERMITTED
        case PasswordRefused():
            return Status.FAILED
        case Refused() if type(error) is not Refused:
            return Status.API_ERROR
        case _:
            return Status.FAILED
