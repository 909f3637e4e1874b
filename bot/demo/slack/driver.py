"""Drive the pretend Slack in the words of a person.

    alice = driver.member("alice")
    alice.types("/rotate match", in_="#acme")
    card = alice.sees("12 matches to review", in_="#acme")
    card.press("Approve")
    alice.modal("Rule").fill("Length", 20).submit()

Doing something returns at once, as a finger does; seeing waits, up to `patience` real seconds. Whatever a person
could not have done or seen raises `CouldNot`, which is an assertion failure.
"""

import re
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .interactions import Impossible, Interactions
from .reading import read_message
from .screens import Card, CouldNot, Home, Modal, Screen
from .server import RunningSlack
from .workspace import Change, Channel, Message

__all__ = ["Card", "CouldNot", "Driver", "Home", "Member", "Modal"]

Result = TypeVar("Result")
Words = str | re.Pattern[str]

PATIENCE_SECONDS = 5.0
GLANCE_SECONDS = 0.05
_SHOWN = 8  # messages quoted when something was not seen


class Driver:
    """The hands and eyes of everybody in one running pretend Slack."""

    def __init__(self, running: RunningSlack, *, patience: float = PATIENCE_SECONDS) -> None:
        self.running = running
        self.patience = patience
        self._changed = threading.Condition()
        self._changes = 0
        running.call(lambda: running.slack.workspace.watchers.append(self._notice))

    def member(self, name: str) -> "Member":
        """Somebody by name or id."""
        for person in self.running.slack.workspace.people.values():
            if name in (person.name, person.id):
                return Member(self, person.id)
        raise CouldNot(f"There is nobody called {name!r} in this workspace.")

    def until(self, look: Callable[[], Result | None], what: str, on_screen: Callable[[], str]) -> Result:
        """The first thing `look` (run on the server's loop) returns that is not None; CouldNot after `patience`."""
        deadline = time.monotonic() + self.patience
        while True:
            seen = self._changes
            found = self.running.call(look)
            if found is not None:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise CouldNot(f"Waited {self.patience:g} s for {what}. On screen:\n{on_screen()}")
            with self._changed:
                # What is waited for may also happen outside Slack (in the app), which nobody tells us of.
                self._changed.wait_for(lambda: self._changes != seen, min(left, GLANCE_SECONDS))  # noqa: B023

    def _notice(self, _: Change) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()


class Member:
    """One person at their keyboard."""

    def __init__(self, driver: Driver, user_id: str) -> None:
        self._driver = driver
        self.running = driver.running
        self.id = user_id

    @property
    def interactions(self) -> Interactions:
        """What this person's hands reach."""
        return self.running.interactions

    # Doing

    def types(self, text: str, *, in_: str, under: Card | None = None) -> None:
        """Type a message or slash command into a conversation (`#acme`, `@robot`, or an id), or a thread."""
        channel = self._channel(in_)
        thread_ts = under.ts if under else None
        self.do(self.interactions.types(self.id, channel.id, text, thread_ts))

    def opens(self, where: str) -> None:
        """Look at a conversation; it is read then."""
        channel = self._channel(where)
        self.running.slack.looking_at[self.id] = channel.id
        self.running.call(lambda: self.running.slack.workspace.mark_read(channel, self.id))

    def opens_home(self) -> Home:
        """Open the app's Home tab and wait for the app to have put something there."""
        self.do(self.interactions.open_home(self.id))
        views = self.running.slack.views
        return Home(self, self.until(lambda: views.home(self.id), "the Home tab"))

    def runs(self, shortcut: str) -> None:
        """Choose a global shortcut from the menu."""
        for one in self.interactions.shortcuts("global"):
            if one.name == shortcut:
                self.do(self.interactions.shortcut(self.id, one.callback_id))
                return
        raise CouldNot(f"There is no global shortcut {shortcut!r}.")

    def joins(self, where: str) -> None:
        """Join a public channel."""
        channel = self._channel(where)
        if channel.kind != "public":
            raise CouldNot(f"{where} is not a public channel; nobody can join it unasked.")
        self.running.call(lambda: self.running.slack.join(channel, self.id))

    def leaves(self, where: str) -> None:
        """Leave a channel."""
        channel = self._channel(where)
        self.running.call(lambda: self.running.slack.leave(channel, self.id))

    def invites(self, name: str, *, to: str) -> None:
        """Add somebody, or the app by its name, to a channel."""
        channel, user_id = self._channel(to), self.running.call(lambda: self.id_of(f"@{name.removeprefix('@')}"))
        self.running.call(lambda: self.running.slack.join(channel, user_id, inviter=self.id))

    # Seeing

    def sees(self, words: Words, *, in_: str, under: Card | None = None) -> Card:
        """Wait for a message with these words and return the latest such."""
        channel = self._channel(in_)

        def look() -> Message | None:
            for message in reversed(self._messages(channel, under)):
                if _contains(self._read(message), words):
                    return message
            return None

        what = f"{words if isinstance(words, str) else words.pattern!r} in {in_}"
        return Card(self, self._driver.until(look, what, lambda: self._screen(channel, under)))

    def does_not_see(self, words: Words, *, in_: str) -> None:
        """Fail if such a message is in front of this person now."""
        channel = self._channel(in_)
        found = self.running.call(lambda: [self._read(message) for message in self._messages(channel, None)])
        for text in found:
            if _contains(text, words):
                raise CouldNot(f"{self.id} does see in {in_}:\n{text}")

    def modal(self, title: str | None = None) -> Modal:
        """Wait for a modal (with this title) to be in front of this person."""
        views = self.running.slack.views

        def look() -> Modal | None:
            top = views.top(self.id)
            matches = top is not None and title in (None, top.body["title"]["text"])
            return Modal(self, top) if top is not None and matches else None

        return self.until(look, f"a modal {title or ''}".strip())

    def has_no_modal(self) -> None:
        """Wait until no modal is in front of this person."""
        views = self.running.slack.views
        self.until(lambda: True if views.top(self.id) is None else None, "no modal open")

    def unread(self, where: str) -> int:
        """The number on the unread mark of a conversation."""
        channel = self._channel(where)
        return self.running.call(lambda: self.running.slack.workspace.unread(channel, self.id))

    def channels(self) -> list[str]:
        """The channels in this person's sidebar."""
        channels = self.running.slack.workspace.channels
        return self.running.call(
            lambda: [one.name for one in channels.values() if one.name and self.id in one.members and not one.archived]
        )

    # For the screens

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Start doing something. What is impossible at once fails here; what the app then does is to be seen."""
        future = self.running.start(work)
        # One turn of the loop: everything up to the first wait for the app has happened when it is over.
        self.running.call(lambda: None)
        self.running.call(lambda: None)
        if future.done():
            try:
                future.result()
            except Impossible as error:
                raise CouldNot(str(error)) from None

    def until(self, look: Callable[[], Result | None], what: str, on: Screen | None = None) -> Result:
        """Wait for something; CouldNot, with what is on screen, when it does not come."""
        return self._driver.until(look, what, lambda: on.text if on else self._everything())

    def id_of(self, name: str) -> str:
        """The id behind `@name`, `#name`, a bare name or an id."""
        workspace = self.running.slack.workspace
        bare = name.removeprefix("@")
        for person in workspace.people.values():
            if not name.startswith("#") and bare in (person.name, person.id, person.real_name):
                return person.id
        channel = workspace.channel_named(name) or workspace.channels.get(name)
        if channel is None or not workspace.may_see(channel, self.id):
            raise CouldNot(f"{self.id} knows nobody and no conversation called {name!r}.")
        return channel.id

    def _channel(self, where: str) -> Channel:
        workspace = self.running.slack.workspace
        found = self.running.call(lambda: self.id_of(where))
        if found in workspace.people:
            return self.running.call(lambda: workspace.direct(self.id, found))
        return workspace.channels[found]

    def _messages(self, channel: Channel, under: Card | None) -> list[Message]:
        if self.id not in channel.members and channel.kind != "public":
            raise CouldNot(f"{self.id} does not see #{channel.name}.")
        seen = self.running.slack.workspace.visible(channel, self.id)
        if under is not None:
            return [m for m in seen if m.thread_ts == under.ts or m.ts == under.ts]
        return [message for message in seen if not message.is_reply or message.broadcast]

    def _read(self, message: Message) -> str:
        return read_message(message, self.running.slack.workspace)

    def _screen(self, channel: Channel, under: Card | None) -> str:
        shown = self.running.call(lambda: [self._read(m) for m in self._messages(channel, under)[-_SHOWN:]])
        return "\n---\n".join(shown) or "(nothing)"

    def _everything(self) -> str:
        top = self.running.call(lambda: self.running.slack.views.top(self.id))
        if top is not None:
            return Modal(self, top).text
        looking_at = self.running.slack.looking_at.get(self.id)
        return self._screen(self.running.slack.workspace.channels[looking_at], None) if looking_at else "(nothing)"


def _contains(text: str, words: Words) -> bool:
    return words in text if isinstance(words, str) else words.search(text) is not None
