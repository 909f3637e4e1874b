"""The hour after a rotation: does something still use an earlier password, and is the account locked by it?

One task for a whole directory looks every few minutes at all accounts of the last hour together. What it finds stands
on the card, and whoever follows the organization hears of it. Unlocking is offered, never done unasked: it is a task
of the lane too.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from bot.audit import Line, Trail
from bot.directories.base import Directory, Sign, Signs
from bot.errors import LeaseLost, NotPermitted, OutsideError
from bot.permissions import Operator, may_rotate
from bot.rotation.engine import FIRST_LOOK
from bot.rotation.worker import SYSTEMIC, Worker
from storage.aftershocks import (
    get_shock,
    latest_shock,
    open_unlock,
    requests_of,
    rotated_since,
    shocks_of_rotations,
)
from storage.lanes import hold, note_success, wake
from storage.letters import write_letter
from storage.models import (
    Account,
    Aftershock,
    Organization,
    Request,
    Rotation,
    Task,
    TaskKind,
    TaskState,
    Tier,
    now,
)
from storage.notices import AFTERSHOCK, ROTATION, post, redraw
from storage.tasks import due_tasks
from storage.wishes import by_email, by_message, listeners

LASTS = timedelta(hours=1)
"""So long after its rotation an account is watched."""
EVERY = FIRST_LOOK
_TOGETHER = 500
_AT_ONCE = 16

_log = structlog.get_logger(__name__)


def attend(worker: Worker, directory: Directory) -> bool:
    """Do what is due of this kind in the worker's lane; whether there was anything. Raises the systemic error that
    stopped it.
    """
    with worker.database.reading() as session:
        unlocks = due_tasks(session, worker.connection_id, TaskKind.UNLOCK, [TaskState.READY], _AT_ONCE)
        if unlocks and session.get_one(Organization, unlocks[0].organization_id).frozen_at is not None:
            unlocks = []
        watches = due_tasks(session, worker.connection_id, TaskKind.AFTERSHOCK, [TaskState.READY], 1)
    for task in unlocks:
        _unlock(worker, directory, task)
    for task in watches:
        _watch(worker, directory, task)
    return bool(unlocks or watches)


def ask_unlock(session: Session, trail: Trail, operator: Operator, shock_id: int) -> Aftershock:
    """Have this account unlocked by its directory's lane; asking twice is asking once. What is known of it, as it is
    then.

    Whoever may rotate the account may; `NotPermitted` otherwise, and while everything is stopped there.
    """
    shock = get_shock(session, shock_id)
    aftershock, account = shock.aftershock, shock.account
    organization = session.get_one(Organization, aftershock.organization_id)
    decision = may_rotate(operator, organization.id, Tier(account.tier))
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    if organization.frozen_at is not None:
        raise NotPermitted("Everything is stopped in this organization, so nothing is unlocked. Start it again first.")
    if aftershock.locked_at is None or open_unlock(session, account.id) is not None:
        return aftershock
    aftershock.unlock_asked_by, aftershock.unlock_reason, aftershock.unlocked_at = operator.key, "", None
    session.add(aftershock)
    session.add(
        Task(
            organization_id=organization.id,
            connection_id=aftershock.connection_id,
            kind=TaskKind.UNLOCK,
            account_id=account.id,
        )
    )
    wake(session, aftershock.connection_id)
    trail.append(
        session,
        event="account.unlock_asked",
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=f"account {account.id} ({account.domain}\\{account.username})",
    )
    _show(session, [aftershock.rotation_id], news=False)
    return aftershock


# ---- looking ---------------------------------------------------------------------------------------------------------


def _watch(worker: Worker, directory: Directory, task: Task) -> None:
    began = now()
    with worker.database.reading() as session:
        # Those whose hour ended since the last look are looked at a last time.
        watched = rotated_since(session, worker.connection_id, began - LASTS - EVERY)
    heard: list[Signs] = []
    refusal = ""
    try:
        for first in range(0, len(watched), _TOGETHER):
            worker.keep_lease()
            ids = [account.object_id for account, _ in watched[first : first + _TOGETHER]]
            heard.append(directory.signs_of_trouble(ids))
    except SYSTEMIC:
        raise  # the lane waits, and this task with it
    except OutsideError as error:
        refusal = str(error)
        _log.warning("watch.refused", connection=worker.connection_id, reason=refusal)
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        kept = session.get_one(Task, task.id)
        if heard:
            note_success(session, lane)
            _keep(session, worker.connection_id, heard, began)
        if refusal or not rotated_since(session, worker.connection_id, began - LASTS):
            kept.ended_at, kept.reason = now(), refusal
            kept.state = TaskState.REFUSED if refusal else TaskState.DONE
        else:
            kept.due_at = now() + EVERY


def _keep(session: Session, connection_id: int, heard: Iterable[Signs], at: datetime) -> None:
    """Keep what is new, and have it shown."""
    watched = {account.object_id: (account, rotation) for account, rotation in
               rotated_since(session, connection_id, at - LASTS - EVERY)}  # fmt: skip
    known = shocks_of_rotations(session, [rotation.id for _, rotation in watched.values()])
    moved: list[int] = []
    news: list[int] = []
    for signs in heard:
        for sign in signs.found:
            if sign.account not in watched:
                continue
            account, rotation = watched[sign.account]
            before = known.get((rotation.id, account.id))
            bad, bad_at = tried_since(sign, account.password_set_at)
            if before is None and not bad and bad_at is None and sign.locked_at is None:
                continue
            after = before or Aftershock(
                organization_id=rotation.organization_id,
                rotation_id=rotation.id,
                account_id=account.id,
                connection_id=connection_id,
            )
            if before is None or (sign.locked_at is not None and before.locked_at is None):
                news.append(rotation.id)
            was = (after.bad, after.bad_at, after.locked_at, after.silent)
            after.bad, after.bad_at = max(after.bad, bad), bad_at or after.bad_at
            after.locked_at, after.silent, after.seen_at = sign.locked_at, list(signs.silent), at
            session.add(after)
            if before is None or was != (after.bad, after.bad_at, after.locked_at, after.silent):
                moved.append(rotation.id)
    session.flush()
    _show(session, moved, news=False)
    _show(session, news, news=True)


def tried_since(sign: Sign, set_at: datetime | None) -> tuple[int, datetime | None]:
    """How many wrong passwords count, and when the latest was tried, as far as that was after the password was set.
    Both times are the directory's.
    """
    if sign.bad_at is None or set_at is None or sign.bad_at <= set_at:
        return 0, None
    return sign.bad, sign.bad_at


def _show(session: Session, rotation_ids: Sequence[int], *, news: bool) -> None:
    """Have the cards say so; with `news`, tell whoever wants to hear of failures there."""
    if not rotation_ids:
        return
    requests = requests_of(session, rotation_ids)
    redraw(session, ROTATION, *requests)
    redraw(session, AFTERSHOCK, *requests)
    if not news:
        return
    for request_id in requests:
        request = session.get_one(Request, request_id)
        told = listeners(session, request.organization_id, request.requested_by, failed=True)
        for operator, way in told.items():
            about = {"kind": AFTERSHOCK, "subject": request_id, "organization_id": request.organization_id}
            if by_message(way):
                post(session, address=operator, **about)  # type: ignore[arg-type]
            if by_email(way):
                write_letter(session, operator=operator, **about)  # type: ignore[arg-type]


# ---- unlocking -------------------------------------------------------------------------------------------------------


def _unlock(worker: Worker, directory: Directory, task: Task) -> None:
    with worker.database.reading() as session:
        hold(session, worker.connection_id, worker.token)
        account = session.get_one(Account, task.account_id)
        if session.get_one(Task, task.id).ended_at is not None:
            return
    refusal: OutsideError | None = None
    try:
        worker.keep_lease()
        directory.unlock(account.object_id)
    except (LeaseLost, *SYSTEMIC):
        raise  # safe to repeat: it stays due
    except OutsideError as error:
        refusal = error
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        kept = session.get_one(Task, task.id)
        kept.ended_at, kept.reason = now(), str(refusal or "")
        kept.state = TaskState.REFUSED if refusal else TaskState.DONE
        shock = latest_shock(session, account.id)
        if shock is None:
            return
        if refusal is None:
            note_success(session, lane)
            shock.locked_at, shock.unlocked_at = None, now()
        else:
            shock.unlock_reason = f"{refusal} {refusal.mend}".strip()
        session.add(shock)
        session.flush()
        rotation = session.get_one(Rotation, shock.rotation_id)
        worker.trail.append_all(
            session,
            [
                Line(
                    event="account.unlocked",
                    operator=shock.unlock_asked_by or "rekey",
                    source="engine",
                    organization=session.get_one(Organization, rotation.organization_id),
                    subject=f"account {account.id} ({account.domain}\\{account.username})",
                    result="refused" if refusal else "ok",
                    details={"reason": str(refusal)} if refusal else {},
                )
            ],
        )
        _show(session, [rotation.id], news=False)
