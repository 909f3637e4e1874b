"""Small TLS servers with every kind of certificate a domain controller has been seen with."""

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "dc1.corp.example.test"
DAY = timedelta(days=1)


class Authority:
    """A certificate authority; `pem` is what one gives as `ca_file`."""

    def __init__(self, name: str = "Example Company CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key.public_key(), -DAY, 365 * DAY)
        authority = x509.BasicConstraints(ca=True, path_length=None)
        certificate = builder.add_extension(authority, critical=True).sign(self._key, hashes.SHA256())
        self.pem = certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        *,
        common_name: str = NAME,
        names: Sequence[str] | None = (NAME,),
        begins: timedelta = -DAY,
        ends: timedelta = 90 * DAY,
        may: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
        negative: bool = False,
    ) -> bytes:
        """A server's certificate and key as PEM; `begins` and `ends` count from now.

        `negative` turns the serial number's sign over, as in half of the certificates that Samba makes for itself; the
        signature, which nobody gets as far as checking, no longer fits then.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(subject, self._name, key.public_key(), begins, ends)
        builder = builder.add_extension(x509.ExtendedKeyUsage(may), critical=False)
        if names is not None:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if negative:
            return _with_negative_serial(certificate) + private
        return certificate.public_bytes(Encoding.PEM) + private


def _with_negative_serial(certificate: x509.Certificate) -> bytes:
    number = certificate.serial_number.to_bytes(20, "big")
    raw = certificate.public_bytes(Encoding.DER)
    assert raw.count(number) == 1
    return ssl.DER_cert_to_PEM_cert(raw.replace(number, bytes([number[0] | 0x80]) + number[1:])).encode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: timedelta, ends: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number() | 1 << 152)  # always of 20 bytes
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )


class Listener:
    """A server on a free port of 127.0.0.1. `said` is everything it was sent after the greeting of TLS, or at all."""

    def __init__(self, context: ssl.SSLContext | None, greeting: bytes = b"") -> None:
        self.said = b""
        self.host = "127.0.0.1"
        self._context = context
        self._greeting = greeting
        self._socket = socket.create_server((self.host, 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # closed: the test is over
            with contextlib.suppress(OSError), client:
                client.settimeout(10)
                if self._context is None:
                    client.sendall(self._greeting)
                    client.recv(4096)
                else:
                    with self._context.wrap_socket(client, server_side=True) as secured:
                        self.said += secured.recv(4096)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@contextlib.contextmanager
def tls_server(certificate: bytes, *, newest: ssl.TLSVersion | None = None) -> Iterator[Listener]:
    """A server that shows this certificate and waits to be spoken to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "certificate.pem"
        file.write_bytes(certificate)
        context.load_cert_chain(file)
    listener = Listener(context)
    try:
        yield listener
    finally:
        listener.close()


@contextlib.contextmanager
def plain_server(greeting: bytes = b"") -> Iterator[Listener]:
    """A server that says something, listens to one thing, and hangs up."""
    listener = Listener(None, greeting)
    try:
        yield listener
    finally:
        listener.close()
