"""What holds for one account right now, read in one search."""

from bot.directories.active_directory import accounts, diagnostics, policy, proof
from bot.directories.active_directory.entries import Entry, by_guid, rid, sid_text
from bot.directories.active_directory.session import Session
from bot.directories.base import OWN_ACCOUNT, Standing
from storage.models import Status

READ = (*accounts.LISTED, "tokenGroups", "msDS-ResultantPSO", "replPropertyMetaData")


def standing(session: Session, account: str) -> Standing:
    """See `Directory.may_rotate`."""
    entry = session.read(by_guid(account), READ)
    if entry is None:
        raise diagnostics.gone(session.name, account)
    name = entry.text("sAMAccountName") or ""
    rules = policy.rules_for(session, entry)
    guard = accounts.guard_of(entry, session.tokens)
    set_at = entry.moment("pwdLastSet")
    possible_at = set_at + rules.minimum_age if set_at and rules.minimum_age else None
    return Standing(
        allowed=guard is None,
        status=Status.NOT_PERMITTED if guard else None,
        reason=f"{name}: {guard}" if guard else "",
        tier=accounts.tier_of(entry, in_privileged_group=is_privileged(entry)),
        username=name,
        password_set_at=set_at,
        policy=rules.for_account(name, entry.text("displayName")),
        locked=accounts.is_locked(entry),
        possible_at=possible_at if possible_at and possible_at > session.now() else None,
        own=guard == OWN_ACCOUNT,
        times_set=proof.times_set(entry),
    )


def is_privileged(entry: Entry) -> bool:
    """Whether the account is in a privileged group through any nesting, its primary group included."""
    groups = map(sid_text, entry.all("tokenGroups"))
    return rid(entry.sid()) == accounts.ADMINISTRATOR or accounts.any_privileged(groups)
