"""Requests: what is confirmed is what was seen, once; privileged accounts take a second administrator on every path."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from bot.demo.practice_faults import Fault
from bot.errors import BadInput, NotPermitted
from bot.permissions import Operator
from bot.rotation.progress import Mend
from bot.rotation.requests import Answer, approve, look_after
from bot.settings import Settings
from storage.approvals import find_waiting
from storage.models import (
    Approval,
    ApprovalState,
    Match,
    MatchState,
    Notice,
    Organization,
    Record,
    RequestState,
    Role,
    Rotation,
    RotationState,
    Status,
    Tier,
    now,
)
from storage.records import records_called
from tests.rotation.people import ALICE, BOB, STRANGER, TINA, VIC, People
from tests.rotation.world import World, side_by_side
from tests.storage.databases import KINDS, migrated_database

OLD = "Old-pass-0001!"


@pytest.fixture
def people(world: World) -> People:
    domain = world.directory("acme")
    for name in ("ann", "ben", "cleo"):
        domain.person(name, OLD)
    domain.person("dom", OLD, groups=("Domain Admins",))
    return People(world)


@pytest.fixture
def ann(people: People) -> Record:
    return people.world.matched("ann", {"acme": "ann"})


@pytest.fixture
def ben(people: People) -> Record:
    return people.world.matched("ben", {"acme": "ben"})


@pytest.fixture
def dom(people: People) -> Record:
    return people.world.matched("dom", {"acme": "dom"})


def test_nothing_is_rotated_before_the_preview_is_confirmed(people: People, ann: Record) -> None:
    drafted = people.drafts(TINA, [ann])
    people.world.drains()

    assert people.request(drafted.request.id).state == RequestState.PREVIEW
    assert people.world.domains["acme"].holds("ann", OLD)


def test_a_confirmed_preview_is_rotated_and_ends(people: People, ann: Record, ben: Record) -> None:
    confirmed = people.asks(TINA, ann, ben)
    people.world.drains()

    assert confirmed.answer is Answer.STARTED
    assert people.request(confirmed.draft.request.id).state == RequestState.ENDED
    assert {each.status for each in people.rotations(confirmed.draft.request.id)} == {Status.SUCCESSFUL}
    assert {"rotation.requested", "request.started"} <= set(people.audited())


def test_a_confirmation_delivered_twice_starts_one_rotation(people: People, ann: Record) -> None:
    request_id = people.drafts(TINA, [ann]).request.id
    side_by_side(*[lambda: people.confirms(TINA, request_id)] * 4)
    people.world.drains()

    assert people.confirms(TINA, request_id).answer is Answer.ALREADY
    with people.world.database.reading() as session:
        assert len(session.exec(select(Rotation)).all()) == 1
    assert people.world.domains["acme"].account("ann").times_set == 2


def test_what_changed_since_the_preview_is_shown_again_instead_of_done(people: People, ann: Record) -> None:
    request_id = people.drafts(ALICE, [ann]).request.id
    people.becomes("ann", Tier.SERVICE)

    assert people.confirms(ALICE, request_id).answer is Answer.CHANGED
    assert people.request(request_id).state == RequestState.PREVIEW
    assert people.confirms(ALICE, request_id).answer is Answer.STARTED


def test_a_preview_is_confirmed_only_by_whom_it_was_shown_to(people: People, ann: Record) -> None:
    request_id = people.drafts(TINA, [ann]).request.id

    with pytest.raises(NotPermitted):
        people.confirms(ALICE, request_id)


@pytest.mark.parametrize("key", [VIC, STRANGER])
def test_who_may_not_rotate_starts_nothing(people: People, ann: Record, key: str) -> None:
    drafted = people.drafts(key, [ann])

    assert not drafted.going
    with pytest.raises(BadInput):
        people.confirms(key, drafted.request.id)
    people.world.drains()
    assert people.world.domains["acme"].holds("ann", OLD)


def test_a_technician_cannot_rotate_a_domain_admin(people: People, dom: Record) -> None:
    drafted = people.drafts(TINA, [dom])

    assert [each.status for each in drafted.previews] == [Status.ADMIN_NOT_PERMITTED]
    assert "rotation.refused" in people.audited()
    with pytest.raises(BadInput):
        people.confirms(TINA, drafted.request.id)


def test_a_technician_cannot_rotate_a_record_that_a_domain_admin_shares_with_a_person(people: People) -> None:
    people.world.directory("branch").person("dom", OLD)
    shared = people.world.matched("both", {"acme": "dom", "branch": "dom"})

    assert [each.status for each in people.drafts(TINA, [shared]).previews] == [Status.ADMIN_NOT_PERMITTED]
    assert people.asks(ALICE, shared).answer is Answer.WAITS


def test_somebody_made_domain_admin_between_preview_and_apply_is_left_alone_by_a_technician(
    people: People, ann: Record
) -> None:
    confirmed = people.asks(TINA, ann)
    people.world.domains["acme"].account("ann").groups = ("Domain Admins",)
    people.world.drains()

    assert [each.status for each in people.rotations(confirmed.draft.request.id)] == [Status.ADMIN_NOT_PERMITTED]
    assert people.world.domains["acme"].holds("ann", OLD)


# ---- a second administrator ------------------------------------------------------------------------------------------


def test_a_domain_admin_is_rotated_once_a_second_administrator_agreed(people: People, dom: Record) -> None:
    confirmed = people.asks(ALICE, dom)
    request_id = confirmed.draft.request.id
    people.world.drains()
    assert confirmed.answer is Answer.WAITS
    assert people.world.domains["acme"].holds("dom", OLD)

    assert people.decides(BOB, request_id).state == ApprovalState.APPROVED
    people.world.drains()

    assert people.request(request_id).state == RequestState.ENDED
    assert [each.status for each in people.rotations(request_id)] == [Status.SUCCESSFUL]
    assert not people.world.domains["acme"].holds("dom", OLD)
    assert {"approval.requested", "approval.approved", "request.started"} <= set(people.audited())


def test_nobody_but_another_administrator_can_agree(people: People, dom: Record) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id

    for key in (ALICE, TINA, VIC, STRANGER):
        with pytest.raises(NotPermitted):
            people.decides(key, request_id)
    assert people.request(request_id).state == RequestState.AWAITING_APPROVAL


def test_every_other_administrator_gets_a_card_and_the_one_who_asked_does_not(people: People, dom: Record) -> None:
    people.grants("U0CAROL", Role.ADMINISTRATOR)
    people.asks(ALICE, dom)

    with people.world.database.reading() as session:
        cards = session.exec(select(Notice).where(Notice.kind == "approval")).all()
    assert {each.address for each in cards} == {BOB, "U0CAROL"}


def test_agreeing_twice_starts_one_rotation(people: People, dom: Record) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id
    people.grants("U0CAROL", Role.ADMINISTRATOR)
    with people.world.database.reading() as session:
        waiting = find_waiting(session, request_id)
    assert waiting is not None

    def agrees(key: str) -> None:
        with people.world.database.writing() as session:
            operator = Operator(key, "slack", {None: Role.ADMINISTRATOR})
            approve(session, people.world.trail, people.settings, operator, waiting.id, agree=True)

    side_by_side(*[lambda: agrees(BOB), lambda: agrees("U0CAROL")] * 2)
    people.world.drains()

    assert people.world.domains["acme"].account("dom").times_set == 2


def test_a_refusal_ends_the_request_and_nothing_is_rotated(people: People, dom: Record) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id
    people.decides(BOB, request_id, agree=False)
    people.world.drains()

    assert people.request(request_id).state == RequestState.CANCELLED
    assert "refused" in people.request(request_id).reason
    assert people.world.domains["acme"].holds("dom", OLD)


def test_an_agreement_to_a_plan_that_changed_counts_for_nothing(people: People, ann: Record, dom: Record) -> None:
    request_id = people.asks(ALICE, ann, dom).draft.request.id
    people.becomes("ann", Tier.PRIVILEGED)

    assert people.decides(BOB, request_id).state == ApprovalState.VOID
    people.world.drains()
    assert people.request(request_id).state == RequestState.CANCELLED
    assert people.world.domains["acme"].holds("dom", OLD)


def test_an_agreement_counts_for_nothing_when_the_requester_is_no_administrator_any_more(
    people: People, dom: Record
) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id
    people.grants(ALICE, Role.TECHNICIAN)

    assert people.decides(BOB, request_id).state == ApprovalState.VOID


def test_an_approval_is_shown_again_after_half_an_hour_and_is_over_after_one(people: People, dom: Record) -> None:
    world = people.world
    request_id = people.asks(ALICE, dom).draft.request.id

    def clock(ahead: timedelta) -> list[Notice]:
        with world.database.writing() as session:
            look_after(session, world.trail, people.settings, now() + ahead)
        with world.database.reading() as session:
            return list(session.exec(select(Notice).where(Notice.kind == "approval")).all())

    assert len(clock(timedelta(minutes=29))) == 1
    assert len(clock(timedelta(minutes=31))) == 2
    assert len(clock(timedelta(minutes=45))) == 2, "reminded twice"
    clock(timedelta(minutes=61))
    assert people.request(request_id).state == RequestState.CANCELLED
    assert "approval.expired" in people.audited()


def test_an_approval_pressed_after_its_hour_rotates_nothing(people: People, dom: Record) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id
    with people.world.database.writing() as session:
        waiting = find_waiting(session, request_id)
        assert waiting is not None
        waiting.expires_at = now() - timedelta(seconds=1)
        session.add(waiting)

    assert people.decides(BOB, request_id).state == ApprovalState.EXPIRED
    people.world.drains()
    assert people.world.domains["acme"].holds("dom", OLD)


def test_somebody_made_domain_admin_after_the_agreement_was_not_agreed_to(
    people: People, ann: Record, dom: Record
) -> None:
    request_id = people.asks(ALICE, ann, dom).draft.request.id
    people.decides(BOB, request_id)
    people.world.domains["acme"].account("ann").groups = ("Domain Admins",)
    people.world.drains()

    by_record = {each.record_id: each for each in people.rotations(request_id)}
    assert by_record[dom.id].status == Status.SUCCESSFUL
    assert by_record[ann.id].status == Status.ADMIN_NOT_PERMITTED
    assert by_record[ann.id].cause == "second-administrator"
    assert people.world.domains["acme"].holds("ann", OLD)


def test_somebody_made_domain_admin_after_the_preview_takes_a_second_administrator_too(
    people: People, ann: Record
) -> None:
    confirmed = people.asks(ALICE, ann)
    people.world.domains["acme"].account("ann").groups = ("Domain Admins",)
    people.world.drains()

    assert confirmed.answer is Answer.STARTED
    assert [each.cause for each in people.rotations(confirmed.draft.request.id)] == ["second-administrator"]
    assert people.world.domains["acme"].holds("ann", OLD)


def test_a_rotation_planned_around_the_request_is_stopped_by_the_engine(people: People, dom: Record) -> None:
    [rotation_id] = people.world.asks(dom, by=Operator(ALICE, "slack", {None: Role.ADMINISTRATOR}))
    people.world.drains()

    with people.world.database.reading() as session:
        assert session.get_one(Rotation, rotation_id).cause == "second-administrator"
    assert people.world.domains["acme"].holds("dom", OLD)


def test_a_forged_approval_by_the_requester_is_no_agreement(people: People, dom: Record) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id
    people.decides(BOB, request_id)
    with people.world.database.writing() as session:
        approval = session.exec(select(Approval)).one()
        approval.decided_by = ALICE
        session.add(approval)
    people.world.drains()

    assert [each.cause for each in people.rotations(request_id)] == ["second-administrator"]


@pytest.mark.usefixtures("ann", "dom")
def test_privileged_accounts_in_all_take_a_second_administrator(people: People) -> None:
    assert people.asks(ALICE, everything=True).answer is Answer.WAITS


def test_an_administrator_alone_is_told_so_and_nothing_waits(people: People, dom: Record) -> None:
    people.grants(BOB, None)

    with pytest.raises(NotPermitted, match="none besides you"):
        people.asks(ALICE, dom)


def test_a_one_person_shop_may_switch_it_off_and_the_trail_says_so(people: People, dom: Record) -> None:
    people.settings = Settings(second_administrator=False)
    world = people.world
    confirmed = people.asks(ALICE, dom)
    lanes = replace(world.lanes(), second_administrator=False)
    lanes.drain(world.connections["acme"].id)

    assert confirmed.answer is Answer.STARTED
    assert [each.status for each in people.rotations(confirmed.draft.request.id)] == [Status.SUCCESSFUL]
    assert "REKEY_SECOND_ADMINISTRATOR is off" in people.trail_text()


def test_whoever_has_the_shell_needs_nobody_else(people: People, dom: Record) -> None:
    assert [each.status for each in people.world.rotates(dom)] == [Status.SUCCESSFUL]


# ---- ceilings --------------------------------------------------------------------------------------------------------


def test_above_the_ceiling_of_an_hour_a_second_person_agrees(people: People, ann: Record, ben: Record) -> None:
    people.settings = Settings(rotations_per_hour=1)

    assert people.asks(TINA, ann, ben).answer is Answer.STARTED, "a confirmed preview counts once"
    people.world.drains()
    confirmed = people.asks(TINA, ann)
    assert confirmed.answer is Answer.WAITS
    people.decides(BOB, confirmed.draft.request.id)
    people.world.drains()

    assert people.request(confirmed.draft.request.id).state == RequestState.ENDED


# ---- cancel and retry ------------------------------------------------------------------------------------------------


def test_cancelling_takes_back_what_has_not_begun_and_ends_the_request(
    people: People, ann: Record, ben: Record
) -> None:
    request_id = people.asks(TINA, ann, ben).draft.request.id

    assert people.cancels(TINA, request_id) == 2
    people.world.drains()
    assert people.request(request_id).state == RequestState.ENDED
    assert {each.state for each in people.rotations(request_id)} == {RotationState.CANCELLED}
    assert people.world.domains["acme"].holds("ann", OLD)
    assert people.cancels(TINA, request_id) == 0


def test_what_has_begun_goes_on_when_the_rest_is_cancelled(people: People, ann: Record, ben: Record) -> None:
    people.world.domains["acme"].fails("set_password", with_=Fault.LOST_AFTER, account="ann")
    people.world.domains["acme"].fails("confirm", with_=Fault.LOST_BEFORE, account="ann", times=None)
    begun = people.asks(TINA, ann).draft.request.id
    people.world.drains_once()
    request_id = people.asks(TINA, ann, ben).draft.request.id

    assert people.cancels(TINA, request_id) == 1
    people.world.domains["acme"].heals()
    people.world.drains_until_ended(ann)
    assert people.request(begun).state == people.request(request_id).state == RequestState.ENDED
    assert {each.state for each in people.rotations(begun)} == {RotationState.SUCCESSFUL}


def test_cancelling_leaves_alone_what_somebody_else_asked_for_too(people: People, ann: Record) -> None:
    first = people.asks(TINA, ann).draft.request.id
    second = people.asks(ALICE, ann).draft.request.id

    assert people.cancels(ALICE, second) == 0
    people.world.drains()
    assert {each.state for each in people.rotations(first)} == {RotationState.SUCCESSFUL}
    assert people.request(second).state == RequestState.ENDED


def test_a_request_that_waits_for_agreement_can_be_taken_back(people: People, dom: Record) -> None:
    request_id = people.asks(ALICE, dom).draft.request.id
    people.cancels(ALICE, request_id)

    assert people.request(request_id).state == RequestState.CANCELLED
    with people.world.database.reading() as session:
        assert session.exec(select(Approval.state)).one() == ApprovalState.VOID


def test_a_viewer_cancels_nothing(people: People, ann: Record) -> None:
    request_id = people.asks(TINA, ann).draft.request.id

    with pytest.raises(NotPermitted):
        people.cancels(VIC, request_id)


def test_failures_are_retried_within_the_same_request_and_a_second_press_does_nothing(
    people: People, ann: Record, ben: Record
) -> None:
    domain = people.world.domains["acme"]
    domain.fails("set_password", with_=Fault.RIGHT_MISSING, times=None, account="ann")
    request_id = people.asks(TINA, ann, ben).draft.request.id
    people.world.drains()
    domain.heals()
    failed = people.request(request_id)
    assert failed.state == RequestState.ENDED

    assert people.retries(TINA, request_id, failed.version).started == 1
    again = people.retries(ALICE, request_id, failed.version)
    assert (again.started, again.first) == (0, TINA)
    people.world.drains()

    assert {each.state for each in people.rotations(request_id)} == {RotationState.SUCCESSFUL}
    assert people.request(request_id).state == RequestState.ENDED
    assert domain.account("ben").times_set == 2, "what succeeded was rotated again"


def test_only_the_failures_of_one_cause_are_retried(people: People, ann: Record, ben: Record) -> None:
    domain = people.world.domains["acme"]
    domain.fails("set_password", with_=Fault.RIGHT_MISSING, times=None, account="ann")
    domain.fails("set_password", with_=Fault.POLICY, times=None, account="ben")
    request_id = people.asks(TINA, ann, ben).draft.request.id
    people.world.drains()
    domain.heals()
    by_record = {each.record_id: each for each in people.rotations(request_id)}

    people.retries(TINA, request_id, people.request(request_id).version, like=by_record[ann.id].id)
    people.world.drains()

    by_record = {each.record_id: each for each in people.rotations(request_id)}
    assert by_record[ann.id].state == RotationState.SUCCESSFUL
    assert by_record[ben.id].state == RotationState.REFUSED


def test_a_technician_retrying_somebody_elses_request_gets_no_domain_admin(
    people: People, ann: Record, dom: Record
) -> None:
    domain = people.world.domains["acme"]
    domain.fails("set_password", with_=Fault.RIGHT_MISSING, times=None)
    request_id = people.asks(ALICE, ann, dom).draft.request.id
    people.decides(BOB, request_id)
    people.world.drains()
    domain.heals()

    retried = people.retries(TINA, request_id, people.request(request_id).version)
    people.world.drains()

    assert (retried.started, retried.refused, retried.apart) == (1, 1, None)
    assert domain.holds("dom", OLD)


def test_retrying_a_domain_admin_asks_a_second_administrator_again(people: People, dom: Record) -> None:
    domain = people.world.domains["acme"]
    domain.fails("set_password", with_=Fault.RIGHT_MISSING, times=None)
    request_id = people.asks(ALICE, dom).draft.request.id
    people.decides(BOB, request_id)
    people.world.drains()
    domain.heals()

    retried = people.retries(ALICE, request_id, people.request(request_id).version)
    people.world.drains()

    assert retried.started == 0
    assert retried.apart is not None
    assert retried.apart.request.state == RequestState.AWAITING_APPROVAL
    assert domain.holds("dom", OLD)
    people.decides(BOB, retried.apart.request.id)
    people.world.drains()
    assert not domain.holds("dom", OLD)


def test_a_match_withdrawn_after_the_confirmation_stops_the_rotation(people: People, ann: Record) -> None:
    request_id = people.asks(TINA, ann).draft.request.id
    with people.world.database.writing() as session:
        match = session.exec(select(Match)).one()
        match.state = MatchState.IGNORED
        session.add(match)
    people.world.drains()

    assert [each.cause for each in people.rotations(request_id)] == ["consent-withdrawn"]


@pytest.mark.parametrize("kind", KINDS)
def test_on_either_database_a_request_fails_is_retried_and_says_how_it_stands(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with migrated_database(kind, request, tmp_path) as database:
        world = World.build(database, tmp_path)
        domain = world.directory("acme")
        for name in ("ann", "ben", "cleo", "dora"):
            domain.person(name, OLD)
        domain.person("dom", OLD, groups=("Domain Admins",))
        names = ("ann", "ben", "cleo", "dora", "dom")
        matched = {name: world.matched(name, {"acme": name}) for name in names}
        people = People(world)
        domain.fails("set_password", with_=Fault.POLICY, times=None, account="ann")
        domain.account("ben").enabled = False
        request_id = people.asks(ALICE, *matched.values()).draft.request.id
        assert people.progress(request_id).expires_at is not None
        people.decides(BOB, request_id)
        before = people.progress(request_id)
        assert (before.total, before.planned, before.done) == (5, 5, 0)
        world.drains()

        stands = people.progress(request_id)
        assert (stands.successful, stands.failed, stands.begun, stands.over) == (3, 2, 0, True)
        assert {(cause.names, cause.mend) for cause in stands.causes} == {
            (("ann",), Mend.RETRY),
            (("ben",), Mend.RECORD),
        }

        domain.heals()
        like = next(cause.like for cause in stands.causes if cause.mend is Mend.RETRY)
        people.retries(TINA, request_id, people.request(request_id).version, like)
        world.drains()
        after = people.progress(request_id)
        assert (after.total, after.successful, after.failed) == (5, 4, 1)
        people.asks(TINA, matched["cleo"])
        assert people.cancels(TINA, people.newest()) == 1


def test_a_card_says_what_it_waits_for(people: People, ann: Record) -> None:
    people.world.domains["acme"].fails("any", with_=Fault.UNREACHABLE, times=None)
    request_id = people.asks(TINA, ann).draft.request.id
    for _ in range(4):
        people.looks_again()

    [wait] = people.progress(request_id).waits
    assert "acme is away and is looked at again by itself" in wait
    with people.world.database.writing() as session:
        organization = session.get_one(Organization, people.world.organization.id)
        organization.frozen_at, organization.frozen_by = now(), TINA
    assert "stopped here" in people.progress(request_id).waits[0]


@pytest.mark.usefixtures("ben")
def test_names_are_found_as_people_say_them(people: People, ann: Record) -> None:
    def found(words: str) -> list[str]:
        with people.world.database.reading() as session:
            here = people.world.organization.id
            return [record.name for record in records_called(session, [here], words, 10)]

    assert found("ann") == found("ANN") == found("ACME\\ann") == found(str(ann.id)) == ["ann"]
    assert found("GLOBEX\\ann") == []
    assert found("n") == ["ann", "ben"]
    assert found("%") == found("_") == found("") == found("   ") == []
