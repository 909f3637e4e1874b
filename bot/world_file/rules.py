"""Rules in the world file: the one for everybody, those of organizations, and the records schedules leave out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from bot.errors import RowNotFound
from bot.rules import checked, drop_rule, set_rule, values_of
from bot.world_file.words import differences
from storage.models import Organization, Rule
from storage.records import get_record
from storage.rules import GLOBAL, rules_by_scope
from storage.schedules import exclude, excluded_records, include, scheduled_record_count


@dataclass(slots=True)
class Changes:
    """What was changed: lines of the plan, each with the event it is known by; and what to know besides."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def exported(rule: Rule) -> dict[str, Any]:
    """A rule as the file says it."""
    return {name: value for name, value in values_of(rule).items() if value not in (None, [])}


def set_global(session: Session, wanted: Mapping[str, object], by: str) -> Changes:
    """Make this the rule for everybody."""
    before = values_of(rules_by_scope(session, [])[GLOBAL])
    if not set_rule(session, None, wanted, by):
        return Changes()
    return Changes([(f"~ rule: {differences(before, checked(wanted))}", "rule.changed")])


def set_own(session: Session, organization: Organization, wanted: Mapping[str, object] | None, by: str) -> Changes:
    """Make this the organization's own rule; None puts it back under the one for everybody."""
    rule = rules_by_scope(session, [organization.uid]).get(organization.uid)
    if wanted is None:
        if not drop_rule(session, organization):
            return Changes()
        records = scheduled_record_count(session, organization.id)
        line = f"- rule of {organization.name} ({records} records come under the rule for everybody)"
        return Changes([(line, "rule.deleted")])
    before = values_of(rule) if rule is not None else values_of(Rule(scope=GLOBAL))
    if not set_rule(session, organization, wanted, by):
        return Changes()
    changed = differences(before, checked(wanted)) or "as it is by default"
    sign = "~" if rule is not None else "+"
    return Changes([(f"{sign} rule of {organization.name}: {changed}", "rule.changed")])


def set_unscheduled(session: Session, organization: Organization, names: Sequence[str], by: str) -> Changes:
    """Leave exactly these records out of schedules. A name nobody has yet is a note: records come in later."""
    changes = Changes()
    before = {record.id: record for record in excluded_records(session, organization.id)}
    wanted = {}
    for name in names:
        try:
            record = get_record(session, organization.id, name)
            wanted[record.id] = record
        except RowNotFound as error:
            changes.notes.append(f"unscheduled: {error} Apply the file again once it is there.")
    for record in [each for each in wanted.values() if each.id not in before]:
        exclude(session, record, by)
        changes.lines.append((f"+ {record.name} of {organization.name} is left out of schedules", "schedule.excluded"))
    for record in [each for each in before.values() if each.id not in wanted]:
        include(session, record)
        changes.lines.append((f"- {record.name} of {organization.name} is scheduled again", "schedule.included"))
    return changes
