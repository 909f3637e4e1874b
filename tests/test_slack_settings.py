"""Slack's settings: what they are called, and what is wrong with a wrong one, without ever showing it."""

import pytest
from pydantic import SecretStr

from bot.errors import BadInput
from bot.settings import Settings, load


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_API_URL"):
        monkeypatch.delenv(name, raising=False)


def test_slacks_usual_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "s1gn1ng")
    monkeypatch.setenv("SLACK_API_URL", "https://chat.example/api")
    settings = load()
    assert settings.slack_bot_token == SecretStr("xoxb-1")
    assert settings.slack_app_token == SecretStr("xapp-1")
    assert settings.slack_signing_secret == SecretStr("s1gn1ng")
    assert settings.slack_api_url == "https://chat.example/api/"
    for secret in ("xoxb-1", "xapp-1", "s1gn1ng"):
        assert secret not in repr(settings)


def test_without_any_there_is_no_slack() -> None:
    assert load().slack_bot_token is None
    assert Settings().slack_api_url == "https://slack.com/api/"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SLACK_BOT_TOKEN", "xapp-private", "this is the other token"),
        ("SLACK_APP_TOKEN", "xoxb-private", "this is the other token"),
        ("SLACK_API_URL", "http://slack.com/api/", "must start with https"),
        ("SLACK_API_URL", "slack.com/api", "write it as"),
        ("SLACK_API_URL", "https://slack.com/api/?x=1", "write it as"),
    ],
)
def test_a_wrong_one_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=why) as caught:
        load()
    assert name in str(caught.value)
    assert "private" not in str(caught.value)
