"""The demo as somebody starts it who only has a clone: it opens beside anything, shows the way in, leaves nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pyotp
import pytest

from bot.demo.live import LiveDemo, free_port
from bot.matching import review
from bot.permissions import cli_operator
from bot.rotation.planning import preview, request
from storage.matches import match_rows
from storage.models import MatchState, Status, Tier
from storage.rotations import approved_records
from tests.graph_description import PublishedGraph
from tests.real.parts import wait_until

COMMAND = [sys.executable, "-m", "bot", "demo"]


@contextmanager
def started(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo as a process of its own with what it said once it was open; whatever happens, it is ended."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("REKEY_", "SLACK_"))}
    with subprocess.Popen(
        [*COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "TMPDIR": str(folder), **environment},
        start_new_session=True,
    ) as demo:
        try:
            said = ""
            assert demo.stdout is not None
            while "Ctrl-C ends it" not in said:
                line = demo.stdout.readline()
                assert line or said.endswith("\n"), "it said nothing more"
                if not line:
                    break
                said += line
            yield demo, said
        finally:
            demo.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_opens_whatever_is_set_up_here_and_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals) -> None:
    hostile = {
        "REKEY_POOL_SIZE": "many",
        "REKEY_KEY_FILE": "/nowhere",
        "REKEY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SLACK_BOT_TOKEN": "xapp-wrong-kind",
        "SLACK_API_URL": "https://slack.com/api/",
    }
    with started(tmp_path, **hostile) as (demo, said):
        slack, pages = re.findall(r"http://127\.0\.0\.1:\d+", said)[:2]
        assert "Pretend Slack" in urlopen(slack).read().decode()  # noqa: S310
        assert "Set up your authenticator" in urlopen(f"{pages}/enrol").read().decode()  # noqa: S310
        assert len(re.findall(r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b", said)) == 3, "two administrators, one technician"
        demo.send_signal(ending)
        _rest, complaints = demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert complaints.splitlines() == ["Opening …", "Closing …", "Nothing was left behind."]
    assert list(tmp_path.iterdir()) == []


def test_it_goes_elsewhere_where_its_ports_are_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (0, port)


def test_it_shows_what_an_authenticator_app_would() -> None:
    key = pyotp.random_base32()
    before = pyotp.TOTP(key).now()
    done = subprocess.run(
        [*COMMAND, "--code", f" {key[:4]} {key[4:]}".lower()], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() in (before, pyotp.TOTP(key).now())
    wrong = subprocess.run([*COMMAND, "--code", "not a key!"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "not the key of an authenticator app" in wrong.stderr


@pytest.fixture(scope="module")
def demo() -> Iterator[LiveDemo]:
    with LiveDemo() as opened:
        yield opened


def test_its_customers_have_one_of_everything(demo: LiveDemo) -> None:
    with demo.services.database.reading() as session:
        rows = match_rows(session)
    states = {row.match.state for row in rows}
    tiers = {row.account.tier for row in rows}
    assert {MatchState.SUGGESTED, MatchState.SEVERAL, MatchState.NONE} <= states
    assert {Tier.PERSON, Tier.SHARED, Tier.SERVICE, Tier.PRIVILEGED, Tier.BREAK_GLASS} <= tiers
    assert any(row.account.locked for row in rows)
    assert any("'" in (row.account.display_name or "") for row in rows)
    assert sum(row.account.domain == "HARBOR" and row.account.mail is not None for row in rows) == 180
    assert {row.account.guard_status for row in rows} >= {None, Status.ADMIN_NOT_PERMITTED}
    both = Counter(
        row.record.id for row in rows if row.record and row.account.domain in ("CEDAR", "cedarclinic.example")
    )
    assert sorted(both.values()) == [1, 1, 2, 2, 2, 2, 2], "two only in the cloud, five in both: one record each"


def test_its_cloud_takes_a_new_password_and_the_clinics_follows_the_domain(demo: LiveDemo) -> None:
    services, people = demo.services, ("hugo.lang", "anna.kowalski")
    with services.database.writing() as session:
        rows = [row for row in match_rows(session) if row.account.username in people]
        review.approve(session, services.trail, cli_operator(), [row.match.id for row in rows])
    with services.database.writing() as session:
        asked = [each for each in approved_records(session) if each[1].username.startswith(people)]
        previews = preview(session, cli_operator(), asked, by_name=True)
        request(session, services.trail, cli_operator(), previews, by_name=True, sign_out=False)
    northwind, cedar, clinic = demo.clouds.northwind, demo.clouds.cedar, demo.clouds.clinic
    hugo, anna = northwind.the("hugo.lang"), cedar.the("anna.kowalski")
    wait_until(lambda: clinic.account("anna.kowalski").times_set > 1, "the clinic's domain took a password")
    wait_until(lambda: demo.graph.asked("PATCH", hugo.id) != [], "so did Northwind's tenant")
    demo.hash_sync.carry()
    assert cedar.signs_in(anna, clinic.account("anna.kowalski").password)
    assert demo.graph.asked("PATCH", anna.id) == [], "nothing is written to a synced user"
    assert not northwind.signs_in(hugo, "Fjord-Kayak-31")
    PublishedGraph().check(demo.graph.requests)
