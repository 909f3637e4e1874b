"""Setting passwords and ending sessions: what is sent, and what a 403 was for.

A password goes alone in its PATCH, with the flag always named: beside another property a refusal would lose both, and
the published texts differ on what a missing flag means (Microsoft's user-update page).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from pydantic import SecretStr

from bot.directories.entra import diagnostics
from bot.directories.entra.accounts import upn
from bot.directories.entra.diagnostics import (
    MAY_REVOKE,
    MAY_SET_PASSWORDS,
    REVOKE_SESSIONS,
    SET_PASSWORDS,
    Enough,
)
from bot.directories.entra.graph import Graph, Write
from bot.directories.entra.proof import Doubts
from bot.directories.entra.reading import user_path
from bot.directories.entra.roles import NAMES, USER, least_role
from bot.directories.entra.tiers import Tiers
from bot.directories.entra.tokens import Token
from bot.errors import NoAnswer, OutsideError, Refused
from bot.http_session import Reply


def set_passwords(
    graph: Graph, doubts: Doubts, writes: Sequence[tuple[str, SecretStr]], tiers: Callable[[], Tiers]
) -> list[str | OutsideError]:
    """See `InBatches.set_passwords`."""
    present = _asked_once(graph, tiers)
    for account, _secret in writes:
        doubts.sending(account)
    try:
        answers = graph.write([_password(account, secret) for account, secret in writes])
    except OutsideError as error:
        answers = [error] * len(writes)
    return [
        _noted(doubts, account, _outcome(graph, account, answer, present))
        for (account, _secret), answer in zip(writes, answers, strict=True)
    ]


def sign_out(graph: Graph, account: str, tiers: Callable[[], Tiers]) -> None:
    """See `SignsOut.sign_out`."""
    (answer,) = graph.write([Write("POST", f"/users/{account}/revokeSignInSessions")])
    if isinstance(answer, OutsideError):
        raise answer
    if _done(answer):
        return
    if answer.status == 403:
        present = _asked_once(graph, tiers)
        why = _denied(graph, account, present, MAY_REVOKE, REVOKE_SESSIONS, "end sessions")
        raise why or diagnostics.write_failed(answer, account)
    raise diagnostics.write_failed(answer, account)


_Present = Callable[[], tuple[Token, Tiers]]
"""What we may do and who is an administrator, as of now."""


def _asked_once(graph: Graph, tiers: Callable[[], Tiers]) -> _Present:
    """Asked when first needed, once for everything that was refused together: a token says what held when it was made,
    so that a consent or role taken away since is seen only by a new one.
    """
    return cache(lambda: (graph.new_token(), tiers()))


def _password(account: str, secret: SecretStr) -> Write:
    profile = {"password": secret.get_secret_value(), "forceChangePasswordNextSignIn": False}
    return Write("PATCH", f"/users/{account}", {"passwordProfile": profile})


def _outcome(graph: Graph, account: str, answer: Reply | OutsideError, present: _Present) -> str | OutsideError:
    if isinstance(answer, OutsideError):
        return answer
    try:
        if _done(answer):
            return graph.host
    except NoAnswer as error:
        return error
    if answer.status == 403:
        why = _denied(graph, account, present, MAY_SET_PASSWORDS, SET_PASSWORDS, "set passwords")
        if why is not None:
            return why
    return diagnostics.write_failed(answer, account)


def _done(reply: Reply) -> bool:
    """Whether it was done, by a status of success; `NoAnswer` when somebody else than Graph says so."""
    done = 200 <= reply.status < 300
    if done and reply.body:
        reply.json()
    return done


def _noted(doubts: Doubts, account: str, outcome: str | OutsideError) -> str | OutsideError:
    if isinstance(outcome, str):
        doubts.answered(account)
    elif isinstance(outcome, NoAnswer):
        doubts.lost(account)
    else:
        doubts.forget(account)
    return outcome


def _denied(
    graph: Graph, account: str, present: _Present, enough: Enough, permission: str, what_for: str
) -> OutsideError | None:
    """Why Graph said no, which has one answer for a missing permission, a missing role and a protected account alike;
    None when that cannot be found out.
    """
    try:
        token, now = present()
    except OutsideError as error:  # it is not only this that we may not do any more
        return error if isinstance(error, Refused) else None
    with suppress(OutsideError):  # only to say it better
        if not token.lets(enough):
            return diagnostics.permissions_missing(graph.settings, [permission], what_for)
        user = graph.get(user_path(account)).json()
        name = upn(user)
        if user.get("isManagementRestricted") is True:
            return diagnostics.restricted(name)
        theirs, grouped = now.held.get(account, frozenset()), account in now.grouped
        if theirs or grouped:
            least = least_role(theirs, in_assignable_group=grouped)
            return diagnostics.role_missing(graph.settings, name, least, privileged=True)
        if not now.ours(token):
            return diagnostics.role_missing(graph.settings, name, NAMES[USER], privileged=False)
    return None
