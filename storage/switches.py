"""The switch for everybody, as rows: since when rotating is off everywhere, and who said so."""

import json
from datetime import datetime

from sqlmodel import Session

from storage.facts import find_fact, set_fact

_FACT = "rotation-off"


def off_everywhere(session: Session) -> tuple[datetime, str] | None:
    """Since when rotating is off everywhere and who switched it off; None while it is on."""
    value = find_fact(session, _FACT)
    if not value:
        return None
    at, by = json.loads(value)
    return datetime.fromisoformat(at), str(by)


def keep_off_everywhere(session: Session, at: datetime, by: str) -> None:
    """Rotating is off everywhere from now on."""
    set_fact(session, _FACT, json.dumps([at.isoformat(), by]))


def keep_on_everywhere(session: Session) -> None:
    """Rotating is on again."""
    set_fact(session, _FACT, "")
