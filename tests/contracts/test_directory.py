"""What every directory promises, whichever it is (see `bot.directories.base`)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from bot.demo.graph import GraphStandIn
from bot.directories.base import Changes, Directory, Level, Proof, SeenAccount, Verdict
from bot.errors import NoAnswer, NotFound, PasswordRefused, Unreachable
from storage.models import Status, Tier
from tests.contracts.directories import FIRST, EntraWorld, PracticeWorld, SambaWorld, Who, World
from tests.real.proxy import Proxy

THEIRS = "Th3irs-of-a-Test!"
WRONG = SecretStr("Wr0ng-of-a-Test!")
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


SIGNED_IN_TO = ["practice", pytest.param("samba", marks=pytest.mark.samba)]
"""Those that are asked by signing in, and that can lock an account."""
by_signing_in = pytest.mark.parametrize("world", SIGNED_IN_TO, indirect=True)


@pytest.fixture(params=[*SIGNED_IN_TO, "entra"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    match request.param:
        case "practice":
            yield PracticeWorld()
        case "samba":
            yield SambaWorld(request.getfixturevalue("corp"), request.getfixturevalue("proxy"))
        case _:
            with GraphStandIn() as graph, Proxy("127.0.0.1", int(graph.graph.rpartition(":")[2])) as wire:
                yield EntraWorld(graph, wire)


@pytest.fixture
def directory(world: World) -> Iterator[Directory]:
    with world.connect() as directory:
        yield directory


def settled(world: World, look: Callable[[], Proof]) -> Proof:
    """What is found out in the end, where a directory's reads lag behind."""
    for _ in range(100):
        proof = look()
        if proof.verdict is not Verdict.WAIT:
            return proof
        world.passes(proof.wait)
    raise AssertionError(f"It is never known: {proof.reason}")


def listed(changes: Changes) -> dict[str, SeenAccount]:
    return {account.object_id: account for account in changes.accounts}


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_everybody_is_listed_once_with_tier_state_and_set_time(world: World, directory: Directory) -> None:
    person, admin, service, off = (world.person(shown_as=name) for name in ("Ann Person", None, None, None))
    world.makes_administrator(admin)
    world.makes_service(service)
    world.disables(off)
    changes = directory.accounts(None)
    accounts = list(changes.accounts)
    seen = {account.object_id: account for account in accounts}
    assert changes.complete
    assert len(seen) == len(accounts)
    assert [seen[who.object_id].tier for who in (person, admin, service)] == [
        Tier.PERSON,
        Tier.PRIVILEGED,
        world.service_tier,
    ]
    ann = seen[person.object_id]
    assert (ann.username, ann.display_name, ann.enabled, ann.locked, ann.guard) == (
        person.username,
        "Ann Person",
        True,
        False,
        None,
    )
    assert ann.password_set_at is not None
    assert ann.password_set_at.tzinfo is UTC
    assert ann.domain.lower() in changes.domain_names
    assert not seen[off.object_id].enabled
    assert "disabled" in (seen[off.object_id].guard or "")


@pytest.mark.parametrize(
    "name", ['O\'Brien, "Pat" (x)*', "Jürgen Müller #1", "=a+b;c<d>\\e", "日本語 テスト", "Smith\\2C John", "x/y @ z"]
)
def test_names_as_people_have_them_are_listed_rotated_and_proved(world: World, directory: Directory, name: str) -> None:
    who = world.person(shown_as=name)
    assert listed(directory.accounts(None))[who.object_id].display_name == name
    before = directory.may_rotate(who.object_id)
    server = directory.set_password(who.object_id, world.ours)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, server)
    assert proof.verdict is Verdict.TAKEN
    assert world.holds(who, world.ours.get_secret_value())


def test_the_second_reading_shows_what_changed_under_the_same_id(world: World, directory: Directory) -> None:
    quiet, renamed, gone = world.person(), world.person(), world.person()
    first = directory.accounts(None)
    assert {quiet.object_id, renamed.object_id, gone.object_id} <= set(listed(first))
    world.renames(renamed, renamed.username + "x")
    world.deletes(gone)
    new = world.person()
    second = directory.accounts(first.cursor)
    seen = listed(second)
    assert seen[renamed.object_id].username == renamed.username + "x"
    assert new.object_id in seen
    assert gone.object_id not in seen
    if not second.complete:
        assert gone.object_id in second.removed
        assert quiet.object_id not in seen
    third = directory.accounts(second.cursor)
    assert not {renamed.object_id, new.object_id, quiet.object_id} & set(listed(third))


def test_a_new_administrator_is_noticed_though_only_the_group_changed(world: World, directory: Directory) -> None:
    who = world.person()
    first = directory.accounts(None)
    assert listed(first)[who.object_id].tier is Tier.PERSON
    world.makes_administrator(who)
    assert listed(directory.accounts(first.cursor))[who.object_id].tier is Tier.PRIVILEGED
    assert directory.may_rotate(who.object_id).tier is Tier.PRIVILEGED


@pytest.mark.parametrize("cursor", ["", "nonsense", '{"v":1}', "other-domain:7"])
def test_a_cursor_that_no_longer_serves_reads_everything(world: World, directory: Directory, cursor: str) -> None:
    who = world.person()
    changes = directory.accounts(cursor)
    assert changes.complete
    assert who.object_id in listed(changes)


# ---- may it be rotated -----------------------------------------------------------------------------------------------


def test_what_holds_for_an_account_is_read_in_one_go(world: World, directory: Directory) -> None:
    who = world.person(shown_as="Grace Hopper")
    standing = directory.may_rotate(who.object_id)
    assert (standing.allowed, standing.status, standing.username) == (True, None, who.username)
    assert standing.policy.length >= 7
    assert standing.policy.classes == 3
    assert {"grace", "hopper", who.username.casefold()} <= set(standing.policy.forbidden)
    assert standing.password_set_at is not None


def test_a_disabled_account_is_not_permitted_and_says_so(world: World, directory: Directory) -> None:
    who = world.person()
    world.disables(who)
    standing = directory.may_rotate(who.object_id)
    assert (standing.allowed, standing.status) == (False, Status.NOT_PERMITTED)
    assert "disabled" in standing.reason


def test_an_account_that_is_gone_is_not_found_by_any_call(world: World, directory: Directory) -> None:
    who = world.person()
    world.deletes(who)
    for call in (
        lambda: directory.may_rotate(who.object_id),
        lambda: directory.set_password(who.object_id, world.ours),
        lambda: directory.confirm(who.object_id, world.ours, LONG_AGO, None),
        lambda: directory.works(who.object_id, world.ours),
        lambda: directory.unlock(who.object_id),
    ):
        with pytest.raises(NotFound):
            call()


# ---- writing ---------------------------------------------------------------------------------------------------------


def test_a_new_password_is_taken_proved_and_moves_the_set_time(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    server = directory.set_password(who.object_id, world.ours)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, server, 0, before.times_set)
    assert (proof.verdict, proof.tried, proof.by_set_time) == (Verdict.TAKEN, world.signs_in, not world.signs_in)
    assert before.password_set_at is not None
    assert proof.set_at is not None
    assert proof.set_at > before.password_set_at
    assert proof.server == server
    assert world.holds(who, world.ours.get_secret_value())


def test_setting_the_same_password_again_is_safe(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    directory.set_password(who.object_id, world.ours)
    server = directory.set_password(who.object_id, world.ours)
    assert directory.confirm(who.object_id, world.ours, before.password_set_at, server).verdict is Verdict.TAKEN


def test_a_password_that_breaks_the_policy_is_refused_and_the_old_one_holds(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    with pytest.raises(PasswordRefused) as caught:
        directory.set_password(who.object_id, SecretStr("short"))
    assert caught.value.cause == "policy"
    assert "short" not in str(caught.value).replace("too short", "")
    proof = settled(world, lambda: directory.confirm(who.object_id, world.ours, before.password_set_at, None))
    assert proof.verdict is Verdict.NOT_TAKEN
    assert world.holds(who, FIRST)


def test_without_the_right_nothing_is_changed_and_the_right_is_named(world: World, directory: Directory) -> None:
    who = world.outsider()
    refusal, named = world.lacking
    with pytest.raises(refusal) as caught:
        directory.set_password(who.object_id, world.ours)
    assert named in caught.value.mend
    assert world.holds(who, FIRST)


def test_a_lost_reply_is_looked_up_not_applied_again(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    world.warms_up(directory, who)
    with world.losing_the_reply(who), pytest.raises(NoAnswer):
        directory.set_password(who.object_id, world.ours)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, None, 0, before.times_set)
    assert proof.verdict is Verdict.TAKEN
    assert world.holds(who, world.ours.get_secret_value())


def test_a_lost_request_is_not_taken_and_may_be_sent_again(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    world.warms_up(directory, who)
    with world.losing_the_request(), pytest.raises(NoAnswer):
        directory.set_password(who.object_id, world.ours)
    proof = settled(
        world,
        lambda: directory.confirm(who.object_id, world.ours, before.password_set_at, None, 0, before.times_set),
    )
    assert (proof.verdict, proof.tried) == (Verdict.NOT_TAKEN, False)
    assert world.holds(who, FIRST)
    server = directory.set_password(who.object_id, world.ours)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, server, 0, before.times_set)
    assert proof.verdict is Verdict.TAKEN


def test_many_are_proved_while_the_next_is_written(world: World, directory: Directory) -> None:
    people = [world.person() for _ in range(8)]
    with ThreadPoolExecutor(directory.overlap) as pool:
        proofs = []
        for number, who in enumerate(people):
            secret = SecretStr(f"Pip3-line-of-a-Test-{number}!")
            before = directory.may_rotate(who.object_id)
            server = directory.set_password(who.object_id, secret)
            proofs.append(
                pool.submit(
                    directory.confirm, who.object_id, secret, before.password_set_at, server, 0, before.times_set
                )
            )
        assert [proof.result().verdict for proof in proofs] == [Verdict.TAKEN] * len(people)


def test_a_directory_that_is_away_is_unreachable_and_nothing_was_sent(world: World, directory: Directory) -> None:
    who = world.person()
    world.goes_away()
    for call in (
        lambda: directory.may_rotate(who.object_id),
        lambda: directory.set_password(who.object_id, world.ours),
        lambda: directory.accounts(None),
    ):
        with pytest.raises(Unreachable):
            call()
    assert [finding.level for finding in directory.check()] == [Level.PROBLEM]
    assert world.holds(who, FIRST)


# ---- judging passwords -----------------------------------------------------------------------------------------------


@by_signing_in
def test_what_somebody_else_set_meanwhile_is_changed(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    world.resets(who, THEIRS)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, None, 0, before.times_set)
    assert proof.verdict is Verdict.CHANGED
    assert directory.works(who.object_id, SecretStr(THEIRS)).verdict is Verdict.TAKEN


def test_what_somebody_else_set_after_ours_is_changed_though_ours_may_still_sign_in(
    world: World, directory: Directory
) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    server = directory.set_password(who.object_id, world.ours)
    world.passes(timedelta(minutes=1))
    world.resets(who, THEIRS)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, server, 0, before.times_set)
    assert proof.verdict is Verdict.CHANGED


@by_signing_in
def test_the_password_an_account_has_works_and_another_does_not(world: World, directory: Directory) -> None:
    who = world.person()
    right, wrong = directory.works(who.object_id, SecretStr(FIRST)), directory.works(who.object_id, WRONG)
    assert (right.verdict, right.tried) == (Verdict.TAKEN, True)
    assert (wrong.verdict, wrong.tried) == (Verdict.NOT_TAKEN, True)


@by_signing_in
def test_a_replaced_password_does_not_count_as_working_though_it_still_signs_in(
    world: World, directory: Directory
) -> None:
    who = world.person()
    known_since = directory.may_rotate(who.object_id).password_set_at
    world.resets(who, THEIRS)
    assert directory.works(who.object_id, SecretStr(FIRST), known_since=known_since).verdict is Verdict.NOT_TAKEN
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert directory.works(who.object_id, SecretStr(THEIRS), known_since=later).verdict is Verdict.TAKEN


@by_signing_in
def test_must_change_at_next_logon_proves_the_password(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    world.resets(who, THEIRS, must_change=True)
    assert directory.may_rotate(who.object_id).password_set_at is None
    assert directory.works(who.object_id, SecretStr(THEIRS)).verdict is Verdict.TAKEN
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, None, 0, before.times_set)
    assert proof.verdict is Verdict.CHANGED

    since = directory.may_rotate(who.object_id)
    server = directory.set_password(who.object_id, world.ours)
    proof = directory.confirm(who.object_id, world.ours, since.password_set_at, server, 0, since.times_set)
    assert (proof.verdict, proof.set_at is not None) == (Verdict.TAKEN, True)


@by_signing_in
def test_a_locked_account_is_judged_by_the_set_time_without_a_try(world: World, directory: Directory) -> None:
    who = world.person(lockout_threshold=3)
    world.locks(who)
    before = directory.may_rotate(who.object_id)
    assert (before.allowed, before.locked) == (True, True)
    server = directory.set_password(who.object_id, world.ours)
    proof = directory.confirm(who.object_id, world.ours, before.password_set_at, server)
    assert (proof.verdict, proof.by_set_time, proof.tried) == (Verdict.TAKEN, True, False)
    nothing = directory.works(who.object_id, world.ours)
    assert (nothing.verdict, nothing.by_set_time, nothing.tried) == (Verdict.WAIT, True, False)


@by_signing_in
def test_unlocking_lifts_a_lockout_and_may_be_repeated(world: World, directory: Directory) -> None:
    who = world.person(lockout_threshold=3)
    world.locks(who)
    directory.unlock(who.object_id)
    assert not world.is_locked(who)
    directory.unlock(who.object_id)
    assert not directory.may_rotate(who.object_id).locked
    assert directory.works(who.object_id, SecretStr(FIRST)).verdict is Verdict.TAKEN


def wrong_proofs(directory: Directory, who: Who, tried: Callable[[], int]) -> Iterator[Proof]:
    yield directory.works(who.object_id, WRONG, tried())
    yield directory.confirm(who.object_id, WRONG, LONG_AGO, None, tried())


@by_signing_in
def test_twenty_restarts_of_wrong_proofs_never_lock_an_account(world: World) -> None:
    who = world.person(lockout_threshold=3)
    tried = 0
    for _ in range(20):
        with world.connect() as directory:
            for proof in wrong_proofs(directory, who, lambda: tried):  # noqa: B023 - read while the loop runs
                tried += proof.tried
                if not proof.tried:
                    assert proof.verdict is Verdict.WAIT
                    assert proof.wait > timedelta(minutes=1)
    assert tried == 1
    assert not world.is_locked(who)
    assert world.holds(who, FIRST)


@by_signing_in
def test_an_earlier_try_that_did_not_fail_does_not_hold_up_the_next(world: World, directory: Directory) -> None:
    who = world.person(lockout_threshold=3)
    proof = directory.works(who.object_id, SecretStr(FIRST), unproven=1)
    assert (proof.verdict, proof.tried) == (Verdict.TAKEN, True)


@by_signing_in
def test_others_wrong_tries_leave_room_for_one_of_ours_only_while_it_cannot_lock(
    world: World, directory: Directory
) -> None:
    who = world.person(lockout_threshold=3)
    assert directory.works(who.object_id, WRONG).verdict is Verdict.NOT_TAKEN
    assert directory.works(who.object_id, WRONG).verdict is Verdict.NOT_TAKEN
    assert directory.works(who.object_id, WRONG).verdict is Verdict.WAIT
    assert not world.is_locked(who)


# ---- looking it over -------------------------------------------------------------------------------------------------


def test_a_sound_connection_is_found_sound_and_nothing_is_changed(world: World, directory: Directory) -> None:
    who = world.person()
    before = directory.may_rotate(who.object_id)
    findings = directory.check()
    assert findings
    assert all(finding.what and finding.level is not Level.PROBLEM for finding in findings)
    assert directory.may_rotate(who.object_id) == before
