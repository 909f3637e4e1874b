"""Who is one person: the accounts of an organization that the directories, or somebody here, say belong together.

An account in Active Directory carries the id Entra Connect gives it; its cloud account carries that id too, or else at
least its SID. What an operator says (`linked_by`) stands until it is taken back.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sql
from sqlalchemy import func, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from storage.models import Account
from storage.portions import portions

Names = tuple[str, str | None, str | None]
"""An account's username, UPN and mail address, folded."""


def settle_persons(session: Session, organization_id: int, account_ids: Collection[int] | None = None) -> list[Names]:
    """Have every account (or these) belong to whom the directories say; returns the names of those it changed for.

    An account in Active Directory is its own immutable id's; a synced one whose its AD account is, found by immutable
    id, then by SID. A cloud-only account is nobody else's, whatever its name.
    """
    session.flush()
    own = update(Account).where(~col(Account.synced))
    changed = _settled(session, own, organization_id, col(Account.immutable_id), account_ids)
    master: Any = aliased(Account)
    here = (
        sql.select(master.person)
        .where(col(master.organization_id) == organization_id, ~col(master.synced), col(master.removed_at).is_(None))
        .order_by(col(master.id))
        .limit(1)
    )
    whose = func.coalesce(
        here.where(col(master.immutable_id) == col(Account.immutable_id)).scalar_subquery(),
        here.where(col(master.sid) == col(Account.sid)).scalar_subquery(),
        col(Account.immutable_id),
    )
    synced = update(Account).where(col(Account.synced))
    return changed + _settled(session, synced, organization_id, whose, account_ids)


def concerned(session: Session, connection_id: int, object_ids: Collection[str]) -> set[int]:
    """These accounts of a directory, and the synced ones that may be the same persons': whom `settle_persons` is to
    look at when they changed.
    """
    changed = [
        row
        for portion in portions(list(object_ids))
        for row in session.exec(
            select(Account.id, Account.organization_id, Account.immutable_id, Account.sid).where(
                Account.connection_id == connection_id, col(Account.object_id).in_(portion)
            )
        )
    ]
    found = {row[0] for row in changed}
    for column, place in ((Account.immutable_id, 2), (Account.sid, 3)):
        for portion in portions(sorted({str(row[place]) for row in changed if row[place] is not None})):
            mates = select(Account.id).where(
                col(Account.organization_id) == changed[0][1], col(column).in_(portion), col(Account.synced).is_(True)
            )
            found.update(session.exec(mates))
    return found


def _settled(
    session: Session, statement: sql.Update, organization_id: int, whose: Any, account_ids: Collection[int] | None
) -> list[Names]:
    wrong = (
        statement.where(
            col(Account.organization_id) == organization_id,
            col(Account.linked_by).is_(None),
            col(Account.removed_at).is_(None),
            col(Account.person).is_distinct_from(whose),
        )
        .values(person=whose)
        .returning(col(Account.username_key), col(Account.upn_key), col(Account.mail_key))
        .execution_options(synchronize_session=False)
    )
    if account_ids is None:
        moved = list(session.execute(wrong))
    else:
        moved = [
            row
            for portion in portions(sorted(account_ids))
            for row in session.execute(wrong.where(col(Account.id).in_(portion)))
        ]
    if moved:
        session.expire_all()
    return [(row[0], row[1], row[2]) for row in moved]


def persons_of(session: Session, account_ids: Collection[int]) -> dict[int, str]:
    """Account id → the person, of those of these accounts that have one."""
    found: dict[int, str] = {}
    for portion in portions(list(account_ids)):
        rows = select(Account.id, Account.person).where(col(Account.id).in_(portion), col(Account.person).is_not(None))
        found |= {account_id: person for account_id, person in session.exec(rows) if person is not None}
    return found


def accounts_of_persons(session: Session, organization_id: int, persons: Collection[str]) -> dict[str, list[Account]]:
    """Each of these persons' accounts in the organization that are still there, by id."""
    found: dict[str, list[Account]] = {person: [] for person in persons}
    for portion in portions(list(found)):
        rows = select(Account).where(
            Account.organization_id == organization_id,
            col(Account.person).in_(portion),
            col(Account.removed_at).is_(None),
        )
        for account in session.exec(rows.order_by(col(Account.id))):
            found[account.person or ""].append(account)
    return found


def join_person(session: Session, organization_id: int, persons: Collection[str], into: str, by: str) -> None:
    """Make all of these persons one: their accounts are `into`'s from now on, because this operator says so."""
    session.flush()
    session.execute(
        update(Account)
        .where(
            col(Account.organization_id) == organization_id,
            col(Account.person).in_(list(persons)),
            col(Account.person) != into,
        )
        .values(person=into, linked_by=by)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
