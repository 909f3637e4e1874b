"""A hundred thousand records under one schedule, in a process of its own: planning them; a tick with nothing due."""

import multiprocessing
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert
from sqlmodel import select

from bench._company import add_records, new_company, seen
from bot.audit import Trail
from bot.rotation.scheduled import keep_time
from bot.rotation.timetable import calendar, plan
from bot.rules import set_rule
from storage.database import Database
from storage.models import (
    Account,
    DueTime,
    Match,
    MatchState,
    Organization,
    Rotation,
    RotationState,
    new_uid,
)
from storage.names import fold
from storage.sealing import KeyRing, new_key_line

COUNT = 100_000
ORGANIZATIONS = 500
SECONDS, MEGABYTES, TICK_MS = 2.0, 300, 20.0
TICKS = 100
DUE = 500
_AT = datetime(2026, 11, 22, 3, 7, tzinfo=UTC)
_DAY = timedelta(days=1)
_RULE = {"scheduled": True, "every_days": 30, "at": "02:00", "tiers": ["person"], "windows": ["22:00-04:00"]}


def run() -> list[str]:
    """What planning everything costs, a tick of several hundred organizations, and taking up what is due."""
    with new_company() as (database, folder, directory_id):
        add_records(database, COUNT)
        _fill(database, directory_id)
        with multiprocessing.get_context("spawn").Pool(1) as child:
            url = database.engine.url.render_as_string(hide_password=False)
            seconds, megabytes, planned, tick, taking = child.apply(_measure, (url, folder))
    return [
        f"{planned:,} records planned: {seconds:.2f} s (limit {SECONDS:.0f} s), at most {megabytes:.0f} MB in all "
        f"(limit {MEGABYTES} MB)",
        f"a tick with nothing due, {ORGANIZATIONS} organizations: {tick:.1f} ms (median of {TICKS}; limit "
        f"{TICK_MS:.0f} ms)",
        f"taking up {DUE} due records, planning of all {COUNT:,} included: {taking:.2f} s",
    ]


def _measure(url: str, folder: Path) -> tuple[float, float, int, float, float]:
    database = Database(url)
    trail = Trail(KeyRing.parse(new_key_line()), folder)
    start = time.perf_counter()
    with database.reading() as session:
        found = calendar(session, session.get_one(Organization, 1), _AT)
        assert found is not None
        planned = plan(session, found, _AT)
    seconds = time.perf_counter() - start
    megabytes = _peak()
    keep_time(database, trail, _AT)  # the first one looks at everybody
    ticks = []
    for number in range(TICKS):
        start = time.perf_counter()
        keep_time(database, trail, _AT + number * timedelta(seconds=15))
        ticks.append((time.perf_counter() - start) * 1000)
    due_at = min(each.opening.begin for each in planned)
    start = time.perf_counter()
    keep_time(database, trail, due_at)
    taking = time.perf_counter() - start
    with database.reading() as session:
        assert len(session.exec(select(DueTime.id).where(DueTime.taken_at == due_at)).all()) >= DUE
    return seconds, megabytes, len(planned), statistics.median(ticks), taking


def _peak() -> float:
    """The most memory this process ever held. (What `getrusage` says begins with what its parent held.)"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _fill(database: Database, directory_id: int) -> None:
    """Everybody is matched; half were rotated by the schedule, a quarter by hand, and the first few are due tonight."""
    with database.writing() as session:
        organization = session.get_one(Organization, 1)
        organization.timezone = "Europe/Berlin"
        set_rule(session, organization, _RULE)
        session.add_all(
            Organization(name=f"Other {number}", name_key=f"other {number}") for number in range(ORGANIZATIONS - 1)
        )
        session.flush()
        session.execute(insert(Account), [_account(number, directory_id) for number in range(COUNT)])
        session.execute(insert(Match), [_match(number) for number in range(COUNT)])
        session.execute(insert(DueTime), [_due_time(number) for number in range(0, COUNT, 2)])
        blank = Rotation(organization_id=1, record_id=0, requested_by="U1").model_dump(exclude={"id"})
        session.execute(insert(Rotation), [_rotation(number, blank) for number in range(1, COUNT, 4)])


def _account(number: int, directory_id: int) -> dict[str, object]:
    account = seen(number)
    return {
        "organization_id": 1,
        "connection_id": directory_id,
        "object_id": account.object_id,
        "username": account.username,
        "username_key": fold(account.username),
        "domain": account.domain,
        "enabled": True,
        "locked": False,
        "is_connector": False,
        "directory_tier": account.tier,
        "tier": account.tier,
        "first_seen_at": _AT,
    }


def _match(number: int) -> dict[str, object]:
    approved_at = _AT - (30 * _DAY if number < 4 * DUE + 4 else (number % 20) * _DAY)
    return {
        "organization_id": 1,
        "account_id": number + 1,
        "record_id": number + 1,
        "state": MatchState.APPROVED,
        "decided_at": approved_at,
        "version": 1,
    }


def _due_time(number: int) -> dict[str, object]:
    taken_at = _AT - (1 + number % 20) * _DAY
    return {
        "organization_id": 1,
        "record_id": number + 1,
        "day": taken_at.date().isoformat(),
        "due_at": taken_at,
        "taken_at": taken_at,
    }


def _rotation(number: int, blank: dict[str, object]) -> dict[str, object]:
    ended_at = _AT - (number % 15) * _DAY
    mine = {"uid": new_uid(), "record_id": number + 1, "state": RotationState.SUCCESSFUL, "ended_at": ended_at}
    return {**blank, **mine}
