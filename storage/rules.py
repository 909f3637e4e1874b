"""Rules as rows: one for everybody, at most one per organization."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from storage.models import Rule
from storage.portions import portions

GLOBAL = "global"


def rules_by_scope(session: Session, scopes: Sequence[str]) -> dict[str, Rule]:
    """The rules of these scopes (`GLOBAL`, or organizations' uids), by scope. The global one is always among them:
    as long as nobody has set it, it is a row with the defaults that is not stored yet.
    """
    found = {GLOBAL: Rule(scope=GLOBAL)}
    for portion in portions([GLOBAL, *scopes]):
        stored = session.exec(select(Rule).where(col(Rule.scope).in_(portion)))
        found |= {rule.scope: rule for rule in stored}
    return found


def stored_rules(session: Session) -> list[Rule]:
    """Every rule somebody made, the one for everybody first."""
    return sorted(session.exec(select(Rule)), key=lambda rule: (rule.scope != GLOBAL, rule.id))


def delete_rule(session: Session, scope: str) -> bool:
    """Delete it; whether there was one."""
    rule = session.exec(select(Rule).where(Rule.scope == scope)).one_or_none()
    if rule is None:
        return False
    session.delete(rule)
    session.flush()
    return True
