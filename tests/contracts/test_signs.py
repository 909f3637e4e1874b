"""What every directory promises about signs that something still uses an earlier password."""

import pytest
from pydantic import SecretStr

from bot.directories.base import Directory, Sign
from bot.errors import NoAnswer, Unreachable
from tests.contracts.directories import FIRST, Who, World
from tests.contracts.test_directory import SIGNED_IN_TO, WRONG, directory, world  # noqa: F401 - the same directories

OURS = SecretStr("0urs-of-a-Test!é")
pytestmark = pytest.mark.parametrize("world", SIGNED_IN_TO, indirect=True)


def sign_of(directory: Directory, who: Who) -> Sign:  # noqa: F811
    [sign] = directory.signs_of_trouble([who.object_id]).found
    return sign


def test_wrong_passwords_are_counted_with_the_time_of_the_latest(world: World, directory: Directory) -> None:  # noqa: F811
    who, quiet = world.person(lockout_threshold=5), world.person(lockout_threshold=5)
    directory.set_password(who.object_id, OURS)
    set_at = directory.may_rotate(who.object_id).password_set_at
    for _ in range(2):
        world.tries(who, WRONG.get_secret_value())
    signs = directory.signs_of_trouble([who.object_id, quiet.object_id])
    found = {each.account: each for each in signs.found}
    tried = found[who.object_id]
    assert (tried.bad, tried.locked_at) == (2, None)
    assert tried.bad_at is not None
    assert set_at is not None
    assert tried.bad_at > set_at
    assert found[quiet.object_id] == Sign(quiet.object_id)
    assert (len(signs.asked), signs.silent) == (1, ())


def test_a_lockout_shows_until_it_is_lifted(world: World, directory: Directory) -> None:  # noqa: F811
    who = world.person(lockout_threshold=3)
    world.locks(who)
    assert sign_of(directory, who).locked_at is not None
    directory.unlock(who.object_id)
    assert sign_of(directory, who).locked_at is None


def test_asking_counts_as_no_sign_in_and_leaves_out_who_is_gone(world: World, directory: Directory) -> None:  # noqa: F811
    who, gone = world.person(lockout_threshold=3), world.person()
    world.tries(who, WRONG.get_secret_value())
    world.deletes(gone)
    before = sign_of(directory, who)
    assert [each.account for each in directory.signs_of_trouble([gone.object_id, who.object_id]).found] == [
        who.object_id
    ]
    assert sign_of(directory, who) == before
    world.tries(who, FIRST)
    assert not world.is_locked(who)


def test_many_accounts_are_asked_for_at_once(world: World, directory: Directory) -> None:  # noqa: F811
    some = [world.person() for _ in range(3)]
    asked = [each.object_id for each in some] * 60
    assert {each.account for each in directory.signs_of_trouble(asked).found} == set(asked)
    assert directory.signs_of_trouble([]).found == ()


def test_a_directory_that_is_away_says_so(world: World, directory: Directory) -> None:  # noqa: F811
    who = world.person()
    world.goes_away()
    with pytest.raises((Unreachable, NoAnswer)):
        directory.signs_of_trouble([who.object_id])
