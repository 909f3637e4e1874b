"""Bringing an earlier password back: in the vault alone, or everywhere, as a rotation to that password.

In the vault alone, no directory is touched: the accounts go on with the password they have, and the preview says so.
Everywhere is a rotation like any other, whose password is the earlier one instead of a new one, where the policies of
today still allow it; nothing is generated in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr
from sqlmodel import Session

from bot.errors import Refused, RowNotFound, StorageError
from bot.passwords import PasswordPolicy, meets
from bot.permissions import PROTECTED, Operator, may_restore
from bot.rotation import outcomes, planning
from bot.rotation.planning import Intent, Preview, tiers_of
from bot.rotation.worker import Worker
from storage.connections import connection_names
from storage.escrow import Escrow
from storage.models import (
    Organization,
    Record,
    Revision,
    RevisionState,
    Rotation,
    RotationState,
    Status,
    now,
)
from storage.recordings import outside_vaults
from storage.revisions import open_revision, reinstate
from storage.rotations import matched_accounts
from storage.tasks import Step


@dataclass(frozen=True, slots=True)
class Restore:
    """Which earlier revision is wanted back, and whether in the vault alone."""

    revision_id: int
    vault_only: bool


def preview(
    session: Session, operator: Operator, organization: Organization, record: Record, restore: Restore
) -> Preview:
    """What bringing that revision back would do. Changes nothing; `RowNotFound` when it is not this record's."""
    revision = session.get(Revision, restore.revision_id)
    if revision is None or revision.record_id != record.id:
        raise RowNotFound(f"{record.name} has no version {restore.revision_id}. Nothing was changed.")
    accounts = tuple(matched_accounts(session, [record.id])[record.id])
    outside = bool(outside_vaults(session, [record.connection_id]))
    vault = connection_names(session, [record.connection_id])[record.connection_id] if outside else "the vault"
    base = planning.preview(session, operator, [(organization, record)], by_name=True)[0]
    refusal = _refusal(operator, organization, record, revision, base, restore, outside=outside)
    if refusal is not None:
        status, reason, cause = refusal
        base = replace(base, intent=Intent.REFUSE, status=status, reason=reason, cause=cause, open=None, undo="")
    elif restore.vault_only:
        reason = (
            f"{vault[0].upper()}{vault[1:]} would hold {outcomes.of(revision)} again. No directory is touched: the "
            "accounts go on with the password they have now, which Rekey keeps."
        )
        base = replace(base, intent=Intent.ROTATE, status=None, reason=reason, cause="", undo="")
    else:
        reason = (
            f"Every account would get {outcomes.of(revision)} again, if its directory's policy still allows it; the "
            f"rule for new passwords does not count. Whoever knew it then knows it now. {base.undo}"
        ).strip()
        base = replace(base, reason=reason)
    return replace(base, accounts=accounts, restores=revision.id, vault_only=restore.vault_only)


def _refusal(
    operator: Operator,
    organization: Organization,
    record: Record,
    revision: Revision,
    base: Preview,
    restore: Restore,
    *,
    outside: bool,
) -> tuple[Status, str, str] | None:
    for tier in sorted(tiers_of(record, base.accounts)):
        decision = may_restore(operator, organization.id, tier)
        if not decision.allowed:
            status = Status.ADMIN_NOT_PERMITTED if tier in PROTECTED else Status.NOT_PERMITTED
            return status, decision.reason, "operator-not-permitted"
    if base.intent is Intent.JOIN or revision.state == RevisionState.PENDING:
        return Status.NOT_PERMITTED, "It is being rotated right now. Wait until that is over, then look again.", "open"
    in_the_way = ("frozen", "vaulted", "record-gone") if restore.vault_only else None
    if base.intent is Intent.REFUSE and (in_the_way is None or base.cause in in_the_way):
        return base.status or Status.NOT_PERMITTED, base.reason, base.cause
    if restore.vault_only and revision.state == RevisionState.CURRENT and not outside:
        return Status.NOT_PERMITTED, "The vault holds this very version already.", "already-current"
    return None


def earlier(session: Session, worker: Worker, step: Step, policy: PasswordPolicy) -> SecretStr:
    """The password this rotation brings back. `Refused` when it does not open, or is too weak for its directories."""
    revision = session.get_one(Revision, step.rotation.restores)
    try:
        secret = open_revision(worker.safe, step.organization.uid, step.record.uid, revision)
    except StorageError as error:
        raise Refused(str(error), cause="sealed") from error
    if not meets(secret, policy):
        raise Refused(
            "That earlier password does not meet what the directory asks of a password today. Nothing was changed.",
            cause="restored-too-weak",
            mend="Rotate the record instead: that gives it a new one. Or restore it in the vault only.",
        )
    return secret


def finish_here(session: Session, escrow: Escrow, rotation_ids: Sequence[int]) -> None:
    """Carry out restores in the embedded vault, which is this very database: in the caller's transaction."""
    for rotation_id in rotation_ids:
        rotation = session.get_one(Rotation, rotation_id)
        record = session.get_one(Record, rotation.record_id)
        if not rotation.vault_only or rotation.ended_at is not None or outside_vaults(session, [record.connection_id]):
            continue
        reinstate(session, escrow, session.get_one(Revision, rotation.restores))
        rotation.state, rotation.status, rotation.ended_at = RotationState.SUCCESSFUL, Status.SUCCESSFUL, now()
        rotation.reason = outcomes.finished(rotation, "", "the vault", None)
        session.add(rotation)
