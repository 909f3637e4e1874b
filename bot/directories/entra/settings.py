"""What an Entra connection needs to find its tenant and be known there: settings, and apart from them the credential.

National clouds: learn.microsoft.com/graph/deployments. A tenant's data and tokens never leave its cloud.
"""

import json
import ssl
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from bot.errors import BadInput

HTTPS_PORT = 443


def _guid(value: object) -> object:
    try:
        return str(UUID(value)) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("is no GUID, such as 6f0c1d1e-0000-4000-8000-000000000001") from None


def _origin(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    try:
        port = parts.port or HTTPS_PORT
    except ValueError:
        port = 0
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.username
        or not port
    ):
        raise ValueError("is written https://HOST or https://HOST:PORT, and nothing after it")
    return f"https://{parts.hostname}" if port == HTTPS_PORT else f"https://{parts.hostname}:{port}"


Guid = Annotated[str, BeforeValidator(_guid)]
Origin = Annotated[str, BeforeValidator(_origin)]


class Cloud(BaseModel):
    """Where a cloud signs people in, and where its Graph is; by origin (`https://HOST[:PORT]`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    login: Origin
    graph: Origin
    ca: str | None = None
    """PEM text of the authority both answer to; None trusts what this machine trusts."""

    @field_validator("ca")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        return None if value is None else _certificate(value)

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host:port` of both."""
        return tuple(
            f"{urlsplit(each).hostname}:{urlsplit(each).port or HTTPS_PORT}" for each in (self.login, self.graph)
        )


CLOUDS: Mapping[str, Cloud] = {
    "global": Cloud(login="https://login.microsoftonline.com", graph="https://graph.microsoft.com"),
    "us-gov": Cloud(login="https://login.microsoftonline.us", graph="https://graph.microsoft.us"),
    "us-dod": Cloud(login="https://login.microsoftonline.us", graph="https://dod-graph.microsoft.us"),
    "china": Cloud(login="https://login.partner.microsoftonline.cn", graph="https://microsoftgraph.chinacloudapi.cn"),
}
"""Microsoft's own, by the name they have in a world file."""
HOSTS = frozenset(host for cloud in CLOUDS.values() for host in cloud.hosts)
"""Every host Rekey speaks to without being told more."""


class EntraSettings(BaseModel):
    """A tenant, the app that is registered or consented to there, and the cloud both are in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant_id: Guid
    client_id: Guid
    cloud: str | Cloud = "global"
    """A name of `CLOUDS`, or a place of its own."""
    certificate: str | None = None
    """PEM text of the certificate the app is known by, where it signs in with one; its key is the credential's."""
    client_secret_ends: Annotated[str, Field(pattern=r"\d{4}-\d\d-\d\d")] | None = None
    """The day the client secret ends, as whoever made it wrote it down."""

    @field_validator("cloud")
    @classmethod
    def _known(cls, value: str | Cloud) -> str | Cloud:
        if isinstance(value, str) and value not in CLOUDS:
            raise ValueError(f"is one of {', '.join(CLOUDS)}, or a mapping with login and graph")
        return value

    @field_validator("certificate")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        return None if value is None else _certificate(value)

    @property
    def place(self) -> Cloud:
        """Where its sign-in and its Graph are."""
        return CLOUDS[self.cloud] if isinstance(self.cloud, str) else self.cloud

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        """Read a stored connection's settings; `BadInput` names every field that does not fit."""
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            raise BadInput(f"These settings do not describe an Entra tenant: {_named(error)}.") from None


class EntraCredential(BaseModel):
    """What the app proves itself with: a client secret or a certificate's private key; and for a partner's delegated
    administration (GDAP) the refresh token besides, which is redeemed in the customer's tenant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_secret: SecretStr | None = None
    private_key: SecretStr | None = None
    """PEM text, not encrypted."""
    refresh_token: SecretStr | None = None
    """The one in force: every redemption brings a new one."""
    refresh_token_given: SecretStr | None = None
    """The one a person gave, where it was refreshed since."""

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if (self.client_secret is None) is (self.private_key is None):
            raise ValueError("takes a client secret or a certificate's private key: one of the two")
        return self

    @classmethod
    def parse(cls, sealed: SecretStr) -> Self:
        """Read what `text` made; `BadInput`, which repeats nothing of it, when it is something else."""
        try:
            return cls.model_validate(json.loads(sealed.get_secret_value()))
        except ValidationError as error:
            raise BadInput(f"This is no credential of an Entra app: it {_named(error)}.") from None
        except ValueError:
            raise BadInput("This is no credential of an Entra app.") from None

    @classmethod
    def of(cls, parts: Mapping[str, SecretStr]) -> Self:
        """From its parts by name, the empty ones left out. `BadInput` as above."""
        return cls.parse(SecretStr(json.dumps({name: each.get_secret_value() for name, each in parts.items() if each})))

    def refreshed(self, token: SecretStr) -> Self:
        """The same with the refresh token that is in force from now on."""
        given = self.refresh_token_given or self.refresh_token
        return self.model_copy(update={"refresh_token": token, "refresh_token_given": given})

    def as_given(self) -> Self:
        """As a person gave it, before Rekey refreshed anything."""
        given = self.refresh_token_given or self.refresh_token
        return self.model_copy(update={"refresh_token": given, "refresh_token_given": None})

    def text(self) -> SecretStr:
        """One text, as it is sealed."""
        parts = {name: getattr(self, name) for name in type(self).model_fields}
        return SecretStr(json.dumps({name: each.get_secret_value() for name, each in parts.items() if each}))


def _certificate(text: str) -> str:
    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key: give only the certificate here")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError("is not a PEM certificate (-----BEGIN CERTIFICATE-----)") from None
    return text.strip() + "\n"


def _named(error: ValidationError) -> str:
    found = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        place = [str(part) for part in each["loc"] if part != "Cloud"]
        if place[-1:] != ["str"]:  # what it would have to be instead of a mapping
            found.append(f"{'.'.join(place)}: {each['msg'].removeprefix('Value error, ')}".removeprefix(": "))
    return "; ".join(found)
