"""What to believe of a server, and why it was not believed: a rejected certificate, read well enough to explain it.

Nothing but the greeting of TLS is ever sent to a server that could not prove who it is.
"""

import contextlib
import re
import socket
import ssl
import threading
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from pydantic import SecretStr

from bot.errors import BadInput

_FILTERS = threading.Lock()
"""Python's warning filters belong to the whole process."""


@dataclass(frozen=True, slots=True)
class TlsProblem:
    """Why no trusted connection came about: a stable key, a sentence, and what mends it."""

    cause: str
    what: str
    mend: str
    is_certificate: bool
    """The server spoke TLS and could not prove who it is; otherwise it could not be spoken to."""


def parts_of(pem: SecretStr) -> tuple[str, SecretStr]:
    """The certificate and the private key that stand in one PEM text, in either order; empty what is missing."""
    found = re.findall(r"(-----BEGIN ([A-Z ]+)-----.+?-----END \2-----)", pem.get_secret_value(), re.S)
    named = {"key" if kind.endswith("PRIVATE KEY") else kind: f"{block}\n" for block, kind in reversed(found)}
    return named.get("CERTIFICATE", ""), SecretStr(named.get("key", ""))


def read_pair(certificate: str, private_key: SecretStr) -> datetime:
    """When this certificate ends. `BadInput`, which repeats nothing of the key, unless the unencrypted private key is
    the one it was made for; all as PEM text.
    """
    ends_at = certificate_ends(certificate)
    try:
        key = load_pem_private_key(private_key.get_secret_value().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput(
            "This is no private key in PEM form that Rekey can read (-----BEGIN PRIVATE KEY-----). Where it is "
            "encrypted, take its password off first: openssl pkey -in key.pem -out open.pem."
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise BadInput("The private key is no RSA key, and Microsoft takes no other: make an RSA pair of 2048 bits.")
    public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise BadInput("The private key is not the one this certificate was made for.")
    return ends_at


def certificate_ends(pem: str) -> datetime:
    """When a certificate ends. `BadInput` when this is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        raise BadInput("This is not a certificate in PEM form (-----BEGIN CERTIFICATE-----).") from None


def trust(ca: str | None) -> ssl.SSLContext:
    """What to believe of a server: the given authority (PEM text), else this machine's; its name; TLS 1.2 or later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # any given certificate may be the anchor
    if ca:
        context.load_verify_locations(cadata=ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def fetch_certificate(host: str, port: int, name: str, timeout: float) -> x509.Certificate | None:
    """The certificate a server shows, trusted or not; None when it shows none. Sends nothing but the greeting.

    OpenSSL hides a rejected certificate from Python, so this asks a second time without judging.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with contextlib.suppress(OSError, ValueError):
        with (
            socket.create_connection((host, port), timeout=timeout) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            raw = secured.getpeercert(binary_form=True)
        return _read(raw) if raw else None
    return None


def _read(raw: bytes) -> x509.Certificate:
    # Samba makes its own certificate's serial number of the clock, and half of them come out negative. Ours is to
    # explain such a certificate, not to judge its number.
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(raw)


def names_offered(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses a certificate is for: its alternative names, or its common name when it has none."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(each.value) for each in common)
    names = alternatives.get_values_for_type(x509.DNSName)
    return (*names, *(str(each) for each in alternatives.get_values_for_type(x509.IPAddress)))


def explain(error: Exception, host: str, port: int, name: str, timeout: float) -> TlsProblem:
    """Say why a TLS connection failed.

    `error` is what the handshake raised, `name` the name the certificate should have carried, `timeout` the seconds a
    second look at the certificate may take.
    """
    where = f"{host}:{port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _rejected(error, fetch_certificate(host, port, name, timeout), where, name)
    if isinstance(error, ssl.SSLError):
        return _handshake(error, where)
    if isinstance(error, TimeoutError):
        return TlsProblem(
            "tls-silence",
            f"{where} takes connections but does not answer the TLS greeting.",
            "Check that this port speaks LDAPS (636), and that the server has a certificate and time to answer.",
            False,
        )
    return _not_tls(where)


def _rejected(
    error: ssl.SSLCertVerificationError, certificate: x509.Certificate | None, where: str, name: str
) -> TlsProblem:
    def problem(cause: str, what: str, mend: str) -> TlsProblem:
        return TlsProblem(f"certificate-{cause}", f"{where} {what}", mend, True)

    code = error.verify_code
    if certificate is None:
        what = f"shows a certificate that is not trusted: {error.verify_message}."
        return problem("unreadable", what, "Look at it by hand: openssl s_client -showcerts.")
    if code in (62, 63, 64):
        offered = ", ".join(names_offered(certificate)) or "no name at all"
        return problem(
            "name",
            f"shows a certificate that is not for {name}. It is for: {offered}.",
            f"Use one of those names as the host, or as tls_name; or issue a certificate that carries {name}.",
        )
    if code == 10:
        if certificate.not_valid_after_utc > datetime.now(UTC):
            return problem(
                "issuer-expired",
                f"shows a certificate whose issuer ({_text(certificate.issuer)}) has expired.",
                "Renew the certificate authority's certificate and give the new one as ca_file.",
            )
        return problem(
            "expired",
            f"shows a certificate that expired on {_day(certificate.not_valid_after_utc)}.",
            "Renew the domain controller's certificate.",
        )
    if code == 9:
        return problem(
            "not-yet-valid",
            f"shows a certificate that only holds from {_day(certificate.not_valid_before_utc)} on.",
            "Check the clock of this machine and of the certificate authority.",
        )
    if code == 26 and not _may_serve(certificate):
        return problem(
            "purpose",
            "shows a certificate that no server may use: Server Authentication (1.3.6.1.5.5.7.3.1) is missing from its "
            "extended key usage.",
            "Issue it from a template for domain controllers (Kerberos Authentication, Domain Controller).",
        )
    if code in (18, 19, 20, 21):
        issuer = _text(certificate.issuer)
        return problem(
            "unknown-issuer",
            f"shows a certificate issued by {issuer}, which is not trusted here.",
            f"Give the certificate of {issuer} as ca_file (on Windows: certutil -ca.cert ca.cer, then convert to PEM)."
            if certificate.issuer != certificate.subject
            else "It is self-signed: give that certificate itself as ca_file, or issue one from an authority.",
        )
    if code in (66, 67, 68):
        return problem(
            "weak",
            f"shows a certificate that is too weak to trust: {error.verify_message}.",
            "Issue one with RSA 2048 or more and SHA-256.",
        )
    return problem("rejected", f"shows a certificate that is not trusted: {error.verify_message}.", "Issue a new one.")


def _handshake(error: ssl.SSLError, where: str) -> TlsProblem:
    reason = error.reason or ""
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"):
        return TlsProblem(
            "tls-too-old",
            f"{where} only speaks versions of TLS that are no longer safe (older than 1.2).",
            "Enable TLS 1.2 on the domain controller (Windows Server 2012 R2 and later have it).",
            False,
        )
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE"):
        return _not_tls(where)
    return TlsProblem(
        "tls-handshake",
        f"{where} and Rekey could not agree on an encryption ({reason or 'no reason given'}).",
        "Check that the domain controller's certificate has its private key, and that TLS 1.2 is enabled.",
        False,
    )


def _not_tls(where: str) -> TlsProblem:
    return TlsProblem(
        "plain-port",
        f"{where} is open but does not speak TLS: it hung up on the greeting.",
        "Use the LDAPS port (636, not 389). If it is: the domain controller has no certificate with a private key yet.",
        False,
    )


def _may_serve(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    except x509.ExtensionNotFound:
        return True
    return isinstance(usage, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.SERVER_AUTH in usage


def _text(name: x509.Name) -> str:
    return name.rfc4514_string() or "an unnamed issuer"


def _day(moment: datetime) -> str:
    return moment.strftime("%-d %B %Y")
