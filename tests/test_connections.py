"""A credential opens only for the system it was given for, and no server outside the allowed networks is ever met."""

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.connections import connect, credential_for, open_directory, seal_credential, still_sealed_for
from bot.directories.active_directory import ActiveDirectory
from bot.directories.active_directory.settings import ActiveDirectorySettings, Server
from bot.errors import KeyProblem, Refused, SealBroken, SignInRefused, Unreachable
from bot.networks import addresses_of
from bot.settings import PRIVATE_NETWORKS
from storage.connections import add_connections, connections_of, name_key
from storage.database import Database
from storage.lanes import get_lane
from storage.models import Connection, Organization
from storage.sealing import KeyRing, new_key_line
from tests.world import certificate

SECRET = SecretStr("Connector-password-1")


@pytest.fixture(scope="module")
def keys() -> KeyRing:
    return KeyRing.parse(new_key_line())


def directory(**settings: Any) -> Connection:
    stored = {
        "servers": [{"host": "127.0.1.11", "port": 636, "tls_name": "dc1.corp.example.test"}],
        "ca": certificate()[0],
        "bind_dn": "CN=rekey,DC=corp",
        **settings,
    }
    return Connection(
        organization_id=1,
        name="acme-ad",
        name_key="acme-ad",
        side="directory",
        kind="active-directory",
        settings=stored,
    )


def sealed(keys: KeyRing, **settings: Any) -> Connection:
    connection = directory(**settings)
    seal_credential(connection, keys, SECRET)
    return connection


def addresses(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Have every name look up to these addresses."""

    def look_up(_host: str, port: int, **_options: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in texts
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def servers_given(monkeypatch: pytest.MonkeyPatch, connection: Connection, keys: KeyRing) -> tuple[Server, ...]:
    """The servers the Active Directory connector is made with."""
    given: list[ActiveDirectorySettings] = []

    def made(settings: ActiveDirectorySettings, secret: SecretStr) -> ActiveDirectory:
        given.append(settings)
        return ActiveDirectory(settings, secret)

    monkeypatch.setattr("bot.connections.ActiveDirectory", made)
    open_directory(connection, keys, PRIVATE_NETWORKS, {})
    return given[0].servers


# ---- the seal -------------------------------------------------------------------------------------------------------


def test_a_credential_opens_where_it_was_given(keys: KeyRing) -> None:
    connection = sealed(keys)
    assert credential_for(connection, keys) == SECRET
    assert still_sealed_for(connection)
    assert SECRET.get_secret_value() not in connection.model_dump_json()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        (
            "servers",
            [{"host": "10.6.6.6", "port": 636}],
            "servers changed from 127.0.1.11:636 as dc1.corp.example.test to",
        ),
        ("servers", [{"host": "127.0.1.11", "port": 637, "tls_name": "dc1.corp.example.test"}], "127.0.1.11:637"),
        ("servers", [{"host": "127.0.1.11", "port": 636}], "servers changed"),
        ("ca", "-----BEGIN CERTIFICATE-----", "CA changed"),
        ("bind_dn", "CN=other,DC=corp", "sign-in name changed from CN=rekey,DC=corp to CN=other,DC=corp"),
    ],
)
def test_a_credential_whose_system_was_changed_does_not_open_and_says_what_changed(
    keys: KeyRing, setting: str, value: object, words: str
) -> None:
    connection = sealed(keys)
    connection.settings = {**connection.settings, setting: value}
    assert not still_sealed_for(connection)
    with pytest.raises(SealBroken) as caught:
        credential_for(connection, keys)
    assert "acme-ad" in str(caught.value)
    assert words in str(caught.value)
    assert "rekey apply" in str(caught.value)


def test_a_credential_copied_to_another_row_or_edited_does_not_open(keys: KeyRing) -> None:
    original, other = sealed(keys), directory()
    other.settings, other.credential = original.settings, original.credential
    with pytest.raises(SealBroken, match="moved here from another connection"):
        credential_for(other, keys)
    original.credential = str(original.credential)[:-6] + "AAAA=="
    with pytest.raises(SealBroken, match="edited"):
        credential_for(original, keys)


def test_editing_what_it_was_sealed_for_as_well_does_not_open_it_either(keys: KeyRing) -> None:
    connection, decoy = sealed(keys), sealed(keys, servers=[{"host": "10.6.6.6", "port": 636}])
    connection.settings = decoy.settings
    with pytest.raises(SealBroken):
        credential_for(connection, keys)


def test_without_the_key_it_is_the_key_that_is_asked_for(keys: KeyRing) -> None:
    with pytest.raises(KeyProblem):
        credential_for(sealed(keys), KeyRing.parse(new_key_line()))


def test_a_connection_without_a_credential_says_so(keys: KeyRing) -> None:
    with pytest.raises(SignInRefused, match="no credential for acme-ad"):
        open_directory(directory(), keys, PRIVATE_NETWORKS, {})


# ---- the table ------------------------------------------------------------------------------------------------------


def test_an_unknown_kind_is_refused_and_a_handed_in_one_is_used(keys: KeyRing) -> None:
    strange = directory()
    strange.kind = "novell"
    with pytest.raises(Refused, match="'novell'"):
        open_directory(strange, keys, PRIVATE_NETWORKS, {})
    live = connect(directory(), SECRET, PRIVATE_NETWORKS, {})
    assert open_directory(strange, keys, PRIVATE_NETWORKS, {"novell": lambda _connection: live}) is live


def test_the_connector_gets_the_judged_address_and_still_asks_for_the_name(
    keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sealed(keys, servers=[{"host": "dc1.corp.example.test", "port": 636}])
    addresses(monkeypatch, "fd12::5", "10.0.0.5")
    (server,) = servers_given(monkeypatch, connection, keys)
    assert (server.host, server.expected_name) == ("10.0.0.5", "dc1.corp.example.test")


def test_a_server_without_an_address_is_passed_over_while_another_has_one(
    keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, port: int, **_options: Any) -> list[Any]:
        if host == "dc1.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.6", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    both = sealed(keys, servers=[{"host": "dc1.test", "port": 636}, {"host": "dc2.test", "port": 636}])
    assert [server.host for server in servers_given(monkeypatch, both, keys)] == ["10.0.0.6"]
    alone = sealed(keys, servers=[{"host": "dc1.test", "port": 636}])
    with pytest.raises(Unreachable, match=r"dc1\.test has no address"):
        open_directory(alone, keys, PRIVATE_NETWORKS, {})


# ---- where servers may be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [
        ["8.8.8.8"],
        ["10.0.0.5", "8.8.8.8"],
        ["169.254.169.254"],
        ["::ffff:8.8.8.8"],
        ["fe80::1%eth0"],
        ["fd00:ec2::254"],
        ["0.0.0.7"],
        ["2001:db8::1"],
    ],
)
def test_one_address_outside_closes_the_whole_name(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    addresses(monkeypatch, *found)
    with pytest.raises(Refused, match="outside the networks") as caught:
        addresses_of("dc1.corp.example.test", 636, PRIVATE_NETWORKS)
    assert "REKEY_DIRECTORY_NETWORKS" in caught.value.mend


@pytest.mark.parametrize("closed", ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "0.0.0.7"])
def test_metadata_and_link_local_addresses_stay_closed_even_when_they_are_allowed(closed: str) -> None:
    with pytest.raises(Refused, match="outside the networks"):
        addresses_of(closed, 636, [ip_network("0.0.0.0/0"), ip_network("::/0")])


def test_the_guard_stands_again_when_connecting(keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = sealed(keys, servers=[{"host": "dc1.corp.example.test", "port": 636}])
    addresses(monkeypatch, "8.8.8.8")
    with pytest.raises(Refused, match="outside the networks"):
        open_directory(connection, keys, PRIVATE_NETWORKS, {})


# ---- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "same"), [("Acme AD", "acme  ad "), ("Ärzte", "A\u0308RZTE"), ("Straße", "STRASSE")])
def test_names_differ_in_more_than_capitals_blanks_and_how_an_accent_was_typed(one: str, same: str) -> None:
    assert name_key(one) == name_key(same)


def test_a_new_directory_has_its_lane_at_rest_and_a_vault_has_none(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'rekey.db'}")
    database.migrate()
    with database.writing() as session:
        acme = Organization(name="Acme", name_key="acme")
        session.add(acme)
        session.flush()
        one = directory()
        vault = Connection(organization_id=acme.id, name="v", name_key="v", side="vault", kind="embedded")
        one.organization_id = acme.id
        add_connections(session, [one, vault])
    with database.reading() as session:
        assert [connection.name for _, connection in connections_of(session)] == ["acme-ad", "v"]
        assert [connection.name for _, connection in connections_of(session, "vault", [acme.id])] == ["v"]
        lane = get_lane(session, one.id)
        assert (lane.wanted, lane.owner) == (False, None)
    database.dispose()
