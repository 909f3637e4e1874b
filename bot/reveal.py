"""Showing a password to a person: one verb for the command line, and for Rekey's own page by a one-time link.

Who may read a record follows from every account that may have its password: those matched to it, those whose directory
was last proved to take it, and, as long as the password is not one Rekey generated, those that merely go by the
record's username. A record that is matched to nobody may be anybody's, so it is kept like a privileged one.

    in Slack     `ask` makes a link, or first asks a second administrator: for privileged and break-glass accounts, and
                 above the hourly ceiling
    on the page  `open_link` asks everything again, takes the step-up, uses the link up, and only then reads
    always       no audit row, no reveal: the row is committed before anything is returned
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlmodel import Session

from bot import approvals, links
from bot.audit import Trail
from bot.errors import BadInput, NotPermitted
from bot.links import REVEAL, Opened, Refusal
from bot.matching.suggesting import namesakes
from bot.permissions import PROTECTED, Decision, Operator, may_read, operator_named
from bot.settings import Settings
from bot.tiers import tier_with
from storage.accounts import accounts_proved_with
from storage.approvals import find_approval, reveal_approvals
from storage.connections import connection_names
from storage.database import Database
from storage.links import is_spent, use_link, used_since
from storage.models import (
    Account,
    Approval,
    ApprovalState,
    Organization,
    Record,
    Revision,
    RevisionState,
    Tier,
    now,
)
from storage.recordings import outside_vaults
from storage.records import get_record
from storage.revisions import FROM_VAULT, Safe, open_revision, possibly_held
from storage.rotations import matched_accounts

PAGE = "reveal page"
"""The source that reveals by link are audited with."""
ONE = "reveal"
MANY = "ceiling"
"""What an approval is asked for."""
_HOUR = timedelta(hours=1)
_YES = Decision(True)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A record's proved password, and the others that a directory might hold."""

    record: Record
    organization: Organization
    current: Revision | None
    password: SecretStr | None
    alternatives: tuple[SecretStr, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a password is read instead of here: the vault outside that holds it."""

    vault: str
    page: str | None
    """The record's page there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking to be shown a password: a link, an approval that is waited for, or where else it is read."""

    record: Record
    link: links.Made | None
    waits_for: Approval | None = None
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """The revisions of a record that a directory might hold, newest first, and whose passwords they may be."""

    shown: tuple[Revision, ...]
    accounts: tuple[Account, ...]
    tiers: frozenset[Tier]


def read(
    session: Session,
    safe: Safe,
    trail: Trail,
    operator: Operator,
    record: Record,
    details: Mapping[str, object] | None = None,
) -> Revealed:
    """Open a record and write down that it was; nothing may be shown before the caller's transaction is committed.

    `NotPermitted` when the operator may not read each account that may have it.
    """
    home = session.get_one(Organization, record.organization_id)
    held = _held(session, record)
    decision = _may_read(operator, home, held)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was shown.")
    secrets = {each.id: open_revision(safe, home.uid, record.uid, each) for each in held.shown}
    current = next((each for each in held.shown if each.state == RevisionState.CURRENT), None)
    trail.append(
        session,
        event="record.revealed",
        operator=operator.key,
        source=operator.source,
        organization=home,
        subject=f"record {record.id}",
        details={"record": record.name, "revisions": [each.uid for each in held.shown], **(details or {})},
    )
    alternatives = tuple(secrets[each.id] for each in held.shown if each is not current)
    return Revealed(record, home, current, secrets[current.id] if current else None, alternatives)


def plan_of(session: Session, record_id: int) -> str:
    """The hash an approval is bound to: the record, and every account that may have its password, with its tier."""
    record = get_record(session, None, record_id)
    accounts = sorted((account.id, account.tier) for account in _held(session, record).accounts)
    return hashlib.sha256(json.dumps([REVEAL, record.uid, accounts]).encode()).hexdigest()


def ask(database: Database, trail: Trail, settings: Settings, operator: Operator, record: Record) -> Asked:
    """Ask to be shown a record's password on Rekey's page.

    `NotPermitted`, which is audited, when they may not; `BadInput` when there is nothing to show yet.
    """
    with database.writing() as session:
        record = get_record(session, record.organization_id, record.id)
        home = session.get_one(Organization, record.organization_id)
        held = _held(session, record)
        decision = _may_read(operator, home, held)
        if decision.allowed:
            elsewhere = _elsewhere(session, settings, record, held)
            if elsewhere is not None:
                return Asked(record, None, elsewhere=elsewhere)
            if not held.shown:
                raise BadInput(
                    f"{record.name} has no password in Rekey yet. Rotating it gives it one; nothing was changed."
                )
            return _link_or_approval(session, trail, settings, operator, home, record, held)
        trail.append(
            session,
            event="reveal.refused",
            operator=operator.key,
            source=operator.source,
            organization=home,
            subject=f"record {record.id}",
            result="refused",
            details={"record": record.name, "reason": decision.reason},
        )
    raise NotPermitted(f"{decision.reason} Nothing was shown.")


def open_link(
    database: Database, safe: Safe, trail: Trail, settings: Settings, token: SecretStr, code: str
) -> Revealed | Refusal:
    """What a link shows, once: every condition is asked again, then the step-up, then the link is used up.

    A refusal is audited; one for a wrong code leaves the link usable. `StorageError` when the audit trail cannot be
    kept or the password does not open: nothing is shown then.
    """
    with database.writing() as session:
        opened = links.follow(session, trail, settings, token, REVEAL, PAGE)
        if isinstance(opened, Refusal):
            return opened
        record = get_record(session, opened.link.organization_id, opened.link.record_id or 0)
        held = _held(session, record)
        elsewhere = _elsewhere(session, settings, record, held)
        if elsewhere is not None:
            return Refusal(f"{elsewhere.vault} holds this password by now: read it there. Nothing was shown.")
        needs = _why_two(session, settings, opened.operator, held)
        decision = _still_allowed(session, settings, opened, record, held, needs)
        if not decision.allowed:
            links.refuse(session, trail, opened, decision.reason)
            return Refusal(f"{decision.reason} Nothing was shown.")
        wrong_code = links.step_up(session, trail, safe.keys, settings, opened, code)
        if wrong_code is not None:
            return Refusal(wrong_code, again=True)
        if not use_link(session, opened.link, now()):
            return Refusal("This link was used in this very moment. Nothing was shown.")
        details: dict[str, object] = {"link": opened.link.id, **_relaxed(settings, held)}
        if needs is not None:
            details["approval"] = opened.link.approval_id
        revealed = read(session, safe, trail, opened.operator, record, details)
    return revealed


# ---- conditions ------------------------------------------------------------------------------------------------------


def _held(session: Session, record: Record) -> _Held:
    matched = [each.account for each in matched_accounts(session, [record.id])[record.id]]
    shown = sorted(possibly_held(session, record.id), key=lambda each: each.state != RevisionState.CURRENT)
    accounts = {each.id: each for each in [*matched, *accounts_proved_with(session, [each.id for each in shown])]}
    tiers = {tier_with(each.tier, record.restricted or each.is_connector) for each in accounts.values()}
    if any(each.origin != "generated" for each in shown):
        tiers |= {Tier(each.tier) for each in namesakes(session, record)}
    if not matched or record.restricted:
        tiers.add(Tier.PRIVILEGED)
    return _Held(tuple(shown), tuple(accounts.values()), frozenset(tiers))


def _elsewhere(session: Session, settings: Settings, record: Record, held: _Held) -> Elsewhere | None:
    """The vault outside, where it has held the one password there is for long enough, or gave it to us itself."""
    if not outside_vaults(session, [record.connection_id]):
        return None
    since = now() - timedelta(days=settings.shown_for_days)
    if not all(_is_there(each, since) for each in held.shown) or len(held.shown) > 1:
        return None
    return Elsewhere(connection_names(session, [record.connection_id])[record.connection_id], record.link)


def _is_there(revision: Revision, since: datetime) -> bool:
    from_there = revision.origin == FROM_VAULT and revision.state == RevisionState.CURRENT
    return from_there or (revision.recorded_at is not None and revision.recorded_at <= since)


def _may_read(operator: Operator, home: Organization, held: _Held) -> Decision:
    decisions = [may_read(operator, home.id, tier) for tier in sorted(held.tiers)]
    return next((each for each in decisions if not each.allowed), _YES)


def _why_two(session: Session, settings: Settings, operator: Operator, held: _Held) -> str | None:
    """What a second person is needed for, as an approval says it; None when nobody is."""
    if approvals.takes_two(operator, held.tiers, second_administrator=settings.second_administrator):
        return ONE
    above = used_since(session, operator.key, REVEAL, now() - _HOUR) >= settings.reveals_per_hour
    return MANY if above else None


def _still_allowed(
    session: Session, settings: Settings, opened: Opened, record: Record, held: _Held, needs: str | None
) -> Decision:
    """Roles, tiers and the second person's word, as they are now."""
    decision = _may_read(opened.operator, opened.organization, held)
    if not decision.allowed or needs is None:
        return decision
    approval = find_approval(session, opened.link.approval_id or 0)
    if approval is None or not _counts(session, settings, approval, opened.operator, record):
        return Decision(
            False,
            "This takes a second person's word, and there is none that still holds: it lasts an hour, for one look, "
            "and only while the record belongs to the same accounts. Ask again in Slack.",
        )
    return _YES


def _counts(session: Session, settings: Settings, approval: Approval, operator: Operator, record: Record) -> bool:
    decider = approval.decided_by
    return (
        approval.state == ApprovalState.APPROVED
        and approval.requested_by == operator.key
        and approval.record_id == record.id
        and approval.expires_at > now()
        and approval.plan == plan_of(session, record.id)
        and decider is not None
        and decider != operator.key
        and _is_administrator(session, settings, decider, record)
        and not is_spent(session, approval.id)
    )


def _is_administrator(session: Session, settings: Settings, key: str, record: Record) -> bool:
    decider = operator_named(session, key, PAGE, settings.administrators)
    return may_read(decider, record.organization_id, Tier.PRIVILEGED).allowed


def _link_or_approval(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    home: Organization,
    record: Record,
    held: _Held,
) -> Asked:
    needs = _why_two(session, settings, operator, held)
    approval = None
    if needs is not None:
        asked_before = reveal_approvals(session, operator.key, record.id)
        approval = next((each for each in asked_before if _counts(session, settings, each, operator, record)), None)
        if approval is None:
            return Asked(record, None, _waited_for(session, trail, settings, operator, home, record, needs))
    made = links.make(
        session, settings, operator, home.id, REVEAL, record_id=record.id, approval_id=approval.id if approval else None
    )
    trail.append(
        session,
        event="reveal.asked",
        operator=operator.key,
        source=operator.source,
        organization=home,
        subject=f"record {record.id}",
        details={"record": record.name, "until": _written(made.expires_at), **_relaxed(settings, held)},
    )
    return Asked(record, made)


def _waited_for(
    session: Session,
    trail: Trail,
    settings: Settings,
    operator: Operator,
    home: Organization,
    record: Record,
    needs: str,
) -> Approval:
    """The approval asked for already, or a new one."""
    plan = plan_of(session, record.id)
    for each in reveal_approvals(session, operator.key, record.id):
        if each.state == ApprovalState.WAITING and each.plan == plan and each.expires_at > now():
            return each
    return approvals.ask(session, trail, settings, operator, home, what=needs, plan=plan, record_id=record.id)


def _relaxed(settings: Settings, held: _Held) -> dict[str, object]:
    """What the settings leave out, so that the trail says so."""
    without: Sequence[str] = (
        *(["step-up"] if not settings.step_up else []),
        *(["second administrator"] if not settings.second_administrator and held.tiers & PROTECTED else []),
    )
    return {"without": list(without)} if without else {}


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
