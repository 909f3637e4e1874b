"""Whatever is sent, Slack answers in its own words: no nonsense brings out a stack trace."""

import copy
import json
from typing import Any

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.demo.slack.validation import Offence, validate
from bot.demo.slack.web_api import METHODS

from .conftest import World
from .gallery import every_input_modal, every_message

NAMES = ["channel", "users", "user", "text", "blocks", "view", "ts", "limit", "cursor", "types", "metadata"]
NAMES += ["attachments", "thread_ts", "oldest", "latest", "inclusive", "trigger_id", "view_id", "hash", "name", "email"]
WORDS = sorted({"type", "text", "elements", "blocks", "options", "value", "element", "rows", "title", "action_id"})
TYPES = sorted({block["type"] for blocks in every_message() for block in blocks} | {"modal", "home", "plain_text"})
VALID = [every_input_modal(), *({"blocks": one} for one in every_message())]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TYPES)
nonsense = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), inner),
    max_leaves=12,
)


@given(nonsense)
@settings(deadline=None, max_examples=200)
def test_the_validator_never_stumbles(payload: Any) -> None:
    for offence in validate({"text": "x", "blocks": payload}) + validate({"type": "modal", "blocks": payload}):
        assert isinstance(offence, Offence)


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_valid_payload_with_one_thing_replaced_is_judged_not_stumbled_over(data: st.DataObject) -> None:
    payload: Any = copy.deepcopy(VALID[data.draw(st.integers(0, len(VALID) - 1))])
    node = payload
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))  # slack_sdk's own order varies
        key = data.draw(st.sampled_from(keys))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            node[key] = data.draw(nonsense)
            break
        node = inner
    validate(payload)


def test_every_method_answers_nonsense_with_an_error_of_its_own(world: World) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {world.running.app.bot_token}"
    session.headers["Content-Type"] = "application/json"

    @given(st.sampled_from(sorted(METHODS)), st.dictionaries(st.sampled_from(NAMES), nonsense, max_size=5))
    @settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
    def answers(method: str, arguments: dict[str, Any]) -> None:
        if "channel" in arguments:
            arguments["channel"] = world.general
        body = json.dumps(arguments)  # with NaN and Infinity, which Python's json reads and Slack's does not
        answer = session.post(f"{world.running.api_url}{method}", data=body, timeout=10)
        assert answer.status_code == 200, (method, arguments, answer.text)
        assert isinstance(answer.json()["ok"], bool)

    answers()
    session.close()
