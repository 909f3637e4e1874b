"""What an Active Directory connection needs to find and trust its domain controllers; never a secret."""

import ssl
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.errors import BadInput


class Server(BaseModel):
    """One domain controller: where it listens for LDAPS, and the name its certificate must carry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 636
    tls_name: Annotated[str, Field(min_length=1)] | None = None
    """For a domain controller reached by its address; by default the host itself."""

    @property
    def expected_name(self) -> str:
        """The name the certificate has to be for."""
        return self.tls_name or self.host

    @property
    def name(self) -> str:
        """What people and task rows know it by."""
        return self.expected_name if self.port == 636 else f"{self.expected_name}:{self.port}"


class ActiveDirectorySettings(BaseModel):
    """A domain's controllers in the order to try them, the certificate authority they answer to, and who signs in.

    The time limits are seconds: for each step of making a connection, and for each answer over it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: Annotated[tuple[Server, ...], Field(min_length=1)]
    ca: str | None = None
    """PEM text of the authority (or authorities) to trust; None trusts what this machine trusts."""
    bind_dn: Annotated[str, Field(min_length=1)]
    """Who signs in: a distinguished name, `DOMAIN\\name`, or a user principal name."""
    connect_timeout: Annotated[int, Field(ge=1, le=10)] = 5
    receive_timeout: Annotated[int, Field(ge=1, le=15)] = 10

    @field_validator("ca")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError("is not a PEM certificate (-----BEGIN CERTIFICATE-----)") from error
        return value

    @field_validator("servers")
    @classmethod
    def _different(cls, value: tuple[Server, ...]) -> tuple[Server, ...]:
        if len({server.name.lower() for server in value}) < len(value):
            raise ValueError("names the same domain controller twice")
        return value

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        """Read a stored connection's settings; `BadInput` names every field that does not fit."""
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg'].removeprefix('Value error, ')}"
                for each in error.errors(include_url=False, include_input=False)
            )
            raise BadInput(f"These settings do not describe an Active Directory connection: {wrong}.") from error
