"""`/rotate rules`: the rule for everybody, organizations' own, and editing them while it is shown what that means."""

import re
from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import ids, parts, rule_form
from blocks import rules as drawing
from blocks.rules import Ruled
from bot import rules
from bot.errors import BadInput
from bot.passwords import PasswordPolicy
from bot.permissions import may_administer
from bot.rules import Changed
from bot.services import Services
from bot.strictness import Held, hold_against, raised
from handlers.context import Asked
from handlers.errors import WrongFields
from handlers.people import Refusal
from handlers.redrawing import Redraws
from handlers.rotate_command import Word
from storage.models import Organization, Rule
from storage.organizations import get_organization, organizations
from storage.rules import GLOBAL, rules_by_scope
from storage.schedules import scheduled_record_count

_EDIT = re.compile(rf"^{re.escape(drawing.EDIT)}:[0-9]{{1,18}}$")
_ASK_DELETE = re.compile(rf"^{re.escape(drawing.ASK_DELETE)}:[0-9]{{1,18}}$")
_NEW = re.compile(rf"^{re.escape(drawing.NEW)}(:here)?$")
_LIVE = re.compile(rf"^({re.escape(rule_form.LIVE)}:[a-z_]+|at)$")
_FIELD = re.compile(r"\Arule\.([a-z_]+): (.*)\Z", re.DOTALL)
_EVERYBODY = "The rule for everybody"
_REDRAWS = Redraws()


def register(app: App, _services: Services) -> None:
    """Listen to the windows."""

    @app.action(_EDIT)
    def edit(ack: Ack, asked: Asked) -> None:
        ack()
        _open_form(asked, asked.row()[0])

    @app.action(_NEW)
    def new(ack: Ack, asked: Asked) -> None:
        ack()
        _open_form(asked, asked.row()[0])

    @app.options(drawing.NEW)
    def without_rule(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        typed = str(body.get("value", "")).casefold()
        with asked.services.database.reading() as session:
            mine = [each for each in organizations(session) if may_administer(asked.operator, each.id).allowed]
            own = rules_by_scope(session, [each.uid for each in mine])
        found = [each for each in mine if each.uid not in own and typed in each.name.casefold()]
        ack(options=[parts.option(each.name, ids.value(each.id)) for each in found[:100]])

    @app.action(_LIVE)
    def live(ack: Ack, asked: Asked) -> None:
        ack()
        _redraw(asked, _entered(asked))

    @app.action(rule_form.RAISE)
    def raise_it(ack: Ack, asked: Asked) -> None:
        ack()
        entered = _entered(asked)
        with asked.services.database.reading() as session:
            policy, held = _leads_to(session, _whose(asked, session), entered)
        if policy is not None and held is not None:
            entered = rule_form.entered_of(raised(rule_form.values_of(entered), held.wants)) | _days_of(entered)
        _redraw(asked, entered, fresh=True, told="⬆️ Raised to what the directories want. *Save* keeps it.")

    @app.view(rule_form.SAVE)
    def save(ack: Ack, asked: Asked) -> None:
        entered = _entered(asked)
        changed = _save(asked, entered)
        if changed.first is not None:
            ack(response_action="update", view=_too_late(asked, changed, entered))
            return
        ack()
        _redraw_list(asked, "✅ Saved." if changed.changed else "Nothing was different, so nothing was changed.")

    @app.action(_ASK_DELETE)
    def ask_delete(ack: Ack, asked: Asked) -> None:
        ack()
        organization_id, version = asked.row()
        asked.opens(_deletion(asked, organization_id, version))

    @app.view(drawing.DELETE)
    def delete(ack: Ack, asked: Asked) -> None:
        organization_id, version = _remembered(asked, "whose"), _remembered(asked, "version")
        services = asked.services
        with asked.writing() as session:
            organization = get_organization(session, organization_id)
            changed = rules.remove_rule(session, services.trail, asked.operator, organization, version)
        if changed.first is not None:
            told = f"{_who(changed)} changed this rule since you looked at it, so it was not deleted. It reads now:"
            view = _deletion(asked, organization_id, changed.rule.version, told)
            ack(response_action="update", view=view)
            return
        ack()
        name = parts.escape(organization.name, 100)
        many = parts.count(changed.records, "record is", "records are")
        _redraw_list(asked, f"✅ *{name}* is under the rule for everybody again: {many} concerned.")

    @app.action(ids.paging(drawing.TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        view = _list(asked, asked.organization, page=asked.row()[0])
        asked.client.views_update(view_id=asked.view["id"], view=view)


# ---- the list --------------------------------------------------------------------------------------------------------


def _open(asked: Asked, _rest: str) -> None:
    asked.opens(_list(asked, asked.organization))


def _list(asked: Asked, here: Organization | None, *, page: int = 1, told: str = "") -> dict[str, Any]:
    """The rules this person administers; in an organization's channel the one for everybody and its own."""
    with asked.services.database.reading() as session:
        mine = [each for each in organizations(session) if may_administer(asked.operator, each.id).allowed]
        may_all = may_administer(asked.operator, None)
        if here is not None:
            asked.allow(may_administer(asked.operator, here.id))
            mine = [each for each in mine if each.id == here.id]
        elif not mine:
            asked.allow(may_all)
        stored = rules_by_scope(session, [each.uid for each in mine])
        covers = len(rules.covered_by(session, stored[GLOBAL]))
        own = [
            Ruled(stored[each.uid], each.id, each.name, scheduled_record_count(session, each.id))
            for each in mine
            if each.uid in stored
        ]
    everybody = Ruled(stored[GLOBAL], 0, _EVERYBODY, covers, may_edit=may_all.allowed)
    lacking = (here.id, here.name) if here is not None and not own else None
    memo = parts.memo_for(asked.operator.key, here.id if here else None)
    return drawing.rules(everybody, own, memo, page=page, here=lacking, told=told)


def _redraw_list(asked: Asked, told: str) -> None:
    """The list beneath the window that just closed."""
    below = asked.view.get("previous_view_id") or asked.view.get("root_view_id")
    if not below or below == asked.view.get("id"):
        return
    home = asked.memo.get("home")
    with asked.services.database.reading() as session:
        here = get_organization(session, int(str(home))) if home is not None else None
    page = int(str(asked.memo.get("page") or 1))
    asked.client.views_update(view_id=below, view=_list(asked, here, page=page, told=told))


def _deletion(asked: Asked, organization_id: int, version: int, told: str = "") -> dict[str, Any]:
    asked.here(organization_id)
    asked.allow(may_administer(asked.operator, organization_id))
    with asked.services.database.reading() as session:
        organization = get_organization(session, organization_id)
        stored = rules_by_scope(session, [organization.uid])
        records = scheduled_record_count(session, organization_id)
    rule = stored.get(organization.uid)
    if rule is None:
        raise Refusal("This organization has no rule of its own any more. Nothing was changed.")
    memo = _memo(asked, organization_id, version)
    return drawing.deletion(Ruled(rule, organization_id, organization.name, records), stored[GLOBAL], memo, told)


# ---- the form --------------------------------------------------------------------------------------------------------


def _open_form(asked: Asked, organization_id: int) -> None:
    if organization_id:
        asked.here(organization_id)
    asked.allow(may_administer(asked.operator, organization_id or None))
    with asked.services.database.reading() as session:
        organization = get_organization(session, organization_id) if organization_id else None
        rule, version = _stored(session, organization)
        entered = rule_form.entered_of(rules.values_of(rule))
        policy, held = _leads_to(session, organization, entered)
    memo = _memo(asked, organization_id, version)
    asked.opens(rule_form.form(_name(organization), entered, policy, held, memo))


def _redraw(asked: Asked, entered: rule_form.Entered, *, fresh: bool = False, told: str = "") -> None:
    """The same form with what it leads to now. `fresh`: fields show these values instead of what was typed."""
    with asked.services.database.reading() as session:
        organization = _whose(asked, session)
        policy, held = _leads_to(session, organization, entered)
    memo = {**asked.memo, "fresh": int(str(asked.memo.get("fresh") or 0)) + fresh}
    view = rule_form.form(_name(organization), entered, policy, held, memo, told=told)
    window, acted_at = str(asked.view["id"]), float(asked.action.get("action_ts") or 0)
    _REDRAWS.draw(window, acted_at, lambda: asked.client.views_update(view_id=window, view=view))


def _leads_to(
    session: Session, organization: Organization | None, entered: rule_form.Entered
) -> tuple[PasswordPolicy | None, Held | None]:
    """What passwords would be by what is entered, held against the directories; nothing while it makes no rule."""
    values = rule_form.values_of(entered)
    scope = organization.uid if organization else GLOBAL
    try:
        password = rules.checked({name: values[name] for name in rules.PASSWORD_FIELDS})
    except BadInput:
        return None, None
    rule = Rule(scope=scope, **password)
    covered = [organization] if organization else rules.covered_by(session, rule)
    policy = rules.policy_of(rule)
    return policy, hold_against(session, policy, covered)


def _save(asked: Asked, entered: rule_form.Entered) -> Changed:
    services, version = asked.services, _remembered(asked, "version")
    try:
        with asked.writing() as session:
            organization = _whose(asked, session)
            values = rule_form.values_of(entered)
            return rules.change_rule(session, services.trail, asked.operator, organization, values, version)
    except BadInput as error:
        found = _FIELD.match(str(error))
        if found is None:
            raise
        field, sentence = rule_form.field_of(found[1], entered), found[2]
        block = rule_form.block_of(field, asked.view)
        raise WrongFields({block: sentence[:1].upper() + sentence[1:]}) from None


def _too_late(asked: Asked, changed: Changed, entered: rule_form.Entered) -> dict[str, Any]:
    """Somebody was quicker: nothing was saved, and nothing that was typed is lost."""
    with asked.services.database.reading() as session:
        organization = _whose(asked, session)
        rule, version = _stored(session, organization)
        policy, held = _leads_to(session, organization, entered)
    told = (
        f"⚠️ {_who(changed)} changed this rule since you opened it, so *nothing was saved*. It reads now:\n"
        f"{drawing.in_words(rule)}\nWhat you entered is below; *Save* puts it in the place of that."
    )
    memo = {**asked.memo, "version": version}
    return rule_form.form(_name(organization), entered, policy, held, memo, told=told)


def _entered(asked: Asked) -> dict[str, Any]:
    with asked.services.database.reading() as session:
        rule, _ = _stored(session, _whose(asked, session))
    return rule_form.read(asked.view, rule_form.entered_of(rules.values_of(rule)))


def _days_of(entered: rule_form.Entered) -> dict[str, Any]:
    """What raising a rule leaves as it was typed."""
    return {
        name: value for name, value in entered.items() if name not in ("length", "classes", "unambiguous", "symbols")
    }


def _stored(session: Session, organization: Organization | None) -> tuple[Rule, int]:
    """The rule to begin with, and the version a change of it is based on: 0 where there is none yet."""
    stored = rules_by_scope(session, [organization.uid] if organization else [])
    if organization is None:
        return stored[GLOBAL], stored[GLOBAL].version
    own = stored.get(organization.uid)
    return (own, own.version) if own is not None else (stored[GLOBAL], 0)


def _whose(asked: Asked, session: Session) -> Organization | None:
    organization_id = _remembered(asked, "whose")
    return get_organization(session, organization_id) if organization_id else None


def _name(organization: Organization | None) -> str:
    return f"The rule of {organization.name}" if organization else _EVERYBODY


def _who(changed: Changed) -> str:
    return parts.person(changed.first) if changed.first != "somebody" else "Somebody"


def _memo(asked: Asked, organization_id: int, version: int) -> Mapping[str, object]:
    home, page = asked.memo.get("organization"), asked.memo.get("page")
    here = organization_id or None
    return parts.memo_for(asked.operator.key, here, whose=organization_id, version=version, home=home, page=page)


def _remembered(asked: Asked, name: str) -> int:
    number = asked.memo.get(name)
    if not isinstance(number, int):
        raise Refusal("This view carries something Rekey did not put there.")
    return number


WORDS = [Word("rules", _open, "what passwords have to be, and what rotates by itself when", asks=False)]
