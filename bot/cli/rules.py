"""`rekey rules …`: what passwords must be and when they rotate by themselves, for everybody or one organization."""

from typing import Annotated, Any

import typer
from sqlmodel import Session

from blocks.rule_form import shape
from blocks.rules import schedule_in_words
from bot.cli.console import Json, OfOrganization, Yes, confirm, plain, print_json, say, services, table
from bot.cli.door import REFUSED
from bot.errors import BadInput
from bot.permissions import cli_operator
from bot.rules import (
    FIELDS,
    Changed,
    change_rule,
    checked,
    covered_by,
    policy_of,
    remove_rule,
    rule_for,
    values_of,
)
from bot.strictness import Held, hold_against, raised
from storage.models import Organization, Rule
from storage.organizations import get_organization, organizations
from storage.rules import GLOBAL, rules_by_scope, stored_rules
from storage.schedules import scheduled_record_count

commands = typer.Typer(help="Rules: what passwords must be, and when they rotate.", no_args_is_help=True)

_EVERYBODY = "everybody"
_LISTS = {"tiers": ",", "weekdays": ",", "windows": ";", "blackouts": ";"}
_NUMBERS = ("length", "words", "every_days", "month_day", "notice_hours")
_TEXTS = ("symbols", "at")

Fields = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"What to change: {', '.join(FIELDS)}. `none` empties one; lists take commas, windows and blackouts "
        "semicolons.",
        metavar="FIELD=VALUE",
        show_default=False,
    ),
]
Version = Annotated[
    int | None, typer.Option("--version", help="Only if nobody changed the rule since it had this version.")
]


@commands.command("list")
def list_(as_json: Json = False) -> None:
    """Show every rule: the one for everybody, and those of organizations, which override it."""
    ready = services()
    with ready.database.reading() as session:
        names = {each.uid: each for each in organizations(session)}
        rules = [rules_by_scope(session, [])[GLOBAL], *(each for each in stored_rules(session) if each.scope in names)]
        rows = [(rule, names.get(rule.scope), _records(session, rule)) for rule in rules]
    if as_json:
        print_json([_document(rule, organization, records) for rule, organization, records in rows])
        return
    table(
        ("FOR", "RECORDS", "PASSWORDS", "SCHEDULE", "VERSION"),
        [
            (organization.name if organization else _EVERYBODY, records, *_words(rule), rule.version)
            for rule, organization, records in rows
        ],
    )


@commands.command()
def show(organization: OfOrganization = None, as_json: Json = False) -> None:
    """Show the rule that holds for an organization (or for everybody), and whether directories ask for more."""
    ready = services()
    with ready.database.reading() as session:
        where = _where(session, organization)
        rule = rule_for(session, where) if where else rules_by_scope(session, [])[GLOBAL]
        held = hold_against(session, policy_of(rule), [where] if where else covered_by(session, rule))
        document = _document(rule, where, _records(session, rule)) | _held(held)
    if as_json:
        print_json(document)
        return
    if where and rule.scope == GLOBAL:
        say(plain(f"{where.name} has no rule of its own: this is the one for everybody."))
    table(("FIELD", "VALUE"), [(name, _shown(value)) for name, value in values_of(rule).items()])
    _say_held(held)


@commands.command("set")
def set_(
    fields: Fields = None,
    organization: OfOrganization = None,
    version: Version = None,
    raise_: Annotated[
        bool, typer.Option("--raise", help="Also raise it to what the directories it covers ask for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Change the rule for everybody, or with -o an organization's own.

    What is not named stays. An organization without a rule of its own gets one that begins as the rule for everybody.
    """
    ready = services()
    with ready.database.writing() as session:
        where = _where(session, organization)
        wanted = _changed(session, where, fields or [])
        if raise_:
            wanted = _raised(session, where, wanted)
        done = change_rule(session, ready.trail, cli_operator(), where, wanted, version)
        held = hold_against(session, policy_of(done.rule), [where] if where else covered_by(session, done.rule))
        records = _records(session, done.rule)
    _refuse_late(done)
    if as_json:
        print_json(_document(done.rule, where, records) | _held(held) | {"changed": done.changed})
        return
    print(plain(" ".join(["Changed." if done.changed else "Nothing to change.", *_words(done.rule)])))
    _say_held(held)


@commands.command()
def preview(fields: Fields = None, organization: OfOrganization = None, as_json: Json = False) -> None:
    """Say what `rekey rules set` would make of it: the shape of a password, and whether directories ask for more."""
    ready = services()
    with ready.database.reading() as session:
        where = _where(session, organization)
        rule = Rule(scope=where.uid if where else GLOBAL, **checked(_changed(session, where, fields or [])))
        held = hold_against(session, policy_of(rule), [where] if where else covered_by(session, rule))
        document = {"rule": values_of(rule), "shape": shape(policy_of(rule)), **_held(held)}
    if as_json:
        print_json(document)
        return
    words = _words(rule)
    table(("WHAT", "MEANS"), [("passwords", words[0]), ("such as", document["shape"]), ("schedule", words[1])])
    _say_held(held)


@commands.command()
def delete(
    organization: Annotated[str, typer.Argument(help="The organization, by name or id.")],
    version: Version = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete an organization's own rule: the one for everybody holds there again."""
    ready = services()
    with ready.database.reading() as session:
        where = get_organization(session, organization)
        records = scheduled_record_count(session, where.id)
        has_one = where.uid in rules_by_scope(session, [where.uid])
    if not has_one:
        raise BadInput(f"{where.name} has no rule of its own. Nothing was changed.")
    say(plain(f"{where.name} comes under the rule for everybody again, with {records} records."))
    confirm(yes, "rekey rules delete")
    with ready.database.writing() as session:
        done = remove_rule(session, ready.trail, cli_operator(), get_organization(session, where.id), version)
    _refuse_late(done)
    if as_json:
        print_json({"organization": where.name, "deleted": done.changed, "records": done.records})
    else:
        print(plain(f"Deleted. {done.records} records of {where.name} are under the rule for everybody."))


# ---- inside ----------------------------------------------------------------------------------------------------------


def _where(session: Session, organization: str | None) -> Organization | None:
    return get_organization(session, organization) if organization is not None else None


def _records(session: Session, rule: Rule) -> int:
    return sum(scheduled_record_count(session, each.id) for each in covered_by(session, rule))


def _changed(session: Session, where: Organization | None, fields: list[str]) -> dict[str, Any]:
    """The values of the rule that stands, with these."""
    stands = rule_for(session, where) if where else rules_by_scope(session, [])[GLOBAL]
    values = values_of(stands)
    for each in fields:
        name, equals, text = each.partition("=")
        if not equals or name not in FIELDS:
            raise BadInput(f"{each}: write FIELD=VALUE, with one of {', '.join(FIELDS)}. Nothing was changed.")
        values[name] = _value(name, text.strip())
    days = {"every_days", "weekdays", "month_day"}
    named = {each.partition("=")[0] for each in fields} & days
    if len(named) == 1 and values[named.copy().pop()]:
        values |= {name: [] if name == "weekdays" else None for name in days - named}  # one takes the others' place
    return values


def _raised(session: Session, where: Organization | None, values: dict[str, Any]) -> dict[str, Any]:
    rule = Rule(scope=where.uid if where else GLOBAL, **checked(values))
    covered = [where] if where else covered_by(session, rule)
    return raised(values, hold_against(session, policy_of(rule), covered).wants)


def _value(name: str, text: str) -> object:
    if name in _LISTS:
        return [] if text in ("", "none") else [each.strip() for each in text.split(_LISTS[name]) if each.strip()]
    if text == "none":
        return None
    if name in _TEXTS:
        return text
    if name in _NUMBERS:
        return int(text) if text.isascii() and text.isdigit() else text
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(text.lower(), text)


def _refuse_late(done: Changed) -> None:
    if done.first is not None:
        now = done.rule.version
        say(plain(f"{done.first} changed this rule since (it has version {now} now). Nothing was changed."))
        raise typer.Exit(REFUSED)


def _document(rule: Rule, organization: Organization | None, records: int) -> dict[str, Any]:
    return {
        "organization": organization.name if organization else None,
        "own": rule.scope != GLOBAL,
        "rule": values_of(rule),
        "version": rule.version,
        "records": records,
    }


def _held(held: Held) -> dict[str, Any]:
    return {
        "strict_enough": not held.wants,
        "wants": [
            {"organization": each.organization, "directory": each.directory, "asks": " ".join(each.policy.sources)}
            for each in held.wants
        ],
        "unknown": [
            {"organization": each.organization, "directory": each.directory, "why": each.why} for each in held.unread
        ],
    }


def _say_held(held: Held) -> None:
    for wants in held.wants:
        asks = " ".join(wants.policy.sources)
        say(plain(f"{wants.directory} of {wants.organization} asks for more, and gets it: {asks}"))
    for unread in held.unread:
        say(plain(f"What {unread.directory} of {unread.organization} asks for is not known: {unread.why}"))


def _words(rule: Rule) -> tuple[str, str]:
    [asks] = policy_of(rule).sources
    off = "" if rule.enabled else "Switched off: nothing is rotated under it. "
    return f"{off}{asks}", schedule_in_words(rule)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
