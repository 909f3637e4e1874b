"""Matches on the review card: approve, ignore, reopen, create a record, turn the page; and `/rotate match`, `sync`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import ids, matches, parts
from blocks.drawn import Drawn
from bot import discovery
from bot.matching import linking, overview, review
from bot.matching.overview import Window
from bot.matching.review import Outcome
from bot.notices import Draw
from bot.services import Services
from handlers import match_window
from handlers.context import Asked
from handlers.people import Refusal
from handlers.rotate_command import Word
from storage.matches import get_matches, match_ids
from storage.models import MatchState, Notice, Organization
from storage.notices import MATCH_REVIEW, post, show, touch

Verb = Callable[..., list[Outcome]]

VERBS: Mapping[str, tuple[Verb, str]] = {
    matches.APPROVE: (review.approve, "approved"),
    matches.IGNORE: (review.ignore, "ignored"),
    matches.REOPEN: (review.reopen, "reopened"),
    matches.CREATE_RECORD: (review.create_record, "given a record of its own"),
    matches.LINK: (linking.link_namesakes, "linked"),
}
"""Each command with what it does, and what a match is then."""


def register(app: App, _services: Services) -> None:
    """Listen to the card, and to the windows it opens."""

    def decide(ack: Ack, asked: Asked) -> None:
        ack()
        verb, done = VERBS[asked.what]
        if asked.where == "modal":
            match_window.decide(asked, verb, done)
        else:
            _decide(asked, verb)

    for command in VERBS:
        app.action(command)(decide)

    @app.action(matches.APPROVE_ALL)
    def approve_all(ack: Ack, asked: Asked) -> None:
        ack()
        organization = _card_of(asked)
        organization_id, exact = asked.row()
        asked.here(organization_id)
        with asked.writing() as session:
            there = len(match_ids(session, organization.id, MatchState.SUGGESTED))
            touch(session, MATCH_REVIEW, organization.id)
            outcomes = []
            if there == exact:
                outcomes = review.approve_all_exact(session, asked.services.trail, asked.operator, organization.id)
        if there != exact:
            asked.answer(f"There are {there:,} exact suggestions now, not {exact:,}. Nothing was approved: look again.")
        else:
            asked.answer("\n".join(matches.told_of_many(outcomes, "approved")))

    @app.action(ids.paging(matches.CARD_TURN))
    def turn(ack: Ack, asked: Asked) -> None:
        ack()
        organization = _card_of(asked)
        organization_id, offset = asked.row()
        asked.here(organization_id)
        with asked.writing() as session:
            if asked.notice is not None:
                show(session, asked.notice.id, overview.card_view(session, organization.id, offset))

    @app.action(matches.CHOOSE)
    def choose(ack: Ack, asked: Asked) -> None:
        ack()
        if asked.where == "modal":
            match_window.choose_for_ticked(asked)
        else:
            _card_of(asked)
            match_window.choose(asked, [asked.row()[0]])

    @app.action(matches.REVIEW)
    def look(ack: Ack, asked: Asked) -> None:
        ack()
        asked.here(asked.row()[0])
        match_window.open_window(asked, Window())

    match_window.register(app)


def _decide(asked: Asked, verb: Verb) -> None:
    organization = _card_of(asked)
    match_id, version = asked.row()
    with asked.writing() as session:
        there = bool(get_matches(session, [match_id]))
        outcomes = verb(session, asked.services.trail, asked.operator, [match_id], {match_id: version}, organization.id)
        touch(session, MATCH_REVIEW, organization.id)
    if not there:
        raise Refusal("That account is not there any more. Nothing was changed.")
    _say(asked, outcomes)


def _say(asked: Asked, outcomes: Sequence[Outcome]) -> None:
    sentences = [matches.told(outcome) for outcome in outcomes if outcome.reason]
    if sentences:
        asked.answer("\n".join(sentences))


def _card_of(asked: Asked) -> Organization:
    """The organization of the review card this was pressed on; `Refusal` for anything pressed elsewhere."""
    if asked.organization is None or asked.notice is None or asked.notice.kind != MATCH_REVIEW:
        raise Refusal("This button counts on the card of matches only. `/rotate match` shows it.")
    return asked.organization


def _match(asked: Asked, rest: str) -> None:
    """The card, at the end of the organization's channel; elsewhere, or with a name, the window."""
    organization = asked.organization
    if organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    if rest or asked.channel is None or asked.channel != organization.channel:
        match_window.open_window(asked, Window(show="all" if rest else "unmatched", text=rest[:100]))
        return
    with asked.writing() as session:
        post(
            session,
            kind=MATCH_REVIEW,
            subject=organization.id,
            address=asked.channel,
            organization_id=organization.id,
            view=overview.card_view(session, organization.id),
            anew=True,
        )


def _sync(asked: Asked, _rest: str) -> None:
    """Read the organization's directories anew."""
    organization = asked.organization
    if organization is None:
        raise Refusal("This is about one organization. Type it in its channel.")
    with asked.writing() as session:
        names = discovery.ask_sync(session, asked.services.trail, asked.operator, organization.id)
    shown = ", ".join(parts.escape(name, 60) for name in names)
    asked.answer(f"{shown}: being read now. `/rotate match` shows what comes of it, and when it was read.")


def _draw(session: Session, notice: Notice) -> Drawn:
    view: Mapping[str, Any] = notice.view
    return matches.review_card(overview.card(session, notice.subject, view))


WORDS = [
    Word("match", _match, "which account goes with which record: approve, ignore, choose", "[NAME]"),
    Word("sync", _sync, "read the directories anew"),
]
DRAWS: Mapping[str, Draw] = {MATCH_REVIEW: _draw}
