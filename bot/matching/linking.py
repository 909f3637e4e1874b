"""The same person in two directories: said by an administrator where the directories do not say it themselves.

Accounts that are one person's may share a record without anybody asking twice, so linking is as much as adding a second
account to a record, and takes whoever may do that. It changes no match that somebody decided on, and no password.
"""

from collections.abc import Sequence

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput
from bot.matching.suggesting import names_of, suggest
from bot.permissions import YES, Decision, Operator, may_match
from storage.accounts import get_accounts
from storage.models import Account, Organization, Tier, new_uid
from storage.notices import MATCH_REVIEW, touch
from storage.persons import accounts_of_persons, join_person, settle_persons


def link(session: Session, trail: Trail, operator: Operator, account_ids: Sequence[int]) -> Decision:
    """These accounts of one organization are one person's, with all that are linked to any of them already.

    A refusal is in the audit trail. `BadInput` when they are not at least two, of one organization, and still there.
    """
    accounts = _accounts(session, account_ids)
    organization = session.get_one(Organization, accounts[0].organization_id)
    if len(accounts) < 2:
        raise BadInput("Name at least two accounts that are the same person's. Nothing was changed.")
    refused = _refusal(operator, accounts)
    if refused is not None:
        _tell(session, trail, operator, organization, "accounts.linked", accounts, refused)
        return refused
    if len({account.person or account.id for account in accounts}) == 1:
        return Decision(True, "They are one person's already. Nothing was changed.")
    anchor = min(accounts, key=lambda account: (account.linked_by is not None, account.person is None, account.synced))
    into = anchor.person or new_uid()
    for account in accounts:
        if account.person is None:
            account.person, account.linked_by = into, operator.key
    join_person(
        session, organization.id, {account.person for account in accounts if account.person}, into, operator.key
    )
    _look_again(session, organization.id, _accounts(session, account_ids))
    _tell(session, trail, operator, organization, "accounts.linked", accounts)
    return YES


def unlink(session: Session, trail: Trail, operator: Operator, account_id: int) -> Decision:
    """Take back what somebody said of this account: it is whose the directories say, or nobody else's.

    A refusal is in the audit trail. `BadInput` when it is the directories themselves that say it. Matches that somebody
    decided on stay as they are.
    """
    [account] = _accounts(session, [account_id])
    organization = session.get_one(Organization, account.organization_id)
    refused = _refusal(operator, [account])
    if refused is not None:
        _tell(session, trail, operator, organization, "accounts.unlinked", [account], refused)
        return refused
    if account.linked_by is None:
        raise BadInput(_whoever_says_so(session, account))
    before = _mates(session, account)
    account.person, account.linked_by = None if account.synced else account.immutable_id, None
    _look_again(session, organization.id, [account, *before])
    _tell(session, trail, operator, organization, "accounts.unlinked", [account])
    return YES


def _accounts(session: Session, account_ids: Sequence[int]) -> list[Account]:
    accounts = get_accounts(session, dict.fromkeys(account_ids))
    if len({account.organization_id for account in accounts}) != 1 or any(each.removed_at for each in accounts):
        raise BadInput("Name accounts of one organization that are still in their directories. Nothing was changed.")
    return accounts


def _refusal(operator: Operator, accounts: Sequence[Account]) -> Decision | None:
    for account in accounts:
        where, tier = account.organization_id, Tier(account.tier)
        if not (decision := may_match(operator, where, tier)).allowed:
            return decision
        if not may_match(operator, where, tier, second_person=True).allowed:
            return Decision(False, "Only an administrator may say whose accounts are one person's.")
    return None


def _mates(session: Session, account: Account) -> list[Account]:
    if account.person is None:
        return []
    found = accounts_of_persons(session, account.organization_id, [account.person])[account.person]
    return [each for each in found if each.id != account.id]


def _whoever_says_so(session: Session, account: Account) -> str:
    mates = _mates(session, account)
    said = [_shown(each) for each in mates if each.linked_by is not None]
    if said:
        return f"It was {', '.join(said)} that somebody linked to {_shown(account)}: unlink that. Nothing was changed."
    if mates:
        return (
            f"{_shown(account)} and {', '.join(map(_shown, mates))} carry the same id in their directories: that is "
            "undone in Microsoft Entra Connect, not here. Nothing was changed."
        )
    return f"{_shown(account)} is linked to no other account. Nothing was changed."


def _look_again(session: Session, organization_id: int, accounts: Sequence[Account]) -> None:
    moved = settle_persons(session, organization_id)
    moved += [(account.username_key, account.upn_key, account.mail_key) for account in accounts]
    suggest(session, organization_id, {name for names in moved for name in names_of(*names)})
    touch(session, MATCH_REVIEW, organization_id)


def _tell(
    session: Session,
    trail: Trail,
    operator: Operator,
    organization: Organization,
    event: str,
    accounts: Sequence[Account],
    refused: Decision | None = None,
) -> None:
    trail.append(
        session,
        event=event,
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject=", ".join(map(_shown, accounts)),
        result="ok" if refused is None else "refused",
        details={"reason": refused.reason}
        if refused is not None
        else {"accounts": [each.object_id for each in accounts]},
    )


def _shown(account: Account) -> str:
    return f"{account.domain}\\{account.username}"
