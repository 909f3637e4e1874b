"""IT Glue as it is: what it does not promise is found out, every refusal has its own sentence, and requests are few."""

import gc
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.demo.itglue.account import NoAccess
from bot.demo.itglue.faults import Answers, LostReply, LostRequest, Meanwhile
from bot.demo.itglue.server import RunningITGlue
from bot.errors import NoAnswer, NotFound, OutsideError, Refused, RightMissing, SignInRefused, Throttled, Unreachable
from bot.findings import Level
from bot.vaults.base import NewRecord
from bot.vaults.itglue import ITGlue, ITGlueSettings
from bot.vaults.itglue.reading import link
from bot.vaults.itglue.share import LIMIT, Share, share_of
from tests.contracts.vaults import API_KEY, ITGlueWorld, emptied, running_itglue

OURS, THEIRS = SecretStr("0urs-of-a-Test!"), "Th3irs-of-a-Test!"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningITGlue]:
    with running_itglue() as server:
        yield server


@pytest.fixture
def world(server: RunningITGlue) -> ITGlueWorld:
    return ITGlueWorld(emptied(server))


@pytest.fixture
def vault(world: ITGlueWorld) -> Iterator[ITGlue]:
    with world.connect() as vault:
        yield vault


def asked(world: ITGlueWorld) -> list[tuple[str, str | None]]:
    """What was asked for: each method with `show_password`, where one record is meant."""
    return [(each.method, each.says("show_password")) for each in world.server.faults.requests]


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_only_the_organizations_own_shared_records_are_read(world: ITGlueWorld, vault: ITGlue) -> None:
    account, home = world.account, world.home
    kept = world.add("Shared", THEIRS)
    for private in ("archived", "personal", "my_glue"):
        account.add(home, private, THEIRS, **{private: True})
    assert [record.external_id for record in vault.records(None).records] == [kept]
    assert THEIRS not in str(world.server.faults.requests)


def test_what_a_record_is_embedded_in_and_how_it_is_guarded_is_seen(world: ITGlueWorld, vault: ITGlue) -> None:
    account, home = world.account, world.home
    account.add(home, "Firewall", THEIRS, embedded=("Configuration", 4711, "FW-01"), category="Network")
    account.add(home, "Vaulted", vault_id=12)
    account.add(home, "Restricted", THEIRS, restricted=True)
    seen = {record.name: record for record in vault.records(None).records}
    assert (seen["Firewall"].embedded_in, seen["Firewall"].category) == ("Configuration FW-01", "Network")
    assert "vaulted in IT Glue" in (seen["Vaulted"].guard or "")
    assert [each for each in seen if seen[each].restricted] == ["Restricted"]
    assert all((each.link or "").startswith(world.server.url) for each in seen.values())


def test_twenty_thousand_records_take_twenty_requests_and_a_quiet_night_one(world: ITGlueWorld, vault: ITGlue) -> None:
    for number in range(20_000):
        world.account.add(world.home, f"Record {number}")
    first = vault.records(None)
    assert sum(1 for _ in first.records) == 20_000
    assert first.complete
    assert len(world.server.faults.requests) == 21  # which organization it is, once
    world.server.faults.requests.clear()
    world.account.ahead = timedelta(minutes=1)
    changed = world.add("New")
    second = vault.records(first.cursor)
    assert changed in {record.external_id for record in second.records}
    assert not second.complete
    assert len(world.server.faults.requests) <= 21
    world.server.faults.requests.clear()
    third = vault.records(second.cursor)
    assert {record.external_id for record in third.records} == {changed}
    assert len(world.server.faults.requests) == 1


def test_a_record_that_was_deleted_shows_in_the_total(world: ITGlueWorld, vault: ITGlue) -> None:
    gone, stays = world.add("Gone"), world.add("Stays")
    first = vault.records(None)
    assert len(list(first.records)) == 2
    world.account.deletes(int(gone))
    second = vault.records(first.cursor)
    assert {record.external_id for record in second.records} == {stays}
    assert second.complete


def test_records_that_come_and_go_between_two_pages_are_not_taken_for_gone(world: ITGlueWorld, vault: ITGlue) -> None:
    ids = [world.add(f"Record {number}") for number in range(1500)]
    first_read = lambda: world.account.deletes(int(ids[0]))  # noqa: E731 - what somebody does meanwhile
    world.server.faults.on(Meanwhile(first_read), path="passwords")
    changes = vault.records(None)
    seen = {record.external_id for record in changes.records}
    assert changes.complete
    assert seen >= set(ids[1:])


def test_the_whole_is_read_again_once_a_week(world: ITGlueWorld, vault: ITGlue) -> None:
    world.add("Jane")
    first = vault.records(None)
    list(first.records)
    assert first.cursor is not None
    old = first.cursor.replace("202", "201")
    again = vault.records(old)
    assert len(list(again.records)) == 1
    assert again.complete


def test_an_organization_is_found_by_name_or_id_and_kept_by_id(world: ITGlueWorld) -> None:
    record = world.add("Jane", THEIRS)
    for written in ("acme  DENTAL", str(world.home.id)):
        with world.connect(written) as vault:
            changes = vault.records(None)
            assert [each.external_id for each in changes.records] == [record]
            assert changes.place == str(world.home.id)


def test_a_name_nobody_has_is_answered_with_the_nearest(world: ITGlueWorld) -> None:
    with world.connect("Acme Dentl") as vault:
        (finding,) = vault.check()
        with pytest.raises(NotFound):
            vault.records(None)
    assert finding.level is Level.PROBLEM
    assert f"Acme Dental ({world.home.id})" in finding.mend


def test_two_organizations_of_one_name_are_a_persons_to_tell_apart(world: ITGlueWorld) -> None:
    twin = world.account.organization("Acme Dental")
    with world.connect() as vault:
        (finding,) = vault.check()
    assert str(twin.id) in finding.mend


def test_a_page_that_leads_elsewhere_is_no_link() -> None:
    base = "https://api.itglue.com"
    assert link("https://northwind.itglue.com/1/passwords/2", base) is not None
    for address in ("javascript:alert(1)", "https://itglue.com.example.test/1", "http://northwind.itglue.com/1", "x["):
        assert link(address, base) is None


# ---- one record ------------------------------------------------------------------------------------------------------


def test_a_password_is_asked_for_only_where_it_is_needed(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    list(vault.records(None).records)
    vault.may_write(record)  # the first of a sign-in finds out whether the key may read passwords at all
    world.server.faults.requests.clear()
    vault.may_write(record)
    vault.write(record, OURS)
    assert asked(world) == [("GET", "false"), ("PATCH", "false"), ("GET", "true")]


def test_a_vaulted_record_is_not_permitted_and_never_written(world: ITGlueWorld, vault: ITGlue) -> None:
    record = str(world.account.add(world.home, "Vaulted", vault_id=12).id)
    permit = vault.may_write(record)
    assert (permit.allowed, permit.status, permit.cause) == (False, "Not Permitted", "vaulted")
    with pytest.raises(Refused, match="vaulted"):
        vault.read(record)


def test_a_record_moved_to_another_customer_is_not_written_there(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    world.account.edits(int(record), organization_id=world.other.id)
    for call in (lambda: vault.may_write(record), lambda: vault.write(record, OURS)):
        with pytest.raises(NotFound, match="belongs to another organization in IT Glue now, Somebody Else"):
            call()
    assert world.holds(record) == THEIRS


def test_a_record_that_was_deleted_says_so(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    world.account.deletes(int(record))
    with pytest.raises(NotFound, match="was deleted in IT Glue"):
        vault.write(record, OURS)


@pytest.mark.parametrize("form", list(NoAccess))
def test_a_key_without_password_access_is_refused_before_anything_is_written(
    world: ITGlueWorld, vault: ITGlue, form: NoAccess
) -> None:
    record = world.add("Jane", THEIRS)
    world.key.reads_passwords, world.key.no_access = False, form
    for call in (lambda: vault.may_write(record), lambda: vault.read(record)):
        with pytest.raises(RightMissing) as caught:
            call()
        assert (caught.value.cause, "Password Access" in caught.value.mend) == ("itglue-password-access", True)
    assert any("Password Access" in each.mend for each in vault.check())
    assert {method for method, _ in asked(world)} == {"GET"}


def test_a_key_that_reads_and_may_not_write_is_told_from_one_that_is_not_taken(
    world: ITGlueWorld, vault: ITGlue
) -> None:
    record = world.add("Jane", THEIRS)
    world.key.writes_passwords = False
    with pytest.raises(RightMissing) as caught:
        vault.write(record, OURS)
    assert caught.value.cause == "itglue-write"
    with pytest.raises(RightMissing):
        vault.create(NewRecord("Bob", "bob", "mark"), OURS)
    world.key.paused = True
    with pytest.raises(SignInRefused) as refused:
        vault.write(record, OURS)
    assert refused.value.cause == "itglue-key"
    assert world.holds(record) == THEIRS


def test_a_machine_that_may_not_come_in_is_told_where_to_let_it(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    vault.may_write(record)
    world.account.addresses = {"203.0.113.7"}
    for call in (lambda: vault.may_write(record), lambda: vault.read(record), lambda: vault.write(record, OURS)):
        with pytest.raises(SignInRefused) as caught:
            call()
        assert caught.value.cause == "itglue-forbidden"
        assert "IP Access Control" in caught.value.mend
    assert [each.cause for each in vault.check()] == ["itglue-forbidden"]


# ---- lost replies and other trouble ----------------------------------------------------------------------------------


def test_a_lost_reply_is_looked_up_and_the_same_may_be_written_again(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    vault.may_write(record)
    world.server.faults.on(LostReply(), "PATCH")
    with pytest.raises(NoAnswer):
        vault.write(record, OURS)
    assert vault.read(record).secret == OURS
    vault.write(record, OURS)
    assert len(world.account.passwords[int(record)].versions) == 2


def test_a_lost_request_left_everything_as_it_was(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    vault.may_write(record)
    world.server.faults.on(LostRequest(), "PATCH")
    with pytest.raises(NoAnswer):
        vault.write(record, OURS)
    held = vault.read(record).secret
    assert held is not None
    assert held.get_secret_value() == THEIRS


@pytest.mark.parametrize("fault", [LostRequest(), LostReply(), Answers(503), Answers(429), Answers(504, "gateway")])
def test_a_proof_that_does_not_come_leaves_the_write_open(world: ITGlueWorld, vault: ITGlue, fault: object) -> None:
    record = world.add("Jane", THEIRS)
    vault.may_write(record)
    world.server.faults.on(Meanwhile(lambda: world.server.faults.on(fault, "GET", times=3)), "PATCH")  # type: ignore[arg-type]
    with pytest.raises(NoAnswer):
        vault.write(record, OURS)
    assert world.holds(record) == OURS.get_secret_value()


def test_somebody_who_was_quicker_is_not_overwritten(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", "Before!")
    vault.may_write(record)
    world.server.faults.on(Meanwhile(lambda: world.account.edits(int(record), THEIRS)), "PATCH")
    with pytest.raises(Refused) as caught:
        vault.write(record, OURS)
    assert caught.value.cause == "vault-changed"
    assert world.holds(record) == THEIRS


def test_a_record_whose_making_went_unanswered_is_not_made_twice(world: ITGlueWorld, vault: ITGlue) -> None:
    wanted = NewRecord("Bob, the builder", "CORP\\bob", "mark-of-bob")
    list(vault.records(None).records)
    world.server.faults.on(LostReply(), "POST")
    with pytest.raises(NoAnswer):
        vault.create(wanted, OURS)
    made = vault.create(wanted, OURS)
    assert made.mark == "mark-of-bob"
    assert [each.mark for each in vault.records(None).records] == ["mark-of-bob"]


def test_a_vault_that_takes_no_record_without_a_password_gets_it_with_one(world: ITGlueWorld, vault: ITGlue) -> None:
    world.account.needs_password = True
    with pytest.raises(Refused) as caught:
        vault.create(NewRecord("Bob", "bob", "mark"))
    assert caught.value.cause == "vault-needs-password"
    assert world.holds(vault.create(NewRecord("Bob", "bob", "mark"), OURS).external_id) == OURS.get_secret_value()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Answers(200, "<html>sign in to the wifi</html>"), NoAnswer),
        (Answers(200, "[]"), NoAnswer),
        (Answers(500), NoAnswer),
        (Answers(404, "<html>not found</html>"), NotFound),
        (Answers(422, '{"errors":[{"status":422,"title":"Unprocessable Entity"}]}'), Refused),
        (Answers(418, "{}"), Refused),
    ],
)
def test_every_answer_to_a_write_says_what_is_known(
    world: ITGlueWorld, vault: ITGlue, fault: Answers, kind: type[OutsideError]
) -> None:
    record = world.add("Jane", THEIRS)
    vault.may_write(record)
    world.server.faults.on(fault, "PATCH")
    with pytest.raises(kind) as caught:
        vault.write(record, OURS)
    assert OURS.get_secret_value() not in repr(caught.value)
    assert API_KEY not in repr(caught.value)


def test_it_glue_away_is_unreachable_and_a_finding(world: ITGlueWorld, vault: ITGlue) -> None:
    record = world.add("Jane", THEIRS)
    world.server.faults.away = True
    for call in (lambda: vault.may_write(record), lambda: list(vault.records(None).records)):
        with pytest.raises(Unreachable):
            call()
    assert [finding.away for finding in vault.check()] == [True]


# ---- the share -------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_rekey_keeps_to_its_share_and_goes_on_when_the_window_moves() -> None:
    clock = Clock()
    share = Share(limit=100, window=300, clock=clock, sleep=clock.sleep)
    for _ in range(50):
        share.take(0.5)
    with pytest.raises(Throttled) as caught:
        share.take(0.5)
    assert caught.value.retry_after == 300
    share.take(0.8)  # another organization of the account was given more of it
    clock.now = 299.5
    share.take(0.5)  # waits half a second in place
    assert clock.now == 300


def test_a_write_and_its_proof_have_room_together_or_do_not_begin() -> None:
    clock = Clock()
    share = Share(limit=10, window=300, clock=clock, sleep=clock.sleep)
    for _ in range(9):
        share.take(1)
    with pytest.raises(Throttled):
        share.take(1, 2)
    share.take(1)


def test_without_being_told_how_long_each_complaint_waits_longer() -> None:
    clock = Clock()
    share = Share(clock=clock, sleep=clock.sleep)
    assert [share.complained(1) for _ in range(6)] == [15, 30, 60, 120, 240, 300]
    assert share.complained(900) == 900
    with pytest.raises(Throttled):
        share.take(0.5)
    share.answered()
    assert share.complained(1) == 15


@pytest.mark.parametrize("says", [True, False])
def test_a_full_account_is_left_alone_with_and_without_being_told_how_long(world: ITGlueWorld, says: bool) -> None:
    record = world.add("Jane", THEIRS)
    world.account.limit, world.account.says_retry_after = 3, says
    with world.connect(str(world.home.id), Share()) as vault:
        vault.may_write(record)
        vault.may_write(record)
        with pytest.raises(Throttled) as caught:
            vault.write(record, OURS)
        assert caught.value.retry_after >= (200 if says else 15)
        requests = len(world.server.faults.requests)
        with pytest.raises(Throttled):
            vault.may_write(record)
        assert len(world.server.faults.requests) == requests


def test_every_organization_of_an_account_draws_on_one_share() -> None:
    one, other = share_of("https://api.itglue.com", OURS), share_of("https://api.itglue.com", OURS)
    assert one is other
    assert share_of("https://api.eu.itglue.com", OURS) is not one


def test_the_count_outlives_whoever_asked(world: ITGlueWorld) -> None:
    settings = ITGlueSettings(base_url=world.server.url, organization=str(world.home.id), share=0.05)
    allowed = int(0.05 * LIMIT)

    def turn(requests: int) -> None:
        """A lane's turn: a connector of its own, and nothing left of it."""
        with ITGlue(settings, SecretStr(API_KEY)) as vault:
            for _ in range(requests):
                vault.organizations()

    for _ in range(3):
        turn(allowed // 3)
        gc.collect()
    with pytest.raises(Throttled) as caught:
        turn(1)
    assert caught.value.cause == "itglue-share"
    assert len(world.server.faults.requests) == allowed
