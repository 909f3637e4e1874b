"""The record of the account Rekey itself signs in with: said in the connection's settings, by an administrator.

Only through that record is its password ever changed, by name alone, and the connector credential with it.
"""

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, NotPermitted
from bot.matching import review
from bot.permissions import Operator, may_administer
from storage.matches import match_of
from storage.models import Connection, Organization, Record
from storage.own_accounts import find_own_account


def match_own(session: Session, trail: Trail, operator: Operator, connection: Connection, record: Record) -> str:
    """Give the connector's own account of this directory its record; says in a sentence what is true now.

    `NotPermitted` for whoever does not administer the organization; `BadInput` when the record is not its, or the
    directory has not shown the account yet. Then nothing was changed.
    """
    decision = may_administer(operator, connection.organization_id)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")
    if record.organization_id != connection.organization_id or record.archived_at is not None:
        raise BadInput("That is no record of this organization. Nothing was changed.")
    account = find_own_account(session, connection.id)
    match = match_of(session, account.id) if account is not None else None
    if account is None or match is None:
        raise BadInput(
            f"{connection.name} has not shown Rekey's own account yet. Nothing was changed. Read it (`/rotate sync`), "
            "then try again."
        )
    [outcome] = review.choose(session, trail, operator, [match.id], record.id)
    if not outcome.done and match.record_id != record.id:
        raise BadInput(f"{outcome.reason} Nothing was changed.")
    connection.own_record_id = record.id
    session.add(connection)
    trail.append(
        session,
        event="connection.own_record_set",
        operator=operator.key,
        source=operator.source,
        organization=session.get_one(Organization, connection.organization_id),
        subject=f"connection {connection.name}",
        details={"account": account.object_id, "record": record.id},
    )
    return (
        f"{account.domain}\\{account.username}, which Rekey signs in with, belongs to {record.name}. Rotating it by "
        "name changes Rekey's own credential with it."
    )
