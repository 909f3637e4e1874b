"""Home and the overview, in every state and with every number of things, are what Slack takes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from blocks import home as drawing
from blocks.rotate_command import which_organization, words_card
from bot.demo.slack.validation import check
from bot.overview import Health, HomeView, Setup, Told, Waiting, Wishes, Work
from storage.models import Tell, Way

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = "<!channel> *bold* `code` :tada: \u202eevil\u200b " + "x" * 300
MANY = (0, 1, 11, 10_000)
NAMES = ("Acme Dental", HOSTILE, "", "\u200b")


def _health(name: str, many: int, *, frozen: bool = False) -> Health:
    counts = dict.fromkeys(("to_approve", "unmatched", "matched", "under_way", "failing", "stuck"), many)
    stopped = tuple(f"{name}-{number}" for number in range(min(many, 50)))
    by = "U123" if frozen else None
    return Health(7, name, "C123", stopped=stopped, frozen_at=AT if frozen else None, frozen_by=by, **counts)


def wishes_of(name: str, many: int) -> Wishes:
    ways = list(Way)
    apart = tuple((number + 1, f"{name}{number}", Told(ways[number % 4], Tell.FAILURES)) for number in range(many))
    return Wishes(Told(), apart, ways[many % 4], many % 24, "Europe/Berlin" if many else None, many > 1)


def _view(name: str, many: int) -> HomeView:
    works = tuple(
        Work(
            number, name, "C1", "cli:joe@host", number % 2 == 0, number, many, 2 * many, AT, AT if number % 3 else None
        )
        for number in range(min(many, 200))
    )
    return HomeView(
        healths=tuple(_health(name, many, frozen=number % 2 == 0) for number in range(min(many, 8))),
        page=1,
        pages=max(1, many // 8),
        work=works,
        results=works[:5],
        wishes=wishes_of(name, many),
        administers=True,
        waiting=tuple(Waiting(name, what, "U1", AT) for what in ("rotate", "reveal", "ceiling", "?")) * many,
        setups=tuple(Setup(number, name, ("It has no channel yet.",)) for number in range(many)),
        troubles=((name, "The channel was archived."),) * many,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("many", MANY)
def test_slack_takes_home_whatever_is_on_it(name: str, many: int) -> None:
    check(drawing.home(_view(name, many)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("frozen", [True, False])
def test_slack_takes_the_overview_whatever_is_on_it(name: str, many: int, frozen: bool) -> None:
    text, blocks = drawing.overview(_health(name, many, frozen=frozen))
    check({"text": text, "blocks": blocks})


@pytest.mark.parametrize("name", NAMES)
def test_slack_takes_what_the_command_itself_says(name: str) -> None:
    check(drawing.nobody(name or "No."))
    check({"text": "Which?", "blocks": which_organization("now", name[:200])})
    text, blocks = words_card([(f"/rotate word{number}", "does something") for number in range(20)])
    check({"text": text, "blocks": blocks})


def _formatted(part: Any) -> Iterator[str]:
    """Every text in which Slack would see mentions and formatting."""
    if isinstance(part, dict):
        if part.get("type") == "mrkdwn":
            yield part["text"]
        for inner in part.values():
            yield from _formatted(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _formatted(inner)


def test_text_from_outside_mentions_nobody_and_hides_nothing() -> None:
    home = drawing.home(_view(HOSTILE, 1))
    text, blocks = drawing.overview(_health(HOSTILE, 1))
    formatted = "".join([text, *_formatted(home), *_formatted(blocks)])
    assert "evil" in formatted
    assert "<!channel>" not in formatted
    assert "*bold*" not in formatted
    assert not {"\u202e", "\u200b"} & set(json.dumps([home, text, blocks], ensure_ascii=False))
