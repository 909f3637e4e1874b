"""What the pages promise over HTTP: a GET tells nothing, a POST comes from our own page, no answer stays anywhere."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot import credentials, reveal, step_up
from bot.credentials import Draft
from bot.demo.practice_faults import Fault
from bot.web.server import Web
from bot.web.site import site
from storage.connections import connections_of
from storage.grants import set_operators
from storage.models import Role
from storage.records import get_record, records_of
from tests.handlers.office import Office, open_office
from tests.ports import free_port

PASSWORD = "Old-ACME-00-Pa55!"
PAGES = ("/reveal", "/credential", "/enrol")


@dataclass
class Site:
    """The site of an office, as browsers and others reach it."""

    office: Office
    url: str

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=10)

    def post(self, path: str, fields: object, **headers: str) -> requests.Response:
        return requests.post(self.url + path, json=fields, headers=headers, timeout=10)

    def token(self, who: str = "tina", record: str = "Alice O'Brien") -> str:
        """What the link ends with that this person is given for this record."""
        services = self.office.services
        role = {"tina": Role.TECHNICIAN}.get(who, Role.ADMINISTRATOR)
        operator = self.office.operator(who, {None: role})
        with services.database.reading() as session:
            found = get_record(session, self.office.organization("acme").id, record)
        made = reveal.ask(services.database, services.trail, services.settings, operator, found).link
        assert made is not None
        return made.address.get_secret_value().partition("#")[2]

    def credential_token(self, name: str, kind: str = "practice", **settings: Any) -> str:
        """What the link ends with on which alice is to type a directory's credential."""
        services = self.office.services
        with services.database.writing() as session:
            made = credentials.ask(
                session,
                services.trail,
                services.settings,
                services.extra_kinds,
                self.office.operator("alice"),
                self.office.organization("acme"),
                Draft(name, kind, settings),
            )
        return made.address.get_secret_value().partition("#")[2]

    def enrolment(self, who: str) -> str:
        """A one-time enrolment code."""
        services = self.office.services
        with services.database.writing() as session:
            code, _ = step_up.new_code(
                session, services.trail, self.office.operator("alice"), self.office.member(who).id
            )
        return code.get_secret_value()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all of these tests; the step-up is off unless a test says otherwise."""
    port = free_port()
    folder = tmp_path_factory.mktemp("office")
    with open_office(folder, connected=False, http_port=port, step_up=False, reveals_per_hour=1000) as office:
        office.approve_all("acme")
        with Web(site(office.services, {"/slack/events": _slack}), port):
            yield Site(office, f"http://127.0.0.1:{port}")


async def _slack(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


# ---- what a GET tells ------------------------------------------------------------------------------------------------


def test_a_preview_robot_that_gets_the_link_learns_nothing_and_uses_nothing_up(web: Site) -> None:
    token = web.token()
    for agent in ("Slackbot-LinkExpanding 1.0", "Mozilla/5.0"):
        for path in (f"/reveal#{token}", f"/reveal?{token}", "/reveal"):
            page = web.get(path, **{"User-Agent": agent})
            assert page.status_code == 200
            assert token not in page.text
            assert "Alice" not in page.text
    assert requests.head(f"{web.url}/reveal", timeout=10).status_code == 200
    assert web.get(f"/reveal/{token}").status_code == 404
    assert web.post("/reveal", {"token": token}).json()["password"] == PASSWORD


@pytest.mark.parametrize("path", [*PAGES, "/pages/page.js", "/pages/pages.css", "/health", "/metrics", "/nowhere"])
def test_no_answer_may_be_framed_cached_or_leave_a_referer(web: Site, path: str) -> None:
    headers = web.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "server" not in {name.lower() for name in headers}


def test_the_pages_load_nothing_from_elsewhere_and_run_nothing_inline(web: Site) -> None:
    folder = Path(__file__).parents[1] / "bot" / "pages"
    for file in folder.iterdir():
        text = file.read_text("utf-8")
        assert not re.search(r"https?://", text), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage", text), (
            file.name
        )
    for path in PAGES:
        text = web.get(path).text
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|<style|\sstyle=", text), path


# ---- what a POST takes -----------------------------------------------------------------------------------------------


def test_a_link_is_opened_once_even_by_many_at_the_same_time(web: Site) -> None:
    token = web.token()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: web.post("/reveal", {"token": token}), range(8)))
    assert sorted(each.status_code for each in answers) == [200] + [403] * 7
    assert sum(PASSWORD in each.text for each in answers) == 1
    assert "was used on" in web.post("/reveal", {"token": token}).json()["reason"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}],
)
def test_another_sites_page_cannot_post_even_with_the_token(web: Site, headers: dict[str, str]) -> None:
    token = web.token()
    answer = web.post("/reveal", {"token": token}, **headers)
    assert answer.status_code == 403
    assert PASSWORD not in answer.text
    assert web.post("/reveal", {"token": token}, Origin=web.url).status_code == 200


def test_a_form_post_as_other_sites_could_send_it_is_refused(web: Site) -> None:
    answer = requests.post(f"{web.url}/reveal", data={"token": web.token()}, timeout=10)
    assert answer.status_code == 415


def test_another_host_name_for_this_machine_gets_nothing(web: Site) -> None:
    token = web.token()
    for host in ("rebound.evil.test", "localhost", "127.0.0.1", ""):
        answer = web.post("/reveal", {"token": token}, Host=host)
        assert answer.status_code in (400, 421), host
        assert web.get("/reveal", Host=host).status_code in (400, 421), host


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"token": 1}', b'{"token": ["x"]}', b"\xff\xfe", b"[" * 9000, b'{"token": "\x00"}']
)
def test_nonsense_is_refused_with_a_sentence(web: Site, body: bytes) -> None:
    answer = requests.post(f"{web.url}/reveal", data=body, headers={"Content-Type": "application/json"}, timeout=10)
    assert answer.status_code in (403, 422), answer.text
    assert answer.json()["reason"].endswith(".")


def test_more_than_any_page_sends_is_not_read(web: Site) -> None:
    assert web.post("/reveal", {"token": "x" * 20_000}).status_code == 413


def test_what_is_mounted_gets_its_posts_whole_and_guards_itself(web: Site) -> None:
    body = b"payload=" + b"x" * 100_000
    answer = requests.post(f"{web.url}/slack/events", data=body, headers={"Origin": "https://slack.test"}, timeout=10)
    assert answer.text == str(len(body))
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_flood_of_guesses_is_stopped_before_it_fills_the_trail(tmp_path: Path) -> None:
    port = free_port()
    with open_office(tmp_path, connected=False, http_port=port) as office, Web(site(office.services), port):
        web = Site(office, f"http://127.0.0.1:{port}")
        answers = [web.post("/reveal", {"token": f"guess-{number}"}).status_code for number in range(40)]
        assert answers == [403] * 30 + [429] * 10
        assert len(office.audit("reveal.refused", "no such link")) == 30


# ---- https -----------------------------------------------------------------------------------------------------------


def test_behind_a_proxy_only_https_is_answered(tmp_path: Path) -> None:
    port = free_port()
    with (
        open_office(tmp_path, connected=False, base_url="https://rekey.example.test") as office,
        Web(site(office.services), port),
    ):
        url = f"http://127.0.0.1:{port}/reveal"
        asked = {"Host": "rekey.example.test"}
        assert requests.get(url, headers=asked, timeout=10).status_code == 403
        assert requests.get(url, headers={**asked, "X-Forwarded-Proto": "http"}, timeout=10).status_code == 403
        page = requests.get(url, headers={**asked, "X-Forwarded-Proto": "https"}, timeout=10)
        assert page.status_code == 200
        assert "max-age" in page.headers["Strict-Transport-Security"]
        assert requests.get(url, headers={"X-Forwarded-Proto": "https"}, timeout=10).status_code == 421
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).json() == {"status": "ok"}


def test_a_port_that_is_taken_is_said_in_a_sentence(web: Site) -> None:
    from bot.errors import BadInput

    taken = Web(site(web.office.services), int(web.url.rpartition(":")[2]))
    with pytest.raises(BadInput, match="REKEY_HTTP_PORT"):
        taken.__enter__()


# ---- health and metrics ----------------------------------------------------------------------------------------------


def test_metrics_are_counts_for_this_machine_alone(web: Site) -> None:
    text = web.get("/metrics").text
    assert 'rekey_matches{state="approved"}' in text
    assert "Acme" not in text
    assert "alice" not in text.lower()
    assert web.get("/metrics", Host="rekey.example.test").status_code == 404


def test_health_says_when_the_database_is_gone(tmp_path: Path) -> None:
    port = free_port()
    with open_office(tmp_path, connected=False, http_port=port) as office, Web(site(office.services), port):
        web = Site(office, f"http://127.0.0.1:{port}")
        assert web.get("/health").status_code == 200
        office.services.database.dispose()
        database = tmp_path / "rekey.db"
        for file in tmp_path.glob("rekey.db*"):
            file.rename(tmp_path / f"gone-{file.name}")
        database.mkdir()
        assert web.get("/health").status_code == 503
        database.rmdir()


# ---- enrolment, then the step-up -------------------------------------------------------------------------------------


def test_enrolling_and_stepping_up_work_from_end_to_end_and_nothing_secret_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    caplog.set_level("DEBUG")
    with open_office(tmp_path, connected=False, http_port=port) as office, Web(site(office.services), port):
        office.approve_all("acme")
        web = Site(office, f"http://127.0.0.1:{port}")
        code = web.enrolment("tina")
        begun = web.post("/enrol", {"enrolment": code}).json()
        assert begun["operator"] == office.tina.id
        assert begun["picture"].startswith("data:image/svg+xml")
        app = pyotp.parse_uri(begun["address"])
        assert isinstance(app, pyotp.TOTP)
        assert app.secret == begun["secret"]
        wrong = web.post("/enrol/finish", {"enrolment": code, "ticket": begun["ticket"], "code": "000000"})
        assert wrong.status_code == 422
        done = web.post("/enrol/finish", {"enrolment": code, "ticket": begun["ticket"], "code": app.now()})
        assert done.json() == {"operator": office.tina.id}
        assert web.post("/enrol", {"enrolment": code}).status_code == 422
        token = web.token()
        missed = web.post("/reveal", {"token": token, "code": "000000"})
        assert (missed.status_code, missed.json()["again"]) == (403, True)
        later = pyotp.TOTP(app.secret).generate_otp(app.timecode(_present()) + 1)
        shown = web.post("/reveal", {"token": token, "code": later})
        assert shown.json()["password"] == PASSWORD
        for secret in (token, PASSWORD, app.secret, code, later):
            assert secret not in caplog.text


def _present() -> float:
    from time import time

    return time()


# ---- the credential page ---------------------------------------------------------------------------------------------


def test_a_directory_is_asked_before_it_is_stored(web: Site) -> None:
    office = web.office
    domain = office.domains["acme-ad"]
    office.domains["new-ad"] = domain  # type: ignore[index]
    token = web.credential_token("new-ad")
    about = web.post("/credential/about", {"token": token}).json()
    assert (about["organization"], about["directory"]) == ("Acme Dental", "new-ad")
    domain.fails("check", with_=Fault.SIGN_IN_REFUSED)
    tried = web.post("/credential", {"token": token}).json()
    assert not tried["saved"]
    assert any(each["level"] == "problem" for each in tried["findings"])
    assert "new-ad" not in _directories(office)
    stored = web.post("/credential", {"token": token}).json()
    assert stored["saved"]
    assert "new-ad" in _directories(office)
    assert web.post("/credential", {"token": token}).status_code == 403
    line = office.audit("connection.added")[-1]
    assert (line.operator, line.source) == (office.alice.id, "credential page")


def test_a_credential_for_a_real_kind_goes_no_further_than_the_networks_and_is_kept_nowhere(web: Site) -> None:
    secret = "C0nnector-Pass-9!"
    servers = [{"host": "169.254.169.254", "port": 636}]
    token = web.credential_token("far-ad", "active-directory", servers=servers, bind_dn="rekey@acme.test")
    tried = web.post("/credential", {"token": token, "bind_password": secret}).json()
    assert not tried["saved"]
    assert "lies outside the networks" in json.dumps(tried)
    assert secret not in json.dumps(tried)
    database = (web.office.folder / "rekey.db").read_bytes() + (web.office.folder / "rekey.db-wal").read_bytes()
    assert secret.encode() not in database
    assert web.office.audit("credential.refused", "refused")


def test_one_who_is_no_administrator_any_more_stores_nothing(web: Site) -> None:
    services, office = web.office.services, web.office
    token = web.credential_token("third-ad")
    everybody = [office.member(name).id for name in ("alice", "bob")]
    with services.database.writing() as session:
        set_operators(session, Role.ADMINISTRATOR, None, everybody[1:])
    answer = web.post("/credential", {"token": token})
    with services.database.writing() as session:
        set_operators(session, Role.ADMINISTRATOR, None, everybody)
    assert answer.status_code == 403
    assert "Nothing was stored" in answer.json()["reason"]


def test_a_reveal_link_opens_no_credential_page(web: Site) -> None:
    assert web.post("/credential/about", {"token": web.token()}).status_code == 403


def _directories(office: Office) -> list[str]:
    with office.services.database.reading() as session:
        found = connections_of(session, "directory", [office.organization("acme").id])
    return [connection.name for _, connection in found]


def test_every_record_is_reachable_by_name(web: Site) -> None:
    """The fixture's own promise: without records these tests would pass on nothing."""
    with web.office.services.database.reading() as session:
        assert records_of(session, web.office.organization("acme").id)
