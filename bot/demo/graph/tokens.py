"""What the token endpoint has given out: access tokens, and refresh tokens that stand for a person's consent."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.demo.graph.applications import Application, ServicePrincipal
from bot.demo.graph.clock import Clock
from bot.demo.graph.partners import Relationship
from bot.demo.graph.people import User
from bot.demo.graph.tenant import Tenant

IDLE = timedelta(days=90)
"""How long a refresh token lives unused."""


@dataclass(eq=False)
class AccessToken:
    """What a caller of Graph may do. Permissions and roles are as they were when it was issued; what has been taken
    away since is gone too.
    """

    value: str = field(repr=False)
    tenant: Tenant
    principal: ServicePrincipal
    user: User | None
    """The person behind a delegated token, who may be a partner's."""
    home: Tenant | None
    """The tenant of that person."""
    permissions: frozenset[str]
    roles: frozenset[str]
    issued_at: datetime
    expires_at: datetime

    @property
    def delegated(self) -> bool:
        """Whether somebody stands behind the application."""
        return self.user is not None


@dataclass(eq=False)
class RefreshToken:
    """A person's lasting consent to an application."""

    value: str = field(repr=False)
    client_id: str
    home: Tenant
    user: User
    used_at: datetime
    revoked: bool = False
    spent: bool = False


class Tokens:
    """Everything that was issued."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lifetime = timedelta(seconds=3599)
        """How long an access token lives."""
        self.old_refresh_tokens_work = True
        """Whether a refresh token may be redeemed again after it has been exchanged for a newer one."""
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}

    def issue(
        self, tenant: Tenant, principal: ServicePrincipal, user: User | None, home: Tenant | None, audience: str
    ) -> AccessToken:
        """A new access token, with what its bearer has been granted by now."""
        now = self._clock.now()
        permissions = frozenset(principal.delegated if user else principal.application)
        roles = _roles(tenant, principal, user, home, now)
        claims: dict[str, object] = {
            "aud": audience,
            "tid": tenant.id,
            "appid": principal.client_id,
            "oid": user.id if user else principal.id,
            "iat": int(now.timestamp()),
            "exp": int((now + self.lifetime).timestamp()),
            "wids": sorted(roles),
        }
        claims |= {"scp": " ".join(sorted(permissions))} if user else {"roles": sorted(permissions)}
        value = jwt(claims)
        made = AccessToken(value, tenant, principal, user, home, permissions, roles, now, now + self.lifetime)
        self._access[value] = made
        return made

    def refresh(self, application: Application, home: Tenant, user: User) -> RefreshToken:
        """A new refresh token, as after that person has signed in and consented."""
        made = RefreshToken(f"1.{secrets.token_urlsafe(120)}", application.client_id, home, user, self._clock.now())
        self._refresh[made.value] = made
        return made

    def find(self, value: str) -> AccessToken | None:
        """The access token, unless it is unknown or its time is over."""
        found = self._access.get(value)
        return None if found is None or found.expires_at <= self._clock.now() else found

    def find_refresh(self, value: str) -> RefreshToken | None:
        """The refresh token, in whatever state it is."""
        return self._refresh.get(value)

    def forget(self, tenant: Tenant) -> None:
        """Access tokens for this tenant stop working at once."""
        self._access = {value: one for value, one in self._access.items() if one.tenant is not tenant}

    def revoke(self, user: User) -> None:
        """The person's refresh tokens stop working at once, as after a change of password."""
        for one in self._refresh.values():
            if one.user is user:
                one.revoked = True


def effective_permissions(token: AccessToken) -> frozenset[str]:
    """What the token says, as far as it still holds in the tenant."""
    if token.principal.id not in token.tenant.principals:
        return frozenset()
    return token.permissions & (token.principal.delegated if token.delegated else token.principal.application)


def roles_over(token: AccessToken, user: User, now: datetime) -> frozenset[str]:
    """The roles the token says, as far as its bearer still holds them, and over this user."""
    if token.user is None or token.home is token.tenant:
        return token.roles & token.tenant.roles_over(token.user or token.principal, user)
    if user.restricted:
        return frozenset()
    return token.roles & _roles_of_partner(token.user, token.home, token.tenant, now)


def _roles(
    tenant: Tenant, principal: ServicePrincipal, user: User | None, home: Tenant | None, now: datetime
) -> frozenset[str]:
    if user is None or home is tenant:
        return tenant.roles_of(user or principal)
    return _roles_of_partner(user, home, tenant, now)


def _roles_of_partner(user: User, home: Tenant | None, tenant: Tenant, now: datetime) -> frozenset[str]:
    agreed = relationships(home, tenant) if home else []
    return frozenset[str]().union(*(one.roles_of(user, now) for one in agreed))


def relationships(partner: Tenant, customer: Tenant) -> list[Relationship]:
    """What the customer has agreed with the partner."""
    return [one for one in partner.relationships if one.customer == customer.id]


def jwt(claims: Mapping[str, object]) -> str:
    """A token that looks like Microsoft's; nobody but Microsoft can check its signature, and nobody can this one's."""
    parts = [{"typ": "JWT", "alg": "RS256", "nonce": secrets.token_urlsafe(12)}, claims]
    plain = [json.dumps(part, separators=(",", ":")).encode() for part in parts]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*plain, secrets.token_bytes(32)])
