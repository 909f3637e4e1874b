"""Which rule applies, what it demands of a password, when it rotates by itself, and changing it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, NotPermitted
from bot.passwords import (
    LONGEST,
    LONGEST_PASSPHRASE,
    MOST_WORDS,
    SHORTEST,
    SYMBOLS,
    PasswordPolicy,
    generate,
    strictest,
)
from bot.permissions import BULK_TIERS, Operator, may_administer
from bot.schedule import (
    WEEKDAYS,
    Schedule,
    clock_text,
    parse_blackout,
    parse_clock,
    parse_weekdays,
    parse_window,
    why_never,
)
from storage.models import Organization, Rule, Tier, now
from storage.organizations import organizations
from storage.rules import GLOBAL, delete_rule, rules_by_scope
from storage.schedules import look_again, scheduled_record_count

SWITCHES = ("uppercase", "lowercase", "number", "symbol", "unambiguous")
PASSWORD_FIELDS = ("length", *SWITCHES, "words", "symbols")
SCHEDULE_FIELDS = (
    "tiers", "scheduled", "every_days", "weekdays", "month_day", "at", "windows", "blackouts", "spread",
    "manual_restarts", "notice_hours",
)  # fmt: skip
FIELDS = (*PASSWORD_FIELDS, "enabled", "sign_out", *SCHEDULE_FIELDS)
"""What a person may set in a rule."""

FEWEST_WORDS = 3
LONGEST_PERIOD = 365
EARLIEST_NOTICE = 7 * 24
_MOST_LINES = 50
_WHENEVER = (Tier.SHARED, Tier.PRIVILEGED)
"""Tiers a rule for everybody may include by itself; people and services are switched on for each organization."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of changing a rule."""

    rule: Rule
    """As it is now."""
    changed: bool
    first: str | None = None
    """Nothing was done, because this operator changed it since it was looked at."""
    records: int = 0
    """When an organization's rule was deleted: so many of its records are under the rule for everybody now."""


# ---- which, and what it says -----------------------------------------------------------------------------------------


def rule_for(session: Session, organization: Organization) -> Rule:
    """The rule that holds for an organization: its own overrides the one for everybody, as a whole."""
    rules = rules_by_scope(session, [organization.uid])
    return rules.get(organization.uid, rules[GLOBAL])


def covered_by(session: Session, rule: Rule) -> list[Organization]:
    """The organizations this rule holds for, by name: one, or all that have none of their own."""
    everybody = organizations(session)
    if rule.scope != GLOBAL:
        return [each for each in everybody if each.uid == rule.scope]
    own = rules_by_scope(session, [each.uid for each in everybody])
    return [each for each in everybody if each.uid not in own]


def values_of(rule: Rule) -> dict[str, Any]:
    """What a person may set in it, by field: what `checked` would give back unchanged."""
    return {name: getattr(rule, name) for name in FIELDS}


def policy_of(rule: Rule) -> PasswordPolicy:
    """What the rule demands of each password, with a sentence that says so."""
    demands = [f"at least {rule.length} characters"]
    demands += [
        words
        for demanded, words in (
            (rule.uppercase, "an upper-case letter"),
            (rule.lowercase, "a lower-case letter"),
            (rule.number, "a number"),
            (rule.symbol, "a symbol"),
            (rule.symbols == "", "no symbols"),
            (bool(rule.symbols), f"no symbols but {rule.symbols}"),
            (rule.unambiguous, "no look-alikes"),
            (rule.words is not None, f"{rule.words} words or more"),
        )
        if demanded
    ]
    whose = "The rule for everybody" if rule.scope == GLOBAL else "The organization's rule"
    return PasswordPolicy(
        length=rule.length,
        uppercase=rule.uppercase,
        lowercase=rule.lowercase,
        number=rule.number,
        symbol=rule.symbol,
        symbols=rule.symbols,
        unambiguous=rule.unambiguous,
        words=rule.words,
        sources=(f"{whose} asks for {', '.join(demands)}.",),
    )


def schedule_of(rule: Rule) -> Schedule | None:
    """When it rotates; None while it does not rotate by itself."""
    if not rule.enabled or not rule.scheduled:
        return None
    return Schedule(
        every_days=rule.every_days,
        weekdays=frozenset(WEEKDAYS.index(day) for day in rule.weekdays),
        month_day=rule.month_day,
        at=parse_clock(rule.at),
        windows=tuple(parse_window(each) for each in rule.windows),
        blackouts=tuple(parse_blackout(each) for each in rule.blackouts),
        spread=rule.spread,
    )


def scheduled_tiers(rule: Rule, organization: Organization) -> tuple[Tier, ...]:
    """The tiers its schedule includes in this organization. A rule for everybody includes people and services only
    where the organization's `bulk` has them: those are switched on for each organization, or not at all.
    """
    if schedule_of(rule) is None:
        return ()
    own = rule.scope != GLOBAL
    return tuple(
        tier for tier in BULK_TIERS if tier in rule.tiers and (own or tier in _WHENEVER or tier in organization.bulk)
    )


def at_least_as_strict(policy: PasswordPolicy, than: PasswordPolicy) -> bool:
    """Whether every password that satisfies `policy` satisfies `than`, judged by their demands."""

    def demands(each: PasswordPolicy) -> tuple[object, ...]:
        required = (each.uppercase, each.lowercase, each.number, each.symbol)
        classes = max(each.classes, sum(required))
        return each.length, required, classes, frozenset(each.forbidden), each.unambiguous, each.symbols

    return demands(strictest(policy, than)) == demands(policy)


# ---- changing it -----------------------------------------------------------------------------------------------------


def change_rule(
    session: Session,
    trail: Trail,
    operator: Operator,
    organization: Organization | None,
    values: Mapping[str, object],
    version: int | None,
) -> Changed:
    """Make these values the whole rule of this organization, or (None) the one for everybody.

    `version` is the rule's as it was looked at, 0 where there was none; when somebody changed it since, nothing is
    done. None overwrites whatever is there. `NotPermitted` and `BadInput` likewise change nothing.
    """
    _only_administrators(operator, organization)
    wanted = checked(values)
    rule = _stored(session, organization)
    if version is not None and version != (rule.version if rule else 0):
        return _too_late(session, organization, rule)
    before = values_of(rule) if rule is not None else {}
    changed = set_rule(session, organization, wanted, operator.key)
    rule = _stored(session, organization) or Rule(scope=GLOBAL)
    if changed:
        differing = {name: [before.get(name), wanted[name]] for name in FIELDS if before.get(name) != wanted[name]}
        _tell(session, trail, operator, organization, "rule.changed", {"version": rule.version, "changed": differing})
    return Changed(rule, changed)


def remove_rule(
    session: Session, trail: Trail, operator: Operator, organization: Organization, version: int | None
) -> Changed:
    """Delete an organization's rule, which puts it back under the one for everybody. Otherwise as `change_rule`."""
    _only_administrators(operator, organization)
    rule = _stored(session, organization)
    if rule is None:
        return Changed(rule_for(session, organization), changed=False)
    if version is not None and version != rule.version:
        return _too_late(session, organization, rule)
    drop_rule(session, organization)
    records = scheduled_record_count(session, organization.id)
    _tell(session, trail, operator, organization, "rule.deleted", {"records": records, "was": values_of(rule)})
    return Changed(rule_for(session, organization), changed=True, records=records)


def set_rule(
    session: Session, organization: Organization | None, values: Mapping[str, object], by: str | None = None
) -> bool:
    """Make these values the whole rule, defaults for what they leave out; whether anything changed.

    `BadInput` as `checked` says it; then nothing was changed.
    """
    wanted = checked(values)
    rule = _stored(session, organization)
    new = rule is None
    if rule is None:
        rule = Rule(scope=organization.uid if organization else GLOBAL)
        rule.organization_id, rule.version = (organization.id if organization else None), 0
    changed = [name for name in FIELDS if getattr(rule, name) != wanted[name]]
    if not changed and not (new and organization is not None):
        return False
    for name in changed:
        setattr(rule, name, wanted[name])
    rule.version += 1
    rule.changed_by, rule.changed_at = by, now()
    session.add(rule)
    session.flush()
    look_again(session, None if organization is None else organization.id)
    return True


def set_global_rule(session: Session, values: Mapping[str, object]) -> bool:
    """Make these values the whole rule for everybody; as `set_rule`."""
    return set_rule(session, None, values)


def drop_rule(session: Session, organization: Organization) -> bool:
    """Put the organization back under the rule for everybody; whether it had one of its own."""
    if not delete_rule(session, organization.uid):
        return False
    look_again(session, organization.id)
    return True


def _stored(session: Session, organization: Organization | None) -> Rule | None:
    """The rule itself; the one for everybody is there, with its defaults, before anybody made it."""
    scope = GLOBAL if organization is None else organization.uid
    return rules_by_scope(session, [scope]).get(scope)


def _too_late(session: Session, organization: Organization | None, rule: Rule | None) -> Changed:
    stands = rule or (rule_for(session, organization) if organization else Rule(scope=GLOBAL))
    return Changed(stands, changed=False, first=(rule.changed_by if rule else None) or "somebody")


def _only_administrators(operator: Operator, organization: Organization | None) -> None:
    decision = may_administer(operator, organization.id if organization else None)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")


def _tell(
    session: Session,
    trail: Trail,
    operator: Operator,
    organization: Organization | None,
    event: str,
    details: dict[str, object],
) -> None:
    trail.append(
        session,
        event=event,
        operator=operator.key,
        source=operator.source,
        organization=organization,
        subject="the rule for everybody" if organization is None else f"the rule of {organization.name}",
        details=details,
    )


# ---- what a person gave ----------------------------------------------------------------------------------------------


def checked(values: Mapping[str, object], where: str = "rule", today: date | None = None) -> dict[str, Any]:
    """A whole rule from what a person gave: what is left out gets its default.

    `BadInput` names the field, under `where`, that is unknown, of the wrong kind, out of range, or that makes a rule
    which could never be met.
    """
    unknown = [name for name in values if name not in FIELDS]
    if unknown:
        raise BadInput(f"{where}.{unknown[0]}: a rule has no such field. It may have: {', '.join(FIELDS)}.")
    rule: dict[str, Any] = values_of(Rule(scope=GLOBAL)) | dict(values)

    def wrong(name: str, what: str) -> BadInput:
        return BadInput(f"{where}.{name}: {what}.")

    for name in ("enabled", "sign_out", *SWITCHES, "scheduled", "spread", "manual_restarts"):
        if not isinstance(rule[name], bool):
            raise wrong(name, "write true or false")
    for name, lowest, highest, what in (
        ("words", FEWEST_WORDS, MOST_WORDS, " for passphrases, or leave it out for random characters"),
        ("every_days", 1, LONGEST_PERIOD, " days, or leave it out"),
        ("month_day", 1, 31, ", or leave it out"),
    ):
        if rule[name] is not None and not _whole(rule[name], lowest, highest):
            raise wrong(name, f"write a whole number from {lowest} to {highest}{what}")
    if not _whole(rule["notice_hours"], 0, EARLIEST_NOTICE):
        raise wrong("notice_hours", f"write a whole number from 0 (no notice before) to {EARLIEST_NOTICE}")
    longest, kind = (LONGEST, "") if rule["words"] is None else (LONGEST_PASSPHRASE, " for passphrases")
    if not _whole(rule["length"], SHORTEST, longest):
        raise wrong("length", f"write a whole number from {SHORTEST} to {longest}{kind}")
    symbols = rule["symbols"]
    if symbols is not None and (not isinstance(symbols, str) or set(symbols) - set(SYMBOLS)):
        raise wrong("symbols", f"write some of {SYMBOLS} or leave it out for all of them")
    if symbols is not None:
        rule["symbols"] = "".join(each for each in SYMBOLS if each in symbols)
    if not isinstance(rule["tiers"], list) or any(tier not in BULK_TIERS for tier in rule["tiers"]):
        raise wrong("tiers", f"write a list of {', '.join(BULK_TIERS)}. Break-glass accounts are rotated by name only")
    rule["tiers"] = [tier.value for tier in BULK_TIERS if tier in rule["tiers"]]
    for name, parse in (
        ("weekdays", _weekdays),
        ("at", _clock),
        ("windows", _each(parse_window)),
        ("blackouts", _each(parse_blackout)),
    ):
        try:
            rule[name] = parse(rule[name])
        except BadInput as error:
            raise wrong(name, str(error)) from None
    name, why = _never_met(rule, today or now().date())
    if why:
        raise wrong(name, why)
    return rule


def _never_met(rule: Mapping[str, Any], today: date) -> tuple[str, str]:
    """The field that makes this a rule nothing could satisfy, and why; two empty texts when all is well."""
    cadences = [name for name in ("every_days", "weekdays", "month_day") if rule[name]]
    if len(cadences) > 1:
        return cadences[1], f"this and {cadences[0]} exclude each other: keep one of them"
    if rule["scheduled"] and not cadences:
        return "scheduled", "say when: every_days, weekdays or month_day"
    if rule["scheduled"] and not rule["tiers"]:
        return "tiers", "a schedule that includes no tier would never rotate anything: name one, or switch it off"
    row = Rule(scope=GLOBAL, **rule)
    schedule = schedule_of(row)
    never = why_never(schedule, today) if schedule is not None else None
    if never:
        return "blackouts", never
    try:
        generate(policy_of(row))
    except BadInput as error:
        return "symbols" if rule["symbols"] is not None else "length", str(error).removesuffix(".")
    return "", ""


def _weekdays(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise BadInput("write days of the week, such as [mon, thu]")
    days = frozenset[int]().union(*(parse_weekdays(each) for each in texts))
    return [WEEKDAYS[day] for day in sorted(days)]


def _clock(value: object) -> str:
    if not isinstance(value, str):
        raise BadInput('write the time in quotes, as "22:30"')
    minutes = parse_clock(value)
    if minutes == 24 * 60:
        raise BadInput("write midnight as 00:00")
    return clock_text(minutes)


def _each(parse: Any) -> Any:
    def lines(value: object) -> list[str]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > _MOST_LINES:
            raise BadInput(f"write a list of at most {_MOST_LINES}")
        return _once(str(parse(each.isoformat() if isinstance(each, date) else str(each))) for each in value)

    return lines


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _whole(value: object, lowest: float, highest: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest
