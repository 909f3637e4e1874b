"""What the wire promises, on a real controller: whether the server acted is up to us, that the client cannot know."""

import socket

import ldap3
import pytest
from ldap3.core.exceptions import LDAPCommunicationError

from tests.real import witness
from tests.real.domain import Account, Domain, unique_name
from tests.real.proxy import Proxy


@pytest.fixture
def account(corp: Domain) -> Account:
    return corp.create_user(unique_name("wired"))


def through(proxy: Proxy, domain: Domain, receive_timeout: float = 10) -> ldap3.Connection:
    """A connection of the administrator through the wire."""
    return domain.connection(through=(proxy.host, proxy.port), receive_timeout=receive_timeout)


def reset(connection: ldap3.Connection, dn: str) -> None:
    connection.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, ['"N3w-password"'.encode("utf-16-le")])]})


def test_a_lost_reply_leaves_the_write_done_and_the_client_without_an_answer(
    corp: Domain, proxy: Proxy, account: Account
) -> None:
    connection = through(proxy, corp)
    proxy.lose_reply()
    with pytest.raises(LDAPCommunicationError):
        reset(connection, account.dn)
    assert proxy.lost.is_set()
    assert witness.signs_in(corp, account.dn, "N3w-password")


def test_the_reply_that_is_lost_can_be_the_one_to_a_certain_write(corp: Domain, proxy: Proxy, account: Account) -> None:
    before = corp.set_at(account.dn)
    proxy.lose_reply(when=lambda: corp.set_at(account.dn) > before)
    connection = through(proxy, corp)
    connection.search(corp.base_dn, "(cn=rekey)")
    with pytest.raises(LDAPCommunicationError):
        reset(connection, account.dn)
    assert witness.signs_in(corp, account.dn, "N3w-password")
    through(proxy, corp).unbind()
    assert proxy.connections == 2


def test_a_lost_request_leaves_nothing_done(corp: Domain, proxy: Proxy, account: Account) -> None:
    connection = through(proxy, corp)
    proxy.lose_request()
    with pytest.raises(LDAPCommunicationError):
        reset(connection, account.dn)
    assert proxy.lost.is_set()
    assert witness.signs_in(corp, account.dn, account.password)
    assert not witness.signs_in(corp, account.dn, "N3w-password")


def test_a_wire_refuses_and_takes_connections_again(corp: Domain, proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port))
    proxy.accept_again()
    through(proxy, corp).unbind()


def test_a_cut_wire_ends_open_connections_and_takes_new_ones(corp: Domain, proxy: Proxy) -> None:
    connection = through(proxy, corp)
    proxy.cut()
    with pytest.raises(LDAPCommunicationError):
        connection.search(corp.base_dn, "(cn=rekey)")
    through(proxy, corp).unbind()


def test_a_blocked_wire_is_silent_until_it_is_unblocked(corp: Domain, proxy: Proxy) -> None:
    connection = through(proxy, corp, receive_timeout=1)
    proxy.block()
    with pytest.raises(LDAPCommunicationError, match="timed out"):
        connection.search(corp.base_dn, "(cn=rekey)")
    proxy.unblock()
    through(proxy, corp).unbind()
