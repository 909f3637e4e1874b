"""Queries on matches: one row per account, and the rows around it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy import Select, delete, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from storage.models import Account, Connection, Match, MatchState, Organization, Record
from storage.portions import portions

UNDECIDED = (MatchState.SUGGESTED, MatchState.SEVERAL, MatchState.NONE)
"""The states nobody has decided on: what suggesting may change, and what counts as unmatched."""


@dataclass(frozen=True, slots=True)
class MatchRow:
    """A match with the rows around it."""

    match: Match
    account: Account
    record: Record | None
    connection: Connection
    """The account's directory."""
    organization: Organization


class Standing(NamedTuple):
    """What suggesting needs of a match that is stored."""

    account_id: int
    record_id: int | None
    state: str


class Finding(NamedTuple):
    """A match as suggesting wants it stored."""

    account_id: int
    record_id: int | None
    state: MatchState


def match_rows(
    session: Session,
    *,
    organization_id: int | None = None,
    connection_id: int | None = None,
    states: Collection[MatchState] | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[MatchRow]:
    """Matches by id, of one organization, one directory and some states where given; `after` and `limit` page on."""
    statement = _match_rows().where(col(Match.id) > after).order_by(col(Match.id))
    if organization_id is not None:
        statement = statement.where(col(Match.organization_id) == organization_id)
    if connection_id is not None:
        statement = statement.where(col(Account.connection_id) == connection_id)
    if states is not None:
        statement = statement.where(col(Match.state).in_(states))
    if limit is not None:
        statement = statement.limit(limit)
    return [MatchRow(*row) for row in session.execute(statement)]


def get_matches(session: Session, match_ids: Collection[int]) -> dict[int, MatchRow]:
    """Matches by id with the rows around them; ids that are not there are left out."""
    return {
        row[0].id: MatchRow(*row)
        for portion in portions(list(match_ids))
        for row in session.execute(_match_rows().where(col(Match.id).in_(portion)))
    }


def approved_matches(session: Session, account_ids: Collection[int]) -> list[MatchRow]:
    """The approved matches among those of these accounts, by id."""
    approved = _match_rows().where(col(Match.state) == MatchState.APPROVED).order_by(col(Match.id))
    return [
        MatchRow(*row)
        for portion in portions(list(account_ids))
        for row in session.execute(approved.where(col(Match.account_id).in_(portion)))
    ]


def match_of(session: Session, account_id: int) -> Match | None:
    """The match of this account; None before it was ever looked for."""
    return session.exec(select(Match).where(Match.account_id == account_id)).first()


def match_ids(session: Session, organization_id: int, state: MatchState) -> list[int]:
    """The ids of an organization's matches in this state."""
    wanted = select(Match.id).where(Match.organization_id == organization_id, Match.state == state)
    return list(session.exec(wanted.order_by(col(Match.id))))


def count_suggested(session: Session, organization_id: int, connection_id: int | None = None) -> int:
    """How many accounts of an organization, or of one of its directories, have a suggestion that waits."""
    counted = (
        select(func.count())
        .select_from(Match)
        .where(Match.organization_id == organization_id, Match.state == MatchState.SUGGESTED)
    )
    if connection_id is not None:
        counted = counted.join(Account, col(Account.id) == col(Match.account_id)).where(
            Account.connection_id == connection_id
        )
    return session.exec(counted).one()


def match_counts(session: Session, organization_id: int) -> dict[MatchState, int]:
    """How many of an organization's accounts stand where; every state is there."""
    counted = select(Match.state, func.count()).where(Match.organization_id == organization_id)
    counts = dict.fromkeys(MatchState, 0)
    counts.update((MatchState(state), count) for state, count in session.exec(counted.group_by(Match.state)))
    return counts


def standings(session: Session, organization_id: int) -> list[Standing]:
    """What suggesting needs of all the organization's matches."""
    return [
        Standing(*row) for row in session.execute(_standings().where(col(Match.organization_id) == organization_id))
    ]


def standings_of(session: Session, account_ids: Collection[int], record_ids: Collection[int]) -> list[Standing]:
    """The same of the matches of these accounts, and of those by which these records are approved for somebody."""
    found: dict[int, Standing] = {}
    for portion in portions(list(account_ids)):
        for row in session.execute(_standings().where(col(Match.account_id).in_(portion))):
            found[row[0]] = Standing(*row)
    for standing in holders(session, record_ids):
        found[standing.account_id] = standing
    return list(found.values())


def holders(session: Session, record_ids: Collection[int]) -> list[Standing]:
    """The matches by which these records are approved for an account."""
    approved = _standings().where(col(Match.state) == MatchState.APPROVED)
    return [
        Standing(*row)
        for portion in portions(list(record_ids))
        for row in session.execute(approved.where(col(Match.record_id).in_(portion)))
    ]


def store_findings(session: Session, organization_id: int, findings: Sequence[Finding]) -> None:
    """Store what suggesting found, in one statement: a new row, or the account's row with a new version."""
    if not findings:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Match)
    statement = statement.on_conflict_do_update(
        index_elements=["account_id"],
        set_={
            "state": statement.excluded.state,
            "record_id": statement.excluded.record_id,
            "version": col(Match.version) + 1,
        },
    )
    # On the connection, below the unit of work: a hundred thousand rows in a second or two on either database.
    session.flush()
    session.connection().execute(
        statement,
        [
            {
                "organization_id": organization_id,
                "account_id": finding.account_id,
                "record_id": finding.record_id,
                "state": finding.state,
                "version": 1,
            }
            for finding in findings
        ],
    )
    for match in [row for row in session.identity_map.values() if isinstance(row, Match)]:
        session.expire(match)


def forget_undecided(session: Session, account_ids: Collection[int]) -> None:
    """Drop the matches of accounts that are gone, but for those a person decided on."""
    for portion in portions(list(account_ids)):
        session.execute(delete(Match).where(col(Match.account_id).in_(portion), col(Match.state).in_(UNDECIDED)))


def _match_rows() -> Select[*tuple[Any, ...]]:
    return (
        sql.select(Match, Account, Record, Connection, Organization)
        .join(Account, col(Account.id) == col(Match.account_id))
        .join(Connection, col(Connection.id) == col(Account.connection_id))
        .join(Organization, col(Organization.id) == col(Match.organization_id))
        .outerjoin(Record, col(Record.id) == col(Match.record_id))
    )


def _standings() -> Select[*tuple[Any, ...]]:
    return sql.select(col(Match.account_id), col(Match.record_id), col(Match.state))
