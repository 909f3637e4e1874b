"""The review card: which account goes with which record, and what can be decided about each."""

from collections.abc import Mapping, Sequence

from slack_sdk.models.blocks import ConfirmObject

from blocks import ids, parts
from blocks.drawn import Drawn
from blocks.parts import Block, Element, escape
from bot.matching.overview import CARD_ROWS, Card, Read, Shown
from bot.matching.review import Outcome
from storage.matches import UNDECIDED
from storage.models import MatchState, Tier

APPROVE, IGNORE, REOPEN = "match.approve", "match.ignore", "match.reopen"
CHOOSE, CREATE_RECORD = "match.choose", "match.create_record"
LINK = "accounts.link"
APPROVE_ALL = "match.approve_all"
CARD_TURN = "match.card"
REVIEW = "match.review"

MARKS: Mapping[MatchState, str] = {
    MatchState.SUGGESTED: "🟢",
    MatchState.SEVERAL: "🟡",
    MatchState.NONE: "⚪",
    MatchState.APPROVED: "✅",
    MatchState.IGNORED: "➖",
}

_CANDIDATES_MOST = 3
_LEFT_MOST = 5
_DIRECTORIES_MOST = 4


def review_card(card: Card) -> Drawn:
    """The card of an organization's channel: some matches, what to decide on each, and what is left."""
    blocks = [parts.header(f"Matches of {parts.clean(card.organization, 100)}"), parts.section(counted(card.counts))]
    if not card.rows:
        blocks.append(parts.section(_nothing_to_show(card)))
    for row in card.rows:
        blocks += _row(row)
    blocks += _below(card)
    matched, ignored = card.counts[MatchState.APPROVED], card.counts[MatchState.IGNORED]
    title = f"Matches of {escape(card.organization, 100)}"
    return Drawn(f"{title}: {card.open:,} to review, {matched:,} matched, {ignored:,} ignored.", blocks)


def counted(counts: Mapping[MatchState, int]) -> str:
    """How many stand where, with what the marks mean."""
    words = (
        (MatchState.SUGGESTED, "exact"),
        (MatchState.SEVERAL, "several possible"),
        (MatchState.NONE, "no record"),
        (MatchState.APPROVED, "matched"),
        (MatchState.IGNORED, "ignored"),
    )
    return "   ".join(f"{MARKS[state]} *{counts[state]:,}* {word}" for state, word in words)


def described(row: Shown) -> str:
    """One match in mrkdwn, on two or three lines: whose, with which record, and what is to know about it."""
    name = f"  {escape(row.display_name, 60)}" if row.display_name else ""
    facts = [f"*{row.tier}*"] if row.tier is not Tier.PERSON else []
    facts += [escape(row.unit, 60)] if row.unit else []
    facts += ["gone from its directory"] if row.gone else []
    account = f"{MARKS[row.state]} {parts.account(row.domain, row.username)}{name}"
    lines = ["  ·  ".join([account, *facts]), _standing(row)]
    if row.vaulted:
        lines.append(f"🔒 _Not Permitted:_ {escape(row.vaulted, 200)}")
    if row.restricted:
        lines.append("🔐 Restricted in its vault, so it counts as *privileged*: an administrator decides.")
    if row.guard:
        lines.append(f"_Not rotated for now:_ {escape(row.guard, 150)}")
    return "\n".join(lines)


def told(outcome: Outcome) -> str:
    """What became of one match, and who was first where somebody was."""
    text = escape(outcome.reason, 600)
    if outcome.first_at is None:
        return text
    first = f"by {parts.person(outcome.first_by)} {parts.moment(outcome.first_at)}"
    return text.replace(escape(outcome.first, 200), first)


def told_of_many(outcomes: Sequence[Outcome], done: str) -> list[str]:
    """What became of many: how many are `done` ("approved"), and why the others are as they were."""
    left = [outcome for outcome in outcomes if not outcome.done]
    sentences = [f"*{parts.count(len(outcomes) - len(left), 'match', 'matches')} {done}.*"]
    if left:
        stays = "is as it was" if len(left) == 1 else "are as they were"
        sentences.append(f"*{parts.count(len(left), 'other', 'others')} {stays}:*")
        sentences += [f"• {told(outcome)}" for outcome in left[:_LEFT_MOST]]
    if len(left) > _LEFT_MOST:
        sentences.append(f"• and {len(left) - _LEFT_MOST:,} more")
    notes = [outcome for outcome in outcomes if outcome.done and outcome.reason]
    sentences += [f"• {told(outcome)}" for outcome in notes[:1]] if len(outcomes) == 1 else []
    return sentences


def named(row: Shown, text: str, element: Element) -> Element:
    """The button, with the account in its name: for those who hear the card instead of seeing it."""
    return {**element, "accessibility_label": parts.clean(f"{text} {row.domain}\\{row.username}", 75)}


def directory(read: Read) -> str:
    """When a directory was last read, in mrkdwn."""
    name = escape(read.directory, 60)
    last = f"last read {parts.moment(read.synced_at)}" if read.synced_at else "never read"
    if read.trouble:
        return f"⚠️ {name}, {last}: {escape(read.trouble, 250)}"
    return f"{name}: being read now" if read.asked else f"{name}: {last}"


def create_confirm(accounts: str) -> ConfirmObject:
    """Asked before records are created."""
    return parts.confirm(
        "Create a record?",
        f"For {accounts}, in the organization's vault, and matched. It has no password until the first rotation sets "
        "one: nobody knows the present one.",
        "Create",
    )


def _row(row: Shown) -> list[Block]:
    value = ids.value(row.match_id, row.version)
    if row.state not in UNDECIDED:
        return [parts.section(described(row), named(row, "Reopen", parts.button("Reopen", REOPEN, value)))]
    ignore = named(row, "Ignore", parts.button("Ignore", IGNORE, value))
    if row.state is MatchState.SUGGESTED:
        approve = named(row, "Approve", parts.button("Approve", APPROVE, value, style="primary"))
        choose = named(row, "Choose another record for", parts.button("Choose another record…", CHOOSE, value))
        decisions = [ignore, choose] if row.vaulted else [approve, ignore, choose]
        return [parts.section(described(row)), parts.actions(*decisions)]
    choose = named(row, "Choose a record for", parts.button("Choose a record…", CHOOSE, value))
    shown = parts.account(row.domain, parts.shorten(row.username, 60))
    create = parts.button("Create a record", CREATE_RECORD, value, confirm=create_confirm(shown))
    link = [named(row, "Same person as", parts.button("Same person…", LINK, value, confirm=_link_confirm(row)))]
    return [
        parts.section(described(row)),
        parts.actions(*(link if row.namesakes else ()), choose, named(row, "Create a record for", create), ignore),
    ]


def _link_confirm(row: Shown) -> ConfirmObject:
    others = ", ".join(parts.shorten(each, 60) for each in row.namesakes[:_CANDIDATES_MOST])
    return parts.confirm(
        "The same person?",
        f"{parts.clean(row.domain, 60)}\\{parts.clean(row.username, 60)} and {parts.clean(others, 200)} may share a "
        "record then, and get one password. By itself this changes none. That takes an administrator.",
        "Same person",
    )


def _standing(row: Shown) -> str:
    by = f" by {parts.person(row.decided_by)} {parts.moment(row.decided_at)}" if row.decided_at else ""
    if row.state is MatchState.SUGGESTED:
        return f"Exact: *{parts.linked(row.record, row.link, 120)}*"
    if row.state is MatchState.APPROVED:
        return f"→ *{parts.linked(row.record, row.link, 120)}*  ·  approved{by}"
    if row.state is MatchState.IGNORED:
        return f"Ignored{by or ' by an ignore rule'}"
    if row.state is MatchState.NONE:
        return "No exact record."
    names = [escape(each, 80) for each in row.candidates[:_CANDIDATES_MOST]]
    more = len(row.candidates) - len(names)
    return f"Several possible — {'; '.join(names)}{f'; and {more:,} more' if more > 0 else ''}"


def _nothing_to_show(card: Card) -> str:
    if not sum(card.counts.values()):
        return "No account is known yet. `/rotate sync` reads the directories."
    return "Nothing to review: every account is matched or ignored."


def _below(card: Card) -> list[Block]:
    buttons = []
    exact = card.counts[MatchState.SUGGESTED]
    if exact:
        question = parts.confirm(
            f"Approve all exact ({exact:,})?",
            "Every exact suggestion is approved, on this page or not. That allows rotating those passwords when "
            "somebody asks for it; it changes none by itself.",
            "Approve all",
        )
        value = ids.value(card.organization_id, exact)
        text = f"Approve all exact ({exact:,})"
        buttons.append(parts.button(text, APPROVE_ALL, value, style="primary", confirm=question))
    if card.offset:
        back = ids.value(card.organization_id, max(0, card.offset - CARD_ROWS))
        buttons.append(parts.button("◀ Back", f"{CARD_TURN}:back", back))
    if card.next_offset < card.open:
        on = ids.value(card.organization_id, card.next_offset)
        buttons.append(parts.button("More ▶", f"{CARD_TURN}:on", on))
    buttons.append(parts.button("All matches…", REVIEW, ids.value(card.organization_id)))
    shown = len([row for row in card.rows if row.state in UNDECIDED])
    last = card.offset + shown
    span = f"{card.offset + 1:,} to {last:,} of" if shown > 1 else f"{last:,} of"
    place = f"{span} {card.open:,} to review. " if shown else ""
    consent = f"{place}Approving is the consent to rotate; by itself it changes no password."
    return [parts.actions(*buttons), parts.context(consent, *map(directory, card.directories[:_DIRECTORIES_MOST]))]
