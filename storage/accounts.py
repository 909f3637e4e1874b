"""Queries on accounts: what the directories listed, and what of it matching needs."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy import func, insert, true, update
from sqlmodel import Session, col, or_, select

from storage.models import Account, Connection
from storage.names import fold, parse_username, row_id, the_only
from storage.portions import portions


class SignInRow(NamedTuple):
    """What matching needs to know of an account that is still there; the keys are folded."""

    id: int
    connection_id: int
    username_key: str
    upn_key: str | None
    mail_key: str | None
    domain: str
    tier: str
    ou: str | None
    person: str | None


def get_account(session: Session, organization_id: int | None, name_or_id: str | int) -> Account:
    """The account with this id, or with this username (`jane`, `CORP\\jane`, its UPN); None looks everywhere.

    Accounts that are gone from their directory are found by id alone. `RowNotFound` when none or several fit.
    """
    asked = parse_username(str(name_or_id))
    mine = col(Account.organization_id) == organization_id if organization_id is not None else true()
    rows = session.exec(
        select(Account, Connection.domain_names)
        .join(Connection, col(Connection.id) == col(Account.connection_id))
        .where(
            mine,
            or_(
                col(Account.id) == row_id(name_or_id),
                col(Account.removed_at).is_(None)
                & or_(col(Account.username_key).in_((asked.whole, asked.name)), col(Account.upn_key) == asked.whole),
            ),
        )
        .order_by(col(Account.id))
    )
    found = [
        account
        for account, domain_names in rows
        if account.id == row_id(name_or_id)
        or asked.whole in (account.username_key, account.upn_key)
        or asked.qualifier in (fold(account.domain), *domain_names)
    ]
    return the_only([(row.id, f"{row.domain}\\{row.username}", row) for row in found], "account", name_or_id)


def get_accounts(session: Session, account_ids: Collection[int]) -> list[Account]:
    """The accounts with these ids, gone ones included, in their order; ids that are not there are left out."""
    found = {
        account.id: account
        for portion in portions(list(account_ids))
        for account in session.exec(select(Account).where(col(Account.id).in_(portion)))
    }
    return [found[account_id] for account_id in account_ids if account_id in found]


def known_accounts(session: Session, connection_id: int, object_ids: Collection[str]) -> dict[str, Account]:
    """The accounts of a directory that are stored under these immutable ids, gone ones included."""
    return {
        account.object_id: account
        for portion in portions(list(object_ids))
        for account in session.exec(
            select(Account).where(Account.connection_id == connection_id, col(Account.object_id).in_(portion))
        )
    }


def add_accounts(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store new accounts, in one statement; every row has the same columns."""
    if rows:
        session.execute(insert(Account), rows)


def present_object_ids(session: Session, connection_id: int) -> set[str]:
    """The immutable ids of the accounts a directory was last known to have."""
    return set(
        session.exec(
            select(Account.object_id).where(Account.connection_id == connection_id, col(Account.removed_at).is_(None))
        )
    )


def mark_removed(session: Session, connection_id: int, object_ids: Collection[str], at: datetime) -> set[int]:
    """Note that these accounts are gone from their directory; returns the ids of those that were there until now."""
    removed: set[int] = set()
    for portion in portions(list(object_ids)):
        gone = update(Account).where(
            col(Account.connection_id) == connection_id,
            col(Account.object_id).in_(portion),
            col(Account.removed_at).is_(None),
        )
        removed.update(session.scalars(gone.values(removed_at=at).returning(col(Account.id))))
    return removed


def count_accounts(session: Session, connection_id: int) -> int:
    """How many accounts the directory has, as far as is known."""
    return session.exec(
        select(func.count())
        .select_from(Account)
        .where(Account.connection_id == connection_id, col(Account.removed_at).is_(None))
    ).one()


def accounts_of(session: Session, organization_id: int) -> list[Account]:
    """Every account of an organization's directories, by id; gone ones are left out."""
    statement = select(Account).where(Account.organization_id == organization_id, col(Account.removed_at).is_(None))
    return list(session.exec(statement.order_by(col(Account.id))))


class UnitRow(NamedTuple):
    """An organizational unit that accounts live in."""

    unit: str
    accounts: int
    """How many live directly in it."""
    one: int
    """The id of one that does."""


def units_of(session: Session, organization_id: int) -> list[UnitRow]:
    """The organizational units the organization's accounts live in, by name."""
    counted = sql.select(col(Account.ou), func.count(), func.min(Account.id)).where(
        col(Account.organization_id) == organization_id, col(Account.removed_at).is_(None), col(Account.ou).is_not(None)
    )
    rows = session.execute(counted.group_by(col(Account.ou)).order_by(col(Account.ou)))
    return [UnitRow(*row) for row in rows]


def find_unit(session: Session, organization_id: int, named: str) -> str | None:
    """The organizational unit named as `id.depth`: the first so many parts of where that account lives.

    None when that is no unit (any more), or another organization's.
    """
    account_id, _, depth = named.partition(".")
    account = session.get(Account, row_id(account_id)) if row_id(account_id) is not None else None
    if account is None or account.organization_id != organization_id or account.ou is None or not row_id(depth):
        return None
    return "/".join(account.ou.split("/")[: row_id(depth)])


def shown_names(session: Session, account_ids: Collection[int]) -> dict[int, str]:
    """`DOMAIN\\username` of each of these accounts, gone ones included."""
    columns = (col(Account.id), col(Account.domain), col(Account.username))
    return {
        account_id: f"{domain}\\{username}"
        for portion in portions(list(account_ids))
        for account_id, domain, username in session.execute(sql.select(*columns).where(col(Account.id).in_(portion)))
    }


def sign_ins(session: Session, organization_id: int) -> Iterator[SignInRow]:
    """What matching needs of all the organization's accounts."""
    for row in session.execute(_sign_ins(organization_id)):
        yield SignInRow(*row)


def sign_ins_named(session: Session, organization_id: int, names: Collection[str]) -> list[SignInRow]:
    """The same of the accounts whose username, UPN or mail is one of these (folded)."""
    found: dict[int, SignInRow] = {}
    for portion in portions(list(names)):
        # One statement per column, so that each is an index look-up on either database.
        for column in (Account.username_key, Account.upn_key, Account.mail_key):
            for row in session.execute(_sign_ins(organization_id).where(col(column).in_(portion))):
                found[row[0]] = SignInRow(*row)
    return list(found.values())


def _sign_ins(organization_id: int) -> Any:
    columns = [getattr(Account, name) for name in SignInRow._fields]
    return select(*columns).where(Account.organization_id == organization_id, col(Account.removed_at).is_(None))


def accounts_proved_with(session: Session, revision_ids: Collection[int]) -> list[Account]:
    """The accounts whose directory was last proved to take one of these revisions, matched or not."""
    return [
        account
        for portion in portions(list(revision_ids))
        for account in session.exec(select(Account).where(col(Account.proved_revision_id).in_(portion)))
    ]
