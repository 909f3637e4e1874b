"""Queries on matches: one row per account, and the rows around it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy import Select, delete, func, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from storage.models import Account, Connection, Match, MatchState, Organization, Record, Tier
from storage.names import fold
from storage.portions import portions

UNDECIDED = (MatchState.SUGGESTED, MatchState.SEVERAL, MatchState.NONE)
"""The states nobody has decided on: what suggesting may change, and what counts as unmatched."""


_ORDER = (
    sql.case({state: place for place, state in enumerate(UNDECIDED)}, value=col(Match.state), else_=len(UNDECIDED)),
    col(Account.username_key),
    col(Match.id),
)


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
    decided_at: datetime | None

    @property
    def decided(self) -> bool:
        """A person's decision: not what suggesting found, nor what an ignore rule says."""
        return self.state not in UNDECIDED and self.decided_at is not None


class Finding(NamedTuple):
    """A match as suggesting wants it stored."""

    account_id: int
    record_id: int | None
    state: MatchState


@dataclass(frozen=True, slots=True)
class MatchFilter:
    """Which of an organization's matches are wanted; what is left out does not narrow."""

    states: tuple[MatchState, ...] = ()
    unit: str = ""
    """An organizational unit, with those below it."""
    tier: Tier | None = None
    enabled: bool | None = None
    text: str = ""
    """Part of the account's username, UPN, mail or shown name, or of the record's name."""


def match_page(
    session: Session, organization_id: int, wanted: MatchFilter, *, offset: int = 0, limit: int
) -> list[MatchRow]:
    """Some of the matches wanted: what is exact first, then in the order of their usernames."""
    page = _wanted(_match_rows(), organization_id, wanted).order_by(*_ORDER).offset(offset).limit(limit)
    return [MatchRow(*row) for row in session.execute(page)]


def count_matches(session: Session, organization_id: int, wanted: MatchFilter) -> int:
    """How many matches are wanted."""
    counted = sql.select(func.count()).select_from(Match).join(Account, col(Account.id) == col(Match.account_id))
    counted = counted.outerjoin(Record, col(Record.id) == col(Match.record_id))
    count: int = session.execute(_wanted(counted, organization_id, wanted)).scalar_one()
    return count


def wanted_ids(session: Session, organization_id: int, wanted: MatchFilter) -> list[int]:
    """The ids of all matches wanted, in the order of `match_page`."""
    ids = sql.select(col(Match.id)).join(Account, col(Account.id) == col(Match.account_id))
    ids = ids.outerjoin(Record, col(Record.id) == col(Match.record_id))
    return list(session.execute(_wanted(ids, organization_id, wanted).order_by(*_ORDER)).scalars())


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


def ignored_by_unit(session: Session, organization_id: int) -> list[tuple[str, int]]:
    """How many ignored accounts live directly in each organizational unit."""
    counted = (
        sql.select(col(Account.ou), func.count())
        .join(Match, col(Match.account_id) == col(Account.id))
        .where(col(Match.organization_id) == organization_id, col(Match.state) == MatchState.IGNORED)
        .where(col(Account.ou).is_not(None))
        .group_by(col(Account.ou))
    )
    return [(unit, count) for unit, count in session.execute(counted)]


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
    ignored = statement.excluded.state == MatchState.IGNORED
    statement = statement.on_conflict_do_update(
        index_elements=["account_id"],
        set_={
            "state": statement.excluded.state,
            "record_id": statement.excluded.record_id,
            "version": col(Match.version) + 1,
            # What a rule ignores is nobody's decision; what was reopened keeps who did, which outranks older rules.
            "decided_by": sql.case((ignored, None), else_=col(Match.decided_by)),
            "decided_at": sql.case((ignored, None), else_=col(Match.decided_at)),
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
    ruled_out = (col(Match.state) == MatchState.IGNORED) & col(Match.decided_at).is_(None)
    nobody_decided = (col(Match.state).in_(UNDECIDED), ruled_out)
    for portion in portions(list(account_ids)):
        session.execute(delete(Match).where(col(Match.account_id).in_(portion), or_(*nobody_decided)))


def _match_rows() -> Select[*tuple[Any, ...]]:
    return (
        sql.select(Match, Account, Record, Connection, Organization)
        .join(Account, col(Account.id) == col(Match.account_id))
        .join(Connection, col(Connection.id) == col(Account.connection_id))
        .join(Organization, col(Organization.id) == col(Match.organization_id))
        .outerjoin(Record, col(Record.id) == col(Match.record_id))
    )


def _standings() -> Select[*tuple[Any, ...]]:
    return sql.select(col(Match.account_id), col(Match.record_id), col(Match.state), col(Match.decided_at))


def _wanted(statement: Select[*tuple[Any, ...]], organization_id: int, wanted: MatchFilter) -> Select[*tuple[Any, ...]]:
    statement = statement.where(col(Match.organization_id) == organization_id)
    if wanted.states:
        statement = statement.where(col(Match.state).in_(wanted.states))
    if wanted.unit:
        below = col(Account.ou).startswith(f"{wanted.unit}/", autoescape=True)
        statement = statement.where(or_(col(Account.ou) == wanted.unit, below))
    if wanted.tier is not None:
        statement = statement.where(col(Account.tier) == wanted.tier)
    if wanted.enabled is not None:
        statement = statement.where(col(Account.enabled).is_(wanted.enabled))
    if wanted.text.strip():
        key = fold(wanted.text)
        statement = statement.where(
            or_(
                col(Account.username_key).contains(key, autoescape=True),
                col(Account.upn_key).contains(key, autoescape=True),
                col(Account.mail_key).contains(key, autoescape=True),
                col(Account.display_name).icontains(wanted.text.strip(), autoescape=True),
                col(Record.name).icontains(wanted.text.strip(), autoescape=True),
            )
        )
    return statement
