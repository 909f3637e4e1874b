"""My Settings, with any number of organizations set apart, are what Slack takes."""

import pytest

from blocks import parts, settings
from bot.demo.slack.validation import check
from tests.blocks.test_home import MANY, NAMES, wishes_of


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("offers_email", [True, False])
def test_slack_takes_the_window_whatever_is_on_it(name: str, many: int, offers_email: bool) -> None:
    memo = parts.memo_for("U1")
    check(settings.modal(wishes_of(name, many), memo, offers_email=offers_email, email=name or None, page=many))
