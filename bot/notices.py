"""The outbox → Slack: one process at a time, at the pace Slack allows, nothing lost and nothing posted twice.

A notice is drawn from the rows at the moment it is sent, so whatever changed meanwhile is one edit. Before a message is
first posted, that it may have been is committed: after a crash or a lost reply it is looked for in the channel by the
uid it carries. Slack being away changes nothing here: what is owed stays owed.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from threading import Event

import structlog
from sqlmodel import Session

from blocks.drawn import Drawn
from bot import channels
from bot.errors import (
    LeaseLost,
    NoAnswer,
    OutsideError,
    Refused,
    RekeyError,
    RightMissing,
    SignInRefused,
    Throttled,
    Unreachable,
)
from bot.pace import Pace
from bot.permissions import may_see, operator_named
from bot.processes import is_dead, own_name
from bot.slack import Slack
from storage.database import Database
from storage.models import Notice, Organization, now
from storage.notices import (
    forget_message,
    get_notice,
    latest_posts,
    note_posted,
    note_posting,
    note_sent,
    note_trouble,
    note_undeliverable,
    owed,
)
from storage.outbox import acquire, get_outbox, give_up, hold, is_held

Draw = Callable[[Session, Notice], Drawn]
"""Draws a notice of one kind from the rows: the same rows, the same picture. Reads only."""

APART = timedelta(seconds=1)
"""Between two messages in a channel, and two edits of a message (docs.slack.dev/apis/web-api/rate-limits)."""
_SETTLED = timedelta(seconds=5)
"""How long a post whose reply was lost may still be on its way: only then is it looked for."""
_SKEW = timedelta(hours=1)
"""How far our clock may be from Slack's."""
_KNOWN_FOR = timedelta(minutes=5)
"""How long it is believed that a channel is not shared outside, when no event says otherwise."""
_LONGEST_ABSENCE = timedelta(seconds=30)
_LONGEST_LOST = timedelta(minutes=1)
_AT_ONCE = 200
_POLL_SECONDS = 0.25

_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_NOBODY = {"user_disabled", "user_not_found", "user_not_visible", "cannot_dm_bot", "users_not_found"}
_NOT_OFFERED = {"unknown_method", "missing_scope", "not_implemented"}

_log = structlog.get_logger(__name__)


class Notices:
    """Empties the outbox. One per process; not for several threads at once.

    `draws` says how each kind is drawn. `clock` is what times are kept by.
    """

    def __init__(
        self,
        database: Database,
        slack: Slack,
        draws: Mapping[str, Draw],
        *,
        administrators: Collection[str] = (),
        lease: timedelta = timedelta(seconds=60),
        longest_pause: timedelta = timedelta(minutes=15),
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._slack = slack
        self._draws = draws
        self._administrators = administrators
        self._lease = lease
        self._longest_pause = longest_pause
        self._clock = clock
        self._pace = Pace(clock)
        self._internal: dict[str, datetime] = {}
        """Channels known not to be shared outside, and when that was asked."""
        self._token: int | None = None
        self._renewed = clock()

    def run(self, stopping: Event) -> None:
        """Send whatever is owed, as soon as it may be, until told to stop."""
        try:
            while not stopping.wait(_POLL_SECONDS):
                try:
                    self.drain()
                except RekeyError as error:
                    _log.error("notices.failed", reason=str(error))
                except Exception:
                    # A defect must not silence the bot: the rows are as they were, and are looked at again.
                    _log.exception("notices.broken")
                    stopping.wait(_LONGEST_ABSENCE.total_seconds())
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Let another process talk to Slack."""
        if self._token is not None:
            token, self._token = self._token, None
            with self._database.writing() as session:
                give_up(session, token)

    def drain(self) -> int:
        """Send once what is owed and may be sent at this moment; how many notices Slack has as they should be now.

        What is wrong outside is kept in the rows, never raised. Does nothing while another living process is at it.
        """
        due = self._due()
        if not due or not self._own():
            return 0
        done = 0
        for notice_id, method, where in due:
            if self._pace.ready_at(method, where) > self._clock():
                continue
            try:
                self._deliver(notice_id)
                done += 1
            except LeaseLost as error:
                self._token = None
                _log.warning("notices.lost", reason=str(error))
                break
            except Throttled as error:
                self._throttled(notice_id, error)
            except (NoAnswer, Unreachable, SignInRefused, RightMissing) as error:
                self._away(notice_id, error)
                break
            except Refused as error:
                self._refused(notice_id, error)
            except Exception as error:  # one picture that cannot be drawn must not hold up the others
                _log.exception("notice.broken", notice=notice_id)
                drawing = str(error) if isinstance(error, RekeyError) else type(error).__name__
                self._trouble(notice_id, f"Rekey itself failed to draw it: {drawing}")
        return done

    # ---- whose turn, and what is due ---------------------------------------------------------------------------------

    def _due(self) -> list[tuple[int, str, str]]:
        """What may be sent now: the notice, the call it takes, and the channel where that is paced by channel."""
        at = self._clock()
        with self._database.reading() as session:
            outbox = get_outbox(session)
            if outbox.backoff_until is not None and outbox.backoff_until > at:
                return []
            if self._token is None and is_held(outbox, is_dead):  # looked at without keeping writers waiting
                return []
            notices = owed(session, at, _AT_ONCE)
            latest = latest_posts(session, {each.address for each in notices if each.ts is None})
        due = []
        for notice in notices:
            if notice.ts is not None:
                due.append((notice.id, "chat.delete" if notice.withdrawn else "chat.update", ""))
            elif notice.posting_at is not None and notice.posting_at + _SETTLED > at:
                continue
            elif notice.address not in latest or latest[notice.address] + APART <= at:
                latest[notice.address] = at
                due.append((notice.id, "chat.postMessage", notice.address))
        return due

    def _own(self) -> bool:
        """Whether it is this process that talks to Slack, now and for a while."""
        if self._token is not None:
            self._keep()
            return self._token is not None
        with self._database.writing() as session:
            self._token = acquire(session, own_name(), self._lease, is_dead)
        self._renewed = self._clock()
        return self._token is not None

    def _keep(self) -> None:
        """Renew the lease once a third of it is gone. `LeaseLost` is not raised here but by the next call outside."""
        if self._token is None or self._clock() - self._renewed < self._lease / 3:
            return
        try:
            with self._database.writing() as session:
                hold(session, self._token).lease_until = now() + self._lease
            self._renewed = self._clock()
        except LeaseLost:
            self._token = None

    def _held(self) -> int:
        if self._token is None:
            raise LeaseLost("Another process talks to Slack now; this one sends nothing more.")
        return self._token

    # ---- one notice --------------------------------------------------------------------------------------------------

    def _deliver(self, notice_id: int) -> None:
        self._keep()
        with self._database.reading() as session:
            hold(session, self._held())
            notice = get_notice(session, notice_id)
            if notice.wanted <= notice.sent:
                return
            stranger = self._why_not_theirs(session, notice)
            in_doubt = not _is_person(notice.address) and channels.is_in_doubt(session, notice)
            drawn = None if notice.withdrawn or stranger else self._draws[notice.kind](session, notice)
        if in_doubt:
            self._internal.pop(notice.address, None)
        if stranger:
            with self._database.writing() as session:
                note_undeliverable(session, notice.id, stranger)
        elif drawn is None:
            self._take_away(notice)
        elif notice.ts is not None:
            self._edit(notice, drawn)
        else:
            self._post(notice, drawn)

    def _why_not_theirs(self, session: Session, notice: Notice) -> str:
        """A direct message about an organization is only for who holds a role there at this moment."""
        if not _is_person(notice.address) or notice.organization_id is None:
            return ""
        operator = operator_named(session, notice.address, "notice", self._administrators)
        return may_see(operator, notice.organization_id).reason

    def _edit(self, notice: Notice, drawn: Drawn) -> None:
        channel, ts = str(notice.channel), str(notice.ts)
        if drawn.digest == notice.shown:
            with self._database.writing() as session:
                note_sent(session, notice.id, notice.wanted, self._clock(), shown=notice.shown, apart=APART)
            return
        self._check_standing(notice)
        self._before("chat.update")
        self._slack.edit(channel, ts, drawn.text, drawn.blocks)
        self._sent(notice, drawn.digest)

    def _post(self, notice: Notice, drawn: Drawn) -> None:
        channel = notice.channel or self._open(notice)
        self._check_standing(notice)
        known = self._look_for(notice, channel)
        if known is not None:
            with self._database.writing() as session:
                hold(session, self._held())
                note_posted(session, notice.id, channel, known)
            return  # what it shows is not known: it stays owed, and is edited next
        self._before("chat.postMessage", notice.address)
        with self._database.writing() as session:
            hold(session, self._held())
            note_posting(session, notice.id, channel, self._clock())
        try:
            ts = self._slack.post(channel, drawn.text, drawn.blocks, notice.uid)
        except (Refused, Throttled, Unreachable):
            with self._database.writing() as session:
                forget_message(session, notice.id)  # it is known that there is none
            raise
        self._sent(notice, drawn.digest, posted=(channel, ts))

    def _take_away(self, notice: Notice) -> None:
        ts = notice.ts or (self._look_for(notice, notice.channel) if notice.channel else None)
        if ts is not None:
            self._before("chat.delete")
            try:
                self._slack.delete(str(notice.channel), ts)
            except Refused as error:
                if error.cause not in _GONE:
                    raise
        self._sent(notice, "")

    def _open(self, notice: Notice) -> str:
        """The channel a notice goes to: its address, or the direct messages with that person."""
        if not _is_person(notice.address):
            return notice.address
        self._before("conversations.open")
        return self._slack.open_direct(notice.address)

    def _look_for(self, notice: Notice, channel: str) -> str | None:
        """The message, if a post whose end nobody saw did reach Slack."""
        if notice.posting_at is None:
            return None
        self._before("conversations.history")
        try:
            around = notice.posting_at - _SKEW, notice.posting_at + _SKEW
            return self._slack.find(channel, notice.uid, *(each.timestamp() for each in around))
        except OutsideError as error:
            if error.cause not in _NOT_OFFERED:
                raise
            _log.warning("notice.not_looked_for", notice=notice.id, reason=str(error))
            return None

    def _check_standing(self, notice: Notice) -> None:
        """`Refused` where people of other companies read along."""
        channel, at = notice.address, self._clock()
        if _is_person(channel) or at - self._internal.get(channel, at - _KNOWN_FOR) < _KNOWN_FOR:
            return
        self._before("conversations.info")
        try:
            shared = self._slack.shared_outside(channel)
        except OutsideError as error:
            if error.cause not in _NOT_OFFERED:
                raise
            shared = False
        if shared:
            raise Refused("The channel is shared with another company.", cause=channels.SHARED_OUTSIDE)
        self._internal[channel] = at

    def _before(self, method: str, where: str = "") -> None:
        """Every call outside begins here: still ours, and not too soon."""
        self._keep()
        self._held()
        self._pace.take(method, where)

    def _sent(self, notice: Notice, shown: str, posted: tuple[str, str] | None = None) -> None:
        at = self._clock()
        with self._database.writing() as session:
            if posted is not None:
                note_posted(session, notice.id, *posted)
            note_sent(session, notice.id, notice.wanted, at, shown=shown, apart=APART)
            if not _is_person(notice.address) and (notice.trouble or channels.is_in_doubt(session, notice)):
                channels.mended(session, notice.address)
            outbox = get_outbox(session)
            if outbox.failures:
                _log.info("slack.back", failures=outbox.failures)
                outbox.failures, outbox.failure_reason, outbox.backoff_until = 0, "", None

    # ---- what can be wrong -------------------------------------------------------------------------------------------

    def _throttled(self, notice_id: int, error: Throttled) -> None:
        """Slack, or our own pace, says when: nothing of this kind before."""
        until = self._clock() + timedelta(seconds=error.retry_after)
        self._pace.hold_back(until)
        with self._database.writing() as session:
            get_notice(session, notice_id).due_at = until

    def _away(self, notice_id: int, error: OutsideError) -> None:
        """Slack cannot be reached, or refuses us altogether: everything waits, this notice perhaps a little longer."""
        at = self._clock()
        with self._database.writing() as session:
            outbox = get_outbox(session)
            outbox.failures += 1
            outbox.failure_reason = str(error)
            outbox.backoff_until = at + min(timedelta(seconds=2.0 ** min(outbox.failures - 1, 10)), _LONGEST_ABSENCE)
            failures = outbox.failures
            session.add(outbox)
            if isinstance(error, NoAnswer):  # perhaps it is this very message that Slack chokes on
                tries = get_notice(session, notice_id).tries
                pause = min(_SETTLED * 2 ** min(tries, 10), _LONGEST_LOST)
                note_trouble(session, notice_id, str(error), at + pause)
        if failures == 1:
            _log.warning("slack.away", cause=error.cause, reason=str(error))

    def _refused(self, notice_id: int, error: Refused) -> None:
        with self._database.writing() as session:
            notice = get_notice(session, notice_id)
            if error.cause in _GONE and notice.ts is not None:
                if notice.ended_at is not None:
                    note_undeliverable(session, notice_id, "Somebody deleted the message.")
                else:
                    forget_message(session, notice_id)
                return
            if _is_person(notice.address) and error.cause in _NOBODY:
                note_undeliverable(session, notice_id, "This person cannot be reached in Slack any more.")
                return
            if channels.is_about_channel(error.cause) and not _is_person(notice.address):
                self._internal.pop(notice.address, None)
                if channels.moved(session, notice):
                    return
                organization = session.get(Organization, notice.organization_id) if notice.organization_id else None
                if organization is not None:
                    channels.tell(session, organization, error.cause, self._administrators)
                happened, to_do = channels.words(error.cause)
                self._note(session, notice, f"{happened} {to_do}")
                return
            self._note(session, notice, str(error))
        _log.error("notice.refused", notice=notice_id, reason=str(error))

    def _trouble(self, notice_id: int, why: str) -> None:
        with self._database.writing() as session:
            self._note(session, get_notice(session, notice_id), why)

    def _note(self, session: Session, notice: Notice, why: str) -> None:
        pause = min(timedelta(seconds=30) * 2 ** min(notice.tries, 10), self._longest_pause)
        note_trouble(session, notice.id, why, self._clock() + pause)


def _is_person(address: str) -> bool:
    return address.startswith(("U", "W"))
