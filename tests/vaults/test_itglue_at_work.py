"""Rekey beside IT Glue: what is read, made and written there, and what holds when a reply is lost on any call."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from bot.demo.itglue.faults import Answers, Fault, LostReply, LostRequest, Slow
from bot.demo.itglue.server import RunningITGlue
from bot.doctor import examine
from bot.matching.review import create_record
from bot.permissions import cli_operator
from storage.backup import freeze_every_lane
from storage.lanes import get_lane
from storage.models import AuditEvent, Connection, Match, Record, Status, TaskState
from tests.contracts.vaults import API_KEY, emptied, running_itglue
from tests.leaks import AWKWARD, Leaks
from tests.vaults.company import OLD, Company, found


@pytest.fixture(scope="module")
def server() -> Iterator[RunningITGlue]:
    with running_itglue() as server:
        yield server


@pytest.fixture
def company(tmp_path: Path, server: RunningITGlue) -> Iterator[Company]:
    company = found(tmp_path, emptied(server))
    yield company
    company.services.database.dispose()


def test_what_is_exact_is_approved_rotated_and_the_same_everywhere(company: Company) -> None:
    there = company.employs("jane", "bob")
    assert [task.state for task in company.syncs()] == [TaskState.DONE, TaskState.DONE]
    assert company.approves() == 2
    assert company.current(company.record("jane's sign-in")) is None  # read, but not its password
    done = company.rotates(*company.records().values())
    assert [each.status for each in done] == [Status.SUCCESSFUL, Status.SUCCESSFUL]
    assert company.agrees_on("jane", there["jane"]) != company.agrees_on("bob", there["bob"])
    assert there["jane"].versions[0].password == OLD
    assert API_KEY not in str(company.server.faults.requests)


def test_a_quiet_night_costs_one_request_for_the_records(company: Company) -> None:
    company.employs("jane", "bob")
    company.syncs()
    company.server.faults.requests.clear()
    company.syncs()
    assert len(company.server.faults.requests) == 1


def test_vaulted_records_are_refused_and_the_directory_never_asked(company: Company) -> None:
    there = company.employs("jane")
    company.syncs()
    assert company.approves() == 1
    company.server.account.edits(there["jane"], vault_id=12)  # after it was approved
    [stands] = company.rotates(company.record("jane's sign-in"))
    assert (stands.status, "vaulted" in stands.reason) == (Status.NOT_PERMITTED, True)
    assert company.domain.holds("jane", OLD)
    company.syncs()
    assert "vaulted" in (company.record("jane's sign-in").guard or "")


def test_what_happened_to_approved_records_is_said(company: Company) -> None:
    there = company.employs("jane", "bob", "eve", "kim")
    company.syncs()
    company.approves()
    account = company.server.account
    account.edits(there["jane"], name="Jane (new)")
    account.edits(there["bob"], username="bobby")
    account.edits(there["eve"], restricted=True)
    account.deletes(there["kim"])
    notes = " ".join(next(task.result["notes"] for task in company.syncs() if task.result and "records" in task.result))
    assert "jane's sign-in is called Jane (new) in acme-itglue now. Its match stays." in notes
    assert "The username of bob's sign-in in acme-itglue was bob and is bobby now" in notes
    assert "eve's sign-in is restricted in acme-itglue now" in notes
    assert "kim's sign-in is gone from acme-itglue: deleted, archived, or moved" in notes
    assert set(company.records()) == {"Jane (new)", "bob's sign-in", "eve's sign-in"}


def test_what_became_somebodys_own_or_was_archived_is_gone_and_back_when_it_is_shared_again(company: Company) -> None:
    there = company.employs("jane", "bob", "eve")
    company.syncs()
    records = company.records()
    company.server.account.edits(there["jane"], personal=True)
    company.server.account.edits(there["bob"], archived=True)
    company.syncs()
    assert set(company.records()) == {"eve's sign-in"}
    company.server.account.edits(there["jane"], personal=False)
    company.server.account.edits(there["bob"], archived=False)
    company.syncs()
    assert {name: row.id for name, row in company.records().items()} == {name: row.id for name, row in records.items()}


def test_a_vault_that_shows_nothing_any_more_removes_nothing(company: Company) -> None:
    there = company.employs("jane")
    company.syncs()
    company.server.account.deletes(there["jane"])
    ended = {task.connection_id: task for task in company.syncs()}[company.vault().id]
    assert (ended.state, ended.cause) == (TaskState.REFUSED, "vault-empty")
    assert set(company.records()) == {"jane's sign-in"}


def test_a_record_that_is_asked_for_is_made_there_and_gets_its_password(company: Company) -> None:
    company.domain.person("jane", OLD)
    company.syncs()
    services = company.services
    with services.database.writing() as session:
        ids = [match.id for match in session.exec(select(Match)).all()]
        assert [each.done for each in create_record(session, services.trail, cli_operator(), ids)] == [True]
    company.server.faults.on(LostReply(), "POST")
    company.drains()
    company.looks_again()
    [there] = company.server.account.passwords.values()
    record = company.record(there.name)
    page = f"{company.server.url}/{there.organization_id}/passwords/{there.id}"
    assert (record.external_id, record.link) == (str(there.id), page)
    assert there.password is None
    company.rotates(record)
    company.agrees_on("jane", there)
    assert list(company.server.account.passwords) == [there.id]


def test_records_that_came_back_without_their_ids_find_their_own_and_only_their_own(company: Company) -> None:
    company.employs("jane", "bob")
    company.syncs()
    before = {row.id for row in company.records().values()}
    with company.services.database.writing() as session:  # as `rekey recover` leaves them
        for row in session.exec(select(Record)).all():
            row.external_id = row.link = None
        session.get_one(Connection, company.vault().id).cursor = None
    company.server.account.add(next(iter(company.server.account.organizations)), "bob's sign-in", username="bob")
    company.syncs()
    with company.services.database.reading() as session:
        found = session.exec(select(Record)).all()
    assert {row.name: row.external_id is not None for row in found if row.id in before} == {
        "jane's sign-in": True,
        "bob's sign-in": False,  # two go by that name now, and nobody can tell which one it is
    }
    assert len(found) == 4


def test_the_doctor_looks_at_it_glue_and_lets_a_restored_lane_go_on(company: Company) -> None:
    there = company.employs("jane")
    company.syncs()
    company.approves()
    company.rotates(company.record("jane's sign-in"))
    company.server.account.ahead = timedelta(minutes=1)
    company.server.account.edits(there["jane"], "Somebody-Else-1")
    with company.services.database.writing() as session:
        freeze_every_lane(session, "It came back from a backup.")
    found = {each.subject: each for each in examine(company.services, cli_operator())}
    said = " ".join(finding.what for finding in found["vault acme-itglue"].findings)
    assert "IT Glue takes the API key" in said
    assert "holds another password than this database knows of for 1: jane's sign-in" in said
    with company.services.database.reading() as session:
        assert get_lane(session, company.vault().id).frozen_reason is None
    company.server.account.keys[API_KEY].paused = True
    found = {each.subject: each for each in examine(company.services, cli_operator())}
    assert not found["vault acme-itglue"].ok


def test_the_trail_says_what_was_read_and_made_and_holds_no_password(company: Company) -> None:
    company.employs("jane")
    company.syncs()
    company.approves()
    company.rotates(company.record("jane's sign-in"))
    with company.services.database.reading() as session:
        lines = session.exec(select(AuditEvent)).all()
    assert "vault.synced" in {line.event for line in lines}
    said = " ".join(line.model_dump_json() for line in lines)
    assert OLD not in said
    assert API_KEY not in said


CALLS = [("GET", number) for number in range(4)] + [("PATCH", 0)]
"""Every call a rotation makes to IT Glue, counted from its beginning."""


@pytest.mark.parametrize("fault", [LostRequest(), LostReply(), Answers(503)], ids=["request", "reply", "503"])
def test_whatever_call_goes_wrong_all_three_agree_in_the_end(company: Company, fault: Fault) -> None:
    there = company.employs(*(f"{method}-{after}".lower() for method, after in CALLS))
    company.syncs()
    company.approves()
    for (method, after), (username, row) in zip(CALLS, there.items(), strict=True):
        company.server.faults.clear()
        company.server.faults.on(Slow(0), method, "passwords", times=after)
        company.server.faults.on(fault, method, "passwords")
        [stands] = company.rotates(company.record(row.name))
        assert stands.status is Status.SUCCESSFUL, f"{username}: {stands.reason}"
        assert company.agrees_on(username, row) != OLD
        assert len(row.versions) == 2, username


def test_neither_key_nor_password_is_in_any_file_log_or_request(
    company: Company, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    leaks = Leaks()
    leaks.knows("the API key", API_KEY)
    leaks.knows("a password from before", AWKWARD)
    there = company.employs("jane", "bob", password=AWKWARD)
    company.syncs()
    company.approves()
    company.server.faults.on(LostReply(), "PATCH")
    company.server.faults.on(Answers(422, '{"errors":[{"title":"no"}]}'), "PATCH")
    company.rotates(*company.records().values())
    company.server.account.keys[API_KEY].paused = True
    company.rotates(*company.records().values())
    leaks.knows("a password", *(version.password for row in there.values() for version in row.versions))
    shown = capsys.readouterr()
    assert len(leaks) > 20
    assert leaks.found_beneath(tmp_path, but_for=["itglue-key"]) == []
    assert leaks.found_in("the log", caplog.text + shown.out + shown.err) == []
    assert leaks.found_in("the requests", repr(company.server.faults.requests)) == []
