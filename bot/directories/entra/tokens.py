"""Access tokens for one tenant: by client secret, by certificate, or by a partner's refresh token redeemed there.

msal does the talking, through our own HTTP session, and has ways of its own that are dealt with here (measured on msal
1.39): an application that is kept answers a refusal from memory for a minute, one for an unknown tenant is a bare
ValueError, and all would ask Microsoft's public cloud who an authority is. Its errors become ours; `diagnostics` knows
what each AADSTS code means.
"""

import base64
import copy
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msal
from msal.exceptions import MsalServiceError
from pydantic import SecretStr

from bot.certificates import read_pair
from bot.directories.entra import diagnostics
from bot.directories.entra.diagnostics import Enough
from bot.directories.entra.settings import EntraCredential, EntraSettings
from bot.errors import BadInput, NoAnswer, OutsideError, SignInRefused, Unreachable
from bot.http_session import HttpSession, Reply

Keep = Callable[[SecretStr], None]
"""Keeps the refresh token that is in force from now on."""

_EARLY = 300.0
"""Seconds before its end a token is no longer used, as msal has it."""
_NEW_CERTIFICATE = 700027
"""An assertion is refused for a while after its certificate was added."""
_TRIES, _PAUSE = 3, 10.0
_AADSTS = re.compile(r"AADSTS(\d+)")


@dataclass(frozen=True, slots=True)
class Token:
    """What Graph is asked with. The claims are what Microsoft says of us in it; empty when they cannot be read."""

    value: SecretStr
    claims: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def delegated(self) -> bool:
        """A person of the partner's stands behind it."""
        return "scp" in self.claims

    @property
    def permissions(self) -> frozenset[str]:
        """What was consented to: application permissions, or the delegated ones."""
        if self.delegated:
            return frozenset(str(self.claims["scp"]).split())
        return frozenset(map(str, self.claims.get("roles", ())))

    def lets(self, enough: Enough) -> bool:
        """Whether one of these was consented to; where the token cannot be read, perhaps."""
        return not self.claims or not self.permissions.isdisjoint(enough.somebody if self.delegated else enough.app)

    @property
    def object_id(self) -> str | None:
        """Who we are in the tenant: the service principal, or the partner's user."""
        return self.claims.get("oid")

    @property
    def roles(self) -> frozenset[str]:
        """The directory roles it carries; a partner's come with the token alone."""
        return frozenset(map(str, self.claims.get("wids", ())))


class Tokens:
    """One app in one tenant. Safe to use from several threads."""

    def __init__(
        self,
        settings: EntraSettings,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._asked = 0
        self._failure: OutsideError | None = None
        self._asked_at = self._until = 0.0

    def get(self, credential: EntraCredential, keep: Keep | None = None) -> Token:
        """A token that holds for a few minutes at least. `keep` takes each new refresh token before the token is used.

        Raises `SignInRefused`, `TenantNotPermitted`, `CertificateRefused`, `Throttled` or `Unreachable`: asking for one
        changes nothing.
        """
        asked = self._asked
        with self._lock:
            if self._token is not None and self._clock() < self._until:
                return self._token
            if self._failure is not None and self._asked != asked:
                raise copy.copy(self._failure)  # somebody asked while we waited: asking again would only take as long
            try:
                self._token, self._failure = self._ask(credential, keep), None
            except OutsideError as error:
                self._failure = error
                raise
            finally:
                self._asked += 1
            return self._token

    def forget(self, token: Token) -> None:
        """This one is not good any more, or a newer one would say more: the next is asked for anew."""
        self.forget_older(token, 0.0)

    def forget_older(self, token: Token, seconds: float) -> bool:
        """The same where it is older than so many seconds; whether the next one will be new."""
        with self._lock:
            if self._token is token and self._clock() - self._asked_at >= seconds:
                self._token = None
            return self._token is not token

    def _ask(self, credential: EntraCredential, keep: Keep | None) -> Token:
        for tried in range(1, _TRIES + 1):
            began = self._clock()
            answer = self._answer(credential)
            if "access_token" in answer:
                if keep is not None and answer.get("refresh_token"):
                    keep(SecretStr(answer["refresh_token"]))
                self._asked_at = began
                self._until = began + max(float(answer.get("expires_in", 0)) - _EARLY, 0.0)
                return Token(SecretStr(answer["access_token"]), _claims(answer["access_token"]))
            if _NEW_CERTIFICATE not in answer.get("error_codes", ()) or tried == _TRIES:
                break
            self._wait(_PAUSE)
        raise diagnostics.no_token(self._settings, answer)

    def _answer(self, credential: EntraCredential) -> dict[str, Any]:
        """What the token endpoint said, good or bad."""
        scopes = [f"{self._settings.place.graph}/.default"]
        with HttpSession(
            self._settings.place.login, verify=self._settings.place.ca or True, wait=self._wait
        ) as session:
            try:
                app = self._application(credential, session)
                if credential.refresh_token is not None:
                    # A person's new consent or role shows in a token redeemed after it, and only there.
                    token = credential.refresh_token.get_secret_value()
                    return dict(app.acquire_token_by_refresh_token(token, scopes))
                return dict(app.acquire_token_for_client(scopes) or {})
            except OutsideError:
                raise
            except MsalServiceError:
                raise Unreachable(
                    f"{session.host} is out of order at the moment: it gives out no tokens. Nothing was changed.",
                    cause="sign-in-away",
                ) from None
            except (ValueError, TypeError, KeyError, RuntimeError) as error:
                raise self._unusable(error) from None

    def _application(self, credential: EntraCredential, session: HttpSession) -> msal.ConfidentialClientApplication:
        """Made anew for each token, that is hourly: one that is kept gives refusals and tokens again that it remembers,
        and holds on to the credential.
        """
        place = self._settings.place
        app = msal.ConfidentialClientApplication(
            self._settings.client_id,
            client_credential=_proof(self._settings, credential),
            authority=f"{place.login}/{self._settings.tenant_id}",
            http_client=_Transport(session),
            instance_discovery=False,  # our hosts are a list of our own; asking would go to the public cloud
        )
        if not app.authority.token_endpoint.startswith(f"{place.login}/"):
            raise diagnostics.other_cloud(self._settings)
        return app

    def _unusable(self, error: Exception) -> OutsideError:
        """What msal raised instead of answering."""
        said = f"{error} {error.__context__}"
        found = _AADSTS.search(said)
        if found:
            return diagnostics.no_token(self._settings, {"error_codes": [int(found[1])]})
        if "Unable to get authority configuration" in said:
            return diagnostics.no_token(self._settings, {"error": "invalid_tenant"})
        return Unreachable(
            f"{self._settings.place.login} answered something that cannot be made sense of. Nothing was changed.",
            cause="sign-in-away",
        )


class _Transport:
    """What msal speaks through."""

    def __init__(self, session: HttpSession) -> None:
        self._session = session

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> "_Said":
        reply = self._session.get(url, params, headers)
        if reply.status == 200:
            reply.json()  # msal would log what it cannot read
        return _Said(reply)

    def post(self, url: str, data: Any = None, headers: Any = None, **_: Any) -> "_Said":
        try:
            reply = self._session.send("POST", url, headers=headers, form=data)
            if reply.status < 500:
                reply.json()
        except NoAnswer as error:
            raise Unreachable(
                f"{self._session.host} did not answer when asked for a token. Nothing was changed.", cause=error.cause
            ) from None
        return _Said(reply)

    def close(self) -> None:
        pass


class _Said:
    """A reply as msal reads it."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.headers = dict(reply.headers)
        self.text = reply.text


def _proof(settings: EntraSettings, credential: EntraCredential) -> str | dict[str, str]:
    if credential.client_secret is not None:
        return credential.client_secret.get_secret_value()
    key, certificate = credential.private_key or SecretStr(""), settings.certificate or ""
    try:
        read_pair(certificate, key)
    except BadInput as error:
        raise SignInRefused(
            f"Rekey cannot prove itself by certificate: {error} No password was touched.",
            cause="bad-key",
            mend="Give the connection its certificate and its private key again, as PEM and unencrypted.",
        ) from None
    return {"private_key": key.get_secret_value(), "public_certificate": certificate}


def _claims(token: str) -> dict[str, Any]:
    """What a token says of its bearer: of use for explaining, never for deciding what Graph itself will decide.

    Graph's tokens are not promised to be readable; one that is not says nothing.
    """
    try:
        middle = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
