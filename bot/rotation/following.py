"""Who sets a synced account's password: its Active Directory, never Rekey in the cloud. Said from our rows alone.

A password set in the cloud on a synced account is not written back: the two would differ until the next change on the
premises overwrites it. So a record's synced accounts are left to follow the ones that are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from storage.models import Account
from storage.persons import accounts_of_persons
from storage.rotations import MatchedAccount

NOT_CONNECTED, NOT_MATCHED = "synced-not-connected", "synced-not-matched"


@dataclass(frozen=True, slots=True)
class Orphan:
    """A synced account none of whose record's other accounts gives it its password: why, and what to do."""

    reason: str
    cause: str


def why_nobody_writes(session: Session, accounts: Sequence[MatchedAccount]) -> Orphan | None:
    """The first synced account here whose Active Directory account is not among the others."""
    written = {each.account.person for each in accounts if not each.watched and each.account.person is not None}
    for each in accounts:
        if each.watched and each.account.person not in written:
            return _orphan(session, each.account)
    return None


def _orphan(session: Session, account: Account) -> Orphan:
    person = account.person or ""
    mates = accounts_of_persons(session, account.organization_id, [person])[person]
    masters = [f"{mate.domain}\\{mate.username}" for mate in mates if not mate.synced]
    whose = f"{account.domain}\\{account.username}: It is synced from Active Directory, where its password is set."
    if masters:
        return Orphan(f"{whose} Match its account there, {masters[0]}, to this record too.", NOT_MATCHED)
    return Orphan(
        f"{whose} That directory is not connected here, and one set in the cloud would not reach it: connect it "
        "(`/rotate setup`, or the world file), sync, and match its account there to this record.",
        NOT_CONNECTED,
    )


def who_follows(accounts: Sequence[MatchedAccount]) -> str:
    """Which directories take the password over by themselves, in a sentence; empty when none does."""
    names = dict.fromkeys(each.connection.name for each in accounts if each.watched)
    if not names:
        return ""
    return (
        f"{', '.join(names)} {'takes' if len(names) == 1 else 'take'} it over from Active Directory, usually within "
        "two minutes; nothing is written there."
    )
