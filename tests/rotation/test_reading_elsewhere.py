"""Where a password of a vault outside is read: in Rekey until it is recorded and for some days after, then there."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import reveal
from bot.demo.practice_faults import Fault
from bot.links import Refusal
from bot.permissions import Operator
from bot.reveal import Asked
from bot.settings import Settings
from storage.models import Record, Role, now
from storage.revisions import revisions_of
from tests.rotation.world import World

OLD = "Old-pass-0001!"
TECHNICIAN = Operator("U0TECH", "Slack", {None: Role.TECHNICIAN})


@pytest.fixture
def alice(world: World) -> Record:
    world.directory("corp").person("alice", OLD)
    world.moves_its_vault_outside()
    return world.listed("alice", {"corp": "alice"}, OLD)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(key_file=tmp_path / "key", step_up=False, administrators=("U0TECH",), second_administrator=False)


def asks(world: World, settings: Settings, record: Record) -> Asked:
    return reveal.ask(world.database, world.trail, settings, TECHNICIAN, record)


def ages(world: World, record: Record, days: int) -> None:
    with world.database.writing() as session:
        for revision in revisions_of(session, record.id):
            if revision.recorded_at is not None:
                revision.recorded_at = now() - timedelta(days=days)


def test_while_the_vault_is_away_the_new_password_is_shown_here(
    world: World, alice: Record, settings: Settings
) -> None:
    world.outside.fails("write", with_=Fault.UNREACHABLE, times=None)
    world.asks(alice)
    world.drains()

    assert asks(world, settings, alice).link is not None


def test_for_a_week_after_it_is_shown_here_and_then_read_there(world: World, alice: Record, settings: Settings) -> None:
    world.rotates(alice)
    ages(world, alice, days=6)
    asked = asks(world, settings, alice)
    assert asked.link is not None

    ages(world, alice, days=8)
    late = reveal.open_link(
        world.database, world.safe, world.trail, settings,
        SecretStr(asked.link.address.get_secret_value().partition("#")[2]), "",
    )  # fmt: skip
    elsewhere = asks(world, settings, alice).elsewhere

    assert isinstance(late, Refusal)
    assert "read it there" in str(late)
    assert elsewhere is not None
    assert (elsewhere.vault, elsewhere.page) == ("glue", "https://vault.test/id-alice")


def test_what_the_vault_gave_us_itself_is_read_there(world: World, alice: Record, settings: Settings) -> None:
    world.domains["corp"].account("alice").enabled = False  # so that the rotation ends once the vault was looked at
    world.rotates(alice)
    assert world.password(alice) == OLD

    assert asks(world, settings, alice).elsewhere is not None
