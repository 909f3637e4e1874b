"""One polite session: what it sends where, how often, and what it says when that went wrong."""

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from bot import http_session
from bot.errors import BadInput, CertificateRefused, NoAnswer, Refused, Throttled, Unreachable
from bot.http_session import HttpSession, Reply
from bot.http_wire import Origin
from tests.ports import free_port

TOKEN = "t0ken-of-a-test-that-nobody-may-see"


VENDOR = HttpSession("https://vendor.test/v1")


class Asked:
    """One request as it arrived."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method, self.path, self.headers = handler.command, handler.path, handler.headers
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))


Answer = Callable[[BaseHTTPRequestHandler], None]


class Outside:
    """A vendor: notes what it is asked, and answers what it was told to, the last answer for ever."""

    def __init__(self, server: ThreadingHTTPServer, ca: str) -> None:
        self.url = f"https://127.0.0.1:{server.server_port}"
        self.ca = ca
        self.asked: list[Asked] = []
        self.connections = 0
        self._answers: list[Answer] = []

    def answers(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def next_answer(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def session(self, **options: Any) -> HttpSession:
        waited: list[float] = options.pop("waited", [])
        return HttpSession(self.url, verify=self.ca, wait=waited.append, **options)


def read_and_write(session: HttpSession) -> tuple[Callable[[], object], ...]:
    return lambda: session.get("/a"), lambda: session.send("POST", "/a", {})


def says(status: int, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    for _ in range(100):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


@contextmanager
def served(context: ssl.SSLContext, ca: str) -> Iterator[Outside]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        outside: ClassVar[Outside]

        def setup(self) -> None:
            self.outside.connections += 1
            super().setup()

        def _answer(self) -> None:
            self.outside.asked.append(Asked(self))
            self.outside.next_answer()(self)

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            client, address = super().get_request()
            return context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, *_: Any) -> None:
            pass  # a client that hung up, as some tests want

    server = Server(("127.0.0.1", 0), Handler)
    Handler.outside = Outside(server, ca)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Handler.outside
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def outside(authority: trustme.CA) -> Iterator[Outside]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with served(context, authority.cert_pem.bytes().decode()) as outside:
        yield outside


# ---- what is sent ----------------------------------------------------------------------------------------------------


def test_a_read_carries_the_headers_and_comes_back_whole_over_one_kept_connection(outside: Outside) -> None:
    outside.answers(says(200, b'{"a": 1}', {"X-Thing": "x"}))
    with outside.session(headers={"Authorization": SecretStr(TOKEN)}) as session:
        replies = [session.get("/v1.0/users", {"$top": 999}, {"Prefer": "x"}) for _ in range(3)]
    assert [reply.json() for reply in replies] == [{"a": 1}] * 3
    assert (replies[0].status, replies[0].headers["x-thing"]) == (200, "x")
    assert outside.connections == 1
    asked = outside.asked[0]
    assert (asked.method, asked.path) == ("GET", "/v1.0/users?%24top=999")
    assert (asked.headers["Authorization"], asked.headers["Prefer"]) == (TOKEN, "x")


def test_a_write_sends_json_or_a_form_or_nothing(outside: Outside) -> None:
    outside.answers(says(204, b""))
    with outside.session() as session:
        session.send("PATCH", "users/1", {"password": "ü"})
        session.send("POST", "/token", form={"a": "b c"})
        session.send("POST", "/revoke")
    patch, form, empty = outside.asked
    assert (json.loads(patch.body), patch.headers["Content-Type"]) == ({"password": "ü"}, "application/json")
    assert (form.body, form.headers["Content-Type"]) == (b"a=b+c", "application/x-www-form-urlencoded")
    assert empty.body == b""


def test_a_link_to_the_same_origin_is_followed_as_it_stands(outside: Outside) -> None:
    outside.answers(says(200))
    with outside.session() as session:
        session.get(f"{outside.url}/v1.0/users/delta?$skiptoken=a%2Bb_C&x=%24y")
    assert outside.asked[0].path == "/v1.0/users/delta?$skiptoken=a%2Bb_C&x=%24y"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/v1.0/users",
        "http://127.0.0.1:{port}/users",
        "https://127.0.0.1/users",
        "https://127.0.0.1:{port}@evil.test/users",
        "https://somebody@127.0.0.1:{port}/users",
        "https://127.0.0.1:{port}\\@evil.test/users",
        "https://evil.test\\@127.0.0.1:{port}/users",
        "HTTPS://evil.test:{port}/",
        "https://127.0.0.1:{port}.evil.test/",
        "https://[::1/users",
        "https:///users",
    ],
)
def test_a_link_elsewhere_is_not_followed_and_nothing_is_sent(outside: Outside, link: str) -> None:
    outside.answers(says(200))
    with outside.session(headers={"Authorization": SecretStr(TOKEN)}) as session, pytest.raises(Refused) as caught:
        session.get(link.replace("{port}", outside.url.rpartition(":")[2]))
    assert caught.value.cause == "other-origin"
    assert outside.asked == []
    assert TOKEN not in str(caught.value)


@settings(max_examples=50)
@given(st.text(alphabet="/\\@:.?#%evil127 \t\n[]https", max_size=40))
def test_whatever_a_path_looks_like_it_stays_at_its_origin(path: str) -> None:
    try:
        prepared = VENDOR._prepare("GET", path, None, None, None, None)
    except Refused:
        return
    assert Origin.of(prepared.url or "") == Origin("https", "vendor.test", 443)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(outside: Outside, status: int) -> None:
    outside.answers(says(status, b"", {"Location": f"{outside.url}/elsewhere"}))
    with outside.session() as session:
        for call in read_and_write(session):
            with pytest.raises(Refused) as caught:
                call()
            assert caught.value.cause == "redirect"
    assert [asked.path for asked in outside.asked] == ["/a", "/a"]


def test_the_environment_adds_no_proxy_no_sign_in_and_no_authority(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other))
    outside.answers(says(200))
    with outside.session() as session:
        assert session.get("/a").status == 200
    assert "Authorization" not in outside.asked[0].headers


def test_no_cookie_is_kept(outside: Outside) -> None:
    outside.answers(says(200, headers={"Set-Cookie": "a=b; Path=/"}))
    with outside.session() as session:
        session.get("/a")
        session.get("/a")
    assert "Cookie" not in outside.asked[1].headers


@pytest.mark.parametrize("address", ["http://vendor.test", "vendor.test", "https://me@vendor.test", "https://", "ftp://x",
                                     "https://vendor.test?key=1", "https://vendor.test/#a"])  # fmt: skip
def test_an_address_that_is_not_safe_is_not_taken(address: str) -> None:
    with pytest.raises(BadInput):
        HttpSession(address)


def test_looking_away_from_certificates_is_not_possible() -> None:
    with pytest.raises(BadInput):
        HttpSession("https://vendor.test", verify=False)


@pytest.mark.parametrize("value", [f"{TOKEN}\nX: y", f"{TOKEN}’"])
def test_a_header_that_cannot_be_sent_is_not_shown(outside: Outside, value: str) -> None:
    with outside.session() as session, pytest.raises(Refused) as caught:
        session.get("/a", headers={"Authorization": SecretStr(value)})
    assert caught.value.cause == "bad-header"
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__
    assert outside.asked == []


# ---- asking again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [says(500), says(502), says(503), says(504), hangs_up, breaks_off])
def test_a_read_that_fails_by_the_way_is_tried_again_with_growing_pauses(outside: Outside, trouble: Answer) -> None:
    waited: list[float] = []
    outside.answers(trouble, trouble, says(200, b"[1]"))
    with outside.session(waited=waited) as session:
        assert session.get("/a").json() == [1]
    assert len(outside.asked) == 3
    assert 0.25 <= waited[0] <= 0.5 <= waited[1] <= 1


def test_a_read_that_keeps_failing_ends(outside: Outside) -> None:
    outside.answers(says(500))
    with outside.session() as session:
        assert session.get("/a").status == 500
    outside.answers(hangs_up)
    with outside.session() as session, pytest.raises(Unreachable) as caught:
        session.get("/a")
    assert (len(outside.asked), caught.value.cause) == (6, "no-answer")


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 410, 501])
def test_other_statuses_are_the_callers_to_judge_at_once(outside: Outside, status: int) -> None:
    outside.answers(says(status, b""))
    with outside.session() as session:
        assert session.get("/a").status == status
    assert len(outside.asked) == 1


@pytest.mark.parametrize("trouble", [says(500), says(503, headers={"Retry-After": "1"}), says(504)])
def test_a_write_is_sent_once_whatever_comes_of_it(outside: Outside, trouble: Answer) -> None:
    outside.answers(trouble)
    with outside.session() as session:
        session.send("PATCH", "/a", {})
    assert len(outside.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_read_waits_as_long_as_it_is_asked_to(outside: Outside, status: int) -> None:
    waited: list[float] = []
    outside.answers(says(status, headers={"Retry-After": "3"}), says(200))
    with outside.session(waited=waited) as session:
        assert session.get("/a").status == 200
    assert waited == [3]


@pytest.mark.parametrize(("status", "header"), [(429, "120"), (429, None), (503, "120")])
def test_a_read_that_is_asked_to_wait_for_too_long_says_for_how_long(
    outside: Outside, status: int, header: str | None
) -> None:
    waited: list[float] = []
    outside.answers(says(status, headers={"Retry-After": header} if header else {}))
    with outside.session(waited=waited) as session, pytest.raises(Throttled) as caught:
        session.get("/a")
    assert caught.value.retry_after == (120 if header else pytest.approx(1.5, abs=0.6))
    assert len(outside.asked) == (1 if header else 3)


def test_a_write_that_is_throttled_says_for_how_long_and_is_not_sent_again(outside: Outside) -> None:
    outside.answers(says(429, headers={"Retry-After": "11"}))
    with outside.session() as session, pytest.raises(Throttled) as caught:
        session.send("PATCH", "/a", {})
    assert (caught.value.retry_after, len(outside.asked)) == (11, 1)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 0), ("7", 7), ("1.5", 1.5), ("99999", 3600), ("-4", None), ("soon", None), ("", None), ("1e9", None),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)  # fmt: skip
def test_how_long_to_wait_is_read_as_it_is_written_and_bounded(said: str, seconds: float | None) -> None:
    assert Reply(429, {"retry-after": said}, b"").retry_after() == seconds


def test_a_date_to_wait_for_is_held_against_the_servers_own_clock() -> None:
    date = datetime(2001, 5, 1, 12, tzinfo=UTC)
    headers = {"Date": format_datetime(date, usegmt=True)}
    headers["Retry-After"] = format_datetime(date + timedelta(seconds=7), usegmt=True)
    assert Reply(429, headers, b"").retry_after() == 7


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_no_header_upsets_the_reading_of_it(said: str) -> None:
    asked = Reply(429, {"Retry-After": said}, b"").retry_after()
    assert asked is None or 0 <= asked <= http_session.LONGEST_WAIT


# ---- what it means when it breaks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [hangs_up, breaks_off])
def test_a_write_whose_reply_is_lost_may_have_arrived(outside: Outside, trouble: Answer) -> None:
    outside.answers(trouble)
    with outside.session() as session, pytest.raises(NoAnswer) as caught:
        session.send("PATCH", "/a", {"password": TOKEN}, {"Authorization": SecretStr(TOKEN)})
    assert len(outside.asked) == 1
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__


def test_silence_ends_a_read_and_a_write(outside: Outside) -> None:
    def says_nothing(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(1)
        handler.close_connection = True

    for trouble in (says_nothing, drips):
        outside.answers(trouble)
        with outside.session(read_timeout=0.2, tries=1) as session:
            with pytest.raises(Unreachable):
                session.get("/a")
            with pytest.raises(NoAnswer):
                session.send("PATCH", "/a", {})


def test_one_call_with_all_its_tries_ends_in_time(outside: Outside) -> None:
    outside.answers(says(500))
    with HttpSession(outside.url, verify=outside.ca, longest=0.3, tries=50) as session:
        began = time.monotonic()
        assert session.get("/a").status == 500
        assert time.monotonic() - began < 5
    assert len(outside.asked) < 5


def test_where_nobody_listens_nothing_was_sent() -> None:
    with HttpSession(f"https://127.0.0.1:{free_port()}", tries=2, wait=lambda _: None) as session:
        for call in read_and_write(session):
            with pytest.raises(Unreachable) as caught:
                call()
            assert caught.value.cause == "closed-port"


def test_a_name_nobody_knows_is_said_so() -> None:
    with HttpSession("https://nobody.invalid", tries=1) as session, pytest.raises(Unreachable) as caught:
        session.send("PATCH", "/a", {})
    assert caught.value.cause in ("unknown-host", "no-route")


def test_who_cannot_prove_who_it_is_is_sent_nothing_and_explained(outside: Outside) -> None:
    stranger = trustme.CA().cert_pem.bytes().decode()
    with HttpSession(outside.url, verify=stranger, headers={"Authorization": SecretStr(TOKEN)}) as session:
        for call in read_and_write(session):
            with pytest.raises(CertificateRefused) as caught:
                call()
            assert caught.value.cause == "certificate-unknown-issuer"
            assert "127.0.0.1" in str(caught.value)
    assert outside.asked == []


def test_the_machines_own_authorities_are_not_added_to_the_one_given(outside: Outside) -> None:
    with outside.session() as session:
        context = session._session.get_adapter("https://x")._context  # type: ignore[attr-defined]
    assert len(context.get_ca_certs()) == 1


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("vendor.test").configure_cert(context)
    with (
        served(context, authority.cert_pem.bytes().decode()) as outside,
        outside.session() as session,
        pytest.raises(CertificateRefused) as caught,
    ):
        session.get("/a")
    assert caught.value.cause == "certificate-name"
    assert "vendor.test" in str(caught.value)


def test_a_greeting_that_hangs_was_never_a_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with HttpSession(url, connect_timeout=0.2, tries=1) as session, pytest.raises(Unreachable) as caught:
            session.send("PATCH", "/a", {})
    assert caught.value.cause == "tls-handshake"


def test_a_write_that_could_not_leave_in_time_does_not_leave(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    outside.answers(says(204, b""))
    monkeypatch.setattr(http_session, "SEND_WITHIN", -1.0)
    with outside.session() as session, pytest.raises(Unreachable) as caught:
        session.send("PATCH", "/a", {})
    assert caught.value.cause == "too-late"
    assert outside.asked == []


# ---- what comes back -------------------------------------------------------------------------------------------------


def test_a_body_that_grows_too_large_is_not_read_even_when_it_came_packed(outside: Outside) -> None:
    bomb = gzip.compress(bytes(50 * 2**20))
    outside.answers(says(200, bomb, {"Content-Encoding": "gzip"}))
    with outside.session(largest_body=2**20) as session:
        with pytest.raises(Refused) as read:
            session.get("/a")
        with pytest.raises(NoAnswer) as wrote:
            session.send("PATCH", "/a", {})
    assert (read.value.cause, wrote.value.cause) == ("too-large", "too-large")


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_said_so(outside: Outside, body: bytes) -> None:
    outside.answers(says(200, body))
    with outside.session() as session:
        with pytest.raises(Unreachable, match="not JSON"):
            session.get("/a").json()
        with pytest.raises(NoAnswer, match="not JSON"):
            session.send("POST", "/a", {}).json()


def test_a_reply_does_not_show_what_it_holds() -> None:
    assert TOKEN not in repr(Reply(200, {"X": TOKEN}, TOKEN.encode(), "vendor.test"))
