"""The same person in two directories: said by an administrator where the directories do not say it themselves.

Accounts that are one person's may share a record without anybody asking twice, so linking is as much as adding a second
account to a record, and takes whoever may do that. It changes no match that somebody decided on, and no password.
"""

from collections.abc import Mapping, Sequence

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput
from bot.matching.review import Outcome
from bot.matching.suggesting import candidates, names_of, suggest
from bot.permissions import YES, Decision, Operator, may_match
from storage.accounts import get_accounts
from storage.matches import MatchRow, get_matches
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


def namesakes(session: Session, rows: Sequence[MatchRow]) -> dict[int, list[Account]]:
    """Match id → who may be the same person: those in other directories that claim or hold its only exact record.

    At most one in each directory, and none where the account's own has another one: then it is not that simple.
    """
    rivals = {match_id: each[0].others for match_id, each in candidates(session, rows).items() if len(each) == 1}
    accounts = {each.id: each for each in get_accounts(session, {id_ for ids in rivals.values() for id_ in ids})}
    found = {}
    for row in rows:
        others = [accounts[account_id] for account_id in rivals.get(row.match.id, ())]
        places = [row.account.connection_id, *(each.connection_id for each in others)]
        if others and len(places) == len(set(places)):
            found[row.match.id] = others
    return found


def link_namesakes(
    session: Session,
    trail: Trail,
    operator: Operator,
    ids: Sequence[int],
    versions: Mapping[int, int] | None = None,
    within: int | None = None,
) -> list[Outcome]:
    """Each of these matches' accounts is its namesakes' person: what the button on the review card says.

    As the verbs of `review`: an outcome for each; nothing is done for a match that is not as the person saw it.
    """
    rows = get_matches(session, ids)
    outcomes = []
    for match_id in ids:
        row = rows.get(match_id)
        if row is None or within not in (None, row.organization.id):
            outcomes.append(Outcome(match_id, False, f"There is no match {match_id} here. Nothing was changed."))
            continue
        others = namesakes(session, [row]).get(match_id, [])
        if (versions or {}).get(match_id, row.match.version) != row.match.version or not others:
            outcomes.append(
                Outcome(match_id, False, f"{_shown(row.account)} changed meanwhile. Nothing was changed; look again.")
            )
            continue
        decision = link(session, trail, operator, [row.account.id, *(each.id for each in others)])
        outcomes.append(Outcome(match_id, decision.allowed, decision.reason))
    return outcomes


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
