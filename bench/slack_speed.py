"""How fast the pretend Slack is, against what it has to reach.

It has to take 300 chat.postMessage a second, and a channel of 10,000 messages has to open within a second.
"""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from playwright.sync_api import Page, sync_playwright
from slack_sdk import WebClient

from bot.demo.slack.server import RunningSlack
from bot.demo.slack.workspace import Message

POSTS = 1_500
CALLERS = 4
POSTS_WANTED = 300  # a second
MESSAGES = 10_000
OPENING_WANTED = 1.0  # seconds
OPENINGS = 5

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "Bench"},
    "oauth_config": {"scopes": {"bot": ["chat:write"]}},
    "settings": {"socket_mode_enabled": True},
}
CARD: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Rotated* `svc-backup` at <!date^1700000000^{time}|ten>"}},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "text": {"type": "plain_text", "text": "Show"}, "action_id": "show", "value": "1"},
            {"type": "button", "text": {"type": "plain_text", "text": "Again"}, "action_id": "again", "value": "1"},
        ],
    },
]


def fill(running: RunningSlack) -> tuple[str, str]:
    """A channel to post into and one that is already full."""
    workspace = running.slack.workspace
    alice = workspace.add_person("alice")
    empty = workspace.add_channel("empty", [alice.id, running.app.bot_user_id])
    full = workspace.add_channel("full", [alice.id, running.app.bot_user_id])
    for number in range(MESSAGES):
        workspace.post(Message(workspace.new_ts(), full.id, alice.id, f"message {number}", blocks=[]))
    return empty.id, full.id


def posts_a_second(running: RunningSlack, channel: str, callers: int) -> float:
    """Messages with blocks a second, posted by this many callers side by side."""
    client = WebClient(running.app.bot_token, base_url=running.api_url)

    def post(number: int) -> None:
        client.chat_postMessage(channel=channel, text=f"card {number}", blocks=CARD)

    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(post, range(POSTS)))
    return POSTS / (time.perf_counter() - started)


def seconds_to_open(running: RunningSlack, page: Page, channel: str) -> float:
    """From asking for the page to the newest message being on screen, in a fresh tab."""
    started = time.perf_counter()
    page.goto(f"{running.url}/#{channel}")
    page.get_by_text(f"message {MESSAGES - 1}", exact=True).wait_for()
    return time.perf_counter() - started


def run() -> Iterator[str]:
    """Every figure with how it compares."""
    with RunningSlack(MANIFEST) as running:
        empty, full = running.call(lambda: fill(running))
        for callers in (1, CALLERS):
            rate = posts_a_second(running, empty, callers)
            yield f"chat.postMessage, {callers} caller(s): {rate:.0f}/s, {rate / POSTS_WANTED:.1f} × the wanted rate"
        found = shutil.which("chromium") or shutil.which("google-chrome")
        if found is None:
            yield "opening the page: not measured, there is no Chromium (Debian: apt-get install chromium)"
            return
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
            times = []
            for _ in range(OPENINGS):
                context = browser.new_context()
                times.append(seconds_to_open(running, context.new_page(), full))
                context.close()
            browser.close()
        usual, worst = median(times), max(times)
        yield (
            f"opening {MESSAGES} messages: {usual:.2f} s usually ({OPENING_WANTED / usual:.1f} × as fast as wanted), "
            f"{worst:.2f} s at worst ({OPENING_WANTED / worst:.1f} ×)"
        )
