"""App registrations with their secrets and certificates, and what tenants have granted them."""

import base64
import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.demo.graph.clock import Clock

_HALF_A_YEAR = timedelta(days=180)


@dataclass(frozen=True)
class Secret:
    """A client secret; only its first characters are ever shown again."""

    key_id: str
    value: str = field(repr=False)
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Certificate:
    """A certificate an application may sign its assertions with."""

    key_id: str
    certificate: x509.Certificate
    ends_at: datetime

    @property
    def identifier(self) -> str:
        """Its SHA-1 thumbprint as Graph shows it: in base64."""
        return self.sha1.replace("-", "+").replace("_", "/") + "="

    @property
    def sha1(self) -> str:
        """Its thumbprint as the header `x5t` has it."""
        return self._thumbprint("sha1")

    @property
    def sha256(self) -> str:
        """Its thumbprint as the header `x5t#S256` has it."""
        return self._thumbprint("sha256")

    def _thumbprint(self, algorithm: str) -> str:
        digest = hashlib.new(algorithm, self.certificate.public_bytes(Encoding.DER), usedforsecurity=False).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Application:
    """An app registration, which lives in one tenant and may be used in others."""

    def __init__(
        self, clock: Clock, home: str, display_name: str, client_id: str | None = None, *, multi_tenant: bool = True
    ) -> None:
        self._clock = clock
        self.id = str(uuid.uuid4())
        self.client_id = client_id or str(uuid.uuid4())
        self.home = home
        """The id of the tenant it is registered in."""
        self.display_name = display_name
        self.multi_tenant = multi_tenant
        self.secrets: list[Secret] = []
        self.certificates: list[Certificate] = []

    def secret(self, value: str | None = None, *, ends_in: timedelta = _HALF_A_YEAR) -> str:
        """Add a client secret and return its value; one that `ends_in` less than nothing has expired."""
        now = self._clock.now()
        made = value or secrets.token_urlsafe(30)
        self.secrets.append(Secret(str(uuid.uuid4()), made, now, now + ends_in))
        return made

    def certificate(self, pem: str | bytes) -> Certificate:
        """Add a certificate (PEM, without its key)."""
        read = x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
        made = Certificate(str(uuid.uuid4()), read, read.not_valid_after_utc)
        self.certificates.append(made)
        return made

    def secrets_expire(self) -> None:
        """All its secrets are past their time, from now on."""
        now = self._clock.now()
        self.secrets = [Secret(one.key_id, one.value, one.starts_at, now) for one in self.secrets]


@dataclass(eq=False)
class ServicePrincipal:
    """An application as one tenant knows it, with what was consented to there."""

    id: str
    client_id: str
    display_name: str
    home: str
    created_at: datetime
    usable_at: datetime
    """When Graph has heard of it: a token from before stays unusable."""
    application: set[str] = field(default_factory=set)
    """Application permissions, by name."""
    delegated: set[str] = field(default_factory=set)
    """Delegated permissions, by name, for everybody in the tenant."""
    enabled: bool = True

    @property
    def type(self) -> str:
        """What Graph calls its kind."""
        return "#microsoft.graph.servicePrincipal"
