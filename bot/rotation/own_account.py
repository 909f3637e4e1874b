"""The account Rekey itself signs in with: its new password becomes the connector credential, whatever dies when.

Its rotation is one like any other. What it may have by now is sealed before anything is sent: the stored credential is
one candidate, and the revisions of its record that the directory may hold are the others. Once the directory is proved
to take one, that is the credential; until then `sign_in` tries the others where the stored one is refused.
"""

from collections.abc import Sequence

from pydantic import SecretStr
from sqlmodel import Session

from bot.audit import Line
from bot.connections import seal_credential, still_sealed_for
from storage.connections import get_connection
from storage.models import Connection, Organization, Revision, now
from storage.own_accounts import prove_tries
from storage.revisions import Safe, open_revision
from storage.tasks import Step


def take_over(session: Session, safe: Safe, step: Step, holds: Revision) -> Sequence[Line]:
    """The directory was proved to hold this revision for our own account: it is the connector credential from here on.

    In the transaction that keeps the proof; returns its audit line. Nothing where Rekey signs in without a credential,
    or through another connection.
    """
    connection = get_connection(session, step.task.connection_id)
    if connection.credential is None or connection.own_record_id != step.record.id or not still_sealed_for(connection):
        return []
    seal(session, safe, connection, open_revision(safe, step.organization.uid, step.record.uid, holds))
    prove_tries(session, step.account.id)
    return [line(connection, step.organization, step.rotation.requested_by, holds)]


def seal(session: Session, safe: Safe, connection: Connection, secret: SecretStr) -> None:
    """Make this the stored connector credential: one that Rekey itself has set."""
    seal_credential(connection, safe.keys, secret)
    connection.credential_rotated_at = now()
    session.add(connection)
    session.flush()


def line(connection: Connection, organization: Organization, operator: str, revision: Revision) -> Line:
    """What the audit trail says of it."""
    return Line(
        event="credential.rotated",
        operator=operator,
        source="engine",
        organization=organization,
        subject=f"connection {connection.name}",
        details={"revision": revision.uid},
    )
