"""The digest, what is stuck, aftershocks and runs to come, of any size and with any name, are what Slack takes."""

from datetime import timedelta
from typing import Any

import pytest

from blocks import aftershocks, attention, letters, schedule
from blocks.drawn import Drawn
from bot.digest import Digest, Group
from bot.rotation.announcing import Run, Told
from bot.rotation.progress import Progress
from bot.stuck import Standing
from storage.aftershocks import Shock
from storage.attention import Stuck
from storage.models import Aftershock, Announcement, Request, RequestState, Rotation, RotationState, Rule, Status
from tests.blocks.test_rotations import AT, HOSTILE, MANY, MEMO, is_fit, matched, organization, record


def rotation(number: int, name: str, **details: Any) -> Rotation:
    return Rotation(
        id=number, organization_id=1, record_id=number, requested_by="U0ALICE", state=RotationState.STUCK,
        reason=f"ACME\\{name}: {name} happened.", mend=f"Do {name}.", cause=name, ended_at=AT, **details,
    )  # fmt: skip


def digest(name: str, many: int) -> Digest:
    groups = tuple(
        Group(Status.FAILED, number == 0, many, ((name, many),) * min(many, 300), rotation(number, name), number % 2)
        for number in range(min(many, 300))
    )
    pairs = ((name, name),) * min(many, 300)
    return Digest(groups, pairs, (name,) * min(many, 300), pairs, many, AT)


def shock(name: str, number: int) -> Shock:
    known = Aftershock(
        id=number + 1, organization_id=1, rotation_id=1, account_id=1, connection_id=1, bad=number, bad_at=AT,
        locked_at=AT if number % 3 == 0 else None, silent=[name] * (number % 2), seen_at=AT,
        unlock_asked_by="U0ALICE" if number % 2 else None, unlock_reason=name if number % 4 == 3 else "",
        unlocked_at=AT if number % 3 == 1 else None,
    )  # fmt: skip
    return Shock(known, matched(number, name).account, record(number, name))


def after(name: str, many: int) -> Progress:
    request = Request(
        id=7, organization_id=1, requested_by="schedule", by_name=False, plan="", state=RequestState.ENDED
    )
    shocks = tuple(shock(name, number) for number in range(min(many, 5)))
    return Progress(request, organization(name), total=many, successful=many, shocks=shocks, more_shocks=many > 5)


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_needs_somebody_fits(name: str, many: int) -> None:
    is_fit(attention.digest(digest(name, many)))
    found = tuple(Stuck(rotation(number, name), record(number, name)) for number in range(min(many, 300)))
    taken = tuple(Stuck(rotation(each.rotation.id, name, taken_by="U0BOB"), each.record) for each in found)
    is_fit(attention.stuck(Standing(organization(name), found, taken)))
    is_fit(attention.stuck(Standing(organization(name), (), taken)))
    is_fit(aftershocks.news(after(name, many)))
    is_fit(Drawn("x", aftershocks.on_the_card(after(name, many).shocks, more=True)))


@pytest.mark.parametrize("name", HOSTILE)
def test_letters_hold_no_markup_from_outside_and_have_a_subject(name: str) -> None:
    for written in (
        attention.digest_letter(digest(name, 11)),
        letters.aftershock(after(name, 5)),
        letters.result(after(name, 5)),
    ):
        assert 0 < len(written.subject) <= 150
        assert "\n" not in written.subject
        assert "<https" not in written.html
        assert "<!channel" not in written.html
        assert "\u202e" not in written.text + written.html


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("name", HOSTILE)
def test_runs_to_come_fit(name: str, many: int) -> None:
    coming = [schedule.Coming(name, AT, AT + timedelta(hours=4), (name,) * 4, many)] * min(many, 300)
    rule = Rule(scope="global", scheduled=True, every_days=90, windows=[name] * 9, blackouts=[name] * 9)
    is_fit(schedule.upcoming(coming, MEMO, rule=rule, left_out=[name] * 9, page=many))
    is_fit(schedule.upcoming(coming, MEMO, rule=None))
    run = Run(organization(name), "2026-11-22", AT, AT, "2026-11-22", tuple(range(many)))
    records = tuple(record(number, name) for number in range(12))
    for details in ({}, {"decided_by": "U0BOB"}, {"skipped": True, "decided_by": "U0BOB"}, {"ended_at": AT}):
        told = Announcement(
            id=3, organization_id=1, day="2026-11-22", due_day="2026-11-22", begins_at=AT, version=1, **details
        )
        for each in (run, None):
            is_fit(schedule.notice(Told(told, organization(name), each, records)))
