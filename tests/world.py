"""Worlds to apply in tests: a folder with a world file, its CA file, and the settings that go with them."""

from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from storage.models import now

ACME = """\
administrators: [U0ADMIN]
rule: {length: 20, uppercase: true, lowercase: true, number: true, symbol: true}
organizations:
  - name: Acme Dental
    channel: C0ACME
    timezone: Europe/London
    technicians: [U0TECH]
    bulk: [person, shared, service]
    tiers: {shared: [reception], break-glass: [emergency]}
    directories:
      - name: acme-ad
        kind: active-directory
        servers: [{host: 127.0.1.11, port: 636, tls_name: dc1.corp.example.test}]
        ca_file: acme-ca.pem
        bind_dn: CN=rekey,CN=Users,DC=corp,DC=example,DC=test
        bind_password: env:REKEY_SECRET_ACME
    vault: {name: acme-vault, kind: embedded}
"""


@cache
def certificate() -> tuple[str, str]:
    """A CA's certificate and its private key, both as PEM."""
    return _pair(ec.generate_private_key(ec.SECP256R1()))


@cache
def rsa_certificate() -> tuple[str, str]:
    """A certificate an app may sign in with, and its private key, both as PEM."""
    return _pair(rsa.generate_private_key(65537, 2048))


def _pair(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> tuple[str, str]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme CA")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return built.public_bytes(Encoding.PEM).decode(), private.decode()


def write_world(folder: Path, text: str = ACME, name: str = "world.yaml") -> Path:
    """The world file in its folder, with the CA file it names beside it."""
    (folder / "acme-ca.pem").write_text(certificate()[0], encoding="utf-8")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
