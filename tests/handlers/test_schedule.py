"""What rotates by itself, seen and put off in Slack; what follows and what is stuck, mended there."""

from datetime import timedelta

from sqlmodel import select

from bot import stuck
from bot.rotation.announcing import Announcer
from bot.rotation.scheduled import keep_time
from bot.rules import set_rule
from storage.models import Match, MatchState, Organization, Rotation, RotationState, Status, Task, TaskKind, now
from storage.schedules import find_timetable
from tests.handlers.office import Office
from tests.handlers.test_rotations import kept


def scheduled(office: Office) -> None:
    """Everybody of Acme Dental is approved and falls due within a day."""
    office.approve_all("acme")
    with office.services.database.writing() as session:
        for match in session.exec(select(Match).where(Match.state == MatchState.APPROVED)):
            match.decided_at = now() - timedelta(days=29)
        acme = session.get_one(Organization, office.organization("acme").id)
        rule = {"scheduled": True, "every_days": 30, "at": "00:00", "tiers": ["person"], "notice_hours": 48}
        set_rule(session, acme, rule)
    keep_time(office.services.database, office.services.trail, now())


def test_the_next_thirty_days_are_shown_and_in_a_channel_those_of_its_organization(office: Office) -> None:
    scheduled(office)
    office.vic.types("/rotate schedule", in_="#acme")
    office.vic.modal().says("People every 30 days").says("3 passwords")
    office.alice.types("/rotate schedule", in_="#general")
    window = office.alice.modal("Schedule").says("Acme Dental").says("3 passwords")
    window.close()
    office.alice.types("/rotate schedule", in_="#globex")
    office.alice.modal().says("Nothing rotates by itself in the next 30 days")


def test_the_notice_before_is_skipped_by_a_technician_and_by_no_viewer(office: Office) -> None:
    scheduled(office)
    Announcer(office.services.database, office.services.settings)(now())
    with office.at_work():
        notice = kept(office, office.tina.sees("Rotating 3 passwords soon", in_="#acme"))
        office.vic.sees("Rotating 3 passwords soon", in_="#acme").press("In a day")
        office.vic.sees("Nothing was changed", in_="#acme")
        notice.press("In a day")
        notice.says("Put off by")
        notice.press("Skip this time", confirming="Skip this time")
        notice.says("Skipped this time")
    keep_time(office.services.database, office.services.trail, now())
    with office.services.database.reading() as session:
        timetable = find_timetable(session, office.organization("acme").id)
    assert timetable is not None
    assert timetable.next_run_at is not None
    assert timetable.next_run_at > now() + timedelta(days=28)
    assert [each.event for each in office.audit() if each.event.startswith("schedule.")] == [
        "schedule.postponed",
        "schedule.skipped",
    ]


def test_a_locked_account_shows_on_the_card_and_is_unlocked_from_there(office: Office) -> None:
    office.approve("alice.obrien")
    domain = office.domains["acme-ad"]
    with office.at_work():
        office.tina.types("/rotate now alice.obrien", in_="#acme")
        office.tina.modal().says("new password").submit()
        card = office.tina.sees("Rotated one password", in_="#acme")
        domain.locks("alice.obrien")
        with office.services.database.writing() as session:
            for task in session.exec(select(Task).where(Task.kind == TaskKind.AFTERSHOCK)):
                task.due_at = now()
        card.says("is locked since")
        office.tina.sees("Locked after its rotation", in_="@rekey")
        card.press("Unlock", confirming="Unlock")
        card.says("was unlocked by")
    assert not domain.is_locked(domain.account("alice.obrien"))
    assert len(office.audit("account.unlocked", "ok")) == 1


def test_what_is_stuck_is_taken_by_one_administrator_and_the_other_sees_who(office: Office) -> None:
    office.approve("alice.obrien")
    with office.services.database.writing() as session:
        match = session.get_one(Match, office.match_id("alice.obrien"))
        assert match.record_id is not None
        session.add(
            Rotation(
                organization_id=match.organization_id,
                record_id=match.record_id,
                requested_by=office.tina.id,
                state=RotationState.STUCK,
                status=Status.FAILED,
                reason="Somebody else reset the password meanwhile.",
                ended_at=now(),
            )
        )
    with office.services.database.writing() as session:
        stuck.look_after(session, office.services.settings, now())
    with office.at_work():
        office.bob.sees("One record is stuck", in_="@rekey")
        kept(office, office.alice.sees("One record is stuck", in_="@rekey")).press("I take this")
        office.bob.sees("looks after what is stuck at Acme Dental", in_="@rekey")
    assert [each.operator for each in office.audit("stuck.taken")] == [office.alice.id]
