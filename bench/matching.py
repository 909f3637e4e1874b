"""100,000 accounts × 100,000 records, read, matched and written in a process of its own: its time and its memory."""

import multiprocessing
import resource
import time

from sqlalchemy import insert

from bench._company import add_records, new_company, seen
from bot.matching.suggesting import suggest
from storage.database import Database
from storage.matches import match_counts
from storage.models import Account, now
from storage.names import fold

COUNT = 100_000
SECONDS, MEGABYTES = 5, 500


def run() -> list[str]:
    """What the first look at everything costs, and the second, which finds nothing to write."""
    with new_company() as (database, _, directory_id):
        _add_accounts(database, directory_id)
        add_records(database, COUNT)
        with multiprocessing.get_context("spawn").Pool(1) as child:
            first, second, megabytes, counts = child.apply(
                _measure, (database.engine.url.render_as_string(hide_password=False),)
            )
    return [
        f"{COUNT:,} accounts × {COUNT:,} records: {first:.2f} s (limit {SECONDS} s), again {second:.2f} s, "
        f"at most {megabytes:.0f} MB in all (limit {MEGABYTES} MB)",
        f"found: {counts}",
    ]


def _measure(url: str) -> tuple[float, float, float, str]:
    database = Database(url)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        with database.writing() as session:
            suggest(session, 1)
        times.append(time.perf_counter() - start)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with database.reading() as session:
        counts = ", ".join(f"{count:,} {state}" for state, count in match_counts(session, 1).items() if count)
    return times[0], times[1], megabytes, counts


def _add_accounts(database: Database, directory_id: int) -> None:
    rows = []
    for number in range(COUNT):
        account = seen(number)
        rows.append(
            {
                "organization_id": 1,
                "connection_id": directory_id,
                "object_id": account.object_id,
                "username": account.username,
                "username_key": fold(account.username),
                "domain": account.domain,
                "upn": account.upn,
                "upn_key": fold(account.upn or ""),
                "mail": account.mail,
                "mail_key": fold(account.mail or ""),
                "enabled": True,
                "locked": False,
                "directory_tier": account.tier,
                "tier": account.tier,
                "first_seen_at": now(),
            }
        )
    with database.writing() as session:
        session.execute(insert(Account), rows)
