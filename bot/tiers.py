"""Which tier holds for an account: the directory's word and the organization's marks together (pure)."""

from collections.abc import Collection, Mapping

from storage.models import Tier
from storage.names import parse_username


def tier_of(
    directory_tier: str, marks: Mapping[str, Collection[str]], username: str, domain: str = "", upn: str | None = None
) -> Tier:
    """The account's tier. `marks` are usernames by tier, written `jane`, `CORP\\jane` or as a UPN; case does not count.

    Marking never lowers privileged: such an account can only be marked break-glass, which is kept at least as closely.
    """
    names = {parse_username(username).whole, parse_username(f"{domain}\\{username}").whole}
    if upn:
        names.add(parse_username(upn).whole)
    marked = None
    for tier, usernames in marks.items():
        if any(parse_username(each).whole in names for each in usernames):
            marked = Tier(tier)
    if marked is None or (directory_tier == Tier.PRIVILEGED and marked is not Tier.BREAK_GLASS):
        return Tier(directory_tier)
    return marked


def tier_with(tier: str, restricted: bool) -> Tier:
    """The tier an account counts as through this record: one its vault shows to chosen people only is privileged."""
    return Tier.PRIVILEGED if restricted and tier != Tier.BREAK_GLASS else Tier(tier)
