"""What administrators are told about a channel: Slack takes it whatever the organization is called."""

import pytest

from blocks.channels import channel_notice
from bot.channels import RENAMED, Standing, words
from bot.demo.slack.validation import validate
from tests.blocks.test_matches import HOSTILE

CAUSES = ("not_in_channel", "channel_not_found", "is_archived", "is_inactive", "shared_outside", RENAMED, "other", "")


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("name", ["Acme Dental", HOSTILE, "&<>" * 100, "\u200b", "🎉" * 300])
def test_slack_takes_it_and_it_says_what_happened_and_what_to_do(cause: str, name: str) -> None:
    happened, to_do = words(cause) if cause else ("", "")
    posting = cause in ("", RENAMED)
    drawn = channel_notice(Standing(name, "C0ACME", happened, to_do, posting=posting))
    assert validate({"text": drawn.text, "blocks": list(drawn.blocks)}) == []
    said = str(drawn.blocks)
    assert happened in said
    assert to_do in said
    assert "<!channel>" not in said + drawn.text
    assert ("Nothing is lost" in said) is not posting
