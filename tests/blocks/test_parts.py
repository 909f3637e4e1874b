"""Text from outside is harmless wherever it stands, and every part keeps to Slack's limits."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import ids, parts
from bot.demo.slack.validation import check
from bot.errors import BadInput

ANY = st.text(max_size=400)


@given(ANY, st.integers(2, 300))
def test_clean_text_is_one_visible_line_of_bounded_length(text: str, most: int) -> None:
    cleaned = parts.clean(text, max(most, 10))
    assert 0 < len(cleaned) <= max(most, 10)
    assert not [each for each in cleaned if unicodedata.category(each) in ("Cc", "Cf", "Cs")]
    assert cleaned == cleaned.strip()


@given(ANY)
def test_escaped_text_mentions_nobody_links_nowhere_and_formats_nothing(text: str) -> None:
    escaped = parts.escape(text)
    assert len(escaped) <= 300
    assert not set("<>*~`") & set(escaped)
    assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", escaped), "an escape was cut in two"


@given(ANY)
def test_what_slack_escaped_reads_as_it_was_typed(text: str) -> None:
    as_slack_sends = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert parts.unescape(as_slack_sends) == text


@given(ANY)
def test_every_part_takes_any_text(text: str) -> None:
    confirm = parts.confirm(text or "x", parts.sentence(text) or "x", "Yes")
    button = parts.button(parts.clean(text), ids.word("status"), ids.value(7), confirm=confirm)
    blocks = [
        parts.header(text),
        parts.section(f"{parts.escape(text)} {parts.account(text, text)} {parts.person(text)}", button),
        parts.context(parts.escape(text)),
        parts.divider(),
        parts.actions(parts.link(parts.clean(text), "https://vault.example/1", "record")),
        *parts.paging("home.page", 2, 3),
    ]
    check({"text": parts.escape(text), "blocks": blocks})
    check(parts.modal(text, blocks, submit=text, memo=parts.memo_for("U1", 1)))
    check(parts.loading(text))
    check(parts.home(blocks))


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**9 - 1))
def test_a_value_reads_as_it_was_written(row_id: int, version: int) -> None:
    assert ids.read_value(ids.value(row_id, version)) == (row_id, version)


@pytest.mark.parametrize("value", [None, "", "1.", ".1", "1.2.3", " 1", "1\n", "٣", "+1", "-1", "1e3", "9" * 19])
def test_a_value_that_is_none_is_refused(value: str | None) -> None:
    with pytest.raises(BadInput):
        ids.read_value(value)


@pytest.mark.parametrize("action", ["match.approve", "rotate.a.b", "xrotate.all", "rotate.ALL", "link.", "home.pages"])
def test_what_changes_something_is_no_opening(action: str) -> None:
    assert not ids.is_opening(action)


@pytest.mark.parametrize("action", ["rotate.all", "link.record", "home.page", "home.page:on"])
def test_what_only_opens_something_is_an_opening(action: str) -> None:
    assert ids.is_opening(action)


@given(st.integers(0, 20_000), st.integers(0, 10_000))
def test_a_bar_is_full_only_when_all_is_done(done: int, total: int) -> None:
    drawn = parts.bar(done, total)
    assert drawn.count("█") + drawn.count("░") == 20
    assert ("░" not in drawn) is (total > 0 and done >= total)


@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(-5, 20_000))
def test_a_page_that_is_not_there_is_the_nearest_one(items: int, size: int, asked: int) -> None:
    page, pages, first = parts.page_of(items, size, asked)
    assert 1 <= page <= pages
    assert first == (page - 1) * size
    assert first < max(items, 1)
    assert pages * size >= items


def test_a_time_is_shown_in_the_readers_zone_and_in_utc_where_that_is_not_known() -> None:
    at = datetime(2026, 11, 22, 13, 5, tzinfo=timezone(timedelta(hours=1)))
    assert parts.moment(at) == f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|2026-11-22 12:05 UTC>"
    assert parts.moment(at) == parts.moment(at.astimezone(UTC))


def test_people_are_named_by_slack_and_the_command_line_by_key() -> None:
    assert parts.person("U012AB3CD") == "<@U012AB3CD>"
    assert parts.person("cli:joe@host") == "`cli:joe@host`"
    assert parts.person("U1> <!channel") == "`U1&gt; &lt;!channel`"
    assert parts.person(None) == "`somebody`"


@pytest.mark.parametrize("memo", ["[]", "1", '"x"', "{", "null"])
def test_a_memo_that_is_none_is_refused(memo: str) -> None:
    with pytest.raises(BadInput):
        parts.memo_of({"private_metadata": memo})


def test_a_memo_comes_back_as_it_was_kept() -> None:
    view = parts.modal("Title", [parts.divider()], memo=parts.memo_for("U1", 7, page=2))
    assert parts.memo_of(view) == {"for": "U1", "organization": 7, "page": 2}
