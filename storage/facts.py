"""Single values about this database; above all, which master keys and which recovery key it was used with."""

from sqlalchemy import delete
from sqlmodel import Session, col, select

from bot.errors import EscrowProblem, KeyProblem
from storage.escrow import Escrow
from storage.models import Fact
from storage.sealing import KeyRing

_FINGERPRINT = "key-fingerprint:"
_RECOVERY_KEY = "recovery-key"


def find_fact(session: Session, name: str) -> str | None:
    """The value of one fact, or None."""
    fact = session.get(Fact, name)
    return fact.value if fact else None


def set_fact(session: Session, name: str, value: str) -> None:
    """Store one fact, in place of any earlier value. Needs a writing session."""
    session.merge(Fact(name=name, value=value))
    session.flush()


def check_fingerprint(session: Session, keys: KeyRing) -> None:
    """`KeyProblem` unless this ring holds every key this database was ever used with; remembers keys seen first.

    Needs a writing session. Called on start, before anything is sealed or opened.
    """
    known = known_fingerprints(session)
    ring = {key_id: keys.fingerprint(key_id) for key_id in keys.key_ids}
    for key_id, fingerprint in known.items():
        if key_id not in ring:
            raise KeyProblem(
                f"This database was sealed with the key {key_id!r}, and the key ring does not hold it. Nothing was "
                "opened or changed. Use the key file this database was made with (REKEY_KEY_FILE), or put that "
                "key's line back into the ring, below the active one."
            )
        if ring[key_id] != fingerprint:
            raise KeyProblem(
                f"The key {key_id!r} in the key ring is not the {key_id!r} this database was sealed with: the same "
                "name, another key. Nothing was opened or changed. Use the key file this database was made with."
            )
    session.add_all(
        Fact(name=_FINGERPRINT + key_id, value=fingerprint)
        for key_id, fingerprint in ring.items()
        if key_id not in known
    )
    session.flush()


def check_recovery_key(session: Session, escrow: Escrow) -> None:
    """`EscrowProblem` when the escrow directory's recovery key is not the one used so far; remembers the first.

    Whoever can write to that directory could put their own key there, and read every password from then on.
    """
    known, name = find_fact(session, _RECOVERY_KEY), escrow.recovery_key_name()
    if known is None:
        set_fact(session, _RECOVERY_KEY, name)
    elif known != name:
        raise EscrowProblem(
            f"The recovery key in {escrow.directory} is not the one used so far: somebody replaced `recovery.pub`. "
            "No new password was kept or used. Put the right one back. If it was you who made a new one, run `rekey "
            "recover --key` with its `recovery.key`: whoever has that may decide so."
        )


def accept_recovery_key(session: Session, escrow: Escrow) -> None:
    """From now on this is the recovery key. Only for whoever has shown its private half."""
    set_fact(session, _RECOVERY_KEY, escrow.recovery_key_name())


def forget_recovery_key(session: Session) -> None:
    """The database was moved to where there may be another one: the first that is used is remembered."""
    session.execute(delete(Fact).where(col(Fact.name) == _RECOVERY_KEY))


def known_fingerprints(session: Session) -> dict[str, str]:
    """Key id → fingerprint of every key this database was used with."""
    rows = session.exec(select(Fact).where(col(Fact.name).startswith(_FINGERPRINT, autoescape=True)))
    return {fact.name.removeprefix(_FINGERPRINT): fact.value for fact in rows}
