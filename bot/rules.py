"""Which rule applies, what it demands of a password, and whether that is strict enough."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from bot.errors import BadInput
from bot.passwords import LONGEST, LONGEST_PASSPHRASE, MOST_WORDS, SHORTEST, PasswordPolicy, strictest
from storage.models import Organization, Rule
from storage.rules import GLOBAL, rules_by_scope

SWITCHES = ("uppercase", "lowercase", "number", "symbol", "unambiguous")
FIELDS = ("length", *SWITCHES, "words", "sign_out")
"""What a person may set in a rule."""

FEWEST_WORDS = 3


def rule_for(session: Session, organization: Organization) -> Rule:
    """The rule that holds for an organization: its own overrides the one for everybody, as a whole."""
    rules = rules_by_scope(session, [organization.uid])
    return rules.get(organization.uid, rules[GLOBAL])


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
        unambiguous=rule.unambiguous,
        words=rule.words,
        sources=(f"{whose} asks for {', '.join(demands)}.",),
    )


def at_least_as_strict(policy: PasswordPolicy, than: PasswordPolicy) -> bool:
    """Whether every password that satisfies `policy` satisfies `than`, judged by their demands."""

    def demands(each: PasswordPolicy) -> tuple[object, ...]:
        required = (each.uppercase, each.lowercase, each.number, each.symbol)
        return each.length, required, max(each.classes, sum(required)), frozenset(each.forbidden), each.unambiguous

    return demands(strictest(policy, than)) == demands(policy)


def checked(values: Mapping[str, object], where: str = "rule") -> dict[str, Any]:
    """A whole rule from what a person gave: what is left out gets its default.

    `BadInput` names the field, under `where`, that is unknown, of the wrong kind or out of range.
    """
    unknown = [name for name in values if name not in FIELDS]
    if unknown:
        raise BadInput(f"{where}.{unknown[0]}: a rule has no such field. It may have: {', '.join(FIELDS)}.")
    defaults = Rule(scope=GLOBAL)
    rule = {name: values.get(name, getattr(defaults, name)) for name in FIELDS}
    for name in (*SWITCHES, "sign_out"):
        if not isinstance(rule[name], bool):
            raise BadInput(f"{where}.{name}: write true or false.")
    words = rule["words"]
    if words is not None and not _whole(words, FEWEST_WORDS, MOST_WORDS):
        raise BadInput(
            f"{where}.words: write a whole number from {FEWEST_WORDS} to {MOST_WORDS} for passphrases, "
            "or leave it out for random characters."
        )
    longest = LONGEST if words is None else LONGEST_PASSPHRASE
    if not _whole(rule["length"], SHORTEST, longest):
        kind = "" if words is None else " for passphrases"
        raise BadInput(f"{where}.length: write a whole number from {SHORTEST} to {longest}{kind}.")
    return rule


def set_global_rule(session: Session, values: Mapping[str, object]) -> bool:
    """Make these values the whole rule for everybody, defaults for what they leave out; whether anything changed.

    `BadInput` as `checked` says it; then nothing was changed.
    """
    rule, wanted = rules_by_scope(session, [])[GLOBAL], checked(values)
    changed = [name for name in FIELDS if getattr(rule, name) != wanted[name]]
    for name in changed:
        setattr(rule, name, wanted[name])
    if changed:
        rule.version += 1
        session.add(rule)
        session.flush()
    return bool(changed)


def _whole(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest
