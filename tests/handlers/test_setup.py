"""/rotate setup and doctor: a channel for an organization, a directory that was asked before it is kept."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from blocks import setup as drawing
from blocks import vaults
from bot import credentials
from bot.credentials import Tried
from bot.demo.practice_faults import Fault, Hold
from bot.demo.slack.validation import validate
from bot.directories.base import Finding, Level
from bot.links import Made
from storage.connections import connections_of
from storage.models import Account, Connection, Organization, Record, now
from storage.organizations import organization_of
from tests.handlers.office import Office, open_office
from tests.real.domain import Domain

_PEM = "Certificate authority (PEM)"
HOSTILE = "<!channel> *b* \u202e\u200b😀 & <https://evil.test|x> " + "x" * 300


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, step_up=False) as office:
        yield office


def new_channel(office: Office, name: str = "initech") -> str:
    """A channel that is nobody's yet, with everybody and Rekey in it."""
    workspace = office.running.slack.workspace
    members = [person.id for person in workspace.people.values()]
    return str(office.call(lambda: workspace.add_channel(name, members).id))


def holder(office: Office, channel: str) -> Organization | None:
    with office.services.database.reading() as session:
        return organization_of(session, channel)


def directories(office: Office, organization: str = "acme") -> list[Connection]:
    with office.services.database.reading() as session:
        return [each for _, each in connections_of(session, "directory", [office.organization(organization).id])]


def token(office: Office) -> SecretStr:
    """Of the latest link to a credential page."""
    return SecretStr(office.everything_slack_saw().rpartition("/credential#")[2][:43])


def enters(office: Office, secret: str = "") -> Tried:
    ready, typed = office.services, {"bind_password": SecretStr(secret)}
    tried = credentials.enter(
        ready.database,
        ready.safe,
        ready.trail,
        ready.settings,
        ready.extra_kinds,
        token(office),
        "",
        typed,
    )
    assert isinstance(tried, Tried), tried
    return tried


# ---- the channel -----------------------------------------------------------------------------------------------------


def test_an_administrator_gives_a_new_organization_its_channel(office: Office) -> None:
    channel = new_channel(office)
    office.alice.types("/rotate setup", in_="#initech")
    form = office.alice.modal("Whose channel is this?")
    form.fill("Or a new one, by its name", "Initech").fill("Its time zone", "America/Chicago").submit()
    office.alice.modal("Set up").says("It has no directory yet")
    found = holder(office, channel)
    assert found is not None
    assert (found.name, found.timezone) == ("Initech", "America/Chicago")
    assert [each.organization for each in office.audit("organization.channel_bound")] == [found.uid]
    office.alice.types("/rotate setup", in_="#initech")
    office.alice.modal("Set up").says("Initech")


def test_an_organization_is_moved_to_another_channel(office: Office) -> None:
    channel = new_channel(office)
    office.alice.types("/rotate setup", in_="#initech")
    office.alice.modal("Whose channel is this?").fill("Organization", "Globex", searching="glo").submit()
    office.alice.modal("Set up").says("is the channel of Globex now")
    found = holder(office, channel)
    assert found is not None
    assert found.name == "Globex"


def test_a_channel_shared_with_outsiders_is_not_bound(office: Office) -> None:
    channel = new_channel(office)
    office.call(lambda: office.running.slack.share_outside(office.running.slack.workspace.channels[channel]))
    office.alice.types("/rotate setup", in_="#initech")
    office.alice.modal("Whose channel is this?").fill("Organization", "Globex", searching="glo").submit()
    office.alice.modal("Whose channel is this?").says("People of another company read this channel")
    assert holder(office, channel) is None
    assert office.audit("organization.channel_refused", "refused")


@pytest.mark.parametrize(
    ("fields", "on", "sentence"),
    [
        ({}, "Organization", "one of the two"),
        ({"Or a new one, by its name": "Acme dental"}, "Or a new one, by its name", "called Acme dental already"),
        ({"Or a new one, by its name": "Ini\u202etech"}, "Or a new one, by its name", "none of them invisible"),
        ({"Or a new one, by its name": "Initech", "Its time zone": "Mars/Olympus"}, "Its time zone", "not a time zone"),
    ],
)
def test_what_does_not_fit_is_said_on_its_field(office: Office, fields: dict[str, str], on: str, sentence: str) -> None:
    new_channel(office)
    office.alice.types("/rotate setup", in_="#initech")
    form = office.alice.modal("Whose channel is this?")
    for label, value in fields.items():
        form.fill(label, value)
    form.submit()
    assert sentence in form.error(on)


@pytest.mark.parametrize("name", ["tina", "vic"])
def test_only_administrators_set_up(office: Office, name: str) -> None:
    channel = new_channel(office)
    for where in ("#initech", "#acme"):
        office.member(name).types("/rotate setup", in_=where)
        office.member(name).sees("Ask an administrator", in_=where)
        office.member(name).has_no_modal()
    assert holder(office, channel) is None


def test_a_form_forged_by_a_technician_binds_and_adds_nothing(office: Office) -> None:
    channel = new_channel(office)
    office.alice.types("/rotate setup", in_="#initech")
    office.alice.modal("Whose channel is this?").fill("Organization", "Globex", searching="glo").submit()
    office.alice.modal("Set up").says("is the channel of Globex now")
    forged = office.last("view_submission")
    forged["user"]["id"] = office.tina.id
    forged["trigger_id"] = "forged"
    memo = {"for": office.tina.id, "organization": None, "channel": office.organization("acme").channel}
    forged["view"]["private_metadata"] = json.dumps(memo)
    office.deliver(forged)
    office.deliver({**forged, "trigger_id": "again", "view": {**forged["view"], "callback_id": drawing.DIRECTORY}})
    assert holder(office, str(office.organization("acme").channel)) == office.organization("acme")
    assert holder(office, channel) == office.organization("globex")
    assert not office.audit("credential.asked")


# ---- a directory -----------------------------------------------------------------------------------------------------


def test_a_directory_is_described_in_slack_tried_on_the_page_and_then_kept(office: Office) -> None:
    office.domains["branch"] = office.domains["acme-ad"]  # type: ignore[index]
    with office.at_work():
        office.alice.types("/rotate setup", in_="#acme")
        office.alice.modal("Set up").press("Add Active Directory")
        office.alice.modal("Add a directory").fill("Name", "branch").fill("Kind", "practice").submit()
        office.alice.modal("One thing is left").says("branch needs the credential")
        office.domains["acme-ad"].fails("check", with_=Fault.SIGN_IN_REFUSED)
        assert not enters(office).saved
        assert [each.name for each in directories(office)] == ["acme-ad"]
        assert enters(office).saved
        office.alice.sees("branch of Acme Dental is connected", in_="@rekey")
    assert [each.name for each in directories(office)] == ["acme-ad", "branch"]


def test_a_domain_is_described_line_by_line_and_its_password_has_no_field_in_slack(office: Office) -> None:
    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("Add Active Directory")
    form = office.alice.modal("Add a directory")
    assert "assword" not in json.dumps([each for each in form.text.splitlines() if each.endswith(":")])
    form.fill("Name", "corp").fill("Rekey signs in as", "rekey@corp.example.test")
    form.fill("Domain controllers", "dc1.corp.example.test\n10.0.0.5:3269 as dc2.corp.example.test\n").submit()
    office.alice.modal("One thing is left").says("corp needs the credential")
    ready = office.services
    about = credentials.describe(ready.database, ready.trail, ready.settings, token(office))
    assert isinstance(about, credentials.Described)
    assert ("Servers", "dc1.corp.example.test:636\n10.0.0.5:3269") in about.facts


@pytest.mark.parametrize(
    ("fields", "on", "sentence"),
    [
        ({"Name": "acme-ad", "Domain controllers": "dc1", "Rekey signs in as": "x@y"}, "Name", "acme-ad already"),
        ({"Name": "corp", "Domain controllers": "dc:99999", "Rekey signs in as": "x"}, "Domain controllers", "is no"),
        ({"Name": "corp", "Rekey signs in as": "x@y"}, "Domain controllers", "at least one"),
        ({"Name": "corp", "Domain controllers": "dc1"}, "Rekey signs in as", "Say who"),
        (
            {"Name": "corp", "Domain controllers": "dc1", "Rekey signs in as": "x@y", _PEM: "hm"},
            _PEM,
            "not a PEM certificate",
        ),
    ],
)  # fmt: skip
def test_a_directory_that_does_not_fit_is_said_on_its_field(
    office: Office, fields: dict[str, str], on: str, sentence: str
) -> None:
    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("Add Active Directory")
    form = office.alice.modal("Add a directory")
    for label, value in fields.items():
        form.fill(label, value)
    form.submit()
    assert sentence in form.error(on)
    assert "/credential#" not in office.everything_slack_saw()


def test_a_real_domain_judges_the_credential_before_it_is_kept_sealed(office: Office, corp: Domain) -> None:
    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("Add Active Directory")
    form = office.alice.modal("Add a directory")
    form.fill("Name", "corp").fill("Rekey signs in as", corp.service_dn)
    form.fill("Domain controllers", f"{corp.host}:{corp.port} as {corp.tls_name}")
    form.fill(_PEM, corp.ca_file.read_text("ascii")).submit()
    office.alice.modal("One thing is left").says("corp needs the credential")
    refused = enters(office, "Not-The-Password-1!")
    assert not refused.saved
    assert any(each.cause for each in refused.findings)
    assert [each.name for each in directories(office)] == ["acme-ad"]
    kept = enters(office, corp.service_password)
    assert kept.saved
    assert [each.cause for each in kept.findings if each.level is Level.PROBLEM] in ([], ["right-reset"])
    stored = next(each for each in directories(office) if each.name == "corp")
    assert corp.service_password not in str(stored.model_dump())
    with office.services.open_directory(stored) as directory:
        assert any("let us sign in" in each.what for each in directory.check())
    assert corp.service_password not in office.everything_slack_saw()
    assert corp.service_password.encode() not in (office.folder / "rekey.db-wal").read_bytes()


# ---- the doctor ------------------------------------------------------------------------------------------------------


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it(office: Office) -> None:
    office.domains["acme-ad"].fails("check", with_=Fault.RIGHT_MISSING)
    office.tina.types("/rotate doctor", in_="#acme")
    window = office.tina.modal("Doctor")
    window.says("directory acme-ad")
    window.says("❌")
    assert "escrow" not in window.text, "Rekey's own insides are for administrators"
    office.alice.types("/rotate doctor", in_="#acme")
    office.alice.modal("Doctor").says("The audit trail is whole")
    assert str(office.folder) not in office.everything_slack_saw(), "places on the machine are for its shell"


def test_an_escrow_file_that_cannot_be_written_is_named_in_slack_without_its_place(office: Office) -> None:
    shutil.rmtree(office.services.settings.escrow_dir)
    office.alice.types("/rotate doctor", in_="#acme")
    office.alice.modal("Doctor").says("The escrow file cannot be written")
    assert str(office.folder) not in office.everything_slack_saw()


def test_a_directory_that_does_not_answer_keeps_nobody_else_waiting(office: Office) -> None:
    held = [Hold() for _ in range(6)]
    for each in held:
        office.domains["acme-ad"].fails("check", with_=each)
    try:
        for name in ("alice", "bob", "tina"):
            office.member(name).types("/rotate doctor", in_="#acme")
            office.member(name).modal("Doctor").says("One moment")
        assert held[0].reached.wait(5)
        office.tina.types("/rotate help", in_="#acme")
        office.tina.sees("What Rekey does", in_="#acme")
    finally:
        for each in held:
            each.let_go.set()
        office.domains["acme-ad"].heals()
    office.alice.modal("Doctor").says("directory acme-ad")


def test_a_viewer_may_not_have_directories_asked(office: Office) -> None:
    office.vic.types("/rotate doctor", in_="#acme")
    office.vic.sees("may not sync", in_="#acme")
    office.vic.has_no_modal()


# ---- what it looks like ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [0, 1, 11, 10_000])
def test_every_window_of_any_size_is_what_slack_takes(many: int) -> None:
    organization = Organization(id=1, name=HOSTILE, name_key="x", channel="C012345" if many else None)
    shown = [
        drawing.DirectoryShown(
            each,
            HOSTILE,
            ["entra", HOSTILE][each % 2],
            now() if each % 2 else None,
            HOSTILE,
            bool(each % 2),
            now() if each % 3 else None,
            HOSTILE,
        )
        for each in range(many)
    ]
    findings = [Finding(list(Level)[each % 3], HOSTILE * 3, HOSTILE) for each in range(many)]
    memo = {"for": "U1", "organization": 1}
    vault = Connection(name=HOSTILE, name_key="x", side="vault", kind=HOSTILE, organization_id=1, synced_at=now())
    made = Made(SecretStr("https://rekey.example.test/credential#" + "A" * 43), now())
    views = [
        drawing.overview(organization, shown, memo),
        drawing.overview(organization, shown, memo, "✅ told", vault, vault_empty=not many),
        vaults.form(organization, ["https://" + "x" * 80, "http://127.0.0.1:9100"], memo),
        drawing.bind("C012345", memo, may_found=bool(many)),
        drawing.directory(organization, ["active-directory", "practice"][: 1 + bool(many)], memo),
        drawing.credential_link(HOSTILE, made, made.address, memo),
        drawing.doctor([(HOSTILE, findings)] * min(many, 40), memo),
    ]
    for view in views:
        assert not validate(view)
    card = drawing.connected(organization, vault, findings)
    assert not validate({"text": card.text, "blocks": card.blocks})


def test_rekeys_own_account_is_matched_in_the_settings_of_its_directory(office: Office) -> None:
    """And whoever is no administrator does not even see the form."""
    acme = office.organization("acme")
    with office.services.database.writing() as session:
        own = session.exec(select(Account).where(Account.organization_id == acme.id)).first()
        assert own is not None
        own.is_connector = True
        name = session.exec(select(Record).where(Record.organization_id == acme.id)).all()[-1].name

    office.alice.types("/rotate setup", in_="#acme")
    office.alice.modal("Set up").press("Own account of acme-ad…")
    form = office.alice.modal("Rekey's own account").says("by its name alone")
    form.fill("Its record", "no such record").submit()
    assert "No record is called that" in form.error("Its record")
    form.fill("Its record", name).submit()
    office.alice.modal("Set up").says("Rekey's own account there").says(name)

    [line] = office.audit("connection.own_record_set")
    assert line.operator == office.alice.id
    office.tina.types("/rotate setup", in_="#acme")
    office.tina.sees("may not change the settings", in_="#acme")
