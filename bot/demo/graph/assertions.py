"""Client assertions: a JWT that an application signs with its certificate instead of sending a secret.

Checked as Microsoft does: by the thumbprint in its header (`x5t#S256` with PS256, or `x5t` with RS256), the signature,
the audience and the times.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bot.demo.graph.applications import Application, Certificate
from bot.demo.graph.errors import TokenError

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_SKEW = timedelta(minutes=5)


def verify(assertion: str, application: Application, audience: str, now: datetime) -> None:
    """TokenError unless this was signed by one of the application's certificates, for this endpoint, just now."""
    head, claims, signed, signature = _parts(assertion)
    certificate = _certificate(head, application)
    _check_signature(certificate, str(head.get("alg")), signed, signature)
    if certificate.ends_at <= now:
        raise _invalid("The certificate used to sign the client assertion has expired.")
    if claims.get("iss") != application.client_id or claims.get("sub") != application.client_id:
        raise _invalid("Client assertion's issuer or subject is not the application.")
    if claims.get("aud") != audience:
        raise TokenError(401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
    if not _within(claims, now):
        message = "Client assertion is not within its valid time range."
        raise TokenError(401, "invalid_client", 700024, message)


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        head, claims, signature = assertion.split(".")
        return (
            json.loads(_decoded(head)),
            json.loads(_decoded(claims)),
            f"{head}.{claims}".encode(),
            _decoded(signature),
        )
    except ValueError as error:
        raise TokenError(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from error


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _certificate(head: dict[str, Any], application: Application) -> Certificate:
    sha256, sha1 = (str(head.get(name, "")).rstrip("=") for name in ("x5t#S256", "x5t"))
    for certificate in application.certificates:
        if certificate.sha256 == sha256 or certificate.sha1 == sha1:
            return certificate
    raise _invalid(
        "The certificate with identifier used to sign the client assertion is not registered on application."
    )


def _check_signature(certificate: Certificate, algorithm: str, signed: bytes, signature: bytes) -> None:
    paddings: dict[str, padding.AsymmetricPadding] = {
        "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH),
        "RS256": padding.PKCS1v15(),
    }
    key = certificate.certificate.public_key()
    if algorithm not in paddings or not isinstance(key, RSAPublicKey):
        raise _invalid("The algorithm is not one that client assertions are signed with.")
    try:
        key.verify(signature, signed, paddings[algorithm], hashes.SHA256())
    except InvalidSignature as error:
        raise _invalid("Client assertion contains an invalid signature.") from error


def _within(claims: dict[str, Any], now: datetime) -> bool:
    begins, ends = claims.get("nbf", claims.get("iat")), claims.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        return False
    return datetime.fromtimestamp(begins, UTC) - _SKEW <= now < datetime.fromtimestamp(ends, UTC) + _SKEW


def _invalid(message: str) -> TokenError:
    return TokenError(401, "invalid_client", 700027, message)
