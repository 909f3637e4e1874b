"""The step-up: a second factor outside Slack, asked for wherever a password is shown or a credential is entered.

It is TOTP (RFC 6238), what every authenticator app speaks. Whoever took over somebody's Slack account, or holds the
link Rekey posted there, still has no code. Somebody enrols once: an administrator makes a one-time code on the command
line and hands it over outside Slack; on Rekey's own page it is traded for the secret that goes into the app. The
secret lies sealed in the database and opens for its operator only.

    no code works twice          the time step of the last accepted code is remembered, and only later ones are taken
    guessing is hopeless         after 5 wrong codes in a row nothing is taken for 15 minutes, then 30, then 60 …
    it is off only openly        by the setting REKEY_STEP_UP; `doctor` and every audit line of a reveal say so
"""

import hashlib
import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
from pydantic import SecretStr
from pyotp.exceptions import OTPVerificationError
from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, SealBroken
from bot.permissions import Decision, Operator
from storage.models import Profile, now
from storage.profiles import find_enrolment, find_profile, profile_of
from storage.sealing import KeyRing

CODE_LIFE = timedelta(hours=24)
"""How long an enrolment code waits to be used."""
MOST_FAILURES = 5
BLOCKED_FOR = timedelta(minutes=15)
LONGEST_BLOCK = timedelta(hours=24)
_DRIFT = 1
"""Time steps (30 s each) a phone's clock may be off, either way."""
_ISSUER = "Rekey"
_YES = Decision(True)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret on its way into somebody's authenticator app; nothing of it is stored until a first code proves it."""

    operator: str
    secret: SecretStr
    address: SecretStr
    """The same as an `otpauth://` address: what the QR code says."""
    ticket: SecretStr
    """The secret, sealed: what `finish` takes back from the page."""


def new_code(session: Session, trail: Trail, by: Operator, operator: str) -> tuple[SecretStr, datetime]:
    """Make a one-time enrolment code for this operator, and when it ends; an earlier one works no more.

    What they enrolled before goes on working until they finish enrolling anew. A block after wrong codes is lifted.
    """
    code = b32encode(secrets.token_bytes(10)).decode()
    profile = profile_of(session, operator)
    profile.enrolment, profile.enrolment_until = _hash(code), now() + CODE_LIFE
    profile.step_up_failures, profile.step_up_blocked_until = 0, None
    session.add(profile)
    trail.append(
        session, event="operator.enrolment_opened", operator=by.key, source=by.source, subject=f"operator {operator}"
    )
    return SecretStr("-".join(code[start : start + 4] for start in range(0, 16, 4))), profile.enrolment_until


def begin(session: Session, keys: KeyRing, code: SecretStr) -> Enrolment:
    """Trade an enrolment code for a secret. The code is used up by `finish` alone: a page may be loaded twice.

    `BadInput` when it is wrong, used or expired: which of them is not said.
    """
    profile = _enrolling(session, code)
    secret = SecretStr(pyotp.random_base32())
    address = pyotp.TOTP(secret.get_secret_value()).provisioning_uri(name=profile.operator, issuer_name=_ISSUER)
    ticket = keys.seal(secret, _ticket_place(profile))
    return Enrolment(profile.operator, secret, SecretStr(address), SecretStr(ticket))


def finish(
    session: Session, trail: Trail, keys: KeyRing, code: SecretStr, ticket: SecretStr, first: str, source: str
) -> str:
    """Keep the secret once the app's first code proves that it arrived, and use up the enrolment code; whose it is.

    `BadInput` when the enrolment code does not hold (any more), or the app's code is not the secret's: try again then.
    """
    profile = _enrolling(session, code)
    try:
        secret = keys.open(ticket.get_secret_value(), _ticket_place(profile))
    except SealBroken:
        raise _stale_code() from None
    step = _matching_step(secret, first)
    if step is None:
        raise BadInput(
            "That is not the code your app should show now. Nothing was kept. Check that the phone's clock is right, "
            "and type the newest code."
        )
    profile.step_up = keys.seal(secret, _place(profile.operator))
    profile.step_up_used, profile.step_up_failures, profile.step_up_blocked_until = step, 0, None
    profile.enrolment = profile.enrolment_until = None
    session.add(profile)
    trail.append(
        session,
        event="operator.enrolled",
        operator=profile.operator,
        source=source,
        subject=f"operator {profile.operator}",
    )
    return profile.operator


def check(session: Session, trail: Trail, keys: KeyRing, operator: Operator, code: str) -> Decision:
    """Whether this is the operator's code of the moment. It works no second time; a wrong one is counted and audited.

    The caller must commit whatever the answer: raising would forget that a wrong code was tried.
    """
    profile = find_profile(session, operator.key)
    if profile is None or profile.step_up is None:
        return Decision(
            False,
            "You have no authenticator set up with Rekey yet. Ask an administrator for an enrolment code "
            f"(`rekey operators enrol {operator.key}`), then open this again.",
        )
    blocked = profile.step_up_blocked_until
    if blocked is not None and blocked > now():
        return Decision(
            False,
            f"Too many wrong codes: none is taken before {blocked:%H:%M} UTC. If that was not you, tell an "
            "administrator now; a new enrolment code lifts it.",
        )
    step = _matching_step(keys.open(profile.step_up, _place(operator.key)), code)
    if step is not None and step > profile.step_up_used:
        profile.step_up_used, profile.step_up_failures, profile.step_up_blocked_until = step, 0, None
        session.add(profile)
        return _YES
    profile.step_up_failures += 1
    rounds, rest = divmod(profile.step_up_failures, MOST_FAILURES)
    if rest == 0:
        profile.step_up_blocked_until = now() + min(BLOCKED_FOR * 2 ** min(rounds - 1, 10), LONGEST_BLOCK)
    session.add(profile)
    trail.append(
        session,
        event="operator.step_up_refused",
        operator=operator.key,
        source=operator.source,
        subject=f"operator {operator.key}",
        result="refused",
        details={"wrong_in_a_row": profile.step_up_failures, "blocked": rest == 0},
    )
    if step is not None:
        return Decision(False, "That code was used already. Wait until your app shows the next one.")
    if rest == 0:
        return Decision(False, f"Wrong code, the {MOST_FAILURES}th in a row: none is taken for a while now.")
    return Decision(False, f"That code is wrong. {MOST_FAILURES - rest} more tries before Rekey stops taking any.")


def is_enrolled(profile: Profile | None) -> bool:
    """Whether they can step up."""
    return profile is not None and profile.step_up is not None


def _enrolling(session: Session, code: SecretStr) -> Profile:
    typed = "".join(code.get_secret_value().split()).replace("-", "").upper()
    profile = find_enrolment(session, _hash(typed), now())
    if profile is None:
        raise _stale_code()
    return profile


def _stale_code() -> BadInput:
    return BadInput(
        "This enrolment code is wrong, was used already, or is older than a day. Nothing was changed. Check what you "
        "typed, or ask an administrator for a new one."
    )


def _matching_step(secret: SecretStr, code: str) -> int | None:
    """The time step whose code this is, among those near now."""
    totp = pyotp.TOTP(secret.get_secret_value())
    try:
        return totp.verify_and_get_timecode("".join(code.split()), for_time=now(), valid_window=_DRIFT)
    except OTPVerificationError:
        return None


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _place(operator: str) -> tuple[str, ...]:
    return ("step-up", operator)


def _ticket_place(profile: Profile) -> tuple[str, ...]:
    """The ticket of one enrolment code opens with no other."""
    return ("enrolment", profile.operator, profile.enrolment or "")
