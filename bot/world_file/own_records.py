"""`own_record`: the record of the account Rekey itself signs in with, in a directory of the world file."""

from sqlmodel import Session

from bot.world_file.kinds import DirectoryWanted
from storage.models import Connection, Organization
from storage.records import find_named


def settle(
    session: Session, organization: Organization, connection: Connection, wanted: DirectoryWanted
) -> tuple[str, str]:
    """Give the connection its own record: what that changes, and what somebody should know; either may be empty.

    A record that is not known yet (its vault was never read) changes nothing: applying again, later, does.
    """
    if wanted.own_record is None:
        return "", ""
    found = find_named(session, organization.id, wanted.own_record)
    if len(found) != 1:
        what = "is no record of that name yet" if not found else f"are {len(found)} records of that name"
        return "", (
            f"Directory {wanted.name} of {organization.name}: there {what}: {wanted.own_record} (own_record). Import "
            "or sync the records, then apply again."
        )
    if connection.own_record_id == found[0].id:
        return "", ""
    connection.own_record_id = found[0].id
    return f"own_record → {found[0].name}", ""
