"""Every card and view of rotations, in every state, with nothing, one, eleven and ten thousand items, hostile text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from blocks import approvals, previews, records, rotations
from blocks.parts import memo_for
from bot.demo.slack.validation import validate
from bot.rotation.planning import Intent, Preview
from bot.rotation.progress import SHOWN_CAUSES, Cause, Mend, Progress
from bot.rotation.report import RecordStatus
from bot.rotation.requests import Draft
from storage.models import (
    Account,
    Approval,
    ApprovalState,
    Connection,
    Organization,
    Record,
    Request,
    RequestState,
    Revision,
    RevisionState,
    Rotation,
    RotationState,
    Status,
    Tier,
)
from storage.rotations import MatchedAccount

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MANY = (0, 1, 11, 10_000)
HOSTILE = (
    "Ann",
    "<!channel> & <@U0EVIL|boss> <https://evil.test|here>",
    "*bold* _it_ ~no~ `code` > quote",
    "😀🔐" * 40,
    "\u202eevil\u202c \u200bzero\ufeff\u2066",
    "x" * 300,
    "",
)
MEMO = memo_for("U0ALICE", 1, request=7)


@pytest.fixture(params=HOSTILE, ids=["plain", "mention", "markdown", "emoji", "bidi", "long", "empty"])
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def organization(name: str = "Acme", *, stopped: bool = False) -> Organization:
    at, by = (AT, "U0TINA") if stopped else (None, None)
    return Organization(id=1, name=name, name_key=name.lower(), frozen_at=at, frozen_by=by)


def record(number: int, name: str) -> Record:
    return Record(
        id=number, organization_id=1, connection_id=1, name=f"{name}{number}"[:300], name_key="", username=name
    )


def matched(number: int, name: str, tier: Tier = Tier.PERSON) -> MatchedAccount:
    account = Account(
        id=number, organization_id=1, connection_id=2, object_id=str(number), username=name, username_key=name,
        domain="ACME", tier=tier, enabled=number % 2 == 0,
    )  # fmt: skip
    return MatchedAccount(account, Connection(id=2, organization_id=1, name=name, name_key="", side="", kind=""))


def planned(many: int, name: str, intent: Intent, accounts: int = 1, tier: Tier = Tier.PERSON) -> list[Preview]:
    owner = organization(name)
    found = tuple(matched(number, name, tier) for number in range(accounts))
    return [
        Preview(
            owner, record(number, name), found, intent, f"ACME\\{name}: {name} because.", undo=name if number else ""
        )
        for number in range(many)
    ]


def drafted(previews_: list[Preview], name: str = "Acme", *, two: bool = False, ceiling: bool = False) -> Draft:
    request = Request(id=7, organization_id=1, requested_by="U0ALICE", by_name=True, plan="", state="preview")
    return Draft(request, organization(name), tuple(previews_), two, ceiling)


def formatted(drawn: Any) -> Iterator[str]:
    """Every text that Slack reads for mentions, links and formatting."""
    if isinstance(drawn, dict):
        if drawn.get("type") == "mrkdwn":
            yield drawn["text"]
        for each in drawn.values():
            yield from formatted(each)
    elif isinstance(drawn, list):
        for each in drawn:
            yield from formatted(each)


def is_fit(drawn: Any) -> None:
    whole = drawn if isinstance(drawn, dict) else {"text": drawn.text, "blocks": list(drawn.blocks)}
    assert [str(each) for each in validate(whole)] == []
    assert "\u202e" not in str(whole)
    said = " ".join([str(whole.get("text", "")), *formatted(whole)])
    assert "<!channel>" not in said
    assert "<@U0EVIL" not in said


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("intent", list(Intent))
def test_a_preview_of_any_size_fits(many: int, intent: Intent) -> None:
    drafts = planned(many, "Ann", intent)
    for page, two in ((1, False), (2, True), (9_999, False)):
        is_fit(previews.preview(drafted(drafts, two=two), MEMO, page=page))


def test_a_preview_of_anything_fits(text: str) -> None:
    everything = [each for intent in Intent for each in planned(11, text, intent, 9, Tier.PRIVILEGED)]
    is_fit(previews.preview(drafted(everything, text, two=True, ceiling=True), MEMO, said=text * 9))
    is_fit(previews.preview(drafted(everything, text, ceiling=True), MEMO, said=text * 9))


def test_a_preview_of_nothing_has_nothing_to_confirm() -> None:
    assert "submit" not in previews.preview(drafted(planned(3, "Ann", Intent.REFUSE)), MEMO)
    assert previews.preview(drafted(planned(3, "Ann", Intent.ROTATE)), MEMO)["submit"]["text"] == "Rotate 3"


def standings(name: str) -> Iterator[Progress]:
    """A request in every state, of every size, with every cause."""
    for state, many in product(RequestState, MANY):
        request = Request(
            id=7, organization_id=1, requested_by="U0ALICE", by_name=many == 1, plan="", state=state, reason=name * 3,
            changed_by="U0BOB", created_at=AT, confirmed_at=AT,
        )  # fmt: skip
        shown = tuple(name for _ in range(min(many, 5)))
        causes = tuple(
            Cause(number, many or 1, status, name * 9, name * 9, mend, shown or (name,))
            for number, (status, mend) in enumerate(product(list(Status)[:2], Mend))
        )[:SHOWN_CAUSES]
        for failed in (0, many):
            yield Progress(
                request, organization(name, stopped=True), total=many, successful=many - failed, failed=failed,
                stuck=failed // 2, begun=many // 3, planned=many // 4, cancelled=many // 5,
                rotated=tuple(record(number, name) for number in range(len(shown))), left=shown,
                causes=causes if failed else (), more_causes=failed, waits=(name * 9,) * 5, expires_at=AT,
            )  # fmt: skip


def test_the_card_and_the_result_fit_in_every_state_and_size(text: str) -> None:
    for stands in standings(text):
        is_fit(rotations.card(stands))
        is_fit(rotations.result(stands))


def test_each_cause_has_exactly_one_button_and_it_mends_that_cause() -> None:
    def button(mend: Mend) -> str:
        stands = Progress(
            Request(id=7, organization_id=1, requested_by="U0ALICE", by_name=False, plan="", state="ended"),
            organization(),
            total=40,
            failed=40,
            causes=(Cause(3, 40, Status.FAILED, "Because.", "Do this.", mend, ("Ann",)),),
        )
        [found] = [each["accessory"] for each in rotations.card(stands).blocks if "accessory" in each]
        return f"{found['text']['text']} {found['action_id']}"

    assert {mend: button(mend) for mend in Mend} == {
        Mend.RETRY: "Retry all 40 rotation.retry_cause",
        Mend.MATCH: "Choose a record rotate.match",
        Mend.DOCTOR: "Doctor rotate.doctor",
        Mend.RECORD: "Open the records (40) rotation.failures",
        Mend.START: "Start again rotate.start",
        Mend.SETUP: "Set up rotate.setup",
    }


def test_what_was_rotated_is_said_with_honest_words() -> None:
    request = Request(id=7, organization_id=1, requested_by="U0ALICE", by_name=True, plan="", state="ended")
    done = Progress(request, organization(), total=1, successful=1, rotated=(record(1, "Ann"),))
    nothing = Progress(request, organization(), total=1, cancelled=1)

    assert "60 minutes" in str(rotations.card(done).blocks)
    assert "60 minutes" not in str(rotations.card(nothing).blocks)


@pytest.mark.parametrize("many", MANY)
def test_lists_of_records_fit(many: int, text: str) -> None:
    listed = [record(number, text) for number in range(many)]
    is_fit(records.failures(listed, MEMO, page=2))
    is_fit(records.choices(text, listed[:20], max(0, many - 20), MEMO))


@pytest.mark.parametrize(
    ("many", "text"), [(many, text) for many in MANY for text in HOSTILE if many < 99 or text == "Ann"]
)
def test_a_records_history_fits(many: int, text: str) -> None:
    rotated = [
        Rotation(
            id=number, organization_id=1, record_id=1, state=list(RotationState)[number % 8], reason=text * 5,
            status=list(Status)[number % 7], requested_by=["U0ALICE", "cli:root@host"][number % 2], requested_at=AT,
        )
        for number in range(many)
    ]  # fmt: skip
    kept = [
        Revision(
            id=number, organization_id=1, record_id=1, state=list(RevisionState)[number % 5], sealed="", origin=text,
            created_at=AT, proved_at=AT if number else None,
        )
        for number in range(many)
    ]  # fmt: skip
    stands = RecordStatus(record(1, text), organization(), None, Status.FAILED if many else None, text, text, ())
    told = records.History(
        record(1, text), organization(text), [matched(n, text) for n in range(min(many, 11))], stands, rotated, kept,
        may_rotate=many > 0, may_read=many > 1,
    )  # fmt: skip
    for page in (1, 2, 99_999):
        is_fit(records.history(told, MEMO, page))


@pytest.mark.parametrize("many", MANY)
def test_the_status_of_an_organization_fits(many: int, text: str) -> None:
    shown = [
        RecordStatus(record(n, text), organization(), None, [*Status, None][n % 8], text, text, ())
        for n in range(min(many, records.ROWS))
    ]
    counts = dict.fromkeys([*Status, None], many)
    told = records.Standing(organization(text, stopped=True), counts, shown, 1, 2, [(text, 1, many)] * min(many, 11))
    is_fit(records.status(told, MEMO))
    is_fit(records.stopped(organization(text, stopped=True)))
    is_fit(records.stopped(organization(text)))


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("state", list(ApprovalState))
def test_the_card_for_the_other_administrators_fits(many: int, state: ApprovalState) -> None:
    for name, what in product(HOSTILE, ("rotate", "ceiling", "reveal")):
        approval = Approval(
            id=5, organization_id=1, what=what, requested_by="U0ALICE", plan="", state=state, expires_at=AT,
            decided_by="U0BOB" if state in ("approved", "refused") else None, decided_at=AT,
        )  # fmt: skip
        going = planned(min(many, 30), name, Intent.ROTATE, 9, Tier.PRIVILEGED) if many < 9_999 else _LARGE
        about = record(1, name) if what == "reveal" else None
        is_fit(approvals.card(approvals.Wanted(approval, organization(name), going, about)))


_LARGE = planned(5_000, "Ann", Intent.ROTATE) + planned(5_000, "Dom", Intent.ROTATE, 1, Tier.PRIVILEGED)
