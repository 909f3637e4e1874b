"""What Microsoft's refusals mean: the tables, and the links that mend them.

Graph branches by status and code, since its messages may change; the token endpoint by `error_codes`. Sources:
Microsoft's errors page and reference-error-codes page; field reports where those are silent.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bot.directories.entra import roles
from bot.directories.entra.settings import EntraSettings
from bot.errors import (
    AdminNotPermitted,
    NoAnswer,
    NotFound,
    OutsideError,
    PasswordRefused,
    Refused,
    RightMissing,
    SignInRefused,
    TenantNotPermitted,
    Throttled,
    Unreachable,
)
from bot.http_session import Reply

SET_PASSWORDS = "User-PasswordProfile.ReadWrite.All"
READ_USERS = "User.Read.All"
READ_ROLES = "RoleManagement.Read.Directory"
READ_GROUPS = "GroupMember.Read.All"
READ_DOMAINS = "Domain.Read.All"
REVOKE_SESSIONS = "User.RevokeSessions.All"


class Enough(NamedTuple):
    """Permissions of which any one is enough."""

    app: frozenset[str]
    """For an app by itself."""
    somebody: frozenset[str]
    """On behalf of somebody, who has to hold a role for it too."""


MAY_SET_PASSWORDS = Enough(
    frozenset({SET_PASSWORDS, "Directory.ReadWrite.All"}), frozenset({SET_PASSWORDS, "Directory.AccessAsUser.All"})
)
"""The least, and what was asked for before that one existed: by itself an app then needs a role besides."""
MAY_REVOKE = Enough(*[frozenset({REVOKE_SESSIONS, "User.ReadWrite.All", "Directory.ReadWrite.All"})] * 2)

_ADMIN_CENTERS = {
    "https://login.microsoftonline.us": "https://entra.microsoft.us",
    "https://login.partner.microsoftonline.cn": "https://entra.microsoftonline.cn",
}
_MASTERED = "on-premises mastered"
_THROTTLED_OTHERWISE = "Request_ThrottledTemporarily"
_PROPAGATES = 30.0
"""Seconds until a consent that was just given may be known everywhere."""

_SECRET = "Make a new client secret (app registration, Certificates & secrets), and give it to the connection."  # noqa: S105
_SIGN_IN_AGAIN = "Sign in once more as the partner's user and consent, and give the connection the new refresh token."
_NOT_MAPPED = (
    "Add the partner's user to a security group that the GDAP relationship with this customer maps to a role, and see "
    "that the relationship is active."
)
_REFUSALS: dict[int, tuple[str, str]] = {
    7000215: ("the client secret is wrong (it is the secret's value that counts, not its id)", _SECRET),
    7000222: ("the client secret has expired", _SECRET),
    7000218: ("the app may only be used with a secret or a certificate", _SECRET),
    700027: ("the certificate is not one of the app's", "Upload it under Certificates & secrets of the registration."),
    700024: ("this machine's clock is wrong, or its certificate is not valid now", "Set this machine's clock."),
    90002: ("there is no such tenant in this cloud", "Check tenant_id and cloud in the connection's settings."),
    900023: ("this is no tenant's id", "Check tenant_id in the connection's settings."),
    700082: ("the refresh token was not used for 90 days", _SIGN_IN_AGAIN),
    70000: ("the refresh token does not hold any more", _SIGN_IN_AGAIN),
    70008: ("the refresh token has expired", _SIGN_IN_AGAIN),
    9002313: ("the refresh token is not one of this app's", _SIGN_IN_AGAIN),
    50173: ("the refresh token was revoked, as by a change of password", _SIGN_IN_AGAIN),
    50053: ("the partner's user is locked", "Unlock the partner's user."),
    50057: ("the partner's user is disabled", "Enable the partner's user."),
    50055: ("the password of the partner's user has expired", _SIGN_IN_AGAIN),
    50076: ("the partner's user has to use a second factor", _SIGN_IN_AGAIN),
    50079: ("the partner's user has to set up a second factor", _SIGN_IN_AGAIN),
    50158: ("the partner's user has to pass another check", _SIGN_IN_AGAIN),
    53003: ("a Conditional Access policy stands against it", "Exempt the app, or this machine's address, from it."),
    530035: ("a Conditional Access policy stands against it", "Exempt the app, or this machine's address, from it."),
}
_NOT_IN_TENANT: dict[int, tuple[str, str]] = {
    700016: ("the app is not known in this tenant", ""),
    7000229: ("the app was never consented to in this tenant", ""),
    7000112: ("the app is disabled in this tenant", "Enable it there (Enterprise applications, Properties)."),
    65001: ("the app was never consented to in this tenant", ""),
    90099: ("the app is not authorized in this customer's tenant", ""),
    50020: ("the partner's user is not known in this customer's tenant", _NOT_MAPPED),
    50177: ("the partner's user has no role in this customer's tenant", _NOT_MAPPED),
}
NOT_PROPAGATED = "Authorization_IdentityNotFound"
"""The code for an app whose consent is not known everywhere yet."""
_PASSING = frozenset({"temporarily_unavailable", "server_error"})


def consent_link(settings: EntraSettings) -> str:
    """Where an administrator of the tenant consents to all that the app asks for."""
    return f"{settings.place.login}/{settings.tenant_id}/adminconsent?{urlencode({'client_id': settings.client_id})}"


def roles_link(settings: EntraSettings) -> str:
    """Where an administrator of the tenant gives the app a directory role."""
    center = _ADMIN_CENTERS.get(settings.place.login, "https://entra.microsoft.com")
    return f"{center}/{settings.tenant_id}/#view/Microsoft_AAD_IAM/RolesManagementMenuBlade/~/AllRoles"


def permissions_missing(settings: EntraSettings, names: Collection[str], what_for: str) -> TenantNotPermitted:
    """The error for permissions that nobody has consented to; `what_for` ends the sentence "It is needed to …"."""
    listed = ", ".join(sorted(names))
    return TenantNotPermitted(
        f"Additional API Permissions are Required: {listed}. Needed to {what_for}. No password was touched.",
        cause=f"permission-{listed}",
        mend=f"Add {listed} to the app registration, and let an administrator of the tenant consent: "
        f"{consent_link(settings)}",
    )


def role_missing(settings: EntraSettings, who: str, least: str, *, privileged: bool) -> OutsideError:
    """The error for an account that our roles do not reach."""
    mend = f"Give the app the role “{least}” in this tenant: {roles_link(settings)}"
    if privileged:
        return AdminNotPermitted(
            f"{who} is an administrator's account that our role in this tenant does not reach. The old password holds.",
            cause="role-administrator",
            mend=f"{mend}. Or leave administrators' accounts out.",
        )
    return TenantNotPermitted(
        f"This tenant lets Rekey reset nobody without a directory role, {who} neither. The old password holds.",
        cause="role-missing",
        mend=mend,
    )


def restricted(who: str) -> AdminNotPermitted:
    """The error for an account in a restricted management administrative unit."""
    return AdminNotPermitted(
        f"{who} is in a restricted management administrative unit, which no role for the whole tenant reaches. The old "
        "password holds.",
        cause="restricted-unit",
        mend="Give the app its role for that administrative unit (Roles & admins, scope), or leave the account out.",
    )


def gone(who: str) -> NotFound:
    """The error for an account that is not there."""
    return NotFound(
        f"The tenant has no account {who} (any more).",
        cause="account-gone",
        mend="Sync the directory: deleted accounts drop out of their matches.",
    )


def code_of(reply: Reply) -> str:
    """Graph's error code; empty when there is none to read."""
    return str(_error(reply).get("code") or "")


def read_failed(settings: EntraSettings, reply: Reply, permission: str, what_for: str) -> OutsideError:
    """The error for a read that Graph did not answer with what was asked."""
    code = code_of(reply)
    passing = _passing(reply, code)
    if passing:
        return passing
    if reply.status == 401:
        return not_let_in(reply)
    if reply.status == 403:
        return _conditional(reply) or permissions_missing(settings, [permission], what_for)
    if reply.status >= 500:
        return Unreachable(
            f"{reply.host} is out of order at the moment ({reply.status}). Nothing was changed.", cause="graph-away"
        )
    return Refused(
        f"{reply.host} refused to be read with {_quoted(reply, code)}. Nothing was changed.",
        cause=f"read-{code or reply.status}",
    )


def write_failed(reply: Reply, who: str) -> OutsideError:
    """The error for a refused or unclear change, but for 403: why that is takes looking at what we may."""
    code = code_of(reply)
    passing = _passing(reply, code)
    if passing:
        return passing
    if reply.status == 401:
        return not_let_in(reply)
    if reply.status == 404:
        return gone(who)
    if reply.status == 424:
        return Throttled(
            "The request this one came with was not carried out. Nothing was changed.", retry_after=5, cause="batch"
        )
    if reply.status == 403:
        return _conditional(reply) or RightMissing(
            f"{reply.host} does not let us change {who}. The old password holds.", cause="denied"
        )
    if reply.status >= 500:
        return NoAnswer(
            f"{reply.host} failed over {who} ({reply.status}): it is not known whether the password was set.",
            cause="graph-away",
        )
    message = str(_error(reply).get("message") or "")
    if reply.status == 400 and _MASTERED in message.lower():
        return Refused(
            f"{who} is synchronized from Active Directory, which keeps its password. The old password holds.",
            cause="synced",
            mend="Rotate the account in its Active Directory: the new password arrives here by itself.",
        )
    if reply.status == 400 and code == "Request_BadRequest":
        return PasswordRefused(
            f"{reply.host} refused the new password for {who}: it breaks the tenant's policy (length, complexity, a "
            "banned word; Microsoft does not say which). The old password holds.",
            cause="policy",
        )
    return Refused(
        f"{reply.host} refused the change for {who} with {_quoted(reply, code)}. The old password holds.",
        cause=f"refused-{code or reply.status}",
    )


def not_let_in(reply: Reply) -> SignInRefused:
    """The error for a token that Graph does not take, twice."""
    return SignInRefused(
        f"{reply.host} does not take the token that the sign-in host gave us. No password was touched.",
        cause="token-refused",
        mend="Check that login and graph belong to the same cloud, and this machine's clock.",
    )


def no_token(settings: EntraSettings, answer: Mapping[str, Any]) -> OutsideError:
    """The error for a sign-in of ours that was refused."""
    codes = [int(code) for code in answer.get("error_codes", ())]
    error = str(answer.get("error") or "")
    host = settings.place.login.removeprefix("https://")
    code = next((each for each in codes if each in _NOT_IN_TENANT or each in _REFUSALS), codes[0] if codes else 0)
    shown = f"AADSTS{code}" if code else error or "no reason"
    if code in _NOT_IN_TENANT or (code not in _REFUSALS and error == "unauthorized_client"):
        why, mend = _NOT_IN_TENANT.get(code, ("the app may not be used there", ""))
        return TenantNotPermitted(
            f"{host} refused our sign-in to tenant {settings.tenant_id}: {why} ({shown}). No password was touched.",
            cause=f"tenant-{code or error}",
            mend=mend or f"Let an administrator of the tenant consent: {consent_link(settings)}",
        )
    if error in _PASSING:
        return Unreachable(f"{host} gives out no tokens at the moment ({shown}).", cause="sign-in-away")
    why, mend = _REFUSALS.get(code, ("it gives a reason that Rekey does not know", "Look the code up at Microsoft."))
    if not codes and error == "invalid_tenant":
        why, mend = _REFUSALS[90002]
    return SignInRefused(
        f"{host} refused our sign-in to tenant {settings.tenant_id}: {why} ({shown}). No password was touched.",
        cause=f"sign-in-{code or error}",
        mend=mend,
    )


def other_cloud(settings: EntraSettings) -> SignInRefused:
    """The error for a tenant whose tokens come from somewhere else."""
    return SignInRefused(
        f"Tenant {settings.tenant_id} is not in this cloud: {settings.place.login} sends us elsewhere for its tokens. "
        "Nothing was sent there, and no password was touched.",
        cause="other-cloud",
        mend="Check cloud in the connection's settings (global, us-gov, us-dod, china).",
    )


def role_names(held: Collection[str]) -> str:
    """Roles as people know them."""
    return roles.named(held) or "no role"


def _passing(reply: Reply, code: str) -> OutsideError | None:
    """What goes by itself, with nothing changed."""
    asked = reply.retry_after()
    if reply.status == 429 or (reply.status == 503 and (asked is not None or code == _THROTTLED_OTHERWISE)):
        return Throttled(
            f"{reply.host} asks to be left alone for a while. Nothing was changed.",
            retry_after=5.0 if asked is None else asked,
            cause="throttled",
        )
    if code == NOT_PROPAGATED:
        return Throttled(
            "The tenant has not heard of the app's consent everywhere yet. Nothing was changed.",
            retry_after=_PROPAGATES,
            cause="not-propagated",
        )
    return None


def _conditional(reply: Reply) -> SignInRefused | None:
    if "insufficient_claims" not in reply.headers.get("WWW-Authenticate", "") + reply.text:
        return None
    return SignInRefused(
        f"A Conditional Access policy of the tenant stands against us at {reply.host}. No password was touched.",
        cause="conditional-access",
        mend="Exempt the app, or this machine's address, from that policy.",
    )


def _error(reply: Reply) -> Mapping[str, Any]:
    try:
        body = reply.json()
    except OutsideError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _quoted(reply: Reply, code: str) -> str:
    return f"“{code}” ({reply.status})" if code else f"status {reply.status}"
