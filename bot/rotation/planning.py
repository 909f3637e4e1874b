"""What a request to rotate would do to each record, said beforehand; and making the request.

Planning reads our own rows only. What the directories say at the moment of writing is checked again by the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from bot.audit import Line, Trail
from bot.connections import signs_out
from bot.permissions import PROTECTED, Operator, may_rotate
from bot.rotation.following import who_follows, why_nobody_writes
from bot.rules import policy_of, rule_for
from bot.switches import SWITCHED_OFF, why_off
from storage.lanes import retry_now
from storage.models import (
    Account,
    Organization,
    Record,
    RevisionState,
    Rotation,
    RotationState,
    Rule,
    Status,
    TaskKind,
    TaskState,
    Tier,
    now,
)
from storage.revisions import find_revisions
from storage.rotations import MatchedAccount, add_rotations, matched_accounts, open_rotations
from storage.tasks import add_tasks


class Intent(StrEnum):
    """What would become of one record."""

    ROTATE = "rotate"
    JOIN = "join"
    """A rotation of it is open already; asking again joins that one."""
    REFUSE = "refuse"
    LEAVE_OUT = "leave out"
    """Its tier is not part of "all" here."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One record of a request: what would happen to it, and why, in sentences."""

    organization: Organization
    record: Record
    accounts: tuple[MatchedAccount, ...]
    intent: Intent
    reason: str
    status: Status | None = None
    """When refused: the word it will be shown under."""
    open: Rotation | None = None
    cause: str = ""
    """When refused: what those refused for the same reason have in common."""
    undo: str = ""
    """When rotated in several directories: what becomes of it if one of them refuses for good."""
    sign_out: bool | None = None
    """When rotated: whether the rule has everybody signed out; None where no directory of it can do that."""


def preview(
    session: Session, operator: Operator, records: Sequence[tuple[Organization, Record]], *, by_name: bool
) -> list[Preview]:
    """What rotating these records would do to each, in their order. Changes nothing."""
    ids = [record.id for _organization, record in records]
    matched = matched_accounts(session, ids)
    already = open_rotations(session, ids)
    currents = find_revisions(session, ids, RevisionState.CURRENT) if len(ids) <= _FEW else None
    rules: dict[int, Rule] = {}
    found = []
    for organization, record in records:
        accounts = tuple(matched[record.id])
        refusal = _refusal(session, operator, organization, accounts, by_name=by_name)
        sign_out = None
        if record.id in already:
            intent, status, reason = Intent.JOIN, None, "A rotation of this record is under way; this request joins it."
            cause = undo = ""
        elif refusal is not None:
            intent, status, reason, cause = refusal
            undo = ""
        else:
            if organization.id not in rules:
                rules[organization.id] = rule_for(session, organization)
            sign_out = rules[organization.id].sign_out if any(signs_out(m.connection) for m in accounts) else None
            undo = _undo(accounts, currents.get(record.id) if currents is not None else None)
            intent, status, cause = Intent.ROTATE, None, ""
            rule = " ".join(policy_of(rules[organization.id]).sources)
            out = "Whoever is signed in with it is signed out everywhere." if sign_out else ""
            reason = f"{rule} A directory that asks for more gets more."
            reason = " ".join(filter(None, [reason, who_follows(accounts), out, undo]))
        found.append(
            Preview(
                organization, record, accounts, intent, reason, status, already.get(record.id), cause, undo, sign_out
            )
        )
    return found


_FEW = 10_000
_Refusal = tuple[Intent, Status | None, str, str]


def _refusal(
    session: Session,
    operator: Operator,
    organization: Organization,
    accounts: Sequence[MatchedAccount],
    *,
    by_name: bool,
) -> _Refusal | None:
    if not accounts:
        return (
            Intent.REFUSE,
            Status.NOT_PERMITTED,
            "No account is approved for this record. Approve a match first: that is also the consent to rotate.",
            "unmatched",
        )
    if organization.frozen_at is not None:
        return (
            Intent.REFUSE,
            Status.NOT_PERMITTED,
            f"Rotations are stopped in {organization.name} since {organization.frozen_at:%Y-%m-%d %H:%M} UTC by "
            f"{organization.frozen_by}. An administrator lifts it: `rekey start`, or `/rotate start` in Slack.",
            "frozen",
        )
    switched_off = why_off(session, [matched.connection for matched in accounts if not matched.watched])
    if switched_off is not None:
        return Intent.REFUSE, Status.NOT_PERMITTED, switched_off, SWITCHED_OFF
    orphan = why_nobody_writes(session, accounts)
    if orphan is not None:
        return Intent.REFUSE, Status.NOT_PERMITTED, orphan.reason, orphan.cause
    for matched in accounts:
        account = matched.account
        refusal = _account_refusal(operator, organization, account, by_name=by_name)
        if refusal is not None:
            intent, status, reason, cause = refusal
            return intent, status, f"{account.domain}\\{account.username}: {reason}", cause
    return None


def _account_refusal(
    operator: Operator, organization: Organization, account: Account, *, by_name: bool
) -> _Refusal | None:
    tier = Tier(account.tier)
    if not by_name and (tier is Tier.BREAK_GLASS or tier not in organization.bulk):
        decision = may_rotate(operator, organization.id, tier, by_name=False, bulk=organization.bulk)
        return Intent.LEAVE_OUT, None, decision.reason, ""
    if account.removed_at is not None:
        return (
            Intent.REFUSE,
            Status.API_ERROR,
            "The account is gone from its directory. Choose another match, or ignore this one.",
            "account-gone",
        )
    if account.guard is not None and not account.synced:  # nothing is written to a synced one: its AD's word counts
        in_bulk = account.is_connector and not by_name
        status = Status.ADMIN_NOT_PERMITTED if in_bulk else Status(account.guard_status or Status.NOT_PERMITTED)
        return Intent.REFUSE, status, account.guard, account.guard  # its sentence is what such accounts share
    decision = may_rotate(operator, organization.id, tier, by_name=by_name, bulk=organization.bulk)
    if not decision.allowed:
        status = Status.ADMIN_NOT_PERMITTED if tier in PROTECTED else Status.NOT_PERMITTED
        return Intent.REFUSE, status, decision.reason, "operator-not-permitted"
    return None


def _undo(accounts: Sequence[MatchedAccount], current: object | None) -> str:
    """What can be said beforehand about undoing it, for a record in several directories."""
    accounts = [matched for matched in accounts if not matched.watched]
    if len(accounts) < 2:
        return ""
    if current is None:
        return (
            "The vault holds no earlier password: if one directory took the new one and another refused for good, this "
            "could not be undone."
        )
    unsure = [
        matched.connection.name
        for matched in accounts
        if matched.account.proved_revision_id != getattr(current, "id", None)
    ]
    if not unsure:
        return "If one directory refuses for good, the others are put back."
    return (
        f"The present password is tried first in {', '.join(unsure)}: where it does not sign in, this could not be "
        "undone if another directory refused for good."
    )


def request(
    session: Session,
    trail: Trail,
    operator: Operator,
    previews: Sequence[Preview],
    *,
    by_name: bool,
    sign_out: bool = False,
) -> list[int]:
    """Ask for these rotations: the ids of the new, joined and refused ones, in order; those left out get none.

    Runs in the caller's writing transaction, on previews made in the same one. A person asking also has their lanes
    looked at again at once, whatever they were waiting for. `sign_out`: end open sessions afterwards, even where the
    rule does not ask for it.
    """
    new = [each for each in previews if each.open is None and each.intent is not Intent.LEAVE_OUT]
    ids = add_rotations(session, [_new_rotation(operator, each, by_name=by_name, sign_out=sign_out) for each in new])
    by_record = {each.record.id: rotation_id for each, rotation_id in zip(new, ids, strict=True)}
    by_record |= {each.record.id: each.open.id for each in previews if each.open is not None}
    add_tasks(
        session,
        [
            {
                "organization_id": each.organization.id,
                "connection_id": matched.connection.id,
                "kind": TaskKind.WATCH if matched.watched else TaskKind.ROTATE,
                "state": TaskState.WAITING if len(each.accounts) > 1 else TaskState.READY,
                "rotation_id": by_record[each.record.id],
                "account_id": matched.account.id,
                "position": _likelihood_to_refuse(matched.account),
            }
            for each in previews
            if each.intent is Intent.ROTATE
            for matched in each.accounts
        ],
    )
    lanes = {m.connection.id for each in previews for m in each.accounts if each.intent in (Intent.ROTATE, Intent.JOIN)}
    retry_now(session, sorted(lanes))
    asked = [each for each in previews if each.record.id in by_record]
    trail.append_all(session, [_line(operator, each, by_record) for each in asked])
    return [by_record[each.record.id] for each in asked]


def _new_rotation(operator: Operator, each: Preview, *, by_name: bool, sign_out: bool) -> dict[str, object]:
    rotation: dict[str, object] = {
        "organization_id": each.organization.id,
        "record_id": each.record.id,
        "requested_by": operator.key,
        "by_name": by_name,
        "sign_out": each.sign_out is not None and (each.sign_out or sign_out),
    }
    if each.intent is Intent.REFUSE:
        rotation |= {
            "state": RotationState.REFUSED,
            "status": each.status or Status.NOT_PERMITTED,
            "reason": each.reason,
            "cause": each.cause,
            "ended_at": now(),
        }
    return rotation


def _likelihood_to_refuse(account: Account) -> int:
    """Lower goes first: an administrator's account is the likeliest to be refused, an ordinary person's the least."""
    order = [Tier.PRIVILEGED, Tier.BREAK_GLASS, Tier.SERVICE, Tier.SHARED, Tier.PERSON]
    return order.index(Tier(account.tier))


def _line(operator: Operator, each: Preview, by_record: dict[int, int]) -> Line:
    event = {Intent.ROTATE: "rotation.requested", Intent.JOIN: "rotation.joined"}.get(each.intent, "rotation.refused")
    return Line(
        event=event,
        operator=operator.key,
        source=operator.source,
        organization=each.organization,
        subject=f"rotation {by_record[each.record.id]} of record {each.record.id}",
        result=each.status or "ok",
        details={"reason": each.reason} if each.intent is Intent.REFUSE else {},
    )
