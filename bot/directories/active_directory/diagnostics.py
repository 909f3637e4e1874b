"""What a domain controller's refusals mean: the tables, and nothing but the tables.

Classified by the leading eight hexadecimal digits of the message (the Windows error code) first and by the LDAP result
code second, because the rest of the text differs between builds, and between Windows and Samba. A refused sign-in says
why in `data NNN`. Sources: Microsoft's "LDAP error codes" and KB269190; the Samba wordings were measured on 4.17.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bot.errors import (
    AdminNotPermitted,
    NotFound,
    OutsideError,
    PasswordRefused,
    Refused,
    RightMissing,
    SignInRefused,
    Throttled,
)

RESET_RIGHT = "Reset Password"
"""The extended right (User-Force-Change-Password) as Windows' own dialogs name it."""


class SignIn(StrEnum):
    """What a sign-in attempt told."""

    ACCEPTED = "accepted"
    MUST_CHANGE = "773"
    DISABLED = "533"
    WRONG = "52e"
    NO_SUCH_USER = "525"
    HOURS = "530"
    WORKSTATION = "531"
    PASSWORD_EXPIRED = "532"  # noqa: S105 - Windows' code for it, not a password
    ACCOUNT_EXPIRED = "701"
    LOCKED = "775"
    UNCLEAR = "unclear"


PROVES = frozenset({SignIn.ACCEPTED, SignIn.MUST_CHANGE, SignIn.DISABLED})
"""The password matched. A disabled account says 533 only for the right password, must-change likewise 773."""

DISPROVES = frozenset({SignIn.WRONG, SignIn.NO_SUCH_USER})
"""The password did not match. Everything else tells nothing about the password."""

_DATA = re.compile(r"\bdata ([0-9a-fA-F]+)")
_WINDOWS_CODE = re.compile(r"^\s*([0-9A-Fa-f]{8}):")

_UNCLEAR_WORDS = {
    SignIn.HOURS: "it may not sign in at this hour",
    SignIn.WORKSTATION: "it may not sign in from here",
    SignIn.PASSWORD_EXPIRED: "its password has expired",
    SignIn.ACCOUNT_EXPIRED: "the account has expired",
    SignIn.LOCKED: "it is locked",
    SignIn.UNCLEAR: "the domain controller gave no reason it could be judged by",
}

_CONNECTOR_REFUSALS: dict[SignIn, tuple[str, str]] = {
    SignIn.WRONG: (
        "the name or the password is wrong",
        "Check bind_dn, and give the connection its password again.",
    ),
    SignIn.NO_SUCH_USER: ("there is no such account", "Check bind_dn."),
    SignIn.HOURS: (
        "it may not sign in at this hour",
        "Allow its sign-in at all hours (account properties, Logon Hours).",
    ),
    SignIn.WORKSTATION: (
        "it may not sign in from this machine",
        "Remove its workstation restriction (account properties, Log On To).",
    ),
    SignIn.PASSWORD_EXPIRED: ("its password has expired", "Set it a new password and give that to the connection."),
    SignIn.DISABLED: ("it is disabled", "Enable it in the domain."),
    SignIn.ACCOUNT_EXPIRED: ("it has expired", "Extend it in the domain (account properties, Account expires)."),
    SignIn.MUST_CHANGE: (
        "it must change its password at next logon",
        "Set it a password without “User must change password at next logon”, and give that to the connection.",
    ),
    SignIn.LOCKED: ("it is locked", "Unlock it in the domain, and find out who tried wrong passwords for it."),
}


def windows_code(message: str) -> str | None:
    """The Windows error code a message begins with, eight upper-case hexadecimal digits; None when there is none."""
    found = _WINDOWS_CODE.match(message)
    return found.group(1).upper() if found else None


def sign_in_of(result: Mapping[str, Any]) -> SignIn:
    """Read the result of a bind."""
    if result["result"] == 0:
        return SignIn.ACCEPTED
    found = _DATA.search(result["message"]) if result["result"] == 49 else None
    if found is None:
        return SignIn.UNCLEAR
    try:
        return SignIn(found.group(1).lower())
    except ValueError:
        return SignIn.UNCLEAR


def why_unclear(outcome: SignIn) -> str:
    """Why a sign-in attempt told nothing about the password, as the end of a sentence."""
    return _UNCLEAR_WORDS.get(outcome, _UNCLEAR_WORDS[SignIn.UNCLEAR])


def connector_refused(server: str, bind_dn: str, result: Mapping[str, Any]) -> OutsideError:
    """The error for a refused sign-in of the connector's own account."""
    passing = _busy(server, result)
    if passing:
        return passing
    outcome = sign_in_of(result)
    if outcome in _CONNECTOR_REFUSALS:
        why, mend = _CONNECTOR_REFUSALS[outcome]
    elif result["result"] == 8:
        why, mend = "it demands an encrypted connection", "Use the LDAPS port (636)."
    elif result["result"] in (32, 34):
        why = "there is no account of that name"
        mend = "Check bind_dn: a distinguished name, DOMAIN\\name or name@domain."
    else:
        why = f"it answered {_quoted(result)}"
        mend = "Look into that domain controller's event log (Directory Service)."
    return SignInRefused(
        f"{server} refused the sign-in of {bind_dn}: {why}. No password was touched.",
        cause=f"sign-in-{outcome if outcome is not SignIn.UNCLEAR else result['result']}",
        mend=mend,
    )


def write_refused(server: str, account: str, result: Mapping[str, Any], *, privileged: bool) -> OutsideError:
    """The error for a refused write: a new password, or an unlock. The old password still holds in every case."""
    message, code = result["message"], result["result"]
    windows = windows_code(message)
    passing = _busy(server, result)
    if windows == "0000052D":
        return PasswordRefused(f"{server} refused the new password for {account}: {_rule(message)}.", cause="policy")
    if passing:
        return passing
    if windows in ("00000005", "00002098") or code == 50:
        return _no_right(server, account, privileged=privileged)
    if windows in ("0000208D", "00002030") or code == 32:
        return gone(server, account)
    if windows == "0000001F":
        return Refused(
            f"{server} sets no password over this connection: it does not hold it for encrypted.",
            cause="not-encrypted",
            mend="Use the LDAPS port (636) with at least 128-bit encryption.",
        )
    if code == 10:
        return read_only(server)
    return Refused(
        f"{server} refused the change for {account} with {_quoted(result)}. The old password still holds.",
        cause=f"refused-{windows or code}",
        mend="Try the same change by hand in Active Directory Users and Computers: it will say more.",
    )


def read_refused(server: str, result: Mapping[str, Any]) -> OutsideError:
    """The error for a refused search."""
    passing = _busy(server, result)
    if passing:
        return passing
    if result["result"] == 50:
        return RightMissing(
            f"{server} does not let the connector's account read the domain.",
            cause="right-read",
            mend="Grant it read access to the domain (Authenticated Users have it by default).",
        )
    return Refused(f"{server} refused to be read with {_quoted(result)}.", cause=f"read-{result['result']}")


def gone(server: str, account: str) -> NotFound:
    """The error for an account that is not there."""
    return NotFound(
        f"{server} has no account {account} (any more), or does not show it to the connector's account.",
        cause="account-gone",
        mend="Sync the directory: deleted accounts drop out of their matches.",
    )


def read_only(server: str) -> Refused:
    """The error for a domain controller that only passes writes on."""
    return Refused(
        f"{server} is a read-only domain controller: it sets no passwords.",
        cause="read-only-server",
        mend="List a writable domain controller in the connection's servers.",
    )


def _no_right(server: str, account: str, *, privileged: bool) -> OutsideError:
    if privileged:
        return AdminNotPermitted(
            f"{server} does not let the connector's account reset {account}, which is an administrator's account: "
            "Windows protects those from delegated rights.",
            cause="right-reset-administrator",
            mend="Leave administrators' accounts out, or connect with an account that may reset them.",
        )
    return RightMissing(
        f"{server} does not let the connector's account change {account}.",
        cause="right-reset",
        mend=f"Grant the connector's account the right “{RESET_RIGHT}” (and write access to lockoutTime) on the "
        "organizational unit of this account: Delegate Control, “Reset user passwords…”. If others in the same unit "
        "work, inheritance is switched off on this account.",
    )


def _busy(server: str, result: Mapping[str, Any]) -> OutsideError | None:
    if result["result"] in (3, 11, 51, 52):
        what = f"{server} is too busy right now ({result['description']}). Nothing was changed."
        return Throttled(what, retry_after=15, cause="busy")
    return None


def _rule(message: str) -> str:
    """Which rule it breaks: Samba says, Windows does not."""
    said = message.lower()
    if "too short" in said:
        return "it is too short for the domain's policy"
    if "complexity" in said:
        return "it does not meet the domain's complexity rule"
    if "history" in said:
        return "it was used before (the domain's history rule)"
    if "too young" in said:
        return "the present password is younger than the domain's minimum age"
    return "it breaks the domain's policy (length, complexity, history, a banned word; Windows does not say which)"


def _quoted(result: Mapping[str, Any]) -> str:
    said = " ".join(result["message"].replace("\x00", "").split())[:200]
    return f"“{result['description']}” ({result['result']}{': ' + said if said else ''})"
