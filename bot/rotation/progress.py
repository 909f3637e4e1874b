"""How a request stands, for whoever draws it: counts, who is left, and what failed by cause with what mends it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from bot.rotation.pending import besides
from bot.rotation.report import RecordStatus, report
from bot.rules import policy_of, rule_for
from bot.strictness import hold_against
from storage.aftershocks import Shock, shocks_of_request
from storage.approvals import find_waiting
from storage.connections import connection_names
from storage.lanes import get_lane
from storage.models import Organization, Record, Request, RequestState, Rotation, RotationState, Status
from storage.records import get_records
from storage.requests import (
    Failure,
    directories_of,
    failed_records,
    failures,
    lanes_of,
    left_records,
    successful_records,
    tally,
)
from storage.rotations import approved_records, latest_rotations

SHOWN_NAMES = 5
SHOWN_CAUSES = 6
_PATIENCE = 3
_WHOSE = re.compile(r"\A[^\\:]{1,300}\\[^:]{1,300}: ")
"""`CORP\\jane: ` before what is true of others too."""


class Mend(StrEnum):
    """The one button that mends a cause."""

    RETRY = "retry"
    MATCH = "match"
    """Choose another record, or ignore the account."""
    DOCTOR = "doctor"
    RECORD = "record"
    """Look at the record, with everything that ever held."""
    START = "start"
    """Lift the stop."""
    SETUP = "setup"
    """Switch it on, where the directories are set up."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Records of a request that failed for the same reason."""

    like: int
    """A rotation that failed so: names the cause in a click."""
    many: int
    status: Status
    reason: str
    what_to_do: str
    mend: Mend
    names: tuple[str, ...]
    """The first few of the records."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One request, as things stand."""

    request: Request
    organization: Organization
    total: int
    successful: int = 0
    failed: int = 0
    stuck: int = 0
    """Of the failed ones: those a person must look at, one by one."""
    cancelled: int = 0
    begun: int = 0
    """A password was staged, and not every directory was proved to take it yet, nor its vault."""
    recording: int = 0
    """Of the begun ones: every directory holds it, and only its vault outside does not yet."""
    planned: int = 0
    """Nothing was begun: may still be cancelled."""
    rotated: tuple[Record, ...] = ()
    """The first few records that hold a new password now."""
    left: tuple[str, ...] = ()
    """The first few that are not done."""
    causes: tuple[Cause, ...] = ()
    more_causes: int = 0
    shocks: tuple[Shock, ...] = ()
    """What followed: the first few accounts that are locked, or for which wrong passwords are tried."""
    more_shocks: bool = False
    besides: tuple[str, ...] = ()
    """What else is true of those that hold a new password: a cloud that has not followed, people not signed out."""
    waits: tuple[str, ...] = ()
    """What open ones wait for, in sentences: a system that is away, a stop."""
    stricter: tuple[str, ...] = ()
    """What directories ask for beyond the rule, and their passwords therefore have: sentences."""
    expires_at: datetime | None = None
    """Until when a second administrator may agree."""

    @property
    def done(self) -> int:
        """How many are over, one way or the other."""
        return self.successful + self.failed + self.cancelled

    @property
    def over(self) -> bool:
        """Nothing of it will change by itself any more."""
        return self.request.state in (RequestState.ENDED, RequestState.CANCELLED)


def progress(session: Session, request: Request) -> Progress:
    """How this request stands. A handful of queries, however many records it has."""
    organization = session.get_one(Organization, request.organization_id)
    if request.state not in (RequestState.UNDER_WAY, RequestState.ENDED):
        waiting = find_waiting(session, request.id) if request.state == RequestState.AWAITING_APPROVAL else None
        first = get_records(session, request.record_ids[:SHOWN_NAMES])
        return Progress(
            request,
            organization,
            total=len(request.record_ids),
            left=tuple(record.name for record in first.values()),
            expires_at=waiting.expires_at if waiting else None,
        )
    counts = tally(session, request.id)

    def many(*states: RotationState, begun: bool | None = None) -> int:
        return sum(each.many for each in counts if each.state in states and begun in (None, each.begun))

    causes = failures(session, request.id)
    shocks = shocks_of_request(session, request.id, SHOWN_NAMES + 1)
    return Progress(
        request,
        organization,
        total=sum(each.many for each in counts),
        successful=many(RotationState.SUCCESSFUL),
        failed=many(RotationState.REFUSED, RotationState.PUT_BACK, RotationState.STUCK),
        stuck=many(RotationState.STUCK),
        cancelled=many(RotationState.CANCELLED),
        begun=many(RotationState.ROTATING, RotationState.PUTTING_BACK, RotationState.RECORDING)
        + many(RotationState.PLANNED, begun=True),
        recording=many(RotationState.RECORDING),
        planned=many(RotationState.PLANNED, begun=False),
        rotated=tuple(successful_records(session, request.id, SHOWN_NAMES)),
        left=_names([record for record, _begun in left_records(session, request.id, SHOWN_NAMES)]),
        causes=tuple(_cause(session, request, each) for each in causes[:SHOWN_CAUSES]),
        more_causes=max(0, len(causes) - SHOWN_CAUSES),
        shocks=tuple(shocks[:SHOWN_NAMES]),
        more_shocks=len(shocks) > SHOWN_NAMES,
        besides=besides(session, request.id),
        waits=_waits(session, request, organization),
        stricter=_stricter(session, request, organization),
    )


def _stricter(session: Session, request: Request, organization: Organization) -> tuple[str, ...]:
    held = hold_against(session, policy_of(rule_for(session, organization)), [organization])
    concerned = directories_of(session, request.id) if held.wants else set()
    asked: dict[str, list[str]] = {}
    for each in held.wants:
        if each.connection_id in concerned:
            asked.setdefault(each.directory, []).extend(each.policy.sources)
    return tuple(
        f"{directory} asks for more than the rule, so passwords there are made to satisfy both. {' '.join(asks)}"
        for directory, asks in asked.items()
    )


_FAILURES_FIRST = (
    Status.FAILED, Status.API_ERROR, Status.ADMIN_NOT_PERMITTED, Status.MULTI_TENANT_NOT_PERMITTED,
    Status.NOT_PERMITTED, Status.IN_PROGRESS, None, Status.SUCCESSFUL,
)  # fmt: skip


def standings(
    session: Session, organization: Organization, first: int, size: int
) -> tuple[dict[Status | None, int], list[RecordStatus]]:
    """How many of an organization's approved records stand how, and some of them, failures first."""
    records = [record for _, record in approved_records(session, organization.id)]
    latest = latest_rotations(session, [record.id for record in records])
    stands = {record.id: Status(latest[record.id].status) if record.id in latest else None for record in records}
    counts = Counter(stands.values())
    ordered = sorted(records, key=lambda record: _FAILURES_FIRST.index(stands[record.id]))
    shown = report(session, [(organization, record) for record in ordered[first : first + size]])
    return {status: counts[status] for status in _FAILURES_FIRST}, shown


def what_they_share(reason: str) -> str:
    """A reason without whose it is, as far as it is true of others too."""
    return _WHOSE.sub("", reason, count=1)


def _cause(session: Session, request: Request, failure: Failure) -> Cause:
    example = failure.example
    reason = example.reason if failure.many == 1 else _said_of_all(session, example)
    return Cause(
        like=example.id,
        many=failure.many,
        status=failure.status,
        reason=reason,
        what_to_do=example.mend,
        mend=_mend(example),
        names=_names(failed_records(session, request.id, example, SHOWN_NAMES)),
    )


def _said_of_all(session: Session, example: Rotation) -> str:
    """What one of them says, for all; as an example where it speaks of that one's account."""
    shared = what_they_share(example.reason)
    username = session.get_one(Record, example.record_id).username or ""
    bare = username.rpartition("\\")[2].partition("@")[0]
    return f"For example: {shared}" if bare and bare.casefold() in shared.casefold() else shared


def _mend(example: Rotation) -> Mend:
    match example.cause:
        case "unmatched" | "account-gone" | "consent-withdrawn" | "synced-not-matched":
            return Mend.MATCH
        case "frozen":
            return Mend.START
        case "switched-off":
            return Mend.SETUP
        case "second-administrator" | "operator-not-permitted":
            return Mend.RETRY  # by somebody who may, or who has a second administrator asked
        case _ if example.state == RotationState.STUCK or example.status == Status.NOT_PERMITTED:
            return Mend.RECORD
        case _ if example.status in (Status.API_ERROR, Status.ADMIN_NOT_PERMITTED, Status.MULTI_TENANT_NOT_PERMITTED):
            return Mend.DOCTOR
        case _:
            return Mend.RETRY


def _waits(session: Session, request: Request, organization: Organization) -> tuple[str, ...]:
    if request.state != RequestState.UNDER_WAY:
        return ()
    if organization.frozen_at is not None:
        return (
            "Rotations are stopped here. What was already sent is still looked at; the rest goes on after a start.",
        )
    connections = lanes_of(session, request.id)
    names = connection_names(session, connections)
    found = []
    for connection_id in connections:
        lane = get_lane(session, connection_id)
        if lane.frozen_reason is not None or lane.stopped_at is not None:
            found.append(f"{names[connection_id]} is stopped: {lane.frozen_reason or lane.failure_reason}")
        elif lane.backoff_until is not None and lane.failures >= _PATIENCE:
            found.append(f"{names[connection_id]} is away and is looked at again by itself: {lane.failure_reason}")
    return tuple(found)


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(record.name for record in records)
