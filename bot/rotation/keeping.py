"""What a vault outside holds before Rekey writes it: looked at, and sealed as a revision where it is not ours."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr
from sqlmodel import Session

from bot.audit import Line
from bot.errors import RekeyError
from bot.rotation.worker import Worker, each
from bot.vaults.base import Held, Permit, SeenRecord, Vault
from storage.models import Record, RevisionState
from storage.recordings import RecordStep, record_steps
from storage.revisions import FROM_VAULT, Draft, add_revisions, open_revision, reinstate, revisions_of


@dataclass(frozen=True, slots=True)
class There:
    """What the vault says of a record right now. No permit: it is still to be made there."""

    permit: Permit | None = None
    held: Held | None = None
    """Read only where it is not what Rekey wrote or kept last."""


def ask_vault(worker: Worker, vault: Vault, task_ids: Sequence[int]) -> list[There | RekeyError]:
    """What the vault says of the records of these steps, in their order; side by side, changing nothing."""
    with worker.database.reading() as session:
        steps = record_steps(session, task_ids)

    def ask(step: RecordStep) -> There:
        record = step.record
        if record.external_id is None:
            return There()
        permit = vault.may_write(record.external_id)
        if not permit.allowed or _is_ours(record, permit.record):
            return There(permit)
        return There(permit, vault.read(record.external_id))

    return each(worker, ask, steps)


def _is_ours(record: Record, there: SeenRecord) -> bool:
    """Whether the vault holds what Rekey wrote or kept last, by the vault's own clock."""
    return record.kept_password_at is not None and there.password_updated_at == record.kept_password_at


def keep(session: Session, worker: Worker, going: Sequence[tuple[RecordStep, There]], state: RevisionState) -> None:
    """Seal what the vault holds and Rekey does not know, in this state, all with one flush of the escrow file."""
    drafts: list[Draft] = []
    lines: list[Line] = []
    for step, there in going:
        record = step.record
        if there.permit is not None:
            describe(record, there.permit.record)
        if there.held is None:
            continue
        edited = record.kept_password_at is not None
        describe(record, there.held.record)
        record.kept_password_at = there.held.record.password_updated_at
        secret = there.held.secret
        if secret is None or not len(secret) or _is_known(session, worker, step, secret, state):
            continue
        drafts.append(Draft(step.organization, record, secret, state, FROM_VAULT, "rekey", step.rotation.id))
        if edited:
            step.task.result = {**(step.task.result or {}), "edited": True}
        lines.append(
            Line(
                event="revision.kept",
                operator=step.rotation.requested_by,
                source="engine",
                organization=step.organization,
                subject=f"record {record.id}",
                details={"vault": step.vault.name, "edited_there": edited, "rotation": step.rotation.id},
            )
        )
    if drafts:
        add_revisions(session, worker.safe, drafts)
        worker.trail.append_all(session, lines)


def _is_known(session: Session, worker: Worker, step: RecordStep, secret: SecretStr, state: RevisionState) -> bool:
    """Whether this is a revision already. One that somebody brought back there by hand is what holds now."""
    for revision in revisions_of(session, step.record.id):
        if open_revision(worker.safe, step.organization.uid, step.record.uid, revision) == secret:
            if state is RevisionState.CURRENT and revision.state != RevisionState.PENDING:
                reinstate(session, worker.safe.escrow, revision)
            return True
    return False


def describe(record: Record, there: SeenRecord) -> None:
    """Bring our row up to what the vault says of the record."""
    record.external_id, record.link = there.external_id, there.link or record.link
    record.guard, record.restricted = there.guard, there.restricted
    record.password_updated_at = there.password_updated_at
