"""Rotations: what is open, what the latest of each record was, and cancelling what has not begun."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import func, insert, or_, update
from sqlmodel import Session, col, select

from bot.errors import RowNotFound
from storage.lanes import BEGINNING, DUE_STATES, Waiting, is_attended
from storage.models import (
    Account,
    Connection,
    Lane,
    Match,
    MatchState,
    Organization,
    Record,
    Rotation,
    RotationState,
    Status,
    Task,
    TaskState,
    new_uid,
    now,
)


@dataclass(frozen=True, slots=True)
class MatchedAccount:
    """An account whose password is a record's, with the directory it is in."""

    account: Account
    connection: Connection

    @property
    def watched(self) -> bool:
        """It takes its password over from another account of this record, and is never written itself."""
        return self.account.synced


def get_rotation(session: Session, rotation_id: int) -> Rotation:
    """This rotation."""
    rotation = session.get(Rotation, rotation_id)
    if rotation is None:
        raise RowNotFound(f"There is no rotation {rotation_id}.")
    return rotation


def open_rotations(session: Session, record_ids: Sequence[int]) -> dict[int, Rotation]:
    """Open rotations by record."""
    return {
        rotation.record_id: rotation
        for chunk in _chunks(record_ids)
        for rotation in session.exec(
            select(Rotation).where(col(Rotation.record_id).in_(chunk), col(Rotation.ended_at).is_(None))
        )
    }


def latest_rotations(session: Session, record_ids: Sequence[int]) -> dict[int, Rotation]:
    """The latest rotation of each record that was not merely cancelled."""
    found: dict[int, Rotation] = {}
    for chunk in _chunks(record_ids):
        newest = (
            select(func.max(Rotation.id))
            .where(col(Rotation.record_id).in_(chunk), Rotation.state != RotationState.CANCELLED)
            .group_by(col(Rotation.record_id))
        )
        for rotation in session.exec(select(Rotation).where(col(Rotation.id).in_(newest))):
            found[rotation.record_id] = rotation
    return found


def add_rotations(session: Session, rotations: Sequence[Mapping[str, object]]) -> list[int]:
    """Store new rotations, each given by the fields that differ from a rotation's defaults; their ids, in order.

    In bulk, because "all" may be ten thousand.
    """
    blank = Rotation(organization_id=0, record_id=0, requested_by="").model_dump(exclude={"id"})
    rows = [{**blank, "uid": new_uid(), **each} for each in rotations]
    if not rows:
        return []
    stored = insert(Rotation).returning(col(Rotation.id), sort_by_parameter_order=True)
    return list(session.scalars(stored, rows))


def records_of_rotations(session: Session, rotation_ids: Sequence[int]) -> dict[int, int]:
    """Rotation id → the record it is of."""
    return {
        rotation_id: record_id
        for chunk in _chunks(rotation_ids)
        for rotation_id, record_id in session.exec(
            select(Rotation.id, Rotation.record_id).where(col(Rotation.id).in_(chunk))
        )
    }


def rotations_of(session: Session, record_id: int) -> list[Rotation]:
    """Every rotation of this record, newest first."""
    return list(session.exec(select(Rotation).where(Rotation.record_id == record_id).order_by(col(Rotation.id).desc())))


def approved_records(session: Session, organization_id: int | None = None) -> list[tuple[Organization, Record]]:
    """Every record with an approved match, by organization and name."""
    statement = (
        select(Organization, Record)
        .join(Record, col(Record.organization_id) == col(Organization.id))
        .where(
            col(Record.id).in_(select(Match.record_id).where(Match.state == MatchState.APPROVED)),
        )
        .order_by(col(Organization.name_key), col(Record.name_key), col(Record.id))
    )
    if organization_id is not None:
        statement = statement.where(Organization.id == organization_id)
    return [(organization, record) for organization, record in session.exec(statement)]


def matched_accounts(session: Session, record_ids: Sequence[int]) -> dict[int, list[MatchedAccount]]:
    """The accounts approved for each of these records, then the synced ones of the same persons: the password becomes
    theirs too, whether or not anybody approved that (but not if it was ignored).
    """
    found: dict[int, list[MatchedAccount]] = {record_id: [] for record_id in record_ids}
    for chunk in _chunks(record_ids):
        rows = session.exec(
            select(Match.record_id, Account, Connection)
            .join(Account, col(Account.id) == col(Match.account_id))
            .join(Connection, col(Connection.id) == col(Account.connection_id))
            .where(Match.state == MatchState.APPROVED, col(Match.record_id).in_(chunk))
            .order_by(col(Account.id))
        )
        for record_id, account, connection in rows:
            found[record_id or 0].append(MatchedAccount(account, connection))
    followers = _followers(session, {whose for matched in found.values() for whose in _persons(matched)})
    for matched in found.values():
        present = {each.account.id for each in matched}
        for whose in _persons(matched):
            matched += [each for each in followers.get(whose, ()) if each.account.id not in present]
    return found


_Person = tuple[int, str]


def _persons(matched: Sequence[MatchedAccount]) -> dict[_Person, None]:
    """Whose accounts are written here."""
    return {
        (each.account.organization_id, each.account.person): None
        for each in matched
        if each.account.person is not None and not each.account.synced
    }


def _followers(session: Session, persons: Collection[_Person]) -> dict[_Person, list[MatchedAccount]]:
    found: dict[_Person, list[MatchedAccount]] = {}
    for chunk in _chunks(sorted(persons)):
        rows = session.exec(
            select(Account, Connection)
            .join(Connection, col(Connection.id) == col(Account.connection_id))
            .outerjoin(Match, col(Match.account_id) == col(Account.id))
            .where(
                col(Account.synced).is_(True),
                col(Account.removed_at).is_(None),
                col(Account.organization_id).in_({organization_id for organization_id, _ in chunk}),
                col(Account.person).in_([person for _, person in chunk]),
                or_(col(Match.state).is_(None), col(Match.state) != MatchState.IGNORED),
            )
            .order_by(col(Account.id))
        )
        for account, connection in rows:
            whose = (account.organization_id, account.person or "")
            found.setdefault(whose, []).append(MatchedAccount(account, connection))
    return found


def cancel_planned(session: Session, record_ids: Sequence[int], reason: str) -> int:
    """Cancel the rotations of these records that have not staged a password yet; returns how many."""
    cancelled = list(
        session.exec(
            select(Rotation.id).where(
                col(Rotation.record_id).in_(record_ids),
                col(Rotation.ended_at).is_(None),
                Rotation.state == RotationState.PLANNED,
                col(Rotation.revision_id).is_(None),
            )
        )
    )
    if cancelled:
        ended = now()
        session.execute(
            update(Rotation)
            .where(col(Rotation.id).in_(cancelled))
            .values(state=RotationState.CANCELLED, status=Status.NOT_PERMITTED, reason=reason, ended_at=ended)
        )
        session.execute(
            update(Task).where(col(Task.rotation_id).in_(cancelled)).values(state=TaskState.CANCELLED, ended_at=ended)
        )
    return len(cancelled)


def waiting_for_others(
    session: Session, rotation_ids: Sequence[int], patience: int, is_dead: Callable[[str], bool]
) -> Waiting:
    """Count open rotations, and those none of whose steps can go on by itself now.

    A step waits when its organization is frozen, its lane is stopped or frozen, its system has been away for at least
    `patience` failures in a row, or its time has not come for a good while yet (a lockout window). While somebody
    alive drains the lane it does not: `is_dead` says of an owner's name whether that process has ended.
    """
    reasons: dict[int, str] = {}
    for lane, name, frozen_at in session.exec(
        select(Lane, Connection.name, Organization.frozen_at)
        .join(Connection, col(Connection.id) == col(Lane.connection_id))
        .join(Organization, col(Organization.id) == col(Connection.organization_id))
    ):
        if is_attended(lane, is_dead):
            continue  # whoever drains it is not done: what waits for it may end, or go on elsewhere, in a moment
        if frozen_at is not None:
            reasons[lane.connection_id] = "rotations are stopped in this organization"
        elif lane.stopped_at is not None or lane.frozen_reason is not None:
            reasons[lane.connection_id] = f"{name} is stopped: {lane.frozen_reason or lane.failure_reason}"
        elif lane.backoff_until is not None and lane.failures >= patience:
            reasons[lane.connection_id] = f"{name} is away: {lane.failure_reason}"
    stands: dict[int, bool] = {}
    told: dict[str, None] = {}
    later = now() + _A_GOOD_WHILE
    for chunk in _chunks(rotation_ids):
        rows = session.exec(
            select(  # type: ignore[call-overload]
                Task.rotation_id, Task.connection_id, Task.due_at, Task.reason, Task.state, Record.connection_id
            )
            .join(Rotation, col(Rotation.id) == col(Task.rotation_id))
            .join(Record, col(Record.id) == col(Rotation.record_id))
            .where(col(Task.rotation_id).in_(chunk), col(Task.ended_at).is_(None), col(Task.state).in_(DUE_STATES))
        )
        for rotation_id, connection_id, due_at, reason, state, vault_id in rows:
            why = reasons.get(connection_id) or (reason if due_at > later else "")
            if state in BEGINNING:  # nothing begins while its vault is away
                why = why or reasons.get(vault_id, "")
            stands[rotation_id or 0] = stands.get(rotation_id or 0, True) and bool(why)
            if why:
                told[why] = None
    return Waiting(len(stands), sum(stands.values()), tuple(told))


_A_GOOD_WHILE = timedelta(seconds=10)


_Item = TypeVar("_Item")


def _chunks(ids: Sequence[_Item], size: int = 500) -> Iterable[Sequence[_Item]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
