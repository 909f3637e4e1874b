"""The ways a pretend directory can fail, one call at a time or for good, and what is true after each.

domain.fails("set_password", with_=Fault.LOST_AFTER, account="alice")    # her next write is done, its answer lost
domain.fails("any", with_=Fault.SIGN_IN_REFUSED, times=None)             # every call, until `heals`
held = Hold()
domain.fails("set_password", with_=held)                                 # stops before anything is done
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from bot.errors import (
    CertificateRefused,
    NoAnswer,
    OutsideError,
    PasswordRefused,
    Refused,
    RightMissing,
    SignInRefused,
    Throttled,
    Unreachable,
)


class Fault(StrEnum):
    """What goes wrong with one call, and what is true afterwards."""

    UNREACHABLE = "unreachable"
    """No connection: nothing was sent."""
    CERTIFICATE_REFUSED = "certificate refused"
    """The server cannot prove who it is: nothing was sent."""
    SIGN_IN_REFUSED = "sign-in refused"
    """The connector may not sign in: nothing was changed."""
    RIGHT_MISSING = "right missing"
    """The connector may not do this: nothing was changed."""
    THROTTLED = "throttled"
    """Too much at once: nothing was changed."""
    REFUSED = "refused"
    """Refused for good: nothing was changed."""
    POLICY = "policy"
    """This password is refused for a reason the policy does not show: nothing was changed."""
    LOST_BEFORE = "lost before"
    """No answer, and the server never did it."""
    LOST_AFTER = "lost after"
    """No answer, and the server did it."""
    OVERTAKEN = "overtaken"
    """It was done and answered, and right after it somebody else reset the password."""
    DIES_AFTER = "dies after"
    """It was done and answered, and then the server went away until it `comes_back`."""


@dataclass(frozen=True)
class Slow:
    """The answer takes so long, and then it is a good one."""

    takes: timedelta


@dataclass(frozen=True)
class Hold:
    """The call stops before anything is done, says so, and goes on once it is let go: for races without sleeping, and
    for killing whoever asked. Unless it is `taken`, nothing is done then, and nothing answered.
    """

    taken: bool = True
    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


Trouble = Fault | OutsideError | Slow | Hold


@dataclass(slots=True)
class _Planned:
    operation: str
    trouble: Trouble
    account: str | None
    left: int | None


class FallibleServer:
    """A pretend server that can be told what is to go wrong, and tells what was asked of it. Safe to share between
    threads.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.calls: list[tuple[str, str | None]] = []
        """Every call a connector made: the operation, and the account's username where there is one."""
        self.lock = threading.RLock()
        self._planned: list[_Planned] = []
        self._away = False

    def fails(self, operation: str, *, with_: Trouble, times: int | None = 1, account: str | None = None) -> None:
        """Let the next calls of this operation (a method of the port, or "any") go wrong: so many times, or for None
        until `heals`; only those for this username where one is given. What was said first comes first.
        """
        with self.lock:
            self._planned.append(_Planned(operation, with_, account, times))

    def heals(self) -> None:
        """Forget every fault that has not happened yet."""
        with self.lock:
            self._planned.clear()

    def goes_away(self) -> None:
        """Let no connection through, until it `comes_back`."""
        self._away = True

    def comes_back(self) -> None:
        """Answer again."""
        self._away = False

    def count(self, operation: str, username: str | None = None) -> int:
        """How often connectors called this operation, for this account where one is given."""
        with self.lock:
            return sum(called == operation and username in (None, account) for called, account in self.calls)

    @contextmanager
    def answering(self, operation: str, username: str | None, overtake: Callable[[], None]) -> Iterator[None]:
        """One call of a connector: its body runs under the lock, and what is to go wrong goes wrong. `overtake` is how
        somebody else resets the account's password.
        """
        with self.lock:
            self.calls.append((operation, username))
            trouble = Fault.UNREACHABLE if self._away else self._next(operation, username)
        try:
            self._before(trouble, username)
            with self.lock:
                yield
                if trouble is Fault.LOST_AFTER:
                    raise self._error(trouble, username)
                if trouble is Fault.OVERTAKEN:
                    overtake()
                if trouble is Fault.DIES_AFTER:
                    self._away = True
        finally:
            if isinstance(trouble, Hold):
                trouble.over.set()

    def _before(self, trouble: Trouble | None, username: str | None) -> None:
        match trouble:
            case None | Fault.LOST_AFTER | Fault.OVERTAKEN | Fault.DIES_AFTER:
                return
            case Slow():
                threading.Event().wait(trouble.takes.total_seconds())
            case Hold():
                trouble.reached.set()
                trouble.let_go.wait()
                if not trouble.taken:
                    raise self._error(Fault.LOST_BEFORE, username)
            case OutsideError():
                raise trouble
            case Fault():
                raise self._error(trouble, username)

    def _next(self, operation: str, username: str | None) -> Trouble | None:
        for planned in self._planned:
            if planned.operation in (operation, "any") and planned.account in (None, username):
                if planned.left is not None:
                    planned.left -= 1
                    if planned.left == 0:
                        self._planned.remove(planned)
                return planned.trouble
        return None

    def _error(self, fault: Fault, username: str | None) -> OutsideError:
        whom = username or "this"
        match fault:
            case Fault.UNREACHABLE:
                return Unreachable(
                    f"{self.server} cannot be reached: the connection was refused. Nothing was changed.",
                    cause="unreachable",
                    mend="Check that it is running and that no firewall is in between.",
                )
            case Fault.CERTIFICATE_REFUSED:
                return CertificateRefused(
                    f"The certificate {self.server} shows was not made for it. Rekey sent it nothing.",
                    cause="certificate-name",
                    mend="Give it a certificate that carries its name.",
                )
            case Fault.SIGN_IN_REFUSED:
                return SignInRefused(
                    f"{self.server} refused Rekey's sign-in: wrong name or password. No password was touched.",
                    cause="sign-in-52e",
                    mend="Give the connection its password again.",
                )
            case Fault.RIGHT_MISSING:
                return RightMissing(
                    f"{self.server} does not let Rekey's account change {whom}. The old password still holds.",
                    cause="right-reset",
                    mend="Grant Rekey's account the right “Reset Password” on this account's organizational unit.",
                )
            case Fault.THROTTLED:
                return Throttled(f"{self.server} is too busy right now. Nothing was changed.", retry_after=0.05)
            case Fault.POLICY:
                return PasswordRefused(
                    f"{self.server} refused the new password for {whom}: its filter knows a word in it. The old one "
                    "still holds.",
                    cause="policy",
                )
            case Fault.LOST_BEFORE | Fault.LOST_AFTER:
                return NoAnswer(f"{self.server} did not answer.", cause="no-answer")
            case _:
                return Refused(
                    f"{self.server} refuses to change {whom}. The old password still holds.", cause="refused"
                )
