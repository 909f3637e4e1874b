"""Ignore rules: organizational units whose accounts are never suggested, whoever joins them."""

from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.models import IgnoreRule, now
from storage.names import fold


def unit_key(unit: str) -> str:
    """The form in which two ways of writing an organizational unit (`Staff/London`) are equal."""
    return "/".join(part for each in unit.split("/") if (part := fold(each)))


def covers(rule: IgnoreRule, unit: str | None) -> bool:
    """Whether an account in this organizational unit lives in the rule's, or anywhere below it."""
    return unit is not None and f"{unit_key(unit)}/".startswith(f"{rule.ou_key}/")


def ignore_rules(session: Session, organization_id: int) -> list[IgnoreRule]:
    """An organization's ignore rules, by name."""
    mine = select(IgnoreRule).where(IgnoreRule.organization_id == organization_id)
    return list(session.exec(mine.order_by(col(IgnoreRule.ou_key))))


def get_ignore_rule(session: Session, rule_id: int) -> IgnoreRule:
    """The rule with this id; `RowNotFound` when somebody took it back meanwhile."""
    rule = session.get(IgnoreRule, rule_id)
    if rule is None:
        raise RowNotFound(f"There is no ignore rule {rule_id} any more. Nothing was changed.")
    return rule


def put_ignore_rule(session: Session, organization_id: int, unit: str, created_by: str) -> IgnoreRule:
    """The organization's rule for this unit, as of now: a new one, or the one it has, said again."""
    here = select(IgnoreRule).where(IgnoreRule.organization_id == organization_id, IgnoreRule.ou_key == unit_key(unit))
    rule = session.exec(here).first()
    if rule is None:
        rule = IgnoreRule(organization_id=organization_id, ou=unit, ou_key=unit_key(unit), created_by=created_by)
    rule.created_by, rule.created_at = created_by, now()
    session.add(rule)
    session.flush()
    return rule
