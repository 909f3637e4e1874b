"""Proving which password an account has: the set-time first, then at most one sign-in attempt that cannot lock it.

Signing in with the new password alone proves little (a password that was replaced still signs in for up to an hour)
and each wrong try counts towards a lockout; the set-time alone does not say whose password it was. Both together, and
the count of times the password was set (from the replication metadata), tell. All times are the controllers' own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr

from bot.directories.active_directory import accounts, diagnostics, policy
from bot.directories.active_directory.diagnostics import DISPROVES, PROVES, SignIn
from bot.directories.active_directory.entries import Entry, by_guid, rid, sid_text
from bot.directories.active_directory.policy import Rules
from bot.directories.active_directory.session import Session
from bot.directories.active_directory.sessions import Sessions
from bot.directories.active_directory.settings import Server
from bot.directories.base import Proof, Verdict
from bot.errors import CertificateRefused, OutsideError, Unreachable

GRACE = timedelta(minutes=60)
"""How long a replaced password still signs in (OldPasswordAllowedPeriod, Microsoft KB906305; Samba likewise)."""

_UNICODE_PWD = 0x9005A
_METADATA_HEAD = struct.Struct("<IIII")
_METADATA_LINE = struct.Struct("<II40x")
_LOOK_AGAIN = timedelta(seconds=2)
_REPLICATED = timedelta(seconds=30)

READ = (
    "distinguishedName", "objectSid", "sAMAccountName", "pwdLastSet", "msDS-User-Account-Control-Computed",
    "badPwdCount", "badPasswordTime", "tokenGroups", "msDS-ResultantPSO", "replPropertyMetaData",
)  # fmt: skip
"""What judging a password takes."""


@dataclass(frozen=True, slots=True)
class State:
    """What one controller knows about an account's password at one moment."""

    server: Server
    dn: str
    username: str
    set_at: datetime | None
    times_set: int | None
    locked: bool
    protected: bool
    bad: int
    """Wrong passwords that count towards a lockout now."""
    bad_at: datetime | None
    rules: Rules
    now: datetime
    """The controller's own clock."""
    is_pdc: bool


def state_of(session: Session, account: str) -> State:
    """Read an account's state over this session; `NotFound` when it is gone."""
    entry = session.read(by_guid(account), READ)
    if entry is None:
        raise diagnostics.gone(session.name, account)
    rules, now = policy.rules_for(session, entry), session.now()
    bad_at = entry.moment("badPasswordTime")
    counts = bad_at is not None and now < bad_at + rules.window
    return State(
        server=session.wire.server,
        dn=entry.text("distinguishedName") or entry.dn,
        username=entry.text("sAMAccountName") or "",
        set_at=entry.moment("pwdLastSet"),
        times_set=times_set(entry),
        locked=accounts.is_locked(entry),
        protected=any(rid(sid_text(raw)) == accounts.PROTECTED_USERS for raw in entry.all("tokenGroups")),
        bad=entry.integer("badPwdCount") if counts else 0,
        bad_at=bad_at,
        rules=rules,
        now=now,
        is_pdc=session.is_pdc,
    )


def times_set(entry: Entry) -> int | None:
    """How many times the account's password was written, by its replication metadata; None when that is not shown.

    The blob's layout is MS-DRSR 5.167 (PROPERTY_META_DATA_VECTOR as stored).
    """
    values = entry.all("replPropertyMetaData")
    if not values or len(values[0]) < _METADATA_HEAD.size:
        return None
    blob = values[0]
    _, _, count, _ = _METADATA_HEAD.unpack_from(blob)
    lines = blob[_METADATA_HEAD.size : _METADATA_HEAD.size + count * _METADATA_LINE.size]
    if len(lines) != count * _METADATA_LINE.size:
        return None
    return dict(_METADATA_LINE.iter_unpack(lines)).get(_UNICODE_PWD)


def confirm(
    sessions: Sessions,
    account: str,
    secret: SecretStr,
    since: datetime | None,
    server: str | None,
    unproven: int,
    times_set_before: int | None,
) -> Proof:
    """See `Directory.confirm`. Looks at the server that took the write, then the PDC, then the others."""
    away: list[OutsideError] = []
    unmoved: list[State] = []
    for state in _everywhere(sessions, account, server, away):
        if _moved(state, since, took_it=state.server.name == server):
            return _moved_to_ours(sessions, account, secret, state, unproven, times_set_before)
        unmoved.append(state)
        if state.server.name == server:
            break
    if not unmoved:
        raise away[0]
    first = unmoved[0]
    told = {state.server.name for state in unmoved}
    if away and server not in told:
        return _proof(
            Verdict.WAIT,
            first,
            f"{first.server.name} shows no new password, but one that may have taken it is away: {away[0]}",
            wait=_REPLICATED,
        )
    return _proof(Verdict.NOT_TAKEN, first, f"The password of {first.username} was not set since: nothing was written.")


def works(sessions: Sessions, account: str, secret: SecretStr, unproven: int, known_since: datetime | None) -> Proof:
    """See `Directory.works`."""
    state = sessions.ask(lambda session: state_of(session, account))
    nothing = _tells_nothing(state)
    if nothing:
        return _proof(Verdict.WAIT, state, f"No sign-in was tried: {nothing}.", by_set_time=True)
    too_risky = _too_risky(state, unproven)
    if too_risky:
        return too_risky
    outcome = sessions.try_password(state.server, state.dn, secret)
    if outcome in PROVES:
        if known_since and state.set_at and state.set_at > known_since and state.now < state.set_at + GRACE:
            return _proof(
                Verdict.NOT_TAKEN,
                state,
                f"The password of {state.username} was set after this one was known: it only signs in because a "
                "replaced password does for another hour.",
                tried=True,
            )
        return _proof(Verdict.TAKEN, state, f"{state.username} signs in with it.", tried=True)
    if outcome in DISPROVES:
        return _proof(Verdict.NOT_TAKEN, state, f"{state.username} does not sign in with it.", tried=True)
    return _proof(
        Verdict.WAIT,
        state,
        f"The sign-in told nothing: {diagnostics.why_unclear(outcome)}.",
        by_set_time=True,
        tried=True,
    )


def _everywhere(sessions: Sessions, account: str, first: str | None, away: list[OutsideError]) -> Iterator[State]:
    """The account as each controller that can be reached sees it; those that cannot are added to `away`."""
    asked = set()
    for server in sessions.in_turn(first):
        asked.add(server)
        try:
            yield sessions.ask(lambda session: state_of(session, account), server)
        except (Unreachable, CertificateRefused) as error:
            away.append(error)
    for server in set(sessions.settings.servers) - asked:
        away.append(Unreachable(f"{server.name} was not asked any more: the others took too long.", cause="no-time"))


def _moved(state: State, since: datetime | None, *, took_it: bool) -> bool:
    """Whether the set-time moved. Whoever took the write may have a slower clock; a third one may lag behind."""
    if state.set_at is None or since is None or took_it:
        return state.set_at != since
    return state.set_at > since


def _moved_to_ours(
    sessions: Sessions, account: str, secret: SecretStr, state: State, unproven: int, times_set_before: int | None
) -> Proof:
    """The set-time moved: is it because of this password?"""
    nothing = _tells_nothing(state)
    if nothing:
        return _by_set_time(state, times_set_before, f"Judged by the time it was set: {nothing}.", tried=False)
    too_risky = _too_risky(state, unproven)
    if too_risky:
        return too_risky
    outcome = sessions.try_password(state.server, state.dn, secret)
    if outcome in PROVES:
        if _set_again(state, times_set_before) and _in_grace(state):
            return _proof(
                Verdict.CHANGED,
                state,
                f"The password of {state.username} was set more than once since; this one signs in, but perhaps only "
                "because a replaced password does for another hour.",
                tried=True,
            )
        return _proof(Verdict.TAKEN, state, f"{state.username} signs in with it.", tried=True)
    if outcome not in DISPROVES:
        why = diagnostics.why_unclear(outcome)
        reason = f"Judged by the time it was set: the sign-in told nothing, {why}."
        return _by_set_time(state, times_set_before, reason, tried=True)
    after = sessions.ask(lambda session: state_of(session, account), state.server)
    if (after.dn, after.set_at) != (state.dn, state.set_at):
        reason = f"{state.username} was changed while we looked."
        return _proof(Verdict.WAIT, after, reason, wait=_LOOK_AGAIN, tried=True)
    return _proof(
        Verdict.CHANGED,
        after,
        f"Somebody else set another password for {state.username}: it was set since, and is not this one.",
        tried=True,
    )


def _by_set_time(state: State, times_set_before: int | None, reason: str, *, tried: bool) -> Proof:
    """No sign-in told anything: the set-time alone says that it was set, the count whether only once."""
    if not _set_again(state, times_set_before):
        return _proof(Verdict.TAKEN, state, reason, by_set_time=True, tried=tried)
    return _proof(
        Verdict.CHANGED,
        state,
        f"The password of {state.username} was set more than once since, and no sign-in can tell which one holds.",
        by_set_time=True,
        tried=tried,
    )


def _set_again(state: State, before: int | None) -> bool:
    """Whether it was set more than once since."""
    return before is not None and state.times_set is not None and state.times_set > before + 1


def _in_grace(state: State) -> bool:
    """Whether the password before the present one may still sign in."""
    return state.set_at is None or state.now < state.set_at + GRACE


def _tells_nothing(state: State) -> str:
    """Why no sign-in attempt can be made that would tell anything; empty when one can."""
    if state.locked:
        return diagnostics.why_unclear(SignIn.LOCKED)
    if state.protected:
        return "a member of Protected Users need not be let in this way"
    if state.rules.threshold == 1:
        return "a single wrong password would lock it"
    return ""


def _too_risky(state: State, unproven: int) -> Proof | None:
    """WAIT when one more wrong password, on top of what counts now, could lock the account or leave its owner no slip.

    The controllers' own count decides. Ours is added only when theirs cannot know of it: a count of zero at the PDC,
    which hears of every wrong password, shows that our earlier attempts were not wrong ones.
    """
    if state.rules.threshold == 0:
        return None
    ours = unproven > 0 and (state.bad > 0 or not state.is_pdc)
    if state.bad + 1 < state.rules.threshold and not ours:
        return None
    started = state.bad_at if state.bad and state.bad_at else state.now
    wait = max(started + state.rules.window - state.now, timedelta()) + _LOOK_AGAIN
    return _proof(
        Verdict.WAIT,
        state,
        f"Another sign-in attempt now could lock {state.username} ({state.bad} of {state.rules.threshold} wrong "
        "passwords count already): waiting until they no longer do.",
        wait=wait,
    )


def _proof(
    verdict: Verdict,
    state: State,
    reason: str,
    *,
    wait: timedelta = timedelta(),
    by_set_time: bool = False,
    tried: bool = False,
) -> Proof:
    return Proof(verdict, state.set_at, state.server.name, reason, wait, by_set_time, tried)
