"""Connecting IT Glue from Slack: described there, its key typed on Rekey's page, its records read and shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from bot import credentials
from bot.credentials import Tried
from bot.demo.itglue.server import RunningITGlue
from storage.connections import connections_of, get_connection
from storage.models import Connection, Task
from storage.records import records_of
from tests.contracts.vaults import API_KEY, running_itglue
from tests.handlers.office import Office, open_office


@pytest.fixture(scope="module")
def itglue() -> Iterator[RunningITGlue]:
    with running_itglue() as server:
        server.account.key(API_KEY)
        home = server.account.organization("Initech")
        server.account.add(home, "Safe", "S4fe-of-a-Test!", username="vault.safe", vault_id=7)
        server.account.add(home, "Jane", "J4ne-of-a-Test!", username="jane")
        yield server


@pytest.fixture
def office(tmp_path: Path, itglue: RunningITGlue) -> Iterator[Office]:
    with open_office(tmp_path, step_up=False, extra_hosts=(itglue.place,)) as office:
        workspace = office.running.slack.workspace
        members = [person.id for person in workspace.people.values()]
        office.call(lambda: workspace.add_channel("initech", members))
        office.alice.types("/rotate setup", in_="#initech")
        office.alice.modal("Whose channel is this?").fill("Or a new one, by its name", "Initech").submit()
        office.alice.modal("Set up").says("Initech")
        yield office


def enters(office: Office, key: str) -> Tried:
    """Types the key on the page the latest link leads to."""
    ready = office.services
    token = SecretStr(office.everything_slack_saw().rpartition("/credential#")[2][:43])
    tried = credentials.enter(
        ready.database,
        ready.safe,
        ready.trail,
        ready.settings,
        ready.extra_kinds,
        token,
        "",
        {"api_key": SecretStr(key)},
    )
    assert isinstance(tried, Tried), tried
    return tried


def vault(office: Office) -> Connection:
    with office.services.database.reading() as session:
        return next(each for home, each in connections_of(session, "vault") if home.name == "Initech")


def describes(office: Office, itglue: RunningITGlue, there: str = "Initech") -> None:
    office.alice.modal("Set up").press("Connect IT Glue")
    form = office.alice.modal("Connect IT Glue")
    form.fill("Region", itglue.url).fill("Organization in IT Glue", there).submit()
    office.alice.modal("One thing is left").says("it-glue")


def test_it_glue_takes_the_place_of_an_empty_vault_and_is_read(office: Office, itglue: RunningITGlue) -> None:
    assert vault(office).kind == "embedded"
    describes(office, itglue)
    assert not enters(office, "ITG.wrong").saved
    assert vault(office).kind == "embedded"
    tried = enters(office, API_KEY)
    assert tried.saved, tried.findings
    row = vault(office)
    assert (row.id, row.kind, row.name) == (tried.connection.id, "itglue", "it-glue")
    assert office.services.lanes().drain(row.id)
    with office.services.database.reading() as session:
        found = {record.name: record for record in records_of(session, row.organization_id, row.id)}
        tasks = [task.state for task in session.exec(select(Task).where(Task.connection_id == row.id))]
        place = get_connection(session, row.id).settings["organization_id"]
    assert (set(found), tasks) == ({"Safe", "Jane"}, ["done"])
    assert "vaulted" in (found["Safe"].guard or "")
    assert place in {str(each) for each in itglue.account.organizations}
    assert API_KEY not in office.everything_slack_saw()


def test_a_name_it_glue_does_not_have_stores_nothing_and_says_what_comes_close(
    office: Office, itglue: RunningITGlue
) -> None:
    describes(office, itglue, "Inittech")
    tried = enters(office, API_KEY)
    assert not tried.saved
    assert any("Initech (" in each.mend for each in tried.findings)
    assert vault(office).kind == "embedded"


def test_only_administrators_connect_a_vault(office: Office, itglue: RunningITGlue) -> None:
    del itglue
    office.member("tina").types("/rotate setup", in_="#initech")
    office.member("tina").has_no_modal()
