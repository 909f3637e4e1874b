"""A person in Active Directory and, synced, in the cloud: one password, set on the premises, followed, never twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from bot.demo.practice_faults import Fault
from bot.permissions import Operator
from bot.rotation.afterwards import OPEN_FOR, WATCHED_FOR
from bot.rotation.planning import Intent, preview
from bot.rotation.watching import look_after
from storage.models import (
    Account,
    Match,
    MatchState,
    Notice,
    Organization,
    Role,
    Status,
    Task,
    TaskKind,
    TaskState,
    Tier,
    now,
)
from tests.rotation.world import ADMINISTRATOR, World

OLD = "Old-pass-0001!"


class Hybrid:
    """Jane, in corp and (synced) in the tenant; only her account in corp is matched unless a test does more."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.corp, self.tenant = world.directory("corp"), world.directory("tenant")
        jane = self.corp.person("jane", OLD)
        self.tenant.person("jane", OLD, immutable_id=jane.immutable_id, synced=True)
        self.record = world.matched("jane", {"corp": "jane", "tenant": "jane"})

    def match(self, directory: str) -> Match:
        """Detached, to look at; `decides` changes it."""
        with self.world.database.reading() as session:
            return session.exec(
                select(Match)
                .join(Account, Account.id == Match.account_id)  # type: ignore[arg-type]
                .where(Account.connection_id == self.world.connections[directory].id)
            ).one()

    def decides(self, directory: str, state: MatchState) -> None:
        """Somebody decided otherwise about that account's match."""
        with self.world.database.writing() as session:
            match = session.get_one(Match, self.match(directory).id)
            match.state, match.record_id = state, self.record.id if state == MatchState.APPROVED else None

    def rotates(self) -> None:
        """Ask, and work until nothing is due."""
        self.world.asks(self.record)
        self.world.drains()

    def connect_syncs(self) -> None:
        """Entra Connect's password hash synchronization has its turn."""
        self.tenant.arrives("jane", self.corp.account("jane").password)

    def passes(self, time: timedelta) -> None:
        """So much time goes by for everything that is under way, and the clock and the lanes look again."""
        with self.world.database.writing() as session:
            for task in session.exec(select(Task).where(Task.kind == TaskKind.WATCH)):
                task.due_at = now() - timedelta(seconds=1)
                task.created_at -= time
                task.taken_at = task.taken_at - time if task.taken_at else None
                session.add(task)
            session.flush()
            look_after(session, self.world.safe, self.world.trail, now())
        self.world.drains()

    def stands(self) -> tuple[Status | None, str]:
        """The word and the reason people see."""
        [stands] = self.world.status(self.record)
        return stands.status, stands.reason

    def watch(self) -> Task:
        """The latest watch."""
        with self.world.database.reading() as session:
            return session.exec(select(Task).where(Task.kind == TaskKind.WATCH).order_by(Task.id.desc())).first()  # type: ignore[attr-defined, return-value]


@pytest.fixture
def hybrid(world: World) -> Iterator[Hybrid]:
    hybrid = Hybrid(world)
    yield hybrid
    assert hybrid.tenant.count("set_password") == 0, "a synced account was written in the cloud"
    assert hybrid.corp.account("jane").times_set <= 2, "a second reset"


def test_only_active_directory_is_written_and_the_rotation_ends_once_the_cloud_has_followed(hybrid: Hybrid) -> None:
    hybrid.rotates()
    status, reason = hybrid.stands()
    assert status is Status.IN_PROGRESS
    assert "takes it over by itself" in reason
    assert hybrid.corp.holds("jane", hybrid.world.password(hybrid.record) or ""), "the vault waits for nobody"

    hybrid.connect_syncs()
    hybrid.passes(timedelta(minutes=2))

    status, reason = hybrid.stands()
    assert status is Status.SUCCESSFUL
    assert "tenant has taken it over" in reason
    assert hybrid.tenant.holds("jane", hybrid.world.password(hybrid.record) or "")


def test_after_ten_minutes_it_is_successful_with_the_cloud_pending_and_told_when_it_follows(hybrid: Hybrid) -> None:
    hybrid.rotates()
    hybrid.passes(OPEN_FOR - timedelta(seconds=30))
    assert hybrid.stands()[0] is Status.IN_PROGRESS

    hybrid.passes(timedelta(minutes=1))
    status, reason = hybrid.stands()
    assert status is Status.SUCCESSFUL
    assert "Cloud pending" in reason

    hybrid.connect_syncs()
    hybrid.passes(timedelta(hours=3))
    assert "tenant has taken it over" in hybrid.stands()[1]
    assert hybrid.watch().state == TaskState.DONE


def test_a_cloud_that_does_not_follow_for_a_day_is_one_notice_and_nothing_is_reset_again(hybrid: Hybrid) -> None:
    with hybrid.world.database.writing() as session:
        session.get_one(Organization, hybrid.world.organization.id).channel = "C0ACME"
    hybrid.rotates()
    for _ in range(3):
        hybrid.passes(WATCHED_FOR / 2)

    status, reason = hybrid.stands()
    assert status is Status.SUCCESSFUL, "Active Directory and the vault hold it"
    assert "password hash synchronization" in reason
    with hybrid.world.database.reading() as session:
        [notice] = session.exec(select(Notice).where(Notice.kind == "cloud")).all()
    assert (notice.address, notice.subject) == ("C0ACME", hybrid.world.connections["tenant"].id)
    assert hybrid.watch().state == TaskState.REFUSED


@pytest.mark.parametrize("cloud", ["stopped", "away"])
def test_a_cloud_that_cannot_be_read_holds_nothing_back_for_long(hybrid: Hybrid, cloud: str) -> None:
    hybrid.tenant.fails("any", with_=Fault.SIGN_IN_REFUSED if cloud == "stopped" else Fault.UNREACHABLE, times=None)
    hybrid.rotates()
    assert hybrid.corp.account("jane").times_set == 1

    hybrid.passes(timedelta(minutes=1))
    assert hybrid.corp.account("jane").times_set == 2
    hybrid.passes(OPEN_FOR)

    assert hybrid.stands()[0] is Status.SUCCESSFUL
    assert "Cloud pending" in hybrid.stands()[1]


def test_a_change_in_the_cloud_before_ours_is_not_taken_for_ours(hybrid: Hybrid) -> None:
    hybrid.tenant.arrives("jane", "an older change 7!")  # since the last sync
    hybrid.rotates()
    hybrid.passes(timedelta(minutes=1))

    assert hybrid.stands()[0] is Status.IN_PROGRESS
    assert hybrid.watch().state == TaskState.READY


def test_the_cloud_account_is_watched_although_nobody_matched_it_unless_it_was_ignored(hybrid: Hybrid) -> None:
    hybrid.decides("tenant", MatchState.NONE)
    hybrid.rotates()
    assert hybrid.watch().state == TaskState.READY
    hybrid.connect_syncs()
    hybrid.passes(timedelta(minutes=1))
    assert hybrid.stands()[0] is Status.SUCCESSFUL


def test_an_ignored_cloud_account_is_not_watched(hybrid: Hybrid) -> None:
    hybrid.decides("tenant", MatchState.IGNORED)
    hybrid.rotates()
    assert hybrid.watch() is None
    assert hybrid.stands()[0] is Status.SUCCESSFUL


def test_a_record_of_the_synced_account_alone_is_not_permitted_and_says_what_to_do(hybrid: Hybrid) -> None:
    hybrid.decides("corp", MatchState.NONE)
    hybrid.rotates()
    status, reason = hybrid.stands()
    assert status is Status.NOT_PERMITTED
    assert "synced from Active Directory" in reason
    assert "CORP\\jane, to this record" in reason
    assert hybrid.corp.account("jane").times_set == 1


def test_where_its_active_directory_is_not_connected_that_is_said(world: World) -> None:
    world.directory("tenant").person("jane", OLD, synced=True)
    record = world.matched("jane", {"tenant": "jane"})
    with world.database.reading() as session:
        [plan] = preview(session, ADMINISTRATOR, [(world.organization, record)], by_name=True)
    assert (plan.intent, plan.status) == (Intent.REFUSE, Status.NOT_PERMITTED)
    assert "connect it" in plan.reason
    assert world.rotates(record)[0].status is Status.NOT_PERMITTED


def test_an_account_that_is_synced_no_longer_ends_it_before_anything_is_written(hybrid: Hybrid) -> None:
    hybrid.tenant.account("jane").synced = False
    hybrid.rotates()
    status, reason = hybrid.stands()
    assert status is Status.NOT_PERMITTED
    assert "not synced" in reason
    assert hybrid.corp.account("jane").times_set == 1


def test_a_cloud_administrator_is_not_rotated_by_way_of_active_directory(hybrid: Hybrid) -> None:
    technician = Operator("U0TECH", "test", {hybrid.world.organization.id: Role.TECHNICIAN})
    with hybrid.world.database.writing() as session:
        account = session.get_one(Account, hybrid.match("tenant").account_id)
        account.tier = Tier.PRIVILEGED
    hybrid.decides("tenant", MatchState.NONE)

    hybrid.world.asks(hybrid.record, by=technician)

    assert hybrid.stands()[0] is Status.ADMIN_NOT_PERMITTED


def test_an_account_gone_from_the_cloud_is_not_watched_and_stops_nothing(hybrid: Hybrid) -> None:
    hybrid.tenant.deletes("jane")
    hybrid.rotates()
    assert hybrid.stands()[0] is Status.SUCCESSFUL
    assert "gone from the cloud" in hybrid.stands()[1]


def test_a_refusal_by_active_directory_leaves_no_watch_behind(hybrid: Hybrid) -> None:
    hybrid.corp.fails("set_password", with_=Fault.REFUSED, times=None)
    hybrid.rotates()
    assert hybrid.stands()[0] is Status.FAILED
    assert hybrid.watch().state == TaskState.CANCELLED


def test_a_later_rotation_takes_the_place_of_one_that_is_still_watched(world: World) -> None:
    hybrid = Hybrid(world)
    hybrid.rotates()
    first = hybrid.watch()
    hybrid.passes(OPEN_FOR)
    hybrid.rotates()
    hybrid.connect_syncs()
    hybrid.passes(timedelta(minutes=1))

    with world.database.reading() as session:
        assert session.get_one(Task, first.id).state == TaskState.CANCELLED
    assert hybrid.stands()[0] is Status.SUCCESSFUL
    assert hybrid.watch().state == TaskState.DONE
    assert hybrid.tenant.count("set_password") == 0
