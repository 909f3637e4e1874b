"""The Directory port: the minimum a directory must offer, and what each method promises when the reply is lost.

Accounts are named by their immutable id (`objectGUID` in the canonical lower-case hyphened form, or the Entra id):
names move, ids do not. A connector connects when first used and is a context manager: leaving it closes its
connections.

`set_password` and `unlock` are called from one thread. `may_rotate`, `works` and `confirm` may be called from up to
`overlap` other threads at the same time, while `set_password` runs: a connector keeps connections of its own for them.

Every method raises `bot.errors.OutsideError` subclasses and nothing else for what happens outside. Before any of them
sends a credential, the server has proved who it is (`CertificateRefused` otherwise).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from pydantic import SecretStr

from bot.errors import OutsideError
from bot.findings import Finding as Finding
from bot.findings import Level as Level
from bot.passwords import PasswordPolicy
from storage.models import Status, Tier

OWN_ACCOUNT = "It is the account Rekey itself signs in with, and not yet matched in the connection's settings."
"""The guard of the connector's own account: the one guard that the connection's settings lift."""


@dataclass(frozen=True, slots=True)
class SeenAccount:
    """An account as the directory lists it. `tier` is privileged, service or person: marks are not its business."""

    object_id: str
    username: str
    domain: str
    upn: str | None
    mail: str | None
    display_name: str | None
    ou: str | None
    enabled: bool
    locked: bool
    password_set_at: datetime | None
    tier: Tier
    guard: str | None
    """Why this account is never rotated, in a sentence; None when it may be."""
    is_connector: bool = False
    """Rekey itself signs in with it."""
    guard_status: Status | None = None
    """The word people see for `guard`; None is `Not Permitted`. `Admin Not Permitted` where our role is not enough."""
    immutable_id: str | None = None
    """What Entra Connect calls the person: of a synced cloud account `onPremisesImmutableId`, of one on the premises
    what that becomes there, the base64 of the raw `mS-DS-ConsistencyGuid` or else `objectGUID`. Case counts. None of a
    cloud account that is not synced: whatever it carries, nobody's directory vouches for it."""
    sid: str | None = None
    """`S-1-5-…` in Active Directory; of a synced cloud account, that of the account it comes from."""
    synced: bool = False
    """A cloud account whose password is set in its Active Directory: it is never written here."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What `accounts` found. `accounts` is read once, lazily, page by page; the other fields are final after that.

    `complete`: these are all the accounts there are, so any other one known before is gone. Otherwise only `removed`
    is.
    """

    accounts: Iterable[SeenAccount]
    cursor: str
    complete: bool
    removed: tuple[str, ...] = ()
    domain_names: tuple[str, ...] = ()
    """Qualifiers usernames of this directory may carry: NetBIOS name, DNS name, UPN suffixes; lower case."""
    policies: tuple[PasswordPolicy, ...] = ()
    """Every password policy that holds for somebody here, the common one first, without the parts of names it forbids:
    so that rules can be held against them beforehand. `Standing.policy` is what counts when a password is made."""
    policies_trouble: str = ""
    """Which of them could not be read, and what that means: a sentence for people."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one account right now, read from the directory itself in one go."""

    allowed: bool
    status: Status | None
    """When not allowed: `Not Permitted` or `Admin Not Permitted`."""
    reason: str
    """When not allowed: why, in a sentence."""
    tier: Tier
    username: str
    password_set_at: datetime | None
    """The directory's set-time; None when it shows none (must change at next logon)."""
    policy: PasswordPolicy
    locked: bool = False
    possible_at: datetime | None = None
    """`password_set_at` + the policy's minimum age, where that lies ahead on the directory's own clock."""
    own: bool = False
    """Not allowed for no other reason than that Rekey itself signs in with it."""
    times_set: int | None = None
    """How many times this password was ever written, where the directory counts (Active Directory's replication
    metadata); None where it does not say. Kept beside the set-time before a write, it tells one write from two."""
    synced: bool = False
    """Its password is set in its Active Directory and arrives here by itself: `allowed` is False for that reason alone,
    and `password_set_at` moves once it has arrived."""
    cause: str = ""
    """When not allowed: a short, stable key of what is the matter, by which failures are grouped."""
    mend: str = ""
    """When not allowed: the missing permission or role by name, and the link that mends it."""


class Verdict(StrEnum):
    """What `confirm` and `works` found out."""

    TAKEN = "taken"
    """The directory takes this password now, and its set-time moved beyond `since`."""
    NOT_TAKEN = "not_taken"
    """The set-time did not move: the write never happened; the same one may be sent again."""
    CHANGED = "changed"
    """The set-time moved, and this is not the password: somebody else set another one. Ask a person."""
    WAIT = "wait"
    """Not known yet, and another sign-in attempt now could lock the account: look again after `wait`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The answer of `confirm`: the verdict, the set-time it saw, which server said so, and why in a sentence."""

    verdict: Verdict
    set_at: datetime | None
    server: str
    reason: str = ""
    wait: timedelta = field(default_factory=timedelta)
    by_set_time: bool = False
    """The sign-in told nothing, or could not be tried (locked, Protected Users, hours): judged by the set-time alone.
    With `WAIT` from `works`: waiting will not make it known, since there is no set-time to judge by."""
    tried: bool = False
    """A sign-in attempt was made."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a directory shows of wrong passwords tried for one account; times are the directory's own."""

    account: str
    bad: int = 0
    """Wrong passwords that count towards a lockout now: the most that any one server counts."""
    bad_at: datetime | None = None
    """The latest wrong one; None when none is known."""
    locked_at: datetime | None = None
    """Since when it is locked; None while it is not."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What `signs_of_trouble` found: of each account that is still there, and from whom it was heard."""

    found: tuple[Sign, ...]
    asked: tuple[str, ...] = ()
    """The servers that answered."""
    silent: tuple[str, ...] = ()
    """Servers that keep counts of their own and could not be asked."""


class Directory(Protocol):
    """One directory of one organization."""

    overlap: int
    """How many threads may call `may_rotate`, `works` and `confirm` at the same time."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def check(self) -> list[Finding]:
        """Everything a technician would want to know before trusting this connection, in words, best first.

        Never raises for what is wrong outside: that is a finding. Changes nothing. A lost reply is a finding too.
        """

    def accounts(self, since: str | None) -> Changes:
        """All accounts (`since` None), or what changed since that cursor; a cursor that no longer serves reads all.

        Reading only: on any error ask again with the same cursor.
        """

    def may_rotate(self, account: str) -> Standing:
        """Read what holds for this account right now. Reading only. `NotFound` when it is gone."""

    def set_password(self, account: str, secret: SecretStr) -> str:
        """Give the account this password; returns the name of the server that took it.

        `NoAnswer` when the reply is lost: it may or may not have been taken, and the caller must look (`confirm`)
        before it sends anything else. Every other error means that the old password still holds. Safe to repeat with
        the same password. The request leaves within 15 seconds of the call or not at all (`Unreachable`): the caller
        made sure right before that it may still be written.
        """

    def confirm(
        self,
        account: str,
        secret: SecretStr,
        since: datetime | None,
        server: str | None,
        unproven: int = 0,
        times_set_before: int | None = None,
    ) -> Proof:
        """Find out whether the account takes this password now, by signing in with it and by the set-time.

        `since` is the set-time read before the write, `server` the one that took it (looked at first), `unproven` how
        many sign-in attempts of ours in the present observation window are not known to have succeeded. A sign-in
        attempt is made only when the set-time moved beyond `since`, and never when it could be the one that locks the
        account.
        `times_set_before` is `Standing.times_set` as read with `since`: a replaced password still signs in for a
        while, so without it somebody's reset right after ours looks like ours; with it, that is CHANGED. NOT_TAKEN is
        only said when every server that may have taken the write was heard; while one is away the answer is WAIT. A
        lost reply raises `NoAnswer`: the attempt counts as unproven.
        """

    def works(self, account: str, secret: SecretStr, unproven: int = 0, known_since: datetime | None = None) -> Proof:
        """Find out whether this password signs in as things are (before any write of ours): TAKEN, NOT_TAKEN or WAIT.

        Costs at most one sign-in attempt, none near the lockout threshold (WAIT). An old password that a directory
        still lets in for a while after a change is NOT_TAKEN when that can be known: `known_since` is when this
        password came to us, by our clock, and only ever makes the answer more careful.
        """

    def unlock(self, account: str) -> None:
        """Lift a lockout. Safe to repeat."""

    def signs_of_trouble(self, accounts: Sequence[str]) -> Signs:
        """Whether wrong passwords were tried for these accounts, and which of them are locked. Reading only.

        Says what is known, which may be less than what happened: where each server counts for itself, those that
        cannot be reached are named in `silent`; it raises only when none can. A directory that shows nothing of the
        kind finds nothing. Accounts that are gone are left out.
        """


@dataclass(frozen=True, slots=True)
class Look:
    """What `Directory.confirm` is told about one account; see there."""

    account: str
    secret: SecretStr
    since: datetime | None
    server: str | None
    unproven: int = 0
    times_set_before: int | None = None


@runtime_checkable
class InBatches(Protocol):
    """What a directory offers besides, where one request carries many: each method answers for every item, in order.

    An item's own error is its answer and stops no other. What concerns all of them may be raised instead: then it is
    every item's answer. A batch is at most `batch` items; each promise of the single method holds for each item.
    """

    batch: int

    def may_rotate_all(self, accounts: Sequence[str]) -> list[Standing | OutsideError]:
        """`Directory.may_rotate` of each. Called from several threads at once, as `confirm_all` is."""

    def set_passwords(self, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        """`Directory.set_password` of each (account, password); `Throttled` for those that were not taken for now."""

    def confirm_all(self, looks: Sequence[Look]) -> list[Proof | OutsideError]:
        """`Directory.confirm` of each."""


@runtime_checkable
class SignsOut(Protocol):
    """What a directory offers besides, where it can end sessions that are already open."""

    def sign_out(self, account: str) -> None:
        """End the account's sessions everywhere, within minutes. Safe to repeat, also after a lost reply."""


@dataclass(frozen=True, slots=True)
class SeenTenant:
    """A customer's tenant, as the partner's own lists it."""

    tenant_id: str
    name: str
    domain: str | None = None


@runtime_checkable
class ListsTenants(Protocol):
    """What a directory offers besides, where it is a partner's own and knows the tenants of its customers."""

    def tenants(self) -> Iterable[SeenTenant]:
        """Every customer's tenant, read lazily page by page; none when this is no partner. Reading only."""


@runtime_checkable
class KnowsItsEnd(Protocol):
    """What a directory offers besides, where it can say when the connector's credential stops being taken."""

    def credential_ends_at(self) -> datetime | None:
        """That moment; None where it may not be read, or cannot be told from other credentials. Reading only."""
