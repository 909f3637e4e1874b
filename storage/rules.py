"""Rules as rows: one for everybody, at most one per organization."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from storage.models import Rule

GLOBAL = "global"


def rules_by_scope(session: Session, scopes: Sequence[str]) -> dict[str, Rule]:
    """The rules of these scopes (`GLOBAL`, or organizations' uids), by scope. The global one is always among them:
    as long as nobody has set it, it is a row with the defaults that is not stored yet.
    """
    stored = session.exec(select(Rule).where(col(Rule.scope).in_([GLOBAL, *scopes]))).all()
    return {GLOBAL: Rule(scope=GLOBAL)} | {rule.scope: rule for rule in stored}
