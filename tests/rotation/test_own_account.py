"""The account Rekey signs in with: rotated by name alone, and never locked out of its own directory, whatever dies."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot.connections import credential_for, seal_credential
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain, SignIn
from bot.demo.practice_faults import Fault
from bot.directories.base import Directory
from bot.errors import SignInRefused
from bot.lanes import Lanes
from bot.permissions import Operator
from storage.models import Account, Connection, Role, Status
from storage.own_accounts import find_own_account
from tests.rotation.dying import living
from tests.rotation.world import World

OLD = "Connector-0001!"
CALLS = ("may_rotate", "set_password", "confirm")


class SignedIn(PracticeDirectory):
    """A practice directory that signs in for every single call: a domain that keeps no session, and no grace."""

    def __init__(self, domain: PracticeDomain, secret: SecretStr) -> None:
        super().__init__(domain)
        self._secret = secret

    def __getattribute__(self, name: str) -> object:
        if name in CALLS:
            domain: PracticeDomain = super().__getattribute__("_domain")
            secret: SecretStr = super().__getattribute__("_secret")
            with domain.lock:
                if domain.sign_in(domain.account("rekey"), secret.get_secret_value()) is not SignIn.ACCEPTED:
                    raise SignInRefused("corp refused Rekey's sign-in. No password was touched.", cause="sign-in-52e")
        return super().__getattribute__(name)


class OwnWorld:
    """A directory whose connector's account is matched to its record in the connection's settings."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.domain = world.directory("corp", PracticeDomain("CORP", "corp.test", old_password_grace=timedelta()))
        self.domain.person("rekey", OLD, connector=True, ou="Services")
        self.domain.person("alice", "Old-pass-0001!")
        self.record = world.matched("rekey", {"corp": "rekey"}, password=OLD)
        self.alice = world.matched("alice", {"corp": "alice"})
        connection = world.connections["corp"]
        with world.database.writing() as session:
            stored = session.get_one(Connection, connection.id)
            seal_credential(stored, world.safe.keys, SecretStr(OLD))
            stored.own_record_id = self.record.id
            own = session.exec(select(Account).where(Account.username == "rekey")).one()
            own.is_connector = True
        world.lanes = self.lanes  # type: ignore[method-assign]

    def lanes(self) -> Lanes:
        world = self.world
        keys = world.safe.keys
        opens: Callable[[Connection], Directory] = lambda each: SignedIn(self.domain, credential_for(each, keys))  # noqa: E731
        return Lanes(
            world.database, world.safe, world.trail, opens, world.lease, world.longest_pause,
            connect=lambda _connection, secret: SignedIn(self.domain, secret),
        )  # fmt: skip

    def credential(self) -> str:
        with self.world.database.reading() as session:
            stored = session.get_one(Connection, self.world.connections["corp"].id)
            return credential_for(stored, self.world.safe.keys).get_secret_value()

    def unmatches(self) -> None:
        with self.world.database.writing() as session:
            session.get_one(Connection, self.world.connections["corp"].id).own_record_id = None


@pytest.fixture
def own(world: World) -> OwnWorld:
    return OwnWorld(world)


def test_directory_vault_and_credential_change_together(own: OwnWorld) -> None:
    [stands] = own.world.rotates(own.record)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    new = own.world.password(own.record)
    assert new != OLD
    assert own.credential() == new
    assert own.domain.holds("rekey", new or "")
    [after] = own.world.rotates(own.alice)
    assert after.status is Status.SUCCESSFUL, after.reason


def test_unmatched_it_is_not_permitted(own: OwnWorld) -> None:
    own.unmatches()

    [stands] = own.world.rotates(own.record)

    assert stands.status is Status.NOT_PERMITTED
    assert "Rekey itself signs in with" in stands.reason
    assert own.domain.holds("rekey", OLD)


def test_in_bulk_it_is_admin_not_permitted(own: OwnWorld) -> None:
    [stands] = own.world.rotates(own.record, by_name=False)

    assert stands.status is Status.ADMIN_NOT_PERMITTED
    assert own.domain.holds("rekey", OLD)


def test_a_technician_does_not_rotate_it(own: OwnWorld) -> None:
    own.world.asks(own.record, by=Operator("U0TECH", "Slack", {None: Role.TECHNICIAN}))

    [stands] = own.world.status(own.record)
    assert stands.status is Status.ADMIN_NOT_PERMITTED


def test_killed_at_every_step_rekey_still_signs_in_by_itself(own: OwnWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world, calls = own.world, dict[type, tuple[str, ...]]({PracticeDirectory: CALLS})
    with living(world, monkeypatch, calls) as life:
        world.asks(own.record)
        world.drains()
    reached = [each for each in dict.fromkeys(life.reached) if "may_rotate" not in each]  # which only reads
    write = next(at for at, each in enumerate(reached) if "set_password" in each)
    boundaries = [*reached[:write:3], *reached[write:]]
    assert any(each.startswith("after set_password") for each in boundaries)

    for target in boundaries:
        with living(world, monkeypatch, calls, target):
            world.asks(own.record)
            world.drains()
        world.drains_until_ended(own.record)
        [stands] = world.status(own.record)
        assert stands.status is Status.SUCCESSFUL, f"killed {target}: {stands.reason}"
        assert own.domain.holds("rekey", own.credential()), f"killed {target}: Rekey is locked out"
        assert own.credential() == world.password(own.record)
        assert own.domain.account("rekey").locked_at is None
        world.asks(own.alice)
        world.drains_until_ended(own.alice)
        assert world.status(own.alice)[0].status is Status.SUCCESSFUL, f"killed {target}"


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE])
def test_a_lost_reply_is_found_out_with_whichever_password_signs_in(own: OwnWorld, fault: Fault) -> None:
    own.domain.fails("set_password", with_=fault, account="rekey")

    [stands] = own.world.rotates(own.record)

    assert stands.status is Status.SUCCESSFUL, stands.reason
    assert own.domain.holds("rekey", own.credential())


def test_when_no_password_signs_in_the_lane_stops_before_the_account_locks(own: OwnWorld) -> None:
    own.domain.resets("rekey", "Somebody-Else-77!")
    own.world.rotates(own.alice)
    own.world.rotates(own.alice)
    own.world.rotates(own.alice)

    [stands] = own.world.status(own.alice)
    assert stands.status in (Status.API_ERROR, Status.IN_PROGRESS), stands.reason
    assert own.domain.account("rekey").locked_at is None
    with own.world.database.reading() as session:
        assert find_own_account(session, own.world.connections["corp"].id) is not None
