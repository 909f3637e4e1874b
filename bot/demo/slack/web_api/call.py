"""One call of the Web API: its arguments, read strictly, and who is calling."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from re import ASCII, fullmatch
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import SlackError
from ..manifest import App
from ..reading_json import read_json
from ..workspace import Channel, Workspace

if TYPE_CHECKING:
    from ..pretend import PretendSlack

Item = TypeVar("Item")

PAGE_MOST = 1000


def invalid(*messages: str) -> SlackError:
    """Slack's `invalid_arguments`, with its messages in the order given."""
    return SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {text}" for text in messages]})


@dataclass
class Call:
    """A call that has passed authentication. Every reader raises the SlackError Slack would give."""

    slack: "PretendSlack"
    arguments: Mapping[str, Any]
    from_form: bool

    @property
    def workspace(self) -> Workspace:
        """The workspace the token belongs to."""
        return self.slack.workspace

    @property
    def app(self) -> App:
        """The calling app."""
        return self.slack.app

    @property
    def me(self) -> str:
        """The user id of the calling bot."""
        return self.slack.app.bot_user_id

    def may(self, scope: str) -> bool:
        """Whether the bot token carries a scope."""
        return scope in self.app.scopes

    def need(self, *scopes: str) -> None:
        """SlackError `missing_scope` unless the bot token carries one of these."""
        if not self.app.scopes.intersection(scopes):
            raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.app.scopes)))

    def text(self, name: str) -> str:
        """A required string."""
        value = self.optional(name)
        if value is None or value == "":
            raise invalid(f"missing required field: {name}")
        return value

    def optional(self, name: str) -> str | None:
        """A string, or None when absent."""
        value = self.arguments.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise invalid(f"must provide a string [json-pointer:/{name}]")
        return str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean; form values may be written true, false, 1 or 0."""
        value = self.arguments.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "1"):
            return True
        if str(value).lower() in ("false", "0"):
            return False
        raise invalid(f"must provide a boolean [json-pointer:/{name}]")

    def structure(self, name: str, when_unreadable: str) -> Any:
        """A JSON value, which forms carry as text; SlackError `when_unreadable` if that text is not JSON."""
        value = self.arguments.get(name)
        if not isinstance(value, str) or value == "":
            return None if value == "" else value
        try:
            return read_json(value)
        except ValueError:
            raise SlackError(when_unreadable) from None

    def words(self, name: str, separator: str = ",") -> list[str]:
        """A list of words, written with commas or as a JSON array."""
        value = self.arguments.get(name)
        if isinstance(value, list):
            return [str(item) for item in value]
        return [word for word in str(value or "").split(separator) if word]

    def limit(self, default: int) -> int:
        """The page size; SlackError `invalid_limit` unless 1 to 1000."""
        raw = self.optional("limit")
        if raw is None:
            return default
        if not fullmatch(r"\d{1,9}", raw, ASCII) or int(raw) > PAGE_MOST:
            raise SlackError("invalid_limit")
        return int(raw) or default

    def page(self, items: Sequence[Item], default: int = 100) -> tuple[list[Item], dict[str, str]]:
        """One page of `items` and the `response_metadata` that leads to the next; SlackError `invalid_cursor`."""
        start = read_cursor(self.optional("cursor"), "offset")
        end = start + self.limit(default)
        return list(items[start:end]), {"next_cursor": cursor("offset", end) if end < len(items) else ""}

    def channel(self, name: str = "channel") -> Channel:
        """The conversation named by id, as far as the bot may know it exists; SlackError `channel_not_found`."""
        return self.workspace.channel_for(self.text(name), self.me)


def cursor(kind: str, position: int | str) -> str:
    """An opaque cursor."""
    return b64encode(f"{kind}:{position}".encode()).decode()


def read_cursor(text: str | None, kind: str) -> int:
    """The position inside a cursor we made; 0 without one; SlackError `invalid_cursor`."""
    if not text:
        return 0
    try:
        name, _, position = b64decode(text, validate=True).decode().partition(":")
        if name == kind:
            return int(position)
    except ValueError:
        pass
    raise SlackError("invalid_cursor")
