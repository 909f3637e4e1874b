"""Rules in the world file: everything a rule can say, for everybody and for one organization, there and back."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import select

from bot.audit import Trail
from bot.errors import BadInput
from bot.permissions import cli_operator
from bot.rules import rule_for, schedule_of, values_of
from bot.settings import Settings
from bot.world_file.export import export_world, written
from bot.world_file.plan import Plan, apply, preview
from bot.world_file.reading import read_world
from storage.database import Database
from storage.models import Connection, Organization, Record, Timetable
from storage.organizations import get_organization
from storage.revisions import Safe
from storage.schedules import excluded_records
from tests.storage.worlds import new_safe

FILE = """\
rule:
  length: 24
  symbols: "#+-"
  tiers: [shared, privileged]
  scheduled: true
  weekdays: mon-wed
  at: "22:30"
  windows: ["mon-fri 22:00-04:00", "sat,sun 00:00-24:00"]
  blackouts: [2026-12-24, "2026-12-27..2027-01-02", "12-31..01-01"]
  spread: false
  manual_restarts: false
  notice_hours: 48
organizations:
  - name: Acme Dental
    timezone: Europe/Berlin
    rule: {length: 16, words: 4, symbol: false, scheduled: true, every_days: 90}
    vault: {name: vault, kind: embedded}
"""


@dataclass
class Desk:
    folder: Path
    database: Database
    safe: Safe

    def apply(self, text: str) -> Plan:
        path = self.folder / "world.yaml"
        path.write_text(text, encoding="utf-8")
        world = read_world(path, Settings())
        shown = preview(self.database, self.safe.keys, world)
        trail = Trail(self.safe.keys, self.folder / "escrow")
        return apply(self.database, self.safe.keys, trail, cli_operator(), world, shown)

    def export(self) -> str:
        with self.database.reading() as session:
            return written(export_world(session))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    database = Database(f"sqlite:///{tmp_path / 'rekey.db'}")
    database.migrate()
    return Desk(tmp_path, database, new_safe(tmp_path)[0])


def test_all_a_rule_can_say_is_applied_exported_and_applied_with_nothing_to_do(desk: Desk) -> None:
    changes = desk.apply(FILE).changes
    assert changes[0].startswith("~ rule: length 20 → 24, symbols none → #+-, tiers shared → shared privileged")
    assert "windows none → mon-fri 22:00-04:00; sat-sun 00:00-24:00" in changes[0]
    assert "+ rule of Acme Dental: length 20 → 16" in changes[2]
    with desk.database.reading() as session:
        acme = get_organization(session, "Acme Dental")
        own, everybody = rule_for(session, acme), rule_for(session, Organization(name="Any", name_key="any"))
        assert (own.length, own.words, own.every_days, own.weekdays) == (16, 4, 90, [])
        assert (everybody.weekdays, everybody.at, everybody.notice_hours) == (["mon", "tue", "wed"], "22:30", 48)
        assert everybody.blackouts == ["2026-12-24", "2026-12-27..2027-01-02", "12-31..01-01"]
        assert schedule_of(everybody) is not None
        assert session.get(Timetable, acme.id) is not None, "the clock was told to look"
    assert desk.apply(FILE).changes == []
    assert desk.apply(desk.export()).changes == []


def test_an_exported_rule_is_the_same_in_another_database(desk: Desk, tmp_path: Path) -> None:
    desk.apply(FILE)
    (tmp_path / "other").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'other.db'}")
    database.migrate()
    other = Desk(tmp_path / "other", database, new_safe(tmp_path / "other")[0])
    other.apply(desk.export())
    found = []
    for each in (desk, other):
        with each.database.reading() as session:
            found.append(values_of(rule_for(session, get_organization(session, "Acme Dental"))))
    assert found[0] == found[1]


def test_a_rule_that_is_left_out_stays_and_null_takes_it_away(desk: Desk) -> None:
    desk.apply(FILE)
    entry = "organizations:\n  - {name: Acme Dental, RULE vault: {name: vault, kind: embedded}}\n"
    assert desk.apply(entry.replace("RULE ", "")).changes == []
    gone = desk.apply(entry.replace("RULE", "rule: null,")).changes
    assert gone == ["- rule of Acme Dental (0 records come under the rule for everybody)"]
    with desk.database.reading() as session:
        assert rule_for(session, get_organization(session, "Acme Dental")).length == 24
    assert desk.apply(entry.replace("RULE", "rule: null,")).changes == []


def test_records_are_left_out_of_schedules_by_name_and_unknown_ones_are_noted(desk: Desk) -> None:
    desk.apply(FILE)
    with desk.database.writing() as session:
        acme = get_organization(session, "Acme Dental")
        vault = session.exec(select(Connection)).one()
        for name in ("Fax", "Scanner"):
            record = Record(organization_id=acme.id, connection_id=vault.id, name=name, name_key=name.casefold())
            session.add(record)
    entry = "organizations:\n  - {name: Acme Dental, unscheduled: [NAMES], vault: {name: vault, kind: embedded}}\n"
    plan = desk.apply(entry.replace("NAMES", "Fax, Nobody"))
    assert plan.changes == ["+ Fax of Acme Dental is left out of schedules"]
    assert any("Nobody" in note for note in plan.notes)
    assert "unscheduled:\n      - Fax" in desk.export()
    assert desk.apply(entry.replace("NAMES", "Scanner")).changes == [
        "+ Scanner of Acme Dental is left out of schedules",
        "- Fax of Acme Dental is scheduled again",
    ]
    with desk.database.reading() as session:
        assert [each.name for each in excluded_records(session, acme.id)] == ["Scanner"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("every_days: 90", "every_days: 366", "organizations[0].rule.every_days: write a whole number from 1 to 365"),
        ("every_days: 90", "every_days: 9, month_day: 3", "organizations[0].rule.month_day: this and every_days"),
        ("every_days: 90", "spread: true", "organizations[0].rule.scheduled: say when"),
        ("tiers: [shared, privileged]", "tiers: []", "rule.tiers: a schedule that includes no tier"),
        ("tiers: [shared, privileged]", "tiers: [break-glass]", "rule.tiers: write a list of"),
        ('at: "22:30"', "at: 22:30", 'rule.at: write the time in quotes, as "22:30"'),
        ('at: "22:30"', 'at: "24:30"', "rule.at: “24:30” is no time of day"),
        ("weekdays: mon-wed", "weekdays: [someday]", "rule.weekdays: “someday” names no days"),
        ("mon-fri 22:00-04:00", "mon-fri 22:00", "rule.windows: “mon-fri 22:00” is no window"),
        ("12-31..01-01", "01-01..12-31", "rule.blackouts: its blackout dates leave no window open"),
        ('symbols: "#+-"', 'symbols: "ü"', "rule.symbols: write some of"),
        ('symbols: "#+-"', 'symbols: ""', "rule.symbols: A symbol is asked for, and none is among those allowed"),
        ("notice_hours: 48", "notice_hours: 200", "rule.notice_hours: write a whole number from 0"),
        ("spread: false", "spread: sometimes", "rule.spread: write true or false"),
    ],
)
def test_a_rule_that_could_never_be_met_is_refused_with_line_and_field(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_world(path, Settings())
    assert sentence in str(caught.value)
    assert "line " in str(caught.value)
