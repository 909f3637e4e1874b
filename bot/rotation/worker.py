"""What the present owner of a lane works with: its database, safe and lease, and a pool for calls side by side."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import TypeVar

import structlog

from bot.audit import Trail
from bot.directories.base import Verdict
from bot.errors import (
    CertificateRefused,
    NoAnswer,
    OutsideError,
    RekeyError,
    RightMissing,
    SignInRefused,
    TenantNotPermitted,
    Throttled,
    Unreachable,
)
from bot.rotation.engine import Results, Settlement
from bot.rotation.states import status_of
from storage.database import Database
from storage.lanes import hold, note_failure, note_success
from storage.models import Lane, Status, now
from storage.revisions import Safe

STOPPING = (SignInRefused, CertificateRefused, TenantNotPermitted)
"""What no waiting mends: the lane stops until a person asks again. Trying on could lock our own account there."""

SYSTEMIC = (*STOPPING, Unreachable, NoAnswer, Throttled)
"""What is wrong with the system, not with one account: the rest of the group is left for later."""

LOCKOUT_WINDOW = timedelta(hours=1)
"""How far back our own sign-in attempts are counted: no shorter than the observation windows directories use."""

MOST_IDENTICAL_FAILURES = 5
"""After so many in a row a lane stops, and the rest is left alone."""

_log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Worker:
    """What the present owner of a lane works with."""

    database: Database
    safe: Safe
    trail: Trail
    connection_id: int
    token: int
    keep_lease: Callable[[], None]
    """Called before every outside write; raises `LeaseLost` when the lane is somebody else's now."""
    pool: ThreadPoolExecutor
    turn: Lock
    """Held around each outside write: several groups are prepared and proved side by side, but written one by one."""
    administrators: Collection[str] = ()
    """Operators who are administrators whatever is stored."""
    second_administrator: bool = True
    """Whether privileged and break-glass accounts asked for in Slack take a second administrator."""

    def settle(self, results: Results) -> None:
        """Keep these results in one transaction of our own lane."""
        if not results:
            return
        with self.database.writing() as session:
            lane = hold(session, self.connection_id, self.token)
            Settlement(session, self.safe, self.trail).settle(results)
            for task_id in sorted({*results.proofs, *results.refusals}):  # as they were written
                if task_id in results.proofs and results.proofs[task_id].verdict is Verdict.TAKEN:
                    note_success(session, lane)
                refusal = results.refusals.get(task_id)
                # Another account may well be refused for reasons of its own; a right that we lack concerns them all.
                if refusal is not None and isinstance(refusal.error, RightMissing):
                    failures = note_failure(session, lane, refusal.error.cause, str(refusal.error))
                    if failures >= MOST_IDENTICAL_FAILURES:
                        note_stopped(lane, refusal.error)


def note_stopped(lane: Lane, error: OutsideError) -> None:
    """Nothing more is tried in this lane until a person asks: keep what to say of what is left, and what mends it."""
    lane.stopped_at, lane.failure_mend = now(), error.mend
    lane.failure_status = status_of(error) if isinstance(error, TenantNotPermitted) else Status.API_ERROR


def each(worker: Worker, call: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer | RekeyError]:
    """Call for each item side by side; after a systemic error the rest get that same error without a call.

    What is wrong with one item, a defect of ours included, is its answer and stops no other. Raises what is wrong with
    ourselves: `LeaseLost`, `StorageError`.
    """
    trouble: list[OutsideError] = []

    def one(item: Item) -> Answer | RekeyError:
        if trouble:
            return trouble[0]
        worker.keep_lease()
        try:
            return call(item)
        except SYSTEMIC as error:
            trouble.append(error)
            return error
        except OutsideError as error:
            return error
        except RekeyError:
            raise
        except Exception as error:
            return defect(error)

    return list(worker.pool.map(one, items))


def defect(error: Exception) -> RekeyError:
    """What people are told when Rekey itself failed over one account; the log has where."""
    _log.error("step.defect", exc_info=error)
    return RekeyError(f"Rekey itself failed over this account ({type(error).__name__}); its log says where.")
