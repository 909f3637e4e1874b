"""Right before a write: may it still be made, by whom it was asked, and under which password, sealed and in escrow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr
from sqlmodel import Session

from bot.approvals import takes_two
from bot.audit import Line
from bot.directories.base import Standing
from bot.errors import (
    BadInput,
    Refused,
    RekeyError,
)
from bot.passwords import PasswordPolicy, generate, name_parts, strictest
from bot.permissions import PROTECTED, Operator, may_restore, may_rotate, operator_named
from bot.rotation.engine import Refusal, Settlement
from bot.rotation.planning import RULE_IS_OFF, included_tiers
from bot.rotation.restoring import earlier
from bot.rotation.worker import Worker
from bot.rules import policy_of, rule_for
from bot.switches import SWITCHED_OFF, why_off
from bot.tiers import tier_with
from storage.approvals import agreed_accounts
from storage.connections import get_connection
from storage.models import (
    Account,
    Revision,
    RevisionState,
    RotationState,
    Rule,
    Status,
    TaskKind,
    TaskState,
    Tier,
)
from storage.revisions import Draft, add_revisions, discard, find_revisions
from storage.schedules import has_begun
from storage.tasks import Step, steps_of_rotations


@dataclass(frozen=True, slots=True)
class Requesters:
    """Whoever asked for some steps, and the rules that hold for those, as they are at this moment."""

    operators: Mapping[str, Operator]
    """By key, with the roles they hold."""
    rules: Mapping[int, Rule]
    """By organization id."""


def requesters_of(session: Session, worker: Worker, steps: Sequence[Step]) -> Requesters:
    """Whoever asked for these."""
    organizations = {step.organization.id: step.organization for step in steps}
    return Requesters(
        {
            key: operator_named(session, key, "engine", worker.administrators)
            for key in {step.rotation.requested_by for step in steps}
        },
        {each.id: rule_for(session, each) for each in organizations.values()},
    )


def why_not(
    session: Session,
    worker: Worker,
    requesters: Requesters,
    step: Step,
    standing: Standing | RekeyError,
) -> Refusal | None:
    """Why this account may not be written now: the directory's word, the consent, and the requester's right."""
    if isinstance(standing, Refused):
        return Refusal(standing)
    if not isinstance(standing, Standing):
        return Refusal(Refused(f"{standing} Nothing was changed there.", cause="defect"), Status.FAILED)
    if not standing.allowed and not _is_own(session, step, standing):
        error = Refused(standing.reason, cause=standing.cause or "not-permitted", mend=standing.mend)
        return Refusal(error, standing.status or Status.NOT_PERMITTED)
    if step.task.state == TaskState.PUT_BACK_READY:
        return None
    written = step.task.kind == TaskKind.ROTATE
    switched_off = why_off(session, [get_connection(session, step.account.connection_id)]) if written else None
    if switched_off is not None:
        return Refusal(Refused(switched_off, cause=SWITCHED_OFF), Status.NOT_PERMITTED)
    if written and not step.consented:
        return Refusal(
            Refused("The match is no longer approved, so this account was left alone.", cause="consent-withdrawn"),
            Status.NOT_PERMITTED,
        )
    rotation, organization = step.rotation, step.organization
    tier = tier_with(_effective(step.account, standing.tier), step.record.restricted or standing.own)
    operator, rule = requesters.operators[rotation.requested_by], requesters.rules[organization.id]
    if not rule.enabled:
        return Refusal(Refused(f"{RULE_IS_OFF} Nothing was changed.", cause=SWITCHED_OFF), Status.NOT_PERMITTED)
    bulk = included_tiers(operator, organization, rule)
    decision = may_rotate(operator, organization.id, tier, by_name=rotation.by_name, bulk=bulk)
    if rotation.restores is not None:
        decision = may_restore(operator, organization.id, tier)
    if not decision.allowed:
        status = Status.ADMIN_NOT_PERMITTED if tier in PROTECTED else Status.NOT_PERMITTED
        return Refusal(Refused(decision.reason, cause="operator-not-permitted"), status)
    alone = takes_two(operator, [tier], second_administrator=worker.second_administrator)
    if alone and step.account.id not in agreed_accounts(session, rotation.id):
        return Refusal(
            Refused(
                f"{step.account.domain}\\{step.account.username} is a {tier} account, and no second administrator "
                "agreed to rotating it. Nothing was changed there.",
                cause="second-administrator",
                mend="Rotate this record by name: another administrator is asked then.",
            ),
            Status.ADMIN_NOT_PERMITTED,
        )
    return None


def _is_own(session: Session, step: Step, standing: Standing) -> bool:
    """The connector's own account, asked for by name through the record that the connection's settings give it."""
    own_record = get_connection(session, step.task.connection_id).own_record_id
    return standing.own and step.rotation.by_name and own_record == step.record.id


def _effective(account: Account, seen: Tier) -> Tier:
    """The tier that holds at this moment: privileged as the directory says now, else what was marked or known."""
    return Tier.PRIVILEGED if seen is Tier.PRIVILEGED and account.tier != Tier.BREAK_GLASS else Tier(account.tier)


def stage(
    session: Session, worker: Worker, settlement: Settlement, going: Sequence[tuple[Step, Standing]]
) -> dict[int, Revision]:
    """The pending revision of each rotation: the one it has, or a new one, sealed and in the escrow file.

    Steps whose policies no password can meet are refused.
    """
    staged = {step.rotation.id: step.revision for step, _standing in going if step.revision is not None}
    new = [(step, standing) for step, standing in going if step.revision is None]
    passwords: dict[int, SecretStr] = {}
    for rotation_id, policy in _policies(session, new).items():
        step = next(step for step, _standing in new if step.rotation.id == rotation_id)
        try:
            restores = step.rotation.restores
            passwords[rotation_id] = generate(policy) if restores is None else earlier(session, worker, step, policy)
        except BadInput as error:
            settlement.refuse(step, Refusal(Refused(str(error), cause="policy-cannot-be-met"), Status.FAILED))
        except Refused as error:
            settlement.refuse(step, Refusal(error, Status.FAILED))
    new = [(step, standing) for step, standing in new if step.rotation.id in passwords]
    if not new:
        return staged
    left_over = find_revisions(session, [step.record.id for step, _standing in new], RevisionState.PENDING)
    for revision in left_over.values():
        revision.unsure = True  # its rotation ended without finding out
        discard(session, revision)
    has_begun(session, [step.rotation.id for step, _standing in new if step.task.until_at is not None])
    revisions = add_revisions(
        session,
        worker.safe,
        [
            Draft(
                organization=step.organization,
                record=step.record,
                password=passwords[step.rotation.id],
                state=RevisionState.PENDING,
                origin="generated" if step.rotation.restores is None else "restored",
                created_by=step.rotation.requested_by,
                rotation_id=step.rotation.id,
            )
            for step, _standing in new
        ],
    )
    lines = []
    for (step, _standing), revision in zip(new, revisions, strict=True):
        rotation = step.rotation
        rotation.revision_id, rotation.state = revision.id, RotationState.ROTATING
        rotation.attempts += 1
        staged[rotation.id] = revision
        lines.append(
            Line(
                event="rotation.staged",
                operator=rotation.requested_by,
                source="engine",
                organization=step.organization,
                subject=f"rotation {rotation.id} of record {rotation.record_id}",
                details={"attempt": rotation.attempts, "revision": revision.uid},
            )
        )
    worker.trail.append_all(session, lines)
    return staged


def _policies(session: Session, new: Sequence[tuple[Step, Standing]]) -> dict[int, PasswordPolicy]:
    """For each rotation the strictest of the rule, its directories' policies, and the names of its accounts.

    The rule is for new passwords: one that is brought back was in force before, and has to pass the directories' alone.
    """
    rules: dict[int, PasswordPolicy] = {}
    siblings = steps_of_rotations(session, [step.rotation.id for step, _standing in new])
    found = {}
    for step, standing in new:
        organization_id = step.organization.id
        if organization_id not in rules:
            rules[organization_id] = policy_of(rule_for(session, step.organization))
        others = [PasswordPolicy.from_json(task.policy) for task in siblings[step.rotation.id] if task.policy]
        names = PasswordPolicy(forbidden=name_parts(standing.username, step.account.display_name))
        ours = [rules[organization_id], names] if step.rotation.restores is None else []
        found[step.rotation.id] = strictest(*ours, standing.policy, *others)
    return found
