"""Ignore rules: "everybody in OU=Leavers is left alone", so that whoever joins it does not come back as noise.

A rule speaks for accounts nobody has decided on. The later word counts: a match somebody reopened after the rule was
made stays open, and saying the rule again covers that one too. No rule covers a privileged or break-glass account: one
of those among the leavers is what people must see. Taking a rule back puts its accounts where they would stand without
it; what a person ignored stays ignored.
"""

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput
from bot.matching.suggesting import suggest
from bot.permissions import EVERY_TIER, PROTECTED, YES, Decision, Operator, may_match
from storage.ignore_rules import get_ignore_rule, put_ignore_rule, unit_key
from storage.models import Organization, Tier

COVERED = sorted(EVERY_TIER - PROTECTED)
"""The tiers a rule speaks for, so whoever makes one must be somebody who may match them."""

_LONGEST_UNIT = 255


def add_rule(session: Session, trail: Trail, operator: Operator, organization: Organization, unit: str) -> Decision:
    """Ignore everybody in this organizational unit and below, now and from now on; said again, anew.

    A refusal is in the audit trail. `BadInput` when the text names no unit.
    """
    decision = _may_rule(operator, organization.id)
    if not decision.allowed:
        _tell(session, trail, operator, organization, "ignore_rule.added", unit, refused=decision.reason)
        return decision
    if not unit_key(unit):
        raise BadInput("Name the organizational unit, like Staff/Leavers. Nothing was changed.")
    if len(unit) > _LONGEST_UNIT:
        raise BadInput(f"A name of at most {_LONGEST_UNIT} characters, please. Nothing was changed.")
    rule = put_ignore_rule(session, organization.id, unit.strip().strip("/"), operator.key)
    suggest(session, organization.id)
    _tell(session, trail, operator, organization, "ignore_rule.added", rule.ou)
    return YES


def remove_rule(
    session: Session, trail: Trail, operator: Operator, organization: Organization, rule_id: int
) -> Decision:
    """Take a rule back. A refusal is in the audit trail; `RowNotFound` when somebody was first."""
    rule = get_ignore_rule(session, rule_id)
    decision = _may_rule(operator, organization.id)
    if decision.allowed and rule.organization_id != organization.id:
        decision = Decision(False, f"That rule is not {organization.name}'s. Nothing was changed.")
    if not decision.allowed:
        _tell(session, trail, operator, organization, "ignore_rule.removed", rule.ou, refused=decision.reason)
        return decision
    _tell(session, trail, operator, organization, "ignore_rule.removed", rule.ou)
    session.delete(rule)
    session.flush()
    suggest(session, organization.id)
    return YES


def _may_rule(operator: Operator, organization_id: int) -> Decision:
    decisions = [may_match(operator, organization_id, Tier(tier)) for tier in COVERED]
    return next((each for each in decisions if not each.allowed), YES)


def _tell(
    session: Session,
    trail: Trail,
    operator: Operator,
    organization: Organization,
    event: str,
    unit: str,
    *,
    refused: str = "",
) -> None:
    trail.append(
        session,
        event=event,
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=unit,
        result="refused" if refused else "ok",
        details={"reason": refused} if refused else {},
    )
