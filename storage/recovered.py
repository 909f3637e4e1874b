"""Queries for rebuilding records and revisions from the escrow file: whole tables in few statements."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session, col, select

from storage.models import Record, Revision, RevisionState
from storage.portions import portions


class KnownRevision(NamedTuple):
    """As much of a stored revision as is needed to tell which one is current."""

    id: int
    uid: str
    record_id: int
    state: str
    created_at: datetime


def every_record(session: Session) -> list[Record]:
    """Every record of every organization, archived ones too."""
    return list(session.exec(select(Record).order_by(col(Record.id))))


def every_revision(session: Session) -> list[KnownRevision]:
    """Every revision there is, without its sealed password."""
    columns = [getattr(Revision, name) for name in KnownRevision._fields]
    return [KnownRevision(*row) for row in session.execute(select(*columns).order_by(col(Revision.id)))]


def add_recovered(session: Session, revisions: Sequence[Revision]) -> None:
    """Add rows that are in the escrow file already, all of them in state `old` for the moment: see `set_states`."""
    for portion in portions(revisions):
        rows = [{**revision.model_dump(exclude={"id"}), "state": RevisionState.OLD} for revision in portion]
        session.execute(insert(Revision), rows)


def set_proved(session: Session, proved_at: Mapping[str, datetime]) -> None:
    """Give revisions, by uid, the time they were proved, where they have none."""
    proving = update(Revision).where(col(Revision.uid) == bindparam("of"), col(Revision.proved_at).is_(None))
    for portion in portions(list(proved_at.items())):
        times = [{"of": uid, "at": at} for uid, at in portion]
        session.connection().execute(proving.values(proved_at=bindparam("at")), times)


def set_states(session: Session, states: Mapping[str, RevisionState]) -> None:
    """Give revisions, by uid, their states. A record never has two current or two pending ones in between."""
    changing = update(Revision).execution_options(synchronize_session=False)
    by_state: dict[RevisionState, list[str]] = {state: [] for state in RevisionState}
    for uid, state in states.items():
        by_state[state].append(uid)
    for portion in portions(list(states)):
        session.execute(changing.where(col(Revision.uid).in_(portion)).values(state=RevisionState.OLD))
    for state, uids in by_state.items():
        for portion in portions(uids):
            session.execute(changing.where(col(Revision.uid).in_(portion)).values(state=state))
