"""The Directory port on a pretend domain: no network, the same promises.

It judges passwords as the Active Directory connector does: by the set-time, by how often the password was set, and by
at most one sign-in attempt that cannot lock the account. What goes wrong is decided by the domain.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from bot.demo.practice_domain import PracticeAccount, PracticeDomain, SignIn
from bot.directories.base import (
    OWN_ACCOUNT,
    Changes,
    Finding,
    Level,
    Proof,
    SeenAccount,
    Sign,
    Signs,
    Standing,
    Verdict,
)
from bot.errors import AdminNotPermitted, OutsideError, Refused, RightMissing
from storage.models import Status, Tier

_PROVES = frozenset({SignIn.ACCEPTED, SignIn.MUST_CHANGE, SignIn.DISABLED})
_TELLS_NOTHING = {
    SignIn.HOURS: "it may not sign in at this hour",
    SignIn.ACCOUNT_EXPIRED: "the account has expired",
    SignIn.LOCKED: "it is locked",
    SignIn.PROTECTED: "a member of Protected Users need not be let in this way",
}
_LOOK_AGAIN = timedelta(seconds=2)


class PracticeDirectory:
    """A connector to a practice domain; connectors come and go, the domain stays."""

    overlap = 4

    def __init__(self, domain: PracticeDomain) -> None:
        self._domain = domain

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def check(self) -> list[Finding]:
        """See `Directory.check`."""
        domain = self._domain
        try:
            with domain.call("check"):
                policy = domain.policy
        except OutsideError as error:
            return [Finding.problem(error)]
        found = [
            Finding(Level.OK, f"{domain.server} answers, and Rekey signs in."),
            Finding(Level.OK, f"The domain demands at least {policy.length} characters."),
        ]
        if not domain.resets_administrators:
            found.append(
                Finding(
                    Level.WARNING,
                    "Rekey's account may not reset administrators.",
                    "Leave administrators' accounts out, or connect with an account that may reset them.",
                    "right-reset-administrator",
                )
            )
        return found

    def accounts(self, since: str | None) -> Changes:
        """See `Directory.accounts`."""
        domain = self._domain
        with domain.call("accounts"):
            known, _, change = (since or "").partition(":")
            complete = known != domain.uid
            after = 0 if complete else int(change)
            seen = [self._seen(account) for account in domain.all_accounts() if account.changed > after]
            return Changes(
                accounts=_one_by_one(seen),
                cursor=f"{domain.uid}:{domain.changes}",
                complete=complete,
                removed=() if complete else domain.removed_since(after),
                domain_names=(domain.name.lower(), domain.dns_name.lower()),
                policies=domain.shown_policies(),
            )

    def may_rotate(self, account: str) -> Standing:
        """See `Directory.may_rotate`."""
        domain = self._domain
        with domain.call("may_rotate", account):
            found = domain.find(account)
            reason = self._why_never(found)
            return Standing(
                allowed=reason is None,
                status=None if reason is None else Status.NOT_PERMITTED,
                reason=reason or "",
                tier=domain.tier_of(found),
                username=found.username,
                password_set_at=_set_at(found),
                policy=domain.shown_policy(found),
                locked=domain.is_locked(found),
                possible_at=domain.possible_at(found),
                own=reason == OWN_ACCOUNT,
                times_set=found.times_set,
                synced=found.synced,
            )

    def set_password(self, account: str, secret: SecretStr) -> str:
        """See `Directory.set_password`."""
        domain = self._domain
        with domain.call("set_password", account):
            found = domain.find(account)
            if found.synced:
                raise Refused(f"{found.username} is synced: its password is set in its own domain.", cause="synced")
            self._refuse_without_right(found)
            domain.take(found, secret.get_secret_value())
            return domain.server

    def confirm(
        self,
        account: str,
        secret: SecretStr,
        since: datetime | None,
        server: str | None,  # noqa: ARG002 - this domain has only one
        unproven: int = 0,
        times_set_before: int | None = None,
    ) -> Proof:
        """See `Directory.confirm`."""
        domain = self._domain
        with domain.call("confirm", account):
            found = domain.find(account)
            set_at = _set_at(found)
            if set_at == since or (set_at and since and set_at < since):
                return self._proof(Verdict.NOT_TAKEN, found, f"The password of {found.username} was not set since.")
            nothing = self._tells_nothing(found)
            if not nothing and domain.policy_of(found).lockout_threshold == 1:
                nothing = "one wrong password locks it, so none was tried"
            if nothing:
                return self._judged_by_set_time(found, nothing, times_set_before, tried=False)
            if self._too_risky(found, unproven):
                return self._wait_for_window(found)
            outcome = domain.sign_in(found, secret.get_secret_value())
            if outcome is SignIn.WRONG or (
                outcome in _PROVES and self._set_again(found, times_set_before) and self._in_grace(found)
            ):
                return self._proof(
                    Verdict.CHANGED,
                    found,
                    f"Somebody else set another password for {found.username}: it was set since, and is not this one.",
                    tried=True,
                )
            if outcome in _PROVES:
                return self._proof(Verdict.TAKEN, found, f"{found.username} signs in with it.", tried=True)
            return self._judged_by_set_time(found, _TELLS_NOTHING[outcome], times_set_before, tried=True)

    def works(self, account: str, secret: SecretStr, unproven: int = 0, known_since: datetime | None = None) -> Proof:
        """See `Directory.works`."""
        domain = self._domain
        with domain.call("works", account):
            found = domain.find(account)
            nothing = self._tells_nothing(found)
            if nothing:
                return self._proof(Verdict.WAIT, found, f"A sign-in would tell nothing: {nothing}.", by_set_time=True)
            if self._too_risky(found, unproven):
                return self._wait_for_window(found)
            outcome = domain.sign_in(found, secret.get_secret_value())
            set_at = _set_at(found)
            if outcome in _PROVES and not (known_since and set_at and set_at > known_since and self._in_grace(found)):
                return self._proof(Verdict.TAKEN, found, f"{found.username} signs in with it.", tried=True)
            if outcome in _TELLS_NOTHING:
                why = f"The sign-in told nothing: {_TELLS_NOTHING[outcome]}."
                return self._proof(Verdict.WAIT, found, why, by_set_time=True, tried=True)
            return self._proof(
                Verdict.NOT_TAKEN, found, f"It is not {found.username}'s password (any more).", tried=True
            )

    def unlock(self, account: str) -> None:
        """See `Directory.unlock`."""
        with self._domain.call("unlock", account):
            found = self._domain.find(account)
            self._refuse_without_right(found)
            self._domain.unlocks(found)

    def signs_of_trouble(self, accounts: Sequence[str]) -> Signs:
        """See `Directory.signs_of_trouble`."""
        domain = self._domain
        with domain.call("signs_of_trouble"):
            known = {each.object_id: each for each in domain.all_accounts()}
            found = [self._sign(known[each]) for each in accounts if each in known]
        return Signs(tuple(found), asked=(domain.server,))

    # ---- judging -------------------------------------------------------------------------------------------------

    def _seen(self, account: PracticeAccount) -> SeenAccount:
        domain = self._domain
        return SeenAccount(
            object_id=account.object_id,
            username=account.username,
            domain=domain.name,
            upn=f"{account.username}@{domain.dns_name}",
            mail=account.mail,
            display_name=account.display_name,
            ou=account.ou,
            enabled=account.enabled,
            locked=domain.is_locked(account),
            password_set_at=_set_at(account),
            tier=domain.tier_of(account),
            guard=None if account.synced else self._why_never(account),
            is_connector=account.connector,
            immutable_id=account.immutable_id,
            sid=account.sid,
            synced=account.synced,
        )

    def _sign(self, account: PracticeAccount) -> Sign:
        bad_at = account.bad_sign_ins[-1] if account.bad_sign_ins else None
        locked_at = account.locked_at if self._domain.is_locked(account) else None
        return Sign(account.object_id, self._domain.bad_count(account), bad_at, locked_at)

    def _why_never(self, account: PracticeAccount) -> str | None:
        if account.guard:
            return account.guard
        if account.synced:
            return "It is synced: its password is set in the domain it comes from, and arrives here by itself."
        if account.smartcard:
            return "It signs in with a smart card only: it has no password anybody knows."
        if not account.enabled:
            return "It is disabled."
        return OWN_ACCOUNT if account.connector else None

    def _refuse_without_right(self, account: PracticeAccount) -> None:
        domain = self._domain
        whom = f"{domain.name}\\{account.username}"
        if domain.tier_of(account) is Tier.PRIVILEGED and not domain.resets_administrators:
            raise AdminNotPermitted(
                f"{domain.server} does not let Rekey reset {whom}, which is an administrator's account.",
                cause="right-reset-administrator",
                mend="Leave administrators' accounts out, or connect with an account that may reset them.",
            )
        if not account.resettable:
            raise RightMissing(
                f"{domain.server} does not let Rekey reset {whom}. The old password still holds.",
                cause="right-reset",
                mend="Grant Rekey's account the right “Reset Password” on this account's organizational unit.",
            )

    def _tells_nothing(self, account: PracticeAccount) -> str:
        if self._domain.is_locked(account):
            return _TELLS_NOTHING[SignIn.LOCKED]
        return _TELLS_NOTHING[SignIn.PROTECTED] if self._domain.is_protected(account) else ""

    def _too_risky(self, account: PracticeAccount, unproven: int) -> bool:
        """Whether one more wrong password could lock it or leave its owner no slip; the domain's own count decides."""
        threshold, bad = self._domain.policy_of(account).lockout_threshold, self._domain.bad_count(account)
        return threshold > 0 and (bad + 1 >= threshold or (unproven > 0 and bad > 0))

    def _set_again(self, account: PracticeAccount, before: int | None) -> bool:
        """Whether it was set more than once since."""
        return before is not None and account.times_set > before + 1

    def _in_grace(self, account: PracticeAccount) -> bool:
        return self._domain.clock.now() < account.password_set_at + self._domain.old_password_grace

    def _judged_by_set_time(self, account: PracticeAccount, why: str, before: int | None, *, tried: bool) -> Proof:
        if self._set_again(account, before):
            reason = f"The password of {account.username} was set more than once since, and {why}."
            return self._proof(Verdict.CHANGED, account, reason, by_set_time=True, tried=tried)
        reason = f"Judged by the time it was set, because {why}."
        return self._proof(Verdict.TAKEN, account, reason, by_set_time=True, tried=tried)

    def _wait_for_window(self, account: PracticeAccount) -> Proof:
        domain = self._domain
        started = account.bad_sign_ins[-1] if account.bad_sign_ins else domain.clock.now()
        over = started + domain.policy_of(account).observation_window
        return self._proof(
            Verdict.WAIT,
            account,
            f"Another sign-in attempt now could lock {account.username}: waiting until the wrong ones no longer count.",
            wait=max(over - domain.clock.now(), timedelta()) + _LOOK_AGAIN,
        )

    def _proof(
        self,
        verdict: Verdict,
        account: PracticeAccount,
        reason: str,
        *,
        wait: timedelta = timedelta(),
        by_set_time: bool = False,
        tried: bool = False,
    ) -> Proof:
        return Proof(verdict, _set_at(account), self._domain.server, reason, wait, by_set_time, tried)


def _set_at(account: PracticeAccount) -> datetime | None:
    return None if account.must_change else account.password_set_at


def _one_by_one(seen: list[SeenAccount]) -> Iterator[SeenAccount]:
    yield from seen
