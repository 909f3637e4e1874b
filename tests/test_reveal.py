"""What showing a password promises: to whom it was made for, once, soon, never without a line in the audit trail."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr
from sqlmodel import Session, select

from bot import approvals, links, reveal, step_up
from bot.errors import BadInput, NotPermitted, SealBroken
from bot.links import Refusal
from bot.permissions import Operator, operator_named
from bot.reveal import Asked, Revealed
from bot.settings import Settings
from storage.grants import set_operators
from storage.models import Account, Approval, AuditEvent, Link, Match, MatchState, Record, Revision, Role, Tier
from tests.rotation.world import World
from tests.storage.databases import KINDS, migrated_database

ALICE, BOB, TINA, VIC = "U0ALICE", "U0BOB", "U0TINA", "U0VIC"
PASSWORD = "Old-pass-0001!"
DOMAIN_ADMINS = "Domain-Admin-Pass-1"


class Office:
    """A world whose people ask to be shown passwords, and a clock that goes when it is told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.database, self.trail, self.safe = world.database, world.trail, world.safe
        self.at = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
        self.settings = Settings(_env_prefix="REKEY_REVEAL_TEST_", step_up=False)
        domain = world.directory("ad")
        domain.person("jane", PASSWORD)
        domain.person("tom", DOMAIN_ADMINS, groups=("Domain Admins",))
        self.jane = world.matched("Jane", {"ad": "jane"})
        self.tom = world.matched("Tom", {"ad": "tom"}, DOMAIN_ADMINS)
        self.roles(administrator=[ALICE, BOB], technician=[TINA], viewer=[VIC])

    def now(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)

    def set(self, **settings: Any) -> None:
        self.settings = self.settings.model_copy(update=settings)

    def roles(self, **wanted: list[str]) -> None:
        with self.database.writing() as session:
            for role, operators in wanted.items():
                set_operators(session, Role(role), None, operators)

    def operator(self, key: str) -> Operator:
        with self.database.reading() as session:
            return operator_named(session, key, "Slack")

    def asks(self, key: str, record: Record) -> Asked:
        return reveal.ask(self.database, self.trail, self.settings, self.operator(key), record)

    def link(self, key: str, record: Record) -> SecretStr:
        made = self.asks(key, record).link
        assert made is not None
        return SecretStr(made.address.get_secret_value().partition("#")[2])

    def opens(self, token: SecretStr, code: str = "") -> Revealed | Refusal:
        return reveal.open_link(self.database, self.safe, self.trail, self.settings, token, code)

    def refused(self, token: SecretStr, code: str = "") -> str:
        answer = self.opens(token, code)
        assert isinstance(answer, Refusal), "something was shown"
        return answer.reason

    def agrees(self, key: str, asked: Asked) -> Approval:
        assert asked.waits_for is not None
        with self.database.writing() as session:
            plan = reveal.plan_of(session, asked.record.id)
            operator = operator_named(session, key, "Slack")
            return approvals.decide(session, self.trail, operator, asked.waits_for.id, agree=True, plan=plan)

    def enrols(self, key: str) -> pyotp.TOTP:
        with self.database.writing() as session:
            code, _ = step_up.new_code(session, self.trail, self.operator(ALICE), key)
            begun = step_up.begin(session, self.safe.keys, code)
            app = pyotp.TOTP(begun.secret.get_secret_value())
            step_up.finish(session, self.trail, self.safe.keys, code, begun.ticket, app.at(self.at), "page")
        self.passes(seconds=30)
        return app

    def change(self, username: str, **values: Any) -> None:
        with self.database.writing() as session:
            account = session.exec(select(Account).where(Account.username == username)).one()
            for name, value in values.items():
                setattr(account, name, value)
            session.add(account)

    def events(self, name: str, result: str = "ok") -> list[AuditEvent]:
        with self.database.reading() as session:
            found = select(AuditEvent).where(AuditEvent.event == name, AuditEvent.result == result)
            return list(session.exec(found))

    def session(self) -> Any:
        return self.database.writing()


@pytest.fixture(params=KINDS)
def office(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with migrated_database(request.param, request, tmp_path) as database:
        office = Office(World.build(database, tmp_path))
        for module in (links, reveal, step_up, approvals):
            monkeypatch.setattr(module, "now", office.now)
        yield office


def shown(answer: Revealed | Refusal) -> str:
    assert isinstance(answer, Revealed), answer
    assert answer.password is not None
    return answer.password.get_secret_value()


# ---- a link ----------------------------------------------------------------------------------------------------------


def test_a_technician_is_shown_a_persons_password_once_and_the_trail_says_so(office: Office) -> None:
    token = office.link(TINA, office.jane)
    assert office.events("record.revealed") == []
    assert shown(office.opens(token)) == PASSWORD
    line = office.events("record.revealed")[0]
    assert (line.operator, line.source, line.subject) == (TINA, "reveal page", f"record {office.jane.id}")
    assert "was used on" in office.refused(token)
    assert len(office.events("reveal.refused", "refused")) == 1


def test_the_address_holds_the_token_in_its_fragment_alone_and_the_database_only_its_hash(office: Office) -> None:
    made = office.asks(TINA, office.jane).link
    assert made is not None
    before, _, token = made.address.get_secret_value().partition("#")
    assert before == "http://127.0.0.1:8080/reveal"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token), "256 bits"
    with office.database.reading() as session:
        kept = [str(row.model_dump()) for row in session.exec(select(Link))]
        kept += [str(row.model_dump()) for row in session.exec(select(AuditEvent))]
    assert token not in "".join(kept)


def test_a_link_lasts_five_minutes(office: Office) -> None:
    token = office.link(TINA, office.jane)
    office.passes(minutes=5)
    assert "This link is over" in office.refused(token)
    assert office.events("reveal.refused", "refused")[0].operator == TINA


def test_a_guessed_link_shows_nothing_and_is_audited(office: Office) -> None:
    office.link(TINA, office.jane)
    for guess in ("", "x", "A" * 43, office.jane.uid):
        assert "not one of Rekey's" in office.refused(SecretStr(guess))
    assert len(office.events("reveal.refused", "no such link")) == 4


def test_a_credentials_link_reveals_nothing(office: Office) -> None:
    with office.session() as session:
        tina, home = office.operator(TINA), office.world.organization.id
        made = links.make(session, office.settings, tina, home, links.CREDENTIAL, record_id=office.jane.id)
    assert "not one of Rekey's" in office.refused(SecretStr(made.address.get_secret_value().partition("#")[2]))


def test_two_who_open_the_same_link_at_the_same_time_see_it_once(office: Office) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = office.link(TINA, office.jane)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: office.opens(token), range(8)))
    assert sum(isinstance(each, Revealed) for each in answers) == 1
    assert len(office.events("record.revealed")) == 1


def test_no_audit_row_no_reveal(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    token = office.link(TINA, office.jane)

    def full(*_args: object, **_more: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(office.trail, "append", full)
        with pytest.raises(OSError, match="disk full"):
            office.opens(token)
    assert shown(office.opens(token)) == PASSWORD, "and the link was not used up by it"


def test_a_password_that_does_not_open_uses_nothing_up(office: Office) -> None:
    token = office.link(TINA, office.jane)
    with office.session() as session:
        revision = session.exec(select(Revision).where(Revision.record_id == office.jane.id)).one()
        good, revision.sealed = revision.sealed, revision.sealed[:-8] + "AAAAAAA="
        session.add(revision)
    with pytest.raises(SealBroken):
        office.opens(token)
    with office.session() as session:
        revision = session.exec(select(Revision).where(Revision.record_id == office.jane.id)).one()
        revision.sealed = good
        session.add(revision)
    assert shown(office.opens(token)) == PASSWORD


def test_a_record_without_a_password_is_said_to_have_none(office: Office) -> None:
    office.world.domains["ad"].person("new", "Unknown-pass-1")
    with pytest.raises(BadInput, match="has no password in Rekey yet"):
        office.asks(TINA, office.world.matched("New", {"ad": "new"}, None))


# ---- the step-up -----------------------------------------------------------------------------------------------------


def test_without_the_authenticators_code_a_link_shows_nothing_and_stays(office: Office) -> None:
    office.set(step_up=True)
    app = office.enrols(TINA)
    token = office.link(TINA, office.jane)
    answer = office.opens(token, "000000")
    assert isinstance(answer, Refusal)
    assert answer.again
    assert shown(office.opens(token, app.at(office.at))) == PASSWORD


def test_another_operators_code_does_not_open_my_link(office: Office) -> None:
    office.set(step_up=True)
    office.enrols(TINA)
    alices = office.enrols(ALICE)
    token = office.link(TINA, office.jane)
    assert "wrong" in office.refused(token, alices.at(office.at))


def test_one_code_opens_one_link(office: Office) -> None:
    office.set(step_up=True)
    app = office.enrols(TINA)
    first, second = office.link(TINA, office.jane), office.link(TINA, office.jane)
    code = app.at(office.at)
    assert shown(office.opens(first, code)) == PASSWORD
    assert "used already" in office.refused(second, code)


def test_many_wrong_codes_close_every_link_of_that_operator_and_nobody_elses(office: Office) -> None:
    office.set(step_up=True)
    tinas, alices = office.enrols(TINA), office.enrols(ALICE)
    tokens = [office.link(TINA, office.jane) for _ in range(3)]
    for number in range(60):
        office.refused(tokens[number % 3], f"{number:06}")
    assert "Too many wrong codes" in office.refused(tokens[0], tinas.at(office.at))
    assert shown(office.opens(office.link(ALICE, office.jane), alices.at(office.at))) == PASSWORD


def test_who_never_enrolled_is_shown_nothing(office: Office) -> None:
    office.set(step_up=True)
    assert "rekey operators enrol U0TINA" in office.refused(office.link(TINA, office.jane), "123456")


def test_a_step_up_that_is_off_stands_in_the_trail(office: Office) -> None:
    office.opens(office.link(TINA, office.jane))
    assert '"step-up"' in office.events("record.revealed")[0].details


# ---- roles and tiers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [VIC, "U0STRANGER"])
def test_who_may_not_read_gets_no_link_and_is_audited(office: Office, key: str) -> None:
    with pytest.raises(NotPermitted, match="Nothing was shown"):
        office.asks(key, office.jane)
    assert office.events("reveal.refused", "refused")[0].operator == key


def test_a_technician_gets_no_domain_admins_password(office: Office) -> None:
    with pytest.raises(NotPermitted, match="technician may not read the passwords of privileged accounts"):
        office.asks(TINA, office.tom)


def test_a_technician_whose_role_is_taken_before_the_link_is_opened_sees_nothing(office: Office) -> None:
    token = office.link(TINA, office.jane)
    office.roles(technician=[])
    assert "You have no role" in office.refused(token)
    assert office.events("reveal.refused", "refused")[0].operator == TINA


def test_an_account_that_became_privileged_before_the_link_is_opened_is_not_shown(office: Office) -> None:
    token = office.link(TINA, office.jane)
    office.change("jane", tier=Tier.PRIVILEGED)
    assert "may not read the passwords of privileged accounts" in office.refused(token)


def test_a_domain_admins_account_added_to_a_record_before_it_is_opened_closes_it(office: Office) -> None:
    token = office.link(TINA, office.jane)
    with office.session() as session:
        _match(session, "tom").record_id = office.jane.id
    assert "privileged" in office.refused(token)


def test_a_record_nobody_is_matched_to_is_for_administrators_and_two_of_them(office: Office) -> None:
    with office.session() as session:
        _match(session, "tom").state = MatchState.IGNORED
    with pytest.raises(NotPermitted):
        office.asks(TINA, office.tom)
    assert office.asks(ALICE, office.tom).waits_for is not None


def test_ignoring_the_domain_admin_and_matching_a_person_instead_hides_nothing(office: Office) -> None:
    """The record goes by the Domain Admin's name, so his password it may still be."""
    with office.session() as session:
        _match(session, "tom").state = MatchState.IGNORED
        _match(session, "jane").record_id = office.tom.id
    with pytest.raises(NotPermitted):
        office.asks(TINA, office.tom)
    assert office.asks(ALICE, office.tom).waits_for is not None


def test_what_a_domain_admin_was_proved_to_use_stays_his_whatever_it_is_matched_to_now(office: Office) -> None:
    with office.session() as session:
        revision = session.exec(select(Revision).where(Revision.record_id == office.tom.id)).one()
        revision.origin = "generated"
        tom = session.exec(select(Account).where(Account.username == "tom")).one()
        tom.proved_revision_id = revision.id
        _match(session, "tom").state = MatchState.IGNORED
        _match(session, "jane").record_id = office.tom.id
        session.add_all([revision, tom])
    with pytest.raises(NotPermitted):
        office.asks(TINA, office.tom)


def _match(session: Session, username: str) -> Match:
    account = session.exec(select(Account).where(Account.username == username)).one()
    match = session.exec(select(Match).where(Match.account_id == account.id)).one()
    session.add(match)
    return match


# ---- two administrators ----------------------------------------------------------------------------------------------


def test_a_privileged_password_takes_a_second_administrator(office: Office) -> None:
    asked = office.asks(ALICE, office.tom)
    assert asked.link is None
    again = office.asks(ALICE, office.tom)
    assert again.waits_for is not None
    assert asked.waits_for is not None
    assert again.waits_for.id == asked.waits_for.id, "asked once"
    office.agrees(BOB, asked)
    assert shown(office.opens(office.link(ALICE, office.tom))) == DOMAIN_ADMINS
    assert str(asked.waits_for.id) in office.events("record.revealed")[0].details


def test_nobody_agrees_to_what_they_asked_for_themselves(office: Office) -> None:
    asked = office.asks(ALICE, office.tom)
    with pytest.raises(NotPermitted, match="You asked for this yourself"):
        office.agrees(ALICE, asked)
    with pytest.raises(NotPermitted):
        office.agrees(TINA, asked)
    assert office.asks(ALICE, office.tom).link is None


def test_an_approval_forged_in_the_rows_by_the_one_who_asked_does_not_count(office: Office) -> None:
    asked = office.asks(ALICE, office.tom)
    assert asked.waits_for is not None
    with office.session() as session:
        approval = session.get_one(Approval, asked.waits_for.id)
        approval.state, approval.decided_by = "approved", ALICE
        session.add(approval)
    assert office.asks(ALICE, office.tom).link is None


def test_one_approval_is_one_look(office: Office) -> None:
    office.agrees(BOB, office.asks(ALICE, office.tom))
    first, second = office.link(ALICE, office.tom), office.link(ALICE, office.tom)
    assert shown(office.opens(first)) == DOMAIN_ADMINS
    assert "second person's word" in office.refused(second)
    assert office.asks(ALICE, office.tom).link is None


def test_an_approval_lasts_an_hour_also_for_a_link_that_was_made_within_it(office: Office) -> None:
    office.agrees(BOB, office.asks(ALICE, office.tom))
    office.passes(minutes=57)
    token = office.link(ALICE, office.tom)
    office.passes(minutes=4)
    assert "second person's word" in office.refused(token)


def test_an_approval_is_void_once_the_record_belongs_to_other_accounts(office: Office) -> None:
    office.agrees(BOB, office.asks(ALICE, office.tom))
    token = office.link(ALICE, office.tom)
    with office.session() as session:
        _match(session, "jane").record_id = office.tom.id
    assert "second person's word" in office.refused(token)
    assert office.asks(ALICE, office.tom).link is None


def test_the_word_of_one_who_is_no_administrator_any_more_counts_for_nothing(office: Office) -> None:
    office.agrees(BOB, office.asks(ALICE, office.tom))
    token = office.link(ALICE, office.tom)
    office.roles(administrator=[ALICE])
    assert "second person's word" in office.refused(token)


def test_another_administrators_approval_is_not_mine(office: Office) -> None:
    office.agrees(BOB, office.asks(ALICE, office.tom))
    assert office.asks(BOB, office.tom).link is None


def test_an_account_that_became_privileged_after_the_link_was_made_takes_two_even_for_an_administrator(
    office: Office,
) -> None:
    token = office.link(ALICE, office.jane)
    office.change("jane", tier=Tier.BREAK_GLASS)
    assert "second person's word" in office.refused(token)


def test_a_shop_of_one_may_switch_the_second_administrator_off_and_the_trail_says_so(office: Office) -> None:
    office.set(second_administrator=False)
    assert shown(office.opens(office.link(ALICE, office.tom))) == DOMAIN_ADMINS
    assert '"second administrator"' in office.events("record.revealed")[0].details


def test_where_there_is_no_second_administrator_it_says_what_to_do(office: Office) -> None:
    office.roles(administrator=[ALICE])
    with pytest.raises(NotPermitted, match="rekey operators grant"):
        office.asks(ALICE, office.tom)


# ---- the ceiling -----------------------------------------------------------------------------------------------------


def test_above_the_hourly_ceiling_a_second_person_is_asked(office: Office) -> None:
    office.set(reveals_per_hour=3)
    kept_back = office.link(TINA, office.jane)
    for _ in range(3):
        office.opens(office.link(TINA, office.jane))
    assert "second person's word" in office.refused(kept_back), "hoarded links do not get around it"
    asked = office.asks(TINA, office.jane)
    assert asked.waits_for is not None
    assert asked.waits_for.what == "ceiling"
    assert office.asks(ALICE, office.jane).link is not None, "it is each operator's own"
    office.agrees(ALICE, asked)
    assert shown(office.opens(office.link(TINA, office.jane))) == PASSWORD
    office.passes(hours=1, seconds=1)
    assert shown(office.opens(office.link(TINA, office.jane))) == PASSWORD
