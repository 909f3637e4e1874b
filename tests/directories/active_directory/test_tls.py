"""What is wrong with LDAPS is said in words, and a server that cannot prove who it is gets nothing from us."""

import socket
import ssl
import warnings
from datetime import UTC, datetime

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory, ActiveDirectorySettings
from bot.directories.base import Finding, Level
from bot.errors import CertificateRefused, OutsideError, Unreachable
from tests.directories.active_directory.tls_servers import DAY, NAME, Authority, plain_server, tls_server

AUTHORITY = Authority()
ACCOUNT = "00000000-0000-0000-0000-000000000001"


def connector(port: int, *, ca: str = AUTHORITY.pem, name: str = NAME, host: str = "127.0.0.1") -> ActiveDirectory:
    settings = ActiveDirectorySettings.parse(
        {
            "servers": [{"host": host, "port": port, "tls_name": name}],
            "ca": ca,
            "bind_dn": "CN=rekey,DC=x",
            "connect_timeout": 1,
            "receive_timeout": 1,
        }
    )
    return ActiveDirectory(settings, SecretStr("S3cret-of-the-Connector"))


def trouble(directory: ActiveDirectory) -> OutsideError:
    """What a write raises, which must be what `check` finds."""
    with directory:
        with pytest.raises(OutsideError) as caught:
            directory.set_password(ACCOUNT, SecretStr("N3w-of-a-Test!"))
        error = caught.value
        away = isinstance(error, Unreachable)
        assert directory.check() == [Finding(Level.PROBLEM, str(error), error.mend, error.cause, away=away)]
    return error


@pytest.mark.parametrize(
    ("certificate", "cause", "said"),
    [
        (Authority("Some Other CA").issue(), "certificate-unknown-issuer", "CN=Some Other CA"),
        (Authority("Some Other CA").issue(negative=True), "certificate-unknown-issuer", "CN=Some Other CA"),
        (AUTHORITY.issue(names=["dc2.corp.example.test", "corp"]), "certificate-name", "dc2.corp.example.test, corp"),
        (AUTHORITY.issue(common_name="dc9", names=None), "certificate-name", "It is for: dc9."),
        (AUTHORITY.issue(common_name=NAME, names=["dc2.example.test"]), "certificate-name", "not for " + NAME),
        (AUTHORITY.issue(begins=-9 * DAY, ends=-DAY), "certificate-expired", f"{datetime.now(UTC) - DAY:%-d %B %Y}"),
        (AUTHORITY.issue(begins=DAY), "certificate-not-yet-valid", f"{datetime.now(UTC) + DAY:%-d %B %Y}"),
        (AUTHORITY.issue(may=[ExtendedKeyUsageOID.CLIENT_AUTH]), "certificate-purpose", "Server Authentication"),
    ],
)
def test_a_certificate_that_proves_nothing_is_explained_and_nothing_is_sent(
    certificate: bytes, cause: str, said: str
) -> None:
    with tls_server(certificate) as server:
        error = trouble(connector(server.port))
        assert server.said == b""
    assert isinstance(error, CertificateRefused)
    assert error.cause == cause
    assert said in str(error)
    assert error.mend


def test_a_certificate_with_a_common_name_only_is_good_enough_as_samba_makes_it() -> None:
    with tls_server(AUTHORITY.issue(names=None)) as server:
        error = trouble(connector(server.port))
        assert server.said  # a sign-in: this server was trusted, and then hung up
    assert isinstance(error, Unreachable)


def test_a_self_signed_certificate_is_trusted_once_it_is_given_itself() -> None:
    other = AUTHORITY.issue()
    own = other.split(b"-----BEGIN PRIVATE KEY-----")[0].decode()
    with tls_server(other) as server:
        assert isinstance(trouble(connector(server.port, ca=own)), Unreachable)
        assert server.said


def test_a_closed_port_is_said_to_be_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = trouble(connector(port))
    assert isinstance(error, Unreachable)
    assert error.cause == "closed-port"
    assert f"127.0.0.1:{port}" in str(error)


@pytest.mark.parametrize("greeting", [b"", b"220 mail.example.test ESMTP ready\r\n"])
def test_a_port_without_tls_is_said_to_be_plain(greeting: bytes) -> None:
    with plain_server(greeting) as server:
        error = trouble(connector(server.port))
    assert isinstance(error, Unreachable)
    assert error.cause == "plain-port"
    assert "636" in error.mend


def test_a_server_that_stays_silent_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = trouble(connector(silent.getsockname()[1]))
    assert (type(error), error.cause) == (Unreachable, "tls-silence")


def test_tls_that_is_too_old_is_said_to_be_so() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the server is old on purpose
        with tls_server(AUTHORITY.issue(), newest=ssl.TLSVersion.TLSv1_1) as server:
            error = trouble(connector(server.port))
    assert (type(error), error.cause) == (Unreachable, "tls-too-old")
    assert "1.2" in str(error)


def test_an_unknown_host_name_is_said_to_be_unknown() -> None:
    error = trouble(connector(636, host="dc1.nowhere.invalid"))
    assert (type(error), error.cause) == (Unreachable, "unknown-host")
    assert "dc1.nowhere.invalid" in str(error)


def test_no_error_holds_the_connectors_password() -> None:
    with tls_server(AUTHORITY.issue()) as server:
        error = trouble(connector(server.port))
    seen: BaseException | None = error
    while seen is not None:
        assert "S3cret-of-the-Connector" not in repr(seen)
        seen = seen.__cause__ or seen.__context__
