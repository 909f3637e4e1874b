"""Three replicas on one PostgreSQL, sixty days around both changes of the clocks: every due time is taken up once."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, func, select

from bot.audit import Line, Trail
from bot.rotation.scheduled import keep_time
from bot.rules import rule_for, schedule_of, set_rule
from bot.schedule import Past, Schedule, next_due, opening
from storage.connections import add_connections
from storage.database import Database
from storage.models import (
    Account,
    Connection,
    DueTime,
    Match,
    MatchState,
    Organization,
    Record,
    Request,
    Rotation,
    RotationState,
    Task,
    Timetable,
)
from storage.revisions import Safe
from tests.storage.worlds import new_safe

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPRING, AUTUMN = datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)
"""Thirty days from each: between the two everything is down."""
PEOPLE = 2
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "Daily": ("Europe/Berlin", {"every_days": 1, "at": "02:30", "blackouts": ["03-20..03-24", "10-12..10-20"]}),
    "Nightly": ("America/New_York", {"weekdays": "mon-sun", "at": "20:00", "windows": ["22:00-04:00"]}),
    "Weekly": ("Australia/Lord_Howe", {"weekdays": ["sun"], "at": "02:00", "windows": ["sun,mon 00:30-06:00"]}),
    "Monthly": ("Pacific/Auckland", {"month_day": 31, "at": "23:30", "windows": ["sat 00:00-24:00"]}),
}


class Killed(BaseException):
    """The process is gone in the middle of a transaction."""


class MortalTrail(Trail):
    """The trail of a replica that may die right before its transaction commits."""

    dies: Callable[[], bool] = staticmethod(lambda: False)

    def append_all(self, session: Session, lines: Sequence[Line]) -> None:
        super().append_all(session, lines)
        if self.dies():
            raise Killed


class Replica:
    """One process: its own handle on the database, gone when it dies."""

    def __init__(self, url: str, safe: Safe, folder: Path, dies: Callable[[], bool]) -> None:
        self.database = Database(url)
        self.trail = MortalTrail(safe.keys, folder / "escrow")
        self.trail.dies = dies

    def ticks(self, at: datetime) -> bool:
        """Whether it lived through this tick."""
        try:
            keep_time(self.database, self.trail, at)
        except Killed:
            return False
        return True


@pytest.mark.postgres
def test_every_due_time_of_sixty_days_is_taken_up_once_in_its_first_window(postgres_url: str, tmp_path: Path) -> None:
    chance = random.Random(20261122)
    safe, _ = new_safe(tmp_path)
    database = Database(postgres_url)
    database.migrate()
    with database.writing() as session:
        for name, (zone, rule) in RULES.items():
            _company(session, name, zone, rule)
    dies = random.Random(2).random
    replicas: list[Replica | None] = [None, None, None]
    lived: list[datetime] = []
    with ThreadPoolExecutor(3) as pool:
        for at in _hours(chance):
            running = []
            for number in range(3):
                if chance.random() < 0.35:  # each is up about a third of the time, and often is a new process
                    replicas[number] = replicas[number] or Replica(postgres_url, safe, tmp_path, lambda: dies() < 0.1)
                    running.append(number)
            alive = list(pool.map(Replica.ticks, [_of(replicas, number) for number in running], [at] * len(running)))
            for number, survived in zip(running, alive, strict=True):
                if not survived or chance.random() < 0.02:
                    _of(replicas, number).database.dispose()
                    replicas[number] = None
            if any(alive):
                lived.append(at)
            _lanes_do_their_work(database, at)
    for replica in filter(None, replicas):
        replica.database.dispose()
    _check(database, lived)
    database.dispose()


def _hours(chance: random.Random) -> list[datetime]:
    """Once in every two hours of both months, but for a few days of downtime."""
    down = {chance.randrange(60) for _ in range(5)}
    return [
        start + day * DAY + hour * HOUR + timedelta(minutes=chance.randrange(120))
        for number, start in enumerate((SPRING, AUTUMN))
        for day in range(30)
        if number * 30 + day not in down
        for hour in range(0, 24, 2)
    ]


def _of(replicas: list[Replica | None], number: int) -> Replica:
    replica = replicas[number]
    assert replica is not None
    return replica


def _company(session: Session, name: str, zone: str, rule: dict[str, Any]) -> None:
    organization = Organization(name=name, name_key=name.lower(), timezone=zone, created_at=SPRING)
    session.add(organization)
    session.flush()
    sides = [
        Connection(organization_id=organization.id, name=side, name_key=side, side=side, kind="practice")
        for side in ("directory", "vault")
    ]
    add_connections(session, sides)
    set_rule(session, organization, {"scheduled": True, "tiers": ["person"], "spread": False, **rule})
    session.get_one(Timetable, organization.id).look_at = SPRING
    for number in range(PEOPLE):
        user = f"user{number}"
        record = Record(organization_id=organization.id, connection_id=sides[1].id, name=user, name_key=user)
        account = Account(
            organization_id=organization.id, connection_id=sides[0].id, object_id=user, username=user, username_key=user
        )
        session.add_all([record, account])
        session.flush()
        session.add(
            Match(
                organization_id=organization.id, account_id=account.id, record_id=record.id,
                state=MatchState.APPROVED, decided_at=SPRING - number * DAY,
            )
        )  # fmt: skip


def _lanes_do_their_work(database: Database, at: datetime) -> None:
    with database.reading() as session:
        waiting = session.exec(select(func.count()).select_from(Rotation).where(col(Rotation.ended_at).is_(None))).one()
    if waiting:
        with database.writing() as session:
            done = {"state": RotationState.SUCCESSFUL, "ended_at": at}
            session.execute(update(Rotation).where(col(Rotation.ended_at).is_(None)).values(**done))
            session.execute(update(Task).where(col(Task.ended_at).is_(None)).values(ended_at=at))


def _check(database: Database, lived: list[datetime]) -> None:
    with database.reading() as session:
        for organization in session.exec(select(Organization)).all():
            zone, schedule = ZoneInfo(organization.timezone), schedule_of(rule_for(session, organization))
            assert schedule is not None
            mine = DueTime.organization_id == organization.id
            taken = list(session.exec(select(DueTime).where(mine).order_by(col(DueTime.record_id), col(DueTime.id))))
            matches = {each.record_id: each.decided_at for each in session.exec(select(Match))}
            by_record = {key: list(rows) for key, rows in groupby(taken, lambda each: each.record_id)}
            assert len(by_record) == PEOPLE, organization.name
            for record_id, rows in by_record.items():
                _check_record(schedule, zone, matches[record_id] or SPRING, rows, lived)
            rotations = session.exec(
                select(func.count()).select_from(Rotation).where(Rotation.organization_id == organization.id)
            ).one()
            assert rotations == len(taken), f"{organization.name}: one rotation for each due time"
            runs = session.exec(select(Request).where(Request.organization_id == organization.id)).all()
            assert len(runs) == len({each.request_id for each in taken}), "and one card for each run"
            assert sorted(each for run in runs for each in run.record_ids) == sorted(each.record_id for each in taken)


def _check_record(
    schedule: Schedule, zone: ZoneInfo, known_at: datetime, rows: list[DueTime], lived: list[datetime]
) -> None:
    """What happened is what a person with a calendar would have done, at the first tick that could."""
    past = Past(known_at)
    for row in [*rows, None]:
        due = next_due(schedule, zone, past, since=SPRING)
        ticks = lived[bisect_right(lived, past.taken_at or SPRING) : bisect_left(lived, row.taken_at) if row else None]
        missed = next((tick for tick in ticks if _open(schedule, zone, due.at, tick)), None)
        assert missed is None, f"{zone.key}: due {due.day}, and not taken up at {missed}"
        if row is None:
            return
        assert (row.day, row.due_at) == (due.day.isoformat(), due.at)
        assert _open(schedule, zone, due.at, row.taken_at), f"{zone.key}: due {due.day}, taken up too early"
        past = Past(known_at, None, row.taken_at, date.fromisoformat(row.day))


def _open(schedule: Schedule, zone: ZoneInfo, due_at: datetime, tick: datetime) -> bool:
    found = opening(schedule, zone, due_at, tick) if tick >= due_at else None
    return found is not None and found.begin <= tick
