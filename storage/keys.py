"""Everything sealed in the database, wrapped again under another master key."""

from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import Session, col, select

from bot.errors import SealBroken
from storage.models import Connection, Revision
from storage.sealing import KeyRing, sealed_with

_PORTION = 500
_SEALED = ((Revision, Revision.sealed, "sealed"), (Connection, Connection.credential, "credential"))


@dataclass
class Rewrapping:
    """How far it has come: `done` values wrapped, and those that did not open and were left as they are."""

    done: int = 0
    broken: tuple[str, ...] = ()
    table: int = 0
    after: int = 0
    finished: bool = False


def rewrap_some(session: Session, keys: KeyRing, so_far: Rewrapping) -> None:
    """Wrap the next few hundred values under the active key, without opening them. Repeat until `finished`."""
    model, column, name = _SEALED[so_far.table]
    query = select(model.id, column).where(col(model.id) > so_far.after, col(column).is_not(None))
    other_key = ~col(column).startswith(sealed_with(keys.active_id), autoescape=True)
    rows = session.exec(query.where(other_key).order_by(col(model.id)).limit(_PORTION)).all()
    wrapped = []
    for row_id, sealed in rows:
        try:
            wrapped.append({"id": row_id, name: keys.rewrap(str(sealed))})
        except SealBroken:
            so_far.broken += (f"{model.__tablename__} {row_id}",)
    if wrapped:
        session.execute(update(model), wrapped)
    so_far.done += len(wrapped)
    if len(rows) == _PORTION:
        so_far.after = int(rows[-1][0] or 0)
    else:
        so_far.table, so_far.after = so_far.table + 1, 0
        so_far.finished = so_far.table == len(_SEALED)
