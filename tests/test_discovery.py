"""Reading directories: what came, changed and went is known afterwards, whatever happens in between."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from sqlmodel import select

from bot.audit import Trail
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.directories.base import Changes, SeenAccount
from bot.discovery import SyncResult, look_after, sync
from bot.errors import NoAnswer, Refused
from bot.matching import review
from bot.passwords import PasswordPolicy
from storage.accounts import accounts_of, get_account
from storage.connections import get_connection
from storage.database import Database
from storage.models import Account, MatchState, Organization, Task, TaskKind, Tier, now
from storage.policies import policies_shown
from storage.revisions import Safe
from tests.matching.worlds import ADMINISTRATOR, World, new_world
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import new_safe


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return new_safe(tmp_path)[0]


@pytest.fixture
def world(database: Database, safe: Safe, tmp_path: Path) -> World:
    return new_world(database, Trail(safe.keys, tmp_path / "escrow"))


@pytest.fixture
def domain() -> PracticeDomain:
    domain = PracticeDomain("CORP", "corp.example.test")
    for username in ("jane", "bob", "eve"):
        domain.person(username, "Winter-2025-Snow", display_name=username.title())
    return domain


def read(world: World, domain: PracticeDomain) -> SyncResult:
    return sync(world.database, world.trail, world.directories["CORP"].id, PracticeDirectory(domain))


def known(world: World) -> dict[str, Account]:
    with world.database.reading() as session:
        return {account.username: account for account in accounts_of(session, world.organization.id)}


def counts(result: SyncResult) -> tuple[int, int, int, int, int]:
    return result.accounts, result.added, result.changed, result.removed, result.suggested


def test_the_first_sync_reads_everything_and_suggests(world: World, domain: PracticeDomain) -> None:
    world.records("jane", "CORP\\bob")
    assert counts(read(world, domain)) == (3, 3, 0, 0, 2)
    assert world.stands("jane", "bob", "eve") == [("suggested", "jane"), ("suggested", "CORP\\bob"), ("none", None)]
    jane = known(world)["jane"]
    assert (jane.object_id, jane.domain, jane.display_name, jane.tier) == (
        domain.account("jane").object_id,
        "CORP",
        "Jane",
        Tier.PERSON,
    )
    with world.database.reading() as session:
        connection = get_connection(session, world.directories["CORP"].id)
        assert connection.domain_names == ["corp", "corp.example.test"]
        assert connection.synced_at is not None
    assert [(event.event, event.subject, event.result) for event in world.events()] == [
        ("directory.synced", "CORP", "ok")
    ]


def test_what_a_directory_demands_of_passwords_is_known_after_reading_it(world: World, domain: PracticeDomain) -> None:
    domain.policy = PracticePolicy(length=14)
    domain.account("bob").policy = PracticePolicy(length=25, complexity=False)
    for _ in range(2):
        read(world, domain)
    with world.database.reading() as session:
        [(connection, shown)] = [(where, what) for _, where, what in policies_shown(session) if what is not None]
    assert (connection.side, shown.trouble) == ("directory", "")
    found = [PasswordPolicy.from_json(each) for each in shown.policies]
    assert [(each.length, each.classes, each.forbidden) for each in found] == [(14, 3, ()), (25, 0, ())]


def test_what_nobody_had_read_for_a_day_is_read_again_once_a_day(world: World, domain: PracticeDomain) -> None:
    read(world, domain)
    corp = world.directories["CORP"].id

    def asked(at: datetime) -> int:
        with world.database.writing() as session:
            look_after(session, at)
            tasks = session.exec(select(Task).where(Task.connection_id == corp, Task.kind == TaskKind.SYNC)).all()
            for task in tasks:  # it is away: the task ends, and nothing was read
                task.ended_at = now()
                session.add(task)
            return len(tasks)

    assert asked(now()) == 0
    tomorrow = now() + timedelta(days=1, minutes=1)
    assert [asked(tomorrow - timedelta(hours=1)), asked(tomorrow)] == [0, 1]
    with world.database.writing() as session:
        for task in session.exec(select(Task).where(Task.kind == TaskKind.SYNC)):
            task.created_at = tomorrow
    assert [asked(tomorrow + timedelta(hours=23)), asked(tomorrow + timedelta(hours=25))] == [1, 2]


def test_a_second_sync_without_changes_changes_nothing(world: World, domain: PracticeDomain) -> None:
    world.records("jane")
    read(world, domain)
    before = world.match("jane").version
    assert counts(read(world, domain)) == (3, 0, 0, 0, 1)
    assert world.match("jane").version == before


def test_what_came_changed_and_went_is_found_incrementally(world: World, domain: PracticeDomain) -> None:
    world.records("jane", "bob", "robert", "zoe")
    read(world, domain)
    domain.renames("bob", "robert")
    domain.deletes("eve")
    domain.person("zoe", "Winter-2025-Snow")
    domain.resets("jane", "Spring-2026-Rain")
    assert counts(read(world, domain)) == (3, 1, 2, 1, 3)
    assert world.stands("jane", "robert", "zoe") == [
        ("suggested", "jane"),
        ("suggested", "robert"),
        ("suggested", "zoe"),
    ]
    assert set(known(world)) == {"jane", "robert", "zoe"}


def test_a_newcomer_takes_a_suggestion_away_and_its_going_gives_it_back(world: World, domain: PracticeDomain) -> None:
    world.records("jane")
    read(world, domain)
    world.accounts("LAB\\jane")
    domain.person("jan", "Winter-2025-Snow")
    assert world.stands("CORP\\jane", "LAB\\jane") == [("several", None)] * 2
    domain.renames("jane", "jane2")
    read(world, domain)
    assert world.stands("CORP\\jane2", "LAB\\jane") == [("none", None), ("suggested", "jane")]
    domain.renames("jane2", "jane")
    read(world, domain)
    assert world.stands("CORP\\jane", "LAB\\jane") == [("several", None)] * 2
    domain.deletes("jane")
    read(world, domain)
    assert world.stands("LAB\\jane") == [("suggested", "jane")]


def test_an_account_that_comes_back_is_there_again(world: World, domain: PracticeDomain) -> None:
    world.records("jane")
    read(world, domain)
    restored = domain.account("jane")
    domain.deletes("jane")
    assert counts(read(world, domain)) == (2, 0, 0, 1, 0)
    domain.person("jane", "Winter-2025-Snow")
    assert domain.account("jane").object_id == restored.object_id
    assert counts(read(world, domain)) == (3, 0, 1, 0, 1)
    assert world.stands("jane") == [("suggested", "jane")]


def test_decisions_outlive_their_account_and_it_is_told(world: World, domain: PracticeDomain) -> None:
    world.records("jane")
    read(world, domain)
    with world.database.writing() as session:
        review.approve(session, world.trail, ADMINISTRATOR, [world.match("jane").id])
        review.ignore(session, world.trail, ADMINISTRATOR, [world.match("bob").id])
    gone = known(world)
    for username in ("jane", "bob", "eve"):
        domain.deletes(username)
    domain.person("zoe", "Winter-2025-Snow")
    result = read(world, domain)
    assert counts(result) == (1, 1, 0, 3, 0)
    assert result.notes == (
        "CORP\\jane is gone from CORP. Its match to jane is kept, but it cannot be rotated: reopen or ignore it.",
    )
    with world.database.reading() as session:
        assert all(session.get_one(Account, account.id).removed_at for account in gone.values())
    domain.person("jane", "Winter-2025-Snow")
    read(world, domain)
    assert world.stands("jane") == [("approved", "jane")]


def test_marks_hold_as_soon_as_an_account_is_seen_and_never_lower_privileged(
    world: World, domain: PracticeDomain
) -> None:
    with world.database.writing() as session:
        organization = session.get_one(Organization, world.organization.id)
        organization.marks = {"shared": ["bob", "root"], "break-glass": ["CORP\\eve"]}
        session.add(organization)
    domain.person("root", "Winter-2025-Snow", groups={"Domain Admins"})
    read(world, domain)
    assert {name: account.tier for name, account in known(world).items()} == {
        "jane": Tier.PERSON,
        "bob": Tier.SHARED,
        "eve": Tier.BREAK_GLASS,
        "root": Tier.PRIVILEGED,
    }


@dataclass
class Pages:
    """A directory that shows these accounts, and may break off behind some of them."""

    usernames: list[str]
    breaks_after: int | None = None
    complete: bool = True
    made: str = "once"
    overlap: int = 1
    asked: list[str | None] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def accounts(self, since: str | None) -> Changes:
        self.asked.append(since)
        return Changes(self._accounts(), cursor=f"read {len(self.asked)}", complete=self.complete)

    def _accounts(self) -> Iterator[SeenAccount]:
        for number, username in enumerate(self.usernames):
            if number == self.breaks_after:
                raise NoAnswer("The connection broke.")
            yield SeenAccount(
                object_id=f"{username}, made {self.made}",
                username=username,
                domain="CORP",
                upn=None,
                mail=None,
                display_name=None,
                ou=None,
                enabled=True,
                locked=False,
                password_set_at=None,
                tier=Tier.PERSON,
                guard=None,
            )


def read_pages(world: World, pages: Pages) -> SyncResult:
    return sync(world.database, world.trail, world.directories["CORP"].id, pages)  # type: ignore[arg-type]


def test_a_read_that_breaks_off_loses_nothing_and_marks_nothing_removed(world: World) -> None:
    everybody = [f"user{number}" for number in range(2100)]
    read_pages(world, Pages(everybody))
    half = Pages(everybody[1000:], breaks_after=1050)
    with pytest.raises(NoAnswer):
        read_pages(world, half)
    assert len(known(world)) == 2100
    whole = Pages(everybody)
    assert counts(read_pages(world, whole)) == (2100, 0, 0, 0, 0)
    assert (half.asked, whole.asked) == (["read 1"], ["read 1"])  # the place to go on from was not moved by half a read


def test_a_first_read_that_breaks_off_goes_on_where_it_was(world: World) -> None:
    everybody = [f"user{number}" for number in range(1500)]
    world.records("user3", "user1400")
    with pytest.raises(NoAnswer):
        read_pages(world, Pages(everybody, breaks_after=1200))
    assert len(known(world)) == 1000
    assert counts(read_pages(world, Pages(everybody))) == (1500, 500, 0, 0, 2)
    assert world.stands("user3", "user1400") == [("suggested", "user3"), ("suggested", "user1400")]


def test_a_directory_that_suddenly_shows_nobody_is_not_believed(world: World) -> None:
    read_pages(world, Pages(["jane", "bob"]))
    with pytest.raises(Refused, match="CORP answered, but showed no account at all, where 2 are known") as caught:
        read_pages(world, Pages([]))
    assert (caught.value.cause, bool(caught.value.mend)) == ("directory-empty", True)
    assert set(known(world)) == {"jane", "bob"}
    assert counts(read_pages(world, Pages([], complete=False))) == (2, 0, 0, 0, 0)


def test_a_directory_that_has_nobody_yet_is_fine(world: World) -> None:
    assert counts(read_pages(world, Pages([]))) == (0, 0, 0, 0, 0)


def test_an_account_made_anew_does_not_inherit_the_approval(world: World) -> None:
    world.records("jane")
    read_pages(world, Pages(["jane"]))
    with world.database.writing() as session:
        review.approve(session, world.trail, ADMINISTRATOR, [world.match("jane").id])
    assert counts(read_pages(world, Pages(["jane"], made="anew"))) == (1, 1, 0, 1, 0)
    assert world.stands("jane") == [("several", None)]


def test_new_domain_names_make_qualified_records_exact(world: World, domain: PracticeDomain) -> None:
    world.records("jane@alias.example")
    read(world, domain)
    assert world.stands("jane") == [("none", None)]
    with world.database.writing() as session:
        connection = get_connection(session, world.directories["CORP"].id)
        connection.domain_names = ["alias.example"]
        session.add(connection)
    domain.dns_name = "alias.example"
    assert counts(read(world, domain))[4] == 1
    with world.database.reading() as session:
        assert get_account(session, world.organization.id, "jane@alias.example").username == "jane"


def test_a_clock_that_jumps_in_the_directory_disturbs_no_sync(world: World, domain: PracticeDomain) -> None:
    read(world, domain)
    domain.clock.passes(timedelta(days=-400))
    domain.resets("jane", "Spring-2026-Rain")
    assert counts(read(world, domain)) == (3, 0, 1, 0, 0)
    assert MatchState(world.match("jane").state) is MatchState.NONE


def test_the_account_rekey_itself_signs_in_with_is_known_as_such(world: World, domain: PracticeDomain) -> None:
    domain.person("svc-rekey", "Winter-2025-Snow", connector=True)

    read(world, domain)

    assert [name for name, account in known(world).items() if account.is_connector] == ["svc-rekey"]
    assert known(world)["svc-rekey"].guard
