"""What a request to rotate would do to each record, said beforehand; and making the request.

Planning reads our own rows only. What the directories say at the moment of writing is checked again by the steps.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from bot.audit import Line, Trail
from bot.connections import signs_out
from bot.directories.base import OWN_ACCOUNT
from bot.permissions import PROTECTED, Operator, may_rotate
from bot.rotation import outcomes
from bot.rotation.following import who_follows, why_nobody_writes
from bot.rules import policy_of, rule_for, scheduled_tiers
from bot.switches import SWITCHED_OFF, why_off
from bot.tiers import tier_with
from storage.connections import connection_names
from storage.lanes import retry_now
from storage.models import (
    SCHEDULE,
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
from storage.recordings import outside_vaults
from storage.revisions import find_revisions
from storage.rotations import MatchedAccount, add_rotations, matched_accounts, open_rotations
from storage.schedules import take_over
from storage.tasks import add_tasks


def tiers_of(record: Record, accounts: Sequence[MatchedAccount]) -> set[Tier]:
    """Every tier that writing this record concerns. One that belongs to nobody may be anybody's: privileged."""
    return {tier_with(m.account.tier, record.restricted or m.account.is_connector) for m in accounts} or {
        Tier.PRIVILEGED
    }


def is_own(matched: MatchedAccount, record: Record) -> bool:
    """Whether it is the connector's own account, and matched to this record in the connection's settings: then, and by
    name only, it may be rotated; the credential changes with it.
    """
    account = matched.account
    return account.guard == OWN_ACCOUNT and matched.connection.own_record_id == record.id


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
    restores: int | None = None
    """The earlier revision it would bring back, instead of a new password."""
    vault_only: bool = False
    """Only the vault would get it."""
    could_ask: bool = True
    """Whether whoever asks might have it rotated, were no rotation open already."""
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
    vaults = connection_names(session, {record.connection_id for _organization, record in records})
    rules: dict[int, _Rule] = {}
    found = []
    for organization, record in records:
        accounts = tuple(matched[record.id])
        if organization.id not in rules:
            rules[organization.id] = _Rule.of(session, operator, organization)
        rule = rules[organization.id]
        refusal = _refusal(session, operator, organization, record, accounts, rule, by_name=by_name)
        sign_out = None
        if record.id in already:
            intent, status, reason = Intent.JOIN, None, "A rotation of this record is under way; this request joins it."
            cause = undo = ""
        elif refusal is not None:
            intent, status, reason, cause = refusal
            undo = ""
        else:
            sign_out = rule.sign_out if any(signs_out(each.connection) for each in accounts) else None
            undo = _undo(accounts, currents.get(record.id) if currents is not None else None)
            intent, status, cause = Intent.ROTATE, None, ""
            edited = _edited(record, vaults[record.connection_id])
            out = "Whoever is signed in with it is signed out everywhere." if sign_out else ""
            reason = f"{rule.asks} A directory that asks for more gets more."
            reason = " ".join(filter(None, [reason, who_follows(accounts), out, undo, edited]))
            undo = f"{undo} {edited}".strip()
        found.append(
            Preview(
                organization,
                record,
                accounts,
                intent,
                reason,
                status,
                already.get(record.id),
                cause,
                undo,
                could_ask=refusal is None,
                sign_out=sign_out,
            )
        )
    return found


_FEW = 10_000
_WANTED = (Intent.ROTATE, Intent.JOIN)
_Refusal = tuple[Intent, Status | None, str, str]


def _edited(record: Record, vault: str) -> str:
    """Somebody edited it in its vault since Rekey last wrote or kept its password."""
    if record.kept_password_at is None or record.password_updated_at == record.kept_password_at:
        return ""
    return outcomes.edited(record.password_updated_at, vault)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What an organization's rule means for a request."""

    on: bool
    asks: str
    included: tuple[str, ...]
    """The tiers that are rotated without being asked for by name."""
    sign_out: bool

    @classmethod
    def of(cls, session: Session, operator: Operator, organization: Organization) -> "_Rule":
        rule = rule_for(session, organization)
        included = included_tiers(operator, organization, rule)
        return cls(rule.enabled, " ".join(policy_of(rule).sources), included, rule.sign_out)


def included_tiers(operator: Operator, organization: Organization, rule: Rule) -> tuple[str, ...]:
    """The tiers that are rotated without being asked for by name: what "all" means there, or the schedule."""
    return scheduled_tiers(rule, organization) if operator.key == SCHEDULE else tuple(organization.bulk)


RULE_IS_OFF = (
    "The rule that holds here has rotations switched off. An administrator switches them on: `/rotate rules`, or "
    "`rekey rules set`."
)


def _refusal(
    session: Session,
    operator: Operator,
    organization: Organization,
    record: Record,
    accounts: Sequence[MatchedAccount],
    rule: _Rule,
    *,
    by_name: bool,
) -> _Refusal | None:
    if record.archived_at is not None:
        gone = "The record is gone from its vault (archived, deleted or moved). Choose another record for this account."
        return Intent.REFUSE, Status.API_ERROR, gone, "record-gone"
    if record.guard is not None:
        return Intent.REFUSE, Status.NOT_PERMITTED, record.guard, "vaulted"
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
    if not rule.on:
        return Intent.REFUSE, Status.NOT_PERMITTED, RULE_IS_OFF, SWITCHED_OFF
    switched_off = why_off(session, [matched.connection for matched in accounts if not matched.watched])
    if switched_off is not None:
        return Intent.REFUSE, Status.NOT_PERMITTED, switched_off, SWITCHED_OFF
    orphan = why_nobody_writes(session, accounts)
    if orphan is not None:
        return Intent.REFUSE, Status.NOT_PERMITTED, orphan.reason, orphan.cause
    for matched in accounts:
        account = matched.account
        tier = tier_with(account.tier, record.restricted or account.is_connector)
        if is_own(matched, record) and by_name:
            account = Account(**{**account.model_dump(), "guard": None})
        refusal = _account_refusal(operator, organization, account, tier, rule.included, by_name=by_name)
        if refusal is not None:
            intent, status, reason, cause = refusal
            return intent, status, f"{account.domain}\\{account.username}: {reason}", cause
    return None


def _account_refusal(
    operator: Operator,
    organization: Organization,
    account: Account,
    tier: Tier,
    included: Sequence[str],
    *,
    by_name: bool,
) -> _Refusal | None:
    if account.guard == OWN_ACCOUNT and not by_name:
        reason = "Rekey itself signs in with it, so it is rotated by its name only, never as one of many."
        return Intent.REFUSE, Status.ADMIN_NOT_PERMITTED, reason, "own-account-in-bulk"
    if not by_name and (tier is Tier.BREAK_GLASS or tier not in included):
        decision = may_rotate(operator, organization.id, tier, by_name=False, bulk=included)
        return Intent.LEAVE_OUT, None, decision.reason, ""
    if account.removed_at is not None:
        return (
            Intent.REFUSE,
            Status.API_ERROR,
            "The account is gone from its directory. Choose another match, or ignore this one.",
            "account-gone",
        )
    if account.guard is not None and not account.synced:  # nothing is written to a synced one: its AD's word counts
        cause = "own-account" if account.guard == OWN_ACCOUNT else account.guard  # its sentence is what they share
        return Intent.REFUSE, Status(account.guard_status or Status.NOT_PERMITTED), account.guard, cause
    decision = may_rotate(operator, organization.id, tier, by_name=by_name, bulk=included)
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
    looked at again at once, whatever they were waiting for, and takes over what waited for its turn by the schedule.
    `sign_out`: end open sessions afterwards, even where the rule does not ask for it.
    """
    new = [each for each in previews if each.open is None and each.intent is not Intent.LEAVE_OUT]
    ids = add_rotations(session, [_new_rotation(operator, each, by_name=by_name, sign_out=sign_out) for each in new])
    by_record = {each.record.id: rotation_id for each, rotation_id in zip(new, ids, strict=True)}
    by_record |= {each.record.id: each.open.id for each in previews if each.open is not None}
    outside = outside_vaults(session, [each.record.connection_id for each in previews])
    add_tasks(session, [_record_task(each, by_record) for each in previews if _is_recorded(each, outside)])
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
            if each.intent is Intent.ROTATE and not each.vault_only
            for matched in each.accounts
        ],
    )
    if operator.key != SCHEDULE:
        going = [each for each in previews if each.intent in (Intent.ROTATE, Intent.JOIN)]
        lanes = {matched.connection.id for each in going if not each.vault_only for matched in each.accounts}
        lanes |= outside & {each.record.connection_id for each in going}
        retry_now(session, sorted(lanes))
        theirs = [each.open.id for each in previews if each.open is not None and each.could_ask]
        take_over(session, theirs, operator.key, by_name=by_name)
    asked = [each for each in previews if each.record.id in by_record]
    trail.append_all(session, [_line(operator, each, by_record) for each in asked])
    return [by_record[each.record.id] for each in asked]


def _is_recorded(each: Preview, outside: Collection[int]) -> bool:
    return each.intent is Intent.ROTATE and each.record.connection_id in outside


def _record_task(each: Preview, by_record: Mapping[int, int]) -> dict[str, object]:
    """The step towards its vault outside: first in line, since nothing begins before the vault was looked at."""
    return {
        "organization_id": each.organization.id,
        "connection_id": each.record.connection_id,
        "kind": TaskKind.RECORD,
        "state": TaskState.WAITING,
        "rotation_id": by_record[each.record.id],
    }


def _new_rotation(operator: Operator, each: Preview, *, by_name: bool, sign_out: bool) -> dict[str, object]:
    rotation: dict[str, object] = {
        "organization_id": each.organization.id,
        "record_id": each.record.id,
        "requested_by": operator.key,
        "by_name": by_name,
        "restores": each.restores,
        "vault_only": each.vault_only,
        "revision_id": each.restores if each.vault_only else None,
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
    details: dict[str, object] = {"reason": each.reason} if each.intent is Intent.REFUSE else {}
    if each.restores is not None:
        event = "restore.refused" if each.intent is Intent.REFUSE else "restore.requested"
        details |= {"revision": each.restores, "vault_only": each.vault_only}
    return Line(
        event=event,
        operator=operator.key,
        source=operator.source,
        organization=each.organization,
        subject=f"rotation {by_record[each.record.id]} of record {each.record.id}",
        result=each.status or "ok",
        details=details,
    )
