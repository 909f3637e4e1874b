"""Modals and Home tabs: the stack a person has open, what they have entered, and the hash that guards updates."""

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import Any

from .errors import SlackError
from .inputs import Entered, interactive, state_values, with_ids
from .manifest import App
from .validation import Offence, validate
from .workspace import Workspace

STACK_MOST = 3
_TROUBLE = "We had some trouble connecting. Try again?"


@dataclass
class View:
    """An open modal, or the Home tab of one person. `trouble` and `errors` are what the person is told in it."""

    id: str
    person: str
    body: dict[str, Any]
    root_id: str
    previous_id: str | None
    opened_from: str | None  # the conversation the person was looking at
    hash: str = ""
    entered: Entered = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None
    waiting: bool = False
    version: int = 0

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The view's blocks, with all ids filled in."""
        blocks: list[dict[str, Any]] = self.body["blocks"]
        return blocks

    def values(self) -> dict[str, Any]:
        """The `state.values` of the view as it stands."""
        return state_values(self.blocks, self.entered, self.opened_from)


class Views:
    """Everything that is open, for everybody."""

    def __init__(self, workspace: Workspace, app: App) -> None:
        self._workspace = workspace
        self._app = app
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}
        self._count = itertools.count(1)

    def stack(self, person: str) -> list[View]:
        """The modals this person has open, the root first."""
        return list(self._stacks.get(person, []))

    def top(self, person: str) -> View | None:
        """The modal in front of this person, or None."""
        stack = self._stacks.get(person)
        return stack[-1] if stack else None

    def home(self, person: str) -> View | None:
        """What the app has published to this person's Home tab, or None."""
        return self._homes.get(person)

    def open_count(self) -> int:
        """How many modals are open in the workspace."""
        return sum(len(stack) for stack in self._stacks.values())

    def find(self, view_id: str) -> View:
        """An open modal or published Home by id; SlackError `not_found`."""
        for view in self._all():
            if view.id == view_id:
                return view
        raise SlackError("not_found")

    def find_external(self, external_id: str) -> View:
        """An open modal or published Home by the app's own id; SlackError `not_found`."""
        for view in self._all():
            if view.body.get("external_id") == external_id:
                return view
        raise SlackError("not_found")

    def open(self, person: str, body: object, opened_from: str | None) -> View:
        """Show a modal; whatever this person had open is gone."""
        modal = self._checked(body, "modal")
        self._refuse_known_external_id(modal, self._stacks.get(person, []))
        view = self._new(person, modal, previous=None, opened_from=opened_from)
        self._stacks[person] = [view]
        self._workspace.changed("views", person=person)
        return view

    def push(self, person: str, body: object) -> View:
        """Show a modal on top of the one that is open; SlackError `push_limit_reached` above three."""
        modal = self._checked(body, "modal")
        stack = self._stacks.get(person)
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= STACK_MOST:
            raise SlackError("push_limit_reached")
        self._refuse_known_external_id(modal)
        view = self._new(person, modal, previous=stack[-1], opened_from=stack[-1].opened_from)
        stack.append(view)
        self._workspace.changed("views", person=person)
        return view

    def update(self, view: View, body: object, expected_hash: str | None) -> View:
        """Replace what a view shows; what was entered stays where block and action ids stay.

        SlackError `hash_conflict` if the app has not seen the latest version of the view.
        """
        changed = self._checked(body, view.body["type"])
        if expected_hash is not None and expected_hash != view.hash:
            raise SlackError("hash_conflict")
        self._refuse_known_external_id(changed, [view])
        self._fill(view, changed)
        kept = {(block["block_id"], element["action_id"]) for block, element in interactive(view.blocks)}
        view.entered = {place: value for place, value in view.entered.items() if place in kept}
        self._workspace.changed("home" if view.body["type"] == "home" else "views", person=view.person)
        return view

    def publish(self, person: str, body: object, expected_hash: str | None) -> View:
        """Put a view on a person's Home tab; SlackError `not_enabled` if the manifest has no Home tab."""
        if not self._app.home_tab:
            raise SlackError("not_enabled")
        view = self._homes.get(person)
        if view is not None:
            return self.update(view, body, expected_hash)
        home = self._checked(body, "home")
        self._refuse_known_external_id(home)
        if expected_hash is not None:
            raise SlackError("hash_conflict")
        view = self._homes[person] = self._new(person, home, previous=None, opened_from=None)
        self._workspace.changed("home", person=person)
        return view

    def pop(self, view: View) -> None:
        """Close the topmost modal; the one below it is in front again."""
        stack = self._stacks.get(view.person, [])
        if view in stack:
            del stack[stack.index(view) :]
            self._workspace.changed("views", person=view.person)

    def clear(self, person: str) -> None:
        """Close every modal of this person."""
        self._stacks.pop(person, None)
        self._workspace.changed("views", person=person)

    def forget(self) -> None:
        """The app is gone: so are its modals and Home tabs."""
        people = {*self._stacks, *self._homes}
        self._stacks.clear()
        self._homes.clear()
        for person in people:
            self._workspace.changed("views", person=person)
            self._workspace.changed("home", person=person)

    def trouble(self, view: View, words: str = _TROUBLE) -> None:
        """The app did not answer properly: the modal stays, and says so."""
        view.trouble, view.waiting = words, False
        self.touch(view)

    def touch(self, view: View) -> None:
        """Say that a view looks different now, though the app has not changed it."""
        view.version += 1
        self._workspace.changed("home" if view.body["type"] == "home" else "views", person=view.person)

    def as_json(self, view: View) -> dict[str, Any]:
        """The view object of payloads and answers."""
        body = view.body
        modal = body["type"] == "modal"
        return {
            "id": view.id,
            "team_id": self._workspace.team_id,
            "type": body["type"],
            "blocks": body["blocks"],
            "private_metadata": body.get("private_metadata", ""),
            "callback_id": body.get("callback_id", ""),
            "state": {"values": view.values()},
            "hash": view.hash,
            "title": body.get("title") if modal else {"type": "plain_text", "text": "View Title", "emoji": True},
            "submit": body.get("submit"),
            "close": body.get("close"),
            "clear_on_close": body.get("clear_on_close", False),
            "notify_on_close": body.get("notify_on_close", False),
            "root_view_id": view.root_id,
            "previous_view_id": view.previous_id,
            "app_id": self._app.id,
            "external_id": body.get("external_id", ""),
            "app_installed_team_id": self._workspace.team_id,
            "bot_id": self._app.bot_id,
        }

    def _all(self) -> itertools.chain[View]:
        return itertools.chain(itertools.chain.from_iterable(self._stacks.values()), self._homes.values())

    def _new(self, person: str, body: dict[str, Any], previous: View | None, opened_from: str | None) -> View:
        view_id = self._workspace.new_id("V")
        view = View(
            view_id,
            person,
            body,
            root_id=previous.root_id if previous else view_id,
            previous_id=previous.id if previous else None,
            opened_from=opened_from,
        )
        self._fill(view, body)
        return view

    def _fill(self, view: View, body: dict[str, Any]) -> None:
        view.body = {**body, "blocks": with_ids(body["blocks"])}
        view.version += 1
        view.errors, view.trouble, view.waiting = {}, None, False
        number = next(self._count)
        view.hash = (
            f"{int(self._workspace.clock.now())}.{hashlib.sha256(f'{view.id}{number}'.encode()).hexdigest()[:8]}"
        )

    def _checked(self, body: object, kind: str) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise SlackError.refusing("invalid_arguments", [Offence("/view", "invalid_type", "must provide an object")])
        if body.get("type") != kind:
            wrong = Offence("/view/type", "failed_constraint", f"must be {kind}")
            raise SlackError.refusing("invalid_arguments", [wrong])
        offences = validate(body)
        if any(offence.code == "view_too_large" for offence in offences):
            raise SlackError("view_too_large")
        if offences:
            below_view = [Offence(f"/view{o.pointer}", o.code, o.message) for o in offences]
            raise SlackError.refusing("invalid_arguments", below_view)
        return body

    def _refuse_known_external_id(self, body: dict[str, Any], going: list[View] | None = None) -> None:
        external_id = body.get("external_id")
        staying = (view for view in self._all() if view not in (going or []))
        if external_id and any(view.body.get("external_id") == external_id for view in staying):
            raise SlackError("duplicate_external_id")
