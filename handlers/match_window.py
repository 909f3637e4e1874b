"""The windows of matches: all of them with filters and in bulk, choosing a record, and ignore rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import ids, match_window, matches, parts
from bot.errors import NotPermitted
from bot.matching import ignoring, overview, review
from bot.matching.overview import Window
from bot.matching.review import Outcome
from bot.matching.suggesting import search
from bot.permissions import may_match
from handlers.context import Asked
from handlers.errors import WrongFields
from handlers.people import Refusal
from storage.accounts import find_unit
from storage.matches import MatchRow, get_matches
from storage.models import Organization, Tier
from storage.notices import MATCH_REVIEW, touch
from storage.portions import portions

Verb = Callable[..., list[Outcome]]

_OPTIONS_MOST = 100


def register(app: App) -> None:
    """Listen to the windows."""

    def redraw(ack: Ack, asked: Asked) -> None:
        ack()
        _fill(asked, asked.view["id"], match_window.window_of(asked.view))

    for menu in (match_window.SHOW, match_window.TIER, match_window.ENABLED, match_window.UNIT):
        app.action(menu)(redraw)

    @app.action(ids.paging(match_window.TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        _fill(asked, asked.view["id"], replace(match_window.window_of(asked.view), page=asked.row()[0]))

    @app.action(match_window.TICK_PATTERN)
    def tick(ack: Ack) -> None:
        ack()  # what is ticked comes with the button that is pressed then

    @app.action(match_window.TICK_ALL)
    def tick_all(ack: Ack, asked: Asked) -> None:
        ack()
        _fill(asked, asked.view["id"], replace(match_window.window_of(asked.view), all=True))

    @app.action(match_window.UNTICK)
    def untick(ack: Ack, asked: Asked) -> None:
        ack()
        _fill(asked, asked.view["id"], replace(match_window.window_of(asked.view), all=False))

    @app.view(match_window.WINDOW)
    def searched(ack: Ack, asked: Asked) -> None:
        with asked.services.database.reading() as session:
            page = overview.page(session, _here(asked).id, match_window.window_of(asked.view))
        ack(response_action="update", view=match_window.window(page, asked.operator.key))

    @app.options(match_window.UNIT)
    def units(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        ack(options=_units(asked, str(body.get("value", "")), every=True))

    @app.options(match_window.RECORD)
    def records(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        with asked.services.database.reading() as session:
            rows = _mine(asked, session, match_window.chosen_matches(asked.view))
            found = search(session, rows[0], parts.unescape(str(body.get("value", ""))), limit=_OPTIONS_MOST)
        ack(options=match_window.record_options(found))

    @app.view(match_window.CHOOSING)
    def chosen(ack: Ack, asked: Asked) -> None:
        _chosen(ack, asked)

    @app.action(match_window.RULES_OPEN)
    def rules(ack: Ack, asked: Asked) -> None:
        ack()
        memo = parts.memo_for(asked.operator.key, _here(asked).id)
        opened = asked.opens(parts.loading("Ignore rules", memo=memo))
        view = _rules(asked, match_window.window_of(asked.view))
        asked.client.views_update(view_id=opened["id"], hash=opened["hash"], view=view)

    @app.action(ids.paging(match_window.RULES_TURN))
    def turn_rules(ack: Ack, asked: Asked) -> None:
        ack()
        view = _rules(asked, match_window.window_beneath(asked.view), page=asked.row()[0])
        asked.client.views_update(view_id=asked.view["id"], view=view)

    @app.action(match_window.RULE_REMOVE)
    def remove_rule(ack: Ack, asked: Asked) -> None:
        ack()
        organization, rule_id = _here(asked), asked.row()[0]
        with asked.writing() as session:
            here = session.get_one(Organization, organization.id)
            decision = ignoring.remove_rule(session, asked.services.trail, asked.operator, here, rule_id)
        if not decision.allowed:
            raise NotPermitted(decision.reason)
        view = _rules(asked, match_window.window_beneath(asked.view), told=["The rule was taken back."])
        asked.client.views_update(view_id=asked.view["id"], view=view)
        _redraw_beneath(asked)

    @app.options(match_window.RULE_UNIT)
    def rule_units(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        ack(options=_units(asked, str(body.get("value", "")), every=False))

    @app.view(match_window.RULES)
    def add_rule(ack: Ack, asked: Asked) -> None:
        organization = _here(asked)
        value = match_window.chosen_option(asked.view, match_window.UNIT_FIELD)
        with asked.services.database.reading() as session:
            unit = find_unit(session, organization.id, value or "")
        if unit is None:
            raise WrongFields({match_window.UNIT_FIELD: "Choose the OU whose accounts are to be left alone."})
        with asked.writing() as session:
            here = session.get_one(Organization, organization.id)
            decision = ignoring.add_rule(session, asked.services.trail, asked.operator, here, unit)
        if not decision.allowed:
            raise WrongFields({match_window.UNIT_FIELD: decision.reason})
        told = [f"Everybody in *{parts.escape(unit, 200)}* is left alone from now on."]
        ack(response_action="update", view=_rules(asked, match_window.window_beneath(asked.view), told=told))
        _redraw_beneath(asked)


# ---- the window with all matches -------------------------------------------------------------------------------------


def open_window(asked: Asked, window: Window) -> None:
    """Open the window: at once, then with what is in it."""
    memo = parts.memo_for(asked.operator.key, _here(asked).id, window=asdict(window))
    opened = asked.opens(parts.loading("Matches", memo=memo, callback_id=match_window.WINDOW))
    _fill(asked, opened["id"], window, hash=opened["hash"])


def decide(asked: Asked, verb: Verb, done: str) -> None:
    """Do it to everything that is ticked, and say what became of it."""
    organization, window = _here(asked), match_window.window_of(asked.view)
    organization_id, found = asked.row()
    asked.here(organization_id)
    view_id = asked.view["id"]
    if window.all:
        told = _decide_all(asked, verb, done, window, found)
        _fill(asked, view_id, replace(window, all=False), told)
        return
    ticked = match_window.ticked(asked.view)
    if not ticked:
        _fill(asked, view_id, window, ["*Tick the accounts first.* Nothing was changed."])
        return
    with asked.writing() as session:
        outcomes = verb(session, asked.services.trail, asked.operator, list(ticked), ticked, organization.id)
        touch(session, MATCH_REVIEW, organization.id)
    _fill(asked, view_id, window, matches.told_of_many(outcomes, done))


def _decide_all(asked: Asked, verb: Verb, done: str, window: Window, found: int) -> list[str]:
    """Everything that fits the choice, provided that it is as much as the person was shown."""
    organization, outcomes = _here(asked), list[Outcome]()
    with asked.writing() as session:
        everything = overview.everything(session, organization.id, window)
        if len(everything) != found:
            return [f"*{len(everything):,} accounts fit now, not {found:,}.* Nothing was changed: look again."]
        touch(session, MATCH_REVIEW, organization.id)
    for portion in portions(everything):  # each in a transaction of its own: others must get their turn
        with asked.services.database.writing() as session:
            outcomes += verb(session, asked.services.trail, asked.operator, portion, None, organization.id)
    return matches.told_of_many(outcomes, done)


def _fill(asked: Asked, view_id: str, window: Window, told: Sequence[str] = (), hash: str | None = None) -> None:
    with asked.services.database.reading() as session:
        page = overview.page(session, _here(asked).id, window, told)
    view = match_window.window(page, asked.operator.key)
    asked.client.views_update(view_id=view_id, hash=hash, view=view)


def _redraw_beneath(asked: Asked, told: Sequence[str] = ()) -> None:
    """The window beneath the one this was done in, where there is one, shows what has become of it."""
    beneath, window = asked.view.get("previous_view_id"), match_window.window_beneath(asked.view)
    if beneath and window is not None:
        _fill(asked, beneath, window, told)


# ---- choosing a record -----------------------------------------------------------------------------------------------


def choose_for_ticked(asked: Asked) -> None:
    """Choose one record for what is ticked in the window."""
    window, ticked = match_window.window_of(asked.view), match_window.ticked(asked.view)
    if ticked and len(ticked) <= match_window.CHOSEN_MOST:
        choose(asked, list(ticked), window)
        return
    _fill(asked, asked.view["id"], window, [f"*Tick one account, or up to {match_window.CHOSEN_MOST}, first.*"])


def choose(asked: Asked, wanted: Sequence[int], window: Window | None = None) -> None:
    """Open the window for choosing a record: who may not match these accounts is refused here already."""
    with asked.services.database.reading() as session:
        rows = _mine(asked, session, wanted)
        shown = overview.shown(session, rows)
    organization = _here(asked)
    memo = parts.memo_for(asked.operator.key, organization.id)
    opened = asked.opens(parts.loading("Choose a record", memo=memo))
    view = match_window.choosing(shown, asked.operator.key, organization.id, window=window)
    asked.client.views_update(view_id=opened["id"], hash=opened["hash"], view=view)


def _chosen(ack: Ack, asked: Asked) -> None:
    organization, versions = _here(asked), match_window.chosen_matches(asked.view)
    value = match_window.chosen_option(asked.view, match_window.RECORD_FIELD)
    if value is None:
        raise WrongFields({match_window.RECORD_FIELD: "Choose a record."})
    record_id, _ = asked.read(value)
    with asked.writing() as session:
        outcomes = review.choose(
            session, asked.services.trail, asked.operator, list(versions), record_id, versions, organization.id
        )
        touch(session, MATCH_REVIEW, organization.id)
    told = matches.told_of_many(outcomes, "approved")
    if not any(each.done or each.first for each in outcomes):
        reasons = " ".join(dict.fromkeys(each.reason for each in outcomes))
        raise WrongFields({match_window.RECORD_FIELD: parts.clean(reasons, 500)})
    if all(each.done and not each.reason for each in outcomes):
        ack()
    else:
        view = match_window.said("Matches", told, asked.operator.key, organization.id)
        ack(response_action="update", view=view)
    _redraw_beneath(asked, told)


def _mine(asked: Asked, session: Session, wanted: Sequence[int] | Mapping[int, int]) -> list[MatchRow]:
    """These matches, all of them of this organization and such as the person may match; `Refusal` otherwise."""
    found = get_matches(session, list(wanted))
    rows = [found[each] for each in wanted if each in found]
    if not rows or len(rows) < len(wanted):
        raise Refusal("That account is not there any more. Nothing was changed.")
    for row in rows:
        asked.here(row.organization.id)
        asked.allow(may_match(asked.operator, row.organization.id, Tier(row.account.tier)))
    return rows


# ---- ignore rules ----------------------------------------------------------------------------------------------------


def _rules(asked: Asked, window: Window | None, page: int = 1, told: Sequence[str] = ()) -> dict[str, Any]:
    organization = _here(asked)
    with asked.services.database.reading() as session:
        shown = overview.rules_shown(session, organization.id)
    return match_window.rules(shown, asked.operator.key, organization.id, page, told, window)


def _units(asked: Asked, typed: str, *, every: bool) -> list[parts.Element]:
    with asked.services.database.reading() as session:
        found = overview.units(session, _here(asked).id, parts.unescape(typed))
    return match_window.unit_options(found, every=every)


def _here(asked: Asked) -> Organization:
    if asked.organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    return asked.organization
