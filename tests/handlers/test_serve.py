"""`rekey serve` as it runs in production: a process of its own, on a Slack it was told of by its environment alone."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import requests

from bot.http_mode import SLACK_PATH
from tests.handlers.office import HTTP_MANIFEST, Office, free_port, open_office

ROOT = Path(__file__).parents[2]


def _environment(office: Office) -> dict[str, str]:
    settings, app = office.services.settings, office.running.app
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("REKEY_", "SLACK_"))}
    return {
        **clean,
        "PYTHONPATH": str(ROOT),
        "REKEY_DATABASE_URL": settings.database_url.get_secret_value(),
        "REKEY_KEY_FILE": str(settings.key_file),
        "REKEY_ESCROW_DIR": str(settings.escrow_dir),
        "REKEY_HTTP_PORT": str(free_port()),
        "SLACK_BOT_TOKEN": app.bot_token,
        "SLACK_APP_TOKEN": app.app_token,
        "SLACK_API_URL": office.running.api_url,
    }


def test_rekey_serve_answers_in_slack_and_stops_when_told(tmp_path: Path) -> None:
    with open_office(tmp_path, connected=False) as office:
        command = [sys.executable, "-m", "bot", "serve"]
        served = subprocess.Popen(command, env=_environment(office), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        try:
            sockets = office.running.slack.sockets
            office.driver.patience = 60
            office.alice.until(lambda: True if sockets.connected or served.poll() is not None else None, "the line")
            assert served.poll() is None, served.communicate()[1]
            office.alice.types("/rotate help", in_="#acme")
            office.alice.sees("What Rekey does", in_="#acme")
            served.send_signal(signal.SIGTERM)
            _, said = served.communicate(timeout=60)
        finally:
            served.kill()
            served.wait()
        assert served.returncode == 0, said
        for secret in (office.running.app.bot_token, office.running.app.app_token):
            assert secret not in said


def test_rekey_serve_behind_http_answers_in_slack_with_nothing_but_a_signing_secret(tmp_path: Path) -> None:
    with open_office(tmp_path, connected=False, manifest=HTTP_MANIFEST) as office:
        environment = _environment(office) | {"SLACK_SIGNING_SECRET": office.running.app.signing_secret}
        del environment["SLACK_APP_TOKEN"]
        url = f"http://127.0.0.1:{environment['REKEY_HTTP_PORT']}"
        command = [sys.executable, "-m", "bot", "serve"]
        served = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)

        def is_up() -> bool | None:
            with suppress(requests.ConnectionError):
                return requests.get(f"{url}/health", timeout=10).ok
            return True if served.poll() is not None else None

        try:
            office.driver.patience = 60
            office.alice.until(is_up, "the pages")
            assert served.poll() is None, served.communicate()[1]
            office.running.wait_for(office.running.slack.http.verify(f"{url}{SLACK_PATH}"))
            office.alice.types("/rotate help", in_="#acme")
            office.alice.sees("What Rekey does", in_="#acme")
            served.send_signal(signal.SIGTERM)
            _, said = served.communicate(timeout=60)
        finally:
            served.kill()
            served.wait()
        assert served.returncode == 0, said
        assert office.running.app.signing_secret not in said


def test_rekey_serve_shows_a_password_on_its_own_page_and_its_log_shows_nothing_of_it(tmp_path: Path) -> None:
    with open_office(tmp_path, connected=False, step_up=False) as office:
        office.approve_all("acme")
        environment = _environment(office) | {"REKEY_STEP_UP": "off", "REKEY_LOG_LEVEL": "debug"}
        url = f"http://127.0.0.1:{environment['REKEY_HTTP_PORT']}"
        command = [sys.executable, "-m", "bot", "serve"]
        served = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        try:
            sockets = office.running.slack.sockets
            office.driver.patience = 60
            office.alice.until(lambda: True if sockets.connected or served.poll() is not None else None, "the line")
            office.tina.types("/rotate show alice.obrien", in_="#acme")
            office.tina.sees("once, on Rekey's own page", in_="#acme")
            found = re.search(rf"{re.escape(url)}/reveal#([A-Za-z0-9_-]{{43}})", office.everything_slack_saw())
            assert found is not None, "the link leads to where the pages are served"
            assert requests.get(f"{url}/health", timeout=10).json() == {"status": "ok"}
            shown = requests.post(f"{url}/reveal", json={"token": found[1], "code": ""}, timeout=10).json()
            assert requests.post(f"{url}/reveal", json={"token": found[1]}, timeout=10).status_code == 403
            served.send_signal(signal.SIGTERM)
            _, said = served.communicate(timeout=60)
        finally:
            served.kill()
            served.wait()
        assert shown["password"] == office.passwords[0]
        assert served.returncode == 0, said
        for secret in (shown["password"], found[1]):
            assert secret not in said


def test_a_bot_token_alone_is_not_enough_and_says_so(tmp_path: Path) -> None:
    with open_office(tmp_path, connected=False) as office:
        environment = _environment(office)
        del environment["SLACK_APP_TOKEN"]
        command = [sys.executable, "-m", "bot", "serve"]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2
        assert "SLACK_APP_TOKEN" in done.stderr
        assert office.running.app.bot_token not in done.stderr
