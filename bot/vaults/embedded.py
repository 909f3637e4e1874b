"""The embedded vault: password records in our own database."""

from collections.abc import Sequence

from sqlmodel import Session

from storage.connections import name_key
from storage.models import Account, Connection, Record
from storage.records import new_record, records_named

KIND = "embedded"


def create_records(session: Session, vault: Connection, accounts: Sequence[Account]) -> list[Record]:
    """A record for each account, stored and in the same order, named `DOMAIN\\username`; none has a password yet."""
    wanted = [f"{account.domain}\\{account.username}" for account in accounts]
    taken = {record.name_key for record in records_named(session, vault.id, [name_key(name) for name in wanted])}
    created = []
    for account, username in zip(accounts, wanted, strict=True):
        name, number = username, 1
        while name_key(name) in taken:
            number += 1
            name = f"{username} ({number})"
        taken.add(name_key(name))
        created.append(new_record(account.organization_id, vault.id, name, username))
    session.add_all(created)
    session.flush()
    return created
