"""Signing in again after our own sign-in was refused: with the other passwords our account may have by now.

Killed between the write of the connector's own password and its proof, Rekey does not know which one holds. Its
candidates are sealed: they are tried newest first, each counted beforehand, and no more of them within an observation
window than leaves the account far from any lockout.
"""

from collections.abc import Callable

import structlog
from pydantic import SecretStr
from sqlmodel import Session

from bot.connections import credential_for, still_sealed_for
from bot.directories.base import Directory
from bot.errors import SignInRefused, StorageError, Throttled
from bot.rotation.own_account import line, seal
from bot.rotation.worker import LOCKOUT_WINDOW, Worker
from storage.connections import get_connection
from storage.lanes import hold, note_success
from storage.models import Account, Connection, Organization, ProofTry, Record, Revision
from storage.own_accounts import find_own_account, own_tries, prove_tries
from storage.revisions import open_revision, possibly_held

MOST_UNPROVEN = 4
"""Sign-ins with it within an observation window that are not known to have succeeded, refused ones included; a domain
that locks an account after so few would lock people out daily."""

_log = structlog.get_logger(__name__)


def sign_in_again(worker: Worker, refused: Connection, connect: Callable[[Connection, SecretStr], Directory]) -> bool:
    """Our sign-in was refused: True when there is a credential now that the directory takes, so that opening the
    connection anew goes on.

    `refused` is the connection as it was opened. Raises the systemic error of a directory that is away meanwhile.
    """
    with worker.database.reading() as session:
        connection = get_connection(session, worker.connection_id)
        if connection.credential != refused.credential:
            return True  # its rotation was proved meanwhile
        account = find_own_account(session, connection.id)
        candidates = _candidates(session, worker, connection) if account is not None else []
    if account is None or not candidates:
        return False
    _count(worker, account)  # the one that was refused
    for revision, secret in candidates:
        _count(worker, account)
        try:
            with connect(connection, secret) as directory:
                directory.may_rotate(account.object_id)
        except SignInRefused:
            continue
        _keep(worker, account, revision, secret)
        return True
    return False


def _candidates(session: Session, worker: Worker, connection: Connection) -> list[tuple[Revision, SecretStr]]:
    """What else the directory may hold for our own account, newest first."""
    record = session.get(Record, connection.own_record_id) if connection.own_record_id is not None else None
    if record is None or connection.credential is None or not still_sealed_for(connection):
        return []
    stored = credential_for(connection, worker.safe.keys)
    home = session.get_one(Organization, connection.organization_id)
    found = []
    for revision in possibly_held(session, record.id):
        try:
            secret = open_revision(worker.safe, home.uid, record.uid, revision)
        except StorageError as error:
            _log.warning("revision.sealed", revision=revision.uid, reason=str(error))
            continue
        if secret != stored:
            found.append((revision, secret))
    return found


def _count(worker: Worker, account: Account) -> None:
    """Count one more sign-in before it is made; `Throttled`, until earlier ones count no more, when it could lock."""
    with worker.database.writing() as session:
        hold(session, worker.connection_id, worker.token)
        if own_tries(session, account.id, LOCKOUT_WINDOW) >= MOST_UNPROVEN:
            raise Throttled(
                f"{account.domain}\\{account.username}, which Rekey signs in with, was refused several times. Rekey "
                "waits until another attempt cannot lock it. Nothing was changed.",
                retry_after=LOCKOUT_WINDOW.total_seconds(),
                cause="own-account-refused",
            )
        session.add(ProofTry(account_id=account.id))


def _keep(worker: Worker, account: Account, revision: Revision, secret: SecretStr) -> None:
    with worker.database.writing() as session:
        lane = hold(session, worker.connection_id, worker.token)
        connection = get_connection(session, worker.connection_id)
        home = session.get_one(Organization, connection.organization_id)
        seal(session, worker.safe, connection, secret)
        prove_tries(session, account.id)
        note_success(session, lane)
        worker.trail.append_all(session, [line(connection, home, "rekey", revision)])
