"""The Entra connector: the Directory port over Microsoft Graph, for one tenant."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from pydantic import SecretStr

from bot.directories.base import Changes, Finding, Look, Proof, SeenTenant, Signs, Standing, Verdict
from bot.directories.entra import diagnostics, onboarding, reading, writing
from bot.directories.entra.accounts import User, set_at, upn
from bot.directories.entra.clock import GraphClock
from bot.directories.entra.graph import BATCH, Graph
from bot.directories.entra.pacing import Pace
from bot.directories.entra.proof import Doubts
from bot.directories.entra.settings import EntraCredential, EntraSettings
from bot.directories.entra.standing import standing
from bot.directories.entra.tenancy import Tenancy, tenancy_of
from bot.directories.entra.tiers import Tiers, read_now
from bot.directories.entra.tokens import Keep, Tokens
from bot.errors import BadInput, OutsideError, Refused
from bot.http_session import Reply
from storage.models import Status

Answer = TypeVar("Answer")

_KNOWN_FOR = 10.0
"""Seconds for which it is known who holds which role: Entra itself takes longer to act on a new one."""


class Entra:
    """One tenant. `bot.directories.base.Directory` says what each method promises; it works in batches, signs people
    out, lists customers' tenants and knows when its credential ends.

    `keep_refresh_token` takes every refresh token that Microsoft gives in place of the one before.

    `pace` makes the pace of its writes, once for an app and tenant; `passing` is a clock that only runs forward, and
    `wait` pauses: by default this machine's.
    """

    batch = BATCH

    def __init__(
        self,
        settings: EntraSettings,
        credential: EntraCredential,
        *,
        keep_refresh_token: Keep | None = None,
        overlap: int = 16,
        pace: Callable[[], Pace] = Pace,
        passing: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.overlap = overlap
        self._credential = credential

        def new() -> Tenancy:
            clock = GraphClock(passing)
            return Tenancy(Tokens(settings, passing, wait), pace(), clock, Doubts(clock, passing))

        self._known = tenancy_of(settings, credential, new)
        self._graph = Graph(
            settings, credential, self._known.tokens, self._known.pace, self._known.clock, keep_refresh_token, wait
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._graph.close()

    # ---- reading -------------------------------------------------------------------------------------------------

    def check(self) -> list[Finding]:
        """See the port."""
        return onboarding.walk(self._graph, self._credential)

    def accounts(self, since: str | None) -> Changes:
        """See the port."""
        found, tiers = self._graph.by_present_rights(lambda: reading.changes(self._graph, since))
        self._known.tiers.put(tiers)
        return found

    def may_rotate(self, account: str) -> Standing:
        """See the port."""
        return _only(self.may_rotate_all([account]))

    def may_rotate_all(self, accounts: Sequence[str]) -> list[Standing | OutsideError]:
        """See `InBatches`."""
        return self._graph.by_present_rights(lambda: self._standings(accounts), self._lacks_a_role)

    def tenants(self) -> Iterable[SeenTenant]:
        """See `ListsTenants`."""
        return self._graph.by_present_rights(lambda: list(onboarding.tenants(self._graph)))

    def credential_ends_at(self) -> datetime | None:
        """See `KnowsItsEnd`."""
        return onboarding.ends_at(self._graph, self._credential)

    def _standings(self, accounts: Sequence[str]) -> list[Standing | OutsideError]:
        return [
            found if isinstance(found, OutsideError) else standing(self._graph, found, self._tiers())
            for found in self._users(accounts)
        ]

    def _lacks_a_role(self, found: Sequence[Standing | OutsideError]) -> bool:
        """A partner's role comes with the token: one that was given since shows with the next."""
        refused = any(isinstance(each, Standing) and each.status is Status.ADMIN_NOT_PERMITTED for each in found)
        return refused and self._graph.token().delegated

    def _tiers(self) -> Tiers:
        return self._known.tiers.get(lambda: read_now(self._graph), _KNOWN_FOR)

    def _tiers_now(self) -> Tiers:
        return self._known.tiers.get(lambda: read_now(self._graph), 0.0)

    def _users(self, accounts: Sequence[str]) -> list[User | OutsideError]:
        replies = self._graph.get_all([reading.user_path(account) for account in accounts])
        return [self._user(account, reply) for account, reply in zip(accounts, replies, strict=True)]

    def _user(self, account: str, reply: Reply) -> User | OutsideError:
        if reply.status == 404:
            return diagnostics.gone(account)
        try:
            return self._graph.expect(reply, diagnostics.READ_USERS, "read the tenant's users")
        except OutsideError as error:
            if isinstance(error, Refused) and reply.status == 403:
                raise  # a right that we lack concerns them all
            return error

    # ---- writing -------------------------------------------------------------------------------------------------

    def set_password(self, account: str, secret: SecretStr) -> str:
        """See the port."""
        return _only(self.set_passwords([(account, secret)]))

    def set_passwords(self, writes: Sequence[tuple[str, SecretStr]]) -> list[str | OutsideError]:
        """See `InBatches`."""
        for _account, secret in writes:
            if not secret.get_secret_value():
                raise BadInput("An empty password is never sent to a directory.")
        return writing.set_passwords(self._graph, self._known.doubts, writes, self._tiers_now)

    def unlock(self, account: str) -> None:
        """Entra offers no such thing: `Refused`, which says so; `NotFound` when the account is gone."""
        user = _only(self._users([account]))
        raise Refused(
            f"Entra lifts a lockout of {upn(user)} by itself, after a minute at first and later after longer; nobody "
            "can do it sooner. A new password does not help either. Nothing was changed.",
            cause="no-unlock",
            mend="Wait, and find out who tries wrong passwords (Entra admin center, Sign-in logs).",
        )

    def signs_of_trouble(self, accounts: Sequence[str]) -> Signs:  # noqa: ARG002 - the port's
        """See the port. Graph shows neither wrong passwords nor lockouts without the sign-in logs, which take a licence
        and a permission of their own: nothing is found.
        """
        return Signs(())

    def sign_out(self, account: str) -> None:
        """See `SignsOut`. Guests' sessions are their own tenant's and go on."""
        writing.sign_out(self._graph, account, self._tiers_now)

    # ---- judging passwords ---------------------------------------------------------------------------------------

    def confirm(
        self,
        account: str,
        secret: SecretStr,
        since: datetime | None,
        server: str | None,
        unproven: int = 0,
        times_set_before: int | None = None,
    ) -> Proof:
        """See the port. Nobody signs in: the set-time tells, and what it cannot tell is said."""
        return _only(self.confirm_all([Look(account, secret, since, server, unproven, times_set_before)]))

    def confirm_all(self, looks: Sequence[Look]) -> list[Proof | OutsideError]:
        """See `InBatches`."""
        return [
            user
            if isinstance(user, OutsideError)
            else self._known.doubts.judge(look.account, upn(user), look.since, set_at(user), self._graph.host)
            for look, user in zip(looks, self._users([look.account for look in looks]), strict=True)
        ]

    def works(
        self,
        account: str,
        secret: SecretStr,  # noqa: ARG002 - it is not tried
        unproven: int = 0,  # noqa: ARG002
        known_since: datetime | None = None,  # noqa: ARG002
    ) -> Proof:
        """See the port. Always WAIT: only a sign-in would tell, and nobody signs in to Entra for that."""
        user = _only(self._users([account]))
        reason = "Entra is not asked by signing in, so which password holds is not known before a new one is set."
        return Proof(Verdict.WAIT, set_at(user), self._graph.host, reason, by_set_time=True)


def _only(found: Sequence[Answer | OutsideError]) -> Answer:
    (answer,) = found
    if isinstance(answer, OutsideError):
        raise answer
    return answer
