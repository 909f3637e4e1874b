"""The page's own doors: loopback only, for its own page only, and no file but its own."""

import requests

from bot.demo.slack.page_api import emoji_names

from .conftest import World


def test_only_its_own_page_may_act(world: World) -> None:
    act = f"{world.running.url}/client/act"
    body = {"as": world.alice, "do": "type", "channel": world.general, "text": "forged"}
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example:80"}, {"Content-Type": "text/plain"}):
        answer = requests.post(act, json=body, headers=headers, timeout=5)
        assert answer.status_code == 403, headers
    answer = requests.get(f"{world.running.url}/client/boot", headers={"Origin": "https://evil.example"}, timeout=5)
    assert answer.status_code == 403
    assert world.client.conversations_history(channel=world.general)["messages"] == []
    assert requests.post(act, json=body, timeout=5).json()["ok"]
    nobody = requests.post(act, json={**body, "as": "U404"}, timeout=5).json()
    assert nobody == {"ok": False, "error": "There is nobody with the id 'U404' who could act."}
    odd = requests.post(act, json={"as": world.alice, "do": "fly"}, timeout=5)
    assert (odd.status_code, odd.json()["ok"]) == (400, False)


def test_the_page_listens_on_loopback_and_brings_its_own_files(world: World) -> None:
    page = requests.get(world.running.url, timeout=5)
    assert world.running.url.startswith("http://127.0.0.1:")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("main.js", "style.css", "blocks.css"):
        assert requests.get(f"{world.running.url}/page/{name}", timeout=5).status_code == 200
    assert requests.get(f"{world.running.url}/page/../server.py", timeout=5).status_code == 404
    assert emoji_names()["tada"] == "🎉"
    assert emoji_names()["+1"] == "👍"
    assert emoji_names()["white_check_mark"] == "✅"
