"""Which tier holds: marks raise what the directory says, and never lower privileged."""

import pytest

from bot.tiers import tier_of
from storage.models import Tier

MARKS = {"shared": ["Reception", "CORP\\scanner"], "service": ["backup@corp.test"], "break-glass": ["emergency"]}


@pytest.mark.parametrize(
    ("directory_tier", "username", "upn", "tier"),
    [
        (Tier.PERSON, "jane", None, Tier.PERSON),
        (Tier.SERVICE, "sql", None, Tier.SERVICE),
        (Tier.PERSON, "RECEPTION", None, Tier.SHARED),
        (Tier.SERVICE, "reception", None, Tier.SHARED),
        (Tier.PERSON, "Scanner", None, Tier.SHARED),
        (Tier.PERSON, "bkp", "Backup@Corp.test", Tier.SERVICE),
        (Tier.PRIVILEGED, "reception", None, Tier.PRIVILEGED),
        (Tier.PRIVILEGED, "bkp", "backup@corp.test", Tier.PRIVILEGED),
        (Tier.PRIVILEGED, "emergency", None, Tier.BREAK_GLASS),
        (Tier.PERSON, "emergency", None, Tier.BREAK_GLASS),
        (Tier.PERSON, "emergency2", None, Tier.PERSON),
    ],
)
def test_a_mark_holds_for_its_account_however_it_is_written(
    directory_tier: Tier, username: str, upn: str | None, tier: Tier
) -> None:
    assert tier_of(directory_tier, MARKS, username, "CORP", upn) is tier


def test_a_qualified_mark_is_for_that_domain_alone() -> None:
    assert tier_of(Tier.PERSON, MARKS, "scanner", "BRANCH") is Tier.PERSON
