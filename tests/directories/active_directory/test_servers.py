"""Several domain controllers: the first that answers is used, and nothing moves on once a write was sent."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory, sessions
from bot.directories.active_directory.session import Session, introduce
from bot.directories.active_directory.wire import Wire
from bot.directories.base import Level, Verdict
from bot.errors import CertificateRefused, NoAnswer, Refused, SignInRefused
from tests.directories.active_directory.conftest import Connect
from tests.directories.active_directory.tls_servers import Authority, tls_server
from tests.real import witness
from tests.real.domain import Account, Domain, unique_name
from tests.real.parts import wait_until
from tests.real.proxy import Proxy

pytestmark = pytest.mark.samba

OURS = SecretStr("0urs-of-a-Test!")


@pytest.fixture
def wires(corp: Domain) -> Iterator[tuple[Proxy, Proxy]]:
    """Two ways to one controller, as if there were two."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(Proxy(corp.host, corp.port)),
            stack.enter_context(Proxy(corp.host, corp.port)),
        )


@pytest.fixture
def account(corp: Domain) -> Account:
    return corp.create_user(unique_name("served"))


@pytest.fixture
def pair(corp: Domain, connect: Connect, wires: tuple[Proxy, Proxy]) -> ActiveDirectory:
    return connect(corp, through=wires)


def test_the_first_server_is_used_while_it_answers(
    pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy]
) -> None:
    assert str(wires[0].port) in pair.set_password(str(account.guid), OURS)
    assert wires[1].connections == 0


def test_the_next_server_is_used_while_nothing_was_sent(
    pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy]
) -> None:
    guid = str(account.guid)
    assert pair.may_rotate(guid).allowed
    pair.unlock(guid)
    wires[0].refuse()
    wires[0].cut()
    before = pair.may_rotate(guid)
    server = pair.set_password(guid, OURS)
    assert str(wires[1].port) in server
    assert pair.confirm(guid, OURS, before.password_set_at, server).verdict is Verdict.TAKEN


def test_nothing_fails_over_once_a_write_was_sent(
    corp: Domain, pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy]
) -> None:
    guid = str(account.guid)
    pair.unlock(guid)
    wires[0].lose_request()
    with pytest.raises(NoAnswer):
        pair.set_password(guid, OURS)
    assert wires[1].connections == 0
    assert witness.signs_in(corp, account.dn, account.password)


@pytest.mark.parametrize("known", [True, False])
def test_not_taken_is_only_said_when_everybody_who_may_have_taken_it_was_heard(
    pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy], known: bool
) -> None:
    guid = str(account.guid)
    taker = pair.set_password(guid, SecretStr(account.password)) if known else None
    since = pair.may_rotate(guid).password_set_at
    wires[0].refuse()
    wires[0].cut()
    proof = pair.confirm(guid, OURS, since, taker)
    assert (proof.verdict, proof.tried) == (Verdict.WAIT, False)
    assert "is away" in proof.reason
    wires[0].accept_again()
    wait_until(
        lambda: pair.confirm(guid, OURS, since, taker).verdict is Verdict.NOT_TAKEN,
        "the first server to be asked again",
    )


def test_a_password_taken_by_a_server_that_died_is_found_on_the_next(
    pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy]
) -> None:
    guid = str(account.guid)
    before = pair.may_rotate(guid)
    server = pair.set_password(guid, OURS)
    wires[0].refuse()
    wires[0].cut()
    proof = pair.confirm(guid, OURS, before.password_set_at, server, 0, before.times_set)
    assert (proof.verdict, str(wires[1].port) in proof.server) == (Verdict.TAKEN, True)


def test_a_server_that_cannot_prove_who_it_is_is_passed_over_and_reported(
    corp: Domain, connect: Connect, account: Account, proxy: Proxy
) -> None:
    with tls_server(Authority("Impostor").issue(names=[corp.tls_name])) as impostor:
        directory = connect(corp, through=(impostor, proxy))
        assert directory.may_rotate(str(account.guid)).allowed
        assert str(proxy.port) in directory.set_password(str(account.guid), OURS)
        levels = [finding.level for finding in directory.check()]
        assert levels[0] is Level.PROBLEM
        assert Level.OK in levels
        assert impostor.said == b""
        proxy.refuse()
        proxy.cut()
        with pytest.raises(CertificateRefused, match="Impostor"):
            directory.may_rotate(str(account.guid))


def test_a_read_only_controller_is_read_from_but_never_written_to(
    monkeypatch: pytest.MonkeyPatch, pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy]
) -> None:
    real = introduce  # Samba cannot be a read-only controller without a second one

    def introduced(wire: Wire) -> Session:
        return dataclasses.replace(real(wire), read_only=wire.server.port == wires[0].port)

    monkeypatch.setattr(sessions, "introduce", introduced)
    assert str(wires[1].port) in pair.set_password(str(account.guid), OURS)
    assert any(finding.cause == "read-only-server" for finding in pair.check())
    monkeypatch.setattr(sessions, "introduce", lambda wire: dataclasses.replace(real(wire), read_only=True))
    wires[1].cut()
    with pytest.raises(Refused) as caught:
        pair.set_password(str(account.guid), OURS)
    assert caught.value.cause == "read-only-server"


def test_a_connection_that_died_while_idle_is_replaced_without_a_lost_reply(
    pair: ActiveDirectory, account: Account, wires: tuple[Proxy, Proxy]
) -> None:
    guid = str(account.guid)
    for number in range(3):
        secret = SecretStr(f"Idl3-of-a-Test-{number}!")
        before = pair.may_rotate(guid)
        server = pair.set_password(guid, secret)
        assert pair.confirm(guid, secret, before.password_set_at, server).verdict is Verdict.TAKEN
        wires[0].cut()
        wait_until(lambda: not wires[0]._open, "the wire to be cut")


def test_proofs_keep_one_connection_instead_of_making_one_each(
    corp: Domain, connect: Connect, account: Account, proxy: Proxy
) -> None:
    directory = connect(corp, through=(proxy,))
    guid = str(account.guid)
    for _ in range(5):
        assert directory.works(guid, SecretStr(account.password)).verdict is Verdict.TAKEN
        assert directory.works(guid, SecretStr("Wr0ng-of-a-Test!")).verdict is Verdict.NOT_TAKEN
    assert proxy.connections == 2  # one to read with, one to sign in with


def test_a_refused_sign_in_of_ours_is_not_repeated_until_it_locks_us_out(corp: Domain, connect: Connect) -> None:
    own = corp.create_user(unique_name("rekey"))
    corp.create_pso(unique_name("counting"), applies_to=[own.dn], lockout_threshold=9)
    directory = connect(corp, bind_dn=own.dn, password="Wr0ng-of-a-Test!")
    guid = str(own.guid)
    for call in (
        lambda: directory.may_rotate(guid),
        lambda: directory.set_password(guid, OURS),
        lambda: directory.accounts(None),
        lambda: directory.works(guid, OURS),
    ):
        with pytest.raises(SignInRefused) as caught:
            call()
        assert caught.value.cause == "sign-in-52e"
    findings = directory.check()
    assert [finding.cause for finding in findings] == ["sign-in-52e"]
    assert corp.read(own.dn, "badPwdCount") == [b"1"]


def test_a_controller_that_hangs_is_given_up_within_its_time_limits(
    corp: Domain, connect: Connect, account: Account, proxy: Proxy
) -> None:
    directory = connect(corp, through=(proxy,), receive_timeout=1)
    guid = str(account.guid)
    directory.unlock(guid)
    proxy.block()
    with pytest.raises(NoAnswer):
        directory.set_password(guid, OURS)
    proxy.unblock()
    assert directory.may_rotate(guid).allowed
