"""Own a lane, drain it: everything towards one connection, done by one worker at a time.

A drain takes the lease, then works in this order until nothing is due or its turn is over: look at what was
interrupted, sync, check, write (putting back before anything new), watch what followed. Two groups of accounts are in
flight at once, so that one is prepared and proved while the other is written.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Lock
from time import monotonic

import structlog
from pydantic import SecretStr

from bot.audit import Trail
from bot.directories.base import Directory
from bot.discovery import sync
from bot.errands import run
from bot.errors import LeaseLost, Refused, RekeyError, SignInRefused
from bot.processes import is_dead, own_name
from bot.rotation.aftershock import attend
from bot.rotation.calls import batch_size
from bot.rotation.recovery import look, note_trouble, refuse_rest
from bot.rotation.sign_in import sign_in_again
from bot.rotation.signing_out import sign_out
from bot.rotation.steps import check, write
from bot.rotation.watching import watch
from bot.rotation.worker import SYSTEMIC, Worker
from bot.vault_lane import vault_round
from bot.vaults.base import Vault
from storage.connections import get_connection
from storage.database import Database
from storage.lanes import LOOKING, acquire, get_lane, give_up, hold, note_failure, release, renew
from storage.models import Connection, Organization, Task, TaskKind, TaskState, now
from storage.notices import MATCH_REVIEW, touch
from storage.revisions import Safe
from storage.tasks import due_tasks

_GROUP = 16
"""Accounts prepared, committed and written together."""
_WATCHED = 100
"""Accounts looked at together that are never written."""
_WATCHING = (TaskState.WAITING, TaskState.READY)
_STREAMS = 2
"""Groups in flight at once."""

_log = structlog.get_logger(__name__)


def _no_vault(connection: Connection) -> Vault:
    raise Refused(f"{connection.name} is a vault of the kind {connection.kind!r}, which cannot be opened here.")


def _no_directory(connection: Connection, _secret: SecretStr) -> Directory:
    raise SignInRefused(f"{connection.name} takes no other credential here.")


@dataclass(frozen=True, slots=True)
class Lanes:
    """What it takes to drain any lane."""

    database: Database
    safe: Safe
    trail: Trail
    open_directory: Callable[[Connection], Directory]
    lease: timedelta
    longest_pause: timedelta
    administrators: Collection[str] = ()
    second_administrator: bool = True
    open_vault: Callable[[Connection], Vault] = _no_vault
    connect: Callable[[Connection, SecretStr], Directory] = _no_directory
    """A directory connection with another credential than the stored one: to try our own account's other passwords."""

    def drain(self, connection_id: int, seconds: float = 5.0) -> bool:
        """Do what is due in this lane for about so many seconds; False when another living worker owns it.

        What is wrong outside is kept in the rows, never raised.
        """
        with self.database.writing() as session:
            token = acquire(session, connection_id, own_name(), self.lease, is_dead)
            connection = get_connection(session, connection_id)
        if token is None:
            return False
        wanted = False
        try:
            wanted = self._drain(connection, token, monotonic() + seconds)
        except LeaseLost as error:
            _log.warning("lane.lost", connection=connection.name, reason=str(error))
        except Exception as error:
            # Our own disk, key or a defect: the rows say what is under way; the lane must neither spin nor go quiet.
            _log.exception("lane.broken", connection=connection.name)
            self._pause(connection_id, token, error)
        finally:
            with self.database.writing() as session:
                give_up(session, connection_id, token, wanted=wanted)
        return True

    def _drain(self, connection: Connection, token: int, until: float) -> bool:
        """Whether the lane's turn ended before its work did."""
        try:
            outside, turn = self._open(connection)
        except RekeyError as problem:
            stored = f"{connection.name} cannot be used as it is stored: {problem}"
            unusable = problem if isinstance(problem, SYSTEMIC) else SignInRefused(stored, cause="connection")
            with ThreadPoolExecutor(1) as pool:
                worker = self._worker(connection, token, pool)
                note_trouble(worker, unusable, self.longest_pause)
                refuse_rest(worker)
            return False
        with outside, ThreadPoolExecutor(outside.overlap, thread_name_prefix=f"lane-{connection.id}") as pool:
            worker = self._worker(connection, token, pool)
            while monotonic() < until:
                busy = True
                try:
                    busy = turn(worker, until)
                except SYSTEMIC as error:
                    _log.warning("lane.trouble", connection=connection.name, cause=error.cause, reason=str(error))
                    if isinstance(error, SignInRefused) and self._signs_in_again(worker, connection):
                        return True
                    note_trouble(worker, error, self.longest_pause)
                refuse_rest(worker)
                with self.database.writing() as session:
                    lane = hold(session, connection.id, token)
                    if get_connection(session, connection.id).credential != connection.credential:
                        return True  # our own password was rotated: whatever is opened from here on needs the new one
                    if lane.stopped_at is not None or (lane.backoff_until is not None and lane.backoff_until > now()):
                        return False
                    if not busy and release(session, connection.id, token):
                        return False
        return True

    def _open(self, connection: Connection) -> tuple[Directory | Vault, Callable[[Worker, float], bool]]:
        """What is at the other end, and how one pass over what is due there goes."""
        if connection.side == "vault":
            vault = self.open_vault(connection)
            return vault, lambda worker, _until: vault_round(worker, vault)
        directory = self.open_directory(connection)
        return directory, lambda worker, until: _round(worker, directory, until)

    def _signs_in_again(self, worker: Worker, connection: Connection) -> bool:
        try:
            return connection.side == "directory" and sign_in_again(worker, connection, self.connect)
        except SYSTEMIC as error:
            note_trouble(worker, error, self.longest_pause)
            return True

    def _pause(self, connection_id: int, token: int, error: Exception) -> None:
        reason = str(error) if isinstance(error, RekeyError) else f"Rekey itself failed ({type(error).__name__})."
        with self.database.writing() as session:
            lane = hold(session, connection_id, token)
            failures = note_failure(session, lane, type(error).__name__, reason)
            lane.backoff_until = now() + min(timedelta(seconds=2.0 ** min(failures, 20)), self.longest_pause)
            touch(session, MATCH_REVIEW, get_connection(session, connection_id).organization_id)

    def _worker(self, connection: Connection, token: int, pool: ThreadPoolExecutor) -> Worker:
        return Worker(
            database=self.database,
            safe=self.safe,
            trail=self.trail,
            connection_id=connection.id,
            token=token,
            keep_lease=_Lease(self.database, connection.id, token, self.lease).keep,
            pool=pool,
            turn=Lock(),
            administrators=self.administrators,
            second_administrator=self.second_administrator,
        )


class _Lease:
    """Renews the lease once a third of it is gone."""

    def __init__(self, database: Database, connection_id: int, token: int, length: timedelta) -> None:
        self._database = database
        self._connection_id = connection_id
        self._token = token
        self._length = length
        self._third = length.total_seconds() / 3
        self._renewed = monotonic()

    def keep(self) -> None:
        """`LeaseLost` when another worker owns the lane now."""
        if monotonic() - self._renewed > self._third:
            with self._database.writing() as session:
                renew(session, self._connection_id, self._token, self._length)
            self._renewed = monotonic()


def _round(worker: Worker, directory: Directory, until: float) -> bool:
    """One pass over what is due; False when there was nothing. Raises the systemic error that ended it."""
    worker.keep_lease()
    with worker.database.reading() as session:
        lane = get_lane(session, worker.connection_id)
        connection = get_connection(session, worker.connection_id)
        frozen = session.get_one(Organization, connection.organization_id).frozen_at is not None
        if lane.frozen_reason is not None:
            return False
        interrupted = due_tasks(session, worker.connection_id, TaskKind.ROTATE, LOOKING, _GROUP)
        # Reading is no rotation: a stopped organization is still read.
        syncs = due_tasks(session, worker.connection_id, TaskKind.SYNC, [TaskState.READY], 1)
        watches = due_tasks(session, worker.connection_id, TaskKind.WATCH, _WATCHING, _WATCHED)
        sign_outs = [] if frozen else due_tasks(session, worker.connection_id, TaskKind.SIGN_OUT, _WATCHING, _WATCHED)
        waiting = (
            [] if frozen else due_tasks(session, worker.connection_id, TaskKind.ROTATE, [TaskState.WAITING], _GROUP)
        )
    if interrupted:
        look(worker, directory, interrupted)
    for task in syncs:
        run(
            worker,
            task,
            partial(sync, worker.database, worker.trail, worker.connection_id, directory, worker.keep_lease),
        )
    if watches:
        watch(worker, directory, watches)
    if waiting:
        check(worker, directory, waiting)
    wrote = False if frozen else _write_due(worker, directory, until)
    if sign_outs:
        sign_out(worker, directory, sign_outs)
    attended = attend(worker, directory)
    return bool(interrupted or syncs or watches or waiting or wrote or sign_outs or attended)


def _write_due(worker: Worker, directory: Directory, until: float) -> bool:
    """Write what is due in a few streams side by side; whether there was anything."""
    claimed: set[int] = set()
    claiming = Lock()
    troubles: list[RekeyError] = []

    group = max(_GROUP, batch_size(directory))

    def claim() -> Sequence[Task]:
        states = [TaskState.PUT_BACK_READY, TaskState.READY]
        with claiming, worker.database.reading() as session:
            due = due_tasks(session, worker.connection_id, TaskKind.ROTATE, states, group * (_STREAMS + 1))
            mine = [task for task in due if task.id not in claimed][:group]
            claimed.update(task.id for task in mine)
            return mine

    def stream() -> None:
        while not troubles and monotonic() < until and (tasks := claim()):
            try:
                write(worker, directory, tasks)
            except RekeyError as error:
                troubles.append(error)
            with worker.database.reading() as session:
                if get_lane(session, worker.connection_id).stopped_at is not None:
                    return

    with ThreadPoolExecutor(_STREAMS, thread_name_prefix=f"stream-{worker.connection_id}") as streams:
        for finished in [streams.submit(stream) for _ in range(_STREAMS)]:
            finished.result()
    if troubles:
        raise next((error for error in troubles if isinstance(error, LeaseLost)), troubles[0])
    return bool(claimed)
