"""Applying a world: shown before it is done, done wholly or not at all, and nothing to do the second time."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from sqlmodel import Session, select

from bot.app import build
from bot.connections import credential_for, seal_credential
from bot.errors import BadInput
from bot.keys import keys_init
from bot.permissions import cli_operator
from bot.services import Services
from bot.settings import Settings
from bot.world_file import plan as plans
from bot.world_file.export import export_world, written
from bot.world_file.plan import Plan
from bot.world_file.reading import read_world
from storage.connections import RECOVERED, connections_of
from storage.grants import operators_with
from storage.lanes import get_lane
from storage.models import Account, AuditEvent, Connection, Fact, Organization, Role, Tier, now
from storage.organizations import get_organization, organizations
from storage.records import new_record
from tests.world import ACME, write_world

PASSWORD = "Connector-password-1"


@dataclass
class Applying:
    """A folder with a world file, and a fresh Rekey to apply it to."""

    folder: Path
    services: Services

    def plan(self, text: str = ACME, *, overwrite: bool = False) -> Plan:
        world = read_world(write_world(self.folder, text), self.services.settings)
        keys = self.services.safe.keys
        return plans.preview(self.services.database, keys, world, overwrite_credentials=overwrite)

    def apply(self, text: str = ACME, *, shown: Plan | None = None, overwrite: bool = False) -> Plan:
        shown = shown or self.plan(text, overwrite=overwrite)
        services = self.services
        return plans.apply(
            services.database,
            services.safe.keys,
            services.trail,
            cli_operator(),
            read_world(write_world(self.folder, text), services.settings),
            shown,
            overwrite_credentials=overwrite,
        )

    def connection(self, name: str = "acme-ad") -> Connection:
        with self.services.database.reading() as session:
            return next(each for _, each in connections_of(session) if each.name == name)

    def organization(self, name: str = "Acme Dental") -> Organization:
        with self.services.database.reading() as session:
            return get_organization(session, name)

    def credential(self) -> str:
        return credential_for(self.connection(), self.services.safe.keys).get_secret_value()

    def everything(self) -> str:
        """Every row, for comparing before and after."""
        tables = (Organization, Connection, Account, AuditEvent, Fact)
        with self.services.database.reading() as session:
            return "\n".join(row.model_dump_json() for table in tables for row in session.exec(select(table)).all())


@pytest.fixture
def applying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Applying:
    monkeypatch.setenv("REKEY_SECRET_ACME", PASSWORD)
    settings = Settings(key_file=tmp_path / "rekey.key", database_url=SecretStr(f"sqlite:///{tmp_path / 'rekey.db'}"))
    keys_init(settings.key_file, settings.escrow_dir)
    return Applying(tmp_path, build(settings))


def test_the_plan_says_everything_and_changes_nothing(applying: Applying) -> None:
    before = applying.everything()
    plan = applying.plan()
    assert plan.changes == [
        "+ administrator everywhere: U0ADMIN",
        "+ organization Acme Dental (channel C0ACME, Europe/London)",
        "~ tiers of Acme Dental: shared none → reception, break-glass none → emergency (0 known accounts change tier)",
        "+ vault acme-vault of Acme Dental (embedded)",
        "+ directory acme-ad of Acme Dental (active-directory, 127.0.1.11:636)",
        "+ technician of Acme Dental: U0TECH",
    ]
    assert applying.everything() == before


def test_applying_does_what_was_shown_and_the_second_time_there_is_nothing_to_do(applying: Applying) -> None:
    applying.apply()
    acme = applying.organization()
    assert (acme.channel, acme.timezone, acme.bulk) == ("C0ACME", "Europe/London", ["person", "shared", "service"])
    assert applying.credential() == PASSWORD
    assert applying.connection().credential_reference == "env:REKEY_SECRET_ACME"
    with applying.services.database.reading() as session:
        assert operators_with(session, Role.ADMINISTRATOR, None) == ["U0ADMIN"]
        assert operators_with(session, Role.TECHNICIAN, acme.id) == ["U0TECH"]
    before = applying.everything()
    assert applying.plan().changes == []
    assert applying.everything() == before


def test_applying_is_the_same_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    monkeypatch.setenv("REKEY_SECRET_ACME", PASSWORD)
    settings = Settings(key_file=tmp_path / "rekey.key", database_url=SecretStr(postgres_url))
    keys_init(settings.key_file, settings.escrow_dir)
    applying = Applying(tmp_path, build(settings))
    before = applying.everything()
    plan = applying.plan()
    assert applying.everything() == before
    assert applying.apply(shown=plan).changes == plan.changes
    assert applying.plan().changes == []
    assert applying.credential() == PASSWORD
    applying.services.database.dispose()


def test_what_was_done_is_in_the_audit_trail_without_any_secret(applying: Applying) -> None:
    applying.apply()
    with applying.services.database.reading() as session:
        events = [event.event for event in session.exec(select(AuditEvent)).all()]
        assert applying.services.trail.verify(session).ok
    assert events.count("connection.added") == 2
    assert events[-1] == "world.applied"
    assert PASSWORD not in applying.everything()


def test_a_plan_that_no_longer_holds_is_not_carried_out(applying: Applying) -> None:
    shown = applying.plan()
    applying.apply()
    before = applying.everything()
    with pytest.raises(BadInput, match="no longer holds"):
        applying.apply(ACME.replace("Europe/London", "Europe/Berlin"), shown=shown)
    assert applying.everything() == before


def test_a_new_organization_has_the_default_tiers_in_all(applying: Applying) -> None:
    applying.apply("organizations: [{name: Small, vault: {name: v, kind: embedded}}]")
    assert applying.organization("small").bulk == ["shared", "privileged"]
    assert applying.organization("small").timezone == "UTC"


def test_keys_that_the_file_leaves_out_stay_as_they_are(applying: Applying) -> None:
    applying.apply()
    short = "\n".join(
        line for line in ACME.splitlines() if not line.startswith(("    t", "    ch", "    bulk", "rule"))
    )
    assert applying.plan(short).changes == []


def test_what_the_file_no_longer_names_stays_and_is_mentioned(applying: Applying) -> None:
    applying.apply()
    plan = applying.plan("organizations: []")
    assert plan.changes == []
    assert plan.notes == ["Organization Acme Dental is not in the file. It stays as it is."]
    without = ACME[: ACME.index("    directories:")] + "    vault: {name: acme-vault, kind: embedded}\n"
    plan = applying.plan(without)
    assert plan.changes == []
    assert plan.notes == ["Directory acme-ad of Acme Dental is not in the file. It stays as it is."]


def test_whoever_is_no_longer_on_a_list_loses_the_role_and_the_plan_says_so(applying: Applying) -> None:
    applying.apply()
    changed = ACME.replace("[U0TECH]", "[U0NEW]").replace("[U0ADMIN]", "[]")
    plan = applying.apply(changed)
    assert plan.changes == [
        "- administrator everywhere: U0ADMIN",
        "+ technician of Acme Dental: U0NEW",
        "- technician of Acme Dental: U0TECH",
    ]
    with applying.services.database.reading() as session:
        assert operators_with(session, Role.ADMINISTRATOR, None) == []


def test_every_change_is_shown_with_old_and_new(applying: Applying) -> None:
    applying.apply()
    changed = (
        ACME.replace("length: 20", "length: 24")
        .replace("Europe/London", "Europe/Berlin")
        .replace("name: Acme Dental", "name: ACME Dental")
        .replace("name: acme-vault", "name: acme-safe")
        .replace("127.0.1.11", "127.0.1.12")
    )
    assert applying.apply(changed).changes == [
        "~ rule: length 20 → 24",
        "~ organization Acme Dental: name Acme Dental → ACME Dental, timezone Europe/London → Europe/Berlin",
        "~ vault acme-vault of ACME Dental: name acme-vault → acme-safe",
        "~ directory acme-ad of ACME Dental: servers 127.0.1.11:636 → 127.0.1.12:636; "
        "credential taken anew from env:REKEY_SECRET_ACME",
    ]
    assert applying.plan(changed).changes == []
    assert applying.credential() == PASSWORD


def test_two_organizations_may_swap_their_channels(applying: Applying) -> None:
    text = "organizations:\n" + "".join(
        f"  - {{name: {name}, channel: {channel}, vault: {{name: v, kind: embedded}}}}\n"
        for name, channel in (("One", "C0AAA"), ("Two", "C0BBB"))
    )
    applying.apply(text)
    swapped = text.replace("C0AAA", "C0CCC").replace("C0BBB", "C0AAA").replace("C0CCC", "C0BBB")
    assert applying.apply(swapped).changes == [
        "~ organization One: channel C0AAA → C0BBB",
        "~ organization Two: channel C0BBB → C0AAA",
    ]
    assert applying.organization("One").channel == "C0BBB"


def test_a_channel_of_an_organization_outside_the_file_is_refused(applying: Applying) -> None:
    applying.apply()
    with pytest.raises(BadInput, match=r"line 1, organizations\[0\]\.channel: C0ACME is the channel of Acme Dental"):
        applying.plan("organizations: [{name: Other, channel: C0ACME, vault: {name: v, kind: embedded}}]")


def test_marks_change_the_tier_of_known_accounts_and_never_lower_privileged(applying: Applying) -> None:
    applying.apply()
    connection = applying.connection()
    with applying.services.database.writing() as session:
        for name, tier in (("reception", Tier.PERSON), ("boss", Tier.PRIVILEGED), ("emergency", Tier.PRIVILEGED)):
            account = Account(
                organization_id=connection.organization_id,
                connection_id=connection.id,
                object_id=name,
                username=name.upper(),
                username_key=name,
                domain="CORP",
                directory_tier=tier,
                tier=tier,
            )
            session.add(account)
    marks = "tiers: {shared: [CORP\\boss, reception], break-glass: [emergency]}"
    plan = applying.apply(ACME.replace("tiers: {shared: [reception], break-glass: [emergency]}", marks))
    assert "(2 known accounts change tier)" in plan.changes[0]
    with applying.services.database.reading() as session:
        tiers = {account.username_key: account.tier for account in session.exec(select(Account)).all()}
    assert tiers == {"reception": Tier.SHARED, "boss": Tier.PRIVILEGED, "emergency": Tier.BREAK_GLASS}


# ---- credentials ----------------------------------------------------------------------------------------------------


def test_a_new_value_behind_a_reference_is_taken(applying: Applying, monkeypatch: pytest.MonkeyPatch) -> None:
    applying.apply()
    monkeypatch.setenv("REKEY_SECRET_ACME", "Another-password-2")
    assert applying.apply().changes == [
        "~ directory acme-ad of Acme Dental: credential taken anew from env:REKEY_SECRET_ACME"
    ]
    assert applying.credential() == "Another-password-2"


def test_a_directory_without_any_credential_is_refused(applying: Applying) -> None:
    without = ACME.replace("        bind_password: env:REKEY_SECRET_ACME\n", "")
    with pytest.raises(BadInput, match="bind_password: this is missing"):
        applying.plan(without)
    applying.apply()
    assert applying.plan(without).changes == []
    with pytest.raises(BadInput, match="has to be given again"):
        applying.plan(without.replace("127.0.1.11", "127.0.1.12"))


def rotated_by_rekey(applying: Applying) -> None:
    with applying.services.database.writing() as session:
        connection = session.get_one(Connection, applying.connection().id)
        seal_credential(connection, applying.services.safe.keys, SecretStr("Rotated-by-rekey-3"))
        connection.credential_rotated_at = now()
        session.add(connection)


def test_a_credential_rekey_has_rotated_itself_is_kept_unless_told_otherwise(applying: Applying) -> None:
    applying.apply()
    rotated_by_rekey(applying)
    assert applying.plan().changes == []
    assert applying.credential() == "Rotated-by-rekey-3"
    assert len(applying.apply(overwrite=True).changes) == 1
    assert applying.credential() == PASSWORD
    assert applying.plan().changes == []


def test_a_rotated_credential_is_asked_for_again_when_its_system_changes(applying: Applying) -> None:
    applying.apply()
    rotated_by_rekey(applying)
    with pytest.raises(BadInput, match="--overwrite-credentials"):
        applying.plan(ACME.replace("127.0.1.11", "127.0.1.12"))


def test_a_row_that_was_edited_behind_our_back_is_mended_by_applying_again(applying: Applying) -> None:
    applying.apply()
    with applying.services.database.writing() as session:
        connection = session.get_one(Connection, applying.connection().id)
        connection.settings = {**connection.settings, "servers": [{"host": "10.6.6.6", "port": 636}]}
        session.add(connection)
    (change,) = applying.apply().changes
    assert "servers 10.6.6.6:636 → 127.0.1.11:636" in change
    assert applying.credential() == PASSWORD


def test_a_directory_cannot_change_its_kind_or_take_the_vaults_name(applying: Applying) -> None:
    applying.apply()
    with applying.services.database.writing() as session:
        connection = session.get_one(Connection, applying.connection().id)
        connection.kind = "practice"
        session.add(connection)
    with pytest.raises(BadInput, match=r"kind: acme-ad is a practice directory"):
        applying.plan()
    swapped = "organizations: [{name: Acme Dental, vault: {name: acme-ad, kind: embedded}}]"
    with pytest.raises(BadInput, match="acme-ad is the name of a directory of this organization already"):
        applying.plan(swapped)


# ---- export ---------------------------------------------------------------------------------------------------------


def exported(session: Session) -> str:
    return written(export_world(session))


def test_what_is_exported_is_applied_with_nothing_to_do_and_holds_no_secret(applying: Applying) -> None:
    applying.apply()
    with applying.services.database.reading() as session:
        text = exported(session)
    assert PASSWORD not in text
    assert "env:REKEY_SECRET_ACME" in text
    assert "    ca: |\n" in text.replace("        ca: |", "    ca: |")
    assert applying.plan(text).changes == []


def test_an_exported_world_sets_up_another_database(applying: Applying, tmp_path: Path) -> None:
    applying.apply()
    with applying.services.database.reading() as session:
        text = exported(session)
    settings = applying.services.settings.model_copy(
        update={"database_url": SecretStr(f"sqlite:///{tmp_path / 'other.db'}")}
    )
    other = Applying(tmp_path, build(settings))
    other.apply(text)
    with other.services.database.reading() as session:
        assert yaml.safe_load(exported(session)) == yaml.safe_load(text)
        assert [each.name for each in organizations(session)] == ["Acme Dental"]


# ---- a vault outside ---------------------------------------------------------------------------------------------

_EMBEDDED = "    vault: {name: acme-vault, kind: embedded}\n"
ITGLUE = ACME.replace(
    _EMBEDDED,
    """\
    vault:
      name: acme-itglue
      kind: itglue
      region: eu
      api_key: env:REKEY_SECRET_ACME
      organization: Acme Dental
      share: 0.25
""",
)


def test_it_glue_is_stored_with_a_lane_and_its_key_sealed_and_written_back_without(applying: Applying) -> None:
    assert "+ vault acme-itglue of Acme Dental (itglue, Acme Dental)" in applying.apply(ITGLUE).changes
    vault = applying.connection("acme-itglue")
    wanted = {"base_url": "https://api.eu.itglue.com", "organization": "Acme Dental", "share": 0.25}
    assert vault.settings.items() >= wanted.items()
    assert PASSWORD not in vault.model_dump_json()
    assert credential_for(vault, applying.services.safe.keys).get_secret_value() == PASSWORD
    with applying.services.database.reading() as session:
        assert get_lane(session, vault.id).owner is None
        exported = export_world(session)
    (entry,) = (each["vault"] for each in exported["organizations"])
    assert entry == {"name": "acme-itglue", "kind": "itglue", "api_key": "env:REKEY_SECRET_ACME", **wanted}


def test_what_rekey_found_out_about_it_glue_is_no_change(applying: Applying) -> None:
    applying.apply(ITGLUE)
    with applying.services.database.writing() as session:
        vault = session.get_one(Connection, applying.connection("acme-itglue").id)
        vault.settings = {**vault.settings, "organization_id": "5100000"}
    assert applying.plan(ITGLUE).changes == []
    assert applying.apply(ITGLUE.replace("0.25", "0.5")).changes == [
        "~ vault acme-itglue of Acme Dental: share 0.25 → 0.5"
    ]
    assert applying.connection("acme-itglue").settings["organization_id"] == "5100000"
    applying.apply(ITGLUE.replace("organization: Acme Dental", "organization: Acme Holding"))
    assert "organization_id" not in applying.connection("acme-itglue").settings


def test_another_region_asks_for_the_key_again(applying: Applying) -> None:
    applying.apply(ITGLUE)
    without_key = ITGLUE.replace("region: eu", "region: au").replace("      api_key: env:REKEY_SECRET_ACME\n", "")
    with pytest.raises(BadInput, match="api_key: this is missing: the vault's address has changed"):
        applying.plan(without_key)


def test_an_empty_embedded_vault_becomes_it_glue_and_one_with_records_does_not(applying: Applying) -> None:
    applying.apply(ACME)
    assert (
        applying.plan(ITGLUE)
        .changes[0]
        .startswith("~ vault acme-vault of Acme Dental: name acme-vault → acme-itglue, kind embedded → itglue")
    )
    with applying.services.database.writing() as session:
        vault = applying.connection("acme-vault")
        session.add(new_record(vault.organization_id, vault.id, "Jane", "jane"))
    with pytest.raises(BadInput, match="acme-vault has records already"):
        applying.plan(ITGLUE)
    applying.apply(ACME)


def test_a_vault_that_came_back_from_the_escrow_file_may_become_what_it_was(applying: Applying) -> None:
    applying.apply(ACME)
    with applying.services.database.writing() as session:
        vault = session.get_one(Connection, applying.connection("acme-vault").id)
        vault.settings = {RECOVERED: True}
        session.add(new_record(vault.organization_id, vault.id, "Jane", "jane"))
    assert applying.plan(ACME).changes == []
    assert applying.apply(ITGLUE).changes
    assert applying.plan(ITGLUE).changes == []


def test_an_empty_embedded_vault_that_became_it_glue_has_a_lane_and_opens_its_key(applying: Applying) -> None:
    applying.apply(ACME)
    applying.apply(ITGLUE)
    vault = applying.connection("acme-itglue")
    assert credential_for(vault, applying.services.safe.keys).get_secret_value() == PASSWORD
    with applying.services.database.reading() as session:
        assert get_lane(session, vault.id).connection_id == vault.id


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("region: eu", "region: uk", "line 20, organizations[0].vault.region: region: uk is none of IT Glue's"),
        (
            "region: eu",
            "base_url: https://itglue.example.test",
            "vault.base_url: itglue.example.test:443 is no address",
        ),
        ("      region: eu\n", "", "vault.region: say either region (us, eu, au) or base_url"),
        ("share: 0.25", "share: 3", "vault.share: "),
        ("api_key: env:REKEY_SECRET_ACME", "api_key: ITG.deadbeef", "passwords do not stand in this file"),
        ("      api_key: env:REKEY_SECRET_ACME\n", "", "vault.api_key: this is missing, and Rekey has no key"),
    ],
)
def test_what_does_not_fit_it_glue_is_named_by_its_place(
    applying: Applying, before: str, after: str, said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        applying.plan(ITGLUE.replace(before, after))
    assert said in str(caught.value)
    assert "deadbeef" not in str(caught.value)


def test_an_address_of_ones_own_is_taken_where_the_settings_name_it(tmp_path: Path, applying: Applying) -> None:
    own = ITGLUE.replace("region: eu", "base_url: http://127.0.0.1:9100")
    named = applying.services.settings.model_copy(update={"extra_hosts": ("127.0.0.1:9100",)})
    world = read_world(write_world(tmp_path, own), named)
    assert world.organizations[0].vault.settings["base_url"] == "http://127.0.0.1:9100"


def test_the_connectors_own_record_is_named_once_it_is_known(applying: Applying) -> None:
    named = ACME.replace("bind_password:", "own_record: Rekey itself\n        bind_password:")
    assert "no record of that name yet" in " ".join(applying.apply(named).notes)
    with applying.services.database.writing() as session:
        [organization] = organizations(session)
        vault = next(each for _, each in connections_of(session, "vault"))
        session.add(new_record(organization.id, vault.id, "Rekey itself", "rekey"))

    assert any("own_record → Rekey itself" in line for line in applying.apply(named).changes)
    assert applying.connection().own_record_id is not None
    assert applying.plan(named).changes == []
    with applying.services.database.reading() as session:
        [directory] = export_world(session)["organizations"][0]["directories"]
    assert directory["own_record"] == "Rekey itself"
