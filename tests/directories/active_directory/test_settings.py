"""A connection that cannot be read is refused by the field that is wrong, never by a traceback, never with a secret."""

from typing import Any

import pytest

from bot.directories.active_directory import ActiveDirectorySettings
from bot.errors import BadInput
from tests.directories.active_directory.tls_servers import Authority

GOOD: dict[str, Any] = {"servers": [{"host": "dc1.example.test"}], "bind_dn": "EXAMPLE\\rekey"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"servers": []}, "servers"),
        ({"servers": [{"host": ""}]}, "servers.0.host"),
        ({"servers": [{"host": "a", "port": 0}]}, "servers.0.port"),
        ({"servers": [{"host": "a", "colour": "red"}]}, "servers.0.colour"),
        ({"servers": [{"host": "a"}, {"host": "A"}]}, "servers"),
        ({"bind_dn": ""}, "bind_dn"),
        ({"ca": "not a certificate"}, "ca"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "ca"),
        ({"connect_timeout": 600}, "connect_timeout"),
        ({"receive_timeout": 0}, "receive_timeout"),
        ({"password": "x"}, "password"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        ActiveDirectorySettings.parse({**GOOD, **change})
    assert f"{field}:" in str(caught.value)


def test_nothing_that_was_given_is_repeated_in_the_error() -> None:
    with pytest.raises(BadInput) as caught:
        ActiveDirectorySettings.parse({**GOOD, "bind_password": "S3cret-of-the-Connector"})
    assert "S3cret-of-the-Connector" not in str(caught.value)


def test_a_server_is_known_by_the_name_its_certificate_must_carry() -> None:
    settings = ActiveDirectorySettings.parse(
        {
            **GOOD,
            "ca": Authority().pem,
            "servers": [
                {"host": "10.0.0.1", "tls_name": "dc1.example.test"},
                {"host": "dc2.example.test", "port": 3636},
            ],
        }
    )
    first, second = settings.servers
    assert (first.port, first.expected_name, first.name) == (636, "dc1.example.test", "dc1.example.test")
    assert second.name == "dc2.example.test:3636"
