"""How Rekey hears from Slack: Socket Mode, signed HTTP, any server that speaks Slack's protocol, and none at all."""

import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from pydantic import SecretStr

from bot import app as composition
from bot.demo.slack.driver import CouldNot
from bot.demo.slack.faults import Refused, ServerError
from bot.demo.slack.server import RunningSlack
from bot.errors import SignInRefused
from bot.http_mode import SLACK_PATH, HttpMode
from bot.socket_mode import SocketMode
from tests.handlers.office import HTTP_MANIFEST, MANIFEST, Office, free_port, open_office


@contextmanager
def _behind_http(office: Office) -> Iterator[str]:
    """The office's Rekey behind a request url of its own."""
    with HttpMode(lambda: office.app) as line, composition.web(office.services, line):
        yield f"{office.services.settings.pages_url}{SLACK_PATH}"


def _signed(office: Office, body: str, *, age: int = 0, secret: str | None = None) -> dict[str, str]:
    at = str(int(time.time()) - age)
    key = (secret or office.running.app.signing_secret).encode()
    signature = hmac.new(key, f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={signature}",
    }


def _help_of(office: Office) -> str:
    """`/rotate help` by alice, as the form it is sent as."""
    fields = {
        "command": "/rotate", "text": "help", "user_id": office.alice.id, "team_id": "T0PRETEND",
        "channel_id": office.organization("acme").channel, "api_app_id": office.running.app.id, "trigger_id": "1.2.3",
    }  # fmt: skip
    return urlencode(fields)


def test_over_signed_http_everything_is_as_in_socket_mode(tmp_path: Path) -> None:
    with (
        open_office(tmp_path, connected=False, manifest=HTTP_MANIFEST, http_port=free_port()) as office,
        _behind_http(office) as url,
    ):
        office.running.wait_for(office.running.slack.http.verify(url))
        office.alice.types("/rotate help", in_="#acme")
        office.alice.sees("What Rekey does", in_="#acme")
        assert "Acme Dental" in office.alice.opens_home().text


def test_what_is_not_signed_or_too_old_or_too_much_is_refused(tmp_path: Path) -> None:
    with open_office(tmp_path, connected=False, http_port=free_port()) as office, _behind_http(office) as url:
        body = _help_of(office)
        assert requests.post(url, body, headers=_signed(office, body), timeout=10).status_code == 200
        assert requests.post(url, body, headers=_signed(office, body, age=301), timeout=10).status_code == 401
        assert requests.post(url, body, headers=_signed(office, body, age=-301), timeout=10).status_code == 401
        assert requests.post(url, body, headers=_signed(office, body, secret="guessed"), timeout=10).status_code == 401
        assert requests.post(url, body + "x", headers=_signed(office, body), timeout=10).status_code == 401
        assert requests.post(url, body, timeout=10).status_code == 401
        assert requests.post(url, "x" * 1_000_001, headers=_signed(office, "x"), timeout=10).status_code == 413
        assert requests.post(url, b"\xff", timeout=10).status_code == 400
        assert requests.get(url, timeout=10).status_code == 405


def test_another_address_in_slack_api_url_is_all_it_takes(tmp_path: Path) -> None:
    with open_office(tmp_path) as office:
        assert not office.services.settings.slack_api_url.startswith("https://slack.com")
        office.alice.types("/rotate help", in_="#acme")
        office.alice.sees("What Rekey does", in_="#acme")


def test_a_lesser_server_without_users_info_still_serves(office: Office) -> None:
    office.call(lambda: office.running.slack.faults.on("users.info", Refused("unknown_method"), times=100))
    office.alice.types("/rotate help", in_="#acme")
    office.alice.sees("What Rekey does", in_="#acme")


def test_a_token_slack_refuses_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    wrong = SecretStr("xoxb-not-this-one")
    with RunningSlack(MANIFEST) as running, open_office(tmp_path, connected=False) as office:
        settings = office.services.settings.model_copy(
            update={"slack_bot_token": wrong, "slack_api_url": running.api_url}
        )
        other = replace(office.services, settings=settings)
        with pytest.raises(SignInRefused, match="SLACK_BOT_TOKEN"):
            composition.slack_app(other)
        good = settings.model_copy(update={"slack_bot_token": SecretStr(running.app.bot_token)})
        app_token = good.model_copy(update={"slack_app_token": SecretStr("xapp-not-this-one")})
        other = replace(office.services, settings=app_token)
        line = SocketMode(app_token, lambda: composition.slack_app(other))
        with pytest.raises(SignInRefused, match="SLACK_APP_TOKEN"), line:
            pass


def test_rekey_starts_while_slack_is_away_and_is_there_when_slack_is_back(tmp_path: Path) -> None:
    with open_office(tmp_path, connected=False) as office:
        office.call(lambda: office.running.slack.faults.on("auth.test", ServerError(503), times=1))
        with SocketMode(office.services.settings, lambda: composition.slack_app(office.services)):
            sockets = office.running.slack.sockets
            office.alice.until(lambda: True if sockets.connected else None, "the line to be open")
            office.alice.types("/rotate help", in_="#acme")
            office.alice.sees("What Rekey does", in_="#acme")


def test_a_dropped_line_is_opened_again(office: Office) -> None:
    office.running.wait_for(office.running.slack.sockets.drop())
    for _ in range(10):  # slack_sdk takes a few seconds before it reads from its new line; a person types again
        office.alice.types("/rotate help", in_="#acme")
        with suppress(CouldNot):
            office.alice.sees("What Rekey does", in_="#acme")
            return
    raise AssertionError("Nobody answers any more")
