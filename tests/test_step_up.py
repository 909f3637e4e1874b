"""What the step-up promises: no code twice, no guessing, nobody else's secret; an enrolment code works once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot import step_up
from bot.audit import Trail
from bot.errors import BadInput, SealBroken
from bot.permissions import Decision, Operator
from bot.step_up import BLOCKED_FOR, CODE_LIFE, MOST_FAILURES, begin, check, finish, new_code
from storage.database import Database
from storage.models import AuditEvent, Profile
from storage.profiles import find_profile, profile_of
from storage.sealing import KeyRing
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import new_safe

SHELL = Operator("cli:root@box", "command line", {})
TINA = Operator("U0TINA", "reveal page", {})
START = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)


class Clock:
    """The time, as the step-up sees it."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def passes(self, span: timedelta) -> None:
        self.at += span


class Office:
    """One Rekey, and the words of the people who step up."""

    def __init__(self, database: Database, keys: KeyRing, trail: Trail) -> None:
        self.database, self.keys, self.trail = database, keys, trail

    def gives_code(self, operator: str = TINA.key) -> SecretStr:
        with self.database.writing() as session:
            return new_code(session, self.trail, SHELL, operator)[0]

    def enrols(self, clock: Clock, operator: str = TINA.key) -> pyotp.TOTP:
        code = self.gives_code(operator)
        with self.database.writing() as session:
            begun = begin(session, self.keys, code)
            app = pyotp.TOTP(begun.secret.get_secret_value())
            finish(session, self.trail, self.keys, code, begun.ticket, app.at(clock.at), "enrolment page")
        return app

    def types(self, code: str, operator: Operator = TINA) -> Decision:
        with self.database.writing() as session:
            return check(session, self.trail, self.keys, operator, code)

    def events(self, name: str) -> list[AuditEvent]:
        with self.database.reading() as session:
            return list(session.exec(select(AuditEvent).where(AuditEvent.event == name)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(step_up, "now", clock)
    return clock


@pytest.fixture(params=KINDS)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with migrated_database(request.param, request, tmp_path) as database:
        safe, _ = new_safe(tmp_path)
        yield Office(database, safe.keys, Trail(safe.keys, tmp_path / "escrow"))


def test_the_apps_code_is_taken_once_and_the_next_one_again(office: Office, clock: Clock) -> None:
    app = office.enrols(clock)
    clock.passes(timedelta(seconds=30))
    assert office.types(app.at(clock.at)).allowed
    again = office.types(app.at(clock.at))
    assert not again.allowed
    assert "used already" in again.reason
    clock.passes(timedelta(seconds=30))
    code = app.at(clock.at)
    assert office.types(f"{code[:3]} {code[3:]}").allowed


def test_the_code_that_proved_the_enrolment_opens_nothing(office: Office, clock: Clock) -> None:
    app = office.enrols(clock)
    assert not office.types(app.at(clock.at)).allowed


def test_a_phone_half_a_minute_off_is_understood_and_one_further_off_is_not(office: Office, clock: Clock) -> None:
    app = office.enrols(clock)
    clock.passes(timedelta(minutes=10))
    assert not office.types(app.at(clock.at - timedelta(seconds=90))).allowed
    assert office.types(app.at(clock.at - timedelta(seconds=30))).allowed
    assert office.types(app.at(clock.at + timedelta(seconds=30))).allowed


def test_after_five_wrong_codes_not_even_the_right_one_is_taken_for_a_while(office: Office, clock: Clock) -> None:
    app = office.enrols(clock)
    clock.passes(timedelta(minutes=1))
    for _ in range(MOST_FAILURES):
        assert not office.types("000000").allowed
    assert "Too many wrong codes" in office.types(app.at(clock.at)).reason
    clock.passes(BLOCKED_FOR + timedelta(seconds=1))
    for _ in range(MOST_FAILURES):
        office.types("000000")
    clock.passes(BLOCKED_FOR + timedelta(seconds=1))
    assert not office.types(app.at(clock.at)).allowed, "the second block is longer"
    clock.passes(BLOCKED_FOR)
    assert office.types(app.at(clock.at)).allowed
    assert len(office.events("operator.step_up_refused")) == 2 * MOST_FAILURES


def test_a_block_grows_no_longer_than_a_day_and_a_new_enrolment_code_lifts_it(office: Office, clock: Clock) -> None:
    office.enrols(clock)
    with office.database.writing() as session:
        profile = profile_of(session, TINA.key)
        profile.step_up_failures = MOST_FAILURES * 10_000 - 1
        session.add(profile)
    office.types("000000")
    with office.database.reading() as session:
        blocked = find_profile(session, TINA.key)
    assert blocked is not None
    assert blocked.step_up_blocked_until == clock.at + step_up.LONGEST_BLOCK
    app = office.enrols(clock)
    clock.passes(timedelta(seconds=30))
    assert office.types(app.at(clock.at)).allowed


@pytest.mark.parametrize("typed", ["", " ", "12345", "1234567", "abcdef", "１２３４５６", "0" * 10_000, "-00001"])
def test_what_is_no_code_is_a_wrong_one(office: Office, clock: Clock, typed: str) -> None:
    office.enrols(clock)
    assert not office.types(typed).allowed


def test_who_never_enrolled_is_told_how_to(office: Office) -> None:
    answer = office.types("123456")
    assert not answer.allowed
    assert "rekey operators enrol U0TINA" in answer.reason


def test_an_enrolment_code_works_once_and_however_it_is_typed(office: Office, clock: Clock) -> None:
    code = office.gives_code()
    typed = SecretStr(code.get_secret_value().lower().replace("-", " "))
    with office.database.writing() as session:
        begun = begin(session, office.keys, typed)
        app = pyotp.TOTP(begun.secret.get_secret_value())
        assert finish(session, office.trail, office.keys, typed, begun.ticket, app.at(clock.at), "page") == TINA.key
    with office.database.writing() as session, pytest.raises(BadInput, match="wrong, was used already, or is older"):
        begin(session, office.keys, code)


def test_an_enrolment_code_expires_and_a_newer_one_replaces_it(office: Office, clock: Clock) -> None:
    first = office.gives_code()
    second = office.gives_code()
    with office.database.writing() as session:
        with pytest.raises(BadInput):
            begin(session, office.keys, first)
        begin(session, office.keys, second)
    clock.passes(CODE_LIFE + timedelta(seconds=1))
    with office.database.writing() as session, pytest.raises(BadInput):
        begin(session, office.keys, second)


def test_a_mistyped_first_code_keeps_nothing_and_uses_nothing_up(office: Office, clock: Clock) -> None:
    code = office.gives_code()
    with office.database.writing() as session:
        begun = begin(session, office.keys, code)
        with pytest.raises(BadInput, match="not the code your app should show"):
            finish(session, office.trail, office.keys, code, begun.ticket, "000000", "page")
        assert not step_up.is_enrolled(find_profile(session, TINA.key))
        app = pyotp.TOTP(begun.secret.get_secret_value())
        finish(session, office.trail, office.keys, code, begun.ticket, app.at(clock.at), "page")


def test_somebody_elses_enrolment_cannot_be_finished_with_my_secret(office: Office, clock: Clock) -> None:
    mine, theirs = office.gives_code("U0MALLORY"), office.gives_code(TINA.key)
    with office.database.writing() as session:
        begun = begin(session, office.keys, mine)
        app = pyotp.TOTP(begun.secret.get_secret_value())
        with pytest.raises(BadInput):
            finish(session, office.trail, office.keys, theirs, begun.ticket, app.at(clock.at), "page")


def test_a_sealed_secret_copied_to_another_operator_does_not_open(office: Office, clock: Clock) -> None:
    app = office.enrols(clock, "U0MALLORY")
    with office.database.writing() as session:
        stolen = profile_of(session, "U0MALLORY").step_up
        profile = profile_of(session, TINA.key)
        profile.step_up = stolen
        session.add(profile)
    clock.passes(timedelta(minutes=1))
    with pytest.raises(SealBroken):
        office.types(app.at(clock.at))


def test_the_old_authenticator_works_until_the_new_one_does(office: Office, clock: Clock) -> None:
    old = office.enrols(clock)
    clock.passes(timedelta(minutes=1))
    office.gives_code()
    assert office.types(old.at(clock.at)).allowed
    new = office.enrols(clock)
    clock.passes(timedelta(minutes=1))
    assert not office.types(old.at(clock.at)).allowed
    assert office.types(new.at(clock.at)).allowed


def test_the_database_holds_neither_code_nor_secret(office: Office, clock: Clock) -> None:
    code = office.gives_code()
    app = office.enrols(clock)
    with office.database.reading() as session:
        kept = "".join(str(profile.model_dump()) for profile in session.exec(select(Profile)))
        kept += "".join(str(event.model_dump()) for event in session.exec(select(AuditEvent)))
    assert app.secret not in kept
    assert code.get_secret_value() not in kept
    assert code.get_secret_value().replace("-", "") not in kept
