"""kill -9 of the process that talks to Slack, at every boundary once: each message stands there exactly once."""

import multiprocessing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from storage.models import Notice, now
from storage.notices import withdraw
from tests.notices import child
from tests.notices.postroom import PostRoom
from tests.storage.databases import KINDS

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.child", "tests.notices.child"])


@dataclass(frozen=True)
class Scene:
    """A card and a direct message to be posted, a card to be edited and one to be taken away: places of its own."""

    number: int
    channel: str
    other: str
    person: str


def scene(room: PostRoom, number: int) -> Scene:
    """Everything owed, and Slack as it was before."""

    def places() -> None:
        workspace, bot = room.slack.workspace, room.running.app.bot_user_id
        person = workspace.add_person(f"reader{number}").id
        room.ids[f"reader{number}"] = person
        for name in ("new", "old"):
            room.ids[f"#{name}{number}"] = workspace.add_channel(f"{name}{number}", [bot, person]).id

    room.in_slack(places)
    first = number * 10
    room.viewers_too(f"reader{number}")
    room.card("to be edited", first + 1, f"#old{number}")
    room.drain()
    leaving = room.card("to be taken away", first + 2, f"#old{number}")
    room.drain()
    with room.database.writing() as session:
        withdraw(session, leaving)
    room.changes("edited", first + 1)
    room.card("posted", first + 3, f"#new{number}")
    room.card("told", first + 4, f"reader{number}")
    with room.database.writing() as session:
        for notice in room.notices():
            session.get_one(Notice, notice.id).due_at = now() - timedelta(seconds=1)
    room.outbox.let_go()
    return Scene(number, f"#new{number}", f"#old{number}", f"reader{number}")


def play(room: PostRoom, target: str | None = None, log: Path | None = None) -> int:
    """Send it in a child process until that dies at the target or ends; its exit code."""
    url = room.database.engine.url
    plain = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)
    arguments = (plain, room.running.api_url, room.running.app.bot_token, target, str(log) if log else None)
    process = _processes.Process(target=child.run, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the child never ended"
    return process.exitcode


@pytest.mark.parametrize("room", KINDS, indirect=True)
def test_killed_at_any_boundary_nothing_is_lost_and_nothing_is_posted_twice(room: PostRoom, tmp_path: Path) -> None:
    scene(room, 0)
    log = tmp_path / "boundaries"
    assert play(room, log=log) == 0
    boundaries = log.read_text().splitlines()
    assert {each.split("#")[0] for each in boundaries} >= {
        "before commit", "inside call", "before post", "after post", "after edit", "after delete", "after open_direct",
    }  # fmt: skip
    for number, boundary in enumerate(boundaries, start=1):
        here = scene(room, number)
        assert play(room, target=boundary) == -9, boundary
        room.drain()
        assert room.texts(here.channel) == ["posted"], boundary
        assert room.texts(here.person) == ["told"], boundary
        assert room.texts(here.other) == ["edited"], boundary
        for message in room.messages(here.channel) + room.messages(here.person):
            assert [each.ts for each in room.notices() if each.ts == message.ts] == [message.ts], boundary
