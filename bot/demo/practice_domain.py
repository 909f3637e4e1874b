"""A pretend directory's own side: its accounts, its clock, its rules, and the ways it can fail.

It refuses what a Windows domain refuses, with two liberties: groups are known by name, and nothing is replicated.
Whoever drives it (a test, the tour) speaks of accounts by username:

    domain = PracticeDomain("ACME", "acme.test")
    domain.person("alice", password="Spring-2019!", display_name="Alice O'Brien")
    domain.fails("set_password", with_=Fault.LOST_AFTER, account="alice")
    domain.signs_in("alice", "Spring-2019!")

A domain is shared between threads; every method takes its lock.
"""

import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.demo.practice_clock import PracticeClock
from bot.demo.practice_faults import FallibleServer
from bot.errors import NotFound, PasswordRefused
from bot.passwords import PasswordPolicy, name_parts, shortcomings, strictest
from storage.models import Tier

PRIVILEGED_GROUPS = frozenset(
    {
        "Administrators",
        "Domain Admins",
        "Enterprise Admins",
        "Schema Admins",
        "Account Operators",
        "Backup Operators",
        "Print Operators",
        "Server Operators",
    }
)
PROTECTED_USERS = "Protected Users"

_NO_TIME = timedelta()


class SignIn(StrEnum):
    """What a domain answers to somebody who signs in; the numbers are Windows' own."""

    ACCEPTED = "accepted"
    WRONG = "52e"
    HOURS = "530"
    DISABLED = "533"
    ACCOUNT_EXPIRED = "701"
    MUST_CHANGE = "773"
    LOCKED = "775"
    PROTECTED = "protected"
    """A member of Protected Users: this way of signing in tells nothing."""


@dataclass(frozen=True, slots=True)
class PracticePolicy:
    """A domain's, or a fine-grained, password policy. A threshold of 0 never locks."""

    length: int = 7
    complexity: bool = True
    history: int = 24
    minimum_age: timedelta = timedelta(days=1)
    lockout_threshold: int = 5
    observation_window: timedelta = timedelta(minutes=30)
    lockout_duration: timedelta = timedelta(minutes=30)
    banned: tuple[str, ...] = ()
    """Words a password filter refuses; the policy that can be read does not show them."""
    resets_obey_all: bool = False
    """Whether a reset has to respect history and minimum age too, as it does through Entra's writeback."""


@dataclass(slots=True)
class PracticeAccount:
    """One account as the domain keeps it; its passwords stay out of its repr."""

    object_id: str
    username: str
    password: str = field(repr=False)
    password_set_at: datetime
    display_name: str | None = None
    mail: str | None = None
    ou: str = "Users"
    groups: tuple[str, ...] = ()
    spns: tuple[str, ...] = ()
    enabled: bool = True
    must_change: bool = False
    smartcard: bool = False
    guard: str | None = None
    """Why it is never rotated, in a sentence, for what is not said by the other fields."""
    connector: bool = False
    """Rekey signs in with it."""
    immutable_id: str | None = None
    """What Entra Connect calls the person; see `SeenAccount.immutable_id`."""
    sid: str | None = None
    synced: bool = False
    """A cloud account whose password arrives from another domain (`arrives`), and is never set here."""
    expired: bool = False
    out_of_hours: bool = False
    resettable: bool = True
    """Whether the connector has the right to reset this account."""
    policy: PracticePolicy | None = None
    """A fine-grained policy; None is the domain's."""
    earlier: list[str] = field(default_factory=list, repr=False)
    """Passwords it had before, latest first."""
    bad_sign_ins: list[datetime] = field(default_factory=list)
    locked_at: datetime | None = None
    changed: int = 0
    times_set: int = 1
    """How many passwords this account ever took from anybody, its first one included."""


class PracticeDomain(FallibleServer):
    """A domain with its accounts, shared by everybody who connects to it."""

    def __init__(
        self,
        name: str = "ACME",
        dns_name: str = "acme.test",
        *,
        policy: PracticePolicy | None = None,
        clock: PracticeClock | None = None,
        old_password_grace: timedelta = timedelta(minutes=60),
        resets_administrators: bool = True,
    ) -> None:
        super().__init__(server=f"dc1.{dns_name}")
        self.name = name
        self.dns_name = dns_name
        self.policy = policy or PracticePolicy()
        self.clock = clock or PracticeClock()
        self.old_password_grace = old_password_grace
        """How long the password before the present one is still let in, as Windows does (OldPasswordAllowedPeriod)."""
        self.resets_administrators = resets_administrators
        """Whether the connector may reset privileged accounts: a delegated one may not."""
        self.uid = uuid.uuid4().hex
        self.changes = 0
        self._accounts: dict[str, PracticeAccount] = {}
        self._removed: dict[str, int] = {}
        self._nested: dict[str, set[str]] = {}

    # ---- who is there --------------------------------------------------------------------------------------------

    def person(
        self, username: str, password: str, *, set_ago: timedelta = timedelta(days=90), **details: Any
    ) -> PracticeAccount:
        """Create an account, as it has been for a while: its first password need not satisfy the policy. `details` are
        fields of `PracticeAccount`.
        """
        with self.lock:
            own = uuid.uuid5(uuid.NAMESPACE_DNS, f"{username}.{self.dns_name}")
            account = PracticeAccount(
                object_id=str(own),
                username=username,
                password=password,
                password_set_at=self.clock.now() - set_ago,
                **{
                    "immutable_id": b64encode(own.bytes_le).decode(),
                    "sid": f"S-1-5-21-{own.fields[0]}-{len(self._accounts) + 1000}",
                    **details,
                },
            )
            self._accounts[account.object_id] = account
            self.touched(account)
            return account

    def group(self, name: str, *, inside: str) -> None:
        """Put one group inside another: its members are the other one's too."""
        with self.lock:
            self._nested.setdefault(name, set()).add(inside)

    def account(self, username: str) -> PracticeAccount:
        """The account of that name; KeyError when there is none."""
        with self.lock:
            for account in self._accounts.values():
                if account.username.casefold() == username.casefold():
                    return account
        raise KeyError(username)

    def all_accounts(self) -> list[PracticeAccount]:
        """Everybody, in the order they came."""
        with self.lock:
            return list(self._accounts.values())

    def find(self, object_id: str) -> PracticeAccount:
        """The account with that id, as a connector asks for it; `NotFound` when it is gone."""
        account = self._accounts.get(object_id)
        if account is None:
            raise NotFound(f"{self.server} has no account {object_id} (any more).", cause="account-gone")
        return account

    def removed_since(self, change: int) -> tuple[str, ...]:
        """The ids of the accounts deleted after that change."""
        return tuple(object_id for object_id, at in self._removed.items() if at > change)

    def deletes(self, username: str) -> None:
        """Delete an account."""
        with self.lock:
            account = self.account(username)
            del self._accounts[account.object_id]
            self.changes += 1
            self._removed[account.object_id] = self.changes

    def renames(self, username: str, to: str) -> None:
        """Give an account another username; its id stays."""
        with self.lock:
            account = self.account(username)
            account.username = to
            self.touched(account)

    def touched(self, account: PracticeAccount) -> None:
        """Note that an incremental read has to show this account again."""
        self.changes += 1
        account.changed = self.changes

    def tier_of(self, account: PracticeAccount) -> Tier:
        """Privileged by group, through nesting; else a service by its SPN; else a person."""
        groups = self._groups_of(account)
        if groups & PRIVILEGED_GROUPS:
            return Tier.PRIVILEGED
        return Tier.SERVICE if account.spns else Tier.PERSON

    def policy_of(self, account: PracticeAccount) -> PracticePolicy:
        """The policy that holds for this account: its own, or the domain's."""
        return account.policy or self.policy

    def shown_policy(self, account: PracticeAccount) -> PasswordPolicy:
        """What anybody may read of what this account's password has to satisfy: everything but the banned words."""
        policy = self.policy_of(account)
        names = name_parts(account.username, account.display_name) if policy.complexity else ()
        return replace(self._shown(policy), forbidden=names)

    def shown_policies(self) -> tuple[PasswordPolicy, ...]:
        """The same of every policy somebody here is under, the domain's first."""
        with self.lock:
            own = dict.fromkeys(account.policy for account in self._accounts.values() if account.policy)
        return tuple(self._shown(policy) for policy in (self.policy, *own))

    def _shown(self, policy: PracticePolicy) -> PasswordPolicy:
        which = "The domain's password policy" if policy is self.policy else "A fine-grained password policy"
        return PasswordPolicy(
            length=policy.length,
            classes=3 if policy.complexity else 0,
            sources=(f"{which} of {self.name} asks for at least {policy.length} characters.",),
        )

    def is_protected(self, account: PracticeAccount) -> bool:
        """Whether it is one of the Protected Users, through nesting too."""
        return PROTECTED_USERS in self._groups_of(account)

    def _groups_of(self, account: PracticeAccount) -> set[str]:
        reached, ahead = set[str](), list(account.groups)
        while ahead:
            group = ahead.pop()
            if group not in reached:
                reached.add(group)
                ahead += self._nested.get(group, ())
        return reached

    # ---- passwords -----------------------------------------------------------------------------------------------

    def holds(self, username: str, password: str) -> bool:
        """Whether this is the account's present password: looking at it from inside, which nobody else can."""
        return self.account(username).password == password

    def signs_in(self, username: str, password: str) -> bool:
        """Whether somebody can sign in with this, really trying: a wrong one counts."""
        with self.lock:
            return self.sign_in(self.account(username), password) is SignIn.ACCEPTED

    def sign_in(self, account: PracticeAccount, password: str) -> SignIn:
        """One attempt to sign in, with all that follows from it."""
        if self.is_protected(account):
            return SignIn.PROTECTED
        if self.is_locked(account):
            return SignIn.LOCKED
        if not self._lets_in(account, password):
            self._count_bad(account)
            return SignIn.WRONG
        if not account.enabled:
            return SignIn.DISABLED
        if account.expired:
            return SignIn.ACCOUNT_EXPIRED
        if account.out_of_hours:
            return SignIn.HOURS
        if account.must_change:
            return SignIn.MUST_CHANGE
        account.bad_sign_ins.clear()
        return SignIn.ACCEPTED

    def is_locked(self, account: PracticeAccount) -> bool:
        """Whether it is locked right now: a lockout ends by itself."""
        duration = self.policy_of(account).lockout_duration
        return account.locked_at is not None and self.clock.now() < account.locked_at + duration

    def bad_count(self, account: PracticeAccount) -> int:
        """How many wrong sign-ins count at this moment."""
        since = self.clock.now() - self.policy_of(account).observation_window
        return sum(at > since for at in account.bad_sign_ins)

    def resets(self, username: str, password: str) -> None:
        """Somebody else resets the password, in the domain's own tools: the policy holds for them too."""
        with self.lock:
            self.take(self.account(username), password)

    def arrives(self, username: str, password: str) -> None:
        """The password that a synced account has in its own domain reaches this one: no policy is asked."""
        with self.lock:
            account = self.account(username)
            account.password, account.password_set_at = password, self.clock.now()
            self.touched(account)

    def take(self, account: PracticeAccount, password: str) -> None:
        """Make this the account's password; `PasswordRefused` when a policy says no."""
        self._verify(account, password)
        account.earlier.insert(0, account.password)
        account.password, account.must_change = password, False
        account.password_set_at = self.clock.now()
        account.times_set += 1
        self.touched(account)

    def locks(self, username: str) -> None:
        """Somebody else's wrong attempts lock the account."""
        with self.lock:
            account = self.account(username)
            account.locked_at = self.clock.now()
            self.touched(account)

    def unlocks(self, account: PracticeAccount) -> None:
        """Lift a lockout and forget the wrong attempts."""
        account.locked_at = None
        account.bad_sign_ins.clear()
        self.touched(account)

    def _lets_in(self, account: PracticeAccount, password: str) -> bool:
        if password == account.password:
            return True
        in_grace = self.clock.now() < account.password_set_at + self.old_password_grace
        return in_grace and account.earlier[:1] == [password]

    def _count_bad(self, account: PracticeAccount) -> None:
        account.bad_sign_ins.append(self.clock.now())
        threshold = self.policy_of(account).lockout_threshold
        if threshold and self.bad_count(account) >= threshold:
            account.locked_at = self.clock.now()
            self.touched(account)

    def _verify(self, account: PracticeAccount, password: str) -> None:
        policy = self.policy_of(account)
        filtered = PasswordPolicy(forbidden=policy.banned)
        broken = bool(shortcomings(password, strictest(self.shown_policy(account), filtered)))
        if policy.resets_obey_all:
            recent = [account.password, *account.earlier][: policy.history]
            broken = broken or password in recent or self.possible_at(account) is not None
        if broken:
            raise PasswordRefused(
                f"{self.server} refused the new password for {self.name}\\{account.username}: it breaks the domain's "
                "password policy. The old one still holds.",
                cause="policy",
            )

    def possible_at(self, account: PracticeAccount) -> datetime | None:
        """When the account's minimum password age is over; None when it is."""
        at = account.password_set_at + self.policy_of(account).minimum_age
        return at if at > self.clock.now() else None

    @contextmanager
    def call(self, operation: str, object_id: str | None = None) -> Iterator[None]:
        """One call of a connector: its body runs under the domain's lock, and what is to go wrong goes wrong."""
        known = self._accounts.get(object_id or "")

        def overtake() -> None:
            if known is not None:
                self.take(known, f"Somebody-Else-{uuid.uuid4().hex}")

        with self.answering(operation, known.username if known else None, overtake):
            yield
