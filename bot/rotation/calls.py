"""What is asked of a directory for a group of accounts: a call for each, side by side, or one for many where it can.

Every item gets an answer of its own, an error included; what is wrong with ourselves is raised.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bot.directories.base import Directory, InBatches, Look, Proof, Standing
from bot.errors import LeaseLost, OutsideError, RekeyError, StorageError, Throttled, Unreachable
from bot.rotation.worker import STOPPING, SYSTEMIC, Worker, defect, each

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def batch_size(directory: Directory) -> int:
    """How many accounts one write carries."""
    return directory.batch if isinstance(directory, InBatches) else 1


def standings(worker: Worker, directory: Directory, accounts: Sequence[str]) -> list[Standing | RekeyError]:
    """What holds for each of these accounts right now."""
    if isinstance(directory, InBatches):
        return _in_batches(worker, directory.may_rotate_all, accounts, directory.batch)
    return each(worker, directory.may_rotate, accounts)


def proofs(worker: Worker, directory: Directory, looks: Sequence[Look]) -> list[Proof | RekeyError]:
    """Whether each of these accounts takes its password."""
    if isinstance(directory, InBatches):
        return _in_batches(worker, directory.confirm_all, looks, directory.batch)
    return each(worker, lambda look: confirm(directory, look), looks)


def confirm(directory: Directory, look: Look) -> Proof:
    """The same of one account, in this thread."""
    return directory.confirm(look.account, look.secret, look.since, look.server, look.unproven, look.times_set_before)


def answers_of(call: Callable[[], Sequence[Answer | RekeyError]], many: int) -> list[Answer | RekeyError]:
    """One answer for each of so many items: what the call says, or what it raised for all of them."""
    try:
        return list(call())
    except (LeaseLost, StorageError):
        raise
    except RekeyError as error:
        return [error] * many
    except Exception as error:
        return [defect(error)] * many


def worst(answers: Sequence[object]) -> OutsideError | None:
    """Of what is wrong with the system, that which holds it up the longest: a stop, a wait, an outage, a lost reply."""
    found = [answer for answer in answers if isinstance(answer, SYSTEMIC)]
    return max(found, key=_how_long, default=None)


def _how_long(error: OutsideError) -> tuple[int, float]:
    if isinstance(error, STOPPING):
        return 3, 0
    if isinstance(error, Throttled):
        return 2, error.retry_after
    return (1 if isinstance(error, Unreachable) else 0), 0


def _in_batches(
    worker: Worker, call: Callable[[Sequence[Item]], Sequence[Answer | RekeyError]], items: Sequence[Item], size: int
) -> list[Answer | RekeyError]:
    batches = [items[first : first + size] for first in range(0, len(items), size)]
    found: list[Answer | RekeyError] = []
    for batch, answers in zip(batches, each(worker, call, batches), strict=True):
        found += [answers] * len(batch) if isinstance(answers, RekeyError) else list(answers)
    return found
