"""A user as Graph shows it: what of it Rekey shows, and why its password is never set here, where that is so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.directories.base import SeenAccount
from bot.directories.entra import diagnostics
from bot.directories.entra.settings import EntraSettings
from bot.directories.entra.tiers import Tiers
from bot.directories.entra.tokens import Token
from bot.errors import OutsideError
from storage.models import Status, Tier

SELECT = (
    "id,userPrincipalName,displayName,mail,accountEnabled,userType,onPremisesSyncEnabled,onPremisesImmutableId,"
    "onPremisesSecurityIdentifier,lastPasswordChangeDateTime,isManagementRestricted"
)
"""All but the first few come only when they are asked for."""

TRACKED = (
    "id,userPrincipalName,displayName,mail,accountEnabled,userType,onPremisesSyncEnabled,onPremisesImmutableId,"
    "onPremisesSecurityIdentifier,lastPasswordChangeDateTime"
)
"""What a delta is to notice, as far as it tracks it; whoever is named by it is read anew."""

User = Mapping[str, Any]

_SYNC_SERVICE = ("sync_", "adtoaadsyncserviceaccount")


@dataclass(frozen=True, slots=True)
class Guard:
    """Why an account's password is never set here."""

    reason: str
    status: Status = Status.NOT_PERMITTED
    cause: str = "guarded"
    mend: str = ""
    synced: bool = False
    """Because it is set in Active Directory, and for that reason alone."""


def upn(user: User) -> str:
    """The name it signs in with; its id where it has none."""
    return str(user.get("userPrincipalName") or user["id"])


def split_name(user: User) -> tuple[str, str]:
    """The two sides of it: `jane`, `northwind.example`."""
    name, _, domain = upn(user).rpartition("@")
    return name or upn(user), domain.lower()


def set_at(user: User) -> datetime | None:
    """When its password was set last, by the tenant's own clock, to the second."""
    return moment(user.get("lastPasswordChangeDateTime"))


def moment(text: object) -> datetime | None:
    """A time as Graph writes it; None when there is none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def is_synced(user: User) -> bool:
    """Whether it comes from Active Directory."""
    return user.get("onPremisesSyncEnabled") is True


def guard_of(settings: EntraSettings, user: User, tiers: Tiers, token: Token) -> Guard | None:
    """Why this one's password is never set here; None when it may be, as far as that is known before."""
    account, (local, domain) = str(user["id"]), split_name(user)
    if tiers.synchronizes(account) or local.lower().startswith(_SYNC_SERVICE):
        return Guard("It is the account Entra Connect synchronizes with: its password is changed by Entra Connect.")
    if user.get("userType") == "Guest" or "#EXT#" in upn(user).upper():
        return Guard("It is a guest: its password is kept where it comes from.")
    if token.delegated and token.object_id == account:
        return Guard("It is the account Rekey itself signs in with, and not yet matched in the connection's settings.")
    if domain in tiers.federated:
        return Guard(
            f"{domain} is federated: its people's passwords are checked by their own identity provider, not by Entra.",
            cause="federated",
            mend="Ignore this account, and rotate the one in Active Directory.",
        )
    if user.get("accountEnabled") is False:
        return Guard("It is disabled.")
    if is_synced(user):
        return Guard(
            "It is synced from Active Directory, where its password is set.",
            cause="synced",
            mend="Rotate the account in Active Directory: its password arrives here by itself.",
            synced=True,
        )
    if user.get("isManagementRestricted") is True and not tiers.scoped(token):
        reason = "It is in a restricted management administrative unit, which no role for the whole tenant reaches."
        return _not_ours(reason, diagnostics.restricted(upn(user)))
    least = tiers.out_of_reach(token, account)
    if not least:
        return None
    reason = f"It is an administrator's account, which our role in this tenant does not reach: that takes {least}."
    return _not_ours(reason, diagnostics.role_missing(settings, upn(user), least, privileged=True))


def seen(settings: EntraSettings, user: User, tiers: Tiers, token: Token) -> SeenAccount:
    """A user of a listing as the port shows it."""
    local, domain = split_name(user)
    guard, synced = guard_of(settings, user, tiers, token), is_synced(user)
    return SeenAccount(
        object_id=str(user["id"]),
        username=local,
        domain=domain,
        upn=upn(user),
        mail=user.get("mail"),
        display_name=user.get("displayName"),
        ou=None,
        enabled=user.get("accountEnabled") is not False,
        locked=False,
        password_set_at=set_at(user),
        tier=tier_of(user, tiers),
        guard=guard.reason if guard else None,
        is_connector=token.delegated and token.object_id == user["id"],
        guard_status=guard.status if guard else None,
        immutable_id=user.get("onPremisesImmutableId") if synced else None,
        sid=user.get("onPremisesSecurityIdentifier") if synced else None,
        synced=synced,
    )


def tier_of(user: User, tiers: Tiers) -> Tier:
    """Privileged by its roles and groups, else person."""
    return tiers.tier(str(user["id"]))


def _not_ours(reason: str, error: OutsideError) -> Guard:
    return Guard(reason, Status.ADMIN_NOT_PERMITTED, error.cause, error.mend)
