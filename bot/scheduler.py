"""The clock, and the in-process way of running lanes and the outbox: APScheduler's threads, an executor for each.

The clock holds no truth: on every tick it asks the rows which lanes are due and hands those to the pool. A lane that is
already being drained here is left alone (its drainer looks again by itself), and one that yielded gets its next turn on
the tick that its end brings forward.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event, Lock
from time import monotonic
from types import TracebackType
from typing import Self

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlmodel import Session

from bot.errors import RekeyError
from bot.lanes import Lanes
from bot.mail import Mail
from bot.notices import Notices
from bot.processes import is_dead
from storage.lanes import Waiting, due_lanes
from storage.models import now
from storage.rotations import waiting_for_others
from storage.tasks import waiting_syncs

_ANCHOR = datetime(2020, 1, 1, tzinfo=UTC)  # one phase for every process: an interval without one drifts apart
_CHORES_SECONDS = 15
_RULES_SECONDS = 15
_PATIENCE = 3
"""Failures in a row after which a system counts as away for somebody who waits at a prompt."""

_log = structlog.get_logger(__name__)


class Scheduler:
    """Runs every due lane while it is open, empties the outbox where there is one, and sees to it that `chores` (what
    only time brings about) are done and `rules` (what falls due by a schedule) are kept every few seconds; a context
    manager.
    """

    def __init__(
        self,
        lanes: Lanes,
        *,
        pool_size: int,
        tick_seconds: float = 1.0,
        notices: Notices | None = None,
        mail: Mail | None = None,
        chores: Callable[[Session], None] | None = None,
        rules: Callable[[datetime], None] | None = None,
    ) -> None:
        self._lanes = lanes
        self._stopping = Event()
        self._busy: set[int] = set()
        self._lock = Lock()
        self._moved = Event()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                "lanes": ThreadPoolExecutor(pool_size),
                "clock": ThreadPoolExecutor(1),
                "notices": ThreadPoolExecutor(1),
                "mail": ThreadPoolExecutor(1),
                "chores": ThreadPoolExecutor(1),
                "rules": ThreadPoolExecutor(1),
            },
            job_defaults={"coalesce": True, "misfire_grace_time": None},
        )
        self._clock = self._scheduler.add_job(
            self._tick,
            "interval",
            seconds=tick_seconds,
            start_date=_ANCHOR,
            executor="clock",
            next_run_time=now(),
            max_instances=3,
        )
        if notices is not None:
            self._scheduler.add_job(notices.run, args=[self._stopping], executor="notices", name="notices")
        if mail is not None:
            self._scheduler.add_job(mail.run, args=[self._stopping], executor="mail", name="mail")
        if chores is not None:
            self._scheduler.add_job(
                self._do_chores,
                "interval",
                args=[chores],
                seconds=_CHORES_SECONDS,
                start_date=_ANCHOR,
                executor="chores",
            )
        if rules is not None:
            self._scheduler.add_job(
                self._keep_rules,
                "interval",
                args=[rules],
                seconds=_RULES_SECONDS,
                start_date=_ANCHOR,
                executor="rules",
                next_run_time=now(),  # what fell due while nobody was there
            )

    def __enter__(self) -> Self:
        self._scheduler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:  # the scheduler waits for its threads under the lock that adding a job takes
            self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def look_now(self) -> None:
        """Look at every lane at once instead of on the next tick."""
        self._scheduler.modify_job(self._clock.id, next_run_time=now())

    def run_rotations(self, rotation_ids: Sequence[int], told: Callable[[Waiting], None]) -> Waiting:
        """Run until each of these rotations has ended, or all that are left wait for somebody or something else.

        `told` hears how things stand whenever they may have changed.
        """
        return self._run_until(lambda session: waiting_for_others(session, rotation_ids, _PATIENCE, is_dead), told)

    def run_syncs(self, task_ids: Sequence[int], told: Callable[[Waiting], None]) -> Waiting:
        """Run until each of these syncs has ended, or all that are left wait for a system that is away."""
        return self._run_until(lambda session: waiting_syncs(session, task_ids, _PATIENCE, is_dead), told)

    def _run_until(self, standing: Callable[[Session], Waiting], told: Callable[[Waiting], None]) -> Waiting:
        while True:
            self._moved.clear()
            began = monotonic()
            with self._lanes.database.reading() as session:
                waiting = standing(session)
            told(waiting)
            if waiting.open == waiting.waiting:
                return waiting
            self._moved.wait(max(0.2, 10 * (monotonic() - began)))  # watching costs a tenth of a core at most

    def _tick(self) -> None:
        with self._lanes.database.reading() as session:
            due = due_lanes(session, now())
        for connection_id in due:
            with self._lock:
                if self._stopping.is_set():
                    return
                if connection_id in self._busy:
                    continue
                self._busy.add(connection_id)
                self._scheduler.add_job(
                    self._drain, args=[connection_id], executor="lanes", name=f"lane {connection_id}"
                )

    def _do_chores(self, chores: Callable[[Session], None]) -> None:
        try:
            with self._lanes.database.writing() as session:
                chores(session)
        except RekeyError as error:
            _log.error("chores.failed", reason=str(error))

    def _keep_rules(self, rules: Callable[[datetime], None]) -> None:
        try:
            rules(now())
        except RekeyError as error:
            _log.error("rules.failed", reason=str(error))

    def _drain(self, connection_id: int) -> None:
        worked = False
        try:
            worked = self._lanes.drain(connection_id)
        except RekeyError as error:
            _log.error("lane.failed", connection=connection_id, reason=str(error))
        finally:
            with self._lock:
                self._busy.discard(connection_id)
                if worked and not self._stopping.is_set():
                    self.look_now()  # what was done here may have made another lane's step due
            self._moved.set()
