"""The connectors' own accounts: which it is, and our sign-ins with it that are not known to have succeeded."""

from datetime import timedelta

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from storage.models import Account, ProofTry, now


def find_own_account(session: Session, connection_id: int) -> Account | None:
    """The account Rekey itself signs in with in this directory, as its last reading showed it."""
    own = select(Account).where(
        Account.connection_id == connection_id, col(Account.is_connector), col(Account.removed_at).is_(None)
    )
    return session.exec(own.order_by(col(Account.id).desc())).first()


def own_tries(session: Session, account_id: int, window: timedelta) -> int:
    """How many of our sign-ins with it as ourselves, within the window, are not known to have succeeded."""
    return session.exec(
        select(func.count())
        .select_from(ProofTry)
        .where(
            ProofTry.account_id == account_id,
            col(ProofTry.task_id).is_(None),
            col(ProofTry.proved).is_(False),
            col(ProofTry.tried_at) > now() - window,
        )
    ).one()


def prove_tries(session: Session, account_id: int) -> None:
    """The account has just signed in: wrong attempts before do not count towards its lockout any more."""
    session.execute(update(ProofTry).where(col(ProofTry.account_id) == account_id).values(proved=True))
