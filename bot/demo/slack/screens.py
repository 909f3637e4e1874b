"""What a person has on screen, as tests use it: a `Card`, a `Modal`, a `Home`.

Elements are found by what a person would call them: a button's text, an input's label, a menu's placeholder, an
option's text; where those are missing or shared, by `action_id`. `CouldNot`, an assertion failure, is raised when the
person could not have done it.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Self

from .errors import SlackError
from .inputs import SLOTS, Element, empty_value, interactive, state_values
from .interactions import Impossible
from .reading import read_blocks, read_message
from .views import View
from .workspace import Message

if TYPE_CHECKING:
    from .driver import Member

Found = tuple[dict[str, Any], Element]


class CouldNot(AssertionError):
    """A person could not have done or seen this; the message says what was in front of them."""


class Screen:
    """Anything with blocks on it that a person can read and use."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._running = member.running

    @property
    def text(self) -> str:
        """Everything that can be read on it now."""
        return self._running.call(self._text)

    @property
    def buttons(self) -> list[str]:
        """The texts of all buttons, in order."""
        return [element["text"]["text"] for _, element in self._elements() if element["type"].endswith("button")]

    def press(self, name: str, *, confirming: str | None = None) -> None:
        """Press a button, or the option of an overflow menu.

        If Slack asks for confirmation first, `confirming` is the text of the button to press in that dialog.
        """
        block, element, value = self._pressable(name)
        if self._confirmed(element, confirming):
            self._use(block, element, value)

    def fill(self, name: str, value: Any, *, searching: str | None = None, confirming: str | None = None) -> Self:
        """Enter or choose a value and return the screen, so that several can follow each other.

        Text for text inputs and numbers, option texts for menus, radio buttons and (as a list) multi-selects and
        checkboxes, names or ids for people and conversations, dates and times as such; None empties. A menu that
        asks the app is searched for `searching`, by default the option's own text.
        """
        block, element = self._named(name)
        if element["type"] not in SLOTS:
            raise CouldNot(f"{name!r} is a {element['type']}; it can be pressed, not filled.")
        chosen = self._value(block, element, value, searching)
        if self._confirmed(element, confirming):
            self._use(block, element, chosen)
        return self

    def options(self, name: str, *, searching: str = "") -> list[str]:
        """The texts of what a menu offers."""
        block, element = self._named(name)
        return [option["text"]["text"] for option in self._offered(block, element, searching)]

    def value(self, name: str) -> Any:
        """What an input holds now: text, option text(s), id(s)."""
        block, element = self._named(name)
        state = self._running.call(self._values)[block["block_id"]][element["action_id"]]
        held = state[SLOTS[element["type"]][0]]
        if isinstance(held, dict) and "text" in held:
            return held["text"]["text"]
        if isinstance(held, list):
            return [item["text"]["text"] if isinstance(item, dict) and "text" in item else item for item in held]
        return held

    # What differs between the screens

    def _text(self) -> str:
        raise NotImplementedError

    def _blocks(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def _values(self) -> dict[str, Any]:
        raise NotImplementedError

    def _use(self, block: dict[str, Any], element: Element, value: Any) -> None:
        raise NotImplementedError

    def _suggest(self, block: dict[str, Any], element: Element, query: str) -> list[dict[str, Any]]:
        raise NotImplementedError

    # Finding and converting

    def _elements(self) -> list[Found]:
        return self._running.call(lambda: list(interactive(self._blocks())))

    def _named(self, name: str) -> Found:
        found = [pair for pair in self._elements() if name in _names(*pair)]
        if len(found) != 1:
            seen = sorted({one for pair in self._elements() for one in _names(*pair)[:1]})
            how_many = "There is no" if not found else f"There are {len(found)} times"
            raise CouldNot(f"{how_many} {name!r} here; usable are {seen}. On screen:\n{self.text}")
        return found[0]

    def _pressable(self, name: str) -> tuple[dict[str, Any], Element, Any]:
        for block, element in self._elements():
            if element["type"] == "overflow":
                for option in element["options"]:
                    if option["text"]["text"] == name:
                        return block, element, option
            if element["type"] == "feedback_buttons":
                for key in ("positive_button", "negative_button"):
                    if element[key]["text"]["text"] == name:
                        return block, element, element[key]["value"]
        block, element = self._named(name)
        if element["type"] in SLOTS or element["type"] == "overflow":
            raise CouldNot(f"{name!r} is a {element['type']}; it cannot be pressed.")
        return block, element, None

    def _confirmed(self, element: Element, confirming: str | None) -> bool:
        dialog = element.get("confirm")
        if dialog is None:
            if confirming is not None:
                raise CouldNot(f"Slack does not ask for a confirmation here, so nobody can press {confirming!r}.")
            return True
        yes, no = str(dialog["confirm"]["text"]), str(dialog["deny"]["text"])
        if confirming not in (yes, no):
            raise CouldNot(f"Slack asks first: {dialog['title']['text']!r} with {yes!r} and {no!r}; say confirming=…")
        return confirming == yes

    def _value(self, block: dict[str, Any], element: Element, value: Any, searching: str | None) -> Any:
        kind = element["type"]
        if value is None or value == []:
            return empty_value(element)
        if kind in ("static_select", "external_select", "radio_buttons"):
            return self._option(block, element, value, searching)
        if kind in ("multi_static_select", "multi_external_select", "checkboxes"):
            return [self._option(block, element, one, searching) for one in value]
        if kind.endswith(("users_select", "conversations_select", "channels_select")):
            one_or_many: Sequence[str] = value if kind.startswith("multi_") else [value]
            ids = [self._running.call(lambda one=one: self._member.id_of(one)) for one in one_or_many]  # type: ignore[misc]
            return ids if kind.startswith("multi_") else ids[0]
        if kind == "datetimepicker":
            return int(value.timestamp()) if isinstance(value, datetime) else int(value)
        if kind == "rich_text_input":
            part = {"type": "rich_text_section", "elements": [{"type": "text", "text": str(value)}]}
            return {"type": "rich_text", "elements": [part]}
        if kind == "file_input":
            return [{"id": self._running.slack.workspace.new_id("F"), "name": name} for name in value]
        if isinstance(value, time):
            return value.strftime("%H:%M")
        return value.isoformat() if isinstance(value, date) else str(value)

    def _option(self, block: dict[str, Any], element: Element, text: str, searching: str | None) -> dict[str, Any]:
        offered = self._offered(block, element, text if searching is None else searching)
        for option in offered:
            if option["text"]["text"] == text:
                return option
        raise CouldNot(f"{text!r} is not offered, but {[option['text']['text'] for option in offered]} are.")

    def _offered(self, block: dict[str, Any], element: Element, query: str) -> list[dict[str, Any]]:
        if element["type"].endswith("external_select"):
            try:
                return self._suggest(block, element, query)
            except SlackError as error:
                raise CouldNot(f"The menu shows no options but {error.name!r}: {dict(error.extra)}") from None
        groups = element.get("option_groups") or [{"options": element.get("options", [])}]
        return [option for group in groups for option in group["options"]]


def _names(block: dict[str, Any], element: Element) -> list[str]:
    """What a person might call an element, the likeliest first."""
    texts = [block.get("label"), element.get("text"), element.get("placeholder")]
    spoken = [text["text"] for text in texts if isinstance(text, dict)]
    return [*spoken, *(element[key] for key in ("accessibility_label", "action_id") if key in element)]


class Card(Screen):
    """One message as one person sees it. It stays the same card while the app updates it."""

    def __init__(self, member: "Member", message: Message) -> None:
        super().__init__(member)
        self.ts = message.ts
        self.channel = message.channel
        self.is_ephemeral = message.only_for is not None

    @property
    def warning(self) -> str | None:
        """What Slack says beside the message when its app did not answer a click."""
        return self._member.interactions.warnings.get((self._member.id, self.ts))

    def warns(self) -> str:
        """Wait for that warning."""
        return self._member.until(lambda: self.warning, "a warning beside the message")

    def says(self, text: str) -> "Card":
        """Wait until the card shows this text."""
        self._member.until(lambda: True if text in self._text() else None, f"{text!r} on the card", self)
        return self

    def shortcut(self, name: str) -> None:
        """Choose a message shortcut from the card's menu."""
        for shortcut in self._member.interactions.shortcuts("message"):
            if shortcut.name == name:
                message = self._running.call(self._message)
                self._member.do(self._member.interactions.shortcut(self._member.id, shortcut.callback_id, message))
                return
        raise CouldNot(f"There is no message shortcut {name!r}.")

    def _message(self) -> Message:
        try:
            return self._member.interactions.message(self._member.id, self.channel, self.ts)
        except Impossible as error:
            raise CouldNot(str(error)) from None

    def _text(self) -> str:
        return read_message(self._message(), self._running.slack.workspace)

    def _blocks(self) -> list[dict[str, Any]]:
        message = self._message()
        return [*message.blocks, *(block for one in message.attachments for block in one["blocks"])]

    def _values(self) -> dict[str, Any]:
        entered = self._member.interactions.entered_in(self._member.id, self._message())
        return state_values(self._blocks(), entered, self.channel)

    def _use(self, block: dict[str, Any], element: Element, value: Any) -> None:
        place = (self._member.id, self.channel, self.ts, block["block_id"], element["action_id"])
        self._member.do(self._member.interactions.act_in_message(*place, value))

    def _suggest(self, block: dict[str, Any], element: Element, query: str) -> list[dict[str, Any]]:
        groups = self._running.wait_for(
            self._member.interactions.suggest(
                self._member.id, block["block_id"], element["action_id"], query, message=self._message()
            )
        )
        return [option for group in groups for option in group["options"]]


class _ViewScreen(Screen):
    """A modal or Home tab."""

    def __init__(self, member: "Member", view: View) -> None:
        super().__init__(member)
        self.id = view.id

    def _view(self) -> View:
        try:
            return self._member.interactions.view(self._member.id, self.id)
        except Impossible as error:
            raise CouldNot(str(error)) from None

    def _text(self) -> str:
        view = self._view()
        words = [view.body[key]["text"] for key in ("title", "submit", "close") if key in view.body]
        return "\n".join([*words[:1], *read_blocks(view.blocks, self._running.slack.workspace), *words[1:]])

    def _blocks(self) -> list[dict[str, Any]]:
        return self._view().blocks

    def _values(self) -> dict[str, Any]:
        return self._view().values()

    def _use(self, block: dict[str, Any], element: Element, value: Any) -> None:
        place = (self._member.id, self.id, block["block_id"], element["action_id"])
        self._member.do(self._member.interactions.act_in_view(*place, value))

    def _suggest(self, block: dict[str, Any], element: Element, query: str) -> list[dict[str, Any]]:
        groups = self._running.wait_for(
            self._member.interactions.suggest(
                self._member.id, block["block_id"], element["action_id"], query, view_id=self.id
            )
        )
        return [option for group in groups for option in group["options"]]

    def says(self, text: str) -> Self:
        """Wait until the view shows this text."""
        self._member.until(lambda: True if text in self._text() else None, f"{text!r} in the view", self)
        return self


class Home(_ViewScreen):
    """The app's Home tab of one person."""


class Modal(_ViewScreen):
    """The modal in front of one person."""

    @property
    def title(self) -> str:
        """Its title."""
        title: str = self._running.call(self._view).body["title"]["text"]
        return title

    @property
    def is_open(self) -> bool:
        """Whether it is still in front of the person."""
        top = self._running.call(lambda: self._running.slack.views.top(self._member.id))
        return top is not None and top.id == self.id

    def submit(self) -> None:
        """Press the submit button."""
        self._member.do(self._member.interactions.submit(self._member.id, self.id))

    def close(self, *, everything: bool = False) -> None:
        """Press the close button, or (`everything`) the × that closes all modals below it too."""
        self._member.do(self._member.interactions.close(self._member.id, self.id, everything=everything))

    def error(self, name: str) -> str:
        """Wait for an error on this input and return it."""
        block, _ = self._named(name)
        return self._member.until(lambda: self._view().errors.get(block["block_id"]), f"an error on {name!r}", self)

    def trouble(self) -> str:
        """Wait for Slack to say in the modal that the app did not answer, and return its words."""
        return self._member.until(lambda: self._view().trouble, "a notice of trouble in the modal", self)

    def gone(self) -> None:
        """Wait until this modal is no longer in front of the person."""
        views, member = self._running.slack.views, self._member
        member.until(
            lambda: True if (top := views.top(member.id)) is None or top.id != self.id else None, "the modal gone", self
        )
