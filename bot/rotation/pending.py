"""What is still pending, or was left undone, of rotations that succeeded: for whoever draws it. Reads only."""

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session

from bot.rotation.afterwards import NOT_FOLLOWED
from storage.accounts import shown_names
from storage.connections import get_connection
from storage.models import TaskKind, TaskState, now
from storage.trailing import ended_watches, trailing

_NAMED = 5
_RECENT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class CloudPending:
    """The accounts of a cloud directory that did not follow for a day."""

    organization_id: int
    directory: str
    many: int
    names: tuple[str, ...]
    """The first few of them."""


def cloud_pending(session: Session, connection_id: int) -> CloudPending:
    """Those of the last days."""
    connection = get_connection(session, connection_id)
    accounts = ended_watches(session, connection_id, NOT_FOLLOWED, now() - _RECENT)
    shown = shown_names(session, accounts[:_NAMED])
    return CloudPending(connection.organization_id, connection.name, len(accounts), tuple(sorted(shown.values())))


def besides(session: Session, request_id: int) -> tuple[str, ...]:
    """What else is true of a request's records that hold a new password, in sentences with counts."""
    said = []
    for each in trailing(session, request_id):
        match each.kind, each.state:
            case TaskKind.WATCH, TaskState.READY:
                said.append(f"{each.many:,} wait for {each.connection}: cloud pending, it takes them over by itself.")
            case TaskKind.WATCH, TaskState.REFUSED:
                said.append(f"{each.many:,} were not seen to reach {each.connection}. {each.reason}")
            case TaskKind.SIGN_OUT, TaskState.READY:
                said.append(f"{each.many:,} are being signed out of {each.connection} everywhere.")
            case TaskKind.SIGN_OUT, TaskState.REFUSED:
                said.append(f"{each.many:,} could not be signed out of {each.connection}: {each.reason}")
            case _:
                pass
    return tuple(said)
