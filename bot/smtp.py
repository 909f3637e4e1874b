"""The mail server, as the outbox of letters needs it: one letter at a time, TLS always verified, every answer one of
Rekey's errors.

Reply codes: RFC 5321 section 4.2 (4yz: not now, 5yz: not at all). A letter is the server's once it has answered the
end of its text; an answer to that which is lost leaves it unknown whether it is (section 6.1).
"""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import parseaddr
from types import TracebackType
from typing import Self

from bot import certificates
from bot.errors import (
    CertificateRefused,
    NoAnswer,
    NotFound,
    OutsideError,
    Refused,
    SignInRefused,
    Throttled,
    Unreachable,
)
from bot.settings import Settings, SmtpTls

_SECONDS = 20.0
"""For each answer: well within the outbox's lease."""
_A_LOOK = 3.0
"""Seconds a second look at a rejected certificate may take."""
_NOT_NOW = 300.0
"""Seconds after which a server that said "not now" is asked again."""


class Smtp:
    """One signed-in connection to the mail server of the settings; a context manager, connected when entered.

    Raises `CertificateRefused`, `SignInRefused`, `Refused`, `Unreachable` (nothing was handed over), `Throttled` (not
    now) or `NoAnswer` (it is unknown whether the server has it).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._host, self._port = str(settings.smtp_host), settings.mail_port
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        settings = self._settings
        try:
            self._connection = self._connected()
            if settings.smtp_user is not None and settings.smtp_password is not None:
                self._connection.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self._hang_up()
            raise self._why_not(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def send(self, letter: EmailMessage) -> None:
        """Hand over one letter, to the address in its `To`."""
        connection = self._connection
        if connection is None:
            raise Unreachable("There is no connection to the mail server.")
        sender, to = (parseaddr(str(letter[name]))[1] for name in ("From", "To"))
        try:
            connection.ehlo_or_helo_if_needed()
            try:
                self._expect(*connection.mail(sender), what="the sender")
                self._expect(*connection.rcpt(to), what="the address")
                self._expect(*connection.docmd("DATA"), what="a letter", good=354)
            except OutsideError:
                connection.rset()  # the next letter begins anew
                raise
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(
                f"{self._where} hung up before the letter was handed over ({type(error).__name__}).", cause="hung-up"
            ) from None
        try:
            connection.send(_ended(letter.as_bytes(policy=letter.policy.clone(linesep="\r\n"))))
            answer = connection.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise NoAnswer(
                f"{self._where} did not say whether it has the letter ({type(error).__name__}).", cause="no-answer"
            ) from None
        self._expect(*answer, what="the letter")

    @property
    def _where(self) -> str:
        return f"The mail server {self._host}:{self._port}"

    def _connected(self) -> smtplib.SMTP:
        host, port, tls = self._host, self._port, self._settings.smtp_tls
        if tls is SmtpTls.NONE:
            return smtplib.SMTP(host, port, timeout=_SECONDS)
        trust = ssl.create_default_context(cafile=self._settings.smtp_ca)
        trust.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls is SmtpTls.IMPLICIT:
            return smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=trust)
        connection = smtplib.SMTP(host, port, timeout=_SECONDS)
        try:
            connection.starttls(context=trust)
        except BaseException:
            connection.close()
            raise
        return connection

    def _expect(self, code: int, said: bytes, *, what: str, good: int = 250) -> None:
        """Nothing when the server agrees; `Throttled` when it says not now, `Refused` when it says no."""
        if code == good or (good == 250 and code == 251):
            return
        words = f"{self._where} does not take {what}: {code} {_readable(said)}"
        if 400 <= code < 500:
            raise Throttled(words, retry_after=_NOT_NOW, cause=str(code))
        if what == "the address":
            raise NotFound(words, cause=str(code))
        raise Refused(words, cause=str(code))

    def _why_not(self, error: Exception) -> OutsideError:
        where = self._where
        if isinstance(error, ssl.SSLError):
            problem = certificates.explain(error, self._host, self._port, self._host, _A_LOOK)
            kind: type[OutsideError] = CertificateRefused if problem.is_certificate else Unreachable
            return kind(f"{problem.what} Nothing was sent to it.", cause=problem.cause, mend=problem.mend)
        if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code < 500:
            return Throttled(f"{where} does not let Rekey in now.", retry_after=_NOT_NOW, cause=str(error.smtp_code))
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return SignInRefused(
                f"{where} refuses Rekey's name and password ({error.smtp_code}).",
                cause="sign-in",
                mend="Set REKEY_SMTP_USER and REKEY_SMTP_PASSWORD right.",
            )
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Refused(
                f"{where} offers no {'sign-in' if 'AUTH' in str(error) else 'STARTTLS'}. Nothing was sent to it.",
                cause="not-offered",
                mend="REKEY_SMTP_TLS says how TLS begins there: starttls or implicit.",
            )
        if isinstance(error, OSError) and error.strerror:
            return Unreachable(f"{where} could not be reached: {error.strerror}.", cause="unreachable")
        return Unreachable(f"{where} could not be reached ({type(error).__name__}).", cause="unreachable")

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (OSError, smtplib.SMTPException):
                connection.close()


def _ended(text: bytes) -> bytes:
    """The text as it goes over the wire: dots at the beginning of lines doubled, and the end."""
    stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in text.split(b"\r\n"))
    return (stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n") + b".\r\n"


def _readable(said: bytes) -> str:
    return " ".join(said.decode("utf-8", "replace").split())[:200]
