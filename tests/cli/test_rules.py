"""`rekey rules` and `rekey schedule`: all a rule can say, what it leads to, and what people decide about a run."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from storage.database import Database
from storage.models import Account, Connection, Match, MatchState, Organization, Record, now
from storage.policies import keep_policies
from tests.cli.program import Program
from tests.world import write_world

ACME = ("-o", "Acme Dental")


@pytest.fixture
def acme(rekey: Program) -> Program:
    """With the organization Acme Dental and two records that were agreed to 40 days ago."""
    rekey.ok("apply", write_world(rekey.folder), "--yes")
    database = Database(rekey.settings({})["REKEY_DATABASE_URL"])
    with database.writing() as session:
        _people(session, "Fax", "Reception")
    database.dispose()
    return rekey


def _people(session: Session, *names: str) -> None:
    organization = session.exec(select(Organization)).one()
    sides = {each.side: each for each in session.exec(select(Connection))}
    keep_policies(
        session, sides["directory"].id, [{"length": 26, "classes": 3, "sources": ["The domain wants 26."]}], "", now()
    )
    for name in names:
        record = Record(
            organization_id=organization.id, connection_id=sides["vault"].id, name=name, name_key=name.lower()
        )
        account = Account(
            organization_id=organization.id, connection_id=sides["directory"].id, object_id=name, username=name,
            username_key=name.lower(), tier="shared",
        )  # fmt: skip
        session.add_all([record, account])
        session.flush()
        session.add(
            Match(
                organization_id=organization.id, account_id=account.id, record_id=record.id,
                state=MatchState.APPROVED, decided_at=now() - timedelta(days=40),
            )
        )  # fmt: skip


def test_a_rule_is_made_shown_listed_and_deleted(acme: Program) -> None:
    made = acme.ok("rules", "set", *ACME, "length=18", "symbols=#+", "scheduled=yes", "every_days=30", "--json").json
    assert (made["own"], made["version"], made["records"], made["changed"]) == (True, 1, 2, True)
    assert (made["strict_enough"], made["wants"][0]["asks"]) == (False, "The domain wants 26.")
    weekly = acme.ok("rules", "set", *ACME, "weekdays=mon-wed", "windows=22:00-04:00; sat 00:00-24:00", "--json").json
    rule = weekly["rule"]
    assert (rule["every_days"], rule["weekdays"]) == (None, ["mon", "tue", "wed"]), "one takes the other's place"
    assert rule["windows"] == ["22:00-04:00", "sat 00:00-24:00"]
    assert "length\t18" in acme.ok("rules", "show", *ACME).out
    listed = acme.ok("rules", "list", "--json").json
    assert [(each["organization"], each["records"]) for each in listed] == [(None, 0), ("Acme Dental", 2)]
    assert acme("rules", "delete", "Acme Dental").code == 2, "without a terminal only with --yes"
    gone = acme.ok("rules", "delete", "Acme Dental", "--yes", "--json").json
    assert gone == {"organization": "Acme Dental", "deleted": True, "records": 2}
    assert acme.ok("rules", "show", *ACME, "--json").json["own"] is False
    assert acme("rules", "delete", "Acme Dental", "--yes").code == 2
    trail = acme.ok("audit", "export").out
    assert '"rule.changed"' in trail
    assert '"rule.deleted"' in trail


def test_somebody_who_looked_at_an_older_version_is_told(acme: Program) -> None:
    acme.ok("rules", "set", *ACME, "length=18")
    late = acme("rules", "set", *ACME, "length=30", "--version", 0)
    assert late.code == 1
    assert "changed this rule since (it has version 1 now)" in late.err
    assert acme.ok("rules", "show", *ACME, "--json").json["rule"]["length"] == 18


def test_a_preview_changes_nothing_and_shows_a_shape_and_what_directories_want(acme: Program) -> None:
    shown = acme.ok("rules", "preview", "length=12", "words=4", "--json").json
    assert shown["shape"].startswith("Xxxxx-Xxxxx-")
    assert shown["strict_enough"] is False
    assert acme.ok("rules", "show", "--json").json["rule"]["length"] == 20
    raised = acme.ok("rules", "set", "length=12", "--raise", "--json").json
    assert (raised["rule"]["length"], raised["strict_enough"]) == (26, True)


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("length=4", "rule.length: write a whole number from 8"),
        ("lenght=20", "write FIELD=VALUE"),
        ("length", "write FIELD=VALUE"),
        ("scheduled=perhaps", "rule.scheduled: write true or false"),
        ("windows=always", "is no window"),
    ],
)
def test_what_no_rule_can_say_is_refused(acme: Program, field: str, sentence: str) -> None:
    refused = acme("rules", "set", field)
    assert refused.code == 2
    assert sentence in refused.err


def test_the_schedule_shows_skips_puts_off_and_leaves_out(acme: Program) -> None:
    assert "Nothing rotates by itself" in acme.ok("schedule").err
    acme.ok("rules", "set", *ACME, "scheduled=yes", "every_days=30", "at=00:00")
    both = acme.ok("schedule", "--json").json
    assert both[0]["records"] == ["Fax", "Reception"]
    assert both[0]["local"].endswith("Europe/London")
    acme.ok("schedule", "exclude", "Acme Dental", "Fax")
    assert "already" in acme.ok("schedule", "exclude", "Acme Dental", "Fax").out
    assert acme.ok("schedule", "--json").json[0]["records"] == ["Reception"]
    assert "Left out in Acme Dental: Fax" in acme.ok("schedule").err
    acme.ok("schedule", "include", "Acme Dental", "Fax")
    later = f"{now() + timedelta(days=3):%Y-%m-%d}"
    acme.ok("schedule", "later", "Acme Dental", f"{later}T00:00", "-r", "Fax")
    runs = acme.ok("schedule", "--json").json
    assert [(each["records"], each["local"][4:14] == later) for each in runs[:2]] == [
        (["Reception"], False),
        (["Fax"], True),
    ]
    said = acme.ok("schedule", "skip", "Acme Dental").out
    assert "is skipped this time" in said
    assert all(each["begins_at"] > both[0]["ends_at"] for each in acme.ok("schedule", "--json").json)
    assert acme("schedule", "skip", "Acme Dental", "--day", "soon").code == 2
