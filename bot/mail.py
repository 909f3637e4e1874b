"""The outbox → SMTP: letters to those who want e-mail, written from the rows when they are sent. A lane of its own.

One process at a time holds it, by a lease. Before a letter is handed over, that it may have been is committed. A server
that is away costs nothing but time. One that hung up after the text leaves it unknown whether it has the letter: it is
sent again with the same Message-ID, by which mailboxes know it for the same one. What was taken is never sent again.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from threading import Event

import structlog
from sqlmodel import Session

from blocks.letters import Written
from bot.errors import LeaseLost, NoAnswer, NotFound, OutsideError, Refused, RekeyError, SignInRefused, Throttled
from bot.permissions import may_see, operator_named
from bot.processes import is_dead, own_name
from bot.settings import Settings
from bot.slack import Slack
from bot.smtp import Smtp
from storage.database import Database
from storage.letters import due_letters, get_letter, note_never, note_not_sent, note_sending, note_sent
from storage.models import Letter, now
from storage.outbox import MAIL, acquire, get_outbox, give_up, hold, is_held

Write = Callable[[Session, Letter], Written]
"""Writes a letter of one kind from the rows: the same rows, the same letter. Reads only."""

_AT_ONCE = 50
_POLL_SECONDS = 1.0
_LONGEST_PAUSE = timedelta(minutes=15)
_LONGEST_TRIES = 40
"""Tries after which a letter is given up: some ten hours at the longest pause."""

_log = structlog.get_logger(__name__)


class Mail:
    """Sends the letters that are owed. One per process; not for several threads at once.

    `writes` says how each kind is written, `clock` is what times are kept by.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        slack: Slack,
        writes: Mapping[str, Write],
        *,
        lease: timedelta = timedelta(minutes=5),
        administrators: Collection[str] = (),
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._settings = settings
        self._slack = slack
        self._writes = writes
        self._lease = lease
        self._administrators = administrators
        self._clock = clock
        self._token: int | None = None
        self._domain = parseaddr(str(settings.smtp_from))[1].rpartition("@")[2]

    def run(self, stopping: Event) -> None:
        """Send whatever is owed until told to stop."""
        try:
            while not stopping.wait(_POLL_SECONDS):
                try:
                    self.drain()
                except RekeyError as error:
                    _log.error("mail.failed", reason=str(error))
                except Exception:
                    _log.exception("mail.broken")  # the rows are as they were, and are looked at again
                    stopping.wait(30)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Let another process send."""
        if self._token is not None:
            token, self._token = self._token, None
            with self._database.writing() as session:
                give_up(session, token, MAIL)

    def drain(self) -> int:
        """Send once what is owed and may be tried now; how many letters the server took.

        What is wrong outside is kept in the rows, never raised. Does nothing while another living process is at it.
        """
        due = self._due()
        if not due or not self._own():
            return 0
        sent = 0
        try:
            with Smtp(self._settings) as server:
                for letter_id in due:
                    sent += self._deliver(server, letter_id)
        except LeaseLost as error:
            self._token = None
            _log.warning("mail.lost", reason=str(error))
        except OutsideError as error:
            self._away(error)
        return sent

    def _due(self) -> list[int]:
        at = self._clock()
        with self._database.reading() as session:
            outbox = get_outbox(session, MAIL)
            if outbox.backoff_until is not None and outbox.backoff_until > at:
                return []
            if self._token is None and is_held(outbox, is_dead):
                return []
            return due_letters(session, at, _AT_ONCE)

    def _own(self) -> bool:
        """Whether it is this process that sends, for the time of a lease from now on."""
        try:
            with self._database.writing() as session:
                if self._token is None:
                    self._token = acquire(session, own_name(), self._lease, is_dead, MAIL)
                else:
                    hold(session, self._token, MAIL).lease_until = now() + self._lease
        except LeaseLost:
            self._token = None
        return self._token is not None

    def _deliver(self, server: Smtp, letter_id: int) -> bool:
        """Whether the server took it. Raises what concerns the server rather than this letter."""
        try:
            letter = self._written(letter_id)
        except OutsideError as error:  # Slack is away: where it goes is not known
            self._later(letter_id, error)
            return False
        except Exception as error:  # one letter that cannot be written must not hold up the others
            _log.exception("letter.broken", letter=letter_id)
            reason = str(error) if isinstance(error, RekeyError) else type(error).__name__
            self._later(letter_id, Refused(f"Rekey itself failed to write it: {reason}"))
            return False
        if isinstance(letter, str):
            with self._database.writing() as session:
                note_never(session, letter_id, letter)
            _log.info("letter.not_sent", letter=letter_id, reason=letter)
            return False
        with self._database.writing() as session:
            self._hold(session)
            note_sending(session, letter_id, self._clock())
        try:
            server.send(letter)
        except NotFound as error:
            with self._database.writing() as session:
                note_never(session, letter_id, str(error))
            return False
        except (Refused, Throttled) as error:
            self._later(letter_id, error)
            return False
        except OutsideError as error:
            self._later(letter_id, error)
            raise
        with self._database.writing() as session:
            note_sent(session, letter_id)
            outbox = get_outbox(session, MAIL)
            outbox.failures, outbox.failure_reason, outbox.backoff_until = 0, "", None
        return True

    def _written(self, letter_id: int) -> EmailMessage | str:
        """The letter, or why it is for nobody any more."""
        with self._database.reading() as session:
            self._hold(session)
            letter = get_letter(session, letter_id)
            operator = operator_named(session, letter.operator, "letter", self._administrators)
            if not operator.roles:
                return "This person has no role in Rekey any more."
            if letter.organization_id is not None and not may_see(operator, letter.organization_id).allowed:
                return may_see(operator, letter.organization_id).reason
            written = self._writes[letter.kind](session, letter)
        address = self._slack.email_of(letter.operator)
        if address is None:
            return "Slack shows no e-mail address of this person, or they are deactivated."
        try:
            to = Address(addr_spec=address)
        except (ValueError, IndexError):
            return "The e-mail address Slack shows of this person is none."
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = str(self._settings.smtp_from), to, written.subject
        message["Date"] = format_datetime(letter.created_at)
        message["Message-ID"] = f"<{letter.uid}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office answers it
        message.set_content(written.text)
        message.add_alternative(written.html, subtype="html")
        return message

    def _hold(self, session: Session) -> None:
        if self._token is None:
            raise LeaseLost("Another process sends letters now; this one sends nothing more.")
        hold(session, self._token, MAIL)

    def _later(self, letter_id: int, error: OutsideError) -> None:
        with self._database.writing() as session:
            letter = get_letter(session, letter_id)
            if letter.tries + 1 >= _LONGEST_TRIES:
                note_never(session, letter_id, f"Given up after {letter.tries + 1} tries. {error}")
                return
            pause = min(timedelta(seconds=2.0 ** min(letter.tries + 3, 12)), _LONGEST_PAUSE)
            if isinstance(error, Throttled):
                pause = max(pause, timedelta(seconds=error.retry_after))
            note_not_sent(session, letter_id, str(error), self._clock() + pause, in_doubt=isinstance(error, NoAnswer))
        _log.warning("letter.later", letter=letter_id, cause=error.cause, reason=str(error))

    def _away(self, error: OutsideError) -> None:
        """The server itself: nothing is tried for a while, and the letters keep their turn."""
        with self._database.writing() as session:
            outbox = get_outbox(session, MAIL)
            outbox.failures += 1
            outbox.failure_reason = f"{error} {error.mend}".strip()
            pause = timedelta(seconds=2.0 ** min(outbox.failures, 12))
            if isinstance(error, SignInRefused):  # asking again soon could lock the mailbox
                pause = _LONGEST_PAUSE
            outbox.backoff_until = self._clock() + min(pause, _LONGEST_PAUSE)
            failures = outbox.failures
            session.add(outbox)
        if failures == 1:
            _log.warning("mail.away", cause=error.cause, reason=str(error))
