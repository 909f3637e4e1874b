"""Letters go out over verified TLS, once, to whoever may still read them; on a real mail server in this process."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as Dialogue
from pydantic import SecretStr
from sqlmodel import Session

from blocks.letters import Part, Written, letter
from bot.errors import CertificateRefused, NoAnswer, NotFound, Refused, SignInRefused, Throttled, Unreachable
from bot.mail import Mail
from bot.settings import Settings, SmtpTls
from bot.slack import Slack
from bot.smtp import Smtp
from storage.database import Database
from storage.grants import set_operators
from storage.letters import get_letter, write_letter
from storage.models import Letter, Organization, Outbox, Role, now
from storage.outbox import MAIL, acquire
from tests.ports import free_port
from tests.storage.databases import migrated_database

PASSWORD = "mail-Pa55-of-a-test"
ALICE, BOB = "U0ALICE", "U0BOB"


class MailServer:
    """A mail server that keeps what it took, and can be told to behave badly."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.said: list[str] = []
        """What it answers instead, to the end of the next letters: `451 later`; `hang up` after taking one."""
        self.unknown: set[str] = set()

    async def handle_RCPT(
        self, _server: SMTP, _dialogue: Dialogue, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 nobody here by that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _dialogue: Dialogue, envelope: Envelope) -> str:
        said = self.said.pop(0) if self.said else ""
        if said and said != "hang up":
            return said
        self.taken.append(message_from_bytes(cast(bytes, envelope.original_content), policy=default))
        if said == "hang up":
            cast(Any, server.transport).abort()
        return "250 OK"


def _authenticate(_server: object, _dialogue: object, _envelope: object, _how: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"rekey", PASSWORD.encode()), handled=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def serving(
    folder: Path, authority: trustme.CA, tls: SmtpTls, *, name: str = "127.0.0.1"
) -> Iterator[tuple[MailServer, Settings]]:
    """A mail server on loopback, and settings that lead to it."""
    handler = MailServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    ca = folder / "mail-ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    options: dict[str, Any] = {"authenticator": _authenticate, "auth_require_tls": tls is SmtpTls.STARTTLS}
    if tls is SmtpTls.IMPLICIT:
        options |= {"ssl_context": context}
    elif tls is SmtpTls.STARTTLS:
        options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield handler, settings(controller.port, tls=tls, ca=ca)
    finally:
        controller.stop()


def settings(port: int, *, tls: SmtpTls, ca: Path | None = None, password: str = PASSWORD) -> Settings:
    return Settings(
        _env_prefix="REKEY_MAIL_TEST_",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_tls=tls,
        smtp_ca=ca,
        smtp_user="rekey",
        smtp_password=SecretStr(password),
        smtp_from="Rekey <rekey@msp.test>",
    )


def a_letter(to: str = "alice@msp.test") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Rekey <rekey@msp.test>", to, "Grüße"
    message.set_content("one\n.two\n..three\n")
    return message


class Addresses:
    """Whom Slack shows which address of."""

    def __init__(self) -> None:
        self.known = {ALICE: "alice@msp.test", BOB: "bob@msp.test"}

    def email_of(self, person: str) -> str | None:
        return self.known.get(person)


class MailRoom:
    """A database with letters, a mail server, and what sends between them, on a clock that can be moved."""

    def __init__(self, database: Database, server: MailServer, settings: Settings) -> None:
        self.database, self.server, self.settings = database, server, settings
        self.addresses = Addresses()
        self._ahead = timedelta()
        with database.writing() as session:
            acme = Organization(name="Acme Dental", name_key="acme dental")
            session.add(acme)
            session.flush()
            self.acme = acme.id
            set_operators(session, Role.VIEWER, acme.id, [ALICE, BOB])
        self.mail = self.another()

    def another(self) -> Mail:
        slack = cast(Slack, self.addresses)
        return Mail(self.database, self.settings, slack, {"result": _write}, clock=self.now)

    def now(self) -> datetime:
        return now() + self._ahead

    def advance(self, time: timedelta) -> None:
        self._ahead += time

    def owe(self, operator: str = ALICE, subject: int = 1) -> int:
        with self.database.writing() as session:
            return write_letter(
                session, kind="result", operator=operator, subject=subject, organization_id=self.acme
            ).id

    def letter(self, letter_id: int) -> Letter:
        with self.database.reading() as session:
            return get_letter(session, letter_id)

    def outbox(self) -> Outbox:
        with self.database.reading() as session:
            return session.get_one(Outbox, MAIL)

    def subjects(self) -> list[str]:
        return [str(each["Subject"]) for each in self.server.taken]


def _write(_session: Session, letter_: Letter) -> Written:
    return letter(f"Result {letter_.subject}", [Part("All <b>well</b> & good.", "At Äcme")], small=["Small print."])


@pytest.fixture
def room(request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA) -> Iterator[MailRoom]:
    with (
        migrated_database("sqlite", request, tmp_path) as database,
        serving(tmp_path, authority, SmtpTls.STARTTLS) as (server, there),
    ):
        yield MailRoom(database, server, there)


# ---- the server ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", list(SmtpTls))
def test_a_letter_arrives_whole_whichever_way_tls_begins(tmp_path: Path, authority: trustme.CA, tls: SmtpTls) -> None:
    with serving(tmp_path, authority, tls) as (server, there), Smtp(there) as connection:
        connection.send(a_letter())
        connection.send(a_letter("bob@msp.test"))
    assert [str(each["To"]) for each in server.taken] == ["alice@msp.test", "bob@msp.test"]
    assert [str(each["Subject"]) for each in server.taken] == ["Grüße", "Grüße"]
    assert str(server.taken[0].get_payload()).splitlines() == ["one", ".two", "..three"]


@pytest.mark.parametrize("tls", [SmtpTls.STARTTLS, SmtpTls.IMPLICIT])
def test_a_server_that_cannot_prove_who_it_is_gets_neither_password_nor_letter(
    tmp_path: Path, authority: trustme.CA, tls: SmtpTls
) -> None:
    with serving(tmp_path, authority, tls, name="somebody.else.test") as (server, there):
        with pytest.raises((CertificateRefused, Unreachable), match="Nothing was sent to it"), Smtp(there):
            pass
        assert server.taken == []


def test_without_starttls_nothing_is_sent_in_the_clear(tmp_path: Path, authority: trustme.CA) -> None:
    with serving(tmp_path, authority, SmtpTls.NONE) as (server, there):
        stripped = settings(there.mail_port, tls=SmtpTls.STARTTLS)
        with pytest.raises(Refused, match="offers no STARTTLS"), Smtp(stripped):
            pass
        assert server.taken == []


def test_a_wrong_password_is_said_without_saying_it(tmp_path: Path, authority: trustme.CA) -> None:
    with serving(tmp_path, authority, SmtpTls.STARTTLS) as (_, there):
        wrong = settings(there.mail_port, tls=SmtpTls.STARTTLS, ca=there.smtp_ca, password="wr0ng-of-a-test")
        with pytest.raises(SignInRefused) as caught, Smtp(wrong):
            pass
    assert "wr0ng" not in repr(caught.value) + str(caught.value.__context__)
    assert "REKEY_SMTP_PASSWORD" in caught.value.mend


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="could not be reached"), Smtp(settings(9, tls=SmtpTls.STARTTLS)):
        pass


@pytest.mark.parametrize(("said", "error"), [("451 4.3.0 later", Throttled), ("554 5.7.1 spam", Refused)])
def test_what_the_server_says_of_a_letter_tells_whether_to_try_again(
    tmp_path: Path, authority: trustme.CA, said: str, error: type[Exception]
) -> None:
    with serving(tmp_path, authority, SmtpTls.STARTTLS) as (server, there), Smtp(there) as connection:
        server.said, server.unknown = [said], {"nobody@msp.test"}
        with pytest.raises(error, match=said[:3]):
            connection.send(a_letter())
        with pytest.raises(NotFound, match="nobody here"):
            connection.send(a_letter("nobody@msp.test"))
        connection.send(a_letter())  # and the connection is as good as before
    assert len(server.taken) == 1


def test_hanging_up_after_the_text_leaves_it_unknown(tmp_path: Path, authority: trustme.CA) -> None:
    with serving(tmp_path, authority, SmtpTls.STARTTLS) as (server, there), Smtp(there) as connection:
        server.said = ["hang up"]
        with pytest.raises(NoAnswer):
            connection.send(a_letter())
        with pytest.raises(Unreachable):
            connection.send(a_letter())


# ---- the letters -----------------------------------------------------------------------------------------------------


def test_a_letter_is_sent_once_as_text_and_as_html_and_escapes_what_comes_from_outside(room: MailRoom) -> None:
    room.owe()
    assert (room.mail.drain(), room.mail.drain()) == (1, 0)
    [message] = room.server.taken
    assert isinstance(message, EmailMessage)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "At Äcme\nAll <b>well</b> & good." in text.get_content().replace("\r\n", "\n")
    assert "All &lt;b&gt;well&lt;/b&gt; &amp; good." in html.get_content()
    assert message["To"] == "alice@msp.test"
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_letter_in_doubt_is_sent_again_under_the_same_id(room: MailRoom) -> None:
    room.server.said = ["hang up"]
    letter_id = room.owe()
    assert room.mail.drain() == 0
    kept = room.letter(letter_id)
    assert (kept.ended_at, kept.tries) == (None, 1)
    assert kept.sending_at is not None
    room.advance(timedelta(minutes=2))
    assert room.mail.drain() == 1
    first, second = room.server.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert room.letter(letter_id).ended_at is not None


def test_a_server_that_is_away_is_looked_at_again_and_costs_no_letter(room: MailRoom) -> None:
    port, room.settings = room.settings, settings(9, tls=SmtpTls.STARTTLS)
    room.mail = room.another()
    letter_id = room.owe()
    for _ in range(5):
        assert room.mail.drain() == 0
    outbox = room.outbox()
    assert outbox.failures == 1
    assert "could not be reached" in outbox.failure_reason
    assert room.letter(letter_id).tries == 0
    room.mail.let_go()
    room.settings, room.mail = port, room.mail
    room.mail = room.another()
    room.advance(timedelta(minutes=1))
    assert room.mail.drain() == 1
    assert room.outbox().failures == 0


def test_one_letter_that_is_refused_does_not_hold_up_the_others(room: MailRoom) -> None:
    room.server.unknown = {"alice@msp.test"}
    refused, good = room.owe(ALICE), room.owe(BOB)
    assert room.mail.drain() == 1
    assert "nobody here" in room.letter(refused).trouble
    assert room.letter(refused).ended_at is not None
    assert room.letter(good).trouble == ""


def test_whoever_lost_their_role_or_their_address_gets_no_letter(room: MailRoom) -> None:
    lost, gone = room.owe(ALICE), room.owe(BOB)
    room.addresses.known.pop(BOB)
    with room.database.writing() as session:
        set_operators(session, Role.VIEWER, room.acme, [BOB])
    assert room.mail.drain() == 0
    assert "no role" in room.letter(lost).trouble
    assert "no e-mail address" in room.letter(gone).trouble
    assert room.server.taken == []


def test_only_one_process_sends(room: MailRoom) -> None:
    with room.database.writing() as session:
        acquire(session, "another-host 1 1.0", timedelta(minutes=5), lambda _: False, MAIL)
    room.owe()
    assert room.mail.drain() == 0
    assert room.server.taken == []


def test_a_process_that_froze_sends_nothing_once_another_took_over(room: MailRoom) -> None:
    room.owe(subject=1)
    assert room.mail.drain() == 1
    with room.database.writing() as session:
        acquire(session, "another-host 1 1.0", timedelta(minutes=5), lambda _: True, MAIL)
    room.owe(subject=2)
    assert room.mail.drain() == 0
    assert room.subjects() == ["Result 1"]


def test_the_same_news_waits_as_one_letter(room: MailRoom) -> None:
    assert room.owe() == room.owe()
    assert room.mail.drain() == 1
    assert room.owe() != 1  # what happens after it was sent is news again
    assert room.mail.drain() == 1
